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
    pub encoder: ResponseEncoder,
    /// After how long a silence the client hears that we are there.
    pub heartbeat: Duration,
    /// When the answer is broken off.
    pub shutdown_deadline: DeadlineListener,
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
            RelayEvent::Events(events) => self.encoder.events(events),
            RelayEvent::Beat => self.encoder.beat(HEARTBEAT),
            RelayEvent::Failed(failure) => self.encoder.failed(&failure.error_body()),
        }
    }
}
