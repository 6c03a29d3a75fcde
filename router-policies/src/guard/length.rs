//! How long the answer to a question is likely to be.

use crate::Features;
use crate::features::NAMES;
use crate::numbers::exp;

/// The readable features that tell.
pub const TELLING: [&str; 15] = [
    "log_chars",
    "log_numbers",
    "options",
    "log_code",
    "log_reasoning",
    "log_amounts",
    "log_facts",
    "log_steps",
    "log_constraints",
    "log_writing",
    "log_rewriting",
    "log_extraction",
    "ideograph_share",
    "log_sentences",
    "ends_with_question",
];

/// What a length is told from: 1, and the features that tell.
pub type Numbers = [f64; TELLING.len() + 1];

/// Tokens: no answer is foreseen to be shorter, …
const SHORTEST: f64 = 2.0;
/// … or longer.
const LONGEST: f64 = 512.0;

/// Reads them off a prompt.
pub fn numbers(features: &Features) -> Numbers {
    let value = |name: &str| NAMES.iter().position(|other| *other == name).map(|at| features.readable[at]);
    std::array::from_fn(|at| match at.checked_sub(1) {
        None => 1.0,
        Some(at) => value(TELLING[at]).map_or(0.0, f64::from),
    })
}

/// Tokens, by the coefficients of a fit to their logarithms.
pub(super) fn tokens(numbers: &Numbers, coefficients: &Numbers) -> f64 {
    let log: f64 = numbers.iter().zip(coefficients).map(|(number, weight)| number * weight).sum();
    exp(log.clamp(0.0, 10.0)).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_telling_feature_is_one() {
        assert!(TELLING.iter().all(|name| NAMES.contains(name)));
    }
}
