//! What may be expected of a prompt unlike any that the scorer was fitted on: by its topic and shape alone.
//!
//! The numbers are judgements, not fits: fits on one kind of prompt did not carry to another. Code, mathematics,
//! reasoning and extraction gain from a larger model, talk, rewriting and summaries do not; the more is asked
//! for, the more is gained.

use std::sync::LazyLock;

use crate::scoring::features::Features;
use crate::scoring::features::{COUNT, NAMES};

/// A level and a gain, in probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorExpectation {
    /// The chance that a model of around 8B suffices.
    pub small: f64,
    /// What a frontier model adds to that.
    pub gain: f64,
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
/// The demand at which a model of around 8B still does well, and how fast its chance falls beyond it.
const EASY: f64 = 0.8;
const FALL: f64 = 3.5;

/// What a feature of this name adds, if it says anything of the demand.
fn demand_of(name: &str) -> Option<f64> {
    DEMANDS.iter().find(|(named, _)| *named == name).map(|(_, weight)| *weight)
}

/// Judges a prompt by topic and shape.
pub fn expect(features: &Features) -> PriorExpectation {
    static WEIGHTS: LazyLock<[Option<f64>; COUNT]> = LazyLock::new(|| NAMES.map(demand_of));
    let weighed = WEIGHTS.iter().zip(features.readable);
    let demand: f64 = weighed.filter_map(|(weight, value)| Some((*weight)? * f64::from(value))).sum();
    let above = demand - USUAL;
    let gain = 0.04 + 0.30 * crate::scoring::numbers::logistic(1.2 * above - 0.5);
    PriorExpectation { small: crate::scoring::numbers::logistic(0.9 - FALL * (demand - EASY)), gain }
}
