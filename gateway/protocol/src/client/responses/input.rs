//! The items that a response is built on → messages of a chat.

use super::super::super::bad_request::BadRequest;
use super::super::super::call_ids::original_quoted;
use super::super::super::json::string;
use super::super::super::json_error::quoted;
use super::super::super::scan::ValueKind;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, elements, kind, said};
use super::super::{DroppedFields, FOLLOWS};

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
            "reasoning" => {
                turn.end_results(messages);
                turn.think(&mut item, dropped)?;
            }
            "function_call" => {
                turn.end_results(messages);
                turn.call(&mut item)?;
            }
            "function_call_output" => {
                turn.end_words(messages);
                messages.push(output(&mut item, &mut turn.aside)?);
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
    /// What tools gave back that is no text. A chat's tools give texts: it follows as a person's message, behind what all
    /// tools gave back.
    aside: Vec<String>,
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
        let name = item.need_quoted("name")?;
        let arguments = Some(item.need_quoted("arguments")?).filter(|it| *it != "\"\"").unwrap_or(r#""{}""#);
        let function = JsonBuilder::new().raw("name", name).raw("arguments", arguments).end();
        let id = original_quoted(item.need_quoted("call_id")?);
        let call = JsonBuilder::new().raw("id", &id).text("type", "function");
        self.calls.push(call.raw("function", &function).end());
        Ok(())
    }

    /// Ends it, and what tools gave back before it.
    fn end(&mut self, messages: &mut Vec<String>) {
        self.end_words(messages);
        self.end_results(messages);
    }

    /// Ends what tools gave back: somebody else has the word.
    fn end_results(&mut self, messages: &mut Vec<String>) {
        if let Some(content) = self.shown(None) {
            messages.push(JsonBuilder::new().text("role", "user").raw("content", &content).end());
        }
    }

    /// What a person says, with what tools gave back before it.
    fn shown(&mut self, said: Option<String>) -> Option<String> {
        let aside = std::mem::take(&mut self.aside);
        if aside.is_empty() {
            return said;
        }
        let said = said.map(|said| match said.strip_prefix('[') {
            Some(parts) => format!(",{parts}"),
            None => format!(",{}]", JsonBuilder::of_type("text").raw("text", &said).end()),
        });
        Some(format!("[{}{}", aside.join(","), said.as_deref().unwrap_or("]")))
    }

    fn end_words(&mut self, messages: &mut Vec<String>) {
        let (thoughts, content) = (std::mem::take(&mut self.thoughts), self.content.take());
        let calls = std::mem::take(&mut self.calls);
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
            turn.end_results(messages);
            if turn.content.is_some() {
                turn.end(messages);
            }
            turn.content = Some(content);
        }
        "user" => {
            turn.end_words(messages);
            let content = turn.shown(Some(content)).unwrap_or_default();
            messages.push(JsonBuilder::new().text("role", "user").raw("content", &content).end());
        }
        "system" | "developer" => {
            turn.end(messages);
            // Few upstreams know the newer name.
            messages.push(JsonBuilder::new().text("role", "system").raw("content", &content).end());
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
        parts.push(match part(raw, place)? {
            InputPart::Text(text) => {
                texts.push(text);
                JsonBuilder::of_type("text").raw("text", text).end()
            }
            InputPart::Attachment(part) => part,
        });
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

/// A part of a message, or of what a tool gave back.
enum InputPart<'a> {
    /// A text as it is written.
    Text(&'a str),
    /// Anything else, as a chat's part.
    Attachment(String),
}

fn part(raw: &str, place: String) -> Result<InputPart<'_>, BadRequest> {
    let mut part = ObjectReader::of(raw, place)?;
    let kind = part.need_text("type")?;
    let text = match &*kind {
        "input_text" | "output_text" | "text" => Some(part.need_quoted("text")?),
        "refusal" => Some(part.need_quoted("refusal")?),
        _ => None,
    };
    let read = match text {
        Some(text) => {
            for name in ["annotations", "logprobs"] {
                part.take(name);
            }
            InputPart::Text(text)
        }
        None => InputPart::Attachment(attachment(&kind, &mut part)?),
    };
    part.finish()?;
    Ok(read)
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

/// What a tool gave back: a chat's tools give texts, and what is none goes to `aside`.
fn output(item: &mut ObjectReader<'_>, aside: &mut Vec<String>) -> Result<String, BadRequest> {
    let id = original_quoted(item.need_quoted("call_id")?);
    let raw = item.need("output")?;
    let content = if kind(raw)? == ValueKind::String {
        raw.to_owned()
    } else {
        let (mut texts, before) = (Vec::new(), aside.len());
        for (place, raw) in elements(raw, &item.place("output"))? {
            match part(raw, place)? {
                InputPart::Text(text) => texts.push(said(text)?),
                InputPart::Attachment(part) => aside.push(part),
            }
        }
        if texts.is_empty() && aside.len() > before {
            texts.push(FOLLOWS.into());
        }
        string(&texts.join("\n"))
    };
    Ok(JsonBuilder::new().text("role", "tool").raw("tool_call_id", &id).raw("content", &content).end())
}
