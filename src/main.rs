//! The command: arguments to configuration to server, and what its exit code says.

use std::{fmt::Display, process::ExitCode};

use corsair::{
    config::{compile::compile, flags, machine::Machine},
    diagnostics, server,
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

fn main() -> ExitCode {
    let settings = match flags::parse(std::env::args_os()) {
        Ok(settings) => settings,
        Err(answer) => {
            // Help and version end here too. Whether anybody still reads it changes nothing.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(USAGE));
        }
    };
    let (config, warnings) = match compile(&settings, Machine::claim()) {
        Ok(compiled) => compiled,
        Err(faults) => {
            faults.iter().for_each(report);
            return ExitCode::from(USAGE);
        }
    };
    diagnostics::install(config.log.verbosity);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    match server::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(if error.is_usage() { USAGE } else { FAILURE })
        }
    }
}

fn report(fault: &impl Display) {
    eprintln!("corsair: {fault}");
}
