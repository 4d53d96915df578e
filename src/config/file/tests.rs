use proptest::prelude::*;

use super::{
    super::{compile::compile, sample, source::MAX_FILE},
    *,
};

fn read(text: &str) -> Settings {
    let mut settings = Settings::default();
    add(&Source::new(Path::new("f"), text), &mut settings);
    settings
}

/// What is wrong with the words of a file, whatever they mean.
fn faults(text: &str) -> Vec<String> {
    read(text).faults().iter().map(ToString::to_string).collect()
}

/// All that is wrong with a file.
fn all_faults(text: &str) -> Vec<String> {
    let faults = compile(&read(text), sample::MACHINE, None).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

fn texts(settings: &Settings, key: Key) -> Vec<&str> {
    settings.typed(key).iter().map(|typed| &*typed.text).collect()
}

#[test]
fn a_value_is_the_text_that_one_would_type() {
    for (value, expected) in [
        ("2", &["2"][..]),
        ("+1_000", &["1000"]),
        ("-3", &["-3"]),
        ("true", &["true"]),
        ("\"a\\tb\"", &["a\tb"]),
        ("'a\\tb'", &["a\\tb"]),
        ("\"\"\"\na\nb\"\"\"", &["a\nb"]),
        ("\"$${a}\"", &["${a}"]),
    ] {
        let settings = read(&format!("user = {value}"));
        assert_eq!((texts(&settings, Key::User), settings.faults()), (expected.to_vec(), &[][..]), "{value}");
    }
    for (value, expected) in
        [("[\"a,b\", 'c']", &["a,b", "c"][..]), ("\"a\"", &["a"]), ("[1, true]", &["1", "true"]), ("[]", &[])]
    {
        let settings = read(&format!("[dns]\nservers = {value}"));
        assert_eq!(
            (texts(&settings, Key::DnsServer), settings.faults()),
            (expected.to_vec(), &[][..]),
            "{value}"
        );
    }
}

#[test]
fn fields_are_a_table_of_names_with_one_value_or_several() {
    let settings = read(
        "[[route]]\nrequest_headers = { set = { x-a = \"1: 2\", x-b = 3 }, add = { x-c = [\"4\", \"5\"] }, remove = [\"x-d\"] }",
    );
    assert_eq!(settings.faults(), []);
    let route = settings.root().parts(Part::Route).next().expect("a route");
    let texts = |key| route.typed(key).iter().map(|typed| &*typed.text).collect::<Vec<_>>();
    assert_eq!(texts(Key::SetRequestHeader), ["x-a: 1: 2", "x-b: 3"]);
    assert_eq!(texts(Key::AddRequestHeader), ["x-c: 4", "x-c: 5"]);
    assert_eq!(texts(Key::RemoveRequestHeader), ["x-d"]);
    for name in ["x-a:b", " x-a", "x-a\\t"] {
        let found = faults(&format!("[[route]]\nrequest_headers.set = {{ \"{name}\" = \"1\" }}"));
        assert!(
            found.len() == 1
                && found[0].starts_with("f:2:25: route.request_headers.set: \"")
                && found[0].contains("is no field name"),
            "{found:?}"
        );
    }
}

#[test]
fn a_value_of_another_kind_hears_what_was_expected_and_found() {
    for (text, expected) in [
        ("workers = 1.5", "f:1:11: workers: expected a text, and found a number with a fraction"),
        (
            "workers = 0x10",
            "f:1:11: workers: expected a text, and found a number that is not written in digits",
        ),
        ("workers = []", "f:1:11: workers: expected a text, and found a list"),
        ("workers = {}", "f:1:11: workers: expected a text, and found a table"),
        ("user = 1979-05-27", "f:1:8: user: expected a text, and found a date"),
        ("watch = [true]", "f:1:9: watch: expected a text, and found a list"),
        (
            "[cors]\nallow_origins = [\"*\", 1.5]",
            "f:2:23: cors.allow_origins: expected a text, and found a number with a fraction",
        ),
        (
            "[cors]\nallow_origins = { a = 1 }",
            "f:2:17: cors.allow_origins: expected a text, and found a table",
        ),
        ("cors = 1", "f:1:8: cors: is a table of settings, and not a number"),
        ("cors = \"*\"", "f:1:8: cors: is a table of settings, and not a text"),
        ("[[cors]]", "f:1:1: cors: is a table of settings, and not a list"),
        ("dns = true", "f:1:7: dns: is a table of settings, and not true or false"),
        (
            "[listen]\naddress = \":80\"",
            "f:1:1: listen: is a list of tables: write [[listen]], with two brackets on each side",
        ),
        ("[route]", "f:1:1: route: is a list of tables: write [[route]], with two brackets on each side"),
        ("listen = \":80\"", "f:1:10: listen: is a list of tables: write [[listen]], not a text"),
        ("listen = [\":80\"]", "f:1:11: listen: is a table, and not a text"),
        ("policy = 1", "f:1:10: policy: holds tables with names: write [policy.NAME], not a number"),
        ("[[upstream]]", "f:1:1: upstream: holds tables with names: write [upstream.NAME], not a list"),
        ("policy.a = 1", "f:1:12: policy.a: is a table, and not a number"),
        ("[[upstream.a]]", "f:1:1: upstream.a: is a table, and not a list"),
        (
            "[upstream]\nservers = [\"http://a\"]",
            "f:2:1: upstream.servers: belongs to a table with a name: write [upstream.NAME] above it",
        ),
        ("[[route]]\nrespond = 404", "f:2:11: route.respond: is a table of settings, and not a number"),
        (
            "[[route]]\nrequest_headers.set = []",
            "f:2:23: route.request_headers.set: is a table of fields: write { NAME = \"value\" }, not a list",
        ),
        (
            "[[route]]\nrequest_headers.set.x-a = {}",
            "f:2:27: route.request_headers.set: expected a text, and found a table",
        ),
        (
            "[[route]]\nrequest_headers.remove = { x = 1 }",
            "f:2:26: route.request_headers.remove: expected a text, and found a table",
        ),
        ("[[listen]]\ntls = true", "f:2:7: listen.tls: is a table of settings, and not true or false"),
        (
            "[[listen]]\ntls.certificates = { cert = \"a\" }",
            "f:2:20: listen.tls.certificates: is a list of tables: write [{ cert = \"FILE\", key = \"FILE\" }]",
        ),
        (
            "[[listen]]\ntls.certificates = [\"a\"]",
            "f:2:21: listen.tls.certificates: is a table, and not a text",
        ),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
}

#[test]
fn an_unknown_name_hears_the_nearest_one_in_any_table() {
    for (text, key, message) in [
        ("wokers = 1", "f:1:1: wokers", "did you mean workers?"),
        ("[corss]", "f:1:2: corss", "did you mean cors?"),
        ("[[rout]]", "f:1:3: rout", "did you mean route?"),
        ("[polisy.a]", "f:1:2: polisy", "did you mean policy?"),
        ("[cors]\nallow_origin = \"*\"", "f:2:1: cors.allow_origin", "did you mean allow_origins?"),
        ("cors.alow_origins = []", "f:1:6: cors.alow_origins", "did you mean allow_origins?"),
        ("[policy.a]\nmax_ages = \"1s\"", "f:2:1: policy.a.max_ages", "did you mean max_age?"),
        ("[[listen]]\nadress = \":80\"", "f:2:1: listen.adress", "did you mean address?"),
        ("[[listen]]\ntls.certificate = []", "f:2:5: listen.tls.certificate", "did you mean certificates?"),
        (
            "[[listen]]\ntls.certificates = [{ cret = \"a\" }]",
            "f:2:23: listen.tls.certificates.cret",
            "did you mean cert?",
        ),
        ("[upstream.a]\neject.failure = 1", "f:2:7: upstream.a.eject.failure", "did you mean failures?"),
        ("[upstream.a.pools]\n", "f:1:13: upstream.a.pools", "did you mean pool?"),
        (
            "[upstream.a]\nservers = [{ ulr = \"http://a\", url = \"http://a\" }]",
            "f:2:14: upstream.a.servers.ulr",
            "here may stand backup, max_connections, url, weight",
        ),
        ("[[route]]\npaths = \"/\"", "f:2:1: route.paths", "did you mean path?"),
        ("[[route]]\ntimeout.response = \"1s\"", "f:2:1: route.timeout", "did you mean timeouts?"),
        ("[[route]]\ntimeouts.respons = \"1s\"", "f:2:10: route.timeouts.respons", "did you mean response?"),
        (
            "[[route]]\nrequest_headers.sets = {}",
            "f:2:17: route.request_headers.sets",
            "here may stand add, remove, set",
        ),
        ("[[route]]\nrespond.stattus = 1", "f:2:9: route.respond.stattus", "did you mean status?"),
        ("[dns]\nxyz = 1", "f:2:1: dns.xyz", "here may stand hosts_file, max_stale, servers"),
    ] {
        let found = faults(text);
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("{key}: there is no such setting; {message}")),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn an_empty_list_that_would_let_in_is_a_fault_and_no_other() {
    for key in Key::ALL.iter().filter(|key| matches!(key.row().kind, Kind::List(_))) {
        // Each table of certificates names one; that they are lists is for flags.
        let Some(name) = key.row().name.filter(|name| !name.starts_with("listen.tls.certificates.")) else {
            continue;
        };
        let (table, own) = [
            ("access.", "[access.a]"),
            ("limit.", "[limit.a]"),
            ("gateway.target.", "[[gateway.target]]"),
            ("listen.", "[[listen]]"),
            ("route.", "[[route]]"),
            ("upstream.", "[upstream.a]"),
        ]
        .into_iter()
        .find_map(|(begins, table)| Some((table, name.strip_prefix(begins)?)))
        .unwrap_or(("", name));
        let found = faults(&format!("{table}\n{own} = []"));
        assert_eq!(found.len(), usize::from(key.grants()), "{name}: {found:?}");
        assert!(
            found.iter().all(|fault| fault.contains(": is empty, and so would let nothing in")),
            "{found:?}"
        );
    }
    for (text, expected) in [
        ("[[listen]]\naddress = []", "names no address: write address = "),
        ("[upstream.a]\nservers = []", "names no server: write servers = "),
    ] {
        let found = all_faults(text);
        assert_eq!(found.iter().filter(|fault| fault.contains(expected)).count(), 1, "{found:?}");
    }
}

#[test]
fn a_table_is_the_same_however_it_is_written() {
    let spellings = [
        "[upstream.a]\nservers = [\"http://b\"]\n[upstream.a.pool]\nmax_idle = 3\n[[route]]\nupstream = \"a\"\n[route.respond]\n",
        "[upstream.a]\nservers = [{ url = \"http://b\" }]\npool.max_idle = 3\n[[route]]\nupstream = 'a'\nrespond = {}\n",
        "upstream = { a = { servers = [\"http://b\"], pool = { max_idle = 3 } } }\nroute = [{ upstream = \"a\", respond = {} }]",
        "upstream.a.servers = \"http://b\"\nupstream.\"a\".pool.\"max_idle\" = 3\n[[route]]\nupstream = \"a\"\n[route.respond]",
    ];
    for text in spellings {
        let settings = read(text);
        assert_eq!(settings.faults(), [], "{text}");
        let upstream = settings.root().parts(Part::Upstream).next().expect("an upstream");
        let route = settings.root().parts(Part::Route).next().expect("a route");
        let text_of = |section: &Section, key| {
            section.typed(key).iter().map(|typed| typed.text.clone()).collect::<String>()
        };
        assert_eq!(
            (upstream.name.as_deref(), text_of(upstream, Key::Upstream), text_of(upstream, Key::PoolMaxIdle)),
            (Some("a"), "http://b".into(), "3".into()),
            "{text}"
        );
        assert_eq!(
            (text_of(route, Key::RouteUpstream), &*route.tables[0].0),
            ("a".into(), "respond"),
            "{text}"
        );
    }
}

#[test]
fn a_fault_of_the_syntax_hides_no_other() {
    let text = "workers = = 2\nwatch = maybe\n[cors\nmax_age = \"600\"\n[limits]\nheadd = 1\nbody = \"x\"\n";
    let found = all_faults(text);
    for begins in ["f:1:", "f:2:9: ", "f:3:", "f:6:1: limits.headd: ", "f:7:8: limits.body: "] {
        assert!(found.iter().any(|fault| fault.starts_with(begins)), "{begins}: {found:#?}");
    }
    assert!(found.iter().filter(|fault| fault.contains("is no TOML: ")).count() >= 3, "{found:#?}");
}

#[test]
fn what_stands_twice_is_a_fault() {
    for text in [
        "workers = 1\nworkers = 2",
        "[cors]\n[cors]",
        "[policy.a]\n[policy.\"a\"]",
        "cors.max_age = \"1s\"\n[cors]",
    ] {
        let found = faults(text);
        assert!(
            found.len() == 1 && found[0].starts_with("f:2:") && found[0].contains("is no TOML: duplicate"),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn places_are_those_that_an_editor_shows() {
    for (text, expected) in [
        ("\u{feff}wokers = 1", "f:1:1: "),
        ("\u{feff}# x\nwokers = 1", "f:2:1: "),
        ("# x\r\n\r\n  wokers = 1\r\n", "f:3:3: "),
        ("# ünïcödé ☃\nuser = \"ü\" \nwokers = 1", "f:3:1: "),
        ("\"ü☃\".a = 1", "f:1:1: "),
    ] {
        let found = faults(text);
        assert!(!found.is_empty() && found[0].starts_with(expected), "{text:?}: {found:?}");
    }
    let found = faults("dns = { \"ü☃\" = 1, wokers = 2 }");
    assert!(found.iter().any(|fault| fault.starts_with("f:1:19: dns.wokers: ")), "{found:?}");
}

#[test]
fn what_a_flag_says_is_not_looked_at_in_the_file() {
    let mut settings = sample::settings(&[(Key::AllowOrigin, "https://a.example"), (Key::User, "www")]);
    let text =
        "user = \"${NO_SUCH_VARIABLE_HERE}\"\ngroup = \"b\"\n[cors]\nallow_origins = []\nmax_age = \"1s\"\n";
    add(&Source::new(Path::new("f"), text), &mut settings);
    assert_eq!(settings.faults(), []);
    for (key, expected) in
        [(Key::AllowOrigin, "https://a.example"), (Key::User, "www"), (Key::Group, "b"), (Key::MaxAge, "1s")]
    {
        assert_eq!(texts(&settings, key), [expected]);
    }
}

#[test]
fn a_name_of_a_table_can_be_a_label() {
    for name in ["a", "A-b_c.d1"] {
        assert_eq!(faults(&format!("[policy.\"{name}\"]")), Vec::<String>::new());
    }
    for name in ["", "a b", "ü", "a/b", &"x".repeat(65)] {
        let found = faults(&format!("[upstream.\"{name}\"]"));
        assert_eq!(
            found,
            [format!(
                "f:1:11: upstream.{name}: is no name; expected at most 64 letters, digits, dots, dashes and underscores"
            )]
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault_of_what_named_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let latin1 = folder.path().join("latin1");
    fs::write(&latin1, b"# \xfc\n").expect("written");
    let large = folder.path().join("large");
    fs::File::create(&large).and_then(|file| file.set_len(MAX_FILE + 1)).expect("written");
    for (path, reason) in [
        (Path::new("/no/such/file"), "No such file"),
        (folder.path(), "Is a directory"),
        (&*latin1, "it is no text in UTF-8 behind byte 2"),
        (&*large, "it is longer than 4 MiB"),
    ] {
        let path = path.to_str().expect("text");
        let mut settings = sample::settings(&[(Key::ConfigFile, path)]);
        super::read(&mut settings);
        let found: Vec<String> = settings.faults().iter().map(ToString::to_string).collect();
        let expected = format!("--config: cannot read {path}: {reason}");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{found:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_faults_lie_inside(text in "([\\[\\]{}=\",.#\n a-z☃ü0-9]|cors|listen|route|\\[\\[|\\]\\]|allow_origins|= \\[){0,40}") {
        let settings = read(&text);
        for fault in compile(&settings, sample::MACHINE, None).err().unwrap_or_default() {
            let length = settings.file.as_ref().expect("a file").text.len();
            prop_assert!(fault.place.is_none_or(|place| place.span.start <= length && place.span.end <= length));
        }
    }
}
