//! When an answer under way will not do.
//!
//! A [`Guard`] is the rule, a [`Watch`] its run over one answer, a [`Verdict`] what it says after each piece. Nothing of
//! the answer has reached a client until the watch keeps it. The signals: how probable the model found its own tokens, a
//! refusal, an answer that goes round in circles, one in the wrong language or format, one that is empty or was cut, and
//! another answer that differs.

mod circles;
mod language;
mod refusals;

use std::time::Duration;

use crate::Rung;
use crate::span::Span;

/// How long the first tokens are held back, and which signals say that another model should answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guard {
    /// How much of the answer is judged.
    pub hold: Hold,
    /// What is looked for.
    pub signals: Signals,
    /// A second opinion.
    pub agree: Option<Agree>,
}

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

/// Which signals count.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Signals {
    /// Escalate when the estimated chance that the answer will do is lower, 0..=1; 0 switches it off. The estimate is
    /// the geometric mean of the probabilities of the tokens seen so far; a model that reports none is judged by the
    /// other signals alone.
    pub confidence: f64,
    /// Refusals and "I don't know", in Chinese and English.
    pub refusal: bool,
    /// JSON that is none or is against its schema, malformed tool calls, and answers without a Chinese character to a
    /// Chinese question.
    pub format: bool,
    /// Text that goes round in circles.
    pub repetition: bool,
}

impl Default for Signals {
    fn default() -> Self {
        Self { confidence: 0.5, refusal: true, format: true, repetition: true }
    }
}

/// Further answers to the same question; the first is kept where most of them come to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agree {
    /// How many, 1 to 4.
    pub samples: u8,
    /// Who gives them; `None`: the model that is being judged.
    pub rung: Option<Rung>,
}

/// What the answer is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expected {
    /// A JSON text and nothing else.
    pub json: bool,
    /// Chinese.
    pub chinese: bool,
    /// Its length is limited by the client, so that being cut there is no fault of the model's.
    pub limited: bool,
}

impl Expected {
    /// Whether a question wants a Chinese answer: it is Chinese, and asks for nothing that is written otherwise.
    pub fn chinese_for(question: &str) -> bool {
        language::asks_in_chinese(question)
    }
}

/// What came since the watch was last shown something.
#[derive(Debug, Clone, Copy, Default)]
pub struct Glimpse<'a> {
    /// Text of the answer.
    pub text: &'a str,
    /// Log-probabilities of its tokens, natural logarithms; empty where the model reports none.
    pub logprobs: &'a [f64],
    /// Tokens, by estimate; not looked at where there are log-probabilities.
    pub tokens: f64,
    /// Since the first token.
    pub elapsed: Duration,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// It was cut at its longest.
    pub cut: bool,
    /// Whether its format is right: JSON to its schema, tool calls that can be made. Only judged at the end.
    pub well_formed: bool,
    /// It calls tools, so that it may have no text.
    pub calls: bool,
}

/// What the watch says of an answer so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Too early to say.
    Wait,
    /// The answer is fit to be sent.
    Keep,
    /// Another model should answer.
    Escalate(Doubt),
}

/// Why an answer will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Its tokens are too improbable.
    Confidence,
    /// It refuses, or does not know.
    Refusal,
    /// It goes round in circles.
    Repetition,
    /// It is in another language than the question.
    Language,
    /// It is not of the format that was asked for.
    Format,
    /// It says nothing.
    Empty,
    /// It ended for lack of room.
    Cut,
    /// Another answer to the same question differs.
    Disagreement,
}

impl Doubt {
    /// All of them, for closed label sets.
    pub const ALL: [Self; 8] = [
        Self::Confidence,
        Self::Refusal,
        Self::Repetition,
        Self::Language,
        Self::Format,
        Self::Empty,
        Self::Cut,
        Self::Disagreement,
    ];

    /// The word for metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confidence => "confidence",
            Self::Refusal => "refusal",
            Self::Repetition => "repetition",
            Self::Language => "language",
            Self::Format => "format",
            Self::Empty => "empty",
            Self::Cut => "short_of_room",
            Self::Disagreement => "disagreement",
        }
    }
}

/// Bytes of an answer that are kept to be judged; more than any model that is worth judging writes in one go.
const LONGEST: usize = 1 << 20;

/// Tokens before which a sequential test says nothing: as many as the shortest refusals have.
const EARLIEST: u32 = 8;
/// The quantile of the normal distribution that nine in ten lie below.
const NINETY_PERCENT: f64 = 1.2816;

/// A guard's run over one answer.
#[derive(Debug, Clone)]
pub struct Watch {
    guard: Guard,
    expected: Expected,
    text: String,
    /// Of the tokens with a known probability.
    known: u32,
    sum: f64,
    squares: f64,
    /// Of all tokens.
    tokens: f64,
}

