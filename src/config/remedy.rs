//! Which setting decides that a page is refused, and what to write so that it is not.
//!
//! Told of a request are its origin, its host, a method or the name of a field; of the configuration no value, which may
//! be a secret. Nothing here says that it should be written: that is the operator's to know.

use super::{
    access::AccessId, configuration::Config, keys::Key, listen::ListenerId, places::SettingPlace,
    route::RouteId, routes::Routes,
};
use crate::{admission::Way, cors::Reason, error::Error, http1::span::Span};

/// Characters of what a request says that a hint repeats.
const MAX_REPEATED: usize = 256;

/// Why a page does not get at what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The policy does not allow it.
    Policy(Reason),
    /// It is answered with an error.
    Error(Error),
    /// It is sent with credentials, and the policy grants none.
    Credentials,
    /// The upstream's own fields are kept, and are none that a browser accepts.
    UpstreamFields,
}

/// What is known of a request that meets an [`Obstacle`].
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Where it came in.
    pub listener: ListenerId,
    /// What it took.
    pub route: RouteId,
    /// The bytes of its head, in which a reason points at what it is about.
    pub head: &'a [u8],
    /// Its `Origin`.
    pub origin: Option<&'a [u8]>,
    /// The authority that it is for.
    pub host: &'a [u8],
    /// The table of access that refuses it.
    pub access: Option<AccessId>,
}

/// The setting that decides, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// Nothing where no setting does.
    pub setting: Option<SettingPlace>,
    /// In a line, such as `add "https://a.example" to cors.allow_origins`.
    pub hint: String,
}

impl Obstacle {
    /// The setting that decides; nothing where none does, or where it is not about who may ask.
    #[must_use]
    pub const fn key(self) -> Option<Key> {
        match self {
            Self::Policy(Reason::OriginNotAllowed | Reason::OriginInvalid)
            | Self::Error(Error::OriginRequired) => Some(Key::AllowOrigin),
            Self::Policy(Reason::OriginDenied) => Some(Key::DenyOrigin),
            Self::Policy(Reason::MethodNotAllowed(_)) => Some(Key::AllowMethod),
            Self::Policy(Reason::HeaderNotAllowed(_)) => Some(Key::AllowHeader),
            Self::Credentials => Some(Key::AllowCredentials),
            Self::UpstreamFields => Some(Key::UpstreamHeaders),
            Self::Error(Error::HostNotAllowed) => Some(Key::AllowHost),
            Self::Error(Error::FieldRequired) => Some(Key::RequireHeader),
            Self::Error(Error::TargetDenied | Error::TargetAddressProhibited) => Some(Key::AllowTarget),
            Self::Error(Error::MethodNotServed) => Some(Key::RouteMethods),
            Self::Policy(Reason::SeveralOrigins | Reason::MethodInvalid | Reason::HeadersInvalid)
            | Self::Error(_) => None,
        }
    }
}

impl Obstacle {
    /// What it is, in words; `named` is the method or the name of a field that is not allowed.
    #[must_use]
    pub fn describe(self, named: &[u8]) -> String {
        match self {
            Self::Policy(reason) => format!("{}{}", reason.text().0, String::from_utf8_lossy(named)),
            Self::Error(error) => error.to_string(),
            Self::Credentials => "the policy grants no credentials".to_owned(),
            Self::UpstreamFields => "no browser accepts the upstream's own fields".to_owned(),
        }
    }
}

