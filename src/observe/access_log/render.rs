//! From a record to a line, in the format that the operator chose.

use std::sync::Arc;

use super::{combined, json, record::Record, second::SecondCache, template, text};
use crate::config::LogFormat;

/// Makes lines of records; allocates nothing where what it writes to has [`LINE_MAX`](super::LINE_MAX) bytes of room.
#[derive(Clone, Debug)]
pub struct Renderer {
    format: Arc<LogFormat>,
    colours: bool,
    second: SecondCache,
}

impl Renderer {
    /// Lines of this format; those of [`LogFormat::Text`] may have colours.
    #[must_use]
    pub fn new(format: Arc<LogFormat>, colours: bool) -> Self {
        Self { format, colours, second: SecondCache::default() }
    }

    /// Appends `record` to `out` as one line of at most [`LINE_MAX`](super::LINE_MAX) bytes, its line feed included.
    pub fn render(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let Self { format, colours, second } = self;
        match &**format {
            LogFormat::Text => text::render(record, *colours, second, out),
            LogFormat::Json => json::render(record, second, out),
            LogFormat::Combined => combined::render(record, second, out),
            LogFormat::Template(template) => template::render(template, record, second, out),
        }
    }
}

#[cfg(test)]
mod tests;
