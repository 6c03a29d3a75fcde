//! A chat's stream → the events of a message: one block after the other.

use super::super::super::chat::Chat;
use super::super::super::chunk::Finish;
use super::super::super::json::string;
use super::super::build::Build;
use super::super::calls::{Calls, Step};
use super::super::heard::{Heard, Used};
use super::super::{ErrorWords, Tell, event};
use super::whole::{call_id, message};
use super::words::{error, id_of, stop_reason, usage};

/// A message under way.
pub(super) struct Messages {
    /// The request's name, and the message's.
    request: String,
    id: String,
    /// Prompt tokens by estimate: what was used is known at the end.
    input: u64,
    begun: bool,
    /// The block that is open.
    open: Option<Block>,
    /// The place of the next one.
    next: usize,
    calls: Calls,
    called: bool,
    finish: Option<Finish>,
    stop: Option<String>,
    used: Option<Used>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Thinking,
    Text,
    Tool,
}

impl Messages {
    /// For a request of this name.
    pub(super) fn new(request: &str) -> Self {
        Self {
            request: request.to_owned(),
            id: id_of(request),
            input: 0,
            begun: false,
            open: None,
            next: 0,
            calls: Calls::default(),
            called: false,
            finish: None,
            stop: None,
            used: None,
        }
    }

    fn begin(&mut self, model: &str, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let usage = Build::new()
            .number("input_tokens", self.input)
            .number("cache_creation_input_tokens", 0)
            .number("cache_read_input_tokens", 0)
            .number("output_tokens", 0)
            .raw("estimated", "true");
        let message = Build::new()
            .text("id", &self.id)
            .text("type", "message")
            .text("role", "assistant")
            .text("model", model)
            .raw("content", "[]")
            .raw("stop_reason", "null")
            .raw("stop_sequence", "null")
            .raw("usage", &usage.end());
        let start = Build::of_type("message_start").raw("message", &message.end());
        event(out, "message_start", &start.end());
    }

    /// Opens a block of this kind, if it is not the one that is open.
    fn open(&mut self, block: Block, out: &mut String) {
        if self.open == Some(block) {
            return;
        }
        let empty = match block {
            Block::Thinking => Build::of_type("thinking").text("thinking", "").text("signature", ""),
            _ => Build::of_type("text").text("text", ""),
        };
        self.close(out);
        self.start(block, &empty.end(), out);
    }

    fn start(&mut self, block: Block, content: &str, out: &mut String) {
        let start = Build::of_type("content_block_start").number("index", self.next as u64);
        event(out, "content_block_start", &start.raw("content_block", content).end());
        self.open = Some(block);
        self.next += 1;
    }

    /// Ends the block that is open; calls that waited for their turn have it now.
    fn close(&mut self, out: &mut String) {
        match self.open {
            None => {}
            Some(Block::Tool) => {
                let steps = self.calls.finish();
                self.step(steps, out);
            }
            Some(_) => self.stop(out),
        }
    }

    fn stop(&mut self, out: &mut String) {
        let stop = Build::of_type("content_block_stop").number("index", self.next as u64 - 1);
        event(out, "content_block_stop", &stop.end());
        self.open = None;
    }

    fn delta(&self, kind: &str, name: &str, text: &str, out: &mut String) {
        let delta = Build::of_type(kind).text(name, text).end();
        let data = Build::of_type("content_block_delta").number("index", self.next as u64 - 1);
        event(out, "content_block_delta", &data.raw("delta", &delta).end());
    }

    fn step(&mut self, steps: Vec<Step>, out: &mut String) {
        for step in steps {
            match step {
                Step::Begin { id, name } => {
                    let id = call_id(&id, &self.id, self.next);
                    let block = Build::of_type("tool_use").text("id", &id).text("name", &name);
                    self.start(Block::Tool, &block.raw("input", "{}").end(), out);
                }
                Step::More(arguments) => self.delta("input_json_delta", "partial_json", &arguments, out),
                Step::End => self.stop(out),
            }
        }
    }
}

impl Tell for Messages {
    fn asked(&mut self, chat: &Chat) {
        self.input = chat.prompt_tokens();
    }

    fn whole(&mut self, answer: Heard) -> String {
        message(answer, &self.id)
    }

    fn hear(&mut self, mut piece: Heard, out: &mut String) {
        self.begin(&piece.model, out);
        let said = piece.first().unwrap_or_default();
        self.used = piece.usage.or(self.used.take());
        if !said.reasoning.is_empty() {
            self.open(Block::Thinking, out);
            self.delta("thinking_delta", "thinking", &said.reasoning, out);
        }
        for text in [&said.text, &said.refusal].into_iter().filter(|text| !text.is_empty()) {
            self.open(Block::Text, out);
            self.delta("text_delta", "text", text, out);
        }
        for call in said.calls {
            self.called = true;
            if self.open != Some(Block::Tool) {
                self.close(out);
            }
            let steps = self.calls.take(call);
            self.step(steps, out);
        }
        self.finish = said.finish.or(self.finish);
        self.stop = said.stop.or(self.stop.take());
    }

    fn done(&mut self, out: &mut String) {
        self.begin("", out);
        self.close(out);
        let reason = stop_reason(self.finish, self.called, self.stop.as_deref());
        let met = self.stop.as_deref().filter(|_| reason == "stop_sequence").map(string);
        let delta = Build::new().text("stop_reason", reason).or_null("stop_sequence", met.as_deref());
        let used = usage(&self.used.take().unwrap_or_default());
        let data = Build::of_type("message_delta").raw("delta", &delta.end()).raw("usage", &used);
        event(out, "message_delta", &data.end());
        event(out, "message_stop", &Build::of_type("message_stop").end());
    }

    fn beat(&mut self, out: &mut String) {
        event(out, "ping", &Build::of_type("ping").end());
    }

    fn failed(&mut self, why: &ErrorWords, out: &mut String) {
        event(out, "error", &error(why, &self.request));
    }

    fn is_told(&mut self, answer: &Heard) -> bool {
        !answer.kind.is_empty() && answer.choices.is_empty()
    }

    fn always_tells_usage(&self) -> bool {
        true
    }
}
