//! What clients speak. The canonical form of a request is OpenAI's chat: whatever else a client speaks is converted to
//! that on its way in, takes the same way as any chat, and is answered in the client's own words on its way out.
//!
//! ```text
//! client's bytes ─read→ ChatRequest, ResponseEncoder   the encoder: how this client is to be told the answer
//! OpenAI's answer ─ResponseEncoder::whole→ client's    whole
//! OpenAI's events ─ResponseEncoder::events→ client's   streamed: only what the dialect itself puts later is held back
//! ```
//!
//! What a dialect can say and a chat cannot is refused by name. What has no bearing on what is answered, such as where a
//! provider should cache, may be left out, and is named in [`ClientRequest::dropped`].
//!
//! - `object_reader`, `json_builder`: an object to read from, each member once; an object to write.
//! - `parsed_response`, `answer_order`: what an answer says, and that one thing after the other.
//! - `messages`, `responses`, `completions`, `embeddings`: one dialect each.

mod answer_order;
mod completions;
mod embeddings;
mod json_builder;
mod messages;
mod object_reader;
mod parsed_response;
mod responses;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use self::parsed_response::ParsedResponse;
use super::bad_request::BadRequest;
use super::chat::ChatRequest;
pub use super::endpoint::{ApiEndpoint, ClientVendor};
use super::json::RawObject;
pub use super::original_request::OriginalRequest;
use super::sse::SseParser;
use super::write::error_body;

/// What a tool's message says where the tool gave back nothing but pictures and files: several hosts refuse an empty one.
const FOLLOWS: &str = "What the tool gave back is attached to the next message.";

/// A request that was read.
pub struct ClientRequest {
    /// As a chat.
    pub chat: ChatRequest,
    /// How its client is told the answer.
    pub encoder: ResponseEncoder,
    /// What the client said that no answer depends on and a chat has no word for.
    pub dropped: Vec<&'static str>,
}

impl ApiEndpoint {
    /// Reads a request body. `id` is the request's name; ids of our own in the answer are made of it.
    ///
    /// # Errors
    /// A body that is none, or says what a chat cannot say.
    pub fn read(self, body: Bytes, id: &str) -> Result<ClientRequest, BadRequest> {
        let converted = match self {
            Self::Chat => {
                return Ok(ClientRequest {
                    chat: ChatRequest::parse(body)?,
                    encoder: ResponseEncoder::as_it_is(),
                    dropped: Vec::new(),
                });
            }
            Self::Completions => completions::read,
            Self::Responses => responses::read,
            Self::Messages => messages::read,
            Self::Embeddings => embeddings::read,
        };
        let own = RawObject::skim(body)?;
        let ConvertedRequest { chat, teller, dropped, tokens, cannot } = converted(&own, id)?;
        let chat = ChatRequest::parse(chat.into()).map_err(|why| self.in_own_words(why))?;
        let chat = chat.spoken_in(OriginalRequest::new(self, own, cannot), tokens);
        let teller = teller.map(|mut teller| {
            teller.asked(&chat);
            teller
        });
        Ok(ClientRequest { chat, encoder: ResponseEncoder::by(teller), dropped: dropped.0 })
    }

    /// A refusal with the client's own name for the field at fault.
    fn in_own_words(self, why: BadRequest) -> BadRequest {
        let (of_a_chat, own) = match self {
            Self::Responses => ("max_tokens", "max_output_tokens"),
            Self::Messages => ("stop", "stop_sequences"),
            Self::Chat | Self::Completions | Self::Embeddings => return why,
        };
        if why.param.as_deref() != Some(of_a_chat) {
            return why;
        }
        BadRequest { message: why.message.replace(of_a_chat, own), param: Some(own.into()), ..why }
    }
}

/// The tokens of a prompt in a body for `/v1/messages/count_tokens`, as a chat: it has no limit of its own.
///
/// # Errors
/// As for [`ApiEndpoint::read`].
pub fn read_for_counting(body: Bytes) -> Result<ChatRequest, BadRequest> {
    messages::read_for_counting(&RawObject::skim(body)?)
}

/// A request as a chat.
struct ConvertedRequest {
    chat: String,
    /// `None`: the answer is told as it is.
    teller: Option<Box<dyn EncodeResponse>>,
    dropped: DroppedFields,
    /// Tokens of the prompt, where they are not those of the chat.
    tokens: Option<u64>,
    /// Why the chat does not say all that the request says.
    cannot: Option<BadRequest>,
}

impl ConvertedRequest {
    fn new(chat: String, teller: impl EncodeResponse + 'static, dropped: DroppedFields) -> Self {
        Self { chat, teller: Some(Box::new(teller)), dropped, tokens: None, cannot: None }
    }
}

/// Whether a request was refused for what no chat says, and not for what its own dialect does not say either.
fn may_be_known(why: &BadRequest) -> bool {
    let of_type = why.param.as_deref().is_some_and(|param| param.ends_with("type"));
    why.code == Some("unsupported_parameter") || (why.code == Some("invalid_value") && of_type)
}

