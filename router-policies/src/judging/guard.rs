//! When an answer under way will not do.
//!
//! A [`Guard`] is the rule, a [`GuardRun`] its run over one answer, a [`Verdict`] what it says after each piece. Nothing of
//! the answer has reached a client until the watch keeps it. The signals: the chance that it will do, by how probable the
//! model found its own tokens and by what was foreseen ([`chance`]); a refusal, an answer that goes round in circles, one in
//! the wrong language or format, one that is empty or was cut, and another answer that differs.

pub mod chance;
pub mod evidence;
pub mod fit;
mod fitted;
mod hold;
mod language;
pub mod length;
mod refusals;
mod reject_reason;
mod repetition;

use std::time::Duration;

pub use chance::{AnswerPrior, ChancePosterior, ChanceSignals};
pub use fitted::FITTED;
pub use hold::{HoldBack, HoldConfig, HoldLimits, WholeAnswer};
pub use reject_reason::RejectReason;

use crate::rung::Rung;
use crate::scoring::class_predictions::Probability;
use evidence::TokenEvidence;

/// How long the first tokens are held back, and which signals say that another model should answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guard {
    /// How much of the answer is judged.
    pub hold: HoldBack,
    /// What is looked for.
    pub signals: GuardSignals,
    /// A second opinion.
    pub agree: Option<AgreementCheck>,
}

impl Guard {
    /// The guard for this many choices (`n`) at once. Each choice is judged by its text alone, because token
    /// probabilities and token counts are only known for all choices together.
    pub fn of_choices(self, choices: u64) -> Self {
        if choices <= 1 {
            return self;
        }
        let times = u32::try_from(choices).unwrap_or(u32::MAX);
        let hold = match self.hold {
            HoldBack::All => HoldBack::All,
            HoldBack::Until { tokens, at_most } => {
                HoldBack::Until { tokens: tokens.saturating_mul(times), at_most }
            }
        };
        Self { hold, signals: GuardSignals { confidence: 0.0, ..self.signals }, agree: None }
    }

    /// Whether this guard would accept an answer for which another guard recorded `doubt` and `chance`. A doubt whose
    /// signal is off here is ignored: then the chance decides, if it is known.
    pub fn would_keep(&self, doubt: Option<RejectReason>, chance: Option<Probability>) -> bool {
        let signals = &self.signals;
        let sees = match doubt {
            None | Some(RejectReason::Confidence) => false,
            Some(RejectReason::Refusal) => signals.refusal,
            Some(RejectReason::Repetition) => signals.repetition,
            Some(RejectReason::Language | RejectReason::Format) => signals.format,
            Some(RejectReason::Disagreement) => self.agree.is_some(),
            Some(RejectReason::Empty | RejectReason::Cut) => true,
        };
        let probable = match chance {
            Some(chance) => chance.value() >= signals.confidence,
            None => doubt != Some(RejectReason::Confidence),
        };
        !sees && probable
    }
}

/// Which signals count.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GuardSignals {
    /// Escalate when the chance that the answer will do is lower, 0..=1; 0 switches it off. A model that does not report
    /// how probable its tokens are is judged by the other signals alone.
    pub confidence: f64,
    /// What that chance goes by, beside what was foreseen.
    #[schemars(extend("x-better-name" = "signals"))]
    pub weigh: ChanceSignals,
    /// Refusals and "I don't know", in Chinese and English.
    pub refusal: bool,
    /// JSON that is none or is against its schema, malformed tool calls, and answers without a Chinese character to a
    /// Chinese question.
    pub format: bool,
    /// Text that goes round in circles.
    pub repetition: bool,
}

impl Default for GuardSignals {
    fn default() -> Self {
        Self {
            confidence: 0.5,
            weigh: ChanceSignals::default(),
            refusal: true,
            format: true,
            repetition: true,
        }
    }
}

/// Further answers to the same question; the first is kept where most of them come to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgreementCheck {
    /// How many, 1 to 4.
    pub samples: u8,
    /// Who gives them; `None`: the model that is being judged.
    pub rung: Option<Rung>,
}

/// What the answer is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AnswerExpectation {
    /// A JSON text and nothing else.
    pub json: bool,
    /// Chinese.
    pub chinese: bool,
    /// Its length is limited by the client, so that being cut there is no fault of the model's.
    pub limited: bool,
    /// What is foreseen of it.
    pub prior: AnswerPrior,
}

impl AnswerExpectation {
    /// Whether a question wants a Chinese answer: it is Chinese, and asks for nothing that is written otherwise.
    pub fn chinese_for(question: &str) -> bool {
        language::asks_in_chinese(question)
    }
}

/// What came since the watch was last shown something.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerObservation<'a> {
    /// Text of the answer.
    pub text: &'a str,
    /// Log-probabilities of its tokens, natural logarithms; empty where the model reports none.
    pub logprobs: &'a [f64],
    /// For each of these, the log-probabilities of the two likeliest tokens in its place; empty where they are not known.
    pub likeliest: &'a [[f64; 2]],
    /// Tokens, by estimate; not looked at where there are log-probabilities.
    pub tokens: f64,
    /// Since the first token.
    pub elapsed: Duration,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerEnd {
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
    Escalate(RejectReason),
}

/// The chance that an answer will do, as a guard found it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuardScore {
    /// What the verdict went by.
    pub chance: Probability,
    /// Before it was corrected by what came of others.
    pub plain: Probability,
}

/// Bytes of an answer that are kept to be judged; more than any model that is worth judging writes in one go.
const LONGEST: usize = 1 << 20;

