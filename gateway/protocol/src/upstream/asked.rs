//! A chat request read in full, for an upstream that needs it in other words.

use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::json::Object;
use super::super::refusal::BadRequest;

/// The parts of a chat request that other dialects have words for. What is JSON of the client's own (schemas, marks of
/// caches) stays as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct Asked<'a> {
    #[serde(borrow)]
    pub(super) messages: Vec<Message<'a>>,
    #[serde(borrow, default)]
    pub(super) tools: Option<Vec<Tool<'a>>>,
    #[serde(default)]
    pub(super) tool_choice: Option<Value>,
    #[serde(default)]
    pub(super) parallel_tool_calls: Option<bool>,
    #[serde(borrow, default)]
    pub(super) response_format: Option<Form<'a>>,
    #[serde(default)]
    pub(super) stop: Option<Stop>,
    #[serde(default)]
    pub(super) reasoning_effort: Option<String>,
    #[serde(default)]
    pub(super) user: Option<String>,
}

/// One message.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    pub(super) role: String,
    #[serde(borrow, default)]
    pub(super) content: Content<'a>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) tool_call_id: Option<String>,
    #[serde(default)]
    pub(super) tool_calls: Option<Vec<Call>>,
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
pub(super) struct Content<'a>(pub(super) Vec<Part<'a>>);

/// A part of a message.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default)]
    pub(super) refusal: Option<String>,
    #[serde(default)]
    pub(super) image_url: Option<Link>,
    #[serde(default)]
    pub(super) video_url: Option<Link>,
    #[serde(default)]
    pub(super) input_audio: Option<Sound>,
    #[serde(default)]
    pub(super) file: Option<Paper>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// An address, `data:` or other.
#[derive(Debug)]
pub(super) struct Link(pub(super) String);

/// Sound in base64.
#[derive(Debug, Deserialize)]
pub(super) struct Sound {
    pub(super) data: String,
    pub(super) format: String,
}

/// An attached file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Paper {
    pub(super) file_data: Option<String>,
    pub(super) filename: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) function: Option<Called>,
    /// Google's place for what its models want back.
    #[serde(default)]
    pub(super) extra_content: Option<Extra>,
}

/// What is called, with what.
#[derive(Debug, Deserialize)]
pub(super) struct Called {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: Option<String>,
}

/// What a provider adds to a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extra {
    pub(super) google: Option<Google>,
}

/// What Google adds to a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Google {
    pub(super) thought_signature: Option<String>,
}

/// A tool that is offered.
#[derive(Debug, Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow, default)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// What a tool is.
#[derive(Debug, Deserialize)]
pub(super) struct Function<'a> {
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
pub(super) struct Form<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow, default)]
    pub(super) json_schema: Option<Schema<'a>>,
}

/// A schema with its name, which only OpenAI wants.
#[derive(Debug, Deserialize)]
pub(super) struct Schema<'a> {
    #[serde(borrow, default)]
    pub(super) schema: Option<&'a RawValue>,
}

/// Texts that end an answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Stop {
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
pub(super) enum Choice {
    Auto,
    None,
    Required,
    Named(String),
}

impl<'a> Asked<'a> {
    /// Reads a request that was checked before.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, BadRequest> {
        serde_json::from_slice(body).map_err(|why| {
            let message = format!("The request cannot be put into other words: {}.", super::reason(&why));
            BadRequest { message, param: None, code: Some("invalid_value") }
        })
    }

    /// Which tools are to be called; `None` where the request does not say.
    pub(super) fn choice(&self) -> Result<Option<Choice>, BadRequest> {
        let Some(choice) = &self.tool_choice else { return Ok(None) };
        let named = || choice.get("function")?.get("name")?.as_str();
        match choice.as_str() {
            Some("auto") => Ok(Some(Choice::Auto)),
            Some("none") => Ok(Some(Choice::None)),
            Some("required") => Ok(Some(Choice::Required)),
            None if choice.is_null() => Ok(None),
            None if choice["type"] == "function" => named().map_or_else(
                || Err(BadRequest::missing("tool_choice.function.name")),
                |name| Ok(Some(Choice::Named(name.to_owned()))),
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
pub(super) fn refuse_others(object: &Object, known: &[&str]) -> Result<(), BadRequest> {
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

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Contents).map(Content)
    }
}

/// Reads a text, a list of parts, or null.
struct Contents;

impl<'de> Visitor<'de> for Contents {
    type Value = Vec<Part<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(vec![Part { kind: "text".to_owned(), text: Some(text), ..Part::default() }])
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

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Linked)
    }
}

/// Reads an address, bare or as the `url` of an object. How closely to look (`detail`) is OpenAI's alone.
struct Linked;

impl<'de> Visitor<'de> for Linked {
    type Value = Link;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address or an object with one")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<Link, E> {
        Ok(Link(url.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Link, A::Error> {
        let mut url = None;
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "url" => url = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        url.map(Link).ok_or_else(|| de::Error::missing_field("url"))
    }
}
