//! The time limits of one attempt.

use std::time::Duration;

use gateway_config::AttemptTimeouts;
use tokio::time::Instant;

use crate::attempt_error::AttemptErrorKind;

/// When an attempt has been silent for too long.
#[derive(Debug)]
pub(super) struct AttemptDeadlines {
    idle: Duration,
    thinking: Duration,
    next: Instant,
    total: Instant,
    has_started: bool,
}

impl AttemptDeadlines {
    /// The first token, or a sign that the model thinks, must come within `first_token` of `began`, each further sign or the
    /// first token within `thinking` of the sign before, each further piece within `idle` of the one before, and all within
    /// `total`.
    pub(super) fn new(timeouts: &AttemptTimeouts, began: Instant) -> Self {
        Self {
            idle: timeouts.idle,
            thinking: timeouts.thinking,
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

    /// The model thinks. Before its first token that is one; patience that was granted before is not taken back.
    pub(super) fn thinks(&mut self) {
        if !self.has_started {
            self.next = self.next.max(Instant::now() + self.thinking);
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
