//! Weights that keep a route to its targets.
//!
//! A weight is found, not groped for: it is the smallest at which the route's recent requests, had they been decided by
//! it, would have kept to the target. So it is 0 while a target has slack, a step in load moves it at once to where it
//! belongs, and nothing is left to swing. What the forecast misses (answers longer than expected, retries) is made up
//! for: by the ratio of what was paid to what was foreseen, by the amount that is left for the rest of the period, and by
//! aiming at fewer late first tokens than may be while too many come.
//!
//! It is state, and so lives with whoever acts, who also has the clock: times here are seconds since any fixed moment.

mod fading;
mod kept;
mod solve;
mod waits;

use crate::routing::draw::{DrawPurpose, RequestDraw};
use crate::routing::policies::{MinWeights, UtilityPolicy, UtilityTargets};
use crate::routing::rung_state::RungState;
use crate::routing::weights::UtilityWeights;
use crate::scoring::class_predictions::Probability;
use fading::ArrivalRate;
use kept::RealisedTargets;
pub use kept::{TargetName, TargetStatus};
use solve::{RecentWindow, RungOffer, least};
use waits::LatencyModel;

/// How long a weight takes to go most of the way to where it belongs, in seconds: longer than a queue that it moves.
const LAG_SECONDS: f64 = 5.0;
/// Requests over which what was paid is compared with what was foreseen.
const RATIO_REQUESTS: f64 = 100.0;
/// What was foreseen is trusted within this factor.
const RATIO: std::ops::RangeInclusive<f64> = 0.2..=5.0;
/// At the end of a period what is left is spread over at least this share of it.
const LAST_SHARE: f64 = 0.02;
/// Of a hundred streams, so many may have their first token later than the target.
const MAY_BE_LATE: f64 = 0.05;
/// What is aimed at moves by a factor of e in so many streams without a late one.
const AIM_STREAMS: f64 = 1000.0;
/// As far as it moves.
const AIM: std::ops::RangeInclusive<f64> = 0.01..=0.06;
/// A weight below this share of what one request to the largest model weighs is none.
const NOTHING: f64 = 1e-3;

/// A stretch of time in which an amount may be spent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpendWindow {
    /// Its first moment.
    pub begins: f64,
    /// The first moment after it.
    pub ends: f64,
}

/// Keeps a route to its targets.
#[derive(Debug, Clone)]
pub struct WeightController {
    targets: UtilityTargets,
    floors: MinWeights,
    window: RecentWindow,
    arrivals: ArrivalRate,
    foreseen: f64,
    paid: f64,
    waits: Vec<LatencyModel>,
    /// The share of late first tokens that is aimed at, so that as many come as may.
    aim: f64,
    realised: RealisedTargets,
    /// What was spent in the period under way; `None` before the first.
    spent: Option<(f64, f64)>,
    weights: Option<UtilityWeights>,
    /// When weights were brought up to date last.
    at: Option<f64>,
}

impl WeightController {
    /// For a ladder of so many rungs.
    pub fn new(utility: &UtilityPolicy, rungs: usize) -> Self {
        Self {
            targets: utility.targets.clone(),
            floors: utility.weights,
            window: RecentWindow::new(rungs),
            arrivals: ArrivalRate::default(),
            foreseen: 0.0,
            paid: 0.0,
            waits: vec![LatencyModel::default(); rungs],
            aim: MAY_BE_LATE,
            realised: RealisedTargets::default(),
            spent: None,
            weights: None,
            at: None,
        }
    }

    /// The weights to decide by; `None` before the first step.
    pub fn weights(&self) -> Option<UtilityWeights> {
        self.weights
    }

    /// A request came: what its ladder offered, and its random number.
    pub fn record_request(&mut self, ladder: &[RungState<'_>], draw: RequestDraw) {
        let offer = |rung: &RungState<'_>| RungOffer {
            suffices: rung.p_success.value(),
            cost: rung.estimate.cost.unwrap_or(f64::NAN),
            wait: rung.estimate.wait,
            load: rung.estimate.load,
            eligible: rung.eligible,
        };
        self.window.push(ladder.iter().map(offer), draw.uniform(DrawPurpose::QualityWeight));
        self.arrivals.count();
    }

    /// A request is over: what it cost, and what was foreseen, in the account currency.
    pub fn record_cost(&mut self, paid: f64, foreseen: f64) {
        let keep = 1.0 - 1.0 / RATIO_REQUESTS;
        (self.paid, self.foreseen) = (self.paid * keep + paid, self.foreseen * keep + foreseen);
        if let Some((_, spent)) = &mut self.spent {
            *spent += paid;
        }
    }

    /// A stream of a rung had its first token after so many seconds; when it was asked, so many others were under way.
    pub fn record_first_token(&mut self, rung: usize, load: u32, seconds: f64, now: f64) {
        let late = self.targets.first_token_p95.is_some_and(|target| seconds > target.0.as_secs_f64());
        let too_many = f64::from(u8::from(late)) / MAY_BE_LATE - 1.0;
        let aim = self.aim * crate::scoring::numbers::exp(-too_many / AIM_STREAMS);
        self.aim = aim.clamp(*AIM.start(), *AIM.end());
        if let Some(waits) = self.waits.get_mut(rung) {
            waits.saw(load, seconds, late, now);
        }
        self.realised.record_first_token(seconds);
    }

