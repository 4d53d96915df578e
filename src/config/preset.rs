//! What browser clients of well-known kinds of servers need of a policy, in place of the defaults of its settings.

use super::keys::Key;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// One of the Model Context Protocol, over its streamable HTTP transport.
    Mcp,
    /// One with the API of a language model, as OpenAI's and Anthropic's libraries use it.
    Llm,
}

impl Preset {
    /// The words for them.
    pub(super) const CHOICES: [(&'static str, Self); 2] = [("mcp", Self::Mcp), ("llm", Self::Llm)];

    /// What holds for a setting where nothing is typed; nothing where that is what holds anywhere.
    ///
    /// Source: Model Context Protocol, "Transports" and "Authorization"; the libraries `openai` and `@anthropic-ai/sdk`.
    pub(super) const fn default_of(self, key: Key) -> Option<&'static str> {
        match (self, key) {
            // Such a server takes whoever gets to it for the user of this machine.
            (_, Key::AllowOrigin) => Some("loopback"),
            (_, Key::RefuseOtherOrigins) => Some("true"),
            (_, Key::AllowMethod) => Some("GET,POST,DELETE"),
            (Self::Mcp, Key::AllowHeader) => Some(
                "Accept,Authorization,Content-Type,Last-Event-ID,Mcp-Session-Id,Mcp-Protocol-Version,Mcp-*",
            ),
            (Self::Mcp, Key::ExposeHeader) => Some(
                "Mcp-Session-Id,Mcp-Protocol-Version,WWW-Authenticate,Retry-After,X-Request-Id,Proxy-Status",
            ),
            (Self::Llm, Key::AllowHeader) => Some(
                "Accept,Authorization,Content-Type,User-Agent,OpenAI-*,X-Stainless-*,anthropic-*,x-api-key,api-key,\
                 Idempotency-Key,X-Client-Request-Id,X-Request-Id,X-Title,HTTP-Referer,Last-Event-ID",
            ),
            (Self::Llm, Key::ExposeHeader) => Some(
                "x-request-id,request-id,retry-after,retry-after-ms,x-should-retry,\
                 openai-model,openai-organization,openai-processing-ms,openai-project,openai-version,\
                 x-ratelimit-limit-requests,x-ratelimit-limit-tokens,x-ratelimit-remaining-requests,\
                 x-ratelimit-remaining-tokens,x-ratelimit-reset-requests,x-ratelimit-reset-tokens,\
                 anthropic-organization-id,\
                 anthropic-ratelimit-requests-limit,anthropic-ratelimit-requests-remaining,\
                 anthropic-ratelimit-requests-reset,\
                 anthropic-ratelimit-tokens-limit,anthropic-ratelimit-tokens-remaining,\
                 anthropic-ratelimit-tokens-reset,\
                 anthropic-ratelimit-input-tokens-limit,anthropic-ratelimit-input-tokens-remaining,\
                 anthropic-ratelimit-input-tokens-reset,\
                 anthropic-ratelimit-output-tokens-limit,anthropic-ratelimit-output-tokens-remaining,\
                 anthropic-ratelimit-output-tokens-reset,\
                 WWW-Authenticate,Proxy-Status",
            ),
            _ => None,
        }
    }
}

/// Whether presets say something of a setting.
pub(super) const fn speaks_of(key: Key) -> bool {
    Preset::Mcp.default_of(key).is_some()
}

/// Flags that name a server of such a kind, and the word for its preset.
pub(super) const FLAGS: [(Key, &str); 2] = [(Key::Mcp, "mcp"), (Key::Llm, "llm")];

/// The flag that was typed where `key` is spoken of, which it stands for: such a flag names an upstream and a preset.
pub(super) fn flag_behind(key: Key, is_typed: impl Fn(Key) -> bool) -> Option<Key> {
    let stands_for = matches!(key, Key::Upstream | Key::Preset);
    FLAGS.into_iter().map(|(flag, _)| flag).find(|flag| stands_for && is_typed(*flag))
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};
    use crate::cors::CorsPolicy;

    fn policy(preset: &str, more: &[(Key, &str)]) -> String {
        let flags: Vec<(Key, &str)> =
            [(Key::Preset, preset)].into_iter().chain(more.iter().copied()).collect();
        sample::compiled(&sample::settings(&flags)).cors().describe().to_owned()
    }

