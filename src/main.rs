//! The command: arguments to configuration to server, and what its exit code says.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use corsair::{
    commands::{self, ReloadEnd},
    config::{Command, ConfigFault, ListenAddress, Settings, admin_address, file, flags, machine::Machine},
    diagnostics,
    server::{self, Origin},
};
use tikv_jemallocator::Jemalloc;

/// Keeps what is freed apart by size and gives it back to the system: with the C library's allocator, a few
/// long-lived blocks hold the whole heap of a busy second.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// The process failed while it ran.
const FAILURE: u8 = 1;

/// What was asked for cannot be done: a flag, or the configuration.
const USAGE: u8 = 2;

/// What was explained is no answer that the page could read.
const UNREADABLE: u8 = 3;

fn main() -> ExitCode {
    let (command, mut settings) = match flags::parse_command(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(answer) => {
            // Help and version end here too. Whether anybody still reads it changes nothing.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(USAGE));
        }
    };
    match command {
        Command::Serve => serve(settings),
        Command::Check { print } => {
            file::read(&mut settings);
            match commands::check(&settings, print) {
                Ok((text, warnings)) => {
                    commands::report(&[], &warnings, diagnostics::has_colours());
                    printed(&text)
                }
                Err(faults) => refused(&faults),
            }
        }
        Command::Explain(question) => {
            file::read(&mut settings);
            match commands::explain(&settings, &question) {
                Ok((explanation, warnings)) => {
                    commands::report(&[], &warnings, diagnostics::has_colours());
                    let colours = diagnostics::output_has_colours();
                    printed(&if question.json { explanation.json() } else { explanation.text(colours) });
                    ExitCode::from(if explanation.readable { 0 } else { UNREADABLE })
                }
                Err(faults) => refused(&faults),
            }
        }
        Command::Sign(signing) => {
            file::read(&mut settings);
            match commands::sign(&settings, &signing, SystemTime::now()) {
                Ok((url, warnings)) => {
                    commands::report(&[], &warnings, diagnostics::has_colours());
                    printed(&url)
                }
                Err(faults) => refused(&faults),
            }
        }
        Command::Status { watch } => at_admin(settings, |address| show(address, watch)),
        Command::Reload => at_admin(settings, |address| match commands::reload(address) {
            Ok(ReloadEnd::Applied(text)) => printed(&text),
            Ok(ReloadEnd::Refused(faults)) => {
                faults.iter().for_each(|fault| eprintln!("corsair: {fault}"));
                failed("the reload is refused; the process goes on with the configuration that it has")
            }
            Err(reason) => failed(&reason),
        }),
        Command::Generate(artifact) => match commands::generate(artifact, &settings) {
            Ok(text) => printed(&text),
            Err(faults) => refused(&faults),
        },
    }
}

/// Does something with the address of a running process.
fn at_admin(mut settings: Settings, ask: impl FnOnce(&ListenAddress) -> ExitCode) -> ExitCode {
    file::read(&mut settings);
    match admin_address(&settings) {
        Ok(address) => ask(&address),
        Err(faults) => refused(&faults),
    }
}

/// Shows what the process does, with `watch` until nobody looks any more.
#[expect(
    clippy::disallowed_methods,
    reason = "a command of its own thread, which waits for nothing but the next second"
)]
fn show(address: &ListenAddress, watch: bool) -> ExitCode {
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let text = match commands::status(address, diagnostics::output_has_colours()) {
            Ok(text) => text,
            // A process that is replaced may be away for a moment.
            Err(reason) if watch && is_terminal => format!("{reason}\n"),
            Err(reason) => return failed(&reason),
        };
        // Home, and clear what is there.
        let begin = if watch && is_terminal { "\u{1b}[H\u{1b}[2J" } else { "" };
        let end = if watch && !is_terminal { "\n" } else { "" };
        let mut out = std::io::stdout();
        let written = write!(out, "{begin}{text}{end}").and_then(|()| out.flush());
        if !watch || written.is_err() {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Tells why what was asked for has failed.
fn failed(reason: &str) -> ExitCode {
    eprintln!("corsair: {reason}");
    ExitCode::from(FAILURE)
}

fn serve(typed: Settings) -> ExitCode {
    let origin = Origin { typed, machine: Machine::claim() };
    let (config, warnings) = match origin.read(None) {
        Ok(compiled) => compiled,
        Err(faults) => return refused(&faults),
    };
    // Dropped last, however this ends.
    let _last_lines = diagnostics::install(config.log.level.general, &config.log.level.targets);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match server::run(config, origin) {
        Ok(code) => code,
        Err(error) => {
            diagnostics::say(&format!("corsair: {error}"));
            ExitCode::from(if error.is_usage() { USAGE } else { FAILURE })
        }
    }
}

/// Tells all that is wrong.
fn refused(faults: &[ConfigFault]) -> ExitCode {
    commands::report(faults, &[], diagnostics::has_colours());
    ExitCode::from(USAGE)
}

/// Prints what a command was asked for. Whether anybody still reads it changes nothing.
fn printed(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
