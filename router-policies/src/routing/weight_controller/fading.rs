//! Counts that forget.

use crate::scoring::numbers::exp;

/// A rate is looked back on for at least so many seconds, …
const LEAST_SECONDS: f64 = 20.0;
/// … in which so many requests came, or their chance would pass for a change, …
const REQUESTS: f64 = 40.0;
/// … and at most for so many.
const MOST_SECONDS: f64 = 600.0;

/// The rate of requests over the recent past, without a bias while there is little of it.
#[derive(Debug, Clone, Default)]
pub(super) struct ArrivalRate {
    counted: f64,
    seconds: f64,
    /// Counted since time last passed.
    fresh: f64,
}

impl ArrivalRate {
    pub(super) fn count(&mut self) {
        self.fresh += 1.0;
    }

    /// So many seconds have passed, in which what is fresh was counted.
    pub(super) fn pass(&mut self, seconds: f64) {
        // Whatever came is forgotten by what comes, so that a night without anybody is soon made up for.
        let fade = (self.fresh / REQUESTS).clamp(seconds / MOST_SECONDS, seconds / LEAST_SECONDS);
        let keep = exp(-fade);
        // What is fresh came evenly, and has begun to fade as well.
        let here = if fade > 0.0 { (1.0 - keep) / fade } else { 1.0 };
        self.counted = self.counted * keep + self.fresh * here;
        self.seconds = self.seconds * keep + seconds * here;
        self.fresh = 0.0;
    }

    /// Per second; 0 before any time has passed.
    pub(super) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.counted / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::random::SplitMix64;

    /// Requests at random, in steps of a second at least; what the rate was taken to be at each.
    fn rates(arrivals: &mut ArrivalRate, rate: f64, seconds: usize, draws: &mut SplitMix64) -> Vec<f64> {
        let (mut next, mut passed, mut rates) = (0.0, 0.0, Vec::new());
        for second in 1..=seconds {
            let now = second as f64;
            let mut came = 0;
            while next < now {
                next -= crate::scoring::numbers::ln(1.0 - draws.uniform()) / rate;
                came += 1;
            }
            (0..came).for_each(|_| arrivals.count());
            // Nobody looks while nobody asks.
            if came > 0 {
                arrivals.pass(now - passed);
                passed = now;
                rates.push(arrivals.rate());
            }
        }
        rates
    }

    #[test]
    fn a_quiet_route_is_not_taken_for_a_quieter_one() {
        let mut draws = SplitMix64(3);
        for rate in [0.1, 0.5, 5.0] {
            let rates = rates(&mut ArrivalRate::default(), rate, 40_000, &mut draws);
            let times: f64 = rates[50..].iter().map(|rate| 1.0 / rate).sum();
            let bias = times / rates[50..].len() as f64 * rate;
            assert!((0.95..1.05).contains(&bias), "{bias} at {rate}");
        }
    }

    #[test]
    fn a_step_is_followed_within_a_minute_or_the_time_of_as_many_requests() {
        let (mut arrivals, mut draws) = (ArrivalRate::default(), SplitMix64(5));
        rates(&mut arrivals, 1.0, 1000, &mut draws);
        let up = rates(&mut arrivals, 3.0, 60, &mut draws);
        assert!(up.last().unwrap() > &2.2, "{up:?}");
        let down = rates(&mut arrivals, 1.0, 120, &mut draws);
        assert!(down.last().unwrap() < &1.5, "{down:?}");
        // After a night without anybody.
        arrivals.count();
        arrivals.pass(40_000.0);
        assert!(arrivals.rate() < 0.01, "{}", arrivals.rate());
        let again = rates(&mut arrivals, 1.0, 200, &mut draws);
        assert!(again.last().unwrap() > &0.7, "{again:?}");
    }
}
