//! A streamed answer in Anthropic's words.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::Deserialize;

use super::super::super::chunk::{Chunk, Finish, What};
use super::super::super::complaint::Complaint;
use super::super::super::sse::Event;
use super::super::voice::{self, Calling, Voice};
use super::answer::{Answer, Block, Usage, finish, hidden, thought};

/// Reads the events of one answer.
#[derive(Debug)]
pub struct Decoder {
    voice: Voice,
    native: bool,
    usage: Usage,
    open: Open,
    /// Calls of tools so far.
    calls: u64,
}

/// The block under way. There is one at a time.
#[derive(Debug, Default)]
enum Open {
    /// None, or one that is none of ours.
    #[default]
    Other,
    /// What the model thinks, and its signature.
    Thought(String, String),
    /// A call of a tool; whether its arguments have begun.
    Call(bool),
}

/// Any event.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<Answer<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(default)]
    usage: Option<Usage>,
}

/// What an event adds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    thinking: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
    #[serde(borrow)]
    partial_json: Cow<'a, str>,
    stop_reason: Option<String>,
}

impl Decoder {
    pub(in super::super) fn new(native: bool, created: u64) -> Self {
        let voice = Voice { created, ..Voice::default() };
        Self { voice, native, usage: Usage::default(), open: Open::Other, calls: 0 }
    }

    /// Adds what an event says: where the client speaks this dialect, at least one chunk, the first of which carries
    /// the event as it came, and the others nothing.
    pub(in super::super) fn take(&mut self, event: Event, chunks: &mut VecDeque<Chunk>) {
        let before = chunks.len();
        self.read(&event, chunks);
        if self.native {
            voice::carry(event.raw, before, chunks);
        }
    }

    fn read(&mut self, event: &Event, chunks: &mut VecDeque<Chunk>) {
        if event.comment {
            return chunks.push_back(voice::alive());
        }
        let Ok(said) = serde_json::from_slice::<Said<'_>>(&event.data) else {
            return chunks.push_back(voice::malformed());
        };
        match &*said.kind {
            "message_start" => self.start(said.message.unwrap_or_default(), chunks),
            "content_block_start" => self.open(said.content_block.unwrap_or_default(), chunks),
            "content_block_delta" => self.grow(&said.delta.unwrap_or_default(), chunks),
            "content_block_stop" => self.close(chunks),
            "message_delta" => self.stop(said.delta.unwrap_or_default(), said.usage, chunks),
            "message_stop" => chunks.push_back(voice::done()),
            // A client of this dialect gets it as it came, in its place.
            "ping" if self.native => {}
            "ping" => chunks.push_back(voice::alive()),
            "error" => {
                let what = What::Error(Complaint::read(None, &event.data));
                chunks.push_back(Chunk { what, data: event.data.clone(), ..voice::aside() });
            }
            // Anthropic's versioning policy: events of new types are to be passed over.
            _ => {}
        }
    }

    fn start(&mut self, message: Answer<'_>, chunks: &mut VecDeque<Chunk>) {
        (self.voice.id, self.voice.model) = (message.id, message.model);
        self.usage = self.usage.then(message.usage.unwrap_or_default());
        chunks.push_back(self.voice.says(0, None, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        }));
    }

    fn open(&mut self, block: Block<'_>, chunks: &mut VecDeque<Chunk>) {
        match block.kind.as_str() {
            "text" => {
                self.open = Open::Other;
                self.content(&block.text, chunks);
            }
            "thinking" => {
                self.reasoning(&block.thinking, chunks);
                self.open = Open::Thought(block.thinking, block.signature);
            }
            "redacted_thinking" => {
                self.open = Open::Other;
                self.thoughts(&hidden(&block.data), chunks);
            }
            "tool_use" => {
                let given = block.input.map(|raw| raw.get()).filter(|raw| *raw != "{}" && *raw != "null");
                let call = Calling { id: block.id, name: block.name, ..Calling::default() };
                let number = self.calls;
                self.calls += 1;
                self.open = Open::Call(given.is_some());
                chunks.push_back(self.voice.says(0, None, |delta| {
                    voice::calls(delta, number, Some(&call), given.unwrap_or_default());
                }));
            }
            _ => self.open = Open::Other,
        }
    }

    fn grow(&mut self, delta: &Delta<'_>, chunks: &mut VecDeque<Chunk>) {
        self.content(&delta.text, chunks);
        self.reasoning(&delta.thinking, chunks);
        match &mut self.open {
            Open::Thought(thinking, signature) => {
                thinking.push_str(&delta.thinking);
                signature.push_str(&delta.signature);
            }
            Open::Call(begun) if !delta.partial_json.is_empty() => {
                *begun = true;
                self.arguments(&delta.partial_json, chunks);
            }
            Open::Call(_) | Open::Other => {}
        }
    }

    fn close(&mut self, chunks: &mut VecDeque<Chunk>) {
        match std::mem::take(&mut self.open) {
            Open::Thought(thinking, signature) => self.thoughts(&thought(&thinking, &signature), chunks),
            // A call without arguments has an empty object in our words.
            Open::Call(false) => self.arguments("{}", chunks),
            Open::Call(true) | Open::Other => {}
        }
    }

    fn stop(&mut self, delta: Delta<'_>, usage: Option<Usage>, chunks: &mut VecDeque<Chunk>) {
        self.usage = self.usage.then(usage.unwrap_or_default());
        if let Some(reason) = delta.stop_reason {
            chunks.push_back(self.voice.says(0, Some(finish(&reason)), |_| {}));
        }
        if let Some(counts) = self.usage.counts() {
            chunks.push_back(self.voice.counted(&counts));
        }
    }

    fn content(&self, text: &str, chunks: &mut VecDeque<Chunk>) {
        if !text.is_empty() {
            chunks.push_back(self.voice.says(0, None, |delta| delta.text("content", text)));
        }
    }

    fn reasoning(&self, text: &str, chunks: &mut VecDeque<Chunk>) {
        if !text.is_empty() {
            chunks.push_back(self.voice.says(0, None, |delta| delta.text("reasoning_content", text)));
        }
    }

    fn thoughts(&self, block: &str, chunks: &mut VecDeque<Chunk>) {
        let blocks = format!("[{block}]");
        chunks.push_back(self.voice.says(0, None::<Finish>, |delta| delta.raw("thinking_blocks", &blocks)));
    }

    fn arguments(&self, text: &str, chunks: &mut VecDeque<Chunk>) {
        let number = self.calls.saturating_sub(1);
        chunks.push_back(self.voice.says(0, None, |delta| voice::calls(delta, number, None, text)));
    }
}
