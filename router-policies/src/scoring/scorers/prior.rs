//! What may be expected of a prompt unlike any that the scorer was fitted on: by its topic and shape alone.
//!
//! The level is a logistic curve over numbers that a person can read (`fitted.rs`), fitted on a list of requests that
//! common sense calls easy or hard (`testdata/common-sense.jsonl`) and, so that it is neutral there, on labelled
//! examinations. The gain's numbers are judgements, not fits: fits on one kind of prompt did not carry to another. Code,
//! mathematics, reasoning and extraction gain from a larger model, talk, rewriting and summaries do not; the more is
//! asked for, the more is gained.

pub mod fitted;

use std::sync::LazyLock;

use self::fitted::FITTED;
use crate::scoring::features::Features;
use crate::scoring::features::{COUNT, CUE_NAMES, CUES, NAMES};
use crate::scoring::numbers::{exp, logistic};
use crate::scoring::score_reasons::{ReasonFeature, ReasonSums};

/// A level and a gain, in probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorExpectation {
    /// The numbers that the level went by.
    inputs: [f64; INPUTS],
    /// The logit of the level.
    logit: f64,
    /// The chance that a model of around 8B suffices.
    pub small: f64,
    /// What a frontier model adds to that.
    pub gain: f64,
}

impl PriorExpectation {
    /// How much of a prompt's level is the prior's, however familiar the prompt, 0..=1: this share where the prior knows
    /// nothing, more where it is sure. Common sense is sure of a greeting and of a design, not of one question of an
    /// examination among others.
    pub fn share(&self, least: f64) -> f64 {
        let certainty = 2.0 * self.small - 1.0;
        least + (1.0 - least) * SWAY * certainty * certainty
    }

    /// What the features add to the difficulty, where so much of the level is the prior's. Together they add up to how far
    /// the prior is from what it says of a plain prompt.
    pub(super) fn explain(&self, weight: f64, sums: &mut ReasonSums) {
        static FEATURES: LazyLock<[Option<ReasonFeature>; INPUTS]> =
            LazyLock::new(|| names().map(ReasonFeature::of_input));
        let plain = plain();
        let moved = self.logit - plain.logit;
        let slope = if moved.abs() < 1e-6 {
            self.small * (1.0 - self.small)
        } else {
            (self.small - plain.small) / moved
        };
        let numbers = FITTED.numbers.iter().zip(&plain.inputs).zip(&self.inputs).zip(&*FEATURES);
        for ((((step, _), plain), input), feature) in numbers {
            if let Some(feature) = feature {
                sums.add(*feature, -weight * slope * step * (input - plain));
            }
        }
    }
}

/// A plain prompt: of usual length and script, with none of the other features. What moved a difficulty is told against it,
/// so that nothing is named that is not there.
fn plain() -> &'static PriorExpectation {
    static PLAIN: LazyLock<PriorExpectation> = LazyLock::new(|| {
        let mut inputs = FITTED.numbers.map(|(_, usual)| usual);
        for (input, name) in inputs.iter_mut().zip(names()) {
            if !["log_words", "log_commas", "brevity", "ideograph_share"].contains(&name) {
                *input = 0.0;
            }
        }
        let logit = FITTED.logit(&inputs);
        PriorExpectation { inputs, logit, small: logistic(logit), gain: 0.0 }
    });
    &PLAIN
}

/// What the prior says of a plain prompt.
pub(super) fn plain_small() -> f64 {
    plain().small
}

/// How much of the rest the prior takes over where it is wholly sure.
const SWAY: f64 = 0.6;

/// How many numbers the level goes by.
pub const INPUTS: usize = READ.len() + 1 + CUES;

/// The readable features that the level goes by, and how much of each counts at most: a long text pasted into a prompt is
/// not a long request.
const READ: [(&str, f32); 24] = [
    ("log_words", 4.6),
    ("log_commas", 2.1),
    ("log_numbers", 1.8),
    ("options", 1.0),
    ("log_latex", 1.8),
    ("log_code_signs", 1.8),
    ("log_code_lines", 1.8),
    ("log_reasoning", 1.6),
    ("log_steps", 1.6),
    ("log_constraints", 1.6),
    ("log_amounts", 1.1),
    ("log_writing", 1.1),
    ("log_rewriting", 1.1),
    ("log_extraction", 1.4),
    ("log_code", 1.6),
    ("log_mathematics", 1.6),
    ("log_science", 1.4),
    ("log_law", 1.4),
    ("log_medicine", 1.4),
    ("log_quotes", 1.1),
    ("ideograph_share", 1.0),
    ("ends_with_question", 1.0),
    ("log_tools", 1.6),
    ("structured", 1.0),
];

