//! A chat request read in full, for an upstream that needs it in other words.

use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::bad_request::BadRequest;
use super::super::json::RawObject;

/// The parts of a chat request that other dialects have words for. What is JSON of the client's own (schemas, marks of
/// caches) stays as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedChat<'a> {
    #[serde(borrow)]
    pub(super) messages: Vec<ParsedMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) tools: Option<Vec<ParsedTool<'a>>>,
    #[serde(default)]
    pub(super) tool_choice: Option<Value>,
    #[serde(default)]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    pub(super) response_format: Option<OutputFormat<'a>>,
    #[serde(default)]
    pub(super) stop: Option<StopTexts>,
    #[serde(default)]
    pub(super) reasoning_effort: Option<String>,
    #[serde(default)]
    pub(super) user: Option<String>,
}

/// One message.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedMessage<'a> {
    pub(super) role: String,
    #[serde(borrow, default)]
    pub(super) content: ParsedContent<'a>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) tool_call_id: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<ParsedToolCall>>,
    /// What Anthropic's models thought, signed by Anthropic.
    #[serde(borrow, default)]
    pub(super) thinking_blocks: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) function_call: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) audio: Option<IgnoredAny>,
}

/// What a message says: nothing, a text, or parts.
#[derive(Debug, Default)]
pub(super) struct ParsedContent<'a>(pub(super) Vec<ParsedPart<'a>>);

/// A part of a message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ParsedPart<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default)]
    pub(super) image_url: Option<ImageUrl>,
    #[serde(default)]
    pub(super) video_url: Option<ImageUrl>,
    #[serde(default)]
    pub(super) input_audio: Option<InputAudio>,
    #[serde(default)]
    pub(super) file: Option<FilePart>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// An address, `data:` or other.
#[derive(Debug)]
pub(super) struct ImageUrl(pub(super) String);

/// Sound in base64.
#[derive(Debug, Deserialize)]
pub(super) struct InputAudio {
    pub(super) data: String,
    pub(super) format: String,
}

/// An attached file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilePart {
    pub(super) file_data: Option<String>,
    pub(super) filename: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedToolCall {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<FunctionCall>,
    /// Google's place for what its models want back.
    #[serde(default)]
    pub(super) extra_content: Option<ExtraContent>,
}

/// What is called, with what.
#[derive(Debug, Deserialize)]
pub(super) struct FunctionCall {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Option<String>,
}

/// What a provider adds to a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ExtraContent {
    pub(super) google: Option<GoogleExtra>,
}

/// What Google adds to a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GoogleExtra {
    pub(super) thought_signature: Option<String>,
}

/// A tool that is offered.
#[derive(Debug, Deserialize)]
pub(super) struct ParsedTool<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow, default)]
    pub(super) function: Option<FunctionSpec<'a>>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// What a tool is.
#[derive(Debug, Deserialize)]
pub(super) struct FunctionSpec<'a> {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(borrow, default)]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
pub(super) struct OutputFormat<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow, default)]
    pub(super) json_schema: Option<OutputSchema<'a>>,
}

/// A schema with its name, which only OpenAI wants.
#[derive(Debug, Deserialize)]
pub(super) struct OutputSchema<'a> {
    #[serde(borrow, default)]
    pub(super) schema: Option<&'a RawValue>,
}

/// Texts that end an answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum StopTexts {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl StopTexts {
    /// Those that are not empty: an empty one would end every answer at once.
    pub(super) fn texts(&self) -> Vec<&str> {
        let all: &[String] = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        };
        all.iter().map(String::as_str).filter(|text| !text.is_empty()).collect()
    }
}

/// Which tools are to be called.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParsedToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

impl<'a> ParsedChat<'a> {
    /// Reads a request that was checked before.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, BadRequest> {
        serde_json::from_slice(body).map_err(|why| {
            let message = format!("The request cannot be put into other words: {}.", super::reason(&why));
            BadRequest { message, param: None, code: Some("invalid_value") }
        })
    }

    /// Which tools are to be called; `None` where the request does not say.
    pub(super) fn choice(&self) -> Result<Option<ParsedToolChoice>, BadRequest> {
        let Some(choice) = &self.tool_choice else { return Ok(None) };
        let named = || choice.get("function")?.get("name")?.as_str();
        match choice.as_str() {
            Some("auto") => Ok(Some(ParsedToolChoice::Auto)),
            Some("none") => Ok(Some(ParsedToolChoice::None)),
            Some("required") => Ok(Some(ParsedToolChoice::Required)),
            None if choice.is_null() => Ok(None),
            None if choice["type"] == "function" => named().map_or_else(
                || Err(BadRequest::missing("tool_choice.function.name")),
                |name| Ok(Some(ParsedToolChoice::Named(name.to_owned()))),
            ),
            _ => Err(super::unsaid("tool_choice")),
        }
    }
}

/// What tells a provider who asks, or how to keep its own books: it says nothing of the answer, and other providers
/// have no place for it.
const LABELS: [&str; 5] =
    ["metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user"];

/// Refuses fields that a dialect has no words for, unless they say nothing: they are never left out in silence.
pub(super) fn refuse_others(object: &RawObject, known: &[&str]) -> Result<(), BadRequest> {
    for (name, raw) in object.members() {
        if known.contains(&&*name) || LABELS.contains(&&*name) {
            continue;
        }
        let value = serde_json::from_str(raw).unwrap_or(Value::Null);
        if !says_nothing(&name, &value) {
            return Err(super::unsaid(name.into_owned()));
        }
    }
    Ok(())
}

fn says_nothing(name: &str, value: &Value) -> bool {
    let number = value.as_f64();
    match (name, value) {
        (_, Value::Null | Value::Bool(false)) => true,
        (_, Value::Array(list)) if list.is_empty() => true,
        (_, Value::Object(map)) if map.is_empty() => true,
        ("n" | "best_of" | "repetition_penalty", _) => number == Some(1.0),
        ("frequency_penalty" | "presence_penalty" | "min_p" | "top_logprobs", _) => number == Some(0.0),
        ("top_k", _) => number.is_some_and(|most| most <= 0.0),
        ("modalities", Value::Array(list)) => list.iter().all(|word| word == "text"),
        ("verbosity", _) => value == "medium",
        ("service_tier", _) => value == "auto" || value == "default",
        _ => false,
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ParsedContent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MessageContents).map(ParsedContent)
    }
}

/// Reads a text, a list of parts, or null.
struct MessageContents;

impl<'de> Visitor<'de> for MessageContents {
    type Value = Vec<ParsedPart<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(vec![ParsedPart { kind: "text".to_owned(), text: Some(text), ..ParsedPart::default() }])
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element()? {
            parts.push(part);
        }
        Ok(parts)
    }
}

impl<'de> Deserialize<'de> for ImageUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinkedMedia)
    }
}

/// Reads an address, bare or as the `url` of an object. How closely to look (`detail`) is OpenAI's alone.
struct LinkedMedia;

impl<'de> Visitor<'de> for LinkedMedia {
    type Value = ImageUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or an object with one")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<ImageUrl, E> {
        Ok(ImageUrl(url.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<ImageUrl, A::Error> {
        let mut url = None;
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "url" => url = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        url.map(ImageUrl).ok_or_else(|| de::Error::missing_field("url"))
    }
}
