//! A streamed response: every event goes on as it came, and what it says is told beside it in our words.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::chunk::{Chunk, What};
use super::super::super::complaint::Complaint;
use super::super::super::sse::Event;
use super::super::voice::{self, Calling, Voice};
use super::answer::{Item, Response};

/// Reads the events of one response.
#[derive(Debug, Default)]
pub struct Decoder {
    voice: Voice,
    begun: bool,
    /// The places of the items that are calls of tools.
    calls: Vec<u64>,
}

/// Any event. What is only read for some stays as it is written, so that no other's shape matters.
#[derive(Deserialize)]
struct Said<'a> {
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

impl Said<'_> {
    fn delta(&self) -> Option<String> {
        let delta: String = serde_json::from_str(self.delta?.get()).ok()?;
        (!delta.is_empty()).then_some(delta)
    }

    fn response(&self) -> Option<Response<'_>> {
        serde_json::from_str(self.response?.get()).ok()
    }
}

impl Decoder {
    /// Adds what an event says: one chunk at least, the first of which carries the event as it came, and the others
    /// nothing.
    pub(in super::super) fn take(&mut self, event: Event, chunks: &mut VecDeque<Chunk>) {
        let before = chunks.len();
        self.read(&event, chunks);
        voice::carry(event.raw, before, chunks);
    }

    fn read(&mut self, event: &Event, chunks: &mut VecDeque<Chunk>) {
        if event.comment {
            return chunks.push_back(voice::alive());
        }
        let Ok(said) = serde_json::from_slice::<Said<'_>>(&event.data) else {
            // Some send OpenAI's older marker behind the end.
            let done = event.data.trim_ascii() == b"[DONE]";
            return chunks.push_back(if done { voice::aside() } else { voice::malformed() });
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
            "response.completed" | "response.incomplete" => self.end(&said, chunks),
            "response.failed" | "response.cancelled" => {
                let complaint = said.response().and_then(|response| response.complaint());
                failed(complaint.unwrap_or_else(|| Complaint::read(None, b"")), event, chunks);
            }
            "error" => failed(Complaint::read(None, &event.data), event, chunks),
            _ => {}
        }
    }

    fn begin(&mut self, said: &Said<'_>, chunks: &mut VecDeque<Chunk>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let Response { id, model, created_at, .. } = said.response().unwrap_or_default();
        self.voice = Voice { id, model, created: created_at as u64 };
        chunks.push_back(self.voice.says(0, None, |delta| {
            delta.text("role", "assistant");
            delta.text("content", "");
        }));
    }

    fn text(&self, name: &str, said: &Said<'_>, chunks: &mut VecDeque<Chunk>) {
        if let Some(text) = said.delta() {
            chunks.push_back(self.voice.says(0, None, |delta| delta.text(name, &text)));
        }
    }

    fn call(&mut self, said: &Said<'_>, chunks: &mut VecDeque<Chunk>) {
        let item = said.item.and_then(|item| serde_json::from_str::<Item>(item.get()).ok());
        let Some(item) = item.filter(|it| matches!(&*it.kind, "function_call" | "custom_tool_call")) else {
            return;
        };
        let number = self.calls.len() as u64;
        self.calls.push(said.output_index.unwrap_or_default());
        let call = Calling {
            id: item.call_id.unwrap_or_default(),
            name: item.name.unwrap_or_default(),
            ..Calling::default()
        };
        let given = item.arguments.or(item.input).unwrap_or_default();
        chunks.push_back(self.voice.says(0, None, |delta| voice::calls(delta, number, Some(&call), &given)));
    }

    fn arguments(&self, said: &Said<'_>, chunks: &mut VecDeque<Chunk>) {
        let place = said.output_index.unwrap_or_default();
        let Some(number) = self.calls.iter().rposition(|call| *call == place) else { return };
        if let Some(more) = said.delta() {
            let number = number as u64;
            chunks.push_back(self.voice.says(0, None, |delta| voice::calls(delta, number, None, &more)));
        }
    }

    fn end(&self, said: &Said<'_>, chunks: &mut VecDeque<Chunk>) {
        let response = said.response().unwrap_or_default();
        let finish = response.finish(!self.calls.is_empty());
        chunks.push_back(self.voice.says(0, Some(finish), |_| {}));
        if let Some(counts) = response.usage.and_then(|usage| usage.counts()) {
            chunks.push_back(self.voice.counted(&counts));
        }
        chunks.push_back(voice::done());
    }
}

fn failed(complaint: Complaint, event: &Event, chunks: &mut VecDeque<Chunk>) {
    chunks.push_back(Chunk { what: What::Error(complaint), data: event.data.clone(), ..voice::aside() });
}