/// The level's coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelModel {
    /// The logit of an answer that suffices where every number is as usual.
    pub level: f64,
    /// Of each number, in the order of [`names`]: what a step up adds to the logit, and what is usual.
    pub numbers: [(f64, f64); INPUTS],
}

impl LevelModel {
    /// The logit of an answer that suffices.
    pub fn logit(&self, inputs: &[f64; INPUTS]) -> f64 {
        let moved = self.numbers.iter().zip(inputs);
        self.level + moved.map(|((slope, usual), input)| slope * (input - usual)).sum::<f64>()
    }
}

/// The names of the numbers that the level goes by: of readable features, `brevity`, and of cues.
pub fn names() -> [&'static str; INPUTS] {
    std::array::from_fn(|at| match at {
        at if at < READ.len() => READ[at].0,
        at if at == READ.len() => "brevity",
        at => CUE_NAMES[at - READ.len() - 1],
    })
}

/// The numbers that the level goes by.
pub fn inputs(features: &Features) -> [f64; INPUTS] {
    static PLACES: LazyLock<[usize; READ.len()]> = LazyLock::new(|| {
        // A feature that is not there would be read as the first; a test holds the names to be there.
        READ.map(|(name, _)| NAMES.iter().position(|named| *named == name).unwrap_or_default())
    });
    let places = &*PLACES;
    std::array::from_fn(|at| match at {
        at if at < READ.len() => f64::from(features.readable[places[at]].min(READ[at].1)),
        // A few words count for much, and the hundredth for nothing: 1 / (1 + words / 8).
        at if at == READ.len() => 1.0 / (1.0 + (exp(f64::from(features.readable[places[0]])) - 1.0) / 8.0),
        at => f64::from(features.cues[at - READ.len() - 1]),
    })
}

/// How much a feature adds to the demand of a prompt, by its name.
const DEMANDS: [(&str, f64); 20] = [
    ("log_code", 0.30),
    ("log_code_lines", 0.10),
    ("log_mathematics", 0.30),
    ("log_latex", 0.15),
    ("log_reasoning", 0.30),
    ("log_puzzles", 0.20),
    ("log_steps", 0.10),
    ("log_constraints", 0.20),
    ("log_amounts", 0.25),
    ("log_extraction", 0.10),
    ("log_science", 0.10),
    ("log_numbers", 0.10),
    ("log_words", 0.15),
    ("log_list_items", 0.10),
    ("log_tools", 0.30),
    ("structured", 0.20),
    ("log_writing", -0.20),
    ("log_rewriting", -0.30),
    ("log_chat", -0.30),
    ("log_facts", -0.05),
];
/// The demand of an ordinary prompt, for what a larger model adds.
const USUAL: f64 = 1.2;

/// What a feature of this name adds, if it says anything of the demand.
fn demand_of(name: &str) -> Option<f64> {
    DEMANDS.iter().find(|(named, _)| *named == name).map(|(_, weight)| *weight)
}

/// Judges a prompt by topic and shape.
pub fn expect(features: &Features) -> PriorExpectation {
    let inputs = inputs(features);
    let logit = FITTED.logit(&inputs);
    PriorExpectation { inputs, logit, small: logistic(logit), gain: gain(features) }
}

/// What a frontier model adds.
fn gain(features: &Features) -> f64 {
    static WEIGHTS: LazyLock<[Option<f64>; COUNT]> = LazyLock::new(|| NAMES.map(demand_of));
    let weighed = WEIGHTS.iter().zip(features.readable);
    let demand: f64 = weighed.filter_map(|(weight, value)| Some((*weight)? * f64::from(value))).sum();
    0.04 + 0.30 * logistic(1.2 * (demand - USUAL) - 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_there() {
        for (name, _) in READ.iter().chain(&DEMANDS.map(|(name, _)| (name, 0.0))) {
            assert!(NAMES.contains(name), "{name}");
        }
        for name in names() {
            assert!(ReasonFeature::of_input(name).is_some(), "{name}");
        }
    }
}
