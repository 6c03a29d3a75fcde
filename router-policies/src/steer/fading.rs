//! Counts that forget.

use crate::numbers::exp;

/// A rate over the recent past, without a bias while there is little of it.
#[derive(Debug, Clone)]
pub(super) struct Fading {
    memory: f64,
    counted: f64,
    seconds: f64,
    /// Counted since time last passed.
    fresh: f64,
}

impl Fading {
    /// One that looks back about so many seconds.
    pub(super) fn new(memory: f64) -> Self {
        Self { memory, counted: 0.0, seconds: 0.0, fresh: 0.0 }
    }

    pub(super) fn count(&mut self, amount: f64) {
        self.fresh += amount;
    }

    /// So many seconds have passed, in which what is fresh was counted.
    pub(super) fn pass(&mut self, seconds: f64) {
        let keep = exp(-seconds / self.memory);
        self.counted = self.counted * keep + self.fresh;
        self.seconds = self.seconds * keep + seconds;
        self.fresh = 0.0;
    }

    /// Per second; 0 before any time has passed.
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.counted / self.seconds } else { 0.0 }
    }
}

/// How long a late first token is held against a model, in seconds. When it has faded, requests try the model again.
const LATE_SECONDS: f64 = 60.0;
/// First tokens in time that every model is credited with.
const CREDIT: f64 = 2.0;
/// More first tokens than this say no more.
const MOST: f64 = 200.0;

/// How often a model's first tokens come late.
#[derive(Debug, Clone, Default)]
pub(super) struct Late {
    late: f64,
    all: f64,
    at: f64,
}

impl Late {
    pub(super) fn saw(&mut self, late: bool, now: f64) {
        self.fade(now);
        let keep = if self.all >= MOST { 1.0 - 1.0 / MOST } else { 1.0 };
        self.late = self.late * keep + f64::from(u8::from(late));
        self.all = self.all * keep + 1.0;
    }

    /// The chance that its next one is late.
    pub(super) fn chance(&mut self, now: f64) -> f64 {
        self.fade(now);
        self.late / (self.all + CREDIT)
    }

    fn fade(&mut self, now: f64) {
        let keep = exp(-(now - self.at).max(0.0) / LATE_SECONDS);
        self.at = now;
        self.late *= keep;
        self.all *= keep;
    }
}
