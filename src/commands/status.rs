//! `corsair status`: what a running process does, as text.
//!
//! Pure but for the question: what `/status` says becomes lines. Whatever came from outside is shown so that it moves
//! nothing in a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::ask::ask;
use crate::config::ListenAddress;

/// Refusals that are shown.
const REFUSALS: usize = 8;
/// Seconds of which a line of bars shows the requests.
const BARS: usize = 60;

/// The state of the process there; in `colours`, and with bars, for a terminal that has them.
///
/// # Errors
/// In a line: why it cannot be asked, or what it answers instead.
pub fn status(address: &ListenAddress, colours: bool) -> Result<String, String> {
    let answered = ask(address, "GET", "/status")?;
    match serde_json::from_slice(&answered.body) {
        Ok(status) if answered.status == 200 => Ok(told(&status, colours)),
        Ok(_) | Err(_) => Err(shown(String::from_utf8_lossy(&answered.body).trim())),
    }
}

/// Lines for people.
fn told(status: &Value, colours: bool) -> String {
    let mut page = Page { text: String::new(), colours };
    page.overview(status);
    for upstream in list(&status["upstreams"]) {
        page.upstream(upstream);
    }
    page.limits(status);
    page.errors(status);
    page.refusals(status);
    page.certificates(status);
    page.text
}

struct Page {
    text: String,
    colours: bool,
}

impl Page {
    fn overview(&mut self, status: &Value) {
        let state = text(&status["state"]);
        let code = if state == "serving" { "32" } else { "33" };
        let head = format!(
            "corsair {}  {}  generation {}  since {}",
            text(&status["version"]),
            self.painted(code, &state),
            status["generation"],
            text(&status["started"]),
        );
        let _ = writeln!(self.text, "{head}");
        let config = &status["config"];
        let path = config["path"].as_str().map_or_else(|| "flags".to_owned(), shown);
        self.line("config", &format!("{path}, loaded {}", text(&config["loaded"])));
        if let Some(fault) = config["fault"].as_str() {
            for line in fault.lines() {
                let refused = self.painted("31", "refused");
                self.line("reload", &format!("{refused} {}", shown(line)));
            }
        }
        let listeners = list(&status["listeners"]).map(|listener| {
            let services: Vec<String> = list(&listener["services"]).map(text).collect();
            format!("{} ({})", text(&listener["address"]), services.join(", "))
        });
        let listeners = listeners.collect::<Vec<_>>().join(", ");
        self.line("listens", &listeners);
        let requests = &status["requests"];
        self.line(
            "requests",
            &format!(
                "{}/s, {}/s failed; {} in all; p50 {}, p90 {}, p99 {} over the last minute",
                number(&requests["rate"]),
                number(&requests["error_rate"]),
                requests["total"],
                milliseconds(&requests["p50_ms"]),
                milliseconds(&requests["p90_ms"]),
                milliseconds(&requests["p99_ms"]),
            ),
        );
        if self.colours {
            let bars = bars(&status["history"]["requests"]);
            self.line("", &bars);
        }
        let connections = &status["connections"];
        self.line(
            "clients",
            &format!(
                "{} connected, {} at most; {} connections to upstreams, {} of them idle",
                connections["client"],
                connections["max"],
                connections["upstream"],
                connections["idle_upstream"],
            ),
        );
        let memory = &status["memory"];
        let used = memory["used"].as_u64().map_or_else(|| "-".to_owned(), bytes);
        let bound = memory["bound"].as_u64().map_or_else(|| "-".to_owned(), bytes);
        self.line("memory", &format!("{used}; traffic can take {bound} at most"));
        if status["log"]["dropped"].as_u64().is_some_and(|dropped| dropped > 0) {
            self.line("log", &format!("{} records dropped", status["log"]["dropped"]));
        }
    }

