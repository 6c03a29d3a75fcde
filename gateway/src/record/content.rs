//! What was asked and answered: for the log line of a route that says `record: content`, and to be held against another
//! model's answer where the route explores; for nothing else.

use bytes::Bytes;
use gateway_config::ModelProvider;
use router_policies::Usage;
use serde_json::Value;

use super::RequestRecord;
use protocol::{
    AnswerMessage, ChatRequest, EncodeOptions, FinalUsage, ResponseAggregator, ResponseChunk, SseParser,
    read_chunk,
};

/// Bytes of JSON that a prompt and an answer may have each; of a longer one the beginning is kept, as text.
const LONGEST: usize = 64 << 10;
/// Stands where one of our own keys was quoted.
const REDACTED: &str = "[key]";

/// The messages of a request, and the answer that its client got.
#[derive(Debug, Clone)]
pub struct RecordedContent {
    prompt: String,
    answer: Option<String>,
    aggregator: ResponseAggregator,
    /// Bytes of the pieces that were heard.
    bytes: usize,
}

impl RecordedContent {
    /// Of a request that has no answer yet.
    pub fn of(chat: &ChatRequest) -> Self {
        let body = chat.encode("-", chat.stream(), &EncodeOptions::default());
        Self {
            prompt: member(&body, "messages"),
            answer: None,
            aggregator: ResponseAggregator::new(),
            bytes: 0,
        }
    }

    /// The whole answer, as it came.
    pub fn answered(&mut self, body: &[u8]) {
        self.answer = Some(member(body, "choices"));
    }

    /// A piece of the answer goes to the client.
    pub fn add_chunk(&mut self, chunk: &ResponseChunk) {
        self.bytes = self.bytes.saturating_add(chunk.data.len());
        // The frame of a piece is many times its text; what is beyond this is beyond the bound, too.
        if self.bytes < LONGEST * 64 {
            let _ = self.aggregator.see(chunk);
        }
    }

    /// Events of ours that join one model's answer to another's.
    pub fn join(&mut self, events: &Bytes) {
        let mut splitter = SseParser::default();
        splitter.feed(events.clone());
        while let Some(Ok(event)) = splitter.next() {
            self.add_chunk(&read_chunk(event));
        }
    }

    /// The text of the first choice; `None` where there is none, or it is too long to be kept.
    pub fn text(&self) -> Option<String> {
        let choices = self.answer.clone().unwrap_or_else(|| self.aggregated_choices());
        AnswerMessage::of_whole(format!(r#"{{"choices":{choices}}}"#).as_bytes())?.content
    }

    /// The choices of a streamed answer.
    fn aggregated_choices(&self) -> String {
        let usage =
            FinalUsage { usage: Usage::default(), cost: None, resumed: false, summed: false, account: None };
        member(&self.aggregator.whole(&usage), "choices")
    }

    /// The messages, and the choices that were answered: JSON, or the beginning of it as text.
    pub fn shown(&self, record: &RequestRecord) -> (Value, Value) {
        let answer = self.answer.clone().unwrap_or_else(|| self.aggregated_choices());
        (excerpt(&self.prompt, record), excerpt(&answer, record))
    }
}

/// A member of a JSON object in its shortest form; empty where there is none.
fn member(object: &[u8], name: &str) -> String {
    let parsed: Value = serde_json::from_slice(object).unwrap_or_default();
    let mut text = parsed.get(name).map_or_else(String::new, Value::to_string);
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
    }
    text
}

fn excerpt(text: &str, record: &RequestRecord) -> Value {
    let remotes = record.attempts.iter().filter_map(|attempt| match &attempt.model.provider {
        ModelProvider::Remote(remote) => Some(&remote.endpoints),
        ModelProvider::Embedded(_) => None,
    });
    let keys = remotes.flatten().filter_map(|endpoint| endpoint.api_key.as_ref());
    let mut text = text.to_owned();
    for key in keys.map(|key| key.reveal()).filter(|key| !key.is_empty()) {
        text = text.replace(key, REDACTED);
    }
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
