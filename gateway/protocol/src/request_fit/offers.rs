//! Tools that are offered, the form of the answer, and texts that end it.

use bytes::Bytes;
use gateway_config::{RequestFeature, Treatment};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::bad_request::BadRequest;
use super::super::chat::ChatRequest;
use super::super::json::RawObject;
use super::super::tool_schema::closed_object;
use super::{RequestFit, TakesView, not_taken};

/// Fits what a chat offers and asks for.
pub(super) fn fit(chat: &ChatRequest, view: TakesView<'_>, fit: &mut RequestFit) -> Result<(), BadRequest> {
    use RequestFeature::{EmptyTools, JsonObject, JsonSchema, JsonWithTools, OpenObjects};
    if [JsonObject, JsonSchema, JsonWithTools].iter().any(|it| view.of(*it) == Treatment::Refused) {
        return Err(not_taken("response_format"));
    }
    check_stops(&chat.object, view)?;
    if view.of(EmptyTools) == Treatment::Altered {
        without_tools(&chat.object, fit);
    }
    if view.of(OpenObjects) == Treatment::Altered
        && let Some(tools) = chat.object.get("tools").and_then(closed_tools)
    {
        fit.set("tools", Some(tools.into()));
    }
    Ok(())
}

/// Takes out an empty list of tools, and what is said of the use of none. Who requires one of none hears of it.
fn without_tools(object: &RawObject, fit: &mut RequestFit) {
    if object.get("tools").is_some() {
        fit.leave_out("tools", false);
    }
    if matches!(object.get("tool_choice"), Some(b"\"auto\"" | b"\"none\"" | b"null")) {
        fit.leave_out("tool_choice", false);
    }
    if object.get("parallel_tool_calls").is_some() {
        fit.leave_out("parallel_tool_calls", false);
    }
}

/// Tools of which each that takes an object says which members it has, if only that there are none; `None`: all do.
fn closed_tools(tools: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct ToolOffer<'a> {
        #[serde(borrow, default)]
        function: Option<&'a RawValue>,
    }
    let tools: Vec<&RawValue> = serde_json::from_slice(tools).ok()?;
    let mut changed = false;
    let tools: Vec<String> = tools
        .iter()
        .map(|tool| {
            let function = serde_json::from_str::<ToolOffer<'_>>(tool.get()).ok().and_then(|it| it.function);
            let closed = function.and_then(|function| closed_function(function.get()));
            changed |= closed.is_some();
            closed
                .and_then(|function| with(tool.get(), "function", &function))
                .unwrap_or_else(|| tool.get().to_owned())
        })
        .collect();
    changed.then(|| format!("[{}]", tools.join(",")))
}

fn closed_function(function: &str) -> Option<String> {
    let object = RawObject::skim(Bytes::copy_from_slice(function.as_bytes())).ok()?;
    let closed = closed_object(std::str::from_utf8(object.get("parameters")?).ok()?)?;
    with(function, "parameters", &closed)
}

fn with(object: &str, member: &str, value: &str) -> Option<String> {
    let object = RawObject::skim(Bytes::copy_from_slice(object.as_bytes())).ok()?;
    String::from_utf8(object.edited(&[(member, Some(value.as_bytes()))]).into()).ok()
}

fn check_stops(object: &RawObject, view: TakesView<'_>) -> Result<(), BadRequest> {
    if !view.heeded.has(RequestFeature::Stop) && !view.heeded.has(RequestFeature::BlankStops) {
        return Ok(());
    }
    let texts = match object.get("stop").and_then(|raw| serde_json::from_slice(raw).ok()) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(texts)) => texts.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    // An empty one would end every answer at once, and is left out wherever it is not taken.
    let texts: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
    let many = view.takes.most_stops.is_some_and(|most| texts.len() > usize::from(most));
    let any = view.of(RequestFeature::Stop) == Treatment::Refused && !texts.is_empty();
    let blank = view.of(RequestFeature::BlankStops) == Treatment::Refused
        && texts.iter().any(|text| text.trim().is_empty());
    if many || any || blank { Err(not_taken("stop")) } else { Ok(()) }
}
