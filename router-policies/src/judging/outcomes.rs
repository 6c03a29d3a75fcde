//! What pairs of answers to the same request say of what was foreseen: a fold over outcomes.
//!
//! For each rung the last outcomes are kept: the chance that was foreseen, and how good the answer was. From them a
//! [`Correction`] is fitted, what was foreseen is held against what came (the drift), and a certificate is checked.

use std::collections::VecDeque;

use crate::scoring::certify::CertifiedBound;
use crate::scoring::class_predictions::Probability;
use crate::scoring::numbers::{ln, logistic, logit};

/// Outcomes that are looked back on: enough for a share within 4 points, few enough to follow what changes.
const OUTCOMES: usize = 512;
/// Fewer outcomes of a rung correct nothing.
const FEW: usize = 20;
/// What is believed of a correction before anything is seen: a shift of 0 and a scale of 1, give or take these.
const SHIFT_SPREAD: f64 = 1.0;
const SCALE_SPREAD: f64 = 0.5;
/// Newton's method on two numbers needs no more.
const ROUNDS: usize = 12;
/// No correction turns the order of requests around, or makes all the same.
const LEAST_SCALE: f64 = 0.1;

crate::vocabulary! {
    /// How the answers of two rungs to one request were judged.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum PreferredAnswer {
        /// Both answers are as good.
        Neither = "neither",
        /// The smaller model's answer is better.
        Smaller = "smaller",
        /// The larger model's answer is better.
        Larger = "larger",
    }
}

/// A pair of answers to one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairOutcome {
    /// The rungs that answered, the smaller first.
    pub rungs: (usize, usize),
    /// The chances that were foreseen for them, uncorrected.
    pub foreseen: (Probability, Probability),
    /// The chance that a guard gave the smaller model's answer, uncorrected; `None` where none judged it.
    pub found: Option<Probability>,
    /// What the top rung was foreseen to add, which certificates rank by.
    pub gain: f64,
    /// The judgement.
    pub preferred: PreferredAnswer,
    /// Whether a judge looked at both. Otherwise the larger model's answer was taken to be right, and nothing is learned
    /// about it.
    pub both_judged: bool,
}

/// A logistic correction of chances: `logit p ↦ shift + scale · logit p` (Platt 1999).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    shift: f64,
    scale: f64,
}

impl Default for Correction {
    fn default() -> Self {
        Self::NONE
    }
}

impl Correction {
    /// Nothing is to be corrected.
    pub const NONE: Self = Self { shift: 0.0, scale: 1.0 };

    /// A chance, corrected.
    pub fn apply(&self, chance: Probability) -> Probability {
        if *self == Self::default() {
            return chance;
        }
        Probability::new(logistic(self.shift + self.scale * bounded_logit(chance)))
    }

    /// The most likely correction, given what is believed beforehand.
    fn fit(seen: &VecDeque<(Probability, bool)>) -> Self {
        if seen.len() < FEW {
            return Self::default();
        }
        let (mut shift, mut scale) = (0.0, 1.0);
        for _ in 0..ROUNDS {
            let (pull, tilt) = (1.0 / (SHIFT_SPREAD * SHIFT_SPREAD), 1.0 / (SCALE_SPREAD * SCALE_SPREAD));
            let mut slope = (-shift * pull, (1.0 - scale) * tilt);
            let mut bend = (pull, 0.0, tilt);
            for &(chance, good) in seen {
                let x = bounded_logit(chance);
                let p = logistic(shift + scale * x);
                let (miss, weight) = (f64::from(u8::from(good)) - p, p * (1.0 - p));
                slope = (slope.0 + miss, slope.1 + miss * x);
                bend = (bend.0 + weight, bend.1 + weight * x, bend.2 + weight * x * x);
            }
            let area = bend.0 * bend.2 - bend.1 * bend.1;
            let step =
                ((bend.2 * slope.0 - bend.1 * slope.1) / area, (bend.0 * slope.1 - bend.1 * slope.0) / area);
            // Far from the goal a whole step could leap over it.
            (shift, scale) = (shift + step.0.clamp(-1.0, 1.0), scale + step.1.clamp(-1.0, 1.0));
        }
        Self { shift, scale: scale.max(LEAST_SCALE) }
    }
}

