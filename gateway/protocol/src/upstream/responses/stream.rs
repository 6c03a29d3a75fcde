//! A streamed response: every event goes on as it came, and what it says is told beside it in our words.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::chunk::{ChunkKind, ResponseChunk};
use super::super::super::provider_error::ProviderError;
use super::super::super::sse::SseEvent;
use super::super::chunk_encoder::{self, ChunkEncoder, ToolCallState};
use super::answer::{ResponsesAnswer, ResponsesItem};

/// Reads the events of one response.
#[derive(Debug, Default)]
pub struct ResponsesDecoder {
    voice: ChunkEncoder,
    has_started: bool,
    /// The places of the items that are calls of tools.
    calls: Vec<u64>,
}

/// Any event. What is only read for some stays as it is written, so that no other's shape matters.
#[derive(Deserialize)]
struct ResponsesEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(default)]
    output_index: Option<u64>,
}

impl ResponsesEvent<'_> {
    fn delta(&self) -> Option<String> {
        let delta: String = serde_json::from_str(self.delta?.get()).ok()?;
        (!delta.is_empty()).then_some(delta)
    }

    fn response(&self) -> Option<ResponsesAnswer<'_>> {
        serde_json::from_str(self.response?.get()).ok()
    }
}

impl ResponsesDecoder {
    /// Adds what an event says: one chunk at least, the first of which carries the event as it came, and the others
    /// nothing.
    pub(in super::super) fn take(&mut self, event: SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        let before = chunks.len();
        self.read(&event, chunks);
        chunk_encoder::carry(event.raw, before, chunks);
    }

    fn read(&mut self, event: &SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        if event.comment {
            return chunks.push_back(chunk_encoder::without_data(event));
        }
        let Ok(said) = serde_json::from_slice::<ResponsesEvent<'_>>(&event.data) else {
            // Some send OpenAI's older marker behind the end.
            let done = event.data.trim_ascii() == b"[DONE]";
            return chunks.push_back(if done { chunk_encoder::aside() } else { chunk_encoder::malformed() });
        };
        match &*said.kind {
            "response.created" | "response.in_progress" | "response.queued" => self.begin(&said, chunks),
            "response.output_text.delta" => self.text("content", &said, chunks),
            "response.refusal.delta" => self.text("refusal", &said, chunks),
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                self.text("reasoning_content", &said, chunks);
            }
            "response.output_item.added" => self.call(&said, chunks),
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(&said, chunks);
            }
            "response.completed" | "response.incomplete" => self.end(&said, event, chunks),
            "response.failed" | "response.cancelled" => {
                let complaint = said.response().and_then(|response| response.complaint());
                failed(complaint.unwrap_or_else(|| ProviderError::read(None, b"")), event, chunks);
            }
            "error" => failed(ProviderError::read(None, &event.data), event, chunks),
            _ => {}
        }
    }

    fn begin(&mut self, said: &ResponsesEvent<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let ResponsesAnswer { id, model, created_at, .. } = said.response().unwrap_or_default();
        self.voice = ChunkEncoder { id, model, created: created_at as u64 };
        chunks.push_back(self.voice.says(0, None, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        }));
    }

    fn text(&self, name: &str, said: &ResponsesEvent<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        if let Some(text) = said.delta() {
            chunks.push_back(self.voice.says(0, None, |delta| delta.text(name, &text)));
        }
    }

    fn call(&mut self, said: &ResponsesEvent<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        let item = said.item.and_then(|item| serde_json::from_str::<ResponsesItem>(item.get()).ok());
        let Some(item) = item.filter(|it| matches!(&*it.kind, "function_call" | "custom_tool_call")) else {
            return;
        };
        let number = self.calls.len() as u64;
        self.calls.push(said.output_index.unwrap_or_default());
        let call = ToolCallState {
            id: item.call_id.unwrap_or_default(),
            name: item.name.unwrap_or_default(),
            ..ToolCallState::default()
        };
        let given = item.arguments.or(item.input).unwrap_or_default();
        chunks.push_back(
            self.voice.says(0, None, |delta| chunk_encoder::calls(delta, number, Some(&call), &given)),
        );
    }

    fn arguments(&self, said: &ResponsesEvent<'_>, chunks: &mut VecDeque<ResponseChunk>) {
        let place = said.output_index.unwrap_or_default();
        let Some(number) = self.calls.iter().rposition(|call| *call == place) else { return };
        if let Some(more) = said.delta() {
            let number = number as u64;
            chunks.push_back(
                self.voice.says(0, None, |delta| chunk_encoder::calls(delta, number, None, &more)),
            );
        }
    }

    fn end(&self, said: &ResponsesEvent<'_>, event: &SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
        let response = said.response().unwrap_or_default();
        if let Some(complaint) = response.complaint() {
            return failed(complaint, event, chunks);
        }
        let finish = response.finish(!self.calls.is_empty());
        chunks.push_back(self.voice.says(0, Some(finish), |_| {}));
        if let Some(counts) = response.counts() {
            chunks.push_back(self.voice.counted(&counts));
        }
        chunks.push_back(chunk_encoder::done());
    }
}

fn failed(complaint: ProviderError, event: &SseEvent, chunks: &mut VecDeque<ResponseChunk>) {
    chunks.push_back(ResponseChunk {
        what: ChunkKind::Error(complaint),
        data: event.data.clone(),
        ..chunk_encoder::aside()
    });
}
