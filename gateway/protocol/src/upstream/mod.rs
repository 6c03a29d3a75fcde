//! What upstreams speak: the one place where a chat is put into a provider's own words, and its answer into ours.
//!
//! Ours is OpenAI's chat: a [`ChatRequest`] is encoded, and what comes back is decoded into [`ResponseChunk`]s and a [`CompletionBody`] as it
//! comes, one event at a time. What a dialect has no words for is a [`BadRequest`]: nothing is left out in silence.
//!
//! - `configured`: which dialect a model is asked in.
//! - `asked`, `turns`, `media`: a chat read in full, and its messages as two speakers.
//! - `openai`: what an upstream of our own dialect is sent.
//! - `anthropic`, `gemini`: the two other dialects, each with its requests and its answers.
//! - `responses`: answers that only who asks in their words gets.
//! - `voice`, `written`: our own chunks and JSON, as they are written.

mod anthropic;
mod chunk_encoder;
mod configured;
mod conversation_turns;
mod gemini;
mod media;
mod object_writer;
mod openai;
mod parsed_chat;
mod responses;

pub use openai::EncodeOptions;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use gateway_config::ModelTakes;

use super::bad_request::BadRequest;
use super::chat::ChatRequest;
use super::chunk::ResponseChunk;
use super::chunk_reader::ChunkReader;
use super::completion::{CompletionBody, NotAnAnswer};
use super::conversions::ConvertedChat;
use super::endpoint::ApiEndpoint;
use super::json::RawObject;
use super::json_error::quoted;
use super::provider_error::{ProviderError, read_error};
use super::provider_quirks::ProviderQuirks;
use super::request_fit::RequestFit;
use super::sse::SseEvent;

/// An API that upstreams speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamApi {
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
pub enum EffortStyle {
    /// By a word: Anthropic's `output_config.effort`, Google's `thinkingLevel`.
    Word,
    /// By a number of tokens, as older models want it.
    Tokens,
}

/// What an upstream is told beside the client's own words.
#[derive(Debug, Clone, Copy)]
pub struct EncodedRequest<'a> {
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
    pub effort: EffortStyle,
    /// Whether it is told what models thought earlier in the conversation, where its API has a place for that which it
    /// checks: Anthropic's signatures.
    pub thoughts: bool,
    /// What a host of OpenAI's dialect wants otherwise.
    pub speech: ProviderQuirks<'a>,
}

impl UpstreamApi {
    /// Whether a chat can be put into this dialect's words.
    ///
    /// # Errors
    /// What it has no words for.
    pub fn takes(
        self,
        chat: &ChatRequest,
        effort: EffortStyle,
        takes: &ModelTakes,
    ) -> Result<(), BadRequest> {
        match self {
            Self::OpenAi => match chat.native().filter(|_| chat.is_native()) {
                Some(native) => native.fit(takes).map(drop),
                None => chat.fit(takes).map(drop),
            },
            _ if self.original(chat).is_some() => self.native_fit(chat, takes).map(drop),
            Self::Anthropic | Self::Gemini | Self::Responses => {
                self.converted(&*chat.fitted(takes)?, effort).map(drop)
            }
        }
    }

