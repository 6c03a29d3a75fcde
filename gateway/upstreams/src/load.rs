//! How busy an endpoint is: what the choice between endpoints goes by.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How fast a slow moment is forgotten: the time after which its weight has fallen to 1/e. Finagle's default.
const DECAY: Duration = Duration::from_secs(10);
/// What an endpoint that was never asked is taken for.
const UNKNOWN: f64 = 0.001;

/// Peak-sensitive moving average of the time to first token, and requests in flight.
#[derive(Debug, Default)]
pub(super) struct PeakEwma {
    in_flight: AtomicU32,
    first_token: Mutex<DecayingAverage>,
}

#[derive(Debug, Default)]
struct DecayingAverage {
    seconds: f64,
    at: Option<Instant>,
    /// A rate limit makes the endpoint look slow until then.
    slow_until: Option<Instant>,
}

impl PeakEwma {
    /// The cost of sending one more request there, in seconds: average × (in flight + 1).
    pub(super) fn cost(&self, now: Instant) -> f64 {
        let waiting = f64::from(self.in_flight()) + 1.0;
        let average = self.average();
        let decayed = average.at.map_or(UNKNOWN, |at| average.seconds * weight(now.duration_since(at)));
        let penalty =
            average.slow_until.map_or(0.0, |until| until.saturating_duration_since(now).as_secs_f64());
        (decayed.max(UNKNOWN) + penalty) * waiting
    }

    /// The first token took so long. A rise counts at once, a fall little by little.
    pub(super) fn saw(&self, now: Instant, first_token: Duration) {
        let mut average = self.average();
        let seconds = first_token.as_secs_f64();
        let old = average.at.map_or(0.0, |at| weight(now.duration_since(at)));
        average.seconds =
            if seconds > average.seconds { seconds } else { average.seconds * old + seconds * (1.0 - old) };
        average.at = Some(now);
    }

    /// The endpoint asks to be left alone for so long.
    pub(super) fn asked_to_wait(&self, now: Instant, wait: Duration) {
        self.average().slow_until = Some(now + wait);
    }

    /// Requests sent there that are not over.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A request is sent there.
    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request sent there is over.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    fn average(&self) -> std::sync::MutexGuard<'_, DecayingAverage> {
        // The average is whole at every point, so a poisoned lock is still good.
        self.first_token.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn weight(age: Duration) -> f64 {
    (-age.as_secs_f64() / DECAY.as_secs_f64()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_moment_counts_at_once_and_fades() {
        let (load, now) = (PeakEwma::default(), Instant::now());
        let fresh = load.cost(now);
        load.saw(now, Duration::from_millis(100));
        load.saw(now, Duration::from_secs(2));
        assert!((load.cost(now) - 2.0).abs() < 1e-9);
        assert!(load.cost(now + Duration::from_secs(10)) < 0.8);
        assert!(load.cost(now + Duration::from_secs(1000)) <= fresh);
    }

    #[tokio::test]
    async fn requests_in_flight_and_a_rate_limit_add_up() {
        let (load, now) = (PeakEwma::default(), Instant::now());
        load.saw(now, Duration::from_secs(1));
        load.enter();
        assert!((load.cost(now) - 2.0).abs() < 1e-9);
        load.leave();
        load.asked_to_wait(now, Duration::from_secs(3));
        assert!((load.cost(now) - 4.0).abs() < 1e-9);
        assert!(load.cost(now + Duration::from_secs(3)) < 1.0);
    }
}
