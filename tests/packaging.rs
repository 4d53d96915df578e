//! What lies in `packaging/` is what the program prints, names nothing that is not there, and makes packages of it.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::{
    collections::BTreeSet,
    env, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use corsair::{
    config::{
        Artifact, Config, SUBCOMMANDS, Settings, Shell, Source, compile::compile, file, machine::Machine,
    },
    observe::metrics::CATALOGUE,
    server::MemoryBound,
};
use support::Corsair;

/// Each file that is printed, with the words that print it.
const PRINTED: &[(&str, &[&str])] = &[
    ("corsair.reference.toml", &["config"]),
    ("corsair.1", &["man"]),
    ("completions/corsair.bash", &["completions", "bash"]),
    ("completions/_corsair", &["completions", "zsh"]),
    ("completions/corsair.fish", &["completions", "fish"]),
    ("completions/corsair.elv", &["completions", "elvish"]),
    ("completions/_corsair.ps1", &["completions", "powershell"]),
    ("systemd/corsair.service", &["systemd"]),
    ("container/Containerfile", &["container"]),
    ("logrotate/corsair", &["logrotate"]),
    ("grafana/corsair.json", &["dashboard"]),
    ("prometheus/corsair.rules.yml", &["alerts"]),
];

/// The usual ones of a process, which have no labels.
const OF_THE_PROCESS: [&str; 4] =
    ["process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes"];

/// Labels that a scrape adds.
const ADDED: [&str; 2] = ["job", "instance"];

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

fn packaged(name: &str) -> String {
    fs::read_to_string(packaging().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn generated(words: &[&str]) -> String {
    let ended = Corsair::run_to_end(&[&["generate"], words].concat());
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{words:?}");
    ended.stdout
}

#[test]
fn what_lies_in_packaging_is_what_the_program_prints() {
    for (name, words) in PRINTED {
        let text = generated(words);
        let path = packaging().join(name);
        if env::var_os("UPDATE_PACKAGING").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == text,
            "packaging/{name} is not what corsair generate {} prints; UPDATE_PACKAGING=1 cargo test --test packaging \
             writes it anew",
            words.join(" ")
        );
    }
    let printed: BTreeSet<String> = PRINTED.iter().map(|(_, words)| words.join(" ")).collect();
    let shells = Shell::WORDS.iter().map(|(shell, _)| format!("completions {shell}"));
    let others = Artifact::WORDS.iter().filter(|(.., artifact)| artifact.is_some());
    let all: BTreeSet<String> = others.map(|(word, ..)| (*word).to_owned()).chain(shells).collect();
    assert_eq!(printed, all, "everything that can be generated lies there");
}

#[test]
fn the_configurations_of_the_packages_have_no_fault_and_are_warned_of_nothing() {
    for name in ["corsair.toml", "container/corsair.toml", "kubernetes/corsair.toml"] {
        compiled(name);
    }
}

/// The configuration that this file is, which has no fault and is warned of nothing.
fn compiled(name: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let text = packaged(name).replace("/var/log/corsair", folder.path().to_str().unwrap());
    let mut settings = Settings::default();
    file::add(&Source::new(Path::new(name), &text), &mut settings);
    let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
    match compile(&settings, machine, None) {
        Ok((config, warnings)) => {
            assert!(warnings.is_empty(), "{name}: {warnings:?}");
            config
        }
        Err(faults) => panic!("{name}: {faults:?}"),
    }
}

#[test]
fn completions_and_manual_know_every_command_and_every_flag() {
    let help = Corsair::run_to_end(&["--help"]).stdout;
    let flags: BTreeSet<&str> = help
        .split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.len() > 2 && word.starts_with("--"))
        .collect();
    assert!(flags.len() > 50, "{flags:?}");
    for (name, _) in PRINTED.iter().filter(|(name, _)| name.contains("completions") || name.ends_with(".1")) {
        let text = packaged(name).replace("\\-", "-");
        for flag in &flags {
            // fish has them without the dashes.
            let found = text.contains(flag) || text.contains(&format!("-l {} ", &flag[2..]));
            assert!(found, "{name}: {flag}");
        }
        for command in SUBCOMMANDS {
            assert!(text.contains(command.name), "{name}: {}", command.name);
        }
    }
}

