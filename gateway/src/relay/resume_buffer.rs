//! What is kept of an answer on its way, so that another rung can go on with it.

use bytes::Bytes;

use crate::dispatch::StreamResumption;
use protocol::{self, ChunkInfo};

/// Bytes of an answer that are kept for a rung that may have to go on with it.
const KEPT: usize = 64 << 10;

/// What it takes to go on with an answer, if it breaks off.
pub(super) struct ResumeBuffer {
    pub(super) resume: Box<StreamResumption>,
    /// The text that was sent, as it is written in JSON.
    pub(super) said: Vec<u8>,
}

impl ResumeBuffer {
    /// Keeps what a piece says; `None` once that is more than text, or too much.
    pub(super) fn keep(mut self, piece: &ChunkInfo, data: &Bytes) -> Option<Self> {
        let Some(place) = piece.content.clone() else { return (!piece.begins).then_some(self) };
        if self.said.len() + place.len() > KEPT {
            return None;
        }
        self.said.extend_from_slice(&data[place]);
        Some(self)
    }

    pub(super) fn take(self) -> Option<(Box<StreamResumption>, String)> {
        Some((self.resume, protocol::unescaped(&self.said)?))
    }
}
