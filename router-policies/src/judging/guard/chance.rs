//! What is seen of an answer, and what was foreseen of it → the chance that it will do.
//!
//! ```text
//! logit p = (1 − share · yields) · logit suffices + share · (level + Σ weight · (signal − its mean))
//! ```
//!
//! `share` is how much of the answer the seen tokens are: before the first, and at the beginning of a long answer, the
//! chance stays with what was foreseen; at the end it is a logistic regression. A signal that is not known, or switched off,
//! is taken to be at its mean.

use super::evidence::TokenEvidence;
use super::length::{self, LengthFeatures};
use crate::judging::outcomes::Correction;
use crate::scoring::class_predictions::Probability;
use crate::scoring::features::Features;
use crate::scoring::numbers::{ln, logistic, logit};

/// How many signals there are.
pub const COUNT: usize = 5;
/// Their names. Each is the higher the better.
pub const NAMES: [&str; COUNT] = ["mean", "lowest", "margin", "entropy", "length"];
/// Log-probabilities nearer to 0 than this, of all tokens on the mean and of the lowest, and a margin narrower than this, say
/// no more: beyond them logarithms are taken, as what is much in a long answer is little in a short one.
const LEAST: [f64; 3] = [0.01, 0.05, 0.1];
/// Where signals are cut off.
const BOUNDS: [(f64, f64); COUNT] = [(-1.4, 4.7), (-2.1, 3.0), (-2.4, 2.5), (-3.0, 0.0), (-7.0, 0.0)];
/// Before its end an answer is never taken to have been seen whole.
const MOST: f64 = 0.9;
/// The quantile of the normal distribution that nine in ten lie below.
const NINETY_PERCENT: f64 = 1.2816;

/// What is foreseen of an answer before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AnswerPrior {
    /// The chance that it will do; `None` where nothing was scored: then as likely as not.
    pub suffices: Option<Probability>,
    /// Its length in tokens; `None`: as most answers are.
    pub tokens: Option<f64>,
    /// What is known of the guard's own mistakes.
    pub correction: Correction,
}

impl AnswerPrior {
    /// Nothing is foreseen.
    pub const NOTHING: Self = Self { suffices: None, tokens: None, correction: Correction::NONE };
}

/// Which signals are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChanceSignals {
    /// The mean log-probability of the tokens.
    pub mean: bool,
    /// The lowest.
    pub lowest: bool,
    /// How far the likeliest token is ahead of the next, on the mean.
    pub margin: bool,
    /// How undecided the first token was.
    pub entropy: bool,
    /// How long the answer is, or, before its end, is likely to become.
    pub length: bool,
}

impl Default for ChanceSignals {
    fn default() -> Self {
        Self { mean: true, lowest: true, margin: true, entropy: true, length: true }
    }
}

/// The coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChanceModel {
    /// The logit of an average answer, when it is whole.
    pub level: f64,
    /// How much less the logit of what was foreseen counts then, 0..=1.
    pub yields: f64,
    /// How much each signal counts, 0 or more, and its mean.
    pub signals: [(f64, f64); COUNT],
    /// How far the logit lies from where it will be at the end, before anything is seen: the variance of a long answer, and
    /// what a short one has more, for each token that it has less: `first + second / tokens`.
    pub unseen: (f64, f64),
    /// Of the logarithm of an answer's length.
    pub length: LengthFeatures,
}

/// The chance that an answer will do, and the bounds that it will have stayed within at its end with 90 % on each side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChancePosterior {
    /// As things stand.
    pub chance: Probability,
    /// The same, uncorrected.
    pub plain: Probability,
    /// No lower than this.
    pub low: Probability,
    /// No higher.
    pub high: Probability,
}

impl ChanceModel {
    /// Tokens of an answer to such a question.
    pub fn tokens(&self, features: &Features) -> f64 {
        length::tokens(&length::numbers(features), &self.length)
    }

    /// Reads an answer so far, or, where it has `ended`, the whole of it.
    pub fn read(
        &self,
        evidence: &TokenEvidence,
        prior: &AnswerPrior,
        ended: bool,
        weigh: ChanceSignals,
    ) -> ChancePosterior {
        let tokens = prior.tokens.unwrap_or(TYPICAL);
        let share = share(evidence, tokens, ended);
        let on = [weigh.mean, weigh.lowest, weigh.margin, weigh.entropy, weigh.length];
        let seen = signals(evidence, tokens, ended).into_iter().zip(self.signals).zip(on);
        let seen: f64 = seen
            .map(|((signal, (weight, mean)), on)| {
                signal.filter(|_| on).map_or(0.0, |it| weight * (it - mean))
            })
            .sum();
        let foreseen = prior.suffices.map_or(0.0, foreseen);
        let logit = (1.0 - share * self.yields) * foreseen + share * (self.level + seen);
        let variance = self.unseen.0 + self.unseen.1 / tokens.max(1.0);
        let margin = NINETY_PERCENT * (variance * (1.0 - share)).max(0.0).sqrt();
        let plain = |logit: f64| Probability::new(logistic(logit));
        let at = |logit: f64| prior.correction.apply(plain(logit));
        ChancePosterior {
            chance: at(logit),
            plain: plain(logit),
            low: at(logit - margin),
            high: at(logit + margin),
        }
    }
}

/// How much of an answer was seen, 0..=1.
pub(super) fn share(evidence: &TokenEvidence, tokens: f64, ended: bool) -> f64 {
    if ended { 1.0 } else { (f64::from(evidence.tokens) / tokens.max(1.0)).min(MOST) }
}

/// Tokens of an answer of which nothing is foreseen.
const TYPICAL: f64 = 16.0;

/// The logit of a chance that was foreseen; none is certain.
pub(super) fn foreseen(chance: Probability) -> f64 {
    logit(chance.value().clamp(0.02, 0.98))
}

/// The signals of an answer whose length was foreseen; `None` where one is not known.
pub fn signals(evidence: &TokenEvidence, tokens: f64, ended: bool) -> [Option<f64>; COUNT] {
    let seen = f64::from(evidence.tokens.max(1));
    let values = [
        Some(-ln(LEAST[0] - evidence.mean.min(0.0))),
        Some(-ln(LEAST[1] - evidence.lowest.min(0.0))),
        evidence.margin.map(|margin| ln(LEAST[2] + margin.max(0.0))),
        evidence.entropy.map(|entropy| -entropy),
        // The longer, the more can go wrong.
        Some(-ln(if ended { seen } else { seen.max(tokens) })),
    ];
    std::array::from_fn(|at| values[at].map(|value| value.clamp(BOUNDS[at].0, BOUNDS[at].1)))
}
