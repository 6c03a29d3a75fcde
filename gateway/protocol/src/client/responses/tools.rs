//! The tools that a request for a response offers → functions.

use super::super::super::bad_request::BadRequest;
use super::super::super::json_error::quoted;
use super::super::super::scan::ValueKind;
use super::super::super::tool_schema::closed_object;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::{ObjectReader, kind};

/// Adds `tools` and `tool_choice`.
pub(super) fn tools(
    members: &mut ObjectReader<'_>,
    mut chat: JsonBuilder,
) -> Result<JsonBuilder, BadRequest> {
    let tools = members.list("tools")?.unwrap_or_default();
    let tools = tools.into_iter().map(|(place, raw)| tool(ObjectReader::of(raw, place)?));
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    let choice = members.take("tool_choice").map(choice).transpose()?;
    if tools.is_empty() {
        // Without tools there is nothing to choose; upstreams refuse a choice of nothing.
        return Ok(chat);
    }
    chat = chat.raw("tools", &array(tools));
    Ok(chat.maybe("tool_choice", choice.as_deref()))
}

fn tool(mut tool: ObjectReader<'_>) -> Result<String, BadRequest> {
    let kind = tool.need_text("type")?;
    if kind != "function" {
        return Err(hosted(tool.place("type"), &kind));
    }
    let mut function = JsonBuilder::new().raw("name", tool.need_quoted("name")?);
    function = function.maybe("description", tool.take("description"));
    if let Some(schema) = tool.take("parameters") {
        function = function.raw("parameters", closed_object(schema).as_deref().unwrap_or(schema));
    }
    function = function.maybe("strict", tool.take("strict"));
    tool.finish()?;
    Ok(JsonBuilder::of_type("function").raw("function", &function.end()).end())
}

fn choice(raw: &str) -> Result<String, BadRequest> {
    if kind(raw)? == ValueKind::String {
        return Ok(raw.to_owned());
    }
    let mut choice = ObjectReader::of(raw, "tool_choice".into())?;
    let kind = choice.need_text("type")?;
    if kind != "function" {
        return Err(hosted(choice.place("type"), &kind));
    }
    let name = JsonBuilder::new().raw("name", choice.need_quoted("name")?).end();
    choice.finish()?;
    Ok(JsonBuilder::of_type("function").raw("function", &name).end())
}

fn hosted(place: String, kind: &str) -> BadRequest {
    let why = format!(
        "\"{}\" is run by its provider; only tools of type 'function' can be used with any model",
        quoted(kind)
    );
    BadRequest::value(place, why)
}
