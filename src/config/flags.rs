//! The command line and its environment: what was typed, as text.
//!
//! [`Settings`] is the seam between the places where settings come from and
//! [`compile`](crate::config::compile::compile), which alone gives them meaning: every value stays the text
//! that was typed, so that all faults are found together and none hides the next. Nothing is parsed, checked
//! or defaulted here. A flag is one row: its field, its variable, its line of help.
#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "the comments are the help, as a terminal shows it"
)]

use std::ffi::{OsStr, OsString};

use clap::{
    Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, builder::Resettable, error::ContextKind,
};

/// Everything that can be set, as typed; what was not typed is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Parser)]
#[command(
    name = "corsair",
    version,
    about = "A CORS reverse proxy and gateway for HTTP/1",
    help_template = HELP,
    max_term_width = 100,
    disable_help_flag = true,
    disable_version_flag = true
)]
pub struct Settings {
    /// Listeners, and the size of the process.
    #[command(flatten)]
    pub serving: ServingSettings,
    /// The CORS policy.
    #[command(flatten)]
    pub cors: PolicySettings,
    /// The gateway and who may use it for what.
    #[command(flatten)]
    pub gateway: GatewaySettings,
    /// TLS on both sides.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// The application behind the reverse proxy.
    #[command(flatten)]
    pub upstream: UpstreamSettings,
    /// Where names are resolved.
    #[command(flatten)]
    pub dns: DnsSettings,
    /// Every bound in bytes or counts.
    #[command(flatten)]
    pub limits: LimitSettings,
    /// Every wait.
    #[command(flatten)]
    pub timeouts: TimeoutSettings,
    /// What the process says about itself.
    #[command(flatten)]
    pub observation: ObservationSettings,
}

/// Listeners, and the size of the process.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Serving")]
pub struct ServingSettings {
    /// Address to serve: 127.0.0.1:3000, :8080 or [::]:443; repeatable [default: 127.0.0.1:3000]
    #[arg(short, long, env = "CORSAIR_LISTEN", value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// Threads, or auto for one per usable core [default: auto]
    #[arg(long, env = "CORSAIR_WORKERS", value_name = "N|auto")]
    pub workers: Option<String>,
    /// Client connections at a time; by default 9 for every 20 file descriptors
    #[arg(long, env = "CORSAIR_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<String>,
    /// How long running exchanges may take to end after TERM [default: 30s]
    #[arg(long, env = "CORSAIR_DRAIN_TIMEOUT", value_name = "DURATION")]
    pub drain_timeout: Option<String>,
}

/// The CORS policy, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "CORS")]
pub struct PolicySettings {
    /// Origins that may read: https://app.example.com, https://*.example.com, ~REGEX, loopback, null, * [default: *]
    #[arg(long, env = "CORSAIR_ALLOW_ORIGIN", value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// Let those origins send cookies and authorization; needs a list of origins [default: false]
    #[arg(long, env = "CORSAIR_ALLOW_CREDENTIALS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub allow_credentials: Option<String>,
    /// Methods that a preflight grants [default: any]
    #[arg(long, env = "CORSAIR_ALLOW_METHOD", value_name = "METHOD")]
    pub allow_method: Vec<String>,
    /// Request headers that a preflight grants [default: any]
    #[arg(long, env = "CORSAIR_ALLOW_HEADER", value_name = "NAME")]
    pub allow_header: Vec<String>,
    /// Response headers that scripts may read [default: all]
    #[arg(long, env = "CORSAIR_EXPOSE_HEADER", value_name = "NAME")]
    pub expose_header: Vec<String>,
    /// How long a browser may remember a preflight [default: 10m]
    #[arg(long, env = "CORSAIR_MAX_AGE", value_name = "DURATION")]
    pub max_age: Option<String>,
    /// Grant private network access when a preflight asks for it [default: false]
    #[arg(long, env = "CORSAIR_PRIVATE_NETWORK", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub private_network: Option<String>,
    /// The upstream's own CORS headers: replaced by ours, or kept where it sends any [default: replace]
    #[arg(long, env = "CORSAIR_UPSTREAM_HEADERS", value_name = "replace|keep")]
    pub upstream_headers: Option<String>,
    /// Answer preflights here, or forward them to the application [default: answer]
    #[arg(long, env = "CORSAIR_PREFLIGHT", value_name = "answer|forward")]
    pub preflight: Option<String>,
    /// Refuse requests of other origins with 403 instead of hiding the answer from them [default: false]
    #[arg(long, env = "CORSAIR_REFUSE_OTHER_ORIGINS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub refuse_other_origins: Option<String>,
    /// Send Timing-Allow-Origin to allowed origins [default: false]
    #[arg(long, env = "CORSAIR_TIMING", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub timing: Option<String>,
    /// Send Cross-Origin-Resource-Policy: cross-origin, same-site or same-origin; unset by default
    #[arg(long, env = "CORSAIR_RESOURCE_POLICY", value_name = "POLICY")]
    pub resource_policy: Option<String>,
    /// Leave out the Corsair-Cors header that explains the verdict [default: false]
    #[arg(long, env = "CORSAIR_NO_VERDICT", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_verdict: Option<String>,
}

