//! Recent requests, and what would have become of them by other weights.

use crate::routing::weights::UtilityWeights;
use crate::routing::weights::first_most;

/// How many requests are looked back on.
const REQUESTS: usize = 256;

/// What one rung offered one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RungOffer {
    pub(super) suffices: f64,
    /// In the account currency; not a number where it is not known.
    pub(super) cost: f64,
    pub(super) wait: f64,
    /// Requests that were under way.
    pub(super) load: u32,
    pub(super) eligible: bool,
}

/// The most recent requests, in constant memory.
#[derive(Debug, Clone)]
pub(super) struct RecentWindow {
    rungs: usize,
    /// Rung by rung, request by request.
    offers: Vec<RungOffer>,
    draws: Vec<f64>,
    next: usize,
}

impl RecentWindow {
    pub(super) fn new(rungs: usize) -> Self {
        Self { rungs, offers: Vec::new(), draws: Vec::new(), next: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.draws.is_empty()
    }

    pub(super) fn push(&mut self, offers: impl Iterator<Item = RungOffer>, draw: f64) {
        let mut offers: Vec<RungOffer> = offers.collect();
        if offers.len() != self.rungs {
            return;
        }
        let highest = offers.iter().map(|offer| offer.cost).fold(0.0, f64::max);
        for offer in &mut offers {
            if offer.cost.is_nan() {
                offer.cost = highest;
            }
        }
        match self.draws.get_mut(self.next) {
            Some(oldest) => {
                *oldest = draw;
                self.offers[self.next * self.rungs..][..self.rungs].copy_from_slice(&offers);
            }
            None => {
                self.draws.push(draw);
                self.offers.extend(offers);
            }
        }
        self.next = (self.next + 1) % REQUESTS;
    }

    fn requests(&self) -> impl Iterator<Item = (&[RungOffer], f64)> {
        self.offers.chunks_exact(self.rungs.max(1)).zip(self.draws.iter().copied())
    }

    /// The mean over all requests of what `of` says of the offer that would be taken, and of its rung.
    pub(super) fn mean(&self, weights: UtilityWeights, of: impl Fn(&RungOffer, usize) -> f64) -> f64 {
        let taken = self.requests().filter_map(|(offers, draw)| {
            let eligible = offers.iter().enumerate().filter(|(_, offer)| offer.eligible);
            let worth = |offer: &RungOffer| weights.worth(offer.suffices, offer.cost, offer.wait, draw);
            let at = first_most(eligible.map(|(at, offer)| (at, worth(offer))))?;
            Some(of(&offers[at], at))
        });
        mean(taken)
    }

    /// The mean chance of the largest model that could be asked.
    pub(super) fn top(&self) -> f64 {
        let top =
            |offers: &[RungOffer]| offers.iter().rfind(|offer| offer.eligible).map(|offer| offer.suffices);
        mean(self.requests().filter_map(|(offers, _)| top(offers)))
    }

    /// One divided by what a request costs the largest model, on average: a weight of money by which that cost weighs
    /// as much as a whole chance of a sufficient answer.
    pub(super) fn scale(&self) -> f64 {
        let top = |offers: &[RungOffer]| offers.iter().rfind(|offer| offer.eligible).map(|offer| offer.cost);
        let cost = mean(self.requests().filter_map(|(offers, _)| top(offers)));
        if cost > 0.0 { 1.0 / cost } else { 1.0 }
    }
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(sum, count), number| (sum + number, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// Weights are looked for from a thousandth of the scale up to a million times of it.
const DOUBLINGS: i32 = 30;
const SMALLEST: f64 = 1e-3;
const HALVINGS: i32 = 20;
/// Sums in another order differ by less than this share of them.
const ROUNDING: f64 = 1e-9;

/// The smallest weight, not below `floor`, at which what falls as it rises (`outcome`) has come down to `goal` times
/// `sign`, or as near to it as any weight brings it.
pub(super) fn least(floor: f64, scale: f64, goal: f64, outcome: impl Fn(f64) -> f64, sign: f64) -> f64 {
    let utmost = outcome(floor + scale * SMALLEST * f64::from(DOUBLINGS).exp2());
    let goal = (goal * sign).max(utmost);
    let goal = goal + goal.abs() * ROUNDING;
    let holds = |weight: f64| outcome(floor + weight) <= goal;
    if holds(0.0) {
        return floor;
    }
    let (mut low, mut high) = (0.0, scale * SMALLEST);
    for _ in 0..DOUBLINGS {
        if holds(high) {
            break;
        }
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..HALVINGS {
        let middle = low + (high - low) / 2.0;
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    floor + high
}