/// What is left out, each once.
#[derive(Debug, Default)]
struct DroppedFields(Vec<&'static str>);

impl DroppedFields {
    fn note(&mut self, what: &'static str) {
        if !self.0.contains(&what) {
            self.0.push(what);
        }
    }
}

/// Tells an answer in a dialect.
trait EncodeResponse: Send + Sync {
    /// Takes what it tells of the request, before it tells anything.
    fn asked(&mut self, _chat: &ChatRequest) {}
    /// A whole answer.
    fn whole(&mut self, answer: ParsedResponse) -> String;
    /// Adds the events for a piece of an answer.
    fn encode_piece(&mut self, piece: ParsedResponse, out: &mut String);
    /// Adds the events for the end of an answer that is whole.
    fn done(&mut self, out: &mut String);
    /// Adds a sign of life.
    fn beat(&mut self, out: &mut String) {
        out.push_str(": keep-alive\n\n");
    }
    /// Adds the events for an error, after which nothing comes.
    fn failed(&mut self, error: &ErrorWords, out: &mut String);
    /// Whether what an upstream says is of this dialect already, and goes on as it came.
    fn is_told(&mut self, _answer: &ParsedResponse) -> bool {
        false
    }
    /// Whether the dialect tells what a stream used, asked or not.
    fn always_tells_usage(&self) -> bool;
}

/// How a client is told an answer.
pub struct ResponseEncoder {
    /// `None`: as it is.
    teller: Option<Box<dyn EncodeResponse>>,
    splitter: SseParser,
}

impl ResponseEncoder {
    /// In the words that it has.
    pub fn as_it_is() -> Self {
        Self { teller: None, splitter: SseParser::unbounded() }
    }

    fn by(teller: Option<Box<dyn EncodeResponse>>) -> Self {
        Self { teller, ..Self::as_it_is() }
    }

    /// Whether the client is to be told what a stream used though it has not asked.
    pub fn always_tells_usage(&self) -> bool {
        self.teller.as_ref().is_some_and(|teller| teller.always_tells_usage())
    }

    /// A whole answer. `None` if it cannot be read.
    pub fn whole(&mut self, answer: Bytes) -> Option<Bytes> {
        let Some(teller) = &mut self.teller else { return Some(answer) };
        let parsed = ParsedResponse::read(&answer).ok()?;
        if teller.is_told(&parsed) { Some(answer) } else { Some(teller.whole(parsed).into()) }
    }

    /// Events of an answer; nothing where the dialect has no event for them.
    pub fn events(&mut self, events: Bytes) -> Bytes {
        let Some(teller) = &mut self.teller else { return events };
        let mut out = String::new();
        self.splitter.feed(events);
        while let Some(Ok(event)) = self.splitter.next() {
            if event.comment {
                teller.beat(&mut out);
            } else if event.data.trim_ascii() == b"[DONE]" {
                teller.done(&mut out);
            } else if let Ok(parsed) = ParsedResponse::read(&event.data) {
                if teller.is_told(&parsed) {
                    out.push_str(&String::from_utf8_lossy(&event.raw));
                } else {
                    teller.encode_piece(parsed, &mut out);
                }
            }
        }
        out.into()
    }

    /// A sign of life; `plain` is OpenAI's.
    pub fn beat(&mut self, plain: &'static [u8]) -> Bytes {
        let Some(teller) = &mut self.teller else { return Bytes::from_static(plain) };
        let mut out = String::new();
        teller.beat(&mut out);
        out.into()
    }

    /// An error in the midst of a stream, after which nothing comes.
    pub fn failed(&mut self, error: &ErrorWords) -> Bytes {
        let Some(teller) = &mut self.teller else {
            return super::write::error_event(&error.body(ClientVendor::OpenAi, ""));
        };
        let mut out = String::new();
        teller.failed(error, &mut out);
        out.into()
    }
}

/// What is said of an error.
#[derive(Debug, Clone)]
pub struct ErrorWords {
    /// The status that it has, or would have if nothing had been sent.
    pub status: u16,
    /// A sentence for a person.
    pub message: String,
    /// OpenAI's class of errors.
    pub kind: String,
    /// A word for programs.
    pub code: String,
    /// The field at fault.
    pub param: Option<String>,
    /// Whether the prompt is too long, whatever the code: some APIs say so in the sentence.
    pub too_long: bool,
}

impl ErrorWords {
    /// As the body of an answer to the request of this name.
    pub fn body(&self, vendor: ClientVendor, id: &str) -> Bytes {
        match vendor {
            ClientVendor::OpenAi => {
                error_body(&self.message, &self.kind, self.param.as_deref(), Some(&self.code))
            }
            ClientVendor::Anthropic => messages::error(self, id).into(),
        }
    }
}

/// Adds an event with a name.
fn event(out: &mut String, name: &str, data: &str) {
    out.push_str("event: ");
    out.push_str(name);
    out.push_str("\ndata: ");
    out.push_str(data);
    out.push_str("\n\n");
}
