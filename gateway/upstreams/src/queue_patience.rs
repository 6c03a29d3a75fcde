//! How long a request waits for its turn in the queue of an engine in this process, and when it had better be asked elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::attempt_error::{AttemptError, AttemptErrorKind};

/// How often a request that waits looks whether it had better be asked elsewhere.
const REVIEW_EVERY: Duration = Duration::from_millis(500);

/// What an engine in this process foresees, by what is ahead and by how fast it has been.
pub trait QueueForecast: Send + Sync {
    /// How long a request in this name would wait for its turn if it came now; zero where it would not.
    fn wait(&self, asker: &str) -> Duration;

    /// How long a request with a prompt of so many tokens takes from its turn on, until so many of its answer are written.
    fn answer(&self, prompt: u64, answer: u64) -> Duration;

    /// How long a request may wait for its turn: `timeouts.queue`.
    fn longest_wait(&self) -> Duration;
}

/// Whether a request that would wait for so long from now on had better be asked elsewhere.
pub type LeaveQueue = Arc<dyn Fn(Duration) -> bool + Send + Sync>;

/// How patient a request is.
#[derive(Clone, Default)]
pub struct QueuePatience {
    /// How long it has waited for this model before; that counts towards `timeouts.queue`.
    pub waited: Duration,
    /// `None`: it has nowhere else to go.
    pub leave: Option<LeaveQueue>,
}

impl QueuePatience {
    /// What becomes of a request that would wait for `ahead`, and may wait for `most` in all.
    ///
    /// # Errors
    /// It would wait in vain, or is better asked elsewhere.
    pub fn begin(&self, ahead: Duration, most: Duration) -> Result<(), AttemptError> {
        match ahead > most.saturating_sub(self.waited) || self.leaves(ahead) {
            true => Err(queued(AttemptErrorKind::QueueTimeout, ahead)),
            false => Ok(()),
        }
    }

    fn leaves(&self, ahead: Duration) -> bool {
        !ahead.is_zero() && self.leave.as_ref().is_some_and(|leave| leave(ahead))
    }
}

impl fmt::Debug for QueuePatience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leave = self.leave.is_some();
        f.debug_struct("QueuePatience").field("waited", &self.waited).field("leave", &leave).finish()
    }
}

/// The clock of a request that waits for its turn.
#[derive(Debug)]
pub struct QueueClock {
    turn_by: Instant,
    review_at: Instant,
    patience: QueuePatience,
}

impl QueueClock {
    /// Of one that began to wait then, and may wait for `most` in all.
    pub fn new(began: Instant, most: Duration, patience: QueuePatience) -> Self {
        // Where nothing is ahead, its turn still takes a moment.
        let left = most.saturating_sub(patience.waited).max(REVIEW_EVERY);
        Self { turn_by: began + left, review_at: began + REVIEW_EVERY, patience }
    }

    /// The latest moment for its turn.
    pub fn turn_by(&self) -> Instant {
        self.turn_by
    }

    /// When to look again.
    pub fn limit(&self) -> Instant {
        match self.patience.leave {
            Some(_) => self.turn_by.min(self.review_at),
            None => self.turn_by,
        }
    }

    /// What follows when that time has come and the turn has not; `ahead` is how long what is ahead still takes.
    ///
    /// # Errors
    /// It has waited for as long as it may, or is better asked elsewhere.
    pub fn review(&mut self, ahead: Duration) -> Result<(), AttemptError> {
        let now = Instant::now();
        if now >= self.turn_by || self.patience.leaves(ahead) {
            return Err(queued(AttemptErrorKind::QueueTimeout, ahead));
        }
        self.review_at = now + REVIEW_EVERY;
        Ok(())
    }
}

/// An attempt that did not come to its turn; `ahead` is how long what is ahead of it takes.
pub fn queued(what: AttemptErrorKind, ahead: Duration) -> AttemptError {
    AttemptError { retry_after: Some(ahead), ..AttemptError::new(what) }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep_until;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When a request gives up that may wait for `most` seconds, and leaves where more than `leaves` is ahead: `ahead` at
    /// first, and more by as much as time has gone on.
    async fn gives_up_after(most: u64, waited: u64, leaves: Option<u64>, ahead: u64) -> Duration {
        let leave = leaves.map(|most| -> LeaveQueue { Arc::new(move |ahead| ahead > SECOND * most as u32) });
        let patience = QueuePatience { waited: Duration::from_secs(waited), leave };
        let (began, most) = (Instant::now(), Duration::from_secs(most));
        let ahead = Duration::from_secs(ahead);
        if patience.begin(ahead, most).is_err() {
            return Duration::ZERO;
        }
        let mut clock = QueueClock::new(began, most, patience);
        loop {
            sleep_until(clock.limit()).await;
            if let Err(error) = clock.review(ahead + began.elapsed()) {
                assert_eq!(error.what, AttemptErrorKind::QueueTimeout);
                assert_eq!(error.retry_after, Some(ahead + began.elapsed()));
                return began.elapsed();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_leaves_a_queue_in_time() {
        let check = async |(most, waited), leaves, ahead, expected: f64| {
            let after = gives_up_after(most, waited, leaves, ahead).await.as_secs_f64();
            assert!((after - expected).abs() < 0.01, "{after}, not {expected}");
        };
        // With nowhere else to go it waits for as long as it may, if that is any use.
        check((30, 0), None, 2, 30.0).await;
        check((30, 0), None, 31, 0.0).await;
        check((30, 20), None, 2, 10.0).await;
        check((30, 20), None, 11, 0.0).await;
        check((30, 40), None, 0, 0.5).await;
        // Else until what is ahead of it is too much.
        check((30, 0), Some(1), 2, 0.0).await;
        check((30, 0), Some(5), 2, 3.5).await;
        check((30, 0), Some(60), 2, 30.0).await;
        // Nobody leaves where nothing is ahead.
        check((30, 0), Some(0), 0, 0.5).await;
    }
}