impl Watch {
    /// Begins with nothing seen.
    pub fn new(guard: Guard, expected: Expected) -> Self {
        Self { guard, expected, text: String::new(), known: 0, sum: 0.0, squares: 0.0, tokens: 0.0 }
    }

    /// Looks at what came.
    pub fn see(&mut self, glimpse: Glimpse<'_>) -> Verdict {
        if self.text.len() + glimpse.text.len() <= LONGEST {
            self.text.push_str(glimpse.text);
        }
        self.known = self.known.saturating_add(u32::try_from(glimpse.logprobs.len()).unwrap_or(u32::MAX));
        self.sum += glimpse.logprobs.iter().sum::<f64>();
        self.squares += glimpse.logprobs.iter().map(|it| it * it).sum::<f64>();
        self.tokens +=
            if glimpse.logprobs.is_empty() { glimpse.tokens } else { glimpse.logprobs.len() as f64 };
        if let Some(doubt) = self.early() {
            return Verdict::Escalate(doubt);
        }
        self.at(glimpse.elapsed)
    }

    /// What there is to say after so much time, from the first token on.
    pub fn at(&self, elapsed: Duration) -> Verdict {
        match self.hold() {
            Hold::All => Verdict::Wait,
            Hold::Until { tokens, at_most } if self.tokens < f64::from(tokens) && elapsed < at_most => {
                self.sequential()
            }
            Hold::Until { .. } => self.uncertain().map_or(Verdict::Keep, Verdict::Escalate),
        }
    }

    /// Judges the whole answer; a second opinion is asked for by whoever has it.
    pub fn end(&self, end: End) -> Verdict {
        let doubt = if self.text.trim().is_empty() && !end.calls {
            Some(Doubt::Empty)
        } else if end.cut && !self.expected.limited {
            Some(Doubt::Cut)
        } else if self.guard.signals.format && !end.well_formed {
            Some(Doubt::Format)
        } else {
            self.early().or_else(|| self.uncertain())
        };
        doubt.map_or(Verdict::Keep, Verdict::Escalate)
    }

    /// How much is held: the whole answer where only the whole can be judged.
    pub fn hold(&self) -> Hold {
        let whole = self.guard.agree.is_some() || (self.guard.signals.format && self.expected.json);
        if whole { Hold::All } else { self.guard.hold }
    }

    /// The text seen so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The geometric mean of the probabilities of the tokens seen; `None` where none are known.
    pub fn confidence(&self) -> Option<f64> {
        (self.known > 0).then(|| (self.sum / f64::from(self.known)).exp())
    }

    /// What shows before the end.
    fn early(&self) -> Option<Doubt> {
        let signals = &self.guard.signals;
        if signals.refusal && refusals::refuses(&self.text) {
            Some(Doubt::Refusal)
        } else if signals.repetition && circles::circles(&self.text) {
            Some(Doubt::Repetition)
        } else if signals.format && self.expected.json && cannot_be_json(&self.text) {
            Some(Doubt::Format)
        } else if signals.format && self.expected.chinese && language::is_foreign(&self.text) {
            Some(Doubt::Language)
        } else {
            None
        }
    }

    /// Whether it is clear already on which side of the threshold the estimate lies: a sequential test on the mean
    /// log-probability, with a bound of 90 % on each side.
    fn sequential(&self) -> Verdict {
        let threshold = self.guard.signals.confidence;
        if self.known < EARLIEST || threshold <= 0.0 || self.language_is_open() {
            return Verdict::Wait;
        }
        let count = f64::from(self.known);
        let mean = self.sum / count;
        let error = ((self.squares / count - mean * mean).max(0.0) / count).sqrt();
        if mean - NINETY_PERCENT * error > threshold.ln() {
            Verdict::Keep
        } else if mean + NINETY_PERCENT * error < threshold.ln() {
            Verdict::Escalate(Doubt::Confidence)
        } else {
            Verdict::Wait
        }
    }

    /// Whether the language of the answer is still to be seen.
    fn language_is_open(&self) -> bool {
        self.guard.signals.format && self.expected.chinese && !language::is_chinese(&self.text)
    }

    fn uncertain(&self) -> Option<Doubt> {
        let confidence = self.confidence()?;
        (confidence < self.guard.signals.confidence).then_some(Doubt::Confidence)
    }
}

/// Whether no JSON object or list begins so. A fence around it is none of JSON's, and clients choke on it.
fn cannot_be_json(text: &str) -> bool {
    text.trim_start().chars().next().is_some_and(|first| !matches!(first, '{' | '['))
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

#[cfg(test)]
mod tests;
