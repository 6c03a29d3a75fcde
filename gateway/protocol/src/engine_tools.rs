//! Tools and calls of a chat request, as the embedded engine takes them.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bad_request::BadRequest;
use super::chat::ChatRequest;
use super::engine_format::check_schema;
use super::scan::ValueKind;
use super::value::FieldValue;

/// A tool that a client offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineTool {
    /// Its name.
    pub name: String,
    /// The JSON schema of its arguments, valid by its own draft, as the client wrote it.
    pub parameters: Option<String>,
    /// Whether the client would rather have an error than arguments that keep to most of the schema.
    pub strict: bool,
    /// All of it as the client wrote it.
    pub text: String,
}

/// `tool_choice`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EngineToolChoice {
    /// The model chooses.
    #[default]
    Auto,
    /// No tool is called.
    None,
    /// One at least is called.
    Required,
    /// This one is called.
    Named(String),
}

/// What a message has beside its role and its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TurnFields {
    /// Tools that an assistant called.
    #[serde(deserialize_with = "or_nothing")]
    pub tool_calls: Vec<TurnCall>,
    /// Which call a tool's message answers.
    pub tool_call_id: Option<String>,
    /// The name of a tool, or of who speaks.
    pub name: Option<String>,
    /// What an assistant thought.
    pub reasoning_content: Option<String>,
}

/// A call that a message reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TurnCall {
    /// By which its answer is told from others.
    pub id: String,
    /// What is called.
    pub function: CalledFunction,
}

/// A function and its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CalledFunction {
    /// Its name.
    pub name: String,
    /// JSON, mostly an object.
    pub arguments: String,
}

fn or_nothing<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<TurnCall>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The tools that a client offers.
///
/// # Errors
/// A tool that is none, or whose schema is none.
pub(super) fn tools(chat: &ChatRequest) -> Result<Vec<EngineTool>, BadRequest> {
    #[derive(Deserialize)]
    struct OfferedTool<'a> {
        #[serde(borrow)]
        function: Option<OfferedFunction<'a>>,
    }
    #[derive(Deserialize)]
    struct OfferedFunction<'a> {
        name: String,
        #[serde(borrow)]
        parameters: Option<&'a RawValue>,
        strict: Option<bool>,
    }
    let invalid = |error: serde_json::Error| BadRequest::value("tools", error);
    let Some(raw) = chat.object.get("tools").filter(|raw| *raw != b"null") else { return Ok(Vec::new()) };
    let list: Vec<&RawValue> = serde_json::from_slice(raw).map_err(invalid)?;
    let tool = |text: &RawValue| {
        let tool: OfferedTool<'_> = serde_json::from_str(text.get()).map_err(invalid)?;
        let Some(function) = tool.function else {
            return Err(BadRequest::value("tools", "an embedded model calls functions only"));
        };
        let parameters = function.parameters.filter(|it| it.get() != "null");
        parameters.map_or(Ok(()), |schema| check_schema("tools", schema))?;
        Ok(EngineTool {
            name: function.name,
            parameters: parameters.map(|schema| schema.get().to_owned()),
            strict: function.strict.unwrap_or(false),
            text: text.get().to_owned(),
        })
    };
    list.into_iter().map(tool).collect()
}

/// What a client says of calling them.
///
/// # Errors
/// A choice that is none.
pub(super) fn choice(chat: &ChatRequest) -> Result<EngineToolChoice, BadRequest> {
    #[derive(Deserialize)]
    struct NamedTool {
        function: NamedFunction,
    }
    #[derive(Deserialize)]
    struct NamedFunction {
        name: String,
    }
    let unknown = "it must be 'auto', 'none', 'required', or name a function";
    let Some(raw) = chat.object.get("tool_choice").and_then(|raw| std::str::from_utf8(raw).ok()) else {
        return Ok(EngineToolChoice::Auto);
    };
    let given = FieldValue { name: "tool_choice", raw };
    match given.kind()? {
        ValueKind::Null => Ok(EngineToolChoice::Auto),
        ValueKind::String => match raw {
            "\"auto\"" => Ok(EngineToolChoice::Auto),
            "\"none\"" => Ok(EngineToolChoice::None),
            "\"required\"" => Ok(EngineToolChoice::Required),
            _ => Err(BadRequest::value("tool_choice", unknown)),
        },
        _ => {
            let named: NamedTool =
                serde_json::from_str(raw).map_err(|_| BadRequest::value("tool_choice", unknown))?;
            Ok(EngineToolChoice::Named(named.function.name))
        }
    }
}

/// What a message has beside its role and its text; `raw` is all of it.
pub(super) fn turn(raw: &[u8]) -> Result<TurnFields, BadRequest> {
    serde_json::from_slice(raw).map_err(|error| BadRequest::value("messages", error))
}
