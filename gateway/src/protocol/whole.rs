//! A whole answer of the OpenAI dialect.

use bytes::Bytes;

use super::chunk::{Finish, Piece};
use super::complaint::Complaint;
use super::estimate::in_tokens;
use super::fault::Fault;
use super::json::Object;
use super::usage::{FinalUsage, Reported};

/// A whole answer with the bytes that it came as.
#[derive(Debug, Clone)]
pub struct Whole {
    object: Object,
    piece: Piece,
}

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
    /// Reads the body of a 200. Blank lines before it, which some send to keep the connection alive, do not matter.
    pub fn parse(body: Bytes) -> Result<Self, NotAnAnswer> {
        let object = Object::skim(body).map_err(NotAnAnswer::NotJson)?;
        let piece = Piece::read(object.bytes()).map_err(NotAnAnswer::NotJson)?;
        if piece.failed {
            return Err(NotAnAnswer::Complaint(Complaint::read(None, object.bytes())));
        }
        if piece.choices_empty {
            let complaint = Complaint::found(object.bytes());
            return Err(complaint.map_or(NotAnAnswer::NoChoices, NotAnAnswer::Complaint));
        }
        Ok(Self { object, piece })
    }

    /// The bytes that it came as.
    pub fn bytes(&self) -> &Bytes {
        self.object.bytes()
    }

    /// The upstream's token counts.
    pub fn reported(&self) -> Option<Reported> {
        self.piece.usage
    }

    /// Characters of content, reasoning, refusal and tool call arguments, over all choices.
    pub fn text(&self) -> usize {
        self.piece.text
    }

    /// The same text in tokens, estimated; 0 only if there is none.
    pub fn tokens(&self) -> u64 {
        in_tokens(self.piece.weight)
    }

    /// Why the answer ended; of several choices the last.
    pub fn finish(&self) -> Option<Finish> {
        self.piece.finish
    }

    /// The answer with its `usage` replaced: the upstream's own usage object is kept with the cost added, unless tokens
    /// are estimated. Every other byte stays.
    pub fn with_usage(&self, usage: &FinalUsage) -> Bytes {
        let usage = usage.object(self.object.get("usage"));
        self.object.edited(&[("usage", Some(&usage))])
    }
}
