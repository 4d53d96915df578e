//! `corsair check`: everything that is wrong with a configuration, and what it comes to.

use std::fmt::Write as _;

use crate::{
    config::{Config, ConfigFault, LeadsTo, Settings, compile::compile, machine::Machine, printed},
    server::fit,
};

/// That all is fine, and what is effective, which with `print` is a configuration file; and every warning.
///
/// # Errors
/// Everything that is wrong.
pub fn check(settings: &Settings, print: bool) -> Result<(String, Vec<ConfigFault>), Vec<ConfigFault>> {
    let (mut config, warnings) = compile(settings, Machine::claim(), None)?;
    fit(&mut config).map_err(|fault| vec![fault])?;
    // Where a server is may be a secret, too.
    let text = if print { printed::printed(settings) } else { settings.without_secrets(&summary(&config)) };
    Ok((text, warnings))
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
    if let Some(forward) = &config.forward {
        line("forward", &forward.describe().replace("forward proxy: ", ""));
    }
    for route in config.routes.typed() {
        let to = match &route.leads_to {
            LeadsTo::Upstream(upstream) => {
                let upstream = config.upstream(*upstream);
                let servers: Vec<String> =
                    upstream.endpoints.iter().map(|server| server.shown.to_string()).collect();
                format!("{} ({})", upstream.name, servers.join(", "))
            }
            LeadsTo::Respond(respond) => format!("answer {}", respond.status),
            LeadsTo::Nothing | LeadsTo::Gateway | LeadsTo::Forward => continue,
        };
        line("route", &format!("{} -> {to}; {}", route.name, config.policy(route.policy).describe()));
    }
    let process = &config.process;
    line("process", &format!("{} workers, {} connections", process.workers, process.max_connections));
    text
}
