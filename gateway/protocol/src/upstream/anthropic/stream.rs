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

/// Blocks that may be under way at once. Nothing is ever allocated by a number that an upstream sends.
const MOST_OPEN: usize = 128;

/// Reads the events of one answer.
#[derive(Debug)]
pub struct AnthropicDecoder {
    voice: ChunkEncoder,
    native: bool,
    usage: AnthropicUsage,
    /// The blocks under way in the order in which they began, each with the number that the upstream gives it.
    open: Vec<(Option<u64>, OpenBlockState)>,
    /// Calls of tools so far.
    calls: u64,
    /// Whether any block has said something.
    said: bool,
    /// Whether it is told why the answer ended.
    ended: bool,
}

/// What is kept of a block under way.
#[derive(Debug)]
enum OpenBlockState {
    /// Nothing: a text, or a block that is none of ours.
    Other,
    /// What the model thinks, and its signature.
    Thought(String, String),
    /// A call of a tool.
    Call(OpenCall),
}

/// A call of a tool under way.
#[derive(Debug, Clone, Copy)]
struct OpenCall {
    /// Counted from 0 in the order in which the calls began.
    number: u64,
    /// Whether its arguments have begun.
    begun: bool,
}

/// Any event.
#[derive(Deserialize)]
struct AnthropicEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    /// The block that it is about.
    #[serde(default)]
    index: Option<u64>,
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
        Self {
            voice,
            native,
            usage: AnthropicUsage::default(),
            open: Vec::new(),
            calls: 0,
            said: false,
            ended: false,
        }
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
        let (is_block, before) = (said.kind.starts_with("content_block"), chunks.len());
        match &*said.kind {
            "message_start" => self.start(said.message.unwrap_or_default(), chunks),
            "content_block_start" => self.open(said.index, said.content_block.unwrap_or_default(), chunks),
            "content_block_delta" => self.grow(said.index, &said.delta.unwrap_or_default(), chunks),
            "content_block_stop" => self.close(said.index, chunks),
            "message_delta" => self.stop(said.delta.unwrap_or_default(), said.usage, chunks),
            "message_stop" => self.complete(chunks),
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
        self.said |= is_block && chunks.len() > before;
    }

    fn start(&mut self, message: AnthropicMessage<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        (self.voice.id, self.voice.model) = (message.id, message.model);
        self.usage = self.usage.then(message.usage.unwrap_or_default());
        chunks.push_back(self.voice.says(0, None, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        }));
    }

    fn open(&mut self, index: Option<u64>, block: AnthropicBlock<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        // An upstream that numbers no block, or all alike, has one at a time.
        if self.open.iter().any(|(open, _)| *open == index) {
            self.close(index, chunks);
        }
        if self.open.len() == MOST_OPEN {
            return chunks.push_back(chunk_encoder::malformed());
        }
        let state = match block.kind.as_str() {
            "text" => {
                self.content(&block.text, chunks);
                OpenBlockState::Other
            }
            "thinking" => {
                self.reasoning(&block.thinking, chunks);
                OpenBlockState::Thought(block.thinking, block.signature)
            }
            "redacted_thinking" => {
                self.thoughts(&hidden(&block.data), chunks);
                OpenBlockState::Other
            }
            "tool_use" => OpenBlockState::Call(self.call(block, chunks)),
            _ => OpenBlockState::Other,
        };
        self.open.push((index, state));
    }

    fn call(&mut self, block: AnthropicBlock<'_>, chunks: &mut VecDeque<ResponseChunk>) -> OpenCall {
        let given = block.input.map(|raw| raw.get()).filter(|raw| *raw != "{}" && *raw != "null");
        let call = ToolCallState { id: block.id, name: block.name, ..ToolCallState::default() };
        let number = self.calls;
        self.calls += 1;
        chunks.push_back(self.voice.says(0, None, |delta| {
            chunk_encoder::calls(delta, number, Some(&call), given.unwrap_or_default());
        }));
        OpenCall { number, begun: given.is_some() }
    }

    fn grow(&mut self, index: Option<u64>, delta: &AnthropicDelta<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        self.content(&delta.text, chunks);
        self.reasoning(&delta.thinking, chunks);
        let Some(at) = self.place(index) else { return };
        match &mut self.open[at].1 {
            OpenBlockState::Thought(thinking, signature) => {
                thinking.push_str(&delta.thinking);
                signature.push_str(&delta.signature);
            }
            OpenBlockState::Call(call) if !delta.partial_json.is_empty() => {
                call.begun = true;
                let number = call.number;
                self.arguments(number, &delta.partial_json, chunks);
            }
            OpenBlockState::Call(_) | OpenBlockState::Other => {}
        }
    }

    /// Where the block that an event is about stands among those under way: the last, if its number is none of theirs.
    fn place(&self, index: Option<u64>) -> Option<usize> {
        let same = self.open.iter().rposition(|(open, _)| *open == index);
        same.or(self.open.len().checked_sub(1))
    }

    fn close(&mut self, index: Option<u64>, chunks: &mut VecDeque<ResponseChunk>) {
        if let Some(at) = self.place(index) {
            let (_, block) = self.open.remove(at);
            self.closed(block, chunks);
        }
    }

    /// Closes what the upstream has left open.
    fn close_all(&mut self, chunks: &mut VecDeque<ResponseChunk>) {
        for (_, block) in std::mem::take(&mut self.open) {
            self.closed(block, chunks);
        }
    }

    fn closed(&self, block: OpenBlockState, chunks: &mut VecDeque<ResponseChunk>) {
        match block {
            OpenBlockState::Thought(thinking, signature) => {
                self.thoughts(&thought(&thinking, &signature), chunks)
            }
            // A call without arguments has an empty object in our words.
            OpenBlockState::Call(OpenCall { number, begun: false }) => self.arguments(number, "{}", chunks),
            OpenBlockState::Call(_) | OpenBlockState::Other => {}
        }
    }

    fn stop(
        &mut self,
        delta: AnthropicDelta<'_>,
        usage: Option<AnthropicUsage>,
        chunks: &mut VecDeque<ResponseChunk>,
    ) {
        self.usage = self.usage.then(usage.unwrap_or_default());
        let reason = delta.stop_reason.filter(|reason| !reason.is_empty());
        if reason.is_some_and(|reason| !self.end(&reason, chunks)) {
            return;
        }
        if let Some(counts) = self.usage.counts() {
            chunks.push_back(self.voice.counted(&counts));
        }
    }

    fn complete(&mut self, chunks: &mut VecDeque<ResponseChunk>) {
        // An answer without a reason is not known to be complete.
        if self.ended || self.end("", chunks) {
            chunks.push_back(chunk_encoder::done());
        }
    }

    /// Tells why the answer ended; gives whether it is one. An answer that says nothing and ends in a word that nobody knows is none.
    fn end(&mut self, reason: &str, chunks: &mut VecDeque<ResponseChunk>) -> bool {
        self.close_all(chunks);
        self.ended = true;
        let finish = FinishReason::of(reason);
        let fails = finish == FinishReason::Failed || (finish == FinishReason::Other && !self.said);
        chunks.push_back(if fails {
            let usage = self.usage.counts().and_then(|counts| counts.told());
            let what = ChunkKind::Error(ProviderError { usage, ..ProviderError::of_reason(reason) });
            ResponseChunk { what, ..chunk_encoder::aside() }
        } else {
            self.voice.says(0, Some(finish), |_| {})
        });
        !fails
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

    fn arguments(&self, number: u64, text: &str, chunks: &mut VecDeque<ResponseChunk>) {
        chunks.push_back(self.voice.says(0, None, |delta| chunk_encoder::calls(delta, number, None, text)));
    }
}
