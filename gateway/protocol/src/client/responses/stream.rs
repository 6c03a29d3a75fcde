//! A chat's stream → the events of a response, in order and numbered. What was said is kept: the events at the end of a
//! part, an item and the response repeat it.

use super::super::super::finish_reason::FinishReason;
use super::super::super::json::RawObject;
use super::super::answer_order::{AnswerOrder, AnswerStep};
use super::super::json_builder::{JsonBuilder, array};
use super::super::parsed_response::{ParsedResponse, ToolCallDelta, UsageCounts};
use super::super::{EncodeResponse, ErrorWords, event};
use super::echo::{EchoState, ResponseEcho};
use super::items::{self, ItemPart};
use super::whole;
use super::words::{incomplete, usage};

/// A response under way.
pub(super) struct ResponsesEncoder {
    /// The request's name.
    request: String,
    echo: ResponseEcho,
    begun: bool,
    created: u64,
    model: String,
    /// The number of the next event.
    number: u64,
    /// The items that have ended, written.
    output: Vec<String>,
    open: Option<OpenItem>,
    order: AnswerOrder,
    finish: Option<FinishReason>,
    used: Option<UsageCounts>,
    /// The response as it began, where it goes on as it comes.
    told: Option<String>,
}

/// An item that has begun.
enum OpenItem {
    /// Its tokens' probabilities are written one after the other.
    Part {
        part: ItemPart,
        id: String,
        text: String,
        odds: String,
    },
    Call {
        id: String,
        call: ToolCallDelta,
    },
}

impl ResponsesEncoder {
    /// For a request of this name.
    pub(super) fn new(request: &str, echo: ResponseEcho) -> Self {
        Self {
            request: request.to_owned(),
            echo,
            begun: false,
            created: 0,
            model: String::new(),
            number: 0,
            output: Vec::new(),
            open: None,
            order: AnswerOrder::default(),
            finish: None,
            used: None,
            told: None,
        }
    }

    /// Adds an event of this name, which its data begin with.
    fn say(&mut self, name: &str, data: impl FnOnce(JsonBuilder) -> JsonBuilder, out: &mut String) {
        let name = format!("response.{name}");
        let data = data(JsonBuilder::of_type(&name).number("sequence_number", self.number));
        self.number += 1;
        event(out, &name, &data.end());
    }

    fn response(&self, status: &str, error: Option<&str>) -> String {
        let used = self.used.as_ref().map(usage);
        let incomplete = incomplete(self.finish).filter(|_| status == "incomplete");
        let ended = !matches!(status, "in_progress");
        self.echo.response(&EchoState {
            id: &format!("resp_{}", self.request),
            created: self.created,
            model: &self.model,
            status,
            error,
            incomplete,
            output: &array(&self.output),
            usage: used.as_deref().filter(|_| ended),
        })
    }

    fn begin(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let response = self.response("in_progress", None);
        for name in ["created", "in_progress"] {
            self.say(name, |data| data.raw("response", &response), out);
        }
    }

    /// The place of the item that is open.
    fn at(&self) -> u64 {
        self.output.len() as u64
    }

    /// Says something, in an item of its kind.
    fn part(&mut self, part: ItemPart, said: &str, odds: Option<&str>, out: &mut String) {
        if !matches!(&self.open, Some(OpenItem::Part { part: open, .. }) if *open == part) {
            self.end("completed", out);
            self.open_part(part, out);
        }
        let at = self.at();
        let Some(OpenItem::Part { id, text, odds: all, .. }) = &mut self.open else { return };
        text.push_str(said);
        let odds = items::odds(odds);
        join(all, &odds);
        let id = id.clone();
        let delta = |data: JsonBuilder| {
            let data = place(data, &id, at).text("delta", said);
            if part == ItemPart::Text { data.raw("logprobs", &odds) } else { data }
        };
        self.say(&format!("{}.delta", part.event()), delta, out);
    }

    fn open_part(&mut self, part: ItemPart, out: &mut String) {
        let (at, id) = (self.at(), items::id(part.prefix(), &self.request, self.output.len()));
        let item = part.item(&id, "in_progress", None);
        self.say("output_item.added", |data| data.number("output_index", at).raw("item", &item), out);
        let empty = part.written("", "[]");
        self.say("content_part.added", |data| place(data, &id, at).raw("part", &empty), out);
        self.open = Some(OpenItem::Part { part, id, text: String::new(), odds: String::new() });
    }

    /// Ends the item that is open.
    fn end(&mut self, status: &str, out: &mut String) {
        // No arguments are none of JSON's.
        let bare =
            |open: &OpenItem| matches!(open, OpenItem::Call { call, .. } if call.arguments.trim().is_empty());
        if self.open.as_ref().is_some_and(bare) {
            self.arguments("{}", out);
        }
        let at = self.at();
        let item = match self.open.take() {
            None => return,
            Some(OpenItem::Part { part, id, text, odds }) => {
                let odds = format!("[{odds}]");
                let done = |data: JsonBuilder| {
                    let data = place(data, &id, at).text(part.member(), &text);
                    if part == ItemPart::Text { data.raw("logprobs", &odds) } else { data }
                };
                self.say(&format!("{}.done", part.event()), done, out);
                let whole = part.written(&text, &odds);
                self.say("content_part.done", |data| place(data, &id, at).raw("part", &whole), out);
                part.item(&id, status, Some((&text, &odds)))
            }
            Some(OpenItem::Call { id, call }) => {
                let done = |data: JsonBuilder| {
                    let data = data.text("item_id", &id).number("output_index", at);
                    data.text("name", &call.name).text("arguments", &call.arguments)
                };
                self.say("function_call_arguments.done", done, out);
                items::call(&id, status, &call.id, &call.name, &call.arguments)
            }
        };
        self.say("output_item.done", |data| data.number("output_index", at).raw("item", &item), out);
        self.output.push(item);
    }

