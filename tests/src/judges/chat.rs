//! What hosts of OpenAI's chat completions have in common: the order of messages, calls and their results
//! (platform.openai.com/docs/api-reference/chat/create, guides/function-calling).

use serde_json::{Map, Value};

use super::{at, check, is_plain, list, text};

/// What one host is strict about.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChatRules {
    /// Characters of a call's id.
    pub(super) longest_id: usize,
    /// Whether it refuses fields of messages and calls that it does not know.
    pub(super) known_fields: bool,
    /// Whether it is shown pictures.
    pub(super) images: bool,
    /// Whether it refuses a message of a person or of the assistant that says nothing but white space.
    pub(super) blanks: bool,
    /// Whether it wants the thoughts before a call back.
    pub(super) thoughts: bool,
    /// Whether a system message may only be the first.
    pub(super) system_first: bool,
    /// Whether it knows the role `developer`.
    pub(super) developer: bool,
    /// Whether a tool's parameters need `properties`.
    pub(super) properties: bool,
}

/// The fields of messages and of calls that OpenAI documents.
const MESSAGE: [&str; 9] = [
    "role",
    "content",
    "name",
    "tool_calls",
    "tool_call_id",
    "refusal",
    "audio",
    "annotations",
    "function_call",
];
const CALL: [&str; 4] = ["id", "type", "function", "index"];

pub(super) fn judge(body: &Value, rules: &ChatRules) -> Result<(), String> {
    tools(body, rules)?;
    let messages = list(&body["messages"], "messages")?;
    check(!messages.is_empty(), || "no messages".to_owned())?;
    let mut open: Vec<String> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let place = at("messages", number);
        let fields = message.as_object().ok_or_else(|| format!("{place} is no object"))?;
        known(fields, &MESSAGE, &place, rules)?;
        let role = text(&message["role"], &format!("{place}.role"))?;
        check(open.is_empty() || role == "tool", || {
            format!("{place}: calls {open:?} have no result before it")
        })?;
        match role {
            "system" => {
                check(number == 0 || !rules.system_first, || {
                    format!("{place}: a system message must be at the beginning")
                })?;
                content(message, &place, rules, false)?;
            }
            "developer" if rules.developer => content(message, &place, rules, false)?,
            "user" => content(message, &place, rules, rules.images)?,
            "assistant" => open = assistant(message, &place, rules)?,
            "tool" => {
                let id = text(&message["tool_call_id"], &format!("{place}.tool_call_id"))?;
                let known = open.iter().position(|call| call == id);
                open.remove(known.ok_or_else(|| format!("{place}: {id:?} answers to no call before it"))?);
                content(message, &place, &ChatRules { blanks: false, ..*rules }, false)?;
            }
            other => return Err(format!("{place}: the role {other:?} is unknown")),
        }
    }
    check(open.is_empty(), || format!("calls {open:?} have no result"))
}

fn known(fields: &Map<String, Value>, names: &[&str], place: &str, rules: &ChatRules) -> Result<(), String> {
    let unknown = fields.keys().find(|name| !names.contains(&name.as_str()));
    match unknown.filter(|_| rules.known_fields) {
        Some(name) => Err(format!("{place}: unknown parameter {name:?}")),
        None => Ok(()),
    }
}

/// What the assistant said; the ids of the calls that it made.
fn assistant(message: &Value, place: &str, rules: &ChatRules) -> Result<Vec<String>, String> {
    let calls = match &message["tool_calls"] {
        Value::Null => &[],
        calls => list(calls, &format!("{place}.tool_calls"))?,
    };
    check(message["tool_calls"].is_null() || !calls.is_empty(), || format!("{place}.tool_calls is empty"))?;
    if calls.is_empty() {
        content(message, place, rules, false)?;
    } else {
        if !message["content"].is_null() {
            content(message, place, &ChatRules { blanks: false, ..*rules }, false)?;
        }
        let thoughts = message["reasoning_content"].as_str().unwrap_or_default();
        check(!rules.thoughts || !thoughts.is_empty(), || {
            format!("{place}: reasoning_content is missing in a message that calls tools")
        })?;
    }
    let call = |(number, call)| one_call(call, &at(&format!("{place}.tool_calls"), number), rules);
    calls.iter().enumerate().map(call).collect()
}

fn one_call(call: &Value, place: &str, rules: &ChatRules) -> Result<String, String> {
    known(call.as_object().ok_or_else(|| format!("{place} is no object"))?, &CALL, place, rules)?;
    let id = text(&call["id"], &format!("{place}.id"))?;
    check(!id.is_empty(), || format!("{place}.id is empty"))?;
    check(id.chars().count() <= rules.longest_id, || format!("{place}.id: string too long: {id:?}"))?;
    check(call["type"] == "function", || format!("{place}.type is not 'function'"))?;
    let name = text(&call["function"]["name"], &format!("{place}.function.name"))?;
    check(is_plain(name, 64), || format!("{place}.function.name: {name:?}"))?;
    let arguments = text(&call["function"]["arguments"], &format!("{place}.function.arguments"))?;
    let object = serde_json::from_str::<Map<String, Value>>(arguments);
    object.map_err(|_| format!("{place}.function.arguments is no object: {arguments:?}"))?;
    Ok(id.to_owned())
}

/// A text, or parts.
fn content(message: &Value, place: &str, rules: &ChatRules, images: bool) -> Result<(), String> {
    let said = match &message["content"] {
        Value::String(said) => said.trim().is_empty(),
        Value::Array(parts) => {
            check(!parts.is_empty(), || format!("{place}.content has no parts"))?;
            let mut blank = true;
            for (number, part) in parts.iter().enumerate() {
                let place = at(&format!("{place}.content"), number);
                match part["type"].as_str() {
                    Some("text") => blank &= text(&part["text"], &format!("{place}.text"))?.trim().is_empty(),
                    Some("image_url") if images => {
                        let url = text(&part["image_url"]["url"], &format!("{place}.image_url.url"))?;
                        let shown = url.starts_with("data:image/") || url.starts_with("https://");
                        check(shown, || format!("{place}: no picture: {url:?}"))?;
                        blank = false;
                    }
                    other => return Err(format!("{place}: parts of type {other:?} are not taken here")),
                }
            }
            blank
        }
        other => return Err(format!("{place}.content must be a string or parts: {other}")),
    };
    check(!said || !rules.blanks, || format!("{place} must not be empty"))
}

fn tools(body: &Value, rules: &ChatRules) -> Result<(), String> {
    if body["tools"].is_null() {
        return check(body["tool_choice"].is_null(), || "tool_choice without tools".to_owned());
    }
    let tools = list(&body["tools"], "tools")?;
    check(!tools.is_empty(), || "tools is an empty array".to_owned())?;
    for (number, tool) in tools.iter().enumerate() {
        let place = at("tools", number);
        check(tool["type"] == "function", || format!("{place}.type"))?;
        check(tool["function"]["name"].as_str().is_some_and(|name| is_plain(name, 64)), || {
            format!("{place}: name")
        })?;
        let parameters = &tool["function"]["parameters"];
        let open = parameters["type"] == "object" && parameters["properties"].is_null();
        check(!(open && rules.properties), || format!("{place}: object schema missing properties"))?;
    }
    Ok(())
}
