//! The tools that a request for a message offers → functions.

use super::super::super::bad_request::BadRequest;
use super::super::super::tool_schema::closed_object;
use super::super::DroppedFields;
use super::super::json_builder::{JsonBuilder, array};
use super::super::object_reader::ObjectReader;

/// Adds `tools` and what is said of their use.
pub(super) fn tools(
    members: &mut ObjectReader<'_>,
    mut chat: JsonBuilder,
    dropped: &mut DroppedFields,
) -> Result<JsonBuilder, BadRequest> {
    let tools = members.list("tools")?.unwrap_or_default();
    let tools = tools.into_iter().map(|(place, raw)| tool(ObjectReader::of(raw, place)?, dropped));
    let tools = tools.collect::<Result<Vec<_>, _>>()?;
    let choice = members.object("tool_choice")?;
    let none = tools.is_empty();
    if !none {
        chat = chat.raw("tools", &array(tools));
    }
    match choice {
        Some(choice) => self::choice(choice, chat, none),
        None => Ok(chat),
    }
}

fn tool(mut tool: ObjectReader<'_>, dropped: &mut DroppedFields) -> Result<String, BadRequest> {
    let kind = tool.text("type")?;
    if let Some(kind) = kind.filter(|kind| kind != "custom") {
        let why = format!(
            "\"{}\" is a tool that only its provider knows; tools with an 'input_schema' can be used with any model",
            super::super::super::json_error::quoted(&kind)
        );
        return Err(BadRequest::value(tool.place("type"), why));
    }
    let function = JsonBuilder::new()
        .raw("name", tool.need_quoted("name")?)
        .maybe("description", tool.quoted("description")?);
    let schema = tool.need("input_schema")?;
    let function = function
        .raw("parameters", closed_object(schema).as_deref().unwrap_or(schema))
        .maybe("strict", tool.take("strict"))
        .end();
    let hints =
        ["cache_control", "eager_input_streaming", "defer_loading", "input_examples", "allowed_callers"];
    tool.leave_out(&hints, dropped);
    tool.finish()?;
    Ok(JsonBuilder::of_type("function").raw("function", &function).end())
}

/// `none`: there are no tools, and upstreams refuse a choice of nothing.
fn choice(
    mut choice: ObjectReader<'_>,
    mut chat: JsonBuilder,
    none: bool,
) -> Result<JsonBuilder, BadRequest> {
    let kind = choice.need_text("type")?;
    let word = match &*kind {
        "auto" => r#""auto""#.to_owned(),
        "any" => r#""required""#.to_owned(),
        "none" => r#""none""#.to_owned(),
        "tool" => {
            let name = JsonBuilder::new().raw("name", choice.need_quoted("name")?).end();
            JsonBuilder::of_type("function").raw("function", &name).end()
        }
        _ => {
            let why = "it is not one of 'auto', 'any', 'tool' and 'none'";
            return Err(BadRequest::value(choice.place("type"), why));
        }
    };
    if !none {
        chat = chat.raw("tool_choice", &word);
    }
    if choice.boolean("disable_parallel_tool_use")? == Some(true) && !none {
        chat = chat.raw("parallel_tool_calls", "false");
    }
    choice.finish()?;
    Ok(chat)
}
