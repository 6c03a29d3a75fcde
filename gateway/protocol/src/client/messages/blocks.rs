//! One message of content blocks → messages of a chat.

use super::super::super::bad_request::BadRequest;
use super::super::super::call_ids::original_quoted;
use super::super::super::json::string;
use super::super::super::json_error::quoted;
use super::super::super::scan::ValueKind;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, elements, inside, kind, said};
use super::super::{DroppedFields, FOLLOWS};

/// Adds a message.
pub(super) fn message(
    mut message: ObjectReader<'_>,
    messages: &mut Vec<String>,
    dropped: &mut DroppedFields,
) -> Result<(), BadRequest> {
    let role = message.need_text("role")?;
    let content = message.need("content")?;
    let place = message.place("content");
    let at = message.place("role");
    message.finish()?;
    if !matches!(&*role, "user" | "assistant" | "system") {
        return Err(BadRequest::value(at, "it is not one of 'user', 'assistant' and 'system'"));
    }
    if kind(content)? == ValueKind::String {
        messages.push(JsonBuilder::new().text("role", &role).raw("content", content).end());
        return Ok(());
    }
    let blocks = elements(content, &place)?;
    if blocks.is_empty() {
        let message = format!("'{place}' is empty: it must have at least one block.");
        return Err(BadRequest::new(place, "empty_array", message));
    }
    match &*role {
        "assistant" => assistant(blocks, messages, dropped),
        role => user(role, blocks, messages, dropped),
    }
}

/// What tools gave back comes before all else, as a chat wants it: right after the message that called them.
fn user(
    role: &str,
    blocks: Vec<(String, &str)>,
    messages: &mut Vec<String>,
    dropped: &mut DroppedFields,
) -> Result<(), BadRequest> {
    let mut parts = Vec::new();
    for (place, raw) in blocks {
        let mut block = ObjectReader::of(raw, place)?;
        let kind = block.need_text("type")?;
        if kind == "tool_result" {
            messages.push(tool_result(block, &mut parts, dropped)?);
        } else {
            parts.extend(part(&kind, block, dropped)?);
        }
    }
    if let Some(content) = content(parts) {
        messages.push(JsonBuilder::new().text("role", role).raw("content", &content).end());
    }
    Ok(())
}

/// A part of a chat's message.
enum ContentBlock<'a> {
    /// A text as it is written.
    Text(&'a str),
    /// Anything else, ready.
    Other(String),
}

/// One text is a text, as all upstreams know it; everything else is an array of parts.
fn content(parts: Vec<ContentBlock<'_>>) -> Option<String> {
    match &parts[..] {
        [] => None,
        [ContentBlock::Text(only)] => Some((*only).to_owned()),
        _ => Some(array(parts.into_iter().map(|part| match part {
            ContentBlock::Text(text) => JsonBuilder::of_type("text").raw("text", text).end(),
            ContentBlock::Other(part) => part,
        }))),
    }
}

/// A block of a person's message; a document may be several parts.
fn part<'a>(
    kind: &str,
    mut block: ObjectReader<'a>,
    dropped: &mut DroppedFields,
) -> Result<Vec<ContentBlock<'a>>, BadRequest> {
    block.leave_out(&["cache_control"], dropped);
    let parts = match kind {
        "text" => {
            block.leave_out(&["citations"], dropped);
            vec![ContentBlock::Text(block.need_quoted("text")?)]
        }
        "image" => vec![ContentBlock::Other(image(&mut block)?)],
        "document" => document(&mut block, dropped)?,
        other => return Err(unknown(&block, other)),
    };
    block.finish()?;
    Ok(parts)
}

fn image(block: &mut ObjectReader<'_>) -> Result<String, BadRequest> {
    let mut source = source(block)?;
    let url = match &*source.need_text("type")? {
        "base64" => data_url(&mut source)?,
        "url" => source.need_quoted("url")?.to_owned(),
        _ => return Err(wrong_source(&source, "'base64' or 'url'")),
    };
    source.finish()?;
    Ok(JsonBuilder::of_type("image_url").raw("image_url", &JsonBuilder::new().raw("url", &url).end()).end())
}

fn document<'a>(
    block: &mut ObjectReader<'a>,
    dropped: &mut DroppedFields,
) -> Result<Vec<ContentBlock<'a>>, BadRequest> {
    let title = block.quoted("title")?;
    let mut parts: Vec<_> = block.quoted("context")?.map(ContentBlock::Text).into_iter().collect();
    if let Some(mut citations) = block.object("citations")?
        && citations.boolean("enabled")? == Some(true)
    {
        let why = "citations can only be had from the provider that has them";
        return Err(BadRequest::value(citations.place("enabled"), why));
    }
    let mut source = source(block)?;
    match &*source.need_text("type")? {
        "base64" => {
            let file = JsonBuilder::new()
                .raw("filename", title.unwrap_or(r#""document.pdf""#))
                .raw("file_data", &data_url(&mut source)?);
            parts.push(ContentBlock::Other(JsonBuilder::of_type("file").raw("file", &file.end()).end()));
        }
        "text" => {
            parts.splice(0..0, title.map(ContentBlock::Text));
            source.take("media_type");
            parts.push(ContentBlock::Text(source.need_quoted("data")?));
        }
        "content" => {
            parts.splice(0..0, title.map(ContentBlock::Text));
            parts.extend(contents(&mut source, "content", dropped)?);
        }
        _ => return Err(wrong_source(&source, "'base64', 'text' or 'content'")),
    }
    source.finish()?;
    Ok(parts)
}

fn source<'a>(block: &mut ObjectReader<'a>) -> Result<ObjectReader<'a>, BadRequest> {
    block.object("source")?.ok_or_else(|| BadRequest::missing(block.place("source")))
}

