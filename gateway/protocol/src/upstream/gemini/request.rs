//! A chat in Google's words.

use bytes::Bytes;

use super::super::super::bad_request::BadRequest;
use super::super::super::call_ids::CallIdForm;
use super::super::super::chat::ChatRequest;
use super::super::super::conversions::ConvertedChat;
use super::super::super::json::{RawObject, string};
use super::super::conversation_turns::{AssistantItem, ConversationTurn, ConversationTurns, ToolResult};
use super::super::media::{MediaPart, MediaSource};
use super::super::object_writer::{ObjectWriter, list, object, one, quote};
use super::super::parsed_chat::{FunctionSpec, ParsedChat, ParsedToolChoice, refuse_others};
use super::super::{EffortStyle, EncodedRequest, unsaid};

/// Fields that this dialect has words for.
const KNOWN: [&str; 19] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
];

/// Fields that have another name here and the same values.
const RENAMED: [(&str, &str); 7] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("n", "candidateCount"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
];

/// What a call has in place of the thoughts before it where another model made it: without it newer models refuse the
/// conversation (ai.google.dev/gemini-api/docs/thought-signatures).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// Puts a chat into these words, but for the longest answer and how hard to think.
///
/// # Errors
/// What they cannot say.
pub(in super::super) fn convert(
    chat: &ChatRequest,
    effort: EffortStyle,
) -> Result<ConvertedChat, BadRequest> {
    refuse_others(&chat.object, &KNOWN)?;
    let mut asked = ParsedChat::read(chat.object.bytes())?;
    let turns = ConversationTurns::of(std::mem::take(&mut asked.messages), CallIdForm::Any)?;
    turns.list.iter().flat_map(|turn| &turn.items).try_for_each(check)?;
    let functions = functions(&asked)?;
    if asked.parallel_tool_calls == Some(false) && !functions.is_empty() {
        return Err(unsaid("parallel_tool_calls"));
    }
    let calling = calling(&asked, &functions)?;
    let form = form(&asked)?;
    let mut out = Vec::with_capacity(chat.object.bytes().len() + 256);
    object(&mut out, |request| {
        if !turns.system.is_empty() {
            request.nested("systemInstruction", |out| {
                object(out, |it| {
                    let texts = turns.system.iter().map(|said| said.text.as_str());
                    it.nested("parts", |out| list(out, texts, text));
                });
            });
        }
        request.nested("contents", |out| list(out, &turns.list, |out, turn| content(out, turn, effort)));
        if !functions.is_empty() {
            request.nested("tools", |out| {
                one(out, |out| {
                    object(out, |it| it.nested("functionDeclarations", |out| list(out, &functions, declare)));
                });
            });
        }
        request.maybe("toolConfig", calling.as_deref());
        request.nested("generationConfig", |out| object(out, |it| generation(it, chat, &asked, &form)));
    });
    let object = RawObject::skim(out.into())?;
    Ok(ConvertedChat { object, effort: asked.reasoning_effort, thoughtless: false })
}

/// The body of a request. The model's name and whether to stream stand in its address.
pub(in super::super) fn encode(
    converted: &ConvertedChat,
    chat: &ChatRequest,
    told: &EncodedRequest<'_>,
) -> Bytes {
    let most = chat.max_tokens().or(told.longest).map(|most| most.to_string());
    let thinking = converted.effort.as_deref().map(|asked| thinking(asked, told));
    let edits = [
        ("maxOutputTokens", most.as_deref().map(str::as_bytes)),
        ("thinkingConfig", thinking.as_deref().map(str::as_bytes)),
    ];
    let edits: Vec<_> = edits.into_iter().filter(|(_, value)| value.is_some()).collect();
    let own = converted.object.get("generationConfig").unwrap_or(b"{}");
    let config =
        RawObject::skim(Bytes::copy_from_slice(own)).map(|own| own.edited(&edits)).unwrap_or_default();
    converted.object.edited(&[("generationConfig", Some(&config))])
}

