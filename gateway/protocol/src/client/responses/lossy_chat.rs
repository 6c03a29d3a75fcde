//! What a request comes to that no chat says: enough of it for who chooses a model and counts tokens. It is never sent to
//! any: only an upstream that has this API is asked, and gets the request as it came.

use serde_json::{Map, Value, json};

use super::super::super::json::RawObject;

/// A chat with its texts, pictures and tools; `None` where it names no model.
pub(super) fn of(body: &RawObject) -> Option<String> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body.bytes()) else { return None };
    let mut messages = Vec::new();
    if let Some(instructions) = body.get("instructions").and_then(text) {
        messages.push(json!({"role": "system", "content": instructions}));
    }
    match body.get("input") {
        Some(Value::Array(items)) => messages.extend(items.iter().filter_map(message)),
        Some(Value::String(text)) => messages.push(json!({"role": "user", "content": text})),
        _ => {}
    }
    if messages.is_empty() {
        // All that is said may be kept at the provider.
        messages.push(json!({"role": "user", "content": ""}));
    }
    let mut chat = Map::new();
    chat.insert("model".to_owned(), body.get("model")?.clone());
    for (name, own) in
        [("max_tokens", "max_output_tokens"), ("stream", "stream"), ("temperature", "temperature")]
    {
        chat.extend(body.get(own).map(|value| (name.to_owned(), value.clone())));
    }
    let tools = body.get("tools").and_then(Value::as_array).filter(|tools| !tools.is_empty());
    if let Some(tools) = tools {
        let function = |tool: &Value| json!({"type": "function", "function": tool});
        chat.insert("tools".to_owned(), tools.iter().map(function).collect());
    }
    chat.insert("messages".to_owned(), messages.into());
    Some(Value::Object(chat).to_string())
}

fn message(item: &Value) -> Option<Value> {
    let role = match item["role"].as_str() {
        Some("user") => "user",
        Some("system" | "developer") => "system",
        Some(_) => "assistant",
        None if item["type"].as_str().is_some_and(|kind| kind.ends_with("_output")) => "user",
        None => "assistant",
    };
    let said = text(item);
    let mut pictures = Vec::new();
    media(item, &mut pictures);
    if said.is_none() && pictures.is_empty() {
        return None;
    }
    let mut content = vec![json!({"type": "text", "text": said.unwrap_or_default()})];
    content.extend(pictures);
    Some(json!({"role": role, "content": content}))
}

/// All pictures and sound in it, those of tools' outputs too.
fn media(value: &Value, parts: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| media(value, parts)),
        Value::Object(part) => match value["type"].as_str() {
            Some("input_image" | "computer_screenshot") => {
                // One that is kept at the provider has no address.
                let url = value["image_url"].as_str().unwrap_or("kept:");
                parts
                    .push(json!({"type": "image_url", "image_url": {"url": url, "detail": value["detail"]}}));
            }
            Some("input_audio") => {
                let sound =
                    json!({"data": value["input_audio"]["data"], "format": value["input_audio"]["format"]});
                parts.push(json!({"type": "input_audio", "input_audio": sound}));
            }
            _ => {
                let within = ["content", "output"].iter().filter_map(|name| part.get(*name));
                within.for_each(|value| media(value, parts));
            }
        },
        _ => {}
    }
}

/// All texts in it, one below the other.
fn text(value: &Value) -> Option<String> {
    let texts = match value {
        Value::String(text) => return Some(text.clone()),
        Value::Array(list) => list.iter().filter_map(text).collect::<Vec<_>>(),
        Value::Object(map) => {
            ["text", "refusal", "summary", "content", "name", "arguments", "input", "output"]
                .iter()
                .filter_map(|name| map.get(*name))
                .filter_map(text)
                .collect()
        }
        _ => return None,
    };
    (!texts.is_empty()).then(|| texts.join("\n"))
}
