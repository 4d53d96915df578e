//! The README tells the truth, and the pages of the manual that show commands with their answers: these run, those come, and
//! flags exist.
//!
//! Fenced blocks are taken in order. A `corsair` command starts the real binary, a `curl` command asks the
//! one that was started last, and the block behind it shows what must come: `http` lines are lines of the
//! response, in their order, `text` is what the command says when it refuses to start, what a check finds well, or what is
//! explained. A
//! `toml` block is `corsair.toml` for the commands behind it. Only what belongs to the machine is put in its place: ports,
//! and the files of the certificate.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{collections::BTreeSet, fs, num::NonZeroUsize, path::Path};

use corsair::{
    config::{Settings, Source, compile::compile, file, flags, machine::Machine},
    observe::access_log::KEYS,
};
use support::{Client, Corsair, Origin, Response, certificates::Authority, daemon::command};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");

/// What stands on port 9001 and 9002 of the README.
const ORIGIN: &str = "HTTP/1.1 200 OK\r\nServer: SimpleHTTP/0.6\r\nContent-type: text/markdown\r\nContent-Length: 9\r\n\r\n# corsair";

/// A fenced block: its language and its lines, with continued ones joined.
struct Block {
    language: String,
    lines: Vec<String>,
}

/// Pages of the manual that are run as the README is.
const PAGES: [&str; 2] = [include_str!("../docs/mcp.md"), include_str!("../docs/protect-an-api-key.md")];

/// A variable that files of theirs name, and what it holds.
const TOKEN: (&str, &str) = ("API_TOKEN", "s3cret");

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let joined = body.join("\n").replace("\\\n", " ");
        let lines = joined.lines().map(str::to_owned).collect();
        blocks.push(Block { language: language.to_owned(), lines });
    }
    blocks
}

/// The words of a command line; quotes are single ones.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in command.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// One machine for the README: an origin, a certificate, and the corsair that was started last.
struct Stage {
    origin: Origin,
    authority: Authority,
    /// Where `corsair.toml` is.
    folder: TempDir,
    corsair: Option<Corsair>,
    answer: Option<Response>,
}

impl Stage {
    fn new() -> Self {
        let (origin, authority) = (Origin::always(ORIGIN), Authority::new());
        Self { origin, authority, folder: tempfile::tempdir().unwrap(), corsair: None, answer: None }
    }

    /// `text` with the ports and files of this machine.
    fn placed(&self, text: &str) -> String {
        let origin = self.origin.address().to_string();
        let text =
            text.replace("/tmp/corsair.sock", &format!("{}/corsair.sock", self.folder.path().display()));
        text.replace("127.0.0.1:9001", &origin).replace("127.0.0.1:9002", &origin)
    }

    fn run(&mut self, command: &str, refusal: Option<&str>) {
        let words = words(command);
        match words.first().map(String::as_str) {
            Some("corsair") if words.contains(&"-c".to_owned()) => self.run_with_file(&words[1..], refusal),
            Some("corsair") => match refusal {
                Some(text) => refuse(&words[1..], text),
                None => self.start(&words[1..]),
            },
            Some("kill") => {
                assert_eq!(command, "kill -HUP \"$(pidof corsair)\"");
                let corsair = self.corsair.as_ref().expect("a corsair command stands before this one");
                corsair.signal(rustix::process::Signal::HUP);
                corsair.wait_for_log("reloaded");
            }
            Some("curl") => self.ask(&words[1..]),
            Some("cargo") => assert!(matches!(command, "cargo run --release" | "cargo test"), "{command}"),
            Some("python3") => assert_eq!(command, "python3 -m http.server 9001 --bind 127.0.0.1"),
            _ => panic!("nobody knows how to run {command:?}; teach it here"),
        }
    }

    /// Takes a file that has no fault as it is written.
    fn take_file(&mut self, lines: &[String]) {
        let text = lines.join("\n");
        let mut settings = Settings::default();
        let known = text.replace(&format!("${{{}}}", TOKEN.0), TOKEN.1);
        file::add(&Source::new(Path::new("corsair.toml"), &known), &mut settings);
        let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
        match compile(&settings, machine, None) {
            Ok((_, warnings)) => assert!(warnings.is_empty(), "{warnings:?}"),
            Err(faults) => panic!("{faults:?}"),
        }
        fs::write(self.folder.path().join("corsair.toml"), text).unwrap();
    }

