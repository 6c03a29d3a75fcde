//! Answers and errors of our own, in OpenAI's exact shapes.

use bytes::Bytes;

use super::chunk::Finish;
use super::usage::FinalUsage;

/// The marker that ends a successful stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// What every piece of one answer has in common.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// Such as `chatcmpl-…`.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: &'a str,
    /// `system_fingerprint`; left out when `None`.
    pub fingerprint: Option<&'a str>,
}

/// What a chunk adds to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta<'a> {
    /// The first: says that the assistant speaks.
    Role,
    /// Text.
    Content(&'a str),
    /// Text of reasoning.
    Reasoning(&'a str),
    /// The last: says why it ended.
    End(Finish),
}

/// A token and how probable it was.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprob {
    /// Its text; bytes that are no UTF-8 alone show as U+FFFD.
    pub token: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// The likeliest tokens at this place.
    pub top: Vec<Alternative>,
}

/// A token that might have been.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// Its text.
    pub token: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability.
    pub logprob: f64,
}

/// One finished choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The text.
    pub content: String,
    /// The text of reasoning, if any.
    pub reasoning: Option<String>,
    /// Why it ended.
    pub finish: Finish,
    /// Its tokens, when asked for.
    pub logprobs: Option<Vec<TokenLogprob>>,
}

/// A `chat.completion.chunk` as an event, `data: {…}\n\n`.
pub fn write_chunk(
    _stamp: &Stamp<'_>,
    _index: u32,
    _delta: Delta<'_>,
    _logprobs: Option<&[TokenLogprob]>,
) -> Bytes {
    unimplemented!()
}

/// A `chat.completion`.
pub fn write_whole(_stamp: &Stamp<'_>, _choices: &[Choice], _usage: &FinalUsage) -> Bytes {
    unimplemented!()
}

/// An error in OpenAI's shape: all four keys, `null` where there is nothing to say.
pub fn error_body(_message: &str, _kind: &str, _param: Option<&str>, _code: Option<&str>) -> Bytes {
    unimplemented!()
}

/// An error body as an event of a stream that has begun. The success marker must not follow.
pub fn error_event(_body: &[u8]) -> Bytes {
    unimplemented!()
}
