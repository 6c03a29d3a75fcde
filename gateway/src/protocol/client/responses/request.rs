//! A request for a response → a chat.

use super::super::super::json::Object;
use super::super::super::refusal::BadRequest;
use super::super::super::scan::Kind;
use super::super::build::{Build, array};
use super::super::members::{Members, kind};
use super::super::{Converted, LeftOut};
use super::echo::Echo;
use super::stream::Responses;
use super::{input, tools};

/// Fields that a chat has under the same name.
const SAME: [&str; 8] = [
    "temperature",
    "top_p",
    "stream",
    "parallel_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "user",
];

/// Reads a request.
pub(in super::super) fn read(body: &Object, id: &str) -> Result<Converted, BadRequest> {
    let mut left_out = LeftOut::default();
    let echo = Echo::of(body);
    let mut members = Members::of_body(body)?;
    refuse(&mut members)?;
    let mut chat = Build::new().raw("model", members.need("model")?);
    chat = chat.raw("messages", &messages(&mut members, &mut left_out)?);
    chat = chat.maybe("max_tokens", members.take("max_output_tokens"));
    for name in SAME {
        chat = chat.maybe(name, members.take(name));
    }
    chat = tools::tools(&mut members, chat)?;
    chat = text(&mut members, chat)?;
    if let Some(mut reasoning) = members.object("reasoning")? {
        chat = chat.maybe("reasoning_effort", reasoning.quoted("effort")?);
        // Whatever of its reasoning an upstream shows is shown.
        reasoning.leave_out(&["summary", "generate_summary"], &mut LeftOut::default());
        reasoning.finish()?;
    }
    aside(&mut members, &mut left_out)?;
    members.finish()?;
    Ok(Converted::new(chat.end(), Responses::new(id, echo), left_out))
}

/// Refuses what would need a memory, or machines of a provider.
fn refuse(members: &mut Members<'_>) -> Result<(), BadRequest> {
    let stored = "nothing is stored here; send the whole conversation in 'input'";
    members.refuse("previous_response_id", stored)?;
    members.refuse("conversation", stored)?;
    members.refuse("prompt", "it is kept at a provider; send its text in 'input' or 'instructions'")?;
    if members.boolean("background")? == Some(true) {
        let why = "an answer is given on the connection that it was asked for on";
        return Err(BadRequest::value("background", why));
    }
    if members.take("top_logprobs").is_some_and(|most| most != "0") {
        return Err(BadRequest::value(
            "top_logprobs",
            "log-probabilities can be had from '/v1/chat/completions' only",
        ));
    }
    Ok(())
}

/// Takes what no answer depends on.
fn aside(members: &mut Members<'_>, left_out: &mut LeftOut) -> Result<(), BadRequest> {
    // Repeated in the answer, and the answer says that it is not stored.
    for name in ["metadata", "store"] {
        members.take(name);
    }
    if members.text("truncation")?.is_some_and(|word| word != "disabled") {
        left_out.note("truncation");
    }
    if let Some(include) = members.list("include")? {
        for (place, what) in include {
            if what.contains("logprobs") {
                let why = "log-probabilities can be had from '/v1/chat/completions' only";
                return Err(BadRequest::value(place, why));
            }
            left_out.note("include");
        }
    }
    // It pads events against who listens; a limit on tools of a provider has none to limit.
    members.leave_out(&["stream_options", "max_tool_calls", "prompt_cache_retention"], left_out);
    Ok(())
}

fn messages(members: &mut Members<'_>, left_out: &mut LeftOut) -> Result<String, BadRequest> {
    let mut messages = Vec::new();
    if let Some(instructions) = members.quoted("instructions")? {
        messages.push(Build::new().text("role", "system").raw("content", instructions).end());
    }
    let raw = members.need("input")?;
    if kind(raw)? == Kind::String {
        messages.push(Build::new().text("role", "user").raw("content", raw).end());
    } else {
        input::items(raw, &mut messages, left_out)?;
    }
    Ok(array(messages))
}

/// What the text of the answer is to be like.
fn text(members: &mut Members<'_>, mut chat: Build) -> Result<Build, BadRequest> {
    let Some(mut text) = members.object("text")? else { return Ok(chat) };
    chat = chat.maybe("verbosity", text.quoted("verbosity")?);
    if let Some(mut format) = text.object("format")? {
        let kind = format.need_text("type")?;
        let place = format.place("type");
        let written = match &*kind {
            "text" => None,
            "json_object" => Some(Build::of_type("json_object").end()),
            "json_schema" => {
                let mut schema = Build::new().raw("name", format.need_quoted("name")?);
                for name in ["description", "schema", "strict"] {
                    schema = schema.maybe(name, format.take(name));
                }
                Some(Build::of_type("json_schema").raw("json_schema", &schema.end()).end())
            }
            _ => {
                let why = "it is not one of 'text', 'json_object' and 'json_schema'";
                return Err(BadRequest::value(place, why));
            }
        };
        format.finish()?;
        chat = chat.maybe("response_format", written.as_deref());
    }
    text.finish()?;
    Ok(chat)
}
