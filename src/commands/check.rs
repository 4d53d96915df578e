//! `corsair check`: everything that is wrong with a configuration, and what it comes to.

use std::{fmt::Write as _, process::ExitCode};

use super::faults::{USAGE, report};
use crate::config::{Config, LeadsTo, Settings, compile::compile, machine::Machine, printed};

/// Tells every fault and warning; then, where nothing is wrong, that it is fine and what is effective. With `print`
/// that is a configuration file.
///
/// # Errors
/// The exit code where something is wrong.
pub fn check(settings: &Settings, print: bool) -> Result<String, ExitCode> {
    let (config, warnings) = compile(settings, Machine::claim(), None).map_err(|faults| {
        report(&faults, &[]);
        ExitCode::from(USAGE)
    })?;
    report(&[], &warnings);
    Ok(if print { printed::printed(settings) } else { summary(&config) })
}

/// What is effective, in a few lines.
fn summary(config: &Config) -> String {
    let mut text = "ok\n".to_owned();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    for (_, listener) in config.listeners() {
        line("listen", &listener.address.url(listener.tls.is_some()));
    }
    if let Some(gateway) = &config.gateway {
        let policy = config.policy(config.route(crate::config::Routes::GATEWAY).policy);
        line("gateway", &format!("targets {}; {}", gateway.rules.describe(), policy.describe()));
    }
    for route in config.routes.typed() {
        let to = match &route.leads_to {
            LeadsTo::Upstream(upstream) => {
                let upstream = config.upstream(*upstream);
                let servers: Vec<String> = upstream.endpoints.iter().map(|server| server.url()).collect();
                format!("{} ({})", upstream.name, servers.join(", "))
            }
            LeadsTo::Respond(respond) => format!("answer {}", respond.status),
            LeadsTo::Nothing | LeadsTo::Gateway => continue,
        };
        line("route", &format!("{} -> {to}; {}", route.name, config.policy(route.policy).describe()));
    }
    let process = &config.process;
    line("process", &format!("{} workers, {} connections", process.workers, process.max_connections));
    text
}