    /// Runs it with `corsair.toml`: a check tells what is shown behind it, a start listens on a free port.
    fn run_with_file(&mut self, arguments: &[String], shown: Option<&str>) {
        let path = self.folder.path().join("corsair.toml");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        if let Some(shown) = shown {
            let mut command = command(&arguments);
            command.env(TOKEN.0, TOKEN.1);
            command.current_dir(self.folder.path());
            let ended = Corsair::command_to_end(command);
            let (is_well, code) = match shown {
                _ if shown.starts_with("ok") || shown.contains("readable  yes") => (true, 0),
                _ if shown.contains("readable  no") => (true, 3),
                _ => (false, 2),
            };
            assert_eq!(ended.code, Some(code), "{}", ended.stderr);
            let told: Vec<&str> =
                if is_well { ended.stdout.lines().collect() } else { ended.stderr.lines().collect() };
            let shown: Vec<&str> = shown.lines().collect();
            assert_eq!(told.len(), shown.len(), "{told:#?}");
            for (told, shown) in told.iter().zip(shown) {
                assert!(is_shown_as(told, shown), "{told:?} is shown as {shown:?}");
            }
            return;
        }
        assert_eq!(arguments, ["-c", "corsair.toml"]);
        let text = self.placed(&fs::read_to_string(&path).unwrap()).replace("127.0.0.1:3000", "127.0.0.1:0");
        let placed = self.folder.path().join("placed.toml");
        fs::write(&placed, text).unwrap();
        let mut command = command(&["-c", placed.to_str().unwrap()]);
        command.env(TOKEN.0, TOKEN.1);
        self.corsair = Some(Corsair::listening(command, 1));
        self.answer = None;
    }

    /// Starts it on a free port, after its flags were found to be right as they are written.
    fn start(&mut self, arguments: &[String]) {
        let (certificate, key) = self.authority.write(&self.authority.leaf(&["localhost"]));
        let arguments: Vec<String> = arguments
            .iter()
            .map(|argument| match argument.as_str() {
                "cert.pem" => certificate.display().to_string(),
                "key.pem" => key.display().to_string(),
                other => other.to_owned(),
            })
            .collect();
        let typed = std::iter::once("corsair").chain(arguments.iter().map(String::as_str)).map(Into::into);
        let settings = flags::parse(typed).unwrap_or_else(|fault| panic!("{fault}"));
        let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
        match compile(&settings, machine, None) {
            Ok((_, warnings)) => assert!(warnings.is_empty(), "{arguments:?}: {warnings:?}"),
            Err(faults) => panic!("{arguments:?}: {faults:?}"),
        }
        let mut before = "";
        let mut placed: Vec<String> = arguments
            .iter()
            .map(|argument| {
                let is_listen =
                    matches!(std::mem::replace(&mut before, argument.as_str()), "-l" | "--listen");
                match argument.rsplit_once(':') {
                    Some((host, _)) if is_listen && host != "unix" => format!("{host}:0"),
                    _ => self.placed(argument),
                }
            })
            .collect();
        if placed.iter().any(|argument| argument.starts_with("unix:")) {
            // By a port it is known that it has started.
            placed.extend(["--listen", "127.0.0.1:0"].map(String::from));
        }
        self.corsair = Some(Corsair::start(&placed));
        self.answer = None;
    }

    /// What curl would send; `-i` is how it shows the answer.
    fn ask(&mut self, arguments: &[String]) {
        let corsair = self.corsair.as_ref().expect("a corsair command stands before this one");
        let (mut method, mut fields, mut url, mut socket) = ("GET", String::new(), None, None);
        let mut is_forwarded = false;
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "-i" => {}
                "--unix-socket" => socket = arguments.next(),
                "-x" => is_forwarded = arguments.next().is_some_and(|proxy| proxy == "http://127.0.0.1:3000"),
                "-X" => method = arguments.next().unwrap(),
                "-H" => fields += &format!("{}\r\n", arguments.next().unwrap()),
                _ if !argument.starts_with('-') && url.is_none() => url = Some(argument),
                other => panic!("nobody knows what curl does with {other:?}; teach it here"),
            }
        }
        let host = if socket.is_some() { "http://localhost" } else { "http://127.0.0.1:" };
        let url = url.expect("a URL").strip_prefix(host).expect("a URL of this machine");
        let (_, target) = url.split_once('/').expect("a path");
        let target = match is_forwarded {
            true => self.placed(&format!("http://127.0.0.1:{url}")),
            false => self.placed(&format!("/{target}")),
        };
        // A Host that is given stands for curl's own.
        let host = match fields.contains("Host: ") {
            true => String::new(),
            false => format!("Host: {}\r\n", corsair.address()),
        };
        let request = format!("{method} {target} HTTP/1.1\r\n{host}{fields}\r\n");
        self.answer = Some(match socket {
            Some(path) => Client::connect_unix(&self.placed(path)).send(request).response_to(method),
            None => corsair.ask(request),
        });
    }

    /// Looks for every line that is shown in the answer, in order.
    fn compare(&mut self, shown: &[String]) {
        let answer = self.answer.take().expect("a curl command stands before this answer");
        let (status, fields) = shown.split_first().expect("a status line");
        let expected = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        assert_eq!(Some(answer.status), expected, "{status}: {:?}", answer.fields);
        let mut came = answer.fields.0.iter().map(|(name, value)| format!("{name}: {value}"));
        for line in fields {
            let line = self.placed(line);
            assert!(
                came.any(|came| is_shown_as(&came, &line)),
                "no {line:?}, or not in this place: {:?}",
                answer.fields
            );
        }
    }
}

