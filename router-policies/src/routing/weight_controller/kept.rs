//! What came of each target.

use crate::scoring::class_predictions::Probability;

/// Requests that are looked back on, as many as weights are found by.
const REQUESTS: usize = 256;

crate::vocabulary! {
    /// The targets of a utility policy, as the configuration names them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TargetName {
        /// The expected quality, as a share of what the largest model would reach: 0 to 1.
        Quality = "quality",
        /// What the route may spend in the period under way, in the account currency.
        Spend = "spend",
        /// The time by which 95 of 100 streams have their first token, in seconds.
        FirstToken = "first_token_p95",
    }
}

/// A target, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetStatus {
    /// Its name in the configuration.
    pub target: TargetName,
    /// What was asked for: a share of quality, an amount, or seconds.
    pub set: f64,
    /// What came of it lately, or was spent in the period under way; `None` before anything did.
    pub realised: Option<f64>,
}

/// What recent requests came to.
#[derive(Debug, Clone, Default)]
pub(super) struct RealisedTargets {
    /// What was foreseen for who answered, and for the largest that could; both fade.
    quality: (f64, f64),
    /// Seconds to first tokens; the oldest is overwritten.
    firsts: Vec<f64>,
    next: usize,
}

impl RealisedTargets {
    pub(super) fn record_answer(&mut self, suffices: Probability, top: Probability) {
        let keep = 1.0 - 1.0 / REQUESTS as f64;
        let (here, best) = self.quality;
        self.quality = (here * keep + suffices.value(), best * keep + top.value());
    }

    pub(super) fn record_first_token(&mut self, seconds: f64) {
        match self.firsts.get_mut(self.next) {
            Some(oldest) => *oldest = seconds,
            None => self.firsts.push(seconds),
        }
        self.next = (self.next + 1) % REQUESTS;
    }

    pub(super) fn quality(&self) -> Option<f64> {
        let (here, best) = self.quality;
        (best > 0.0).then(|| here / best)
    }

    /// Seconds within which 95 of 100 came.
    pub(super) fn first_token_p95(&self) -> Option<f64> {
        let mut sorted = self.firsts.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len() * 95).div_ceil(100).checked_sub(1)?;
        sorted.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_requests_count() {
        let mut realised = RealisedTargets::default();
        assert_eq!((realised.quality(), realised.first_token_p95()), (None, None));
        (0..1000).for_each(|_| realised.record_first_token(9.0));
        (1..=256).for_each(|at| realised.record_first_token(f64::from(at)));
        assert_eq!(realised.first_token_p95(), Some(244.0));
        (0..1000).for_each(|_| realised.record_answer(Probability::new(0.4), Probability::new(0.8)));
        assert!((realised.quality().unwrap() - 0.5).abs() < 1e-9);
        (0..2000).for_each(|_| realised.record_answer(Probability::new(0.8), Probability::new(0.8)));
        assert!(realised.quality().unwrap() > 0.99);
    }
}