/// Certain chances have no finite logit.
fn bounded_logit(chance: Probability) -> f64 {
    logit(chance.value().clamp(0.001, 0.999))
}

/// The outcomes of a route.
#[derive(Debug, Clone, Default)]
pub struct PairOutcomes {
    rungs: Vec<VecDeque<(Probability, bool)>>,
    /// The same of what guards found.
    found: Vec<VecDeque<(Probability, bool)>>,
    /// Of pairs from end to end of the ladder: what the top was foreseen to add, and what was lost without it, -1..=1.
    losses: VecDeque<(f64, f64)>,
}

impl PairOutcomes {
    /// Of a ladder of so many rungs; nothing is known yet.
    pub fn new(rungs: usize) -> Self {
        let none = vec![VecDeque::new(); rungs];
        Self { rungs: none.clone(), found: none, losses: VecDeque::new() }
    }

    /// Takes note of an outcome.
    pub fn add(&mut self, outcome: &PairOutcome) {
        let (small, large) = outcome.rungs;
        keep(self.rungs.get_mut(small), (outcome.foreseen.0, outcome.preferred != PreferredAnswer::Larger));
        if let Some(found) = outcome.found {
            keep(self.found.get_mut(small), (found, outcome.preferred != PreferredAnswer::Larger));
        }
        if outcome.both_judged {
            keep(
                self.rungs.get_mut(large),
                (outcome.foreseen.1, outcome.preferred != PreferredAnswer::Smaller),
            );
        }
        if small == 0 && large + 1 == self.rungs.len() {
            let lost = match outcome.preferred {
                PreferredAnswer::Neither => 0.0,
                PreferredAnswer::Smaller => -1.0,
                PreferredAnswer::Larger => 1.0,
            };
            keep(Some(&mut self.losses), (outcome.gain, lost));
        }
    }

    /// What is to be corrected of each rung.
    pub fn corrections(&self) -> Vec<Correction> {
        self.rungs.iter().map(Correction::fit).collect()
    }

    /// What is to be corrected of the chances that guards give the answers of each rung.
    pub fn guard_corrections(&self) -> Vec<Correction> {
        self.found.iter().map(Correction::fit).collect()
    }

    /// How far above the truth a rung's foreseen chances lie on average, -1..=1; `None` before enough is known.
    pub fn drift(&self, rung: usize) -> Option<f64> {
        let seen = self.rungs.get(rung).filter(|seen| seen.len() >= FEW)?;
        let sum: f64 = seen.iter().map(|(chance, good)| chance.value() - f64::from(u8::from(*good))).sum();
        Some(sum / seen.len() as f64)
    }

    /// Whether recent outcomes bear a certificate out: `Some(false)` where its bound on the loss is broken with the
    /// confidence that it was given with; `None` before enough is known. The loss counts what was lost, in all requests,
    /// by those that the certified threshold keeps small. Bounded by Hoeffding's inequality for numbers in -1..=1.
    pub fn bears_out(&self, promise: CertifiedBound) -> Option<bool> {
        if self.losses.len() < FEW {
            return None;
        }
        let kept = |gain: f64| gain <= promise.threshold;
        let lost = self.losses.iter().map(|&(gain, lost)| if kept(gain) { lost } else { 0.0 });
        let count = self.losses.len() as f64;
        let mean = lost.sum::<f64>() / count;
        let margin = (-2.0 * ln(1.0 - promise.confidence.min(0.999_999)) / count).sqrt();
        Some(mean - margin <= promise.max_loss)
    }
}

