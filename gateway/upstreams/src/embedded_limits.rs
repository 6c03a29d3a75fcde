//! The time limits of an attempt at the model in this process. A request that waits for its turn is no silent endpoint: the
//! wait has a limit of its own, and the time to the first token counts from its end.

use std::sync::Arc;
use std::time::Duration;

use gateway_config::{AttemptTimeouts, EmbeddedModel, ModelConfig};
use small_model::Engine;
use tokio::time::Instant;

use super::deadlines::AttemptDeadlines;
use crate::attempt_error::{AttemptError, AttemptErrorKind};

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
    /// That is longer than it may wait: who would wait in vain is better told at once.
    pub(super) fn ahead(&self, engine: &Engine, asker: &str) -> Result<Duration, AttemptError> {
        let ahead = engine.expected_wait(asker);
        if ahead > self.queue { Err(queued(AttemptErrorKind::QueueTimeout, ahead)) } else { Ok(ahead) }
    }

    /// The clock of an attempt that began to wait then, in this name.
    pub(super) fn wait(&self, began: Instant, asker: &Arc<str>) -> EmbeddedClock {
        EmbeddedClock::Queued { turn_by: began + self.queue, asker: Arc::clone(asker) }
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
    /// For its turn to come, among those of who asks.
    Queued {
        /// The latest moment for it.
        turn_by: Instant,
        /// Who asks.
        asker: Arc<str>,
    },
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

    /// When patience ends.
    pub(super) fn limit(&self) -> Instant {
        match self {
            Self::Queued { turn_by, .. } => *turn_by,
            Self::Begun(clock) => clock.limit(),
        }
    }

    /// What happened when it did.
    pub(super) fn expired(&self, engine: &Engine) -> AttemptError {
        match self {
            Self::Queued { asker, .. } => queued(AttemptErrorKind::QueueTimeout, engine.expected_wait(asker)),
            Self::Begun(clock) => AttemptError::new(clock.expired_error()),
        }
    }
}

/// An attempt that did not come to its turn; `ahead` is how long what is ahead of another one takes.
pub(super) fn queued(what: AttemptErrorKind, ahead: Duration) -> AttemptError {
    AttemptError { retry_after: Some(ahead), ..AttemptError::new(what) }
}
