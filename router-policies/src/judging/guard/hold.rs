//! How much of an answer is held back, and how that is written.

use std::time::Duration;

use crate::human_duration::HumanDuration;

/// How much of an answer is judged before it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldBack {
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
pub enum HoldConfig {
    /// `all`.
    All(WholeAnswer),
    /// Its beginning.
    Until(HoldLimits),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WholeAnswer {
    /// The whole answer.
    All,
}

/// The beginning of an answer. By default as many tokens as tell a refusal, a language and a format, and no longer than a
/// person hardly notices.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HoldLimits {
    /// Tokens, from 1.
    pub tokens: u32,
    /// From the first token on; whichever comes first.
    #[schemars(extend("x-better-name" = "max_wait"))]
    pub at_most: HumanDuration,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self { tokens: 24, at_most: HumanDuration(Duration::from_millis(600)) }
    }
}

impl Default for HoldConfig {
    fn default() -> Self {
        Self::Until(HoldLimits::default())
    }
}

impl From<HoldConfig> for HoldBack {
    fn from(written: HoldConfig) -> Self {
        match written {
            HoldConfig::All(WholeAnswer::All) => Self::All,
            HoldConfig::Until(HoldLimits { tokens, at_most: HumanDuration(at_most) }) => {
                Self::Until { tokens, at_most }
            }
        }
    }
}
