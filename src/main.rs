//! The command: arguments to configuration to server, and what its exit code says.

use std::process::ExitCode;

use corsair::{
    commands,
    config::{Command, ConfigFault, Settings, file, flags, machine::Machine},
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
        Command::GenerateConfig => match commands::generate_config(&settings) {
            Ok(text) => printed(&text),
            Err(faults) => refused(&faults),
        },
    }
}

fn serve(typed: Settings) -> ExitCode {
    let origin = Origin { typed, machine: Machine::claim() };
    let (config, warnings) = match origin.read(None) {
        Ok(compiled) => compiled,
        Err(faults) => return refused(&faults),
    };
    diagnostics::install(config.log.verbosity);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match server::run(config, origin) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("corsair: {error}");
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
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    ExitCode::SUCCESS
}
