//! When the steps of a request were taken.

use tokio::time::Instant;

/// When the steps of a request were taken, as far as they were.
pub(super) struct AttemptTimings {
    pub(super) arrived: Instant,
    pub(super) first_asked: Option<Instant>,
    pub(super) committed: Option<Instant>,
    pub(super) head: Option<Instant>,
    pub(super) first_token: Option<Instant>,
    pub(super) last_token: Option<Instant>,
}

impl AttemptTimings {
    /// Of a request that has arrived.
    pub(super) fn of(arrived: Instant) -> Self {
        Self { arrived, first_asked: None, committed: None, head: None, first_token: None, last_token: None }
    }
}
