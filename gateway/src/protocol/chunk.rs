//! One piece of a streamed answer of the OpenAI dialect.

use bytes::Bytes;

use super::complaint::Complaint;
use super::sse::Event;
use super::usage::Reported;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done, or met a stop sequence.
    Stop,
    /// It was as long as allowed.
    Length,
    /// Tools are to be called (`tool_calls`, `function_call`).
    ToolCalls,
    /// A filter stepped in.
    ContentFilter,
    /// A word that OpenAI does not have.
    Other,
}

impl Finish {
    /// From the API's word.
    pub fn of(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            _ => Self::Other,
        }
    }

    /// The API's word; `stop` for one that OpenAI does not have.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop | Self::Other => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// What the gateway must know of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Characters of content, reasoning, refusal and tool call arguments, over all choices.
    pub text: usize,
    /// The same text in thousandths of a token, estimated; add them up over a stream.
    pub weight: u64,
    /// Whether it carries any text or a tool call: a first token. A chunk that only says `role` does not.
    pub begins: bool,
    /// Why an answer ended; of several choices the last.
    pub finish: Option<Finish>,
    /// How many choices ended with this chunk.
    pub finished: u32,
    /// Token counts, if it has any.
    pub usage: Option<Reported>,
    /// Whether `choices` is empty or missing.
    pub choices_empty: bool,
}

/// What a chunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A piece of the answer.
    Piece(Piece),
    /// The marker of success, `[DONE]`.
    Done,
    /// The upstream failed in the middle.
    Error(Complaint),
    /// A comment or a blank line.
    KeepAlive,
    /// Neither JSON object nor marker.
    Malformed,
}

/// A chunk with the bytes that it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes of the whole event.
    pub raw: Bytes,
    /// Its data.
    pub data: Bytes,
    /// What it is.
    pub what: What,
}

/// Reads an event. One pass, no copies.
pub fn read_chunk(_event: Event) -> Chunk {
    unimplemented!()
}

impl Chunk {
    /// The bytes without a `usage` that is not null. `None`: it was there for the usage only (no choices), and is swallowed.
    pub fn without_usage(self) -> Option<Bytes> {
        unimplemented!()
    }
}