impl Config {
    /// What to do about an obstacle; nothing where it is no matter of who may ask, as with an upstream that is down.
    #[must_use]
    pub fn remedy(&self, obstacle: Obstacle, refused: &Refused<'_>) -> Option<Remedy> {
        if let (Some(access), Obstacle::Error(_)) = (refused.access, obstacle) {
            return Some(self.of_access(access, refused.route));
        }
        let policy = self.route(refused.route).policy;
        let setting = obstacle.key().map(|key| {
            if key == Key::AllowHost {
                self.listener_setting(refused.listener, key)
            } else if [Key::RequireHeader, Key::AllowTarget, Key::RouteMethods].contains(&key) {
                self.route_setting(refused.route, key)
            } else {
                self.setting(policy, key)
            }
        });
        let hint = match (&setting, obstacle) {
            (Some(setting), Obstacle::Credentials) if self.policy(policy).is_any_origin() => {
                let origins = self.setting(policy, Key::AllowOrigin).name;
                format!("{}, and name the origins in {origins}: any cannot have them", switched_on(setting))
            }
            (Some(setting), _) => hint(obstacle, setting, refused),
            (None, Obstacle::Policy(Reason::SeveralOrigins)) => "send one Origin, as browsers do".into(),
            (None, Obstacle::Policy(Reason::MethodInvalid)) => {
                "send one method, a token, in Access-Control-Request-Method, as browsers do".into()
            }
            (None, Obstacle::Policy(Reason::HeadersInvalid)) => {
                "send names of fields, with commas between them, in Access-Control-Request-Headers, as browsers do".into()
            }
            (None, Obstacle::Error(Error::DestinationRefused)) => {
                "read it with fetch(), or serve the gateway from a listener of its own".into()
            }
            (None, _) => return None,
        };
        Some(Remedy { setting, hint })
    }

    /// What to do where a table of access refuses; what it knows of credentials is nobody's to read here.
    fn of_access(&self, access: AccessId, route: RouteId) -> Remedy {
        let key = if route == Routes::GATEWAY { Key::GatewayAccess } else { Key::RouteAccess };
        let table = self.access(access);
        let what = match &table.way {
            Way::Clients(_) => "come from a network that it allows",
            Way::FetchSite(_) => "ask from a page of a site that it allows",
            Way::Bearer(_) => "send one of its tokens, as Authorization: Bearer TOKEN",
            Way::Token(_) => {
                "send one of its tokens, as X-Corsair-Token: TOKEN, Authorization: Bearer TOKEN or ?corsair-token=TOKEN"
            }
            Way::Signed(_) => "ask for a URL that corsair sign has made, before its time is over",
            Way::Jwt(_) => "send a token of its issuer that has not expired, as Authorization: Bearer TOKEN",
            Way::Basic(..) => "send the name and the password of one of its users",
            Way::Forward(_) => "ask for what the service that it names lets in; what it says is the answer",
        };
        let asking = match &table.way {
            Way::Token(_) => "--token".to_owned(),
            Way::Clients(_)
            | Way::FetchSite(_)
            | Way::Bearer(_)
            | Way::Signed(_)
            | Way::Jwt(_)
            | Way::Basic(..)
            | Way::Forward(_) => {
                format!("access.{}", table.name)
            }
        };
        let hint = format!("asked by {asking}: {what}");
        Remedy { setting: Some(self.route_setting(route, key)), hint }
    }
}

/// What to do where a setting decides.
fn hint(obstacle: Obstacle, setting: &SettingPlace, refused: &Refused<'_>) -> String {
    let name = &setting.name;
    let subject = |span: Span| span.of(refused.head);
    match (obstacle, refused.origin) {
        (
            Obstacle::Policy(Reason::OriginNotAllowed) | Obstacle::Error(Error::OriginRequired),
            Some(b"null"),
        ) => {
            format!("{}, which every sandboxed frame and local file has", adding(setting, b"null"))
        }
        (
            Obstacle::Policy(Reason::OriginNotAllowed) | Obstacle::Error(Error::OriginRequired),
            Some(origin),
        ) => adding(setting, origin),
        (Obstacle::Error(Error::OriginRequired), None) => {
            format!("ask from a page of an origin that {name} lists: programs have none")
        }
        (Obstacle::Policy(Reason::OriginInvalid | Reason::OriginNotAllowed), _) => {
            "send an Origin as browsers do, such as https://app.example.com".to_owned()
        }
        (Obstacle::Policy(Reason::OriginDenied), _) => {
            format!("take the entry that denies this origin out of {name}")
        }
        (Obstacle::Policy(Reason::MethodNotAllowed(method)), _) => of_method(setting, subject(method)),
        (Obstacle::Policy(Reason::HeaderNotAllowed(name)), _) => {
            adding(setting, &subject(name).to_ascii_lowercase())
        }
        (Obstacle::Credentials, _) => switched_on(setting),
        (Obstacle::UpstreamFields, _) => {
            format!("leave {name} out, so that the policy speaks instead of the upstream")
        }
        (Obstacle::Error(Error::HostNotAllowed), _) => adding(setting, host(refused.host)),
        (Obstacle::Error(Error::FieldRequired), _) => format!("send one of the fields that {name} lists"),
        (Obstacle::Error(Error::MethodNotServed), _) => format!("add the method to {name}"),
        _ => format!("allow the target with {name}"),
    }
}

