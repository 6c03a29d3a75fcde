//! What can be wrong with a JSON text.

use std::fmt;

/// Levels of arrays and objects that a text may have.
pub(super) const MAX_DEPTH: usize = 128;

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Where, as a byte offset from the start of the text.
    pub at: usize,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Nothing but white space.
    Empty,
    /// Starts with a byte order mark.
    ByteOrderMark,
    /// Not UTF-8.
    Utf8,
    /// Ends in the middle.
    Truncated,
    /// This was needed here.
    Expected(&'static str),
    /// A number that JSON does not have, such as `01`, `NaN` or `.5`.
    Number,
    /// An escape that JSON does not have.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// A control character that is not escaped, inside a string.
    Control,
    /// Nested deeper than 128 levels.
    Depth,
    /// Two members of one object have this name (shortened and escaped).
    DuplicateKey(String),
    /// Valid, but no object.
    NotAnObject,
    /// Something follows the value.
    Trailing,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            JsonErrorKind::Empty => f.write_str("it is empty"),
            JsonErrorKind::ByteOrderMark => f.write_str("it starts with a byte order mark"),
            JsonErrorKind::Utf8 => write!(f, "it is not UTF-8 from byte {} on", self.at),
            JsonErrorKind::Truncated => write!(f, "it ends in the middle, at byte {}", self.at),
            JsonErrorKind::Expected(what) => write!(f, "{what} was expected at byte {}", self.at),
            JsonErrorKind::Number => write!(f, "what is at byte {} is no JSON number", self.at),
            JsonErrorKind::Escape => write!(f, "what is at byte {} is no JSON escape", self.at),
            JsonErrorKind::Surrogate => write!(f, "half of a surrogate pair is at byte {}", self.at),
            JsonErrorKind::Control => {
                write!(f, "a control character at byte {}, inside a string, is not escaped", self.at)
            }
            JsonErrorKind::Depth => {
                write!(f, "it is nested deeper than {MAX_DEPTH} levels at byte {}", self.at)
            }
            JsonErrorKind::DuplicateKey(name) => {
                write!(f, "two members are named \"{name}\", the second at byte {}", self.at)
            }
            JsonErrorKind::NotAnObject => f.write_str("it is not an object"),
            JsonErrorKind::Trailing => write!(f, "something follows its end at byte {}", self.at),
        }
    }
}

impl std::error::Error for JsonError {}

/// A foreign text for a message of ours: shortened to at most 64 characters, with everything escaped that could be
/// mistaken for something else.
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let escaped = c.escape_debug();
        if out.chars().count() + escaped.len() > 61 {
            out.push_str("...");
            break;
        }
        out.extend(escaped);
    }
    out
}
