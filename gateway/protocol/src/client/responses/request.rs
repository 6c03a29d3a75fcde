//! A request for a response → a chat.

use super::super::super::bad_request::BadRequest;
use super::super::super::json::RawObject;
use super::super::super::scan::ValueKind;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, kind};
use super::super::{ConvertedRequest, DroppedFields, may_be_known};
use super::echo::ResponseEcho;
use super::stream::ResponsesEncoder;
use super::{input, lossy_chat, tools};

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
pub(in super::super) fn read(body: &RawObject, id: &str) -> Result<ConvertedRequest, BadRequest> {
    let mut dropped = DroppedFields::default();
    let echo = ResponseEcho::of(body);
    let mut members = ObjectReader::of_body(body)?;
    if members.boolean("background")? == Some(true) {
        let why = "an answer is given on the connection that it was asked for on";
        return Err(BadRequest::value("background", why));
    }
    let (chat, cannot) = match chat(members, &mut dropped) {
        Ok(chat) => (chat, None),
        // Another provider would not know what to do with it; an upstream that has this API may.
        Err(why) => match lossy_chat::of(body).filter(|_| may_be_known(&why)) {
            Some(gist) => (gist, Some(why)),
            None => return Err(why),
        },
    };
    let converted = ConvertedRequest::new(chat, ResponsesEncoder::new(id, echo), dropped);
    Ok(ConvertedRequest { cannot, ..converted })
}

fn chat(mut members: ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<String, BadRequest> {
    refuse(&mut members)?;
    let mut chat = JsonBuilder::new().raw("model", members.need("model")?);
    chat = chat.raw("messages", &messages(&mut members, dropped)?);
    chat = chat.maybe("max_tokens", members.take("max_output_tokens"));
    for name in SAME {
        chat = chat.maybe(name, members.take(name));
    }
    chat = tools::tools(&mut members, chat)?;
    chat = text(&mut members, chat)?;
    if let Some(mut reasoning) = members.object("reasoning")? {
        chat = chat.maybe("reasoning_effort", reasoning.quoted("effort")?);
        // Whatever of its reasoning an upstream shows is shown.
        reasoning.leave_out(&["summary", "generate_summary"], &mut DroppedFields::default());
        reasoning.finish()?;
    }
    chat = odds(&mut members, chat, dropped)?;
    aside(&mut members, dropped)?;
    members.finish()?;
    Ok(chat.end())
}

/// Refuses what would need a memory, or machines of a provider.
fn refuse(members: &mut ObjectReader<'_>) -> Result<(), BadRequest> {
    let stored = "nothing is stored here; send the whole conversation in 'input'";
    members.refuse("previous_response_id", stored)?;
    members.refuse("conversation", stored)?;
    members.refuse("prompt", "it is kept at a provider; send its text in 'input' or 'instructions'")?;
    Ok(())
}

/// Whether tokens are to be told with their probabilities, and how many of the likeliest.
fn odds(
    members: &mut ObjectReader<'_>,
    mut chat: JsonBuilder,
    dropped: &mut DroppedFields,
) -> Result<JsonBuilder, BadRequest> {
    let most = members.take("top_logprobs").filter(|most| *most != "0");
    let mut wanted = most.is_some();
    for (_, what) in members.list("include")?.unwrap_or_default() {
        match what {
            r#""message.output_text.logprobs""# => wanted = true,
            _ => dropped.note("include"),
        }
    }
    if wanted {
        chat = chat.raw("logprobs", "true").maybe("top_logprobs", most);
    }
    Ok(chat)
}

/// Takes what no answer depends on.
fn aside(members: &mut ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<(), BadRequest> {
    // Repeated in the answer, and the answer says that it is not stored.
    for name in ["metadata", "store"] {
        members.take(name);
    }
    if members.text("truncation")?.is_some_and(|word| word != "disabled") {
        dropped.note("truncation");
    }
    // It pads events against who listens; a limit on tools of a provider has none to limit.
    members.leave_out(&["stream_options", "max_tool_calls", "prompt_cache_retention"], dropped);
    Ok(())
}

fn messages(members: &mut ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<String, BadRequest> {
    let mut messages = Vec::new();
    if let Some(instructions) = members.quoted("instructions")? {
        messages.push(JsonBuilder::new().text("role", "system").raw("content", instructions).end());
    }
    let raw = members.need("input")?;
    if kind(raw)? == ValueKind::String {
        messages.push(JsonBuilder::new().text("role", "user").raw("content", raw).end());
    } else {
        input::items(raw, &mut messages, dropped)?;
    }
    Ok(array(messages))
}

/// What the text of the answer is to be like.
fn text(members: &mut ObjectReader<'_>, mut chat: JsonBuilder) -> Result<JsonBuilder, BadRequest> {
    let Some(mut text) = members.object("text")? else { return Ok(chat) };
    chat = chat.maybe("verbosity", text.quoted("verbosity")?);
    if let Some(mut format) = text.object("format")? {
        let kind = format.need_text("type")?;
        let place = format.place("type");
        let written = match &*kind {
            "text" => None,
            "json_object" => Some(JsonBuilder::of_type("json_object").end()),
            "json_schema" => {
                let mut schema = JsonBuilder::new().raw("name", format.need_quoted("name")?);
                for name in ["description", "schema", "strict"] {
                    schema = schema.maybe(name, format.take(name));
                }
                Some(JsonBuilder::of_type("json_schema").raw("json_schema", &schema.end()).end())
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