/// The gateway and who may use it for what, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Gateway")]
pub struct GatewaySettings {
    /// Forms to serve: query (/?url=…), path (/https://host/…); both by default unless there is an --upstream
    #[arg(long, env = "CORSAIR_GATEWAY", value_name = "query,path")]
    pub gateway: Vec<String>,
    /// Targets: public, private, loopback, any, HOST, HOST:PORT, *.example.com, a network; repeatable [default: public]
    #[arg(long, env = "CORSAIR_ALLOW_TARGET", value_name = "TARGET")]
    pub allow_target: Vec<String>,
    /// Targets refused whatever else allows them; repeatable
    #[arg(long, env = "CORSAIR_DENY_TARGET", value_name = "TARGET")]
    pub deny_target: Vec<String>,
    /// Refuse requests that carry none of these headers, such as Origin; repeatable
    #[arg(long, env = "CORSAIR_REQUIRE_HEADER", value_name = "NAME")]
    pub require_header: Vec<String>,
    /// Publish the gateway to everybody, knowingly [default: false]
    #[arg(long, env = "CORSAIR_OPEN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub open: Option<String>,
    /// Redirects of a target: followed here, rewritten to this gateway, or passed [default: follow]
    #[arg(long, env = "CORSAIR_REDIRECTS", value_name = "follow|rewrite|pass")]
    pub redirects: Option<String>,
    /// Host names that a loopback gateway answers to; repeatable [default: localhost,127.0.0.1,[::1]]
    #[arg(long, env = "CORSAIR_ALLOW_HOST", value_name = "HOST")]
    pub allow_host: Vec<String>,
}

/// TLS on both sides, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "TLS")]
pub struct TlsSettings {
    /// Certificate chain of the listeners (PEM); with it they speak TLS
    #[arg(long, env = "CORSAIR_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Private key of that certificate (PEM)
    #[arg(long, env = "CORSAIR_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Certificates trusted beside the public ones towards upstreams (PEM)
    #[arg(long, env = "CORSAIR_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<String>,
    /// Trust any certificate of an upstream [default: false]
    #[arg(long, env = "CORSAIR_INSECURE_UPSTREAM", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub insecure_upstream: Option<String>,
}

/// The application behind the reverse proxy, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Upstream")]
pub struct UpstreamSettings {
    /// Where to send requests: http://HOST:PORT/PREFIX or https://…; repeatable, balanced
    #[arg(short, long, env = "CORSAIR_UPSTREAM", value_name = "URL")]
    pub upstream: Vec<String>,
}

/// Where names are resolved, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "DNS")]
pub struct DnsSettings {
    /// Resolver to ask instead of the system's: IP or IP:PORT; repeatable
    #[arg(long, env = "CORSAIR_DNS_SERVER", value_name = "ADDRESS")]
    pub dns_server: Vec<String>,
    /// Hosts file to read instead of the system's
    #[arg(long, env = "CORSAIR_HOSTS_FILE", value_name = "FILE")]
    pub hosts_file: Option<String>,
}

