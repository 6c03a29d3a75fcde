//! How many extra attempts requests may cause: retries, hedges, escalations.
//!
//! Two purses, so that what is spent in any stretch of time stays within a bound that is simple to say: a share of the
//! requests in it, what its seconds earn, and what the purses held at its beginning. tower's `TpsBudget` promises nearly
//! the same, but where requests come all the time it lets go of two of its ten slots whenever one is over, so that its
//! floor is there anew after 5 s instead of 10.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What an allowance grows by, and how far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudgetConfig {
    /// Each request earns so many thousandths of one.
    pub thousandths: u32,
    /// The most that requests can have earned: what a sudden outage may cost at once.
    pub burst: u32,
    /// So much time earns one too; zero: time earns none.
    pub refill_interval: Duration,
    /// The most that time can have earned, and what there is at the beginning.
    pub min_tokens: u32,
}

/// In thousandths.
const ONE: u32 = 1000;

/// What may still be spent.
#[derive(Debug)]
pub struct RetryBudget {
    terms: RetryBudgetConfig,
    state: Mutex<BucketState>,
}

#[derive(Debug)]
struct BucketState {
    /// Thousandths that requests have earned and that have not been spent.
    earned: u32,
    /// Time that has not, as it was …
    saved: Duration,
    /// … at this moment.
    at: Instant,
}

impl RetryBudget {
    /// With its floor full, and nothing earned by requests.
    #[inline]
    pub fn new(terms: RetryBudgetConfig, now: Instant) -> Self {
        let state = BucketState { earned: 0, saved: terms.refill_interval * terms.min_tokens, at: now };
        Self { terms, state: Mutex::new(state) }
    }

    /// A request has come.
    #[inline]
    pub fn deposit(&self) {
        let mut state = self.state();
        let most = self.terms.burst.saturating_mul(ONE);
        state.earned = state.earned.saturating_add(self.terms.thousandths).min(most);
    }

    /// Takes one, of those that requests have earned before those that time has; `false` if there is none.
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.state();
        if let Some(left) = state.earned.checked_sub(ONE) {
            state.earned = left;
            return true;
        }
        let Some(left) = self.saved(&mut state, now) else { return false };
        state.saved = left;
        true
    }

    /// Whether there is one to take.
    pub fn has_one(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.earned >= ONE || self.saved(&mut state, now).is_some()
    }

    /// The time that is left once it has paid for one, if it can.
    fn saved(&self, state: &mut BucketState, now: Instant) -> Option<Duration> {
        let RetryBudgetConfig { refill_interval: each, min_tokens: floor, .. } = self.terms;
        if each.is_zero() {
            return None;
        }
        state.saved = (state.saved + now.saturating_duration_since(state.at)).min(each * floor);
        state.at = state.at.max(now);
        state.saved.checked_sub(each)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, BucketState> {
        // The state is whole at every point, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: RetryBudgetConfig = RetryBudgetConfig {
        thousandths: 200,
        burst: 100,
        refill_interval: Duration::from_secs(1),
        min_tokens: 10,
    };

    /// Requests that all fail and would all be retried three times, one each `pause`.
    fn retries(requests: u32, pause: Duration) -> u32 {
        let start = Instant::now();
        let budget = RetryBudget::new(RETRIES, start);
        let tries = (0..requests).flat_map(|n| {
            budget.deposit();
            let now = start + pause * n;
            let budget = &budget;
            (0..3).map(move |_| u32::from(budget.withdraw(now)))
        });
        tries.sum()
    }

    #[tokio::test]
    async fn a_fifth_and_ten_in_ten_seconds() {
        for (requests, pause, time) in [(2_000, 41, 82), (10_000, 1, 10), (2_000, 0, 0)] {
            let (most, pause) = (requests / 5 + 10 + time, Duration::from_millis(pause));
            let retries = retries(requests, pause);
            assert!(retries <= most && retries + 1 >= most, "{retries} of {most} in {time} s");
        }
        // One request a minute is retried as often as it may be.
        assert_eq!(retries(100, Duration::from_secs(60)), 300);
    }

    #[tokio::test]
    async fn what_can_be_saved_is_bounded() {
        let start = Instant::now();
        let budget = RetryBudget::new(RETRIES, start);
        (0..1_000_000).for_each(|_| budget.deposit());
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..1000).take_while(|_| budget.has_one(later) && budget.withdraw(later)).count(), 110);
        assert!(!budget.has_one(later) && !budget.withdraw(later));
        assert!(
            budget.withdraw(later + RETRIES.refill_interval)
                && !budget.withdraw(later + RETRIES.refill_interval)
        );
    }
}
