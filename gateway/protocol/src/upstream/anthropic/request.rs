//! A chat in Anthropic's words.

use std::fmt::Write;

use bytes::Bytes;

use super::super::super::bad_request::BadRequest;
use super::super::super::call_ids::CallIdForm;
use super::super::super::chat::ChatRequest;
use super::super::super::conversions::ConvertedChat;
use super::super::super::json::{RawObject, string};
use super::super::super::request_fit::RequestFit;
use super::super::conversation_turns::{
    AssistantItem, AssistantTurn, ConversationTurn, ConversationTurns, ToolResult,
};
use super::super::media::{MediaPart, MediaSource};
use super::super::object_writer::{ObjectWriter, list, object, quote};
use super::super::parsed_chat::{ParsedChat, ParsedTool, ParsedToolChoice, refuse_others};
use super::super::{EffortStyle, EncodedRequest, unsaid};
use super::history::{self, HistoryEdits};

/// Fields that this dialect has words for. `top_k` and `thinking` are its own, which a client may send all the same.
const KNOWN: [&str; 16] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "thinking",
];

/// The highest temperature; OpenAI's is twice that.
const MOST_WARMTH: f64 = 1.0;
/// The least number of tokens that a model is told to think in.
const LEAST_THOUGHT: u64 = 1024;

/// Puts a chat into these words, but for model, stream, the longest answer and how hard to think.
///
/// # Errors
/// What they cannot say.
pub(in super::super) fn convert(chat: &ChatRequest) -> Result<ConvertedChat, BadRequest> {
    refuse_others(&chat.object, &KNOWN)?;
    let warmth =
        chat.object.get("temperature").and_then(|raw| std::str::from_utf8(raw).ok()?.parse::<f64>().ok());
    if warmth.is_some_and(|warmth| warmth > MOST_WARMTH) {
        return Err(unsaid("temperature"));
    }
    let mut asked = ParsedChat::read(chat.object.bytes())?;
    let turns = ConversationTurns::of(std::mem::take(&mut asked.messages), CallIdForm::Plain)?;
    let tool_choice = tool_choice(&asked)?;
    let format = format(&asked)?;
    let mut tools = Vec::new();
    for (at, tool) in asked.tools.iter().flatten().enumerate() {
        tools.push((tool, function(tool, at)?));
    }
    turns.list.iter().flat_map(|turn| &turn.items).try_for_each(check)?;
    let mut out = Vec::with_capacity(chat.object.bytes().len() + 256);
    object(&mut out, |request| {
        if !turns.system.is_empty() {
            request.nested("system", |out| list(out, &turns.system, text));
        }
        request.nested("messages", |out| {
            let last = turns.list.len() - 1;
            list(out, turns.list.iter().enumerate(), |out, (at, turn)| write_turn(out, turn, at == last));
        });
        if !tools.is_empty() {
            request
                .nested("tools", |out| list(out, &tools, |out, (tool, function)| offer(out, tool, function)));
        }
        request.maybe("tool_choice", tool_choice.as_deref());
        sampling(request, chat, &asked);
        request.maybe("output_config", format.as_deref());
        if let Some(user) = &asked.user {
            request.nested("metadata", |out| object(out, |it| it.text("user_id", user)));
        }
    });
    let object = RawObject::skim(out.into())?;
    Ok(ConvertedChat { object, effort: asked.reasoning_effort, thoughtless: thoughtless(&turns.list) })
}

/// The body of a request.
pub(in super::super) fn encode(
    converted: &ConvertedChat,
    chat: &ChatRequest,
    told: &EncodedRequest<'_>,
) -> Bytes {
    let most = chat.max_tokens().or(told.longest).unwrap_or(told.most);
    let thinking = thinking(converted, most, told);
    let effort = thinking.as_ref().and_then(|(_, effort)| effort.as_deref());
    let config = effort.map(|effort| {
        let own = converted.object.get("output_config").unwrap_or(b"{}");
        let own = RawObject::skim(Bytes::copy_from_slice(own)).ok();
        own.map(|own| own.edited(&[("effort", Some(string(effort).as_bytes()))])).unwrap_or_default()
    });
    let (model, most) = (string(told.model), most.to_string());
    let mut edits = vec![("model", Some(model.as_bytes())), ("max_tokens", Some(most.as_bytes()))];
    if told.stream {
        edits.push(("stream", Some(b"true")));
    }
    if let Some((thinking, _)) = &thinking {
        edits.push(("thinking", Some(thinking.as_bytes())));
    }
    if let Some(config) = &config {
        edits.push(("output_config", Some(config)));
    }
    let past = if told.thoughts { HistoryEdits::default() } else { history::edits(&converted.object, false) };
    edits.extend(past.messages.as_deref().map(|messages| ("messages", Some(messages))));
    converted.object.edited(&edits)
}

