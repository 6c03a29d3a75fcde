//! A chat's whole answer → a message.

use super::super::super::call_ids;
use super::super::super::json::{RawObject, string};
use super::super::json_builder::{JsonBuilder, array};
use super::super::parsed_response::{ParsedResponse, ToolCallDelta};
use super::words::{stop_reason, usage};
use crate::finish_reason::FinishReason;

/// The message of this id.
pub(super) fn message(mut answer: ParsedResponse, id: &str) -> String {
    let said = answer.first().unwrap_or_default();
    let mut content = Vec::new();
    if !said.reasoning.is_empty() {
        let thinking = JsonBuilder::of_type("thinking").text("thinking", &said.reasoning);
        content.push(thinking.text("signature", "").end());
    }
    // A refusal is what the assistant says.
    for text in [said.told_text(), &said.refusal].into_iter().filter(|text| !text.is_empty()) {
        content.push(JsonBuilder::of_type("text").text("text", text).end());
    }
    let called = !said.calls.is_empty();
    let cut = said.finish == Some(FinishReason::Length);
    content.extend(said.calls.iter().enumerate().map(|(at, call)| tool_use(call, id, at, cut)));
    let stop = said.stop.as_deref();
    let reason = stop_reason(said.finish, called, stop);
    let met = stop.filter(|_| reason == "stop_sequence").map(string);
    JsonBuilder::new()
        .text("id", id)
        .text("type", "message")
        .text("role", "assistant")
        .text("model", &answer.model)
        .raw("content", &array(content))
        .text("stop_reason", reason)
        .or_null("stop_sequence", met.as_deref())
        .raw("usage", &usage(&answer.usage.unwrap_or_default()))
        .end()
}

fn tool_use(call: &ToolCallDelta, id: &str, at: usize, cut: bool) -> String {
    let name = &call.name;
    JsonBuilder::of_type("tool_use")
        .text("id", &call_id(&call.id, id, at))
        .text("name", name)
        .raw("input", &input(&call.arguments, cut))
        .end()
}

/// A call's id in the form of this API; of our own where the upstream gave none.
pub(super) fn call_id(given: &str, id: &str, at: usize) -> String {
    let own = || call_ids::plain(&format!("toolu_{id}_{at}")).into_owned();
    if given.is_empty() { own() } else { call_ids::plain(given).into_owned() }
}

/// Arguments as an object. What is none is told as Anthropic recommends for texts that are not JSON; of what `max_tokens` has
/// cut, those members are told that had arrived.
fn input(arguments: &str, cut: bool) -> String {
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return "{}".to_owned();
    }
    let is_object = |text: &str| RawObject::skim(text.to_owned().into()).is_ok();
    match is_object(arguments) {
        true => arguments.to_owned(),
        false if cut => Some(whole_members(arguments)).filter(|text| is_object(text)).unwrap_or("{}".into()),
        false => JsonBuilder::new().text("INVALID_JSON", arguments).end(),
    }
}

/// The beginning of an object, closed after the last member that is surely whole.
fn whole_members(begun: &str) -> String {
    let (mut depth, mut in_string, mut escaped, mut in_value) = (0_u32, false, false, false);
    let mut end = 1;
    for (at, byte) in begun.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    in_string = false;
                    end = if depth == 1 && in_value { at + 1 } else { end };
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                end = if depth == 1 { at + 1 } else { end };
            }
            b':' if depth == 1 => in_value = true,
            b',' if depth == 1 => (in_value, end) = (false, at),
            _ => {}
        }
    }
    format!("{}}}", begun.get(..end).unwrap_or_default())
}