/// `[limits]`, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Limits")]
pub struct LimitSettings {
    /// Request head; more is 431, a request line alone 414 [default: 16k]
    #[arg(id = "limit-head", long, env = "CORSAIR_LIMIT_HEAD", value_name = "SIZE")]
    pub head: Option<String>,
    /// Header fields of a message [default: 100]
    #[arg(id = "limit-fields", long, env = "CORSAIR_LIMIT_FIELDS", value_name = "N")]
    pub fields: Option<String>,
    /// Response head; more is 502 [default: 16k]
    #[arg(id = "limit-response-head", long, env = "CORSAIR_LIMIT_RESPONSE_HEAD", value_name = "SIZE")]
    pub response_head: Option<String>,
    /// Trailers of a message [default: 8k]
    #[arg(id = "limit-trailers", long, env = "CORSAIR_LIMIT_TRAILERS", value_name = "SIZE")]
    pub trailers: Option<String>,
    /// Chunk extensions of a message, in all [default: 16k]
    #[arg(id = "limit-chunk-extensions", long, env = "CORSAIR_LIMIT_CHUNK_EXTENSIONS", value_name = "SIZE")]
    pub chunk_extensions: Option<String>,
    /// 1xx responses of an exchange [default: 16]
    #[arg(id = "limit-interim", long, env = "CORSAIR_LIMIT_INTERIM", value_name = "N")]
    pub interim: Option<String>,
    /// Request bytes read and thrown away after an early answer [default: 1m]
    #[arg(id = "limit-linger", long, env = "CORSAIR_LIMIT_LINGER", value_name = "SIZE")]
    pub linger: Option<String>,
    /// Request body, or off; more is 413 [default: off]
    #[arg(id = "limit-body", long, env = "CORSAIR_LIMIT_BODY", value_name = "SIZE|off")]
    pub body: Option<String>,
    /// First relay buffer of each direction [default: 16k]
    #[arg(id = "limit-buffer", long, env = "CORSAIR_LIMIT_BUFFER", value_name = "SIZE")]
    pub buffer: Option<String>,
    /// Kernel buffers of each socket, or auto to leave them to the kernel; where a long body comes from they
    /// grow to 4 times that [default: 128k]
    #[arg(id = "limit-socket-buffer", long, env = "CORSAIR_LIMIT_SOCKET_BUFFER", value_name = "SIZE|auto")]
    pub socket_buffer: Option<String>,
}

/// `[timeouts]`, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Timeouts")]
pub struct TimeoutSettings {
    /// From the first byte of a request head to its end; a TLS handshake [default: 10s]
    #[arg(id = "timeout-head", long, env = "CORSAIR_TIMEOUT_HEAD", value_name = "DURATION")]
    pub head: Option<String>,
    /// An idle client connection [default: 75s]
    #[arg(id = "timeout-keep-alive", long, env = "CORSAIR_TIMEOUT_KEEP_ALIVE", value_name = "DURATION")]
    pub keep_alive: Option<String>,
    /// Silence inside a request body [default: 30s]
    #[arg(id = "timeout-body-idle", long, env = "CORSAIR_TIMEOUT_BODY_IDLE", value_name = "DURATION")]
    pub body_idle: Option<String>,
    /// Average rate of a request body after the first --timeout-body-idle, or off [default: 100/s]
    #[arg(id = "timeout-min-rate", long, env = "CORSAIR_TIMEOUT_MIN_RATE", value_name = "SIZE/s|off")]
    pub min_rate: Option<String>,
    /// DNS, TCP and TLS towards an upstream [default: 5s]
    #[arg(id = "timeout-connect", long, env = "CORSAIR_TIMEOUT_CONNECT", value_name = "DURATION")]
    pub connect: Option<String>,
    /// From the request sent to the response head [default: 60s]
    #[arg(id = "timeout-response", long, env = "CORSAIR_TIMEOUT_RESPONSE", value_name = "DURATION")]
    pub response: Option<String>,
    /// Silence inside a response body [default: 60s]
    #[arg(
        id = "timeout-upstream-idle",
        long,
        env = "CORSAIR_TIMEOUT_UPSTREAM_IDLE",
        value_name = "DURATION"
    )]
    pub upstream_idle: Option<String>,
    /// A peer that takes nothing [default: 60s]
    #[arg(id = "timeout-send", long, env = "CORSAIR_TIMEOUT_SEND", value_name = "DURATION")]
    pub send: Option<String>,
    /// A tunnel in which nothing moves [default: 1h]
    #[arg(id = "timeout-tunnel-idle", long, env = "CORSAIR_TIMEOUT_TUNNEL_IDLE", value_name = "DURATION")]
    pub tunnel_idle: Option<String>,
    /// A tunnel of which one direction has ended [default: 60s]
    #[arg(
        id = "timeout-tunnel-half-closed",
        long,
        env = "CORSAIR_TIMEOUT_TUNNEL_HALF_CLOSED",
        value_name = "DURATION"
    )]
    pub tunnel_half_closed: Option<String>,
    /// How long input is thrown away after an early answer [default: 2s]
    #[arg(id = "timeout-linger", long, env = "CORSAIR_TIMEOUT_LINGER", value_name = "DURATION")]
    pub linger: Option<String>,
}

