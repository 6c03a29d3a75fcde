//! The time limits of an attempt at the model in this process. A request that waits for its turn is no silent endpoint: the
//! wait has a limit of its own, and the time to the first token counts from its end.

use std::time::Duration;

use gateway_config::{AttemptTimeouts, EmbeddedModel, ModelConfig};
use small_model::{Engine, Generation};
use tokio::time::Instant;

use super::deadlines::AttemptDeadlines;
use super::queue_patience::{QueueClock, QueueForecast, QueuePatience};
use crate::attempt_error::AttemptError;

/// The least time that the first token may take, from its turn on, where the operator sets no limit.
const LEAST_FIRST_TOKEN: Duration = Duration::from_secs(10);
/// How much longer than expected reading a prompt may take beyond that.
const READING_SLACK: u32 = 4;

/// The time limits of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct EmbeddedLimits {
    /// Until its turn.
    queue: Duration,
    /// From its turn to its first token; `None`: by what there is to read.
    first_token: Option<Duration>,
    timeouts: AttemptTimeouts,
}

impl EmbeddedLimits {
    /// As they are configured.
    pub(super) fn of(model: &ModelConfig, embedded: &EmbeddedModel) -> Self {
        Self { queue: embedded.queue_time, first_token: embedded.first_token, timeouts: model.timeouts }
    }

    /// How long what is ahead of a request in this name takes.
    ///
    /// # Errors
    /// That is longer than it may wait, so that it would wait in vain, or it is better asked elsewhere.
    pub(super) fn ahead(
        &self,
        engine: &Engine,
        asker: &str,
        patience: &QueuePatience,
    ) -> Result<Duration, AttemptError> {
        let ahead = engine.expected_wait(asker);
        patience.begin(ahead, self.queue).map(|()| ahead)
    }

    /// The latest moment for the turn of an attempt that began to wait then.
    pub(super) fn turn_by(&self, began: Instant, patience: &QueuePatience) -> Instant {
        QueueClock::new(began, self.queue, patience.clone()).turn_by()
    }

    /// The clock of an attempt that began to wait then.
    pub(super) fn wait(&self, began: Instant, patience: QueuePatience) -> EmbeddedClock {
        EmbeddedClock::Queued(QueueClock::new(began, self.queue, patience))
    }

    /// The clock of an attempt whose turn it is, and that has so many tokens to read.
    pub(super) fn begin(&self, engine: &Engine, tokens: u32) -> EmbeddedClock {
        let by_size = || LEAST_FIRST_TOKEN + engine.expected_reading(tokens).saturating_mul(READING_SLACK);
        // Nothing goes on beyond `total` anyway.
        let first_token = self.first_token.unwrap_or_else(by_size).min(self.timeouts.total);
        let timeouts = AttemptTimeouts { first_token, ..self.timeouts };
        EmbeddedClock::Begun(AttemptDeadlines::new(&timeouts, Instant::now()))
    }
}

/// What an attempt is given time for.
#[derive(Debug)]
pub(super) enum EmbeddedClock {
    /// For its turn to come.
    Queued(QueueClock),
    /// For its tokens.
    Begun(AttemptDeadlines),
}

impl EmbeddedClock {
    /// A token is here.
    pub(super) fn heard(&mut self) {
        if let Self::Begun(clock) = self {
            clock.begin();
            clock.heard();
        }
    }

    /// When patience ends, or is to be thought over.
    pub(super) fn limit(&self) -> Instant {
        match self {
            Self::Queued(clock) => clock.limit(),
            Self::Begun(clock) => clock.limit(),
        }
    }

    /// That time has come.
    ///
    /// # Errors
    /// Patience has ended.
    pub(super) fn expired(&mut self, engine: &Engine, generation: &Generation) -> Result<(), AttemptError> {
        match self {
            Self::Queued(clock) => clock.review(engine.wait_left(generation)),
            Self::Begun(clock) => Err(AttemptError::new(clock.expired_error())),
        }
    }
}

/// What an engine foresees.
pub(super) struct EngineForecast {
    /// Which one.
    pub(super) engine: Engine,
    /// Its time limits.
    pub(super) limits: EmbeddedLimits,
}

impl QueueForecast for EngineForecast {
    fn wait(&self, asker: &str) -> Duration {
        self.engine.expected_wait(asker)
    }

    fn answer(&self, prompt: u64, answer: u64) -> Duration {
        let tokens = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let writing = self.engine.expected_writing(tokens(answer));
        self.engine.expected_reading(tokens(prompt)).saturating_add(writing)
    }

    fn longest_wait(&self) -> Duration {
        self.limits.queue
    }
}
