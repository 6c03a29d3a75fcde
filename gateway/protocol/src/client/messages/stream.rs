//! A chat's stream → the events of a message: one block after the other.

use super::super::super::chat::ChatRequest;
use super::super::super::finish_reason::FinishReason;
use super::super::super::json::string;
use super::super::answer_order::{AnswerOrder, AnswerStep, SpokenText};
use super::super::json_builder::JsonBuilder;
use super::super::parsed_response::{ParsedResponse, UsageCounts};
use super::super::{EncodeResponse, ErrorWords, event};
use super::whole::{call_id, message};
use super::words::{error, id_of, stop_reason, usage};

/// A message under way.
pub(super) struct MessagesEncoder {
    /// The request's name, and the message's.
    request: String,
    id: String,
    /// Prompt tokens by estimate: what was used is known at the end.
    input: u64,
    begun: bool,
    /// The block that is open.
    open: Option<OpenBlock>,
    /// The place of the next one.
    next: usize,
    order: AnswerOrder,
    finish: Option<FinishReason>,
    stop: Option<String>,
    used: Option<UsageCounts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenBlock {
    Thinking,
    Text,
    Tool,
}

impl MessagesEncoder {
    /// For a request of this name.
    pub(super) fn new(request: &str) -> Self {
        Self {
            request: request.to_owned(),
            id: id_of(request),
            input: 0,
            begun: false,
            open: None,
            next: 0,
            order: AnswerOrder::default(),
            finish: None,
            stop: None,
            used: None,
        }
    }

    fn begin(&mut self, model: &str, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let usage = JsonBuilder::new()
            .number("input_tokens", self.input)
            .number("cache_creation_input_tokens", 0)
            .number("cache_read_input_tokens", 0)
            .number("output_tokens", 0)
            .raw("estimated", "true");
        let message = JsonBuilder::new()
            .text("id", &self.id)
            .text("type", "message")
            .text("role", "assistant")
            .text("model", model)
            .raw("content", "[]")
            .raw("stop_reason", "null")
            .raw("stop_sequence", "null")
            .raw("usage", &usage.end());
        let start = JsonBuilder::of_type("message_start").raw("message", &message.end());
        event(out, "message_start", &start.end());
    }

    /// Opens a block of this kind, if it is not the one that is open.
    fn open(&mut self, block: OpenBlock, out: &mut String) {
        if self.open == Some(block) {
            return;
        }
        let empty = match block {
            OpenBlock::Thinking => {
                JsonBuilder::of_type("thinking").text("thinking", "").text("signature", "")
            }
            _ => JsonBuilder::of_type("text").text("text", ""),
        };
        self.close(out);
        self.start(block, &empty.end(), out);
    }

    fn start(&mut self, block: OpenBlock, content: &str, out: &mut String) {
        let start = JsonBuilder::of_type("content_block_start").number("index", self.next as u64);
        event(out, "content_block_start", &start.raw("content_block", content).end());
        self.open = Some(block);
        self.next += 1;
    }

    /// Ends the block that is open.
    fn close(&mut self, out: &mut String) {
        if self.open.is_some() {
            self.stop(out);
        }
    }

    fn stop(&mut self, out: &mut String) {
        let stop = JsonBuilder::of_type("content_block_stop").number("index", self.next as u64 - 1);
        event(out, "content_block_stop", &stop.end());
        self.open = None;
    }

    fn delta(&self, kind: &str, name: &str, text: &str, out: &mut String) {
        let delta = JsonBuilder::of_type(kind).text(name, text).end();
        let data = JsonBuilder::of_type("content_block_delta").number("index", self.next as u64 - 1);
        event(out, "content_block_delta", &data.raw("delta", &delta).end());
    }

    fn step(&mut self, step: AnswerStep, out: &mut String) {
        match step {
            AnswerStep::Say(SpokenText::Reasoning, thought, _) => {
                self.open(OpenBlock::Thinking, out);
                self.delta("thinking_delta", "thinking", &thought, out);
            }
            // A refusal is what the assistant says.
            AnswerStep::Say(SpokenText::Text | SpokenText::Refusal, text, _) => {
                self.open(OpenBlock::Text, out);
                self.delta("text_delta", "text", &text, out);
            }
            AnswerStep::Begin { id, name } => {
                self.close(out);
                let id = call_id(&id, &self.id, self.next);
                let block = JsonBuilder::of_type("tool_use").text("id", &id).text("name", &name);
                self.start(OpenBlock::Tool, &block.raw("input", "{}").end(), out);
            }
            AnswerStep::Arguments(arguments) => {
                self.delta("input_json_delta", "partial_json", &arguments, out);
            }
            AnswerStep::End => self.stop(out),
        }
    }
}

impl EncodeResponse for MessagesEncoder {
    fn asked(&mut self, chat: &ChatRequest) {
        self.input = chat.prompt_tokens();
    }

    fn whole(&mut self, answer: ParsedResponse) -> String {
        message(answer, &self.id)
    }

    fn encode_piece(&mut self, mut piece: ParsedResponse, out: &mut String) {
        self.begin(&piece.model, out);
        let mut said = piece.first().unwrap_or_default();
        self.used = piece.usage.or(self.used.take());
        let mut steps = Vec::new();
        self.order.take(&mut said, &mut steps);
        steps.into_iter().for_each(|step| self.step(step, out));
        self.finish = said.finish.or(self.finish);
        self.stop = said.stop.or(self.stop.take());
    }

    fn done(&mut self, out: &mut String) {
        self.begin("", out);
        let mut steps = Vec::new();
        self.order.finish(&mut steps);
        steps.into_iter().for_each(|step| self.step(step, out));
        self.close(out);
        let reason = stop_reason(self.finish, self.order.has_calls(), self.stop.as_deref());
        let met = self.stop.as_deref().filter(|_| reason == "stop_sequence").map(string);
        let delta = JsonBuilder::new().text("stop_reason", reason).or_null("stop_sequence", met.as_deref());
        let used = usage(&self.used.take().unwrap_or_default());
        let data = JsonBuilder::of_type("message_delta").raw("delta", &delta.end()).raw("usage", &used);
        event(out, "message_delta", &data.end());
        event(out, "message_stop", &JsonBuilder::of_type("message_stop").end());
    }

    fn beat(&mut self, out: &mut String) {
        event(out, "ping", &JsonBuilder::of_type("ping").end());
    }

    fn failed(&mut self, why: &ErrorWords, out: &mut String) {
        event(out, "error", &error(why, &self.request));
    }

    fn is_told(&mut self, answer: &ParsedResponse) -> bool {
        !answer.kind.is_empty() && answer.choices.is_empty()
    }

    fn always_tells_usage(&self) -> bool {
        true
    }
}