/// What the process says about itself, as typed.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Observation")]
pub struct ObservationSettings {
    /// One line per request to a file, stdout or stderr, or off [default: off]
    #[arg(long, env = "CORSAIR_ACCESS_LOG", value_name = "PATH|stdout|stderr|off")]
    pub access_log: Option<String>,
    /// Say more on stderr; twice for everything
    #[arg(short, long, env = "CORSAIR_VERBOSE", action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but errors on stderr [default: false]
    #[arg(short, long, env = "CORSAIR_QUIET", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub quiet: Option<String>,
}

/// Reads the command line and, for what it leaves out, the environment.
///
/// A variable that is set but empty counts as not set: that is how container tools pass what nobody gave.
///
/// # Errors
/// clap's, for flags that do not exist and values that are missing; for `--help` and `--version` too. It
/// prints itself and knows its exit code.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Settings, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(arguments).map_err(without_dangerous_tip)?;
    Settings::from_arg_matches_mut(&mut matches).map_err(|fault| fault.format(&mut command))
}

/// A slip of the fingers must not be answered with the advice to open what is closed.
fn without_dangerous_tip(mut fault: clap::Error) -> clap::Error {
    let tip = fault.get(ContextKind::SuggestedArg).map(ToString::to_string);
    if tip.is_some_and(|tip| ["--open", "--insecure-upstream"].contains(&tip.as_str())) {
        fault.remove(ContextKind::SuggestedArg);
        fault.remove(ContextKind::Usage);
    }
    fault
}

/// The grammar. Shared with the generators of completions and manual.
#[must_use]
pub fn command() -> clap::Command {
    let answer = |id, short, action, help| {
        Arg::new(id).short(short).long(id).action(action).help(help).help_heading("Observation")
    };
    Settings::command()
        .mut_args(|arg| {
            let arg = arg.hide_env(true);
            if arg.get_env().is_some_and(is_unset) { arg.env(Resettable::Reset) } else { arg }
        })
        .arg(answer("help", 'h', ArgAction::Help, "Print this help"))
        .arg(answer("version", 'V', ArgAction::Version, "Print the version"))
}

fn is_unset(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_none_or(|value| value.is_empty())
}

const HELP: &str = "\
{about-with-newline}
Examples:
  corsair
      gateway on 127.0.0.1:3000: /?url=… and /https://host/…, any origin, public targets only
  corsair --upstream http://127.0.0.1:9001
      reverse proxy on 127.0.0.1:3000, any origin, no credentials
  corsair -l :8080 -u https://api.example.org --allow-origin https://app.example.com --allow-credentials
      reverse proxy for one web application
  corsair -l :8080 --allow-origin https://app.example.com --allow-target api.example.org
      gateway for one web application and one target

Every flag is also an environment variable: --allow-origin is CORSAIR_ALLOW_ORIGIN; a flag wins. Lists are
repeated or separated by commas. Durations: 250ms, 30s, 5m, 1h. Sizes: bytes, 16k, 10m, 1g.

{usage-heading} {usage}

