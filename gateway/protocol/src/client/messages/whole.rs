//! A chat's whole answer → a message.

use super::super::super::call_ids;
use super::super::super::json::{RawObject, string};
use super::super::json_builder::{JsonBuilder, array};
use super::super::parsed_response::{ParsedResponse, ToolCallDelta};
use super::words::{stop_reason, usage};

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
    content.extend(said.calls.iter().enumerate().map(|(at, call)| tool_use(call, id, at)));
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

fn tool_use(call: &ToolCallDelta, id: &str, at: usize) -> String {
    let name = &call.name;
    JsonBuilder::of_type("tool_use")
        .text("id", &call_id(&call.id, id, at))
        .text("name", name)
        .raw("input", &input(&call.arguments))
        .end()
}

/// A call's id in the form of this API; of our own where the upstream gave none.
pub(super) fn call_id(given: &str, id: &str, at: usize) -> String {
    let own = || call_ids::plain(&format!("toolu_{id}_{at}")).into_owned();
    if given.is_empty() { own() } else { call_ids::plain(given).into_owned() }
}

/// Arguments as an object. What is none is told as Anthropic recommends for texts that are not JSON.
fn input(arguments: &str) -> String {
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return "{}".to_owned();
    }
    match RawObject::skim(arguments.to_owned().into()) {
        Ok(_) => arguments.to_owned(),
        Err(_) => JsonBuilder::new().text("INVALID_JSON", arguments).end(),
    }
}
