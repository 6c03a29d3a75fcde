//! Leaves an endpoint alone that fails again and again, and finds out when it is well.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that eject.
const FAILURES: u32 = 5;
/// The first term.
const SHORTEST: Duration = Duration::from_secs(5);
/// The longest term.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// A probe that never reported (its request was dropped) blocks the next one no longer than this.
const PROBE_LOST: Duration = Duration::from_secs(30);

/// The state of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    terms: u32,
    until: Option<Instant>,
    probing: Option<Instant>,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing to tell.
    None,
    /// The endpoint is left alone for so long.
    Ejected(Duration),
    /// The endpoint is in use again.
    Recovered,
}

impl Breaker {
    /// Whether a request may go there now. While ejected, none; after the term, exactly one at a time.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let state = self.state();
        match state.until {
            None => true,
            Some(until) => now >= until && state.probing.is_none_or(|since| now >= since + PROBE_LOST),
        }
    }

    /// Claims the place of a request; `false` if another took the only one since [`Breaker::admits`].
    pub(super) fn enter(&self, now: Instant) -> bool {
        let mut state = self.state();
        let Some(until) = state.until else { return true };
        if now < until || state.probing.is_some_and(|since| now < since + PROBE_LOST) {
            return false;
        }
        state.probing = Some(now);
        true
    }

    /// A request went well.
    pub(super) fn succeeded(&self) -> Change {
        let mut state = self.state();
        let was_out = state.until.is_some();
        *state = State::default();
        if was_out { Change::Recovered } else { Change::None }
    }

    /// A request failed by the endpoint's fault. `jitter` in 0..1 spreads the ends of terms by ±20 %.
    pub(super) fn failed(&self, now: Instant, jitter: f64) -> Change {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let probed = state.probing.take().is_some();
        let again = probed || (state.until.is_none() && state.failures >= FAILURES);
        if !again {
            return Change::None;
        }
        let term = SHORTEST.saturating_mul(1 << state.terms.min(10)).min(LONGEST).mul_f64(0.8 + 0.4 * jitter);
        state.terms += 1;
        state.until = Some(now + term);
        Change::Ejected(term)
    }

    /// A request ended in a way that says nothing about the endpoint: a probe's place is free again.
    pub(super) fn undecided(&self) {
        self.state().probing = None;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is whole at every point, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Instant, times: u32) -> Change {
        (0..times).map(|_| breaker.failed(now, 0.5)).last().unwrap_or(Change::None)
    }

    #[tokio::test]
    async fn five_failures_in_a_row_eject() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert_eq!(fail(&breaker, now, 4), Change::None);
        assert_eq!(breaker.succeeded(), Change::None);
        assert_eq!(fail(&breaker, now, 4), Change::None);
        assert!(breaker.admits(now));
        assert_eq!(fail(&breaker, now, 1), Change::Ejected(Duration::from_secs(5)));
        assert!(!breaker.admits(now + Duration::from_millis(4999)));
        assert!(breaker.admits(now + Duration::from_secs(5)));
    }

    #[tokio::test]
    async fn one_probe_at_a_time_and_terms_double() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, 5);
        for term in [5, 10, 20, 40, 80, 160, 300, 300] {
            now += Duration::from_secs(term);
            assert!(breaker.enter(now), "after {term} s");
            assert!(!breaker.enter(now) && !breaker.admits(now), "a second probe after {term} s");
            breaker.failed(now, 0.5);
        }
        now += Duration::from_secs(300);
        assert!(breaker.enter(now));
        assert_eq!(breaker.succeeded(), Change::Recovered);
        assert!(breaker.enter(now) && breaker.enter(now));
    }

    #[tokio::test]
    async fn a_lost_or_undecided_probe_frees_its_place() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, 5);
        now += Duration::from_secs(5);
        assert!(breaker.enter(now));
        assert!(breaker.enter(now + PROBE_LOST));
        breaker.undecided();
        assert!(breaker.enter(now + PROBE_LOST));
    }

    #[tokio::test]
    async fn late_failures_of_requests_under_way_do_not_lengthen_a_term() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, 5);
        assert_eq!(fail(&breaker, now, 20), Change::None);
        assert!(breaker.admits(now + Duration::from_secs(5)));
    }
}
