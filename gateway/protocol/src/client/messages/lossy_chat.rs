//! What a request comes to that no chat says: enough of it for who chooses a model and counts tokens. It is never sent to
//! any: only an upstream of Anthropic's dialect is asked, and gets the request as it came.

use serde_json::{Map, Value, json};

use super::super::super::json::RawObject;

/// A chat with its texts, pictures and tools; `None` where it has no messages.
pub(super) fn of(body: &RawObject) -> Option<String> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body.bytes()) else { return None };
    let mut messages = Vec::new();
    if let Some(system) = body.get("system") {
        messages.extend(text(system).map(|text| json!({"role": "system", "content": text})));
    }
    let list = body.get("messages")?.as_array()?;
    messages.extend(list.iter().filter_map(message));
    let mut chat = Map::new();
    for name in ["model", "max_tokens", "stream", "temperature"] {
        chat.extend(body.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let tools = body.get("tools").and_then(Value::as_array).map(|tools| {
        let function = |tool: &Value| json!({"type": "function", "function": tool});
        tools.iter().map(function).collect::<Value>()
    });
    chat.extend(tools.map(|tools| ("tools".to_owned(), tools)));
    chat.insert("messages".to_owned(), messages.into());
    Some(Value::Object(chat).to_string())
}

fn message(message: &Value) -> Option<Value> {
    let role = message["role"].as_str().filter(|role| matches!(*role, "user" | "assistant"))?;
    let mut content = vec![json!({"type": "text", "text": text(&message["content"]).unwrap_or_default()})];
    pictures(&message["content"], &mut content);
    Some(json!({"role": role, "content": content}))
}

/// All pictures in it, those of tools' results and of documents too.
fn pictures(value: &Value, parts: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| pictures(value, parts)),
        Value::Object(block) if value["type"] == "image" => {
            let data = block.get("source").and_then(|source| source["data"].as_str()).unwrap_or_default();
            parts.push(json!({"type": "image_url", "image_url": {"url": format!("data:,{data}")}}));
        }
        Value::Object(block) => {
            let within = ["content", "source"].iter().filter_map(|name| block.get(*name));
            within.for_each(|value| pictures(value, parts));
        }
        _ => {}
    }
}

/// All texts in it, one below the other.
fn text(value: &Value) -> Option<String> {
    let texts = match value {
        Value::String(text) => return Some(text.clone()),
        Value::Array(list) => list.iter().filter_map(text).collect::<Vec<_>>(),
        Value::Object(map) => ["text", "thinking", "input", "content", "title"]
            .iter()
            .filter_map(|name| map.get(*name))
            .filter_map(|value| text(value).or_else(|| value.is_object().then(|| value.to_string())))
            .collect(),
        _ => return None,
    };
    (!texts.is_empty()).then(|| texts.join("\n"))
}