    fn upstream(&mut self, upstream: &Value) {
        self.title(&format!("upstream {}", text(&upstream["name"])));
        for server in list(&upstream["servers"]) {
            let state = text(&server["state"]);
            let code = if state == "up" { "32" } else { "31" };
            let state = self.painted(code, &format!("{state:<4}"));
            let mut line = format!(
                "  {state} {}  {} in use, {} idle; {} answered, {} failed; p50 {}, p99 {}",
                text(&server["url"]),
                server["in_use"],
                server["idle"],
                server["requests"],
                server["failures"],
                milliseconds(&server["p50_ms"]),
                milliseconds(&server["p99_ms"]),
            );
            if server["verify"] == false {
                line.push_str("; any certificate is trusted");
            }
            let _ = writeln!(self.text, "{line}");
            if let Some(reason) = server["reason"].as_str() {
                let _ = writeln!(self.text, "       {} since {}", shown(reason), text(&server["since"]));
            }
        }
    }

    fn limits(&mut self, status: &Value) {
        let mut limits = list(&status["limits"]).peekable();
        if limits.peek().is_some() {
            self.title("limits");
        }
        for limit in limits {
            let mut line = format!(
                "  {}  {} refused; {} of {} known, {} forgotten too soon",
                text(&limit["limit"]),
                limit["limited"],
                limit["known"],
                limit["keys"],
                limit["keys_dropped"],
            );
            if limit["replicas"].is_u64() {
                let _ = write!(line, "; one of {}", limit["replicas"]);
            }
            if limit["shared_failures"].as_u64().is_some_and(|failures| failures > 0) {
                let _ = write!(line, "; {} counted here alone", limit["shared_failures"]);
            }
            let _ = writeln!(self.text, "{line}");
        }
    }

    fn errors(&mut self, status: &Value) {
        let errors = status["errors"].as_object().into_iter().flatten();
        let errors: Vec<String> = errors.map(|(cause, count)| format!("{} {count}", shown(cause))).collect();
        if !errors.is_empty() {
            self.title("errors by cause");
            let _ = writeln!(self.text, "  {}", errors.join(", "));
        }
    }

    fn refusals(&mut self, status: &Value) {
        let verdicts = list(&status["cors"]);
        let verdicts = verdicts.map(|verdict| {
            let reason = verdict["reason"].as_str().filter(|reason| !reason.is_empty());
            let reason = reason.map_or_else(String::new, |reason| format!(" ({})", shown(reason)));
            format!(
                "{} {} {}{reason}: {}",
                text(&verdict["policy"]),
                text(&verdict["kind"]),
                text(&verdict["result"]),
                verdict["count"]
            )
        });
        let verdicts: Vec<String> = verdicts.collect();
        if !verdicts.is_empty() {
            self.title("CORS by policy");
            for verdict in verdicts {
                let _ = writeln!(self.text, "  {verdict}");
            }
        }
        // The last of its kind stands for all of them: what would change is the same.
        let kind = |request: &Value| (request["origin"].to_string(), request["hint"].to_string());
        let mut refused: Vec<&Value> = Vec::new();
        for request in list(&status["refused"]) {
            if !refused.iter().any(|known| kind(known) == kind(request)) {
                refused.push(request);
            }
        }
        if refused.is_empty() {
            return;
        }
        self.title("refused last");
        for request in refused.into_iter().take(REFUSALS) {
            let reason = self.painted("33", &text(&request["reason"]));
            let _ = writeln!(
                self.text,
                "  {}  {} {} from {}: {reason}",
                text(&request["time"]),
                text(&request["method"]),
                text(&request["path"]),
                text(&request["origin"]),
            );
            let place =
                request["place"].as_str().map_or_else(String::new, |place| format!("{}: ", shown(place)));
            let hint = text(&request["hint"]);
            if !hint.is_empty() {
                let _ = writeln!(self.text, "    {place}{hint}");
            }
        }
    }

    fn certificates(&mut self, status: &Value) {
        let mut certificates = list(&status["certificates"]).peekable();
        if certificates.peek().is_some() {
            self.title("certificates");
        }
        for certificate in certificates {
            let names: Vec<String> = list(&certificate["names"]).map(text).collect();
            let _ = writeln!(
                self.text,
                "  {}  {}  expires {}",
                text(&certificate["listener"]),
                names.join(", "),
                text(&certificate["expires"])
            );
        }
    }