#[test]
fn bash_completes_commands_flags_and_what_is_generated() {
    let script = format!(
        "source '{}'; for line in 'corsair che' 'corsair --allow-or' 'corsair check --prin' 'corsair generate sys' \
         'corsair --redirects rew'; do COMP_WORDS=($line) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMPREPLY=(); \
         _corsair corsair \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"; done",
        packaging().join("completions/corsair.bash").display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    let offered = String::from_utf8(output.stdout).unwrap();
    let expected = ["check", "--allow-origin", "--print", "systemd", "rewrite"];
    assert_eq!(offered.lines().collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_unit_leaves_a_drain_its_time_and_the_process_its_one_right() {
    let unit = packaged("systemd/corsair.service");
    let value = |key: &str| {
        let lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        lines.collect::<Vec<_>>().join(" ")
    };
    let (_, config) =
        value("ExecStart").split_once("--config ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(value("ExecStartPre").ends_with(&format!("check --config {config}")));
    let drain = corsair::config::Key::DrainTimeout.row().default.unwrap();
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u32>().unwrap();
    assert!(seconds(&value("TimeoutStopSec")) > seconds(drain));
    assert_eq!(value("CapabilityBoundingSet"), "CAP_NET_BIND_SERVICE");
    assert_eq!(value("AmbientCapabilities"), value("CapabilityBoundingSet"));
    // What a process that drains tells of itself is not about the service.
    assert_eq!((value("Type"), value("NotifyAccess")), ("notify".to_owned(), "main".to_owned()));
}

/// What stands behind `key:`, wherever that is in a text of YAML.
fn of_yaml<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    let values = lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    values.map(|value| value.trim_matches('"')).collect()
}

#[test]
fn the_kustomization_lists_every_resource_that_lies_there_and_the_version_of_the_program() {
    let kustomization = packaged("kubernetes/kustomization.yaml");
    // One that is wanted by some alone stands in a comment.
    let items = kustomization.lines().map(|line| line.trim_start_matches([' ', '#']));
    let listed: BTreeSet<String> = items
        .filter_map(|line| line.strip_prefix("- "))
        .filter(|item| item.contains('.'))
        .map(str::to_owned)
        .collect();
    let files = fs::read_dir(packaging().join("kubernetes")).unwrap();
    let mut found: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(found.remove("kustomization.yaml"));
    assert_eq!(listed, found);
    assert_eq!(of_yaml(&kustomization, "newTag"), [env!("CARGO_PKG_VERSION")]);
}

#[test]
fn a_pod_has_the_time_of_a_drain_the_ports_of_its_file_and_memory_for_its_bound() {
    let (pod, config) = (packaged("kubernetes/deployment.yaml"), compiled("kubernetes/corsair.toml"));
    let one = |key: &str| match of_yaml(&pod, key)[..] {
        [value] => value.to_owned(),
        ref values => panic!("{key}: {values:?}"),
    };
    let grace = Duration::from_secs(one("terminationGracePeriodSeconds").parse().unwrap());
    assert!(grace > config.process.drain_delay + config.process.drain_timeout);

    // It is reached from outside of the pod, probes and all.
    let admin = config.admin.listen.as_ref().unwrap();
    let served = config.listeners().map(|(_, listener)| &listener.address).chain([admin]);
    let served: Vec<String> =
        served.inspect(|address| assert!(!address.is_loopback())).map(ToString::to_string).collect();
    let ports = of_yaml(&pod, "containerPort").into_iter().map(|port| format!("0.0.0.0:{port}"));
    assert_eq!(served, ports.collect::<Vec<_>>());

    // The last is the limit; half of it is for buffers of the kernel.
    let limit =
        of_yaml(&pod, "memory").last().unwrap().strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20;
    assert!(2 * MemoryBound::of(&config).total() <= limit);

    // The image reads the file in this folder, and the file is looked at where it is.
    let image = packaged("container/Containerfile");
    assert!(image.contains(&format!("\"{}/corsair.toml\"", one("mountPath"))) && config.process.watch);
    assert!(image.contains(&format!("USER {}:{}", one("runAsUser"), one("runAsGroup"))));
}

/// The metrics that an expression of Prometheus names, and the labels that it names in braces and behind `by`.
fn named(expression: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c: char| !is_of_names(c));
    let metrics = words.filter(|word| word.starts_with("corsair_") || word.starts_with("process_"));
    let metrics = metrics.map(|word| {
        let word = word.strip_suffix("_bucket").or_else(|| word.strip_suffix("_sum")).unwrap_or(word);
        word.strip_suffix("_count").unwrap_or(word).to_owned()
    });
    let mut labels = BTreeSet::new();
    for braces in expression.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
        labels.extend(
            braces
                .split(',')
                .filter_map(|one| one.split(['=', '!']).next())
                .map(|name| name.trim().to_owned()),
        );
    }
    for group in expression.split(" by (").skip(1).filter_map(|rest| rest.split(')').next()) {
        labels.extend(group.split(',').map(|name| name.trim().to_owned()));
    }
    (metrics.collect(), labels)
}

/// Whether an expression names only what is there; `shown` is what is said with the names of labels in it.
fn hold(expression: &str, shown: &str) -> usize {
    let (metrics, mut labels) = named(expression);
    let placed = shown.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    labels.extend(placed.filter_map(|place| {
        let place = place.trim();
        let label = place.strip_prefix("$labels.").unwrap_or(place);
        (!label.starts_with("$value")).then(|| label.to_owned())
    }));
    let known = |name: &String| CATALOGUE.iter().find(|known| known.name == name);
    for metric in &metrics {
        let exists = known(metric).is_some() || OF_THE_PROCESS.contains(&metric.as_str());
        assert!(exists, "there is no metric {metric}: {expression}");
    }
    for label in labels.iter().filter(|label| !ADDED.contains(&label.as_str())) {
        let of_one = metrics.iter().filter_map(known).any(|metric| {
            metric.labels.contains(&label.as_str()) || (label == "le" && expression.contains("_bucket"))
        });
        assert!(of_one, "no metric of {expression} has a label {label}");
    }
    metrics.len()
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let dashboard: serde_json::Value = serde_json::from_str(&packaged("grafana/corsair.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 11);
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let expression = target["expr"].as_str().unwrap();
        assert!(hold(expression, target["legendFormat"].as_str().unwrap()) > 0, "{expression}");
    }
}

#[test]
fn the_alerts_ask_for_metrics_that_exist() {
    let rules = packaged("prometheus/corsair.rules.yml");
    let mut found = 0;
    for alert in rules.split("- alert: ").skip(1) {
        let (_, rest) = alert.split_once("expr: |-").unwrap();
        let (expression, said) = rest.split_once(" for: ").unwrap();
        let metrics = hold(expression, said);
        assert!(metrics > 0 || expression.trim() == "up{job=\"corsair\"} == 0", "{expression}");
        // One quote in a quoted text would end it.
        assert!(
            said.lines().filter(|line| line.contains('\'')).all(|line| line.matches('\'').count() == 2),
            "{said}"
        );
        found += 1;
    }
    assert!(found > 8, "only {found} rules");
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// What a command that must end well has printed.
fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn a_debian_package_has_everything_in_its_place_and_is_the_same_again() {
    if !["dpkg-deb", "dpkg-shlibdeps"].into_iter().all(is_there) {
        return eprintln!("skipped: dpkg-deb and dpkg-shlibdeps (Debian's dpkg-dev) are not there");
    }
    let folder = tempfile::tempdir().unwrap();
    // Any program will do, and a small one is packed at once.
    let build = |version: &str, output: &str| {
        let output = folder.path().join(output);
        let mut command = Command::new(packaging().join("debian/build"));
        command.args(["--binary", "/bin/true", "--version", version, "--output"]).arg(&output);
        printed(command.env("SOURCE_DATE_EPOCH", "1700000000"));
        let mut made = fs::read_dir(output).unwrap();
        made.next().unwrap().unwrap().path()
    };
    let package = build("1.2.3-1", "first");
    let about = |of: &str| printed(Command::new("dpkg-deb").arg(of).arg(&package));
    assert!(package.file_name().unwrap().to_str().unwrap().starts_with("corsair_1.2.3-1_"));

    let listed = about("--contents");
    for (path, mode) in [
        ("./usr/bin/corsair", "-rwxr-xr-x"),
        ("./lib/systemd/system/corsair.service", "-rw-r--r--"),
        ("./etc/corsair/corsair.toml", "-rw-r--r--"),
        ("./etc/logrotate.d/corsair", "-rw-r--r--"),
        ("./usr/share/man/man1/corsair.1.gz", "-rw-r--r--"),
        ("./usr/share/bash-completion/completions/corsair", "-rw-r--r--"),
        ("./usr/share/zsh/vendor-completions/_corsair", "-rw-r--r--"),
        ("./usr/share/fish/vendor_completions.d/corsair.fish", "-rw-r--r--"),
        ("./usr/share/doc/corsair/copyright", "-rw-r--r--"),
        ("./usr/share/doc/corsair/changelog.gz", "-rw-r--r--"),
    ] {
        let line = listed.lines().find(|line| line.ends_with(&format!(" {path}")));
        let line = line.unwrap_or_else(|| panic!("{path} is not in it: {listed}"));
        assert!(line.starts_with(&format!("{mode} root/root ")), "{line}");
    }
    let control = about("--field");
    for line in ["Package: corsair", "Version: 1.2.3-1", "Section: net"] {
        assert!(control.lines().any(|own| own == line), "{line}: {control}");
    }
    let depends = control.lines().find(|line| line.starts_with("Depends: ")).unwrap();
    assert!(depends.contains("adduser") && depends.contains("libc6"), "{depends}");
    let conffiles = printed(Command::new("dpkg-deb").arg("--info").arg(&package).arg("conffiles"));
    assert_eq!(conffiles, "/etc/corsair/corsair.toml\n/etc/logrotate.d/corsair\n");

    let again = build("1.2.3-1", "second");
    assert!(fs::read(&package).unwrap() == fs::read(again).unwrap(), "the same bytes");
}

#[test]
fn the_root_of_a_container_holds_a_static_program_and_nothing_else_that_runs() {
    if !["cc", "readelf"].into_iter().all(is_there) {
        return eprintln!("skipped: a C compiler is not there");
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("a.c"), folder.path().join("a"));
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    printed(Command::new("cc").arg("-static").arg("-o").arg(&program).arg(&source));
    let rootfs = |binary: &Path, root: &str| {
        let mut command = Command::new(packaging().join("container/rootfs"));
        command.arg("--binary").arg(binary).arg(folder.path().join(root));
        command
    };
    printed(&mut rootfs(&program, "root"));
    let root = folder.path().join("root");
    let found = printed(Command::new("find").arg(&root).args(["-type", "f", "-printf", "%P %m\n"]));
    let found: BTreeSet<&str> = found.lines().collect();
    assert_eq!(found, BTreeSet::from(["usr/bin/corsair 755", "etc/corsair/corsair.toml 644"]));

    let refused = rootfs(Path::new("/bin/true"), "other").output().unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("is linked dynamically"), "{told}");
    let refused = rootfs(&program, "root").output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not empty"));
}
