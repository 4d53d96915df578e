//! An explanation as it is told: to people in lines, to programs as JSON.

use std::fmt::Write as _;

/// What becomes of a page's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Where it comes in, as `http://ADDRESS:PORT`.
    pub listener: String,
    /// The route that takes it.
    pub route: String,
    /// The policy by which it is judged.
    pub policy: String,
    /// Where what decides was typed: `FILE:LINE:COLUMN`, or a flag or a variable; nothing where no setting decides, or
    /// its default does and there is no file.
    pub place: Option<String>,
    /// What decides.
    pub(super) setting: Option<String>,
    /// The answer to the preflight; nothing where a browser sends none.
    pub preflight: Option<Told>,
    /// The answer to the request itself.
    pub answer: Told,
    /// Whether the page can read the answer.
    pub readable: bool,
    /// Why.
    pub reason: String,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Method and target of what is answered.
    pub(super) request: String,
    /// Its status; nothing where it is the upstream's to say.
    pub status: Option<u16>,
    /// Names and values of the fields that say who may read it.
    pub headers: Vec<(String, String)>,
}

impl Explanation {
    /// The same, with every text as `hidden` leaves it.
    pub(super) fn without_secrets(mut self, hidden: impl Fn(&str) -> String) -> Self {
        let Self { listener, route, policy, place, setting, preflight, answer, readable: _, reason } =
            &mut self;
        for text in [listener, route, policy, reason].into_iter().chain(place).chain(setting) {
            *text = hidden(text);
        }
        for told in preflight.iter_mut().chain([answer]) {
            for (_, value) in &mut told.headers {
                *value = hidden(value);
            }
        }
        self
    }

    /// One JSON object in one line, its keys in a fixed order.
    #[must_use]
    pub fn json(&self) -> String {
        let Self { listener, route, policy, place, preflight, answer, readable, reason, .. } = self;
        let preflight = preflight.as_ref().map_or_else(|| "null".to_owned(), json_of);
        format!(
            "{{\"listener\":{},\"route\":{},\"policy\":{},\"place\":{},\"preflight\":{preflight},\"answer\":{},\
             \"readable\":{readable},\"reason\":{}}}\n",
            string(listener),
            string(route),
            string(policy),
            place.as_deref().map_or_else(|| "null".to_owned(), string),
            json_of(answer),
            string(reason),
        )
    }

    /// Some lines for people, in `colours` for a terminal that has them.
    #[must_use]
    pub fn text(&self, colours: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
        };
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {}", paint("1", &format!("{name:<9}")), shown(value));
        };
        line("listener", &self.listener);
        line("route", &self.route);
        line("policy", &self.policy);
        let place = self.place.as_ref().filter(|place| Some(*place) != self.setting.as_ref());
        match (&self.setting, place) {
            (Some(setting), Some(place)) => line("decided", &format!("by {setting}, {place}")),
            (Some(setting), None) => line("decided", &format!("by {setting}")),
            (None, _) => {}
        }
        for (name, told) in
            self.preflight.iter().map(|told| ("preflight", told)).chain([("answer", &self.answer)])
        {
            let status = told.status.map_or_else(|| "the upstream's".to_owned(), |status| status.to_string());
            line(name, &format!("{} -> {status}", told.request));
            for (name, value) in &told.headers {
                line("", &format!("{name}: {value}"));
            }
        }
        let (colour, verdict) = if self.readable { ("32", "yes") } else { ("31", "no") };
        let _ =
            writeln!(text, "{} {}; {}", paint("1", "readable "), paint(colour, verdict), shown(&self.reason));
        text
    }
}

fn json_of(Told { status, headers, .. }: &Told) -> String {
    let status = status.map_or_else(|| "null".to_owned(), |status| status.to_string());
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{}:{}", string(name), string(value))).collect();
    format!("{{\"status\":{status},\"headers\":{{{}}}}}", headers.join(","))
}

/// A JSON string.
fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One line of text, which does nothing to a terminal.
fn shown(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
