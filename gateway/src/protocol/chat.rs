//! A chat request, read once.

use bytes::Bytes;
use router_policies::Prompt;

use super::refusal::BadRequest;
use super::simple::Simple;

/// What a model must be able to do to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// See images.
    pub image: bool,
    /// Hear sound.
    pub audio: bool,
    /// Watch films.
    pub video: bool,
    /// Read attached files.
    pub file: bool,
    /// Call tools.
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
pub struct Chat {}

impl Chat {
    /// Reads a request body. What the gateway does not know is left alone.
    pub fn parse(_body: Bytes) -> Result<Self, BadRequest> {
        unimplemented!()
    }

    /// The name that the client asks for: a route or a model. Not empty.
    pub fn model(&self) -> &str {
        unimplemented!()
    }

    /// Whether the answer is to come as a stream.
    pub fn stream(&self) -> bool {
        unimplemented!()
    }

    /// Whether the client wants the usage at the end of its stream.
    pub fn include_usage(&self) -> bool {
        unimplemented!()
    }

    /// The longest answer that the client allows, in tokens: `max_completion_tokens`, else `max_tokens`; 1 to 2³².
    pub fn max_tokens(&self) -> Option<u64> {
        unimplemented!()
    }

    /// How many answers are asked for: 1 to 128.
    pub fn n(&self) -> u64 {
        unimplemented!()
    }

    /// What a model must be able to do to answer this.
    pub fn needs(&self) -> Needs {
        unimplemented!()
    }

    /// What a scorer reads. Borrows the text where it has no escapes.
    pub fn prompt(&self) -> Prompt<'_> {
        unimplemented!()
    }

    /// An estimate of all prompt tokens: messages, tools, and attachments within bounds.
    pub fn prompt_tokens(&self) -> u64 {
        unimplemented!()
    }

    /// The body for an upstream of the OpenAI dialect: with its name for the model, streamed or not, usage always asked for in
    /// a stream. Every other byte is the client's.
    pub fn encode(&self, _model: &str, _stream: bool) -> Bytes {
        unimplemented!()
    }

    /// The request for the embedded engine, or what the engine cannot do.
    pub fn simple(&self) -> Result<Simple, BadRequest> {
        unimplemented!()
    }
}
