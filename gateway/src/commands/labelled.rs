//! Reading prompts and labelled rows: JSON lines, bad ones reported by number and left out.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use router_policies::calibrate::LabelledRow;
use router_policies::stem::stem;
use router_policies::{Features, Prompt, PromptRole};
use serde::Deserialize;
use serde_json::Value;

use super::{CommandError, say};
use protocol::ChatRequest;

/// How many bad rows are reported one by one; beyond, they are only counted.
const REPORTED: usize = 20;

/// A labelled row and where it stands.
pub(super) struct LabelledEntry {
    /// The line's number, from 1.
    pub(super) line: usize,
    /// The row.
    pub(super) row: LabelledRow,
    /// The part of the data that it belongs to, if it says so.
    pub(super) source: Option<String>,
}

#[derive(Deserialize)]
struct LabelSet {
    small: f64,
    large: f64,
    source: Option<String>,
}

/// Bad lines so far.
#[derive(Default)]
pub(super) struct InvalidLabel(usize);

impl InvalidLabel {
    /// Reports one.
    pub(super) fn report(&mut self, line: usize, why: impl fmt::Display) {
        self.0 += 1;
        match self.0 {
            count if count <= REPORTED => say(&format!("line {line}: {why}; left out")),
            count if count == REPORTED + 1 => say("more lines are bad; they are counted, not shown"),
            _ => {}
        }
    }

    /// How many there were.
    pub(super) fn count(&self) -> usize {
        self.0
    }

    /// Says how many were left out.
    pub(super) fn sum_up(&self) {
        match self.0 {
            0 => {}
            1 => say("1 line was left out"),
            count => say(&format!("{count} lines were left out")),
        }
    }
}

/// Reads all labelled rows of a file.
///
/// # Errors
/// 2 when the file is not there, 1 when it cannot be read.
pub(super) fn read(path: &Path, bad: &mut InvalidLabel) -> Result<Vec<LabelledEntry>, CommandError> {
    let mut entries = Vec::new();
    for (at, line) in lines(open(path)?).enumerate() {
        let line = line.map_err(|error| CommandError::other(format!("{}: {error}", path.display())))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match entry(at + 1, &line) {
            Ok(entry) => entries.push(entry),
            Err(why) => bad.report(at + 1, why),
        }
    }
    Ok(entries)
}

/// A file for reading; `-` is standard input.
///
/// # Errors
/// 2 when the file is not there.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, CommandError> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin()));
    }
    let file =
        File::open(path).map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    Ok(Box::new(file))
}

/// Lines as bytes, so that a line that is no UTF-8 is one bad line and not the end.
pub(super) fn lines(from: impl Read) -> impl Iterator<Item = std::io::Result<Vec<u8>>> {
    BufReader::with_capacity(1 << 16, from).split(b'\n')
}

/// The features of a line that holds a prompt or a chat request, and the stem of its question.
///
/// # Errors
/// A sentence saying what is wrong with it.
pub(super) fn features(line: &[u8]) -> Result<(Features, u64), String> {
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON ({error})"))?;
    let Value::Object(mut fields) = value else { return Err("not a JSON object".to_owned()) };
    match fields.get("prompt") {
        Some(Value::String(text)) if !fields.contains_key("messages") => {
            Ok((Features::of(&Prompt::from_text(text.as_str())), stem(text)))
        }
        Some(_) if !fields.contains_key("messages") => Err("`prompt` is not a text".to_owned()),
        _ if fields.contains_key("messages") => {
            // What the label file adds is no part of the request.
            fields.retain(|key, _| {
                !["id", "small", "large", "source", "cost_small", "cost_large"].contains(&key.as_str())
            });
            fields.entry("model").or_insert_with(|| Value::from("auto"));
            let body = serde_json::to_vec(&fields).map_err(|error| error.to_string())?;
            let chat = ChatRequest::parse(Bytes::from(body)).map_err(|bad| bad.message)?;
            let prompt = chat.prompt();
            let question = prompt.turns.iter().rev().find(|turn| turn.role == PromptRole::User);
            Ok((Features::of(&prompt), stem(question.map_or("", |turn| &turn.text))))
        }
        _ => Err("neither `prompt` nor `messages`".to_owned()),
    }
}

fn entry(line: usize, text: &[u8]) -> Result<LabelledEntry, String> {
    let (features, stem) = features(text)?;
    let labels: LabelSet = serde_json::from_slice(text).map_err(|error| format!("labels: {error}"))?;
    for (name, quality) in [("small", labels.small), ("large", labels.large)] {
        if !(0.0..=1.0).contains(&quality) {
            return Err(format!("`{name}` is {quality}, not a quality from 0 to 1"));
        }
    }
    let row = LabelledRow { features, small: labels.small, large: labels.large, stem };
    Ok(LabelledEntry { line, row, source: labels.source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Result<(f64, f64), &str>) {
        match (entry(1, line.as_bytes()), expected) {
            (Ok(entry), Ok(labels)) => assert_eq!((entry.row.small, entry.row.large), labels),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (got, _) => panic!("{line}: {:?}", got.map(|entry| entry.line)),
        }
    }

    #[test]
    fn rows_are_read_or_refused_with_a_reason() {
        check(r#"{"id":1,"prompt":"x","small":0,"large":1.0,"source":"s","more":[]}"#, Ok((0.0, 1.0)));
        let messages = r#""messages":[{"role":"user","content":"hi"}]"#;
        check(&format!(r#"{{"id":"a",{messages},"small":1,"large":0.5,"cost_small":0.1}}"#), Ok((1.0, 0.5)));
        check(r#"{"prompt":"x","small":0}"#, Err("large"));
        check(r#"{"prompt":"x","small":2,"large":1}"#, Err("`small` is 2"));
        check(r#"{"prompt":"x","small":"1","large":1}"#, Err("labels"));
        check(r#"{"prompt":7,"small":1,"large":1}"#, Err("not a text"));
        check(r#"{"small":1,"large":1}"#, Err("neither"));
        check(r#"[]"#, Err("not a JSON object"));
        check("{", Err("not JSON"));
        check("\u{0}", Err("not JSON"));
    }
}
