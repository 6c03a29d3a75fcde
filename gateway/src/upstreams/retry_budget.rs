//! How many retries a model's requests may cause.
//!
//! Two purses, so that retries in any stretch of time stay within a bound that is simple to say: a fifth of the requests
//! in it, one for each of its seconds, and what the purses held at its beginning. tower's `TpsBudget` promises nearly the
//! same, but where requests come all the time it lets go of two of its ten slots whenever one is over, so that its floor
//! is there anew after 5 s instead of 10.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many requests earn one retry: retries are 20 % of traffic.
const REQUESTS_A_RETRY: u32 = 5;
/// The most retries that requests can have earned: what a sudden outage of a busy model may cost at once.
const MOST_EARNED: u32 = 100;
/// Time earns a retry too, so that a model with little traffic has some …
const A_RETRY: Duration = Duration::from_secs(1);
/// … and at most ten of them: this long.
const LONGEST_SAVED: Duration = Duration::from_secs(10);

/// A model's retry budget.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests that have not been spent on a retry.
    requests: u32,
    /// Time that has not, as it was …
    saved: Duration,
    /// … at this moment.
    at: Instant,
}

impl RetryBudget {
    /// With its floor full, and nothing earned.
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(State { requests: 0, saved: LONGEST_SAVED, at: now }))
    }

    /// A request has come.
    pub(super) fn deposit(&self) {
        let mut state = self.state();
        state.requests = (state.requests + 1).min(MOST_EARNED * REQUESTS_A_RETRY);
    }

    /// Takes one retry, of those that requests have earned before those that time has; `false` if there is none.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        let mut state = self.state();
        if let Some(left) = state.requests.checked_sub(REQUESTS_A_RETRY) {
            state.requests = left;
            return true;
        }
        state.saved = (state.saved + now.saturating_duration_since(state.at)).min(LONGEST_SAVED);
        state.at = state.at.max(now);
        let left = state.saved.checked_sub(A_RETRY);
        state.saved = left.unwrap_or(state.saved);
        left.is_some()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is whole at every point, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests that all fail and would all be retried three times, one each `pause`.
    fn retries(requests: u32, pause: Duration) -> u32 {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
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
        let budget = RetryBudget::new(start);
        (0..1_000_000).for_each(|_| budget.deposit());
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| budget.withdraw(later)).count(), 110);
        assert!(budget.withdraw(later + A_RETRY) && !budget.withdraw(later + A_RETRY));
    }
}
