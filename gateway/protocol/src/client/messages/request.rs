//! A request for a message → a chat.

use super::super::super::bad_request::BadRequest;
use super::super::super::chat::ChatRequest;
use super::super::super::json::{RawObject, string};
use super::super::super::scan::ValueKind;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, elements, kind, said};
use super::super::{ConvertedRequest, DroppedFields, may_be_known};
use super::stream::MessagesEncoder;
use super::{blocks, lossy_chat, tools};

/// Characters of a name for the end user that OpenAI and others accept.
const LONGEST_USER: usize = 64;
/// Tokens of thinking from which on its effort is called medium, and high.
const MEDIUM: u64 = 4_096;
const HIGH: u64 = 16_384;

/// Reads a request.
pub(in super::super) fn read(body: &RawObject, id: &str) -> Result<ConvertedRequest, BadRequest> {
    let mut dropped = DroppedFields::default();
    let mut members = ObjectReader::of_body(body)?;
    let most = members.need("max_tokens")?;
    let (chat, cannot) = match chat(members, Some(most), &mut dropped) {
        Ok(chat) => (chat, None),
        // Another provider would not know what to do with it; Anthropic's own models may.
        Err(why) => match lossy_chat::of(body).filter(|_| may_be_known(&why)) {
            Some(gist) => (gist, Some(why)),
            None => return Err(why),
        },
    };
    let converted = ConvertedRequest::new(chat, MessagesEncoder::new(id), dropped);
    Ok(ConvertedRequest { cannot, ..converted })
}

/// Reads a request of which only the tokens are to be counted.
pub(in super::super) fn read_for_counting(body: &RawObject) -> Result<ChatRequest, BadRequest> {
    let chat = chat(ObjectReader::of_body(body)?, None, &mut DroppedFields::default())?;
    ChatRequest::parse(chat.into())
}

fn chat(
    mut members: ObjectReader<'_>,
    most: Option<&str>,
    dropped: &mut DroppedFields,
) -> Result<String, BadRequest> {
    let mut chat = JsonBuilder::new().raw("model", members.need("model")?);
    chat = chat.raw("messages", &messages(&mut members, dropped)?);
    chat = chat.maybe("max_tokens", most);
    for name in ["temperature", "top_p", "top_k", "stream"] {
        chat = chat.maybe(name, members.take(name));
    }
    chat = chat.maybe("stop", members.take("stop_sequences"));
    chat = tools::tools(&mut members, chat, dropped)?;
    chat = effort_and_format(&mut members, chat, dropped)?;
    chat = chat.maybe("user", user(&mut members, dropped)?.as_deref());
    members.leave_out(&["cache_control", "service_tier", "context_management"], dropped);
    members.refuse("container", "no code runs here")?;
    members.refuse("mcp_servers", "it calls no servers for a model; offer their tools in 'tools'")?;
    members.finish()?;
    Ok(chat.end())
}

fn messages(members: &mut ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<String, BadRequest> {
    let mut messages = Vec::new();
    if let Some(system) = members.take("system") {
        messages.extend(self::system(system, dropped)?);
    }
    let list = members.list("messages")?.ok_or_else(|| BadRequest::missing("messages"))?;
    if list.is_empty() {
        let message = "'messages' is empty: it must have at least one message.".into();
        return Err(BadRequest::new("messages", "empty_array", message));
    }
    for (place, raw) in list {
        blocks::message(ObjectReader::of(raw, place)?, &mut messages, dropped)?;
    }
    Ok(array(messages))
}

/// The system prompt, its blocks one below the other.
fn system(raw: &str, dropped: &mut DroppedFields) -> Result<Option<String>, BadRequest> {
    let of = |content: &str| JsonBuilder::new().text("role", "system").raw("content", content).end();
    if kind(raw)? == ValueKind::String {
        return Ok((raw != "\"\"").then(|| of(raw)));
    }
    let mut texts = Vec::new();
    for (place, raw) in elements(raw, "system")? {
        let mut block = ObjectReader::of(raw, place)?;
        blocks::expect(&mut block, "text")?;
        texts.push(block.need_quoted("text")?);
        block.leave_out(&["cache_control", "citations"], dropped);
        block.finish()?;
    }
    match texts[..] {
        [] => Ok(None),
        [only] => Ok(Some(of(only))),
        _ => {
            let texts = texts.into_iter().map(said).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(of(&string(&texts.join("\n\n")))))
        }
    }
}

/// How hard to think, and what the answer is to be like.
fn effort_and_format(
    members: &mut ObjectReader<'_>,
    mut chat: JsonBuilder,
    dropped: &mut DroppedFields,
) -> Result<JsonBuilder, BadRequest> {
    let mut effort = thinking(members, dropped)?.map(string);
    let mut format = members.object("output_format")?;
    if let Some(mut config) = members.object("output_config")? {
        effort = config.quoted("effort")?.map(str::to_owned).or(effort);
        format = config.object("format")?.or(format);
        config.finish()?;
    }
    chat = chat.maybe("reasoning_effort", effort.as_deref());
    let Some(mut format) = format else { return Ok(chat) };
    blocks::expect(&mut format, "json_schema")?;
    let schema = format.need("schema")?;
    format.finish()?;
    let schema = JsonBuilder::new().text("name", "answer").raw("schema", schema).raw("strict", "true").end();
    Ok(chat.raw("response_format", &JsonBuilder::of_type("json_schema").raw("json_schema", &schema).end()))
}

/// The effort that a thinking budget comes to.
fn thinking(
    members: &mut ObjectReader<'_>,
    dropped: &mut DroppedFields,
) -> Result<Option<&'static str>, BadRequest> {
    let Some(mut thinking) = members.object("thinking")? else { return Ok(None) };
    let effort = match &*thinking.need_text("type")? {
        "enabled" => {
            let budget = thinking.need("budget_tokens")?.parse::<u64>().map_err(|_| {
                BadRequest::value(thinking.place("budget_tokens"), "it must be a whole number of tokens")
            })?;
            Some(if budget >= HIGH {
                "high"
            } else if budget >= MEDIUM {
                "medium"
            } else {
                "low"
            })
        }
        "adaptive" => None,
        "disabled" => {
            // Where nothing is known of how to switch it off, it is left out.
            dropped.note("thinking");
            Some("none")
        }
        _ => {
            return Err(BadRequest::value(
                thinking.place("type"),
                "it is not one of 'enabled', 'adaptive' and 'disabled'",
            ));
        }
    };
    thinking.leave_out(&["display"], dropped);
    thinking.finish()?;
    Ok(effort)
}

/// The end user, by whatever name the client has for them.
fn user(members: &mut ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<Option<String>, BadRequest> {
    let Some(mut metadata) = members.object("metadata")? else { return Ok(None) };
    let user = metadata.quoted("user_id")?.map(str::to_owned);
    metadata.finish()?;
    let short = user.as_ref().is_none_or(|user| user.len() <= LONGEST_USER + 2);
    if !short {
        dropped.note("metadata");
    }
    Ok(user.filter(|_| short))
}
