//! What upstreams speak: the one place where a chat is put into a provider's own words, and its answer into ours.
//!
//! Ours is OpenAI's chat: a [`Chat`] is encoded, and what comes back is decoded into [`Chunk`]s and a [`Whole`] as it
//! comes, one event at a time. What a dialect has no words for is a [`BadRequest`]: nothing is left out in silence.
//!
//! - `configured`: which dialect a model is asked in.
//! - `asked`, `turns`, `media`: a chat read in full, and its messages as two speakers.
//! - `openai`: what an upstream of our own dialect is sent.
//! - `anthropic`, `gemini`: the two other dialects, each with its requests and its answers.
//! - `responses`: answers that only who asks in their words gets.
//! - `voice`, `written`: our own chunks and JSON, as they are written.

mod anthropic;
mod asked;
mod configured;
mod gemini;
mod media;
mod openai;
mod responses;
mod turns;
mod voice;
mod written;

pub use openai::Extras;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::chat::Chat;
use super::chunk::{Chunk, Reader};
use super::complaint::{Complaint, read_error};
use super::conversions::Converted;
use super::endpoint::ApiEndpoint;
use super::fault::quoted;
use super::json::Object;
use super::refusal::BadRequest;
use super::speech::Speech;
use super::sse::{Event, Splitter};
use super::whole::{NotAnAnswer, Whole};

/// An API that upstreams speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions; Azure's too.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// OpenAI's responses, for a request that came in them.
    Responses,
}

/// How a model of another dialect is told how hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// By a word: Anthropic's `output_config.effort`, Google's `thinkingLevel`.
    Word,
    /// By a number of tokens, as older models want it.
    Tokens,
}

/// What an upstream is told beside the client's own words.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The upstream's name for the model.
    pub model: &'a str,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// Say how probable the tokens are.
    pub logprobs: bool,
    /// The longest answer, in tokens, where the client sets no limit and the gateway does.
    pub longest: Option<u64>,
    /// What the longest answer is called in OpenAI's dialect.
    pub limit: &'a str,
    /// Tokens of the longest answer that the model gives: for dialects in which a request must say.
    pub most: u64,
    /// How it is told how hard to think.
    pub effort: Effort,
    /// What a host of OpenAI's dialect wants otherwise.
    pub speech: Speech<'a>,
}

impl Dialect {
    /// Whether a chat can be put into this dialect's words.
    ///
    /// # Errors
    /// What it has no words for.
    pub fn takes(self, chat: &Chat, effort: Effort) -> Result<(), BadRequest> {
        match self {
            Self::OpenAi => Ok(()),
            _ if self.original(chat).is_some() => Ok(()),
            Self::Anthropic | Self::Gemini | Self::Responses => self.converted(chat, effort).map(drop),
        }
    }

    /// The body of a request.
    ///
    /// # Errors
    /// As [`Dialect::takes`].
    pub fn encode(self, chat: &Chat, told: &Told<'_>) -> Result<Bytes, BadRequest> {
        let converted = || self.converted(chat, told.effort);
        match self {
            Self::OpenAi => {
                let longest = told.longest.map(|most| (told.limit, most));
                Ok(chat.encode(
                    told.model,
                    told.stream,
                    &Extras { logprobs: told.logprobs, longest, speech: Some(told.speech) },
                ))
            }
            Self::Anthropic => match self.original(chat) {
                Some(original) => Ok(anthropic::as_it_came(original, told)),
                None => Ok(anthropic::encode(converted()?, chat, told)),
            },
            Self::Gemini => Ok(gemini::encode(converted()?, chat, told)),
            Self::Responses => match self.original(chat) {
                Some(original) => Ok(responses::as_it_came(original, told)),
                None => Err(unsaid("messages")),
            },
        }
    }

    /// What the client wrote, if it wrote in this dialect, and that is not OpenAI's: the upstream gets it as it came, and
    /// the client the answer as it comes.
    pub fn original(self, chat: &Chat) -> Option<&Object> {
        let native = chat.native()?;
        let same = match self {
            Self::Anthropic => native.endpoint() == ApiEndpoint::Messages,
            Self::Responses => native.endpoint() == ApiEndpoint::Responses,
            Self::OpenAi | Self::Gemini => false,
        };
        same.then(|| native.body())
    }

