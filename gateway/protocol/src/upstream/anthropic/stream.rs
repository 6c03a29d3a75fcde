//! A streamed answer in Anthropic's words.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::Deserialize;

use super::super::super::chunk::{ChunkKind, ResponseChunk};
use super::super::super::finish_reason::FinishReason;
use super::super::super::provider_error::ProviderError;
use super::super::super::sse::SseEvent;
use super::super::chunk_encoder::{self, ChunkEncoder, ToolCallState};
use super::answer::{AnthropicBlock, AnthropicMessage, AnthropicUsage, hidden, thought};

/// Reads the events of one answer.
#[derive(Debug)]
pub struct AnthropicDecoder {
    voice: ChunkEncoder,
    native: bool,
    usage: AnthropicUsage,
    open: OpenBlockState,
    /// Calls of tools so far.
    calls: u64,
}

/// The block under way. There is one at a time.
#[derive(Debug, Default)]
enum OpenBlockState {
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
struct AnthropicEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<AnthropicMessage<'a>>,
    #[serde(borrow, default)]
    content_block: Option<AnthropicBlock<'a>>,
    #[serde(borrow, default)]
    delta: Option<AnthropicDelta<'a>>,
    #[serde(default)]
    usage: Option<AnthropicUsage>,
}

/// The type of an event, whatever else is in it.
#[derive(Deserialize)]
struct EventType<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The types of the events that an answer is made of.
const KNOWN: [&str; 6] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
];

/// What an event adds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AnthropicDelta<'a> {
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

impl AnthropicDecoder {
    pub(in super::super) fn new(native: bool, created: u64) -> Self {
        let voice = ChunkEncoder { created, ..ChunkEncoder::default() };
        Self { voice, native, usage: AnthropicUsage::default(), open: OpenBlockState::Other, calls: 0 }
    }

    /// Adds what an event says: where the client speaks this dialect, at least one chunk, the first of which carries
    /// the event as it came, and the others nothing.
    pub(in super::super) fn take(&mut self, event: SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        let before = chunks.len();
        self.read(&event, chunks);
        if self.native {
            chunk_encoder::carry(event.raw, before, chunks);
        }
    }

