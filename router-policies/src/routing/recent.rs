//! Which score parts a given share of recent traffic from the rest, in constant memory.

use std::cmp::Ordering;

/// How many requests are looked back on. Short enough to follow a drift, long enough for a steady quantile.
const WINDOW: usize = 256;
/// How many requests it takes to make up for having sent too few or too many. Without this a drift would show for a
/// whole window, and equal scores would all go one way.
const MAKE_UP: f64 = 10.0;

/// The gains of a route's recent requests, and how far its choices lag behind the share asked for.
///
/// It is state, and so lives with whoever acts: one a route, asked before a decision and told of it afterwards.
#[derive(Debug, Clone)]
pub struct RecentGains {
    /// As they came: rounded, a score would lie above itself, and equal requests would all go up.
    scores: Vec<f64>,
    /// Where the next score goes.
    next: usize,
    /// Requests that should have gone up so far, less those that did.
    debt: f64,
}

impl Default for RecentGains {
    fn default() -> Self {
        Self { scores: Vec::with_capacity(WINDOW), next: 0, debt: 0.0 }
    }
}

impl RecentGains {
    /// The score above which a request is to go up, so that `share` of them do.
    pub fn cut(&self, share: f64) -> f64 {
        let wanted = share + self.debt / MAKE_UP;
        if wanted <= 0.0 {
            return f64::INFINITY;
        }
        if wanted >= 1.0 || self.scores.is_empty() {
            return f64::NEG_INFINITY;
        }
        // On the stack: this is asked of every request.
        let mut scores = [0.0; WINDOW];
        let scores = &mut scores[..self.scores.len()];
        scores.copy_from_slice(&self.scores);
        let at = ((scores.len() as f64) * (1.0 - wanted)) as usize;
        let at = at.min(scores.len() - 1);
        let (_, cut, _) =
            scores.select_nth_unstable_by(at, |one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
        *cut
    }

    /// Takes note of a request: its score, whether it went up, and the share that was asked for.
    pub fn record(&mut self, score: f64, up: bool, share: f64) {
        match self.scores.get_mut(self.next) {
            Some(oldest) => *oldest = score,
            None => self.scores.push(score),
        }
        self.next = (self.next + 1) % WINDOW;
        // What could not be helped (no rung above was able) is not made up for without end.
        self.debt = (self.debt + share - f64::from(u8::from(up))).clamp(-MAKE_UP, MAKE_UP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::random::SplitMix64;

    /// The share that goes up among requests whose scores are drawn so.
    fn realised(share: f64, count: usize, mut score: impl FnMut(usize, &mut SplitMix64) -> f64) -> f64 {
        let (mut recent, mut draws, mut ups) = (RecentGains::default(), SplitMix64(9), 0);
        for at in 0..count {
            let score = score(at, &mut draws);
            let up = score > recent.cut(share);
            recent.record(score, up, share);
            ups += usize::from(up);
        }
        ups as f64 / count as f64
    }

    #[track_caller]
    fn check(share: f64, score: impl FnMut(usize, &mut SplitMix64) -> f64) {
        let got = realised(share, 500, score);
        assert!((got - share).abs() < 0.03, "{got} instead of {share}");
    }

    #[test]
    fn realises_the_share() {
        for share in [0.0, 0.05, 0.2, 0.4, 0.5, 0.8, 0.95, 1.0] {
            check(share, |_, draws| draws.uniform());
            check(share, |_, _| 0.3);
            check(share, |at, draws| draws.uniform() + at as f64 / 100.0);
            check(share, |at, draws| draws.uniform() - at as f64 / 100.0);
            check(share, |at, draws| if at < 250 { draws.uniform() } else { 5.0 + draws.normal() });
            check(share, |at, draws| (at as f64 / 40.0).floor() % 2.0 + draws.uniform() / 10.0);
        }
    }

    #[test]
    fn sends_the_highest_scores_up() {
        let (mut recent, mut draws) = (RecentGains::default(), SplitMix64(4));
        let (mut ups, mut downs) = (Vec::new(), Vec::new());
        for _ in 0..2000 {
            let score = draws.uniform();
            let up = score > recent.cut(0.4);
            recent.record(score, up, 0.4);
            if up { ups.push(score) } else { downs.push(score) }
        }
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        // A perfect cut has means 0.8 and 0.3.
        assert!(mean(&ups) > 0.74 && mean(&downs) < 0.36, "{} {}", mean(&ups), mean(&downs));
    }

    #[test]
    fn a_score_does_not_lie_above_itself() {
        for score in [0.1, 0.2, 0.3, 1.0 / 3.0, 0.7] {
            let mut recent = RecentGains::default();
            recent.record(score, true, 0.4);
            assert_eq!(recent.cut(0.4), score);
        }
    }

    #[test]
    fn memory_is_constant() {
        let mut recent = RecentGains::default();
        (0..10_000).for_each(|at| recent.record(f64::from(at), true, 0.5));
        assert_eq!((recent.scores.len(), recent.scores.capacity()), (WINDOW, WINDOW));
    }
}
