//! Flags that say several things at once: `--mcp URL` is an upstream, and a policy for the browser clients of such a server.

use super::{
    keys::Key,
    preset::FLAGS,
    reader::Reader,
    settings::{Settings, Typed},
};

/// Adds what such flags stand for.
pub(super) fn expand(settings: &mut Settings) {
    for (key, preset) in FLAGS {
        let Some(Typed { text, at }) = settings.typed(key).last().cloned() else { continue };
        if settings.has(Key::Upstream) {
            let message =
                "names the upstream, and there is another one; give one of --mcp, --llm and --upstream";
            settings.fault(settings.root().spelled(key), message);
            continue;
        }
        let (server, _) = split(&text);
        settings.add(Key::Upstream, Typed { text: server.to_owned(), at: at.clone() });
        if !settings.has(Key::Preset) {
            settings.add(Key::Preset, Typed { text: preset.to_owned(), at });
        }
    }
}

/// The path of the URL that clients are to be given; `None` where no such flag names one.
pub(super) fn client_path(reader: &mut Reader<'_>) -> Option<Box<str>> {
    let path = |text: &str| match split(text).1 {
        "" => Ok("/".into()),
        path if path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\".contains(&byte)) => {
            Ok(path.into())
        }
        path => Err(format!(
            "\"{path}\" is no path; leave out what stands behind it, which is the client's to give, and percent-encode blanks"
        )),
    };
    let paths = FLAGS.map(|(key, _)| reader.optional(key, path));
    paths.into_iter().flatten().next()
}

/// A URL as what it says of a server, and the path behind that.
fn split(url: &str) -> (&str, &str) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url, "") };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    url.split_at(scheme.len() + 3 + authority)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, compile::compile, flags, sample};

    fn compiled(arguments: &[&str]) -> Result<Config, Vec<String>> {
        let arguments = std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into);
        compile(&flags::parse(arguments).expect("flags"), sample::MACHINE, None)
            .map(|(config, _)| config)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_server_is_an_upstream_and_its_path_is_for_the_client() {
        for (flag, url, server, path) in [
            ("--mcp", "http://127.0.0.1:9001/mcp", "http://127.0.0.1:9001", "/mcp"),
            ("--mcp", "https://mcp.example.com", "https://mcp.example.com", "/"),
            ("--llm", "https://api.example.com/v1/", "https://api.example.com", "/v1/"),
            ("--mcp", "unix:/run/mcp.sock", "unix:/run/mcp.sock", "/"),
        ] {
            let config = compiled(&[flag, url]).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(config.client_path.as_deref(), Some(path), "{url}");
            let endpoints = &config.upstreams[0].endpoints;
            assert_eq!((&*endpoints[0].url(), &*endpoints[0].prefix), (server, ""), "{url}");
            assert!(config.gateway.is_none() && config.cors().refuses_other_origins());
            assert!(config.routes.typed().all(|route| route.asks_for_host));
        }
    }

    #[test]
    fn what_is_wrong_is_told_of_the_flag_that_was_typed() {
        for (arguments, expected) in [
            (
                &["--mcp", "ftp://a/mcp"][..],
                "--mcp: \"ftp://a\" is no upstream; its scheme must be http or https",
            ),
            (
                &["--mcp", "http://a/mcp?key=1"],
                "--mcp: \"/mcp?key=1\" is no path; leave out what stands behind it",
            ),
            (&["--mcp", "http://a/b c"], "--mcp: \"/b c\" is no path"),
            (&["--mcp", "http://127.0.0.1:3000/mcp"], "--mcp: 127.0.0.1:3000 is corsair's own listener"),
            (&["--mcp", "http://a", "-u", "http://b"], "--mcp: names the upstream, and there is another one"),
            (
                &["--mcp", "http://a", "--llm", "http://b"],
                "--llm: names the upstream, and there is another one",
            ),
            (&["--mcp", "http://a", "--allow-origin", "*"], "--allow-origin: \"*\" would let any page"),
            (&["--mcp", "http://a", "-l", ":80"], "--allow-host: is missing: others reach 0.0.0.0:80"),
        ] {
            let faults = compiled(arguments).err().unwrap_or_default();
            assert!(faults.len() == 1 && faults[0].starts_with(expected), "{arguments:?}: {faults:?}");
        }
        let preset =
            compiled(&["--mcp", "http://a", "--preset", "llm"]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert!(preset.cors().describe().contains("X-Stainless-*"), "what is given beside it wins");
    }
}