fn wrong_source(source: &ObjectReader<'_>, known: &str) -> BadRequest {
    let why = format!(
        "only {known} can be sent on; what is kept at a provider, or would have to be fetched, cannot"
    );
    BadRequest::value(source.place("type"), why)
}

/// A `data:` address in quotes.
fn data_url(source: &mut ObjectReader<'_>) -> Result<String, BadRequest> {
    let kind = source.need_quoted("media_type")?;
    Ok(format!(r#""data:{};base64,{}""#, inside(kind), inside(source.need_quoted("data")?)))
}

/// A text, or blocks.
fn contents<'a>(
    block: &mut ObjectReader<'a>,
    name: &str,
    dropped: &mut DroppedFields,
) -> Result<Vec<ContentBlock<'a>>, BadRequest> {
    let Some(raw) = block.take(name) else { return Ok(Vec::new()) };
    if kind(raw)? == ValueKind::String {
        return Ok(vec![ContentBlock::Text(raw)]);
    }
    let mut parts = Vec::new();
    for (place, raw) in elements(raw, &block.place(name))? {
        let mut inner = ObjectReader::of(raw, place)?;
        let kind = inner.need_text("type")?;
        parts.extend(part(&kind, inner, dropped)?);
    }
    Ok(parts)
}

/// What a tool gave back. A chat's tools give texts: anything else goes to `aside`, a person's message that follows.
fn tool_result<'a>(
    mut block: ObjectReader<'a>,
    aside: &mut Vec<ContentBlock<'a>>,
    dropped: &mut DroppedFields,
) -> Result<String, BadRequest> {
    let id = original_quoted(block.need_quoted("tool_use_id")?);
    let failed = block.boolean("is_error")? == Some(true);
    block.leave_out(&["cache_control"], dropped);
    let (mut texts, before) = (Vec::new(), aside.len());
    for part in contents(&mut block, "content", dropped)? {
        match part {
            ContentBlock::Text(text) => texts.push(text),
            other => aside.push(other),
        }
    }
    block.finish()?;
    let content = match texts[..] {
        [only] if !failed => only.to_owned(),
        _ => {
            let mut texts = texts.into_iter().map(said).collect::<Result<Vec<_>, _>>()?;
            if texts.is_empty() && aside.len() > before {
                texts.push(FOLLOWS.into());
            }
            let text = texts.join("\n");
            // A chat has no other word for it.
            string(&if failed { format!("Error: {text}") } else { text })
        }
    };
    Ok(JsonBuilder::new().text("role", "tool").raw("tool_call_id", &id).raw("content", &content).end())
}

fn assistant(
    blocks: Vec<(String, &str)>,
    messages: &mut Vec<String>,
    dropped: &mut DroppedFields,
) -> Result<(), BadRequest> {
    let (mut texts, mut thoughts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for (place, raw) in blocks {
        let mut block = ObjectReader::of(raw, place)?;
        block.leave_out(&["cache_control"], dropped);
        match &*block.need_text("type")? {
            "text" => {
                texts.push(block.need_text("text")?);
                block.leave_out(&["citations"], dropped);
            }
            "thinking" => {
                thoughts.push(block.need_text("thinking")?);
                // Empty where there was none to begin with.
                if block.text("signature")?.is_some_and(|signature| !signature.is_empty()) {
                    dropped.note("signature");
                }
            }
            "redacted_thinking" => {
                block.need_quoted("data")?;
                dropped.note("redacted_thinking");
            }
            "tool_use" => calls.push(tool_use(&mut block, dropped)?),
            other => return Err(unknown(&block, other)),
        }
        block.finish()?;
    }
    let mut message = JsonBuilder::new().text("role", "assistant");
    message = match (texts.is_empty(), calls.is_empty()) {
        (true, false) => message.raw("content", "null"),
        _ => message.text("content", &texts.concat()),
    };
    if !thoughts.is_empty() {
        message = message.text("reasoning_content", &thoughts.concat());
    }
    if !calls.is_empty() {
        message = message.raw("tool_calls", &array(calls));
    }
    messages.push(message.end());
    Ok(())
}

fn tool_use(block: &mut ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<String, BadRequest> {
    let (id, name) = (original_quoted(block.need_quoted("id")?), block.need_quoted("name")?);
    let arguments = string(block.take("input").unwrap_or("{}"));
    block.leave_out(&["caller"], dropped);
    let function = JsonBuilder::new().raw("name", name).raw("arguments", &arguments).end();
    Ok(JsonBuilder::new().raw("id", &id).text("type", "function").raw("function", &function).end())
}

/// Takes the type, which must be this one.
pub(super) fn expect(block: &mut ObjectReader<'_>, kind: &str) -> Result<(), BadRequest> {
    let given = block.need_text("type")?;
    if given == kind {
        return Ok(());
    }
    let why = format!("\"{}\" cannot be converted; it must be '{kind}'", quoted(&given));
    Err(BadRequest::value(block.place("type"), why))
}

fn unknown(block: &ObjectReader<'_>, kind: &str) -> BadRequest {
    BadRequest::value(
        block.place("type"),
        format!("blocks of type \"{}\" cannot be converted for other providers", quoted(kind)),
    )
}
