//! How long a model's first tokens take, by how many requests it has under way.
//!
//! A queue shows in what is under way at once, and in first tokens only when they are late. So each first token teaches
//! what such a load comes to, and a request is weighed by the load that it meets.

use crate::scoring::numbers::exp;

/// How long a first token is remembered, in seconds. When it has faded, requests try the model at that load again.
const MEMORY_SECONDS: f64 = 120.0;
/// The same for what is said of loads that were not seen lately: as long as most outages and rushes last.
const LONG_SECONDS: f64 = 600.0;
/// First tokens that a load is credited with, such as those at the load below were.
const CREDIT: f64 = 2.0;
/// More first tokens than this say no more.
const MOST: f64 = 200.0;
/// Loads up to this one are told apart; those above by fifths, up to ten thousand or so.
const EXACT: u32 = 8;
const LEVELS: usize = EXACT as usize + 41;

/// What is expected at a load.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ExpectedWait {
    /// The chance that a first token is late.
    pub(super) late: f64,
    /// Seconds until it; `None` before any was seen.
    pub(super) wait: Option<f64>,
}

/// First tokens at one load.
#[derive(Debug, Clone, Copy, Default)]
struct LoadLevel {
    late: f64,
    seconds: f64,
    all: f64,
    at: f64,
}

/// A model's first tokens.
#[derive(Debug, Clone)]
pub(super) struct LatencyModel {
    levels: [LoadLevel; LEVELS],
    /// At any load.
    all: LoadLevel,
}

impl Default for LatencyModel {
    fn default() -> Self {
        Self { levels: [LoadLevel::default(); LEVELS], all: LoadLevel::default() }
    }
}

impl LatencyModel {
    /// A first token came after so many seconds, of a request that found so many others under way.
    pub(super) fn saw(&mut self, load: u32, seconds: f64, late: bool, now: f64) {
        self.levels[level(load)].saw(seconds, late, now, MEMORY_SECONDS);
        self.all.saw(seconds, late, now, LONG_SECONDS);
    }

    /// What is expected at each level of load, from none.
    pub(super) fn expected(&self, now: f64) -> [ExpectedWait; LEVELS] {
        let mut here = self.anywhere(now);
        self.levels.map(|level| {
            here = level.after(here, now, MEMORY_SECONDS);
            here
        })
    }

    /// What is expected at a load.
    pub(super) fn at(&self, load: u32, now: f64) -> ExpectedWait {
        let up_to_here = self.levels.iter().take(level(load) + 1);
        up_to_here.fold(self.anywhere(now), |below, level| level.after(below, now, MEMORY_SECONDS))
    }

    fn anywhere(&self, now: f64) -> ExpectedWait {
        self.all.after(ExpectedWait::default(), now, LONG_SECONDS)
    }
}

impl LoadLevel {
    fn saw(&mut self, seconds: f64, late: bool, now: f64, memory: f64) {
        let keep = self.keep(now, memory) * if self.all >= MOST { 1.0 - 1.0 / MOST } else { 1.0 };
        self.late = self.late * keep + f64::from(u8::from(late));
        self.seconds = self.seconds * keep + seconds;
        self.all = self.all * keep + 1.0;
        self.at = now;
    }

    /// What is expected here, where this is expected below.
    fn after(&self, below: ExpectedWait, now: f64, memory: f64) -> ExpectedWait {
        if self.all == 0.0 {
            return below;
        }
        let keep = self.keep(now, memory);
        let (all, late, seconds) = (self.all * keep, self.late * keep, self.seconds * keep);
        let wait = match below.wait {
            Some(below) => (seconds + CREDIT * below) / (all + CREDIT),
            None => self.seconds / self.all,
        };
        ExpectedWait { late: (late + CREDIT * below.late) / (all + CREDIT), wait: Some(wait) }
    }

    /// What is left of what was seen.
    fn keep(&self, now: f64, memory: f64) -> f64 {
        exp(-(now - self.at).max(0.0) / memory)
    }
}

/// The level of a load.
pub(super) fn level(load: u32) -> usize {
    if load <= EXACT {
        return load as usize;
    }
    // Four levels to each doubling: the exponent and the next two bits.
    let octave = load.ilog2();
    let quarter = (load >> (octave - 2)) & 3;
    let above = (octave - EXACT.ilog2()) * 4 + quarter;
    ((EXACT + above) as usize).min(LEVELS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_fall_into_levels() {
        let check = |load: u32, expected: usize| assert_eq!(level(load), expected, "{load}");
        check(0, 0);
        check(8, 8);
        check(9, 8);
        check(10, 9);
        check(15, 11);
        check(16, 12);
        check(8191, 47);
        check(u32::MAX, LEVELS - 1);
        assert!((0..10_000).map(level).is_sorted());
    }
    #[test]
    fn a_load_is_expected_to_be_as_the_one_below_until_it_is_known() {
        let mut waits = LatencyModel::default();
        assert_eq!(waits.at(3, 0.0), ExpectedWait::default());
        (0..40).for_each(|at| waits.saw(2, 0.5, false, f64::from(at)));
        assert_eq!(waits.at(30, 40.0), ExpectedWait { late: 0.0, wait: Some(0.5) });
        (0..10).for_each(|_| waits.saw(30, 3.0, true, 40.0));
        let (low, high) = (waits.at(2, 40.0), waits.at(30, 40.0));
        assert!(low.late < 0.02 && low.wait < Some(0.7), "{low:?}");
        assert!(high.late > 0.8 && high.wait > Some(2.5), "{high:?}");
        assert_eq!(waits.expected(40.0)[level(30)], high);
        // An hour later it is worth another try.
        assert!(waits.at(30, 3640.0).late < 0.05, "{:?}", waits.at(30, 3640.0));
    }
}
