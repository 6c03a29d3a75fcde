//! The time limits of one attempt.

use std::time::Duration;

use gateway_config::AttemptTimeouts;
use tokio::time::Instant;

use crate::attempt_error::AttemptErrorKind;

/// When an attempt has been silent for too long.
#[derive(Debug)]
pub(super) struct AttemptDeadlines {
    idle: Duration,
    next: Instant,
    total: Instant,
    has_started: bool,
}

impl AttemptDeadlines {
    /// The first token must come within `first_token` of `began`, each further piece within `idle` of the one before,
    /// and all within `total`.
    pub(super) fn new(timeouts: &AttemptTimeouts, began: Instant) -> Self {
        Self {
            idle: timeouts.idle,
            next: began + timeouts.first_token,
            total: began + timeouts.total,
            has_started: false,
        }
    }

    /// The first token is here.
    pub(super) fn begin(&mut self) {
        self.has_started = true;
    }

    /// The upstream lives. Before its first token that is no excuse.
    pub(super) fn heard(&mut self) {
        if self.has_started {
            self.next = Instant::now() + self.idle;
        }
    }

    /// When patience ends.
    pub(super) fn limit(&self) -> Instant {
        self.next.min(self.total)
    }

    /// What happened when it did.
    pub(super) fn expired_error(&self) -> AttemptErrorKind {
        match (Instant::now() >= self.total, self.has_started) {
            (true, _) => AttemptErrorKind::TotalTimeout,
            (false, false) => AttemptErrorKind::FirstTokenTimeout,
            (false, true) => AttemptErrorKind::IdleTimeout,
        }
    }
}