/// A method that differs from one of the standard's by its case is not what anybody meant to allow.
fn of_method(setting: &SettingPlace, method: &[u8]) -> String {
    let upper = method.to_ascii_uppercase();
    let is_slip = upper != method
        && [&b"PATCH"[..], b"PUT", b"DELETE", b"OPTIONS", b"GET", b"HEAD", b"POST"].contains(&&*upper);
    if is_slip {
        let upper = repeated(&upper);
        return format!("write {upper} in capitals where it is sent: methods are told apart by case");
    }
    adding(setting, method)
}

/// How a member comes into a list.
fn adding(setting: &SettingPlace, member: &[u8]) -> String {
    let (name, member) = (&setting.name, repeated(member));
    match (name.starts_with("--"), setting.is_default) {
        (true, false) => format!("add {name} {}", quoted_for_a_shell(&member)),
        (false, false) => format!("add \"{member}\" to {name}"),
        // What is typed replaces the default.
        (_, true) => format!("name \"{member}\" in {name}, with all others that are meant"),
    }
}

/// How a switch is turned on.
fn switched_on(SettingPlace { name, .. }: &SettingPlace) -> String {
    if name.starts_with("--") { format!("write {name}") } else { format!("set {name} = true") }
}

/// A word as a shell takes it.
fn quoted_for_a_shell(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.:/,@%+".contains(character);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// What a request says, as one line of text that ends a quoted one nowhere.
fn repeated(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut repeated = String::new();
    for character in text.chars().take(MAX_REPEATED) {
        if character.is_control() || matches!(character, '"' | '\\') {
            repeated.extend(character.escape_default());
        } else {
            repeated.push(character);
        }
    }
    repeated
}

/// The host of an authority; hosts are listed without a port for all of them.
fn host(authority: &[u8]) -> &[u8] {
    let end = if authority.starts_with(b"[") {
        memchr::memchr(b']', authority).map(|bracket| bracket + 1)
    } else {
        memchr::memchr(b':', authority)
    };
    end.and_then(|end| authority.get(..end)).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{sample, settings::Settings},
        *,
    };

    fn remedy(settings: &Settings, obstacle: Obstacle, head: &str, origin: Option<&str>) -> (String, String) {
        let config = sample::compiled(settings);
        let refused = Refused {
            listener: ListenerId::FIRST,
            route: RouteId(3),
            head: head.as_bytes(),
            origin: origin.map(str::as_bytes),
            host: b"app.example:8080",
            access: None,
        };
        let Remedy { setting, hint } = config.remedy(obstacle, &refused).expect("a remedy");
        let setting = setting.expect("a setting");
        (setting.place.map_or_else(String::new, |place| place.to_string()), hint)
    }

    fn whole(text: &str) -> Span {
        Span::new(0, text.len())
    }

    const FILE: &str = "[upstream.a]\nservers = [\"http://127.0.0.1:1\"]\n[cors]\n[[route]]\nupstream = \"a\"\ncors = \"app\"\n\
                        [policy.app]\nallow_origins = [\"https://a.example\"]\nallow_methods = [\n  \"PUT\"]\n\
                        allow_headers = \"x-a\"\n[[listen]]\naddress = \":80\"\nallow_hosts = [\"a.example\"]\n";

    #[test]
    fn a_remedy_says_what_to_write_where() {
        let file = sample::file(FILE, &[]);
        for (obstacle, head, origin, place, hint) in [
            (
                Obstacle::Policy(Reason::OriginNotAllowed),
                "",
                Some("https://b.example"),
                "f:8:18",
                "add \"https://b.example\" to policy.app.allow_origins",
            ),
            (
                Obstacle::Policy(Reason::OriginNotAllowed),
                "",
                Some("null"),
                "f:8:18",
                "add \"null\" to policy.app.allow_origins, which every sandboxed frame and local file has",
            ),
            (
                Obstacle::Policy(Reason::MethodNotAllowed(whole("PURGE"))),
                "PURGE",
                None,
                "f:10:3",
                "add \"PURGE\" to policy.app.allow_methods",
            ),
            (
                Obstacle::Policy(Reason::MethodNotAllowed(whole("patch"))),
                "patch",
                None,
                "f:10:3",
                "write PATCH in capitals where it is sent: methods are told apart by case",
            ),
            (
                Obstacle::Policy(Reason::HeaderNotAllowed(whole("X-Token"))),
                "X-Token",
                None,
                "f:11:17",
                "add \"x-token\" to policy.app.allow_headers",
            ),
            (Obstacle::Credentials, "", None, "f:7:9", "set policy.app.allow_credentials = true"),
            (
                Obstacle::UpstreamFields,
                "",
                None,
                "f:7:9",
                "leave policy.app.upstream_headers out, so that the policy speaks instead of the upstream",
            ),
            (
                Obstacle::Error(Error::HostNotAllowed),
                "",
                None,
                "f:14:16",
                "add \"app.example\" to listen.allow_hosts",
            ),
            (Obstacle::Error(Error::MethodNotServed), "", None, "f:4:1", "add the method to route.methods"),
        ] {
            let (found, told) = remedy(&file, obstacle, head, origin);
            assert_eq!((found.as_str(), told.as_str()), (place, hint), "{obstacle:?}");
        }
    }

    #[test]
    fn where_flags_were_typed_a_remedy_is_a_flag() {
        let flags = [
            (Key::Upstream, "http://127.0.0.1:1"),
            (Key::AllowOrigin, "https://a.example"),
            (Key::AllowHeader, "x-a"),
        ];
        let flags = sample::settings(&flags);
        for (obstacle, head, origin, hint) in [
            (
                Obstacle::Policy(Reason::OriginNotAllowed),
                "",
                Some("https://b.example"),
                "add --allow-origin https://b.example",
            ),
            (
                Obstacle::Policy(Reason::HeaderNotAllowed(whole("x'y"))),
                "x'y",
                None,
                "add --allow-header 'x'\\''y'",
            ),
            (Obstacle::Credentials, "", None, "write --allow-credentials"),
            (
                Obstacle::Error(Error::HostNotAllowed),
                "",
                None,
                "name \"app.example\" in --allow-host, with all others that are meant",
            ),
        ] {
            assert_eq!(
                remedy(&flags, obstacle, head, origin),
                (String::new(), hint.to_owned()),
                "{obstacle:?}"
            );
        }
        let any = sample::settings(&[(Key::Upstream, "http://127.0.0.1:1")]);
        let hint = "write --allow-credentials, and name the origins in --allow-origin: any cannot have them";
        assert_eq!(remedy(&any, Obstacle::Credentials, "", None).1, hint);
    }

    #[test]
    fn what_a_request_says_stays_one_quoted_word() {
        assert_eq!(repeated(b"a\"\\\r\n\xff"), "a\\\"\\\\\\r\\n\u{fffd}");
        assert_eq!(repeated(&[b'a'; 1000]).len(), MAX_REPEATED);
    }

    #[test]
    fn what_nobody_decided_has_no_remedy() {
        let config = sample::defaults();
        let refused = Refused {
            listener: ListenerId::FIRST,
            route: Routes::NOTHING,
            head: b"",
            origin: None,
            host: b"",
            access: None,
        };
        for error in [Error::ConnectRefused, Error::NoRoute, Error::CorsRefused, Error::Internal] {
            assert_eq!(config.remedy(Obstacle::Error(error), &refused), None, "{error:?}");
        }
        let remedy = config.remedy(Obstacle::Policy(Reason::SeveralOrigins), &refused).expect("a remedy");
        assert_eq!((remedy.setting, &*remedy.hint), (None, "send one Origin, as browsers do"));
    }
}
