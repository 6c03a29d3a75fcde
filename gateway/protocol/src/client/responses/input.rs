//! The items that a response is built on → messages of a chat.

use super::super::super::bad_request::BadRequest;
use super::super::super::json::string;
use super::super::super::json_error::quoted;
use super::super::super::scan::ValueKind;
use super::super::DroppedFields;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, elements, kind, said};

/// Adds the messages of all items.
pub(super) fn items(
    raw: &str,
    messages: &mut Vec<String>,
    dropped: &mut DroppedFields,
) -> Result<(), BadRequest> {
    let items = elements(raw, "input")?;
    if items.is_empty() {
        let message = "'input' is empty: it must have at least one item.".into();
        return Err(BadRequest::new("input", "empty_array", message));
    }
    let mut turn = InputTurn::default();
    for (place, raw) in items {
        let mut item = ObjectReader::of(raw, place)?;
        let kind = item.text("type")?.unwrap_or("message".into());
        // Names and states of items, for who keeps them.
        for name in ["id", "status"] {
            item.take(name);
        }
        match &*kind {
            "message" => message(&mut item, &mut turn, messages)?,
            "reasoning" => turn.think(&mut item, dropped)?,
            "function_call" => turn.call(&mut item)?,
            "function_call_output" => {
                turn.end(messages);
                messages.push(output(&mut item)?);
            }
            other => {
                let why =
                    format!("items of type \"{}\" cannot be converted for other providers", quoted(other));
                return Err(BadRequest::value(item.place("type"), why));
            }
        }
        item.finish()?;
    }
    turn.end(messages);
    Ok(())
}

/// What the assistant did between two items of others: one message of a chat.
#[derive(Default)]
struct InputTurn {
    thoughts: String,
    /// As it is written.
    content: Option<String>,
    calls: Vec<String>,
}

