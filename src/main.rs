//! The command: arguments to configuration to server, and what its exit code says.

use std::process::ExitCode;

use corsair::{
    commands::{self, USAGE},
    config::{
        Settings, file,
        flags::{self, Command},
        machine::Machine,
    },
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
            commands::check(&settings, print).map_or_else(|code| code, printed)
        }
        Command::GenerateConfig => commands::generate_config(&settings).map_or_else(|code| code, printed),
    }
}

fn serve(typed: Settings) -> ExitCode {
    let origin = Origin { typed, machine: Machine::claim() };
    let (config, warnings) = match origin.read(None) {
        Ok(compiled) => compiled,
        Err(faults) => {
            commands::report(&faults, &[]);
            return ExitCode::from(USAGE);
        }
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

/// Prints what a command was asked for. Whether anybody still reads it changes nothing.
fn printed(text: String) -> ExitCode {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    ExitCode::SUCCESS
}
