//! How an answer is relayed.

use std::time::Duration;

use bytes::Bytes;

use crate::error::ApiError;
use crate::shutdown_deadline::DeadlineListener;
use protocol::client::ResponseEncoder;

/// A comment that keeps a waiting connection alive, and shows us when its other end is gone.
const HEARTBEAT: &[u8] = b": keep-alive\n\n";

/// How an answer is relayed.
pub struct RelayOptions {
    /// Whether the client is to get a usage chunk.
    pub include_usage: bool,
    /// In whose words.
    pub telling: ResponseEncoder,
    /// After how long a silence the client hears that we are there.
    pub heartbeat: Duration,
    /// When the answer is broken off.
    pub curfew: DeadlineListener,
}

/// What there is to tell a client.
pub(super) enum RelayEvent {
    /// Events of the canonical dialect.
    Events(Bytes),
    /// That we are there.
    Beat,
    /// Why nothing more comes.
    Failed(ApiError),
}

impl RelayOptions {
    /// In the client's words; empty where it has none for it.
    pub(super) fn tell(&mut self, said: RelayEvent) -> Bytes {
        match said {
            RelayEvent::Events(events) => self.telling.events(events),
            RelayEvent::Beat => self.telling.beat(HEARTBEAT),
            RelayEvent::Failed(failure) => self.telling.failed(&failure.error_body()),
        }
    }
}