    fn line(&mut self, name: &str, value: &str) {
        let name = self.painted("1", &format!("{name:<9}"));
        let _ = writeln!(self.text, "{name} {value}");
    }

    fn title(&mut self, title: &str) {
        let title = self.painted("1", title);
        let _ = writeln!(self.text, "\n{title}");
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    shown(value.as_str().unwrap_or("-"))
}

/// Text from outside, as it can be shown: nothing in it moves a cursor or turns the direction of writing.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let is_turning =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || is_turning {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"))
}

fn milliseconds(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.1} ms"))
}

/// In the largest unit that leaves at least one, with one digit behind the point.
fn bytes(count: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(shift, _)| count >> shift > 0);
    unit.map_or_else(
        || format!("{count} B"),
        |(shift, unit)| {
            let tenths = (u128::from(count) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

/// A bar for each of the last seconds.
fn bars(counts: &Value) -> String {
    const BAR: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let counts: Vec<u64> = list(counts).filter_map(Value::as_u64).collect();
    let last = &counts[counts.len().saturating_sub(BARS)..];
    let most = last.iter().copied().max().unwrap_or(0).max(1);
    let level = |count: &u64| usize::try_from(count * 7 / most).unwrap_or(7);
    last.iter().map(|count| BAR[level(count).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_came_from_outside_moves_nothing_in_a_terminal() {
        assert_eq!(shown("a\u{1b}[2Jb\r\n\u{202e}c"), "a\\u{1b}[2Jb\\u{d}\\u{a}\\u{202e}c");
        let status = json!({
            "refused": [{ "origin": "https://\u{1b}]0;x\u{7}", "reason": "origin not allowed", "hint": "h" }],
        });
        let told = told(&status, false);
        assert!(!told.contains('\u{1b}') && told.contains("origin not allowed\n    h\n"), "{told}");
    }

    #[test]
    fn figures_have_units_that_people_read() {
        for (count, expected) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")] {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!(milliseconds(&json!(1.25)), "1.2 ms");
        assert_eq!(milliseconds(&json!(null)), "-");
        assert_eq!(bars(&json!([0, 7, 14])), "▁▄█");
        assert_eq!(bars(&json!([])), "");
    }

    #[test]
    fn what_limits_have_come_to_is_told() {
        let limit = |more: Value| {
            let mut limit = json!({
                "limit": "api", "limited": 7, "known": 3, "keys": 65_536, "keys_dropped": 0, "shared_failures": 0,
            });
            for (key, value) in more.as_object().into_iter().flatten() {
                limit[key] = value.clone();
            }
            told(&json!({ "limits": [limit] }), false)
        };
        let alone = limit(json!({}));
        assert!(
            alone.contains("\nlimits\n  api  7 refused; 3 of 65536 known, 0 forgotten too soon\n"),
            "{alone}"
        );
        let shared = limit(json!({ "replicas": 3, "shared_failures": 2 }));
        assert!(shared.contains(" forgotten too soon; one of 3; 2 counted here alone\n"), "{shared}");
    }

    #[test]
    fn a_server_that_is_out_is_told_with_its_reason() {
        let status = json!({ "upstreams": [{ "name": "api", "servers": [{
            "url": "http://127.0.0.1:1", "state": "out", "reason": "the upstream refused the connection",
            "since": "2026-01-01T00:00:00.000Z", "verify": false, "in_use": 0, "idle": 1, "requests": 2,
            "failures": 3, "p50_ms": 1.0, "p99_ms": null,
        }] }] });
        let told = told(&status, false);
        let expected = "\nupstream api\n  out  http://127.0.0.1:1  0 in use, 1 idle; 2 answered, 3 failed; p50 1.0 ms, \
                        p99 -; any certificate is trusted\n       the upstream refused the connection since 2026-";
        assert!(told.contains(expected), "{told}");
    }
}