/// Whether `line` is `shown`, in which `…` stands for anything.
fn is_shown_as(line: &str, shown: &str) -> bool {
    match shown.split_once('…') {
        None => line == shown,
        Some((before, after)) => {
            line.len() >= before.len() + after.len() && line.starts_with(before) && line.ends_with(after)
        }
    }
}

/// Whether these are records as the access log has them: objects with its keys, in its order.
fn assert_records(lines: &[String]) {
    for line in lines {
        let record: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let places: Vec<usize> =
            KEYS.iter().filter_map(|(key, _)| line.find(&format!("\"{key}\":"))).collect();
        assert!(places.is_sorted() && places.len() == record.len(), "{line}");
    }
}

fn refuse(arguments: &[String], text: &str) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = Corsair::run_to_end(&arguments);
    assert_eq!((ended.code, ended.stderr.trim_end()), (Some(2), text), "{arguments:?}");
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    let compared = run(README);
    assert!(compared > 5, "only {compared} answers are shown");
}

#[test]
fn every_command_of_a_page_that_shows_answers_does_what_it_says() {
    for page in PAGES {
        let compared = run(page);
        assert!(compared > 1, "only {compared} answers are shown: {page}");
    }
}

/// Runs all that a page shows; how many answers it shows.
fn run(page: &str) -> usize {
    let mut stage = Stage::new();
    let blocks = blocks(page);
    let mut compared = 0;
    for (index, block) in blocks.iter().enumerate() {
        match block.language.as_str() {
            "sh" => {
                let next = blocks.get(index + 1).filter(|next| next.language == "text");
                let refusal = next.map(|next| next.lines.join("\n"));
                for command in &block.lines {
                    stage.run(command, refusal.as_deref());
                }
            }
            "http" => {
                stage.compare(&block.lines);
                compared += 1;
            }
            "toml" => stage.take_file(&block.lines),
            "text" | "js" => {}
            "json" => assert_records(&block.lines),
            other => panic!("nobody checks blocks of {other:?}"),
        }
    }
    compared
}

#[test]
fn the_readme_names_the_two_commands_and_the_checks_run_the_same() {
    let commands: Vec<String> = blocks(README)
        .into_iter()
        .filter(|block| block.language == "sh")
        .flat_map(|block| block.lines)
        .collect();
    for command in ["cargo run --release", "cargo test"] {
        assert!(commands.iter().any(|line| line == command), "{command}");
    }
    let checks = include_str!("../.ci/run");
    assert!(checks.lines().any(|line| line.trim() == "cargo test"), ".ci/run runs the README's test command");
}

/// Every `--flag` in prose and tables; `--limit-…` stands for all that begin so.
fn flags_in(text: &str) -> BTreeSet<String> {
    let spans = text.split('`').skip(1).step_by(2).filter(|span| !span.starts_with("cargo"));
    spans
        .flat_map(|span| span.split_whitespace())
        .filter_map(|word| word.strip_prefix("--"))
        .map(|flag| flag.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect::<String>())
        .filter(|flag| !flag.is_empty())
        .collect()
}

#[test]
fn every_flag_of_the_readme_exists() {
    let asked = [&["corsair", "--help"][..], &["corsair", "explain", "--help"]];
    let help =
        asked.map(|words| flags::parse(words.iter().map(Into::into)).unwrap_err().to_string()).join("\n");
    let known: BTreeSet<&str> = help
        .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter_map(|word| word.strip_prefix("--"))
        .collect();
    let exists = |flag: &str| match flag.strip_suffix('-') {
        Some(group) => known.iter().any(|known| known.starts_with(group)),
        None => known.contains(flag),
    };
    let mut prose = String::new();
    let mut is_code = false;
    for line in README.lines() {
        is_code ^= line.starts_with("```");
        if !is_code && !line.starts_with("```") {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    let (today, _) =
        prose.split_once("\n## What it costs").expect("what it costs stands behind what it does");
    let found = flags_in(today);
    assert!(found.len() > 10, "{found:?}");
    for flag in found {
        assert!(exists(&flag), "README.md names --{flag}, which does not exist");
    }
}