    /// A request was answered by a model whose chance of a sufficient answer was foreseen so, where the largest that could
    /// be asked had this one.
    pub fn record_answer(&mut self, suffices: Probability, top: Probability) {
        self.realised.record_answer(suffices, top);
    }

    /// Each target, and what came of it so far.
    pub fn target_statuses(&self) -> impl Iterator<Item = TargetStatus> {
        let UtilityTargets { quality, spend, first_token_p95 } = &self.targets;
        let spent = self.spent.map(|(_, spent)| spent);
        let kept = |target, set, realised| TargetStatus { target, set, realised };
        let quality = quality.map(|share| kept(TargetName::Quality, share, self.realised.quality()));
        let spend = spend.map(|spend| kept(TargetName::Spend, spend.amount, spent));
        let first = first_token_p95
            .map(|time| kept(TargetName::FirstToken, time.0.as_secs_f64(), self.realised.first_token_p95()));
        [quality, spend, first].into_iter().flatten()
    }

    /// How long the first token of a rung takes while so many requests are under way, in seconds; `None` before any was
    /// seen.
    pub fn first_token(&self, rung: usize, load: u32, now: f64) -> Option<f64> {
        self.waits.get(rung)?.at(load, now).wait
    }

    /// Brings the weights up to date; worth doing about once a second. `period` is the one of the spend target.
    pub fn step(&mut self, now: f64, period: Option<SpendWindow>) {
        let passed = self.at.map_or(0.0, |at| (now - at).max(0.0));
        self.at = Some(now);
        self.arrivals.pass(passed);
        let Some(wanted) = self.wanted(now, period) else { return };
        let near = match self.weights {
            None => 1.0,
            Some(_) => 1.0 - crate::scoring::numbers::exp(-passed / LAG_SECONDS),
        };
        let from = self.weights.unwrap_or(wanted);
        let scale = self.window.scale();
        let lag = |from: f64, to: f64, nothing: f64| {
            let next = from + (to - from) * near;
            if to == 0.0 && next < nothing { 0.0 } else { next }
        };
        self.weights = Some(UtilityWeights {
            quality: lag(from.quality, wanted.quality, NOTHING),
            cost: lag(from.cost, wanted.cost, NOTHING * scale),
            latency: lag(from.latency, wanted.latency, NOTHING),
        });
    }

    /// The weights that would do for recent requests. Each is found with those before it in place; the last one holds
    /// whatever the others want.
    fn wanted(&mut self, now: f64, period: Option<SpendWindow>) -> Option<UtilityWeights> {
        if self.window.is_empty() {
            return None;
        }
        let scale = self.window.scale();
        let thrifty = self.targets.quality.is_some() && self.floors.cost == 0.0;
        let mut weights = UtilityWeights {
            quality: if self.targets.quality.is_some() { 0.0 } else { 1.0 },
            cost: if thrifty { scale } else { self.floors.cost },
            latency: self.floors.latency,
        };
        weights.quality = self.quality(weights);
        if self.targets.first_token_p95.is_some() {
            weights.latency = self.latency(weights, now);
            weights.quality = self.quality(weights);
        }
        weights.cost = self.cost(weights, now, period, scale);
        Some(weights)
    }

    /// The smallest weight of quality that reaches its target.
    fn quality(&self, weights: UtilityWeights) -> f64 {
        let Some(share) = self.targets.quality else { return weights.quality };
        let reached =
            |quality| self.window.mean(UtilityWeights { quality, ..weights }, |offer, _| offer.suffices);
        least(0.0, 1.0, share * self.window.top(), |quality| -reached(quality), -1.0)
    }

    /// The smallest weight of time at which few enough streams are late.
    fn latency(&self, weights: UtilityWeights, now: f64) -> f64 {
        let expected: Vec<_> = self.waits.iter().map(|waits| waits.expected(now)).collect();
        let late = |latency| {
            self.window.mean(UtilityWeights { latency, ..weights }, |offer, rung| {
                expected.get(rung).map_or(0.0, |expected| expected[waits::level(offer.load)].late)
            })
        };
        least(weights.latency, 1.0, self.aim, late, 1.0)
    }

    /// The smallest weight of money that keeps to the spend that is left.
    fn cost(&mut self, weights: UtilityWeights, now: f64, period: Option<SpendWindow>, scale: f64) -> f64 {
        let (Some(spend), Some(period)) = (self.targets.spend, period) else { return weights.cost };
        let length = (period.ends - period.begins).max(1.0);
        let spent = match self.spent {
            Some((begins, spent)) if begins == period.begins => spent,
            // What was spent before anybody looked is not known: the period is taken to have gone to plan so far.
            None => spend.amount * ((now - period.begins) / length).clamp(0.0, 1.0),
            Some(_) => 0.0,
        };
        self.spent = Some((period.begins, spent));
        let left = (period.ends - now).max(length * LAST_SHARE);
        let rate = self.arrivals.rate();
        if rate <= 0.0 {
            return weights.cost;
        }
        let each = (spend.amount - spent).max(0.0) / left / rate / self.ratio();
        let cost = |cost| self.window.mean(UtilityWeights { cost, ..weights }, |offer, _| offer.cost);
        least(weights.cost, scale, each, cost, 1.0)
    }

    /// What is paid for each unit foreseen.
    fn ratio(&self) -> f64 {
        if self.foreseen <= 0.0 || self.paid <= 0.0 {
            return 1.0;
        }
        (self.paid / self.foreseen).clamp(*RATIO.start(), *RATIO.end())
    }
}

#[cfg(test)]
mod tests;
