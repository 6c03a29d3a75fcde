//! A chat's whole answer → a response.

use super::super::json_builder::array;
use super::super::parsed_response::ParsedResponse;
use super::echo::{EchoState, ResponseEcho};
use super::items::{self, ItemPart};
use super::words::{incomplete, usage};

/// The response to the request of this name.
pub(super) fn response(mut answer: ParsedResponse, request: &str, echo: &ResponseEcho) -> String {
    let said = answer.first().unwrap_or_default();
    let incomplete = incomplete(said.finish);
    let status = if incomplete.is_some() { "incomplete" } else { "completed" };
    let texts = [
        (ItemPart::Reasoning, said.reasoning.as_str()),
        (ItemPart::Text, said.told_text()),
        (ItemPart::Refusal, &said.refusal),
    ];
    let mut output = Vec::new();
    for (part, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        let id = items::id(part.prefix(), request, output.len());
        let odds = items::odds(said.logprobs.as_deref().filter(|_| part == ItemPart::Text));
        output.push(part.item(&id, status, Some((text, &odds))));
    }
    for call in &said.calls {
        let at = output.len();
        let (id, call_id) = (items::id("fc", request, at), items::call_id(&call.id, request, at));
        // No arguments are none of JSON's.
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        output.push(items::call(&id, status, &call_id, &call.name, arguments));
    }
    echo.response(&EchoState {
        id: &format!("resp_{request}"),
        created: answer.created,
        model: &answer.model,
        status,
        error: None,
        incomplete,
        output: &array(output),
        usage: Some(&usage(&answer.usage.unwrap_or_default())),
    })
}
