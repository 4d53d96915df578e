//! What is wrong with a configuration, told on stderr: of what stands in a file the place is shown.

use std::io::{IsTerminal as _, stderr};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::config::ConfigFault;

/// The exit code for what was asked for and cannot be done: a flag, or the configuration.
pub const USAGE: u8 = 2;

/// Tells what is wrong with a configuration and what deserves a word; of what stands in a file the place is shown.
pub fn report(faults: &[ConfigFault], warnings: &[ConfigFault]) {
    let told = faults.iter().map(|fault| (Level::ERROR, fault));
    for (level, note) in told.chain(warnings.iter().map(|warning| (Level::WARNING, warning))) {
        eprintln!("{}", described(level, note, has_colours()));
    }
}

fn described(level: Level<'static>, note: &ConfigFault, colours: bool) -> String {
    let Some(place) = &note.place else {
        let warning = if level == Level::WARNING { "warning: " } else { "" };
        return format!("corsair: {warning}{note}");
    };
    let told = ConfigFault { place: None, ..note.clone() }.to_string();
    let text = &place.source.text;
    // A caret is under something, also at the end of a line.
    let end = place.span.end.clamp(place.span.start, text.len());
    let snippet = Snippet::source(&**text)
        .path(&*place.source.name)
        .annotation(AnnotationKind::Primary.span(place.span.start.min(end)..end));
    let report = [level.primary_title(told).element(snippet)];
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

fn has_colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