    /// Tells it; `status` is that of a call that ends.
    fn step(&mut self, step: AnswerStep, status: &str, out: &mut String) {
        match step {
            AnswerStep::Say(kind, text, odds) => self.part(ItemPart::of(kind), &text, odds.as_deref(), out),
            AnswerStep::Begin { id, name } => {
                self.end("completed", out);
                self.open_call(&id, name, out);
            }
            AnswerStep::Arguments(more) => self.arguments(&more, out),
            AnswerStep::End => self.end(status, out),
        }
    }

    fn open_call(&mut self, given: &str, name: String, out: &mut String) {
        let (at, place) = (self.at(), self.output.len());
        let id = items::id("fc", &self.request, place);
        let call = ToolCallDelta {
            id: items::call_id(given, &self.request, place),
            name,
            ..ToolCallDelta::default()
        };
        let item = items::call(&id, "in_progress", &call.id, &call.name, "");
        self.say("output_item.added", |data| data.number("output_index", at).raw("item", &item), out);
        self.open = Some(OpenItem::Call { id, call });
    }

    fn arguments(&mut self, more: &str, out: &mut String) {
        let at = self.at();
        let Some(OpenItem::Call { id, call }) = &mut self.open else { return };
        call.arguments.push_str(more);
        let id = id.clone();
        let delta =
            |data: JsonBuilder| data.text("item_id", &id).number("output_index", at).text("delta", more);
        self.say("function_call_arguments.delta", delta, out);
    }
}

/// Adds the members of a list to those of another, both as written.
fn join(all: &mut String, list: &str) {
    let more = list.trim_start_matches('[').trim_end_matches(']');
    if !all.is_empty() && !more.is_empty() {
        all.push(',');
    }
    all.push_str(more);
}

/// Where a piece of content is: items have one each.
fn place(data: JsonBuilder, id: &str, at: u64) -> JsonBuilder {
    data.text("item_id", id).number("output_index", at).number("content_index", 0)
}

/// A response as it began, but for its state.
fn as_failed(begun: String, error: &str) -> String {
    let edits = [("status", Some(b"\"failed\"".as_slice())), ("error", Some(error.as_bytes()))];
    let failed = RawObject::skim(begun.into()).map(|begun| begun.edited(&edits)).unwrap_or_default();
    String::from_utf8(failed.into()).unwrap_or_default()
}

impl EncodeResponse for ResponsesEncoder {
    fn whole(&mut self, answer: ParsedResponse) -> String {
        whole::response(answer, &self.request, &self.echo)
    }

    fn encode_piece(&mut self, mut piece: ParsedResponse, out: &mut String) {
        if !self.begun {
            (self.created, self.model) = (piece.created, std::mem::take(&mut piece.model));
            self.begin(out);
        }
        let mut said = piece.first().unwrap_or_default();
        self.used = piece.usage.or(self.used.take());
        let mut steps = Vec::new();
        self.order.take(&mut said, &mut steps);
        steps.into_iter().for_each(|step| self.step(step, "completed", out));
        self.finish = said.finish.or(self.finish);
    }

    fn done(&mut self, out: &mut String) {
        self.begin(out);
        let status = if incomplete(self.finish).is_some() { "incomplete" } else { "completed" };
        let mut steps = Vec::new();
        self.order.finish(&mut steps);
        steps.into_iter().for_each(|step| self.step(step, status, out));
        self.end(status, out);
        self.used.get_or_insert_default();
        let response = self.response(status, None);
        self.say(status, |data| data.raw("response", &response), out);
    }

    fn failed(&mut self, error: &ErrorWords, out: &mut String) {
        if self.told.is_none() {
            self.begin(out);
        }
        let said = JsonBuilder::of_type(&error.kind)
            .text("code", &error.code)
            .text("message", &error.message)
            .raw("param", "null")
            .end();
        // SDKs take an event with an `error` for what it is; programs that read events look for its parts.
        let data = JsonBuilder::of_type("error")
            .number("sequence_number", self.number)
            .text("code", &error.code)
            .text("message", &error.message)
            .raw("param", "null")
            .raw("error", &said);
        self.number += 1;
        event(out, "error", &data.end());
        let said = JsonBuilder::new().text("code", &error.code).text("message", &error.message).end();
        let response = match self.told.take() {
            Some(told) => as_failed(told, &said),
            None => self.response("failed", Some(&said)),
        };
        self.say("failed", |data| data.raw("response", &response), out);
    }

    fn is_told(&mut self, answer: &ParsedResponse) -> bool {
        let told = answer.object == "response" || (!answer.kind.is_empty() && answer.choices.is_empty());
        if let (true, Some(number)) = (told, answer.number) {
            self.number = number + 1;
        }
        if told && self.told.is_none() {
            self.told.clone_from(&answer.response);
        }
        told
    }

    fn always_tells_usage(&self) -> bool {
        true
    }
}