    fn read(&mut self, event: &SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        if event.comment {
            return chunks.push_back(chunk_encoder::without_data(event));
        }
        let Ok(said) = serde_json::from_slice::<AnthropicEvent<'_>>(&event.data) else {
            // An event of a new type may have members of other shapes.
            let is_new = serde_json::from_slice::<EventType<'_>>(&event.data)
                .is_ok_and(|event| !KNOWN.contains(&&*event.kind));
            return chunks.push_back(if is_new {
                chunk_encoder::aside()
            } else {
                chunk_encoder::malformed()
            });
        };
        match &*said.kind {
            "message_start" => self.start(said.message.unwrap_or_default(), chunks),
            "content_block_start" => self.open(said.content_block.unwrap_or_default(), chunks),
            "content_block_delta" => self.grow(&said.delta.unwrap_or_default(), chunks),
            "content_block_stop" => self.close(chunks),
            "message_delta" => self.stop(said.delta.unwrap_or_default(), said.usage, chunks),
            "message_stop" => chunks.push_back(chunk_encoder::done()),
            // A client of this dialect gets it as it came, in its place.
            "ping" if self.native => {}
            "ping" => {
                chunks.push_back(ResponseChunk { data: event.data.clone(), ..chunk_encoder::alive() });
            }
            "error" => {
                let what = ChunkKind::Error(ProviderError::read(None, &event.data));
                chunks.push_back(ResponseChunk { what, data: event.data.clone(), ..chunk_encoder::aside() });
            }
            // Anthropic's versioning policy: events of new types are to be passed over.
            _ => {}
        }
    }

    fn start(&mut self, message: AnthropicMessage<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        (self.voice.id, self.voice.model) = (message.id, message.model);
        self.usage = self.usage.then(message.usage.unwrap_or_default());
        chunks.push_back(self.voice.says(0, None, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        }));
    }

    fn open(&mut self, block: AnthropicBlock<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        match block.kind.as_str() {
            "text" => {
                self.open = OpenBlockState::Other;
                self.content(&block.text, chunks);
            }
            "thinking" => {
                self.reasoning(&block.thinking, chunks);
                self.open = OpenBlockState::Thought(block.thinking, block.signature);
            }
            "redacted_thinking" => {
                self.open = OpenBlockState::Other;
                self.thoughts(&hidden(&block.data), chunks);
            }
            "tool_use" => {
                let given = block.input.map(|raw| raw.get()).filter(|raw| *raw != "{}" && *raw != "null");
                let call = ToolCallState { id: block.id, name: block.name, ..ToolCallState::default() };
                let number = self.calls;
                self.calls += 1;
                self.open = OpenBlockState::Call(given.is_some());
                chunks.push_back(self.voice.says(0, None, |delta| {
                    chunk_encoder::calls(delta, number, Some(&call), given.unwrap_or_default());
                }));
            }
            _ => self.open = OpenBlockState::Other,
        }
    }

    fn grow(&mut self, delta: &AnthropicDelta<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        self.content(&delta.text, chunks);
        self.reasoning(&delta.thinking, chunks);
        match &mut self.open {
            OpenBlockState::Thought(thinking, signature) => {
                thinking.push_str(&delta.thinking);
                signature.push_str(&delta.signature);
            }
            OpenBlockState::Call(begun) if !delta.partial_json.is_empty() => {
                *begun = true;
                self.arguments(&delta.partial_json, chunks);
            }
            OpenBlockState::Call(_) | OpenBlockState::Other => {}
        }
    }

    fn close(&mut self, chunks: &mut VecDeque<ResponseChunk>) {
        match std::mem::take(&mut self.open) {
            OpenBlockState::Thought(thinking, signature) => {
                self.thoughts(&thought(&thinking, &signature), chunks)
            }
            // A call without arguments has an empty object in our words.
            OpenBlockState::Call(false) => self.arguments("{}", chunks),
            OpenBlockState::Call(true) | OpenBlockState::Other => {}
        }
    }

    fn stop(
        &mut self,
        delta: AnthropicDelta<'_>,
        usage: Option<AnthropicUsage>,
        chunks: &mut VecDeque<ResponseChunk>,
    ) {
        self.usage = self.usage.then(usage.unwrap_or_default());
        let counts = self.usage.counts();
        if let Some(reason) = delta.stop_reason {
            let finish = FinishReason::of(&reason);
            if finish == FinishReason::Failed {
                let usage = counts.and_then(|counts| counts.told());
                let what = ChunkKind::Error(ProviderError { usage, ..ProviderError::of_reason(&reason) });
                return chunks.push_back(ResponseChunk { what, ..chunk_encoder::aside() });
            }
            chunks.push_back(self.voice.says(0, Some(finish), |_| {}));
        }
        if let Some(counts) = counts {
            chunks.push_back(self.voice.counted(&counts));
        }
    }

    fn content(&self, text: &str, chunks: &mut VecDeque<ResponseChunk>) {
        if !text.is_empty() {
            chunks.push_back(self.voice.says(0, None, |delta| delta.text("content", text)));
        }
    }

    fn reasoning(&self, text: &str, chunks: &mut VecDeque<ResponseChunk>) {
        if !text.is_empty() {
            chunks.push_back(self.voice.says(0, None, |delta| delta.text("reasoning_content", text)));
        }
    }

    fn thoughts(&self, block: &str, chunks: &mut VecDeque<ResponseChunk>) {
        let blocks = format!("[{block}]");
        chunks.push_back(
            self.voice.says(0, None::<FinishReason>, |delta| delta.raw("thinking_blocks", &blocks)),
        );
    }

    fn arguments(&self, text: &str, chunks: &mut VecDeque<ResponseChunk>) {
        let number = self.calls.saturating_sub(1);
        chunks.push_back(self.voice.says(0, None, |delta| chunk_encoder::calls(delta, number, None, text)));
    }
}