    /// A chat in these words, which it keeps.
    fn converted(self, chat: &Chat, effort: Effort) -> Result<&Converted, BadRequest> {
        let kept = chat.conversions();
        let converted = match (self, effort) {
            (Self::OpenAi | Self::Responses, _) => return Err(unsaid("model")),
            (Self::Anthropic, _) => kept.anthropic.get_or_init(|| anthropic::convert(chat)),
            (Self::Gemini, Effort::Word) => kept.gemini_by_word.get_or_init(|| gemini::convert(chat, effort)),
            (Self::Gemini, Effort::Tokens) => {
                kept.gemini_by_tokens.get_or_init(|| gemini::convert(chat, effort))
            }
        };
        converted.as_ref().map_err(Clone::clone)
    }

    /// Reads a stream. `native`: the client speaks this dialect, and every chunk is to carry the bytes that it came as.
    /// `created`: seconds since 1970, for dialects that do not say.
    pub fn decoder(self, native: bool, created: u64) -> Decoder {
        match self {
            Self::OpenAi => Decoder::OpenAi(Reader::default()),
            Self::Anthropic => Decoder::Anthropic(Box::new(anthropic::Decoder::new(native, created))),
            Self::Gemini => Decoder::Gemini(Box::new(gemini::Decoder::new(created))),
            Self::Responses => Decoder::Responses(Box::default()),
        }
    }

    /// Reads the body of a 200 that is no stream.
    ///
    /// # Errors
    /// It is no answer.
    pub fn whole(self, body: Bytes, native: bool, created: u64) -> Result<Whole, NotAnAnswer> {
        match self {
            Self::OpenAi => Whole::parse(body),
            Self::Anthropic => {
                let whole = anthropic::whole(&body, created)?;
                Ok(if native { whole.carrying(body) } else { whole })
            }
            Self::Gemini => gemini::whole(&body, created),
            Self::Responses => Ok(responses::whole(&body)?.carrying(body)),
        }
    }

    /// Reads the body of an error. The status in it is what the provider means: some say 400 of a key that they do not
    /// know, or of an account without money.
    pub fn error(self, status: u16, body: &[u8]) -> Complaint {
        let complaint = read_error(status, body);
        match self {
            Self::OpenAi | Self::Responses => complaint,
            Self::Anthropic => anthropic::meant(complaint),
            Self::Gemini => gemini::meant(complaint, body),
        }
    }

    /// How long an error's body asks to wait.
    pub fn wait(self, body: &[u8]) -> Option<Duration> {
        if self == Self::Gemini { gemini::wait(body) } else { None }
    }
}

/// Reads the events of a stream, in their order.
#[derive(Debug)]
pub enum Decoder {
    /// OpenAI's: an event is a chunk.
    OpenAi(Reader),
    /// Anthropic's.
    Anthropic(Box<anthropic::Decoder>),
    /// Google's.
    Gemini(Box<gemini::Decoder>),
    /// OpenAI's responses.
    Responses(Box<responses::Decoder>),
}

impl Decoder {
    /// Cuts the stream that it reads.
    pub fn splitter(&self) -> Splitter {
        match self {
            Self::OpenAi(_) | Self::Anthropic(_) | Self::Gemini(_) => Splitter::new(),
            Self::Responses(_) => Splitter::for_long_events(),
        }
    }

    /// Adds what an event says.
    pub fn take(&mut self, event: Event, chunks: &mut VecDeque<Chunk>) {
        match self {
            Self::OpenAi(reader) => chunks.push_back(reader.read(event)),
            Self::Anthropic(decoder) => decoder.take(event, chunks),
            Self::Gemini(decoder) => decoder.take(event, chunks),
            Self::Responses(decoder) => decoder.take(event, chunks),
        }
    }

    /// Adds what the orderly end of the stream says.
    pub fn end(&mut self, chunks: &mut VecDeque<Chunk>) {
        match self {
            Self::OpenAi(_) | Self::Anthropic(_) | Self::Responses(_) => {}
            Self::Gemini(decoder) => decoder.end(chunks),
        }
    }
}

/// A field that the other dialect has no words for.
fn unsaid(param: impl Into<Cow<'static, str>>) -> BadRequest {
    let param = param.into();
    let message = format!("'{}' cannot be put into the words of the provider's API.", quoted(&param));
    BadRequest::new(param, "unsupported_value", message)
}

/// What a reader found wrong, without the text that it read.
fn reason(why: &serde_json::Error) -> String {
    let why = why.to_string();
    quoted(why.split(" at line ").next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