    #[test]
    fn a_preset_stands_in_for_what_is_not_typed_and_what_is_typed_wins() {
        for preset in ["mcp", "llm"] {
            let plain = policy(preset, &[]);
            assert!(
                plain.starts_with("loopback, no credentials, methods GET POST DELETE, headers Accept "),
                "{plain}"
            );
            assert!(plain.ends_with(", other origins refused"), "{plain}");
            let typed = policy(
                preset,
                &[
                    (Key::AllowOrigin, "https://a.example"),
                    (Key::AllowMethod, "PUT"),
                    (Key::AllowHeader, "any"),
                    (Key::RefuseOtherOrigins, "false"),
                ],
            );
            assert_eq!(typed, "https://a.example, no credentials, methods PUT");
        }
        assert!(policy("mcp", &[]).contains(" Mcp-*") && policy("llm", &[]).contains(" X-Stainless-* "));
    }

    #[test]
    fn every_preset_speaks_of_the_same_settings_in_words_that_their_readers_understand() {
        for key in Key::ALL {
            let spoken = Preset::CHOICES.map(|(_, preset)| preset.default_of(*key).is_some());
            assert_eq!(spoken, [speaks_of(*key); 2], "{key:?}");
        }
        for (word, _) in Preset::CHOICES {
            let config = sample::compiled(&sample::settings(&[(Key::Preset, word)]));
            assert!(CorsPolicy::is_list(config.cors()) && config.cors().refuses_other_origins(), "{word}");
        }
    }

    #[test]
    fn any_origin_and_a_preset_is_a_fault() {
        for text in [
            "[cors]\npreset = \"mcp\"\nallow_origins = [\"*\"]",
            "[gateway]\ncors = \"a\"\n[policy.a]\npreset = \"llm\"\nallow_origins = [\"*\"]",
        ] {
            let (faults, _) = sample::notes_of_file(text, &[]);
            assert!(
                faults.len() == 1
                    && faults[0].contains("allow_origins: \"*\" would let any page use a server"),
                "{faults:?}"
            );
        }
        let (faults, _) = sample::notes_of_file("[cors]\npreset = \"llms\"", &[]);
        assert_eq!(faults, ["f:2:10: cors.preset: \"llms\" is none of mcp, llm; did you mean llm?"]);
    }

    #[test]
    fn a_preset_that_others_reach_wants_the_names_under_which_they_do() {
        const SERVED: &str =
            "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n[policy.p]\npreset = \"mcp\"\n";
        let missing = |place: &str, addresses: &str| {
            format!(
                "{place}listen.allow_hosts: is missing: others reach {addresses}, and a preset asks for the names under which \
                 browsers come there, such as mcp.example.com"
            )
        };
        let route = "[[route]]\nupstream = \"a\"\ncors = \"p\"\n";
        let gateway =
            "[gateway]\ncors = \"p\"\nallow_targets = [\"a.example\"]\n[[route]]\nupstream = \"a\"\n";
        for (served, listen, expected) in [
            (route, "address = \"0.0.0.0:80\"", vec![missing("", "0.0.0.0:80")]),
            (
                route,
                "address = [\"0.0.0.0:80\", \"127.0.0.1:81\", \"[::]:82\"]",
                vec![missing("", "0.0.0.0:80 and [::]:82")],
            ),
            (gateway, "address = \"0.0.0.0:80\"", vec![missing("", "0.0.0.0:80")]),
            (gateway, "address = \"0.0.0.0:80\"\nservices = [\"routes\"]", vec![]),
            (route, "address = \"0.0.0.0:80\"\nallow_hosts = [\"mcp.example.com\"]", vec![]),
            (route, "address = \"127.0.0.1:80\"", vec![]),
            ("[[route]]\nupstream = \"a\"\n", "address = \"0.0.0.0:80\"", vec![]),
        ] {
            let (faults, _) = sample::notes_of_file(&format!("{SERVED}{served}[[listen]]\n{listen}"), &[]);
            assert_eq!(faults, expected, "{served}{listen}");
        }
    }
}
