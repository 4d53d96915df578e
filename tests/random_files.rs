//! Files that nobody wrote: what is accepted of them is printed as what it is, and serves and ends.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

#[allow(unreachable_pub, clippy::indexing_slicing, reason = "it belongs to the fuzz targets as well")]
#[path = "../fuzz/src/document.rs"]
mod document;

use std::{fs, num::NonZeroUsize, path::Path};

use corsair::config::{Config, Settings, Source, compile::compile, file, machine::Machine, printed::printed};
use support::{Corsair, daemon::command};

fn made_up(seed: u64, is_odd: bool) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    document::document(&mut |below| random.usize(..below), is_odd)
}

fn read(text: &str) -> Settings {
    let mut settings = Settings::default();
    file::add(&Source::new(Path::new("f.toml"), text), &mut settings);
    settings
}

fn compiled(settings: &Settings) -> Result<Config, Vec<String>> {
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    compile(settings, machine, None)
        .map(|(config, _)| config)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn what_is_accepted_is_printed_as_what_it_is() {
    let mut accepted = 0;
    for seed in 0..600 {
        for is_odd in [false, true] {
            let text = made_up(seed, is_odd);
            let settings = read(&text);
            match compiled(&settings) {
                Ok(_) => {
                    let first = printed(&settings);
                    let again = read(&first);
                    assert_eq!(compiled(&again).err(), None, "seed {seed}: {text}\nis printed as\n{first}");
                    assert_eq!(printed(&again), first, "seed {seed}: {text}");
                    accepted += 1;
                }
                Err(faults) => assert!(!faults.is_empty(), "seed {seed} is refused without a reason: {text}"),
            }
        }
    }
    assert!(accepted > 100, "only {accepted} are accepted");
}

/// Takes minutes; `CORSAIR_BINARY` names a faster build, `FILES` how many are to be started.
#[test]
#[ignore = "starts the daemon 2,000 times"]
#[expect(clippy::print_stdout, reason = "how many were refused is for whoever runs it")]
fn two_thousand_files_that_a_check_accepts_start_and_stop() {
    let wanted = std::env::var("FILES").ok().and_then(|files| files.parse().ok()).unwrap_or(2000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corsair.toml");
    let name = path.to_str().unwrap();
    let (mut started, mut refused) = (0, 0);
    for seed in 0.. {
        if started == wanted {
            break;
        }
        let text = made_up(seed, seed % 8 == 0);
        fs::write(&path, &text).unwrap();
        let checked = Corsair::run_to_end(&["check", "-c", name]);
        match checked.code {
            Some(0) => assert!(checked.stdout.starts_with("ok\n"), "seed {seed}: {}", checked.stdout),
            Some(2) => {
                refused += 1;
                continue;
            }
            code => panic!("seed {seed} ends with {code:?}: {}\n{text}", checked.stderr),
        }
        // On its own listeners, unless it has none: then the port of the default may be somebody else's.
        let own = text.matches("[[listen]]").count();
        let listen: &[&str] = if own == 0 { &["--listen", "127.0.0.1:0"] } else { &[] };
        let mut corsair = Corsair::listening(command(&[&["-c", name], listen].concat()), own.max(1));
        corsair.terminate();
        let status = corsair.wait_exit();
        assert_eq!(status.code(), Some(0), "seed {seed}: {}\n{text}", corsair.log());
        started += 1;
    }
    println!("{started} started and stopped, {refused} were refused");
}
