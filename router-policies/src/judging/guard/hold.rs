//! How much of an answer is held back, and how that is written.

use std::time::Duration;

use crate::span::Span;

/// How much of an answer is judged before it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// All of it.
    All,
    /// Its beginning: so many tokens, and no longer than this from the first token on; less, from eight tokens on, where
    /// the probabilities of the tokens leave little doubt either way.
    Until {
        /// Tokens, from 1.
        tokens: u32,
        /// From the first token on.
        at_most: Duration,
    },
}

/// How a hold is written: `all`, or `{tokens: 24, at_most: 600ms}`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum WrittenHold {
    /// `all`.
    All(All),
    /// Its beginning.
    Until(Until),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum All {
    /// The whole answer.
    All,
}

/// The beginning of an answer. By default as many tokens as tell a refusal, a language and a format, and no longer than a
/// person hardly notices.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Until {
    /// Tokens, from 1.
    pub tokens: u32,
    /// From the first token on; whichever comes first.
    #[schemars(extend("x-better-name" = "max_wait"))]
    pub at_most: Span,
}

impl Default for Until {
    fn default() -> Self {
        Self { tokens: 24, at_most: Span(Duration::from_millis(600)) }
    }
}

impl Default for WrittenHold {
    fn default() -> Self {
        Self::Until(Until::default())
    }
}

impl From<WrittenHold> for Hold {
    fn from(written: WrittenHold) -> Self {
        match written {
            WrittenHold::All(All::All) => Self::All,
            WrittenHold::Until(Until { tokens, at_most: Span(at_most) }) => Self::Until { tokens, at_most },
        }
    }
}
