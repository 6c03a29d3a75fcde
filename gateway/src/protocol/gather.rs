//! Folds a stream into one whole answer.

use bytes::Bytes;

use super::chunk::Chunk;
use super::usage::FinalUsage;

/// Why a stream cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ungatherable {
    /// An index of a choice or a tool call beyond 127.
    #[error("an index of {0} in the answer")]
    Index(u64),
    /// More than 64 MiB.
    #[error("an answer longer than {0} bytes")]
    TooLong(usize),
    /// A chunk that is not of the shape of a chunk.
    #[error("a chunk of an unknown shape")]
    Shape,
}

/// An answer under way.
#[derive(Debug, Default)]
pub struct Gather {}

impl Gather {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a chunk. Others than pieces change nothing.
    pub fn see(&mut self, _chunk: &Chunk) -> Result<(), Ungatherable> {
        unimplemented!()
    }

    /// The whole answer, a `chat.completion`.
    pub fn whole(&self, _usage: &FinalUsage) -> Bytes {
        unimplemented!()
    }
}
