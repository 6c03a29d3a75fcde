//! Leaves an endpoint alone that fails again and again, and finds out when it is well.
//!
//! Two things are wanted that do not go together by themselves: an endpoint that stays broken is to be left alone for
//! longer and longer, up to 5 minutes, and one that has recovered is to be in use again within 10 seconds. What a request
//! risks by asking too early decides between them:
//!
//! - **An endpoint that answers, if only with errors**, costs a request that asks it a round trip, and no money. So one
//!   request is let through every 7 s (±20 %), however long the term; the others go elsewhere.
//! - **An endpoint that does not answer** (no connection, silence, cut off) may cost a request its patience and the money
//!   for a prompt. No request is spent on it within its term. It is asked in the background instead, every 2.5 s, whether
//!   it answers HTTP at all: `GET …/models`, which no provider bills. If it does, the term is over.
//! - **An endpoint that answers that question but not a request** has led us on. Each time that happens, the background
//!   answer counts for nothing until twice as long after the ejection: 5 s, 10 s, … up to the term itself. Meanwhile it is
//!   asked for one word every 7 s or so, as a request of our own: some twenty tokens each time, if it bills what it does not
//!   answer. If it speaks, the term is over.
//! - **An endpoint that says a word and is mute to requests** is believed less and less in the same manner. It alone can be
//!   well for longer than 10 s, and up to 5 min, before it is in use again.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that eject.
const FAILURES: u32 = 5;
/// The first term.
const SHORTEST: Duration = Duration::from_secs(5);
/// The longest term.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// How often one request may try an endpoint that answers.
const TRY_EVERY: Duration = Duration::from_secs(7);
/// How often an endpoint that does not answer is asked in the background whether it does.
pub(super) const CHECK_EVERY: Duration = Duration::from_millis(2500);
/// How often it is asked for a word, where it has led us on.
const WORD_EVERY: Duration = Duration::from_secs(7);
/// A probe that never reported (its request was dropped) blocks the next one no longer than this.
const PROBE_LOST: Duration = Duration::from_secs(30);

/// The state of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<BreakerState>);

#[derive(Debug, Default)]
struct BreakerState {
    failures: u32,
    terms: u32,
    out: Option<Ejection>,
    probing: Option<Instant>,
    /// How often a background answer was followed by a failure.
    led_on: u32,
    /// How often a word was.
    belied: u32,
    /// When it was last asked for a word.
    word: Option<Instant>,
}

/// An endpoint that is left alone.
#[derive(Debug, Clone, Copy)]
struct Ejection {
    since: Instant,
    until: Instant,
    /// It fails without an answer.
    mute: bool,
    /// It has answered in the background, and its term is over for that.
    answered: bool,
    /// It has said a word, and its term is over for that.
    spoke: bool,
}

/// How a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// With an answer, which is an error.
    Answered,
    /// Without an answer, or within one.
    Mute,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BreakerTransition {
    /// Nothing to tell.
    None,
    /// The endpoint is left alone from now on.
    Ejected,
    /// The endpoint is in use again.
    Recovered,
}