/// A request that came in these words, with what the upstream is told of the model, and what is done to it for the model.
/// Every other byte is the client's.
pub(in super::super) fn as_it_came(
    original: &RawObject,
    told: &EncodedRequest<'_>,
    fit: &RequestFit,
) -> Bytes {
    let fitted = (!fit.edits.is_empty()).then(|| RawObject::skim(fit.applied(original)).ok()).flatten();
    let original = fitted.as_ref().unwrap_or(original);
    let (model, most) = (string(told.model), told.longest.unwrap_or(told.most).to_string());
    let stream: &[u8] = if told.stream { b"true" } else { b"false" };
    let streams = original.get("stream").is_some_and(|it| it == b"true");
    let mut edits = vec![("model", Some(model.as_bytes()))];
    if streams != told.stream {
        edits.push(("stream", Some(stream)));
    }
    if original.get("max_tokens").is_none_or(|it| it == b"null") {
        edits.push(("max_tokens", Some(most.as_bytes())));
    }
    let past = history::edits(original, told.thoughts);
    edits.extend(past.messages.as_deref().map(|messages| ("messages", Some(messages))));
    edits.extend(past.thinking.map(|off| ("thinking", Some(off))));
    let context = past.context.as_deref();
    edits.extend(context.map(|it| ("context_management", Some(it).filter(|it| !it.is_empty()))));
    original.edited(&edits)
}