impl InputTurn {
    fn think(&mut self, item: &mut ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<(), BadRequest> {
        for name in ["summary", "content"] {
            for (place, raw) in item.list(name)?.unwrap_or_default() {
                let mut part = ObjectReader::of(raw, place)?;
                part.take("type");
                self.thoughts.push_str(&part.need_text("text")?);
                part.finish()?;
            }
        }
        item.leave_out(&["encrypted_content"], dropped);
        Ok(())
    }

    fn call(&mut self, item: &mut ObjectReader<'_>) -> Result<(), BadRequest> {
        let function = JsonBuilder::new()
            .raw("name", item.need_quoted("name")?)
            .raw("arguments", item.need_quoted("arguments")?)
            .end();
        let call = JsonBuilder::new().raw("id", item.need_quoted("call_id")?).text("type", "function");
        self.calls.push(call.raw("function", &function).end());
        Ok(())
    }

    fn end(&mut self, messages: &mut Vec<String>) {
        let Self { thoughts, content, calls } = std::mem::take(self);
        // Thoughts without a word or a deed belong to nothing.
        if content.is_none() && calls.is_empty() {
            return;
        }
        let mut message = JsonBuilder::new().text("role", "assistant").or_null("content", content.as_deref());
        if !thoughts.is_empty() {
            message = message.text("reasoning_content", &thoughts);
        }
        if !calls.is_empty() {
            message = message.raw("tool_calls", &array(calls));
        }
        messages.push(message.end());
    }
}

fn message(
    item: &mut ObjectReader<'_>,
    turn: &mut InputTurn,
    messages: &mut Vec<String>,
) -> Result<(), BadRequest> {
    let role = item.need_text("role")?;
    // Which part of an answer it was.
    item.take("phase");
    let content = content(item, "content")?;
    match &*role {
        "assistant" => {
            if turn.content.is_some() {
                turn.end(messages);
            }
            turn.content = Some(content);
        }
        "user" | "system" | "developer" => {
            turn.end(messages);
            // Few upstreams know the newer name.
            let role = if role == "user" { "user" } else { "system" };
            messages.push(JsonBuilder::new().text("role", role).raw("content", &content).end());
        }
        _ => {
            let why = "it is not one of 'user', 'assistant', 'system' and 'developer'";
            return Err(BadRequest::value(item.place("role"), why));
        }
    }
    Ok(())
}

/// A text, or parts; several texts alone become one.
fn content(item: &mut ObjectReader<'_>, name: &str) -> Result<String, BadRequest> {
    let raw = item.need(name)?;
    if kind(raw)? == ValueKind::String {
        return Ok(raw.to_owned());
    }
    let (mut texts, mut parts) = (Vec::new(), Vec::new());
    let list = elements(raw, &item.place(name))?;
    let count = list.len();
    for (place, raw) in list {
        let mut part = ObjectReader::of(raw, place)?;
        let kind = part.need_text("type")?;
        let text = match &*kind {
            "input_text" | "output_text" | "text" => Some(part.need_quoted("text")?),
            "refusal" => Some(part.need_quoted("refusal")?),
            _ => None,
        };
        parts.push(match text {
            Some(text) => {
                texts.push(text);
                for name in ["annotations", "logprobs"] {
                    part.take(name);
                }
                JsonBuilder::of_type("text").raw("text", text).end()
            }
            None => attachment(&kind, &mut part)?,
        });
        part.finish()?;
    }
    match (&texts[..], count) {
        ([only], 1) => Ok((*only).to_owned()),
        (_, 0) => {
            let place = item.place(name);
            let message = format!("'{place}' is empty: it must have at least one part.");
            Err(BadRequest::new(place, "empty_array", message))
        }
        _ => Ok(array(parts)),
    }
}

fn attachment(kind: &str, part: &mut ObjectReader<'_>) -> Result<String, BadRequest> {
    let kept =
        "what is kept at a provider, or would have to be fetched, cannot be sent on; send its contents";
    part.refuse("file_id", kept)?;
    match kind {
        "input_image" => {
            let image = JsonBuilder::new()
                .raw("url", part.need_quoted("image_url")?)
                .maybe("detail", part.quoted("detail")?);
            Ok(JsonBuilder::of_type("image_url").raw("image_url", &image.end()).end())
        }
        "input_file" => {
            part.refuse("file_url", kept)?;
            let file = JsonBuilder::new()
                .maybe("filename", part.quoted("filename")?)
                .raw("file_data", part.need_quoted("file_data")?);
            part.take("detail");
            Ok(JsonBuilder::of_type("file").raw("file", &file.end()).end())
        }
        "input_audio" => {
            Ok(JsonBuilder::of_type("input_audio").raw("input_audio", part.need("input_audio")?).end())
        }
        other => {
            let why = format!("parts of type \"{}\" cannot be converted for other providers", quoted(other));
            Err(BadRequest::value(part.place("type"), why))
        }
    }
}

/// What a tool gave back: a chat's tools give texts.
fn output(item: &mut ObjectReader<'_>) -> Result<String, BadRequest> {
    let id = item.need_quoted("call_id")?;
    let raw = item.need("output")?;
    let content = if kind(raw)? == ValueKind::String {
        raw.to_owned()
    } else {
        let mut texts = Vec::new();
        for (place, raw) in elements(raw, &item.place("output"))? {
            let mut part = ObjectReader::of(raw, place)?;
            let kind = part.need_text("type")?;
            if kind != "input_text" {
                let why = format!("\"{}\": tools can give back texts only", quoted(&kind));
                return Err(BadRequest::value(part.place("type"), why));
            }
            texts.push(part.need_quoted("text")?);
            part.finish()?;
        }
        string(&texts.into_iter().map(said).collect::<Result<Vec<_>, _>>()?.join("\n"))
    };
    Ok(JsonBuilder::new().text("role", "tool").raw("tool_call_id", id).raw("content", &content).end())
}
