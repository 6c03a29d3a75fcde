//! How an answer is relayed.

use std::time::Duration;

use bytes::Bytes;

use crate::curfew::Waiter;
use crate::error::Failure;
use crate::protocol::client::Telling;

/// A comment that keeps a waiting connection alive, and shows us when its other end is gone.
const HEARTBEAT: &[u8] = b": keep-alive\n\n";

/// How an answer is relayed.
pub struct Manner {
    /// Whether the client is to get a usage chunk.
    pub include_usage: bool,
    /// In whose words.
    pub telling: Telling,
    /// After how long a silence the client hears that we are there.
    pub heartbeat: Duration,
    /// When the answer is broken off.
    pub curfew: Waiter,
}

/// What there is to tell a client.
pub(super) enum Said {
    /// Events of the canonical dialect.
    Events(Bytes),
    /// That we are there.
    Beat,
    /// Why nothing more comes.
    Failed(Failure),
}

impl Manner {
    /// In the client's words; empty where it has none for it.
    pub(super) fn tell(&mut self, said: Said) -> Bytes {
        match said {
            Said::Events(events) => self.telling.events(events),
            Said::Beat => self.telling.beat(HEARTBEAT),
            Said::Failed(failure) => self.telling.failed(&failure.words()),
        }
    }
}
