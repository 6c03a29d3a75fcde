//! The shape that an answer must have, as whoever asks says it.

use serde_json::{Value, json};

/// The longest schema, in bytes of JSON: all schemas of one request together.
pub(crate) const MOST_SCHEMA_BYTES: usize = 1 << 18;

/// The shape that an answer must have. The engine then chooses among those tokens only that keep to it: an answer that is not
/// cut by `max_tokens` or a stop sequence has the shape, whatever the model would have liked to write.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerFormat {
    /// A JSON object with any members.
    JsonObject,
    /// A JSON text of this schema.
    JsonSchema {
        /// The JSON schema; at most 256 KiB, references only within itself.
        schema: Value,
        /// Whether a keyword that the engine cannot hold is a reason to refuse. Else such keywords are left out, and the rest
        /// of the schema holds.
        strict: bool,
    },
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    /// Its name: 1 to 128 letters, digits, `_`, `-` or `.`.
    pub name: String,
    /// The JSON schema of its arguments, an object; those of all tools have at most 256 KiB. `None`: it has none.
    pub parameters: Option<Value>,
    /// Whether a keyword of the schema that the engine cannot hold is a reason to refuse.
    pub strict: bool,
    /// All that is known of it, in the form of OpenAI's API, `{"type": "function", "function": {…}}`: what the model is shown.
    pub description: Value,
}

/// Whether tools are called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model chooses.
    #[default]
    Auto,
    /// None is, and the model is shown none.
    None,
    /// One at least is.
    Required,
    /// This one is.
    Named(String),
}

/// A call of a tool that a message reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// By which the tool's answer is told from others.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// JSON, mostly an object.
    pub arguments: String,
}

impl ToolDefinition {
    /// A tool without arguments or a description.
    pub fn named(name: impl Into<String>) -> Self {
        let name = name.into();
        let description = json!({"type": "function", "function": {"name": name}});
        Self { name, parameters: None, strict: false, description }
    }
}

/// Why a schema cannot be held. Sentences name the field of the request, and never quote more of the schema than its keywords.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// No value meets it, it is too large, or it is no JSON schema.
    #[error("{field}: {reason}")]
    Invalid {
        /// Such as `response_format`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is a schema, but this engine cannot hold it.
    #[error("{field}: the embedded model cannot keep to this schema: {reason}")]
    Unsupported {
        /// Such as `response_format`.
        field: String,
        /// What cannot be held.
        reason: String,
    },
}

impl SchemaError {
    /// From what llguidance says of a grammar that it does not take.
    pub(crate) fn of_compiler(field: &str, said: &str) -> Self {
        let panicked = said.starts_with("panic");
        let reason = if panicked { "a number in it is too large".to_owned() } else { shortened(said) };
        let field = field.to_owned();
        // A number that is no bound, a list that is none: the compiler says what it expected and got.
        let invalid = ["nsatisfiable", "xpected ", "must be ", "nvalid type", "not found", "cannot resolve"];
        if invalid.iter().any(|word| said.contains(word)) {
            Self::Invalid { field, reason }
        } else {
            Self::Unsupported { field, reason }
        }
    }
}

/// What is said in one line, at most 300 characters. A regular expression that is none is shown over several lines, with what
/// is wrong in the last; what it is stays the client's.
fn shortened(said: &str) -> String {
    let mut lines = said.lines();
    let first = lines.next().unwrap_or_default().trim_end();
    let line = match lines.find_map(|line| line.trim_start().strip_prefix("error: ")) {
        Some(why) => format!("{} {why}", first.trim_end_matches('.')),
        None => first.to_owned(),
    };
    let mut short: String = line.chars().take(300).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_compiler_says_becomes_one_line() {
        let check = |said: &str, expected: &str| assert_eq!(shortened(said), expected);
        check("unsatisfiable: x\nat y", "unsatisfiable: x");
        check(
            "regex parse error:\n    (a\n    ^\nerror: unclosed group",
            "regex parse error: unclosed group",
        );
        check(&"é".repeat(301), &format!("{}…", "é".repeat(300)));
    }
}
