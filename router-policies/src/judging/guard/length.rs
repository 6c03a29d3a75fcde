//! How long the answer to a question is likely to be.

use crate::scoring::features::Features;
use crate::scoring::features::NAMES;
use crate::scoring::numbers::exp;

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

/// Where they stand among the readable ones.
const PLACES: [usize; TELLING.len()] = places();

/// What a length is told from: 1, and the features that tell.
pub type LengthFeatures = [f64; TELLING.len() + 1];

/// Tokens: no answer is foreseen to be shorter, …
const SHORTEST: f64 = 2.0;
/// … or longer.
const LONGEST: f64 = 512.0;

/// Reads them off a prompt.
pub fn numbers(features: &Features) -> LengthFeatures {
    std::array::from_fn(|at| match at.checked_sub(1) {
        None => 1.0,
        Some(at) => f64::from(features.readable[PLACES[at]]),
    })
}

/// Tokens, by the coefficients of a fit to their logarithms.
pub(super) fn tokens(numbers: &LengthFeatures, coefficients: &LengthFeatures) -> f64 {
    let log: f64 = numbers.iter().zip(coefficients).map(|(number, weight)| number * weight).sum();
    exp(log.clamp(0.0, 10.0)).clamp(SHORTEST, LONGEST)
}

const fn places() -> [usize; TELLING.len()] {
    let mut places = [0; TELLING.len()];
    let mut at = 0;
    while at < places.len() {
        places[at] = place(TELLING[at].as_bytes());
        at += 1;
    }
    places
}

/// Where a feature of this name stands; without one there is no program.
const fn place(name: &[u8]) -> usize {
    let mut at = 0;
    while !same(NAMES[at].as_bytes(), name) {
        at += 1;
    }
    at
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_telling_feature_is_found() {
        let found = PLACES.map(|at| NAMES[at]);
        assert_eq!(found, TELLING);
    }
}
