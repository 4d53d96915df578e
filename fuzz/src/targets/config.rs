//! Configuration: no arguments and no file make it panic, none of what it accepts is dangerous, and what it prints is what
//! it has read.

use std::{ffi::OsString, num::NonZeroUsize, os::unix::ffi::OsStringExt as _, path::Path};

use corsair::{
    config::{
        Config, ConfigFault, Key, LeadsTo, Routes, Settings, Source, compile::compile, file, flags,
        machine::Machine, printed::printed,
    },
    cors::decide_origin,
};

use crate::{document::document, input::Input};

/// Flags whose values are opened as files.
const FILES: [&str; 4] = ["--tls-cert", "--tls-key", "--ca-file", "--hosts-file"];

/// The property. Behind an `f` the input is a file, behind an `s` it chooses what one is made of, behind an `o` the same
/// with odd values; else each line is an argument.
pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((b'f', text)) => check_file(&String::from_utf8_lossy(text)),
        Some((kind @ (b's' | b'o'), choices)) => {
            let mut input = Input::new(choices);
            check_file(&document(&mut |_| usize::from(input.byte()), *kind == b'o'));
        }
        _ => check_arguments(data),
    }
}

/// A file is judged whole: each fault has its place, and what is fine holds together and reads back as itself.
fn check_file(text: &str) {
    // Nothing that could be read for ever is opened.
    if ["file:", "/dev", "/proc", "/sys"].iter().any(|path| text.contains(path)) {
        return;
    }
    let (settings, source) = read(text);
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    match compile(&settings, machine, None) {
        Ok((config, warnings)) => {
            assert!(settings.faults().is_empty());
            are_said(&warnings);
            are_inside(&warnings, &source.text);
            holds_together(&config);
            let text = printed(&settings);
            let (again, source) = read(&text);
            match compile(&again, machine, None) {
                Ok((other, _)) => holds_together(&other),
                Err(faults) => panic!("{text}\nis printed and refused: {faults:?}"),
            }
            assert_eq!(printed(&again), text, "{}", source.text);
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason: {text}");
            are_said(&faults);
            are_inside(&faults, &source.text);
        }
    }
}

fn read(text: &str) -> (Settings, std::sync::Arc<Source>) {
    let (source, mut settings) = (Source::new(Path::new("f.toml"), text), Settings::default());
    file::add(&source, &mut settings);
    (settings, source)
}

fn are_inside(faults: &[ConfigFault], text: &str) {
    for fault in faults {
        let Some(place) = &fault.place else { continue };
        assert!(text.get(place.span.clone()).is_some(), "{fault}: {:?} of {text}", place.span);
        let (line, column) = place.line_and_column();
        assert!(line >= 1 && column >= 1 && line <= text.lines().count() + 1, "{fault}");
    }
}

/// What a configuration names is there.
fn holds_together(config: &Config) {
    assert!(config.listeners().count() > 0 && config.process.max_connections > 0);
    assert!(config.has_routes() || config.reaches_chosen_targets());
    let own = [Routes::NOTHING, Routes::GATEWAY, Routes::FORWARD].map(|id| config.route(id));
    for route in own.into_iter().chain(config.routes.typed()) {
        assert!(!config.policy(route.policy).describe().is_empty());
        if let LeadsTo::Upstream(upstream) = route.leads_to {
            assert!(!config.upstream(upstream).endpoints.is_empty());
        }
        assert!(route.limits.response_head <= config.process.largest_head);
    }
    for (id, listener) in config.listeners() {
        assert_eq!(config.listener(id).address, listener.address);
        assert!(listener.gateway || listener.forward || listener.routes);
    }
}

/// Each line of the input is an argument.
fn check_arguments(data: &[u8]) {
    let mut input = Input::new(data);
    let descriptors = input.pick(&[20_000, 0, 1, 1 << 20]);
    let arguments: Vec<Vec<u8>> = input.rest().split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    // Nothing outside of this folder is opened: a device could be read for ever.
    let names_a_file = |argument: &Vec<u8>| {
        let text = String::from_utf8_lossy(argument);
        FILES.iter().any(|flag| text.starts_with(flag))
    };
    let puts_in_a_file = data.windows(5).any(|window| window == b"file:");
    if (arguments.iter().any(names_a_file) || puts_in_a_file) && data.contains(&b'/') {
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
            assert!(config.has_routes() || config.reaches_chosen_targets());
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
            // No flag names a table of access.
            let is_open = !reachable || config.forward.is_none() || settings.has(Key::Open);
            assert!(is_open, "an open forward proxy: {settings:?}");
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