/// `thinking`, and the word for how hard; `None` where the client said so in these words itself, or not at all.
fn thinking(
    converted: &ConvertedChat,
    most: u64,
    told: &EncodedRequest<'_>,
) -> Option<(String, Option<String>)> {
    let off = || Some((r#"{"type":"disabled"}"#.to_owned(), None));
    if let Some(own) = converted.object.get("thinking") {
        let forgets = !told.thoughts || converted.thoughtless;
        return if forgets && history::is_enabled(own) { off() } else { None };
    }
    let (effort, asked) = (told.effort, converted.effort.as_deref()?);
    if asked == "none" {
        return off();
    }
    match effort {
        EffortStyle::Word => {
            let word = if asked == "minimal" { "low" } else { asked };
            Some((r#"{"type":"adaptive"}"#.to_owned(), Some(word.to_owned())))
        }
        // Such a model refuses to go on from a call of tools without its own thoughts before it.
        EffortStyle::Tokens if converted.thoughtless || !told.thoughts || most < 2 * LEAST_THOUGHT => off(),
        EffortStyle::Tokens => {
            let budget = match asked {
                "minimal" | "low" => 2 * LEAST_THOUGHT,
                "medium" => 8 * LEAST_THOUGHT,
                _ => 24 * LEAST_THOUGHT,
            };
            // Half of what may be written is left for the answer.
            let budget = budget.min(most / 2);
            Some((format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#), None))
        }
    }
}

fn sampling(request: &mut ObjectWriter<'_>, chat: &ChatRequest, asked: &ParsedChat<'_>) {
    for name in ["temperature", "top_p", "top_k", "thinking"] {
        let raw = chat.object.get(name).and_then(|raw| std::str::from_utf8(raw).ok());
        request.maybe(name, raw.filter(|raw| *raw != "null"));
    }
    let stops = asked.stop.as_ref().map(|stop| stop.texts()).unwrap_or_default();
    if !stops.is_empty() {
        request.nested("stop_sequences", |out| list(out, stops, quote));
    }
}

fn tool_choice(asked: &ParsedChat<'_>) -> Result<Option<String>, BadRequest> {
    let choice = asked.choice()?;
    let one =
        asked.parallel_tool_calls == Some(false) && asked.tools.as_ref().is_some_and(|it| !it.is_empty());
    let choice = choice.or(one.then_some(ParsedToolChoice::Auto));
    let Some(choice) = choice else { return Ok(None) };
    let mut text = String::from(r#"{"type":"#);
    text.push_str(match choice {
        ParsedToolChoice::Auto => r#""auto""#,
        ParsedToolChoice::None => r#""none""#,
        ParsedToolChoice::Required => r#""any""#,
        ParsedToolChoice::Named(_) => r#""tool""#,
    });
    // Writing to a string cannot fail.
    if let ParsedToolChoice::Named(name) = &choice {
        let _ = write!(text, r#","name":{}"#, string(name));
    }
    if one && choice != ParsedToolChoice::None {
        text.push_str(r#","disable_parallel_tool_use":true"#);
    }
    Ok(Some(text + "}"))
}

fn format(asked: &ParsedChat<'_>) -> Result<Option<String>, BadRequest> {
    let Some(form) = &asked.response_format else { return Ok(None) };
    match (form.kind.as_str(), form.json_schema.as_ref().and_then(|it| it.schema)) {
        ("text", _) => Ok(None),
        ("json_schema", Some(schema)) => {
            Ok(Some(format!(r#"{{"format":{{"type":"json_schema","schema":{}}}}}"#, schema.get())))
        }
        ("json_schema", None) => Err(BadRequest::missing("response_format.json_schema.schema")),
        _ => Err(unsaid("response_format.type")),
    }
}

fn function<'t, 'a>(
    tool: &'t ParsedTool<'a>,
    at: usize,
) -> Result<&'t super::super::parsed_chat::FunctionSpec<'a>, BadRequest> {
    match &tool.function {
        Some(function) if tool.kind == "function" => Ok(function),
        _ => Err(unsaid(format!("tools[{at}].type"))),
    }
}

fn offer(out: &mut Vec<u8>, tool: &ParsedTool<'_>, function: &super::super::parsed_chat::FunctionSpec<'_>) {
    object(out, |it| {
        it.text("name", &function.name);
        if let Some(description) = &function.description {
            it.text("description", description);
        }
        let schema = function.parameters.map(|raw| raw.get()).filter(|raw| *raw != "null");
        it.raw("input_schema", schema.unwrap_or(r#"{"type":"object","properties":{}}"#));
        if function.strict == Some(true) {
            it.raw("strict", "true");
        }
        it.maybe("cache_control", tool.cache_control.map(|raw| raw.get()));
    });
}

/// Only pictures and PDF files can be shown.
fn check(item: &AssistantItem<'_>) -> Result<(), BadRequest> {
    match item {
        AssistantItem::Media(media, _) if !(media.is("image") || is_pdf(media)) => Err(unsaid("messages")),
        AssistantItem::Result(outcome) => outcome.items.iter().try_for_each(check),
        _ => Ok(()),
    }
}

fn is_pdf(media: &MediaPart) -> bool {
    media.kind.as_deref() == Some("application/pdf")
}

fn write_turn(out: &mut Vec<u8>, turn: &ConversationTurn<'_>, last: bool) {
    object(out, |it| {
        it.text("role", if turn.assistant { "assistant" } else { "user" });
        // What tools gave back comes first: nothing may stand between a call and it.
        let results = turn.items.iter().filter(|item| matches!(item, AssistantItem::Result(_)));
        let others = turn.items.iter().filter(|item| !matches!(item, AssistantItem::Result(_)));
        it.nested("content", |out| blocks(out, results.chain(others), turn.assistant && last));
    });
}

fn blocks<'i, 'a: 'i>(out: &mut Vec<u8>, items: impl Iterator<Item = &'i AssistantItem<'a>>, prefill: bool) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match item {
            // An answer that was begun may not end in white space.
            AssistantItem::Text(said) if prefill => {
                text(out, &AssistantTurn { text: said.text.trim_end().to_owned(), cache: said.cache });
            }
            AssistantItem::Text(said) => text(out, said),
            AssistantItem::Media(media, cache) => show(out, media, cache.map(|raw| raw.get())),
            AssistantItem::Thoughts(thoughts) => {
                let thoughts: Vec<_> = thoughts.iter().map(|raw| raw.get()).collect();
                out.extend_from_slice(thoughts.join(",").as_bytes());
            }
            AssistantItem::Call(call) => object(out, |it| {
                it.text("type", "tool_use");
                it.text("id", &call.id);
                it.text("name", &call.name);
                it.raw("input", &call.arguments);
            }),
            AssistantItem::Result(outcome) => give_back(out, outcome),
        }
    }
    out.push(b']');
}

fn text(out: &mut Vec<u8>, said: &AssistantTurn<'_>) {
    object(out, |it| {
        it.text("type", "text");
        it.text("text", &said.text);
        it.maybe("cache_control", said.cache.map(|raw| raw.get()));
    });
}

fn show(out: &mut Vec<u8>, media: &MediaPart, cache: Option<&str>) {
    object(out, |it| {
        it.text("type", if is_pdf(media) { "document" } else { "image" });
        it.nested("source", |out| {
            object(out, |source| match &media.source {
                MediaSource::Data(data) => {
                    source.text("type", "base64");
                    source.text("media_type", media.kind.as_deref().unwrap_or("image/png"));
                    source.text("data", data);
                }
                MediaSource::Url(url) => {
                    source.text("type", "url");
                    source.text("url", url);
                }
            });
        });
        if let Some(name) = media.name.as_deref().filter(|_| is_pdf(media)) {
            it.text("title", name);
        }
        it.maybe("cache_control", cache);
    });
}

fn give_back(out: &mut Vec<u8>, outcome: &ToolResult<'_>) {
    object(out, |it| {
        it.text("type", "tool_result");
        it.text("tool_use_id", &outcome.id);
        it.nested("content", |out| blocks(out, outcome.items.iter(), false));
        it.maybe("cache_control", outcome.cache.map(|raw| raw.get()));
    });
}

/// Whether the last word of the model was a call of tools without its thoughts.
fn thoughtless(turns: &[ConversationTurn<'_>]) -> bool {
    let last = turns.iter().rev().find(|turn| turn.assistant);
    last.is_some_and(|turn| {
        turn.items.iter().any(|item| matches!(item, AssistantItem::Call(_)))
            && !matches!(turn.items.first(), Some(AssistantItem::Thoughts(_)))
    })
}
