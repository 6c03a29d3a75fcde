//! A whole answer of the OpenAI dialect.

use bytes::Bytes;

use super::chunk::Finish;
use super::complaint::Complaint;
use super::scan::Fault;
use super::usage::{FinalUsage, Reported};

/// A whole answer with the bytes that it came as.
#[derive(Debug, Clone)]
pub struct Whole {}

/// Why a 200 is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// It holds an error.
    #[error("an error in place of an answer: {}", .0.message)]
    Complaint(Complaint),
    /// It is not JSON, or no object.
    #[error("not a JSON object: {0}")]
    NotJson(Fault),
    /// It has no choices.
    #[error("an answer without choices")]
    NoChoices,
}

impl Whole {
    /// Reads the body of a 200.
    pub fn parse(_body: Bytes) -> Result<Self, NotAnAnswer> {
        unimplemented!()
    }

    /// The bytes that it came as.
    pub fn bytes(&self) -> &Bytes {
        unimplemented!()
    }

    /// The upstream's token counts.
    pub fn reported(&self) -> Option<Reported> {
        unimplemented!()
    }

    /// Characters of content, reasoning, refusal and tool call arguments, over all choices.
    pub fn text(&self) -> usize {
        unimplemented!()
    }

    /// The same text in tokens, estimated; 0 only if there is none.
    pub fn tokens(&self) -> u64 {
        unimplemented!()
    }

    /// Why the answer ended; of several choices the last.
    pub fn finish(&self) -> Option<Finish> {
        unimplemented!()
    }

    /// The answer with its `usage` replaced; the upstream's own usage object is kept with the cost added, unless tokens are
    /// estimated. Every other byte stays.
    pub fn with_usage(&self, _usage: &FinalUsage) -> Bytes {
        unimplemented!()
    }
}
