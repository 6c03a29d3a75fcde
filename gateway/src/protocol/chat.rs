//! A chat request, read once.

use std::borrow::Cow;

use bytes::Bytes;
use router_policies::{Prompt, Turn};

use super::estimate::{in_tokens, weight, weight_of};
use super::fields::{Fields, Format};
use super::json::{Object, Places, string};
use super::messages::{Message, Messages};
use super::refusal::BadRequest;
use super::scan::text_of;
use super::simple::Simple;

/// What the framing of a message adds, and what begins the answer, in tokens, as OpenAI counts them.
const MESSAGE_TOKENS: u64 = 4;
const ANSWER_TOKENS: u64 = 3;

/// What a model must be able to do to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// See images.
    pub image: bool,
    /// Hear sound, or speak.
    pub audio: bool,
    /// Watch films.
    pub video: bool,
    /// Read attached files.
    pub file: bool,
    /// Call tools, or read what they gave back.
    pub tools: bool,
    /// Keep to a JSON schema.
    pub json_schema: bool,
    /// Go on with an answer that the client began: the last message is the assistant's.
    pub prefill: bool,
    /// Say how probable its tokens were.
    pub logprobs: bool,
}

/// A chat request: its text as it came, and what the gateway must know of it.
#[derive(Debug, Clone)]
pub struct Chat {
    pub(super) object: Object,
    pub(super) fields: Fields,
    pub(super) messages: Messages,
}

impl Chat {
    /// Reads a request body. What the gateway does not know is left alone.
    pub fn parse(body: Bytes) -> Result<Self, BadRequest> {
        let text = text_of(&body)?;
        let places = Places::of(text)?;
        let fields = Fields::read(text, &places)?;
        let at = places.find(&body, "messages").ok_or_else(|| BadRequest::missing("messages"))?.start;
        let messages = Messages::read(text, at)?;
        Ok(Self { object: Object::placed(body, places), fields, messages })
    }

    /// The name that the client asks for: a route or a model. Not empty, otherwise anything at all.
    pub fn model(&self) -> &str {
        &self.fields.model
    }

    /// Whether the answer is to come as a stream.
    pub fn stream(&self) -> bool {
        self.fields.stream
    }

    /// Whether the client wants the usage at the end of its stream.
    pub fn include_usage(&self) -> bool {
        self.fields.include_usage
    }

    /// The longest answer that the client allows, in tokens: `max_completion_tokens`, else `max_tokens`; 1 to 2³².
    pub fn max_tokens(&self) -> Option<u64> {
        self.fields.max_tokens
    }

    /// How many answers are asked for: 1 to 128.
    pub fn n(&self) -> u64 {
        self.fields.n
    }

    /// What a model must be able to do to answer this.
    pub fn needs(&self) -> Needs {
        let attached = &self.messages.attachments;
        let last = self.messages.list.last();
        Needs {
            image: attached.images > 0,
            audio: attached.sounds > 0 || self.fields.speaks,
            video: attached.films > 0,
            file: attached.files > 0,
            tools: self.fields.tools > 0 || self.messages.tools,
            json_schema: self.fields.format == Format::Schema,
            prefill: last.is_some_and(|message| message.role == router_policies::Role::Assistant),
            logprobs: self.fields.logprobs,
        }
    }

    /// What a scorer reads. Borrows the text where it has no escapes; call it once.
    pub fn prompt(&self) -> Prompt<'_> {
        let turn = |message: &Message| Turn { role: message.role, text: self.text(message) };
        Prompt {
            turns: self.messages.list.iter().map(turn).collect(),
            tools: self.fields.tools,
            structured: self.fields.format != Format::Text,
            attachments: self.messages.attachments.count(),
        }
    }

    /// An estimate of all prompt tokens: messages, tools, and attachments within bounds. Walks the text; call it once.
    pub fn prompt_tokens(&self) -> u64 {
        let body = self.object.bytes();
        let texts = self.messages.spans.iter().map(|span| weight(&span.text(body).cow()));
        let fields = ["tools", "functions", "response_format"].map(|key| self.object.get(key));
        let fields = fields.into_iter().flatten().map(weight_of);
        let weight = texts.chain(fields).fold(self.messages.rest, u64::saturating_add);
        let framing = MESSAGE_TOKENS * self.messages.list.len() as u64 + ANSWER_TOKENS;
        in_tokens(weight).saturating_add(framing).saturating_add(self.messages.attachments.tokens)
    }

    /// The body for an upstream of the OpenAI dialect: with its name for the model, streamed or not, usage always asked
    /// for in a stream. Every other byte is the client's.
    pub fn encode(&self, model: &str, stream: bool) -> Bytes {
        let model = string(model);
        let asked = stream.then(|| self.options());
        let options = ("stream_options", asked.as_deref());
        let model = ("model", Some(model.as_bytes()));
        if stream == self.fields.stream {
            return self.object.edited(&[model, options]);
        }
        let stream: &[u8] = if stream { b"true" } else { b"false" };
        self.object.edited(&[model, ("stream", Some(stream)), options])
    }

    /// The request for the embedded engine, or what the engine cannot do.
    pub fn simple(&self) -> Result<Simple, BadRequest> {
        Simple::of(self)
    }

    /// A message's text, its parts one below the other.
    pub(super) fn text(&self, message: &Message) -> Cow<'_, str> {
        let body = self.object.bytes();
        match &self.messages.spans[message.texts.clone()] {
            [] => Cow::Borrowed(""),
            [span] => span.text(body).cow(),
            spans => {
                let texts: Vec<_> = spans.iter().map(|span| span.text(body).cow()).collect();
                Cow::Owned(texts.join("\n"))
            }
        }
    }

    /// The client's `stream_options` with the usage asked for.
    fn options(&self) -> Bytes {
        let asked = self.object.get("stream_options").unwrap_or_default();
        let options = Object::skim(self.object.bytes().slice_ref(asked));
        match options {
            Ok(options) => options.edited(&[("include_usage", Some(b"true"))]),
            Err(_) => Bytes::from_static(br#"{"include_usage":true}"#),
        }
    }
}
