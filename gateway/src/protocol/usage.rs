//! What an upstream says it used, and what the client is told.

use bytes::Bytes;
use router_policies::{Money, Usage};

use super::write::Stamp;

/// Token counts as an upstream reported them, in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    /// Prompt tokens, cached ones included.
    pub prompt: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub completion: Option<u64>,
    /// Prompt tokens read from a cache.
    pub cached: Option<u64>,
    /// Tokens of reasoning.
    pub reasoning: Option<u64>,
    /// Whether a number was out of range or did not fit the others, and was bounded.
    pub suspect: bool,
}

impl Reported {
    /// The counts by disjoint kinds.
    pub fn usage(&self) -> Usage {
        unimplemented!()
    }

    /// The same with an answer of at most so many tokens; suspect if that changed it.
    pub fn within(self, _completion: u64) -> Self {
        unimplemented!()
    }
}

/// What the client is told of tokens and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FinalUsage {
    /// Tokens of the answer that the client got.
    pub usage: Usage,
    /// Cost of the whole request in account currency; `None` when unknown.
    pub cost: Option<Money>,
    /// Whether the answer was finished by another model than began it.
    pub resumed: bool,
}

/// The last usage chunk of a stream, `data: {…}\n\n`. `last` is the data of the upstream's last chunk with usage: its own usage
/// object is kept with the cost added, unless tokens are estimated.
pub fn usage_chunk(_last: Option<&[u8]>, _stamp: &Stamp<'_>, _usage: &FinalUsage) -> Bytes {
    unimplemented!()
}