    /// What of a chat a model is not told though an answer may depend on it, by the client's names.
    pub fn left_out(self, chat: &ChatRequest, takes: &ModelTakes) -> Vec<&'static str> {
        let fit = match chat.native().filter(|_| self == Self::OpenAi && chat.is_native()) {
            Some(native) => native.fit(takes),
            None if self.original(chat).is_some() => self.native_fit(chat, takes),
            None => chat.fit(takes),
        };
        fit.map(|fit| fit.left_out).unwrap_or_default()
    }

    /// What is done to a request that goes on in its client's words.
    pub(super) fn native_fit(self, chat: &ChatRequest, takes: &ModelTakes) -> Result<RequestFit, BadRequest> {
        match (self, self.original(chat)) {
            (Self::Anthropic, Some(original)) => anthropic::native_fit(original, takes),
            (Self::Responses, Some(original)) => responses::native_fit(original, takes),
            _ => Ok(RequestFit::default()),
        }
    }

    /// The body of a request.
    ///
    /// # Errors
    /// As [`UpstreamApi::takes`].
    pub fn encode(self, chat: &ChatRequest, told: &EncodedRequest<'_>) -> Result<Bytes, BadRequest> {
        let takes = told.speech.takes;
        match self {
            Self::OpenAi => {
                let chat = chat.fitted(takes)?;
                let longest = told.longest.map(|most| (told.limit, most));
                Ok(chat.encode(
                    told.model,
                    told.stream,
                    &EncodeOptions { logprobs: told.logprobs, longest, speech: Some(told.speech) },
                ))
            }
            Self::Anthropic => match self.original(chat) {
                Some(original) => Ok(anthropic::as_it_came(original, told, &self.native_fit(chat, takes)?)),
                None => {
                    let chat = chat.fitted(takes)?;
                    Ok(anthropic::encode(self.converted(&chat, told.effort)?, &chat, told))
                }
            },
            Self::Gemini => {
                let chat = chat.fitted(takes)?;
                Ok(gemini::encode(self.converted(&chat, told.effort)?, &chat, told))
            }
            Self::Responses => match self.original(chat) {
                Some(original) => Ok(responses::as_it_came(original, told, &self.native_fit(chat, takes)?)),
                None => Err(unsaid("messages")),
            },
        }
    }

    /// What the client wrote, if it wrote in this dialect, and that is not OpenAI's: the upstream gets it as it came, and
    /// the client the answer as it comes.
    pub fn original(self, chat: &ChatRequest) -> Option<&RawObject> {
        let native = chat.native()?;
        let same = match self {
            Self::Anthropic => native.endpoint() == ApiEndpoint::Messages,
            Self::Responses => native.endpoint() == ApiEndpoint::Responses,
            Self::OpenAi | Self::Gemini => false,
        };
        same.then(|| native.body())
    }

    /// A chat in these words, which it keeps.
    fn converted(self, chat: &ChatRequest, effort: EffortStyle) -> Result<&ConvertedChat, BadRequest> {
        let kept = chat.conversions();
        let converted = match (self, effort) {
            (Self::OpenAi | Self::Responses, _) => return Err(unsaid("model")),
            (Self::Anthropic, _) => kept.anthropic.get_or_init(|| anthropic::convert(chat)),
            (Self::Gemini, EffortStyle::Word) => {
                kept.gemini_by_word.get_or_init(|| gemini::convert(chat, effort))
            }
            (Self::Gemini, EffortStyle::Tokens) => {
                kept.gemini_by_tokens.get_or_init(|| gemini::convert(chat, effort))
            }
        };
        converted.as_ref().map_err(Clone::clone)
    }

    /// Reads a stream. `native`: the client speaks this dialect, and every chunk is to carry the bytes that it came as.
    /// `created`: seconds since 1970, for dialects that do not say.
    pub fn decoder(self, native: bool, created: u64) -> ResponseDecoder {
        match self {
            Self::OpenAi => ResponseDecoder::OpenAi(ChunkReader::default()),
            Self::Anthropic => {
                ResponseDecoder::Anthropic(Box::new(anthropic::AnthropicDecoder::new(native, created)))
            }
            Self::Gemini => ResponseDecoder::Gemini(Box::new(gemini::GeminiDecoder::new(created))),
            Self::Responses => ResponseDecoder::Responses(Box::default()),
        }
    }

    /// Reads the body of a 200 that is no stream.
    ///
    /// # Errors
    /// It is no answer.
    pub fn whole(self, body: Bytes, native: bool, created: u64) -> Result<CompletionBody, NotAnAnswer> {
        match self {
            Self::OpenAi => CompletionBody::parse(body),
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
    pub fn error(self, status: u16, body: &[u8]) -> ProviderError {
        let complaint = read_error(status, body);
        match self {
            Self::OpenAi | Self::Responses => complaint,
            Self::Anthropic => anthropic::meant(complaint),
            Self::Gemini => gemini::meant(complaint, body),
        }
    }

    /// Whether it refused a request for what models thought earlier in it, so that it may take the request without.
    pub fn is_about_thoughts(self, complaint: &ProviderError) -> bool {
        self == Self::Anthropic && anthropic::is_about_thoughts(complaint)
    }

    /// How long an error's body asks to wait.
    pub fn wait(self, body: &[u8]) -> Option<Duration> {
        if self == Self::Gemini { gemini::wait(body) } else { None }
    }
}

/// Reads the events of a stream, in their order.
#[derive(Debug)]
pub enum ResponseDecoder {
    /// OpenAI's: an event is a chunk.
    OpenAi(ChunkReader),
    /// Anthropic's.
    Anthropic(Box<anthropic::AnthropicDecoder>),
    /// Google's.
    Gemini(Box<gemini::GeminiDecoder>),
    /// OpenAI's responses.
    Responses(Box<responses::ResponsesDecoder>),
}

impl ResponseDecoder {
    /// Adds what an event says.
    pub fn take(&mut self, event: SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        match self {
            Self::OpenAi(reader) => chunks.push_back(reader.read(event)),
            Self::Anthropic(decoder) => decoder.take(event, chunks),
            Self::Gemini(decoder) => decoder.take(event, chunks),
            Self::Responses(decoder) => decoder.take(event, chunks),
        }
    }

    /// Adds what the orderly end of the stream says.
    pub fn end(&mut self, chunks: &mut VecDeque<ResponseChunk>) {
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
