//! What quality, money and time weigh against each other.

use crate::routing::rung_state::RungState;
use crate::rung::Rung;

/// How much each counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UtilityWeights {
    /// Of the chance that an answer will do.
    pub quality: f64,
    /// λ: of one unit of the account currency.
    pub cost: f64,
    /// μ: of one second.
    pub latency: f64,
}

/// A request's own weight of quality lies this far at most from that of all. So equal requests do not all change sides
/// at once when a weight moves a little, and any share of them can be realised.
const SPREAD: f64 = 0.05;

impl UtilityWeights {
    /// What an answer is worth: `cost` in the account currency, `wait` in seconds.
    pub fn worth(&self, suffices: f64, cost: f64, wait: f64, draw: f64) -> f64 {
        let quality = self.quality * (1.0 + SPREAD * (2.0 * draw - 1.0));
        quality * suffices - self.cost * cost - self.latency * wait
    }

    /// The rung that is worth the most, of those that can serve the request; of equals the smallest. `draw` is the
    /// request's own, in 0..1. A cost that is not known is taken to be the highest that is.
    pub fn best(&self, ladder: &[RungState<'_>], draw: f64) -> Option<Rung> {
        let highest = highest_cost(ladder).unwrap_or_default();
        let eligible = ladder.iter().enumerate().filter(|(_, rung)| rung.eligible);
        let worth = |rung: &RungState<'_>| {
            let cost = rung.estimate.cost.unwrap_or(highest);
            self.worth(rung.p_success.value(), cost, rung.estimate.wait, draw)
        };
        first_most(eligible.map(|(at, rung)| (at, worth(rung)))).map(Rung)
    }
}

/// What a model without a price is taken to cost: as much as the dearest of its ladder. `None` where no cost is known.
pub fn highest_cost(ladder: &[RungState<'_>]) -> Option<f64> {
    ladder.iter().filter_map(|rung| rung.estimate.cost).reduce(f64::max)
}

/// Adds to what each model takes the chance that its answer will not do, and the next larger one is asked in its place:
/// for a policy whose choice is guarded.
pub fn add_escalation_cost(ladder: &mut [RungState<'_>]) {
    for at in 0..ladder.len() {
        let Some(next) = (at + 1..ladder.len()).find(|&next| ladder[next].eligible) else { continue };
        let (next, fails) = (ladder[next].estimate, 1.0 - ladder[at].p_success.value());
        let estimate = &mut ladder[at].estimate;
        estimate.cost = estimate.cost.zip(next.cost).map(|(own, next)| own + fails * next);
        estimate.wait += fails * next.wait;
    }
}

/// The first of those with the highest number.
pub(crate) fn first_most(numbers: impl Iterator<Item = (usize, f64)>) -> Option<usize> {
    let better = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    numbers.reduce(better).map(|(at, _)| at)
}
