//! What is kept of an answer on its way, so that another rung can go on with it.

use bytes::Bytes;

use crate::dispatch::Resume;
use crate::protocol::{self, Piece};

/// Bytes of an answer that are kept for a rung that may have to go on with it.
const KEPT: usize = 64 << 10;

/// What it takes to go on with an answer, if it breaks off.
pub(super) struct Spare {
    pub(super) resume: Box<Resume>,
    /// The text that was sent, as it is written in JSON.
    pub(super) said: Vec<u8>,
}

impl Spare {
    /// Keeps what a piece says; `None` once that is more than text, or too much.
    pub(super) fn keep(mut self, piece: &Piece, data: &Bytes) -> Option<Self> {
        let Some(place) = piece.content.clone() else { return (!piece.begins).then_some(self) };
        if self.said.len() + place.len() > KEPT {
            return None;
        }
        self.said.extend_from_slice(&data[place]);
        Some(self)
    }

    pub(super) fn take(self) -> Option<(Box<Resume>, String)> {
        Some((self.resume, protocol::unescaped(&self.said)?))
    }
}