/// How hard to think; who says so wants to see the thoughts.
fn thinking(asked: &str, told: &EncodedRequest<'_>) -> String {
    match (told.effort, asked) {
        // It always thinks, in that many tokens at least (ai.google.dev/gemini-api/docs/thinking).
        (EffortStyle::Tokens, "none") if told.model.contains("2.5-pro") => {
            r#"{"thinkingBudget":128}"#.to_owned()
        }
        (EffortStyle::Tokens, "none") => r#"{"thinkingBudget":0}"#.to_owned(),
        (EffortStyle::Tokens, _) => {
            // As Google's own OpenAI-compatible endpoint has them (ai.google.dev/gemini-api/docs/openai).
            let budget = match asked {
                "minimal" | "low" => 1024,
                "medium" => 8192,
                _ => 24576,
            };
            format!(r#"{{"thinkingBudget":{budget},"includeThoughts":true}}"#)
        }
        // These models always think.
        (EffortStyle::Word, "none" | "minimal") => r#"{"thinkingLevel":"minimal"}"#.to_owned(),
        (EffortStyle::Word, _) => {
            let level = if matches!(asked, "low" | "medium") { asked } else { "high" };
            format!(r#"{{"thinkingLevel":"{level}","includeThoughts":true}}"#)
        }
    }
}

fn functions<'t, 'a>(asked: &'t ParsedChat<'a>) -> Result<Vec<&'t FunctionSpec<'a>>, BadRequest> {
    let tools = asked.tools.iter().flatten().enumerate();
    tools
        .map(|(at, tool)| match &tool.function {
            Some(function) if tool.kind == "function" => Ok(function),
            _ => Err(unsaid(format!("tools[{at}].type"))),
        })
        .collect()
}

fn calling(asked: &ParsedChat<'_>, functions: &[&FunctionSpec<'_>]) -> Result<Option<String>, BadRequest> {
    let strict = functions.iter().any(|function| function.strict == Some(true));
    let mode = match asked.choice()? {
        None | Some(ParsedToolChoice::Auto) if strict => r#"{"mode":"VALIDATED"}"#.to_owned(),
        None => return Ok(None),
        Some(ParsedToolChoice::Auto) => r#"{"mode":"AUTO"}"#.to_owned(),
        Some(ParsedToolChoice::None) => r#"{"mode":"NONE"}"#.to_owned(),
        Some(ParsedToolChoice::Required) => r#"{"mode":"ANY"}"#.to_owned(),
        Some(ParsedToolChoice::Named(name)) => {
            format!(r#"{{"mode":"ANY","allowedFunctionNames":[{}]}}"#, string(&name))
        }
    };
    Ok(Some(format!(r#"{{"functionCallingConfig":{mode}}}"#)))
}

/// Whether the answer is to be JSON, and of which schema.
enum GeminiOutputFormat<'a> {
    Text,
    Json(Option<&'a str>),
}

fn form<'t>(asked: &'t ParsedChat<'_>) -> Result<GeminiOutputFormat<'t>, BadRequest> {
    let Some(form) = &asked.response_format else { return Ok(GeminiOutputFormat::Text) };
    match (form.kind.as_str(), form.json_schema.as_ref().and_then(|it| it.schema)) {
        ("text", _) => Ok(GeminiOutputFormat::Text),
        ("json_object", _) => Ok(GeminiOutputFormat::Json(None)),
        ("json_schema", Some(schema)) => Ok(GeminiOutputFormat::Json(Some(schema.get()))),
        ("json_schema", None) => Err(BadRequest::missing("response_format.json_schema.schema")),
        _ => Err(unsaid("response_format.type")),
    }
}

fn generation(
    config: &mut ObjectWriter<'_>,
    chat: &ChatRequest,
    asked: &ParsedChat<'_>,
    form: &GeminiOutputFormat<'_>,
) {
    for (name, renamed) in RENAMED {
        let raw = chat.object.get(name).and_then(|raw| std::str::from_utf8(raw).ok());
        config.maybe(renamed, raw.filter(|raw| *raw != "null"));
    }
    let stops = asked.stop.as_ref().map(|stop| stop.texts()).unwrap_or_default();
    if !stops.is_empty() {
        config.nested("stopSequences", |out| list(out, stops, quote));
    }
    if let GeminiOutputFormat::Json(schema) = form {
        config.text("responseMimeType", "application/json");
        config.maybe("responseJsonSchema", *schema);
    }
}

fn declare(out: &mut Vec<u8>, function: &&FunctionSpec<'_>) {
    object(out, |it| {
        it.text("name", &function.name);
        if let Some(description) = &function.description {
            it.text("description", description);
        }
        let schema = function.parameters.map(|raw| raw.get());
        it.maybe("parametersJsonSchema", schema.filter(|raw| *raw != "null"));
    });
}

/// What a tool gave back is a text here, under the tool's name.
fn check(item: &AssistantItem<'_>) -> Result<(), BadRequest> {
    let AssistantItem::Result(outcome) = item else { return Ok(()) };
    if outcome.name.is_none() {
        let why = "it names no call of this conversation";
        return Err(BadRequest::value("messages.tool_call_id", why));
    }
    match outcome.items.iter().all(|item| matches!(item, AssistantItem::Text(_))) {
        true => Ok(()),
        false => Err(unsaid("messages")),
    }
}

fn content(out: &mut Vec<u8>, turn: &ConversationTurn<'_>, effort: EffortStyle) {
    object(out, |it| {
        it.text("role", if turn.assistant { "model" } else { "user" });
        // Thoughts of another provider's models are nothing to these.
        let items = turn.items.iter().filter(|item| !matches!(item, AssistantItem::Thoughts(_)));
        let mut first = true;
        it.nested("parts", |out| {
            list(out, items, |out, item| match item {
                AssistantItem::Text(said) => text(out, &said.text),
                AssistantItem::Media(media, _) => object(out, |it| show(it, media)),
                AssistantItem::Result(outcome) => give_back(out, outcome),
                AssistantItem::Thoughts(_) => {}
                AssistantItem::Call(call) => {
                    // Of calls side by side only the first is signed.
                    let first = std::mem::take(&mut first) && effort == EffortStyle::Word;
                    let signature = call.signature.as_deref().or(first.then_some(NO_SIGNATURE));
                    object(out, |it| {
                        it.nested("functionCall", |out| {
                            object(out, |it| {
                                it.text("id", &call.id);
                                it.text("name", &call.name);
                                it.raw("args", &call.arguments);
                            });
                        });
                        if let Some(signature) = signature {
                            it.text("thoughtSignature", signature);
                        }
                    });
                }
            });
        });
    });
}

fn text(out: &mut Vec<u8>, text: &str) {
    object(out, |it| it.text("text", text));
}

fn show(it: &mut ObjectWriter<'_>, media: &MediaPart) {
    match &media.source {
        MediaSource::Data(data) => it.nested("inlineData", |out| {
            object(out, |it| {
                it.text("mimeType", media.kind.as_deref().unwrap_or_default());
                it.text("data", data);
            });
        }),
        MediaSource::Url(url) => it.nested("fileData", |out| {
            object(out, |it| {
                if let Some(kind) = kind_of(url) {
                    it.text("mimeType", kind);
                }
                it.text("fileUri", url);
            });
        }),
    }
}

/// The type that an address ends in the name of.
fn kind_of(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let kinds = [
        (".png", "image/png"),
        (".jpg", "image/jpeg"),
        (".jpeg", "image/jpeg"),
        (".webp", "image/webp"),
        (".gif", "image/gif"),
        (".heic", "image/heic"),
        (".mp4", "video/mp4"),
        (".webm", "video/webm"),
        (".mov", "video/quicktime"),
        (".pdf", "application/pdf"),
    ];
    kinds.iter().find(|(end, _)| path.ends_with(end)).map(|(_, kind)| *kind)
}

fn give_back(out: &mut Vec<u8>, outcome: &ToolResult<'_>) {
    let texts: Vec<&str> = outcome
        .items
        .iter()
        .filter_map(|item| if let AssistantItem::Text(said) = item { Some(said.text.as_str()) } else { None })
        .collect();
    let said = texts.join("\n");
    object(out, |it| {
        it.nested("functionResponse", |out| {
            object(out, |it| {
                it.text("id", &outcome.id);
                it.text("name", outcome.name.as_deref().unwrap_or_default());
                match RawObject::skim(Bytes::copy_from_slice(said.as_bytes())) {
                    Ok(_) => it.raw("response", &said),
                    Err(_) => it.nested("response", |out| object(out, |it| it.text("result", &said))),
                }
            });
        });
    });
}
