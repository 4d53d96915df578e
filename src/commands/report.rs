//! What is wrong with a configuration, on stderr: a line each, and the place of what stands in a file.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::config::ConfigFault;

/// Tells what is wrong with a configuration and what deserves a word; of what stands in a file the place is shown,
/// in `colours` for a terminal that has them.
pub fn report(faults: &[ConfigFault], warnings: &[ConfigFault], colours: bool) {
    let told = faults.iter().map(|fault| (Level::ERROR, fault));
    for (level, note) in told.chain(warnings.iter().map(|warning| (Level::WARNING, warning))) {
        eprintln!("{}", described(level, note, colours));
    }
}

fn described(level: Level<'static>, note: &ConfigFault, colours: bool) -> String {
    let Some(place) = &note.place else {
        let warning = if level == Level::WARNING { "warning: " } else { "" };
        return format!("corsair: {warning}{note}");
    };
    let told = ConfigFault { place: None, ..note.clone() }.to_string();
    let text = without_credentials(&place.source.shown());
    // A caret is under something, also at the end of a line.
    let start = place.span.start.min(text.len());
    let end = place.span.end.clamp(start, text.len());
    let snippet = Snippet::source(&*text)
        .path(&*place.source.name)
        .annotation(AnnotationKind::Primary.span(start..end));
    let report = [level.primary_title(told).element(snippet)];
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

/// A text, byte for byte as long, in which stars stand for the user and the password of every URL.
fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let Some(at) = line.rfind('@') else {
            shown.push_str(line);
            continue;
        };
        let (before, behind) = line.split_at(at);
        let scheme = before.find("://").map(|at| at + "://".len());
        let start = scheme.or_else(|| before.find(['"', '\'']).map(|at| at + 1)).unwrap_or_default();
        shown.push_str(&before[..start]);
        shown.extend(std::iter::repeat_n('*', at - start));
        shown.push_str(behind);
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use super::*;
    use crate::config::{FilePlace, Source};

    #[test]
    fn credentials_in_a_line_that_is_shown_are_stars() {
        for (line, shown) in [
            ("http = \"http://u:hunter2@parent:0\"\n", "http = \"http://*********@parent:0\"\n"),
            ("http = 'u:p@s/d@parent'", "http = '*******@parent'"),
            ("a@b\nworkers = 1\n# ü@", "*@b\nworkers = 1\n****@"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_credentials(line), shown);
            assert_eq!(without_credentials(line).len(), line.len());
        }
    }

    #[test]
    fn a_fault_is_told_with_what_stands_at_its_place() {
        let source = Source::new(Path::new("c.toml"), "# ünï\nworkers = \"many\"\n");
        let fault = |span: Option<std::ops::Range<usize>>| ConfigFault {
            key: "workers".into(),
            message: "is\nwrong".into(),
            place: span.map(|span| FilePlace { source: Arc::clone(&source), span }),
        };
        let told = |level, span| described(level, &fault(span), false);
        assert_eq!(told(Level::ERROR, None), "corsair: workers: is\\nwrong");
        assert_eq!(told(Level::WARNING, None), "corsair: warning: workers: is\\nwrong");
        let shown = told(Level::ERROR, Some(18..24));
        for line in [
            "error: workers: is\\nwrong",
            " --> c.toml:2:11",
            "2 | workers = \"many\"",
            "  |           ^^^^^^",
        ] {
            assert!(shown.lines().any(|own| own == line), "{line}: {shown}");
        }
        for (start, end) in [(0, 0), (25, 25), (90, 99), (24, 18)] {
            assert!(
                told(Level::WARNING, Some(start..end)).starts_with("warning: workers: "),
                "no span makes it panic"
            );
        }
    }
}