impl Breaker {
    /// Whether a request may go there now. While ejected, none; after the term, exactly one at a time.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.state().admits(now)
    }

    /// How long it is until a request may go there, as far as is known: until its term ends, or until a probe has told.
    pub(super) fn opens_in(&self, now: Instant) -> Duration {
        let state = self.state();
        match state.out {
            Some(out) if !state.admits(now) => out.until.saturating_duration_since(now),
            _ => Duration::ZERO,
        }
    }

    /// Claims the place of a request; `false` if another took the only one since [`Breaker::admits`].
    pub(super) fn enter(&self, now: Instant) -> bool {
        let mut state = self.state();
        let admits = state.admits(now);
        if admits && state.out.is_some() {
            state.probing = Some(now);
        }
        admits
    }

    /// A request went well.
    pub(super) fn succeeded(&self) -> BreakerTransition {
        let mut state = self.state();
        let was_out = state.out.is_some();
        *state = BreakerState::default();
        if was_out { BreakerTransition::Recovered } else { BreakerTransition::None }
    }

    /// A request failed by the endpoint's fault. `jitter` in 0..1 spreads the ends of terms by ±20 %.
    pub(super) fn failed(&self, now: Instant, manner: FailureKind, jitter: f64) -> BreakerTransition {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let probed = state.probing.take().is_some();
        let before = state.out;
        // A late failure of a request that was under way does not lengthen a term.
        if !probed && (before.is_some() || state.failures < FAILURES) {
            return BreakerTransition::None;
        }
        let mute = manner == FailureKind::Mute;
        state.led_on += u32::from(mute && before.is_some_and(|out| out.answered));
        state.belied += u32::from(mute && before.is_some_and(|out| out.spoke));
        let term = doubled(SHORTEST, state.terms).min(LONGEST);
        let term = if mute { term } else { term.min(TRY_EVERY) };
        state.terms += 1;
        let until = now + term.mul_f64(0.8 + 0.4 * jitter);
        state.out = Some(Ejection { since: now, until, mute, answered: false, spoke: false });
        if before.is_none() { BreakerTransition::Ejected } else { BreakerTransition::None }
    }

    /// A request ended in a way that says nothing about the endpoint: a probe's place is free again.
    pub(super) fn undecided(&self) {
        self.state().probing = None;
    }

    /// Whether the endpoint should be asked in the background now; `None` once it is in use.
    pub(super) fn wants_check(&self) -> Option<bool> {
        let state = self.state();
        state.out.map(|out| out.mute && !out.answered && !out.spoke && state.probing.is_none())
    }

    /// The endpoint has answered in the background.
    pub(super) fn answered(&self, now: Instant) {
        let mut state = self.state();
        let led_on = state.led_on;
        let Some(out) = state.out.as_mut().filter(|out| out.mute) else { return };
        let doubt = led_on.checked_sub(1).map_or(Duration::ZERO, |times| doubled(SHORTEST, times));
        if now >= out.since + doubt {
            out.answered = true;
        }
    }

    /// Whether it should be asked for a word now, which then counts as asked for.
    pub(super) fn wants_probe(&self, now: Instant) -> bool {
        let mut state = self.state();
        let out = state.out.is_some_and(|out| out.mute && !out.answered && !out.spoke);
        let due = state.word.is_none_or(|at| now >= at + WORD_EVERY);
        let wanted = out && due && state.led_on > 0 && state.probing.is_none();
        if wanted {
            state.word = Some(now);
        }
        wanted
    }

    /// The endpoint has said a word.
    pub(super) fn probe_ok(&self, now: Instant) {
        let mut state = self.state();
        let belied = state.belied;
        let Some(out) = state.out.as_mut().filter(|out| out.mute) else { return };
        let doubt = belied.checked_sub(1).map_or(Duration::ZERO, |times| doubled(SHORTEST, times));
        if now >= out.since + doubt {
            out.spoke = true;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, BreakerState> {
        // The state is whole at every point, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl BreakerState {
    fn admits(&self, now: Instant) -> bool {
        let Some(out) = self.out else { return true };
        let over = out.answered || out.spoke || now >= out.until;
        over && self.probing.is_none_or(|since| now >= since + PROBE_LOST)
    }
}

fn doubled(time: Duration, times: u32) -> Duration {
    time.saturating_mul(1 << times.min(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fail(breaker: &Breaker, now: Instant, manner: FailureKind, times: u32) -> BreakerTransition {
        (0..times).map(|_| breaker.failed(now, manner, 0.5)).last().unwrap_or(BreakerTransition::None)
    }

    #[tokio::test]
    async fn five_failures_in_a_row_eject() {
        for manner in [FailureKind::Answered, FailureKind::Mute] {
            let (breaker, now) = (Breaker::default(), Instant::now());
            assert_eq!(fail(&breaker, now, manner, 4), BreakerTransition::None);
            assert_eq!(breaker.succeeded(), BreakerTransition::None);
            assert_eq!(fail(&breaker, now, manner, 4), BreakerTransition::None);
            assert!(breaker.admits(now));
            assert_eq!(fail(&breaker, now, manner, 1), BreakerTransition::Ejected);
            assert!(!breaker.admits(now + Duration::from_millis(4999)));
            assert!(breaker.admits(now + Duration::from_secs(5)));
        }
    }

    #[tokio::test]
    async fn one_probe_at_a_time_and_terms_double() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, FailureKind::Mute, 5);
        for term in [5, 10, 20, 40, 80, 160, 300, 300] {
            assert!(!breaker.admits(now + SECOND * (term - 1)), "within {term} s");
            now += SECOND * term;
            assert!(breaker.enter(now), "after {term} s");
            assert!(!breaker.enter(now) && !breaker.admits(now), "a second probe after {term} s");
            assert_eq!(breaker.failed(now, FailureKind::Mute, 0.5), BreakerTransition::None);
        }
        now += SECOND * 300;
        assert!(breaker.enter(now));
        assert_eq!(breaker.succeeded(), BreakerTransition::Recovered);
        assert!(breaker.enter(now) && breaker.enter(now));
    }

    #[tokio::test]
    async fn an_endpoint_that_answers_is_tried_again_soon() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, FailureKind::Answered, 5);
        for term in [5, 7, 7, 7, 7, 7, 7, 7, 7] {
            assert_eq!(breaker.wants_check(), Some(false));
            now += SECOND * term;
            assert!(breaker.enter(now), "after {term} s");
            breaker.failed(now, FailureKind::Answered, 0.5);
            assert!(!breaker.admits(now + SECOND * 6));
        }
        // Once it does not answer, it has the term that it would have had.
        now += SECOND * 7;
        assert!(breaker.enter(now));
        breaker.failed(now, FailureKind::Mute, 0.5);
        assert!(!breaker.admits(now + SECOND * 299) && breaker.admits(now + SECOND * 300));
    }

    #[tokio::test]
    async fn an_answer_in_the_background_ends_a_term() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.wants_check(), None);
        fail(&breaker, now, FailureKind::Mute, 5);
        // It leads us on: each time the answer counts later, but never later than the term.
        for counts_after in [0, 5, 10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(breaker.wants_check(), Some(true));
            if counts_after > 0 && counts_after < 300 {
                breaker.answered(now + SECOND * (counts_after - 1));
                assert!(!breaker.admits(now + SECOND * (counts_after - 1)), "before {counts_after} s");
            }
            now += SECOND * counts_after;
            breaker.answered(now);
            assert!(breaker.enter(now), "after {counts_after} s");
            assert_eq!(breaker.wants_check(), Some(false), "a request is under way");
            breaker.failed(now, FailureKind::Mute, 0.5);
        }
        breaker.answered(now + SECOND * 300);
        assert!(breaker.enter(now + SECOND * 300));
        assert_eq!(breaker.succeeded(), BreakerTransition::Recovered);
        assert_eq!(breaker.wants_check(), None);
    }

    #[tokio::test]
    async fn a_word_ends_the_term_of_one_that_led_us_on() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, FailureKind::Mute, 5);
        assert!(!breaker.wants_probe(now), "it has not led us on");
        breaker.answered(now);
        assert!(breaker.enter(now));
        breaker.failed(now, FailureKind::Mute, 0.5);
        assert!(breaker.wants_probe(now) && !breaker.wants_probe(now + SECOND * 6));
        // A word that is belied counts later each time, but never later than the term.
        for counts_after in [0, 5, 10, 20, 40, 80, 160] {
            if counts_after > 0 {
                breaker.probe_ok(now + SECOND * (counts_after - 1));
                assert!(!breaker.admits(now + SECOND * (counts_after - 1)), "before {counts_after} s");
            }
            now += SECOND * counts_after;
            breaker.probe_ok(now);
            assert!(breaker.enter(now), "after {counts_after} s");
            assert!(!breaker.wants_probe(now + WORD_EVERY), "a request is under way");
            breaker.failed(now, FailureKind::Mute, 0.5);
        }
        assert!(breaker.wants_probe(now + WORD_EVERY));
        breaker.probe_ok(now + SECOND * 300);
        assert!(breaker.enter(now + SECOND * 300));
        assert_eq!(breaker.succeeded(), BreakerTransition::Recovered);
        assert!(!breaker.wants_probe(now + SECOND * 400));
    }

    #[tokio::test]
    async fn a_lost_or_undecided_probe_frees_its_place() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, FailureKind::Mute, 5);
        now += Duration::from_secs(5);
        assert!(breaker.enter(now));
        assert!(breaker.enter(now + PROBE_LOST));
        breaker.undecided();
        assert!(breaker.enter(now + PROBE_LOST));
    }

    #[tokio::test]
    async fn late_failures_of_requests_under_way_do_not_lengthen_a_term() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        fail(&breaker, now, FailureKind::Mute, 5);
        assert_eq!(fail(&breaker, now, FailureKind::Mute, 20), BreakerTransition::None);
        assert!(breaker.admits(now + Duration::from_secs(5)));
    }

    #[tokio::test]
    async fn jitter_spreads_the_ends_of_terms() {
        for (jitter, seconds) in [(0.0, 4), (0.5, 5), (1.0, 6)] {
            let (breaker, now) = (Breaker::default(), Instant::now());
            for _ in 0..5 {
                breaker.failed(now, FailureKind::Mute, jitter);
            }
            assert!(!breaker.admits(now + SECOND * seconds - SECOND / 100));
            assert!(breaker.admits(now + SECOND * seconds + SECOND / 100));
        }
    }
}
