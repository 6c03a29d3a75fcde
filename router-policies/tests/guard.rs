//! The guard's chance is what the rows that it was fitted on say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, with the reason")]

use proptest::prelude::*;
use router_policies::Probability;
use router_policies::evaluate::calibration_error;
use router_policies::guard::evidence::TokenEvidence;
use router_policies::guard::fit::{JudgedAnswer, fit};
use router_policies::guard::{AnswerPrior, ChanceSignals, FITTED};

fn rows() -> Vec<JudgedAnswer> {
    include_str!("../testdata/guard.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_coefficients_in_use_are_those_of_the_fit() {
    assert_eq!(fit(&rows()), FITTED);
}

/// Each question is judged by what the others teach.
#[test]
fn chances_are_what_they_say_they_are() {
    const PARTS: usize = 3;
    let rows = rows();
    let of_part = |part: usize, held: bool| {
        let all = rows.iter().enumerate().filter(move |(at, _)| (at % PARTS == part) == held);
        all.map(|(_, row)| row.clone()).collect::<Vec<JudgedAnswer>>()
    };
    let mut pairs = Vec::new();
    for part in 0..PARTS {
        let form = fit(&of_part(part, false));
        for row in of_part(part, true) {
            let Some(right) = row.right else { continue };
            let whole = row.evidence().last().unwrap();
            let reading = form.read(&whole, &row.prior(&form), true, ChanceSignals::default());
            pairs.push((reading.chance.value(), f64::from(u8::from(right))));
        }
    }
    let error = calibration_error(&pairs);
    assert!(pairs.len() > 200 && error < 0.12, "{} {error}", pairs.len());
}

proptest! {
    /// Whatever was seen, more probable tokens and a better prospect never make an answer less likely to do.
    #[test]
    fn better_signs_never_lower_a_chance(
        tokens in 1u32..400,
        mean in -5.0f64..0.0,
        lowest in -9.0f64..0.0,
        better in 0.0f64..3.0,
        suffices in 0.0f64..1.0,
        length in 1.0f64..400.0,
        ended: bool,
    ) {
        let read = |mean: f64, lowest: f64, suffices: f64| {
            let prior =
                AnswerPrior { suffices: Some(Probability::new(suffices)), tokens: Some(length), ..AnswerPrior::NOTHING };
            FITTED.read(&TokenEvidence::of(tokens, mean, lowest, None, None), &prior, ended, ChanceSignals::default())
        };
        let plain = read(mean, lowest, suffices);
        for more in [
            read((mean + better).min(0.0), lowest, suffices),
            read(mean, (lowest + better).min(0.0), suffices),
            read(mean, lowest, (suffices + better).min(1.0)),
        ] {
            prop_assert!(more.chance >= plain.chance && more.low >= plain.low && more.high >= plain.high);
        }
        prop_assert!(plain.low <= plain.chance && plain.chance <= plain.high);
    }
}
