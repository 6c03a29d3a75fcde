//! The shape that a client asks of an answer: JSON, a schema, calls of the tools that it offers.

use std::collections::HashSet;

use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer_texts::{AnswerText, take_texts};
use super::chat::ChatRequest;
use super::fields::FieldFormat;
use super::finish_reason::FinishReason;
use super::scan::Cursor;

/// What an answer must be like to be of use.
pub struct ExpectedFormat {
    json: bool,
    schema: Option<Validator>,
    tools: HashSet<String>,
}

/// The message of a whole answer, as far as its shape goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ShapedMessage {
    /// Its text, without what the model thought.
    #[serde(deserialize_with = "said")]
    pub content: Option<String>,
    tool_calls: Option<Vec<ShapedCall>>,
    images: Option<Vec<serde::de::IgnoredAny>>,
    audio: Option<serde::de::IgnoredAny>,
}

/// A text, or the texts of parts.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let mut all = None::<String>;
    // It was read before, and is JSON.
    let _ = take_texts(&mut Cursor::over(raw), AnswerText::Said, &mut |kind, text| {
        if kind == AnswerText::Said {
            all.get_or_insert_default().push_str(&text.cow());
        }
    });
    Ok(all)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShapedCall {
    function: ShapedFunction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShapedFunction {
    name: String,
    arguments: String,
}

/// The parts of a request that say what its answer is to be like.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FormatRequest {
    response_format: Option<ResponseFormat>,
    tools: Option<Vec<DeclaredTool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ResponseFormat {
    json_schema: Option<JsonSchema>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JsonSchema {
    schema: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeclaredTool {
    function: Option<ShapedFunction>,
}

impl ExpectedFormat {
    /// What a request asks for. A schema that is none is the upstream's to refuse, and is not looked at here.
    pub fn of(chat: &ChatRequest) -> Self {
        let json = matches!(chat.fields.format, FieldFormat::Json | FieldFormat::Schema);
        if !json && chat.fields.tools == 0 {
            return Self { json, schema: None, tools: HashSet::new() };
        }
        let asked: FormatRequest = serde_json::from_slice(chat.object.bytes()).unwrap_or_default();
        let schema = asked.response_format.and_then(|format| format.json_schema?.schema);
        let tools = asked.tools.into_iter().flatten().filter_map(|tool| tool.function);
        Self { json, schema: schema.and_then(compiled), tools: tools.map(|function| function.name).collect() }
    }

    /// Whether the answer is to be a JSON text and nothing else.
    #[inline]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether tools are offered.
    #[inline]
    pub fn has_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    /// Whether an answer is of this shape.
    pub fn fits(&self, message: &ShapedMessage) -> bool {
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        if !calls.is_empty() {
            return calls.iter().all(|call| self.can_be_called(&call.function));
        }
        if !self.json {
            return true;
        }
        let value = message.content.as_deref().map(serde_json::from_str::<Value>);
        let Some(Ok(value)) = value else { return false };
        match &self.schema {
            Some(schema) => schema.is_valid(&value),
            None => value.is_object() || value.is_array(),
        }
    }

    fn can_be_called(&self, call: &ShapedFunction) -> bool {
        let known = self.tools.is_empty() || self.tools.contains(&call.name);
        // No arguments are written as nothing by some.
        let arguments = call.arguments.trim();
        known
            && (arguments.is_empty()
                || serde_json::from_str::<serde_json::Map<String, Value>>(arguments).is_ok())
    }
}

impl ShapedMessage {
    /// The message of the first choice of a whole answer.
    pub fn of_whole(body: &[u8]) -> Option<Self> {
        Self::all_of_whole(body).into_iter().next().map(|(message, _)| message)
    }

    /// The messages of all choices of a whole answer, and why each ended.
    pub fn all_of_whole(body: &[u8]) -> Vec<(Self, Option<FinishReason>)> {
        #[derive(Default, Deserialize)]
        struct ShapedAnswer {
            choices: Vec<ShapedChoice>,
        }
        #[derive(Deserialize)]
        struct ShapedChoice {
            message: Option<ShapedMessage>,
            /// A completion's.
            text: Option<String>,
            finish_reason: Option<String>,
        }
        let answer: ShapedAnswer = serde_json::from_slice(body).unwrap_or_default();
        let read = |choice: ShapedChoice| {
            let of_text = |text| Self { content: Some(text), ..Self::default() };
            let finish = choice.finish_reason.as_deref().map(FinishReason::of);
            Some((choice.message.or_else(|| choice.text.map(of_text))?, finish))
        };
        answer.choices.into_iter().filter_map(read).collect()
    }

    /// Whether it calls tools.
    #[inline]
    pub fn calls(&self) -> bool {
        self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    }

    /// Whether it has a picture or a sound, and so may have no text.
    #[inline]
    pub fn shows(&self) -> bool {
        self.images.as_ref().is_some_and(|images| !images.is_empty()) || self.audio.is_some()
    }
}

/// Nothing is fetched for a schema, and its patterns take linear time.
fn compiled(schema: Value) -> Option<Validator> {
    jsonschema::options().with_pattern_options(PatternOptions::regex()).build(&schema).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn shape(fields: &Value) -> ExpectedFormat {
        let mut chat = json!({"model": "auto", "messages": [{"role": "user", "content": "hi"}]});
        chat.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        ExpectedFormat::of(&ChatRequest::parse(Bytes::from(chat.to_string())).unwrap())
    }

    fn text(content: &str) -> ShapedMessage {
        ShapedMessage { content: Some(content.to_owned()), ..ShapedMessage::default() }
    }

    #[test]
    fn json_is_json_and_keeps_to_its_schema() {
        let check = |fields: &Value, content: &str, fits: bool| {
            assert_eq!(shape(fields).fits(&text(content)), fits, "{fields} {content}");
        };
        let object = json!({"response_format": {"type": "json_object"}});
        check(&object, r#"{"a": 1}"#, true);
        check(&object, r#"{"a": 1"#, false);
        check(&object, "Sure: {}", false);
        check(&object, "7", false);
        check(&json!({}), "Sure: {}", true);
        let schema = |schema: Value| json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}});
        let age = schema(
            json!({"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}),
        );
        check(&age, r#"{"age": 7}"#, true);
        check(&age, r#"{"age": "seven"}"#, false);
        check(&age, "{}", false);
        // What cannot be compiled, or would have to be fetched, is only held to be JSON.
        check(&schema(json!({"type": 7})), "{}", true);
        check(&schema(json!({"$ref": "http://127.0.0.1:1/x"})), "{}", true);
    }

    #[test]
    fn patterns_take_no_exponential_time() {
        let evil = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x",
            "schema": {"properties": {"a": {"pattern": "^(a+)+$"}}}}}});
        let content = json!({"a": "a".repeat(5000) + "!"}).to_string();
        assert!(!shape(&evil).fits(&text(&content)));
    }

    #[test]
    fn calls_are_of_tools_that_exist_with_arguments_that_are_json() {
        let offered =
            json!({"tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}]});
        let check = |name: &str, arguments: &str, fits: bool| {
            let body = json!({"choices": [{"message": {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}]}}]});
            let message = ShapedMessage::of_whole(body.to_string().as_bytes()).unwrap();
            assert!(message.calls());
            assert_eq!(shape(&offered).fits(&message), fits, "{name} {arguments}");
        };
        check("weather", r#"{"city": "Paris"}"#, true);
        check("weather", "", true);
        check("weather", r#"{"city": "#, false);
        check("weather", "[]", false);
        check("wether", "{}", false);
    }
}
