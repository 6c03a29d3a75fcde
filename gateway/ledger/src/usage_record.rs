//! What is kept of a request that is over: figures, features and outcomes, for reports and replay. Never its text.

mod writing;

use std::borrow::Cow;

use jiff::Timestamp;
use router_policies::{Money, Usage};
use serde::{Deserialize, Serialize};

use super::balance::BalanceKey;

/// Calls that no client makes: a word to see whether an endpoint is well again, a request that another model answers too,
/// which of two answers is better.
pub const OURS: [&str; 3] = ["check", "shadow", "judge"];

/// A name or word: borrowed where it is written, owned where it was read.
pub type Word<'a> = Cow<'a, str>;

/// One request, as the ledger keeps it. Money is in nano-units of `currency`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageRecord<'a> {
    /// When it ended.
    pub time: Timestamp,
    /// The request's id.
    pub id: Word<'a>,
    /// Who asked, or `-`.
    pub client: Word<'a>,
    /// The route, or `-`.
    pub route: Word<'a>,
    /// The model that answered, else the last that was asked, or `-`.
    pub model: Word<'a>,
    /// The largest model of the route: what savings are measured against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Word<'a>>,
    /// The call of the API.
    pub call: Word<'a>,
    /// The plan's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Word<'a>>,
    /// The reason's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Word<'a>>,
    /// What the scorer said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<RecordedScores<'a>>,
    /// The random number that the policy decided with, as `RequestDraw::recorded` gives it; `None` where none was asked,
    /// and in records of versions that derived it from `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draw: Option<u64>,
    /// Whether a stream was asked for.
    #[serde(default)]
    pub stream: bool,
    /// Every attempt, in order.
    #[serde(default)]
    pub attempts: Vec<AttemptRecord<'a>>,
    /// Which of them the client got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<usize>,
    /// What the same answer would have cost from `top`; `None` where that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<i64>,
    /// The currency of accounts.
    pub currency: Word<'a>,
    /// Seconds to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token: Option<f64>,
    /// Seconds to the end.
    pub total: f64,
    /// The status that the client saw.
    pub status: u16,
    /// The error's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Word<'a>>,
    /// How it ended for the client.
    pub outcome: Word<'a>,
    /// Which budget paid, and how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<BudgetDebit>,
}

/// What the scorer said of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedScores<'a> {
    /// 0..=1.
    pub difficulty: f64,
    /// -1..=1.
    pub gain: f64,
    /// 0..=1.
    pub familiarity: f64,
    /// The chance that an answer of each class of model will do, in the order of `ModelClass::ALL`.
    #[serde(default)]
    pub suffices: [f64; 4],
    /// Characters of the last human turn.
    #[serde(default)]
    pub chars: usize,
    /// The readable features, in the order of `features::NAMES`. Words are not kept: they are content.
    #[serde(default)]
    pub features: Cow<'a, [f32]>,
}

/// One attempt at a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord<'a> {
    /// The model.
    pub model: Word<'a>,
    /// How it ended.
    pub result: Word<'a>,
    /// Prompt tokens that no cache had a part in.
    pub input: u64,
    /// Prompt tokens from a cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Prompt tokens written to a cache of minutes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub written: u64,
    /// Prompt tokens written to a cache of an hour.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub written_hour: u64,
    /// Tokens of the answer without reasoning.
    pub output: u64,
    /// Tokens of reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    /// Whether tokens were estimated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// What it cost; `None`: unknown.
    pub cost: Option<i64>,
    /// Why it brought the client nothing, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wasted: Option<Word<'a>>,
    /// The chance that its answer would do, as a guard found it, 0..=1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Whether it was made beside another, to be compared with it or in case that one kept silent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

/// A payment out of a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetDebit {
    /// Whose, and of which time.
    #[serde(flatten)]
    pub key: BalanceKey,
    /// How much, in nano-units.
    pub amount: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<'a> UsageRecord<'a> {
    /// The cost of all attempts; `None` where one is unknown.
    pub fn cost(&self) -> Option<Money> {
        self.attempts.iter().map(|attempt| attempt.cost.map(Money)).sum()
    }

    /// Whether the gateway asked for its own sake.
    pub fn is_ours(&self) -> bool {
        OURS.contains(&&*self.call)
    }

    /// The attempt whose answer the client got.
    pub fn answer(&self) -> Option<&AttemptRecord<'a>> {
        self.attempts.get(self.answered_by?)
    }

    /// Whether it went on from one model to another.
    pub fn moved(&self) -> bool {
        let mut line = self.attempts.iter().filter(|attempt| !attempt.beside).map(|attempt| &attempt.model);
        let first = line.next();
        line.any(|model| Some(model) != first)
    }
}

impl AttemptRecord<'_> {
    /// Its tokens.
    pub fn usage(&self) -> Usage {
        Usage {
            input: self.input,
            cached_input: self.cached,
            cache_write: self.written,
            cache_write_hour: self.written_hour,
            output: self.output,
            reasoning: self.reasoning,
            estimated: self.estimated,
        }
    }
}
