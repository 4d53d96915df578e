//! Configuration: no arguments make it panic, and none of what it accepts is dangerous.

use std::{ffi::OsString, num::NonZeroUsize, os::unix::ffi::OsStringExt as _};

use corsair::{
    config::{Key, compile::compile, flags, machine::Machine},
    cors::decide_origin,
};

use crate::input::Input;

/// Flags whose values are opened as files.
const FILES: [&str; 4] = ["--tls-cert", "--tls-key", "--ca-file", "--hosts-file"];

/// The property. Each line of the input is an argument.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let descriptors = input.pick(&[20_000, 0, 1, 1 << 20]);
    let arguments: Vec<Vec<u8>> = input.rest().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    // Nothing outside of this folder is opened: a device could be read for ever.
    let names_a_file = |argument: &Vec<u8>| {
        let text = String::from_utf8_lossy(argument);
        FILES.iter().any(|flag| text.starts_with(flag))
    };
    if arguments.iter().any(names_a_file) && data.contains(&b'/') {
        return;
    }
    let typed = std::iter::once(OsString::from("corsair"));
    let settings = match flags::parse(typed.chain(arguments.into_iter().map(OsString::from_vec))) {
        Ok(settings) => settings,
        Err(fault) => {
            assert!(!fault.to_string().is_empty());
            return;
        }
    };
    let machine = Machine { descriptors, cores: NonZeroUsize::MIN };
    match compile(&settings, machine, None) {
        Ok((config, warnings)) => {
            assert!(config.listeners().count() > 0 && config.process.max_connections > 0);
            assert!(config.has_routes() || config.gateway.is_some());
            assert!(config.upstreams.iter().all(|upstream| !upstream.endpoints.is_empty()));
            are_said(&warnings);
            let credentials = settings.typed(Key::AllowCredentials).last();
            if credentials.is_some_and(|typed| typed.text == "true") {
                assert!(
                    !config.cors().is_any_origin() && !decide_origin(config.cors(), b"null"),
                    "{settings:?}"
                );
            }
            let reachable = config.listeners().any(|(_, listener)| !listener.is_loopback());
            if let Some(gateway) = &config.gateway
                && reachable
                && !config.cors().is_list()
                && !settings.has(Key::Open)
            {
                assert!(gateway.rules.is_list(), "an open gateway: {settings:?}");
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason: {settings:?}");
            are_said(&faults);
        }
    }
}

/// Every fault is one line that can be shown on a terminal.
fn are_said(faults: &[corsair::config::ConfigFault]) {
    for fault in faults {
        let text = fault.to_string();
        assert!(!text.is_empty() && !text.chars().any(char::is_control), "{text:?}");
    }
}