/// Tokens before which a sequential test says nothing: as many as the shortest refusals have.
const EARLIEST: u32 = 8;

/// A guard's run over one answer.
#[derive(Debug, Clone)]
pub struct GuardRun {
    guard: Guard,
    expected: AnswerExpectation,
    text: String,
    evidence: TokenEvidence,
    /// Of all tokens.
    tokens: f64,
    /// All of it was seen.
    ended: bool,
}

impl GuardRun {
    /// Begins with nothing seen.
    pub fn new(guard: Guard, expected: AnswerExpectation) -> Self {
        let evidence = TokenEvidence::default();
        Self { guard, expected, text: String::new(), evidence, tokens: 0.0, ended: false }
    }

    /// The same from the beginning, for another answer to the same question.
    pub fn restart(&self) -> Self {
        Self::new(self.guard, self.expected)
    }

    /// Looks at what came.
    pub fn see(&mut self, glimpse: AnswerObservation<'_>) -> Verdict {
        if self.text.len() + glimpse.text.len() <= LONGEST {
            self.text.push_str(glimpse.text);
        }
        self.evidence.add(glimpse.logprobs, glimpse.likeliest);
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
            // It is kept when it is whole, but need not be waited for where it will not do.
            HoldBack::All => match self.sequential() {
                Verdict::Keep => Verdict::Wait,
                verdict => verdict,
            },
            HoldBack::Until { tokens, at_most } if self.tokens < f64::from(tokens) && elapsed < at_most => {
                self.sequential()
            }
            HoldBack::Until { .. } => self.uncertain().map_or(Verdict::Keep, Verdict::Escalate),
        }
    }

    /// Judges what there is of an answer whose end can be waited for no longer; says to wait where only the whole can be
    /// judged.
    pub fn so_far(&self) -> Verdict {
        match self.hold() {
            HoldBack::All if self.is_judged_whole() => Verdict::Wait,
            _ => self.uncertain().map_or(Verdict::Keep, Verdict::Escalate),
        }
    }

    /// Judges the whole answer; a second opinion is asked for by whoever has it.
    pub fn end(&mut self, end: AnswerEnd) -> Verdict {
        self.ended = true;
        let doubt = if self.text.trim().is_empty() && !end.calls {
            Some(RejectReason::Empty)
        } else if end.cut && !self.expected.limited {
            Some(RejectReason::Cut)
        } else if self.guard.signals.format && !end.well_formed {
            Some(RejectReason::Format)
        } else {
            self.early().or_else(|| self.uncertain())
        };
        doubt.map_or(Verdict::Keep, Verdict::Escalate)
    }

    /// How much is held: the whole answer where only the whole can be judged.
    pub fn hold(&self) -> HoldBack {
        if self.is_judged_whole() { HoldBack::All } else { self.guard.hold }
    }

    /// Whether only the whole answer can be judged: it is to be compared, or to be JSON.
    fn is_judged_whole(&self) -> bool {
        self.guard.agree.is_some() || (self.guard.signals.format && self.expected.json)
    }

    /// The text seen so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The chance that the answer will do, by what was seen of it; `None` where no token's probability is known.
    pub fn chance(&self) -> Option<Probability> {
        self.reading().map(|reading| reading.chance)
    }

    /// The same, with what it would be uncorrected.
    pub fn found(&self) -> Option<GuardScore> {
        self.reading().map(|reading| GuardScore { chance: reading.chance, plain: reading.plain })
    }

    /// What shows before the end.
    fn early(&self) -> Option<RejectReason> {
        let signals = &self.guard.signals;
        if signals.refusal && refusals::refuses(&self.text) {
            Some(RejectReason::Refusal)
        } else if signals.repetition && repetition::repeats_itself(&self.text) {
            Some(RejectReason::Repetition)
        } else if signals.format && self.expected.json && cannot_be_json(&self.text) {
            Some(RejectReason::Format)
        } else if signals.format && self.expected.chinese && language::is_foreign(&self.text) {
            Some(RejectReason::Language)
        } else {
            None
        }
    }

    /// Whether it is clear already on which side of the threshold the chance will lie at the end of the answer: a
    /// sequential test with a bound of 90 % on each side.
    fn sequential(&self) -> Verdict {
        let threshold = self.guard.signals.confidence;
        if self.evidence.tokens < EARLIEST || threshold <= 0.0 || self.language_is_open() {
            return Verdict::Wait;
        }
        match self.reading() {
            Some(reading) if reading.low.value() > threshold => Verdict::Keep,
            Some(reading) if reading.high.value() < threshold => Verdict::Escalate(RejectReason::Confidence),
            Some(_) | None => Verdict::Wait,
        }
    }

    /// Whether the language of the answer is still to be seen.
    fn language_is_open(&self) -> bool {
        self.guard.signals.format && self.expected.chinese && !language::is_chinese(&self.text)
    }

    fn uncertain(&self) -> Option<RejectReason> {
        let threshold = self.guard.signals.confidence;
        self.chance().filter(|chance| chance.value() < threshold).map(|_| RejectReason::Confidence)
    }

    fn reading(&self) -> Option<ChancePosterior> {
        let (prior, weigh) = (&self.expected.prior, self.guard.signals.weigh);
        (self.evidence.tokens > 0).then(|| FITTED.read(&self.evidence, prior, self.ended, weigh))
    }
}

/// Whether no JSON object or list begins so. A fence around it is none of JSON's, and clients choke on it.
fn cannot_be_json(text: &str) -> bool {
    text.trim_start().chars().next().is_some_and(|first| !matches!(first, '{' | '['))
}

#[cfg(test)]
mod tests;
