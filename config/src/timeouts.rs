//! How long an attempt may take.

use std::time::Duration;

/// Limits of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptTimeouts {
    /// Until a connection stands. Default 2 s.
    pub connect: Duration,
    /// From sending the request to the first token of a stream, or a sign that the model thinks. Default 10 s; embedded models
    /// have a limit of their own.
    pub first_token: Duration,
    /// From each sign that the model thinks to the next, or to the first token; and in place of `first_token` where the
    /// request asks for thought. Default 60 s.
    pub thinking: Duration,
    /// Between two pieces of a stream. Default 10 s.
    pub idle: Duration,
    /// For the whole attempt. Default 10 min.
    pub total: Duration,
}

impl AttemptTimeouts {
    /// The same for a request that asks the model to think: it may be silent from the beginning.
    #[must_use]
    pub fn for_thinking(self) -> Self {
        Self { first_token: self.first_token.max(self.thinking), ..self }
    }
}

impl Default for AttemptTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_token: Duration::from_secs(10),
            thinking: Duration::from_secs(60),
            idle: Duration::from_secs(10),
            total: Duration::from_secs(600),
        }
    }
}