{all-args}
";

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::config::{compile::compile, machine::Machine};

    fn typed(arguments: &[&str]) -> Result<Settings, clap::Error> {
        parse(std::iter::once("corsair").chain(arguments.iter().copied()).map(Into::into))
    }

    fn rows() -> Vec<Arg> {
        let special = ["help", "version"];
        command().get_arguments().filter(|arg| !special.contains(&arg.get_id().as_str())).cloned().collect()
    }

    #[test]
    fn the_grammar_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_the_variable_of_its_name() {
        for arg in Settings::command().get_arguments() {
            let long = arg.get_long().expect("every flag has a long name");
            if !["help", "version"].contains(&long) {
                let variable = format!("CORSAIR_{}", long.replace('-', "_").to_uppercase());
                assert_eq!(arg.get_env(), Some(OsStr::new(&variable)), "--{long}");
            }
        }
    }

    #[test]
    fn every_flag_stands_under_a_heading_with_one_line_of_help() {
        let headings =
            ["Serving", "CORS", "Gateway", "TLS", "Upstream", "DNS", "Limits", "Timeouts", "Observation"];
        for arg in command().get_arguments() {
            let id = arg.get_id();
            assert!(arg.get_help_heading().is_some_and(|heading| headings.contains(&heading)), "{id}");
            let help = arg.get_help().expect("help").to_string();
            assert!(!help.contains('\n') && !help.ends_with('.'), "{id}: {help}");
            assert!(arg.get_long_help().is_none_or(|long| long.to_string() == help), "{id}");
        }
    }

    #[test]
    fn every_default_in_the_help_is_the_default() {
        let described = |settings: &Settings| {
            let machine = Machine { descriptors: 20_000, cores: NonZeroUsize::MIN };
            let (config, _) = compile(settings, machine).unwrap_or_else(|faults| panic!("{faults:?}"));
            let gateway = config.gateway().expect("a gateway");
            format!(
                "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                config.listeners,
                config.timeouts,
                config.limits,
                config.workers,
                config.max_connections,
                config.drain_timeout,
                config.access_log,
                config.dns,
                config.verbosity,
                config.cors.describe(),
                config.cors.is_any_origin(),
                gateway.forms,
                gateway.redirects,
                gateway.require_headers,
                gateway.rules.describe(),
            )
        };
        let plain = described(&Settings::default());
        let mut found = 0;
        for arg in rows() {
            let help = arg.get_help().expect("help").to_string();
            let Some((_, default)) = help.split_once("[default: ") else { continue };
            let default = default.strip_suffix(']').expect("the default ends the line");
            let argument = format!("--{}={default}", arg.get_long().expect("a long name"));
            assert_eq!(described(&typed(&[&argument]).expect(&argument)), plain, "{argument}");
            found += 1;
        }
        assert!(found > 40, "only {found} defaults");
    }

    #[test]
    fn an_unknown_flag_hears_the_nearest_one() {
        let fault = typed(&["--alow-origin", "*"]).expect_err("unknown").to_string();
        assert!(fault.contains("--allow-origin"), "{fault}");
        assert_eq!(typed(&["--alow-origin", "*"]).expect_err("unknown").exit_code(), 2);
    }

    #[test]
    fn flags_of_later_stages_do_not_exist() {
        for flag in ["--config=x", "--admin=x", "--token=x", "--rate-limit=1", "--log-format=x", "--forward"]
        {
            assert!(typed(&[flag]).is_err(), "{flag}");
        }
        assert!(typed(&["check"]).is_err());
    }

    #[test]
    fn help_and_version_end_well() {
        for flag in ["--help", "-h", "--version", "-V"] {
            assert_eq!(typed(&[flag]).expect_err("an answer").exit_code(), 0, "{flag}");
        }
        let version = typed(&["-V"]).expect_err("an answer").to_string();
        assert_eq!(version.trim_end(), format!("corsair {}", env!("CARGO_PKG_VERSION")));
        let help = typed(&["--help"]).expect_err("an answer").to_string();
        let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text} is missing: {help}"));
        assert!(at("Examples:") < at("Usage:") && at("Usage:") < at("\nServing:"));
        assert!(!help.contains("CORSAIR_LISTEN"), "one sentence names the variables");
    }

    #[test]
    fn what_is_typed_is_kept_as_text() {
        let settings =
            typed(&["-l", ":1", "--listen=:2", "--timeout-head", "soon", "-vv", "--allow-credentials"]);
        let settings = settings.expect("flags");
        assert_eq!(settings.serving.listen, [":1", ":2"]);
        assert_eq!(settings.timeouts.head.as_deref(), Some("soon"));
        assert_eq!(settings.observation.verbose, 2);
        assert_eq!(settings.cors.allow_credentials.as_deref(), Some("true"));
        let settings = typed(&["--allow-credentials=false", "--limit-head=1k"]).expect("flags");
        assert_eq!(settings.cors.allow_credentials.as_deref(), Some("false"));
        assert_eq!(settings.limits.head.as_deref(), Some("1k"));
        assert_eq!(settings.timeouts.head, None);
    }
}
