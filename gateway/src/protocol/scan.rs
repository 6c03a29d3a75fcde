//! A pull parser over JSON text (RFC 8259) that copies nothing, and what can be wrong with such a text.

use std::fmt;

/// Levels of arrays and objects that a text may have.
pub(super) const MAX_DEPTH: usize = 128;

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where, as a byte offset from the start of the text.
    pub at: usize,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
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

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.at)
    }
}

impl std::error::Error for Fault {}