fn keep<T>(seen: Option<&mut VecDeque<T>>, one: T) {
    let Some(seen) = seen else { return };
    if seen.len() >= OUTCOMES {
        seen.pop_front();
    }
    seen.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::random::SplitMix64;

    /// Outcomes of a world where the small model suffices with `truth` of what was foreseen.
    fn outcomes(count: usize, both_judged: bool, truth: impl Fn(f64) -> f64) -> PairOutcomes {
        let (mut outcomes, mut draws) = (PairOutcomes::new(2), SplitMix64(3));
        for _ in 0..count {
            let foreseen = draws.uniform();
            let preferred = if draws.uniform() < truth(foreseen) {
                PreferredAnswer::Neither
            } else {
                PreferredAnswer::Larger
            };
            outcomes.add(&PairOutcome {
                rungs: (0, 1),
                foreseen: (Probability::new(foreseen), Probability::new(0.9)),
                found: Some(Probability::new(foreseen)),
                gain: 0.9 - foreseen,
                preferred,
                both_judged,
            });
        }
        outcomes
    }

    #[test]
    fn a_correction_brings_chances_to_what_came_of_them() {
        let worlds: [fn(f64) -> f64; 4] = [|it| it, |it| it * 0.5, |it| it.sqrt(), |_| 0.8];
        for truth in worlds {
            let correction = outcomes(OUTCOMES, false, truth).corrections()[0];
            let error = |at: f64| (correction.apply(Probability::new(at)).value() - truth(at)).abs();
            for at in [0.3, 0.5, 0.7] {
                assert!(error(at) < 0.12, "{at}: {} off", error(at));
            }
        }
    }

    #[test]
    fn little_corrects_nothing_and_order_is_kept() {
        assert_eq!(outcomes(FEW - 1, false, |_| 0.0).corrections()[0], Correction::default());
        // The world is the reverse of what was foreseen.
        let correction = outcomes(OUTCOMES, false, |it| 1.0 - it).corrections()[0];
        let at = |chance| correction.apply(Probability::new(chance)).value();
        assert!(at(0.2) < at(0.8));
        assert!((0.3..0.7).contains(&at(0.5)));
    }

    #[test]
    fn without_a_judge_nothing_is_learned_of_the_larger_model() {
        assert_eq!(outcomes(OUTCOMES, false, |it| it).corrections()[1], Correction::default());
        assert_ne!(outcomes(OUTCOMES, true, |it| it).corrections()[1], Correction::default());
    }

    #[test]
    fn what_guards_find_is_corrected_by_itself() {
        let mut outcomes = outcomes(OUTCOMES, false, |it| it * 0.5);
        let plain = outcomes.corrections()[0];
        assert_eq!(outcomes.guard_corrections(), [plain, Correction::NONE]);
        // What no guard judged says nothing of guards.
        for _ in 0..OUTCOMES {
            outcomes.add(&PairOutcome {
                rungs: (0, 1),
                foreseen: (Probability::new(0.1), Probability::new(0.5)),
                found: None,
                gain: 0.4,
                preferred: PreferredAnswer::Neither,
                both_judged: false,
            });
        }
        assert_eq!(outcomes.guard_corrections()[0], plain);
        assert_ne!(outcomes.corrections()[0], plain);
    }

    #[test]
    fn drift_is_what_was_promised_and_did_not_come() {
        let drift = |truth: fn(f64) -> f64| outcomes(OUTCOMES, false, truth).drift(0).unwrap();
        assert!(drift(|it| it).abs() < 0.06);
        assert!((drift(|it| it * 0.5) - 0.25).abs() < 0.06);
        assert_eq!(outcomes(FEW - 1, false, |it| it).drift(0), None);
        assert_eq!(outcomes(OUTCOMES, false, |it| it).drift(1), None);
    }

    #[test]
    fn a_certificate_that_no_longer_holds_is_found_out() {
        let promise = |max_loss| CertifiedBound { threshold: 0.4, max_loss, confidence: 0.9 };
        let holds = |count, truth: fn(f64) -> f64, max_loss| {
            outcomes(count, false, truth).bears_out(promise(max_loss))
        };
        // Half of the requests are kept small, and a quarter of those is lost.
        assert_eq!(holds(OUTCOMES, |it| it, 0.2), Some(true));
        assert_eq!(holds(OUTCOMES, |_| 0.1, 0.2), Some(false));
        // Ten outcomes prove nothing.
        assert_eq!(holds(10, |_| 0.0, 0.2), None);
        assert_eq!(holds(30, |_| 0.5, 0.2), Some(true));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut outcomes = outcomes(10 * OUTCOMES, true, |it| it);
        assert!(outcomes.rungs.iter().all(|seen| seen.len() == OUTCOMES));
        for _ in 0..OUTCOMES {
            outcomes.add(&PairOutcome {
                rungs: (0, 1),
                foreseen: (Probability::new(0.5), Probability::new(0.5)),
                found: None,
                gain: 0.0,
                preferred: PreferredAnswer::Larger,
                both_judged: true,
            });
        }
        assert_eq!(outcomes.drift(0), Some(0.5));
    }
}
