//! Notes: events of `tracing`, ours and those of dependencies, as lines of the log.

use std::fmt::{Debug, Write as _};

use gateway_config::LogFormat;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;

use super::filter::LogFilter;
use super::line::{append, append_time};
use super::writer::LogWriter;

/// What targets of ours begin with.
const OURS: &str = "xietong";

/// Takes events, and nothing of spans: a note says all that there is to know.
pub(super) struct NoteSubscriber {
    writer: LogWriter,
    filter: LogFilter,
}

impl NoteSubscriber {
    /// Writes what `filter` admits.
    pub(super) fn new(writer: LogWriter, filter: LogFilter) -> Self {
        Self { writer, filter }
    }
}

impl Subscriber for NoteSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.filter.admits(metadata.target(), *metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.max_level())
    }

    fn event(&self, event: &Event<'_>) {
        // What came by way of the `log` crate has its true target among its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut said = NoteFields::default();
        event.record(&mut said);
        let (now, level, target) = (Timestamp::now(), *metadata.level(), metadata.target());
        // Written before the writer is asked: a value's Debug may have events of its own.
        let line = match self.writer.note_format() {
            LogFormat::Json => said.json(now, level, target),
            LogFormat::Text => said.text(now, level, target),
        };
        self.writer.line(|draft| draft.push_str(&line));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What an event says.
#[derive(Default)]
struct NoteFields {
    note: String,
    fields: Map<String, Value>,
}

/// A note's line; the names are part of the interface.
#[derive(Serialize)]
struct NoteLine<'a> {
    note: &'a str,
    time: String,
    level: &'static str,
    target: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: &'a Map<String, Value>,
}

impl NoteFields {
    fn json(&self, now: Timestamp, level: Level, target: &str) -> String {
        let mut time = String::new();
        append_time(&mut time, now);
        let line = NoteLine { note: &self.note, time, level: word(level), target, fields: &self.fields };
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// Sentences of ours say what their fields have; those of dependencies often do not.
    fn text(&self, now: Timestamp, level: Level, target: &str) -> String {
        let mut text = String::new();
        append_time(&mut text, now);
        append(&mut text, &[" ", level.as_str(), " ", target, ": "]);
        let begin = text.len();
        text.push_str(&self.note);
        if !target.starts_with(OURS) {
            for (name, value) in &self.fields {
                let _ = write!(text, "{}{name}={value}", if text.len() > begin { " " } else { "" });
            }
        }
        // A line of its own would look like another note, and a terminal may take the rest for an order.
        if text[begin..].contains(char::is_control) {
            let shown: String = text[begin..].chars().flat_map(shown).collect();
            text.replace_range(begin.., &shown);
        }
        text
    }

    fn add(&mut self, field: &Field, value: Value) {
        // Where in its source a dependency said it.
        if !field.name().starts_with("log.") {
            self.fields.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for NoteFields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            // Writing to a String fails only where the value's Debug does.
            "message" => drop(write!(self.note, "{value:?}")),
            _ => self.add(field, format!("{value:?}").into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.note.push_str(value.trim_end()),
            _ => self.add(field, value.into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

/// A level in JSON.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// A character as a line may have it.
fn shown(character: char) -> impl Iterator<Item = char> {
    let control = character.is_control();
    control.then(|| character.escape_default()).into_iter().flatten().chain((!control).then_some(character))
}
