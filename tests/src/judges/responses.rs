//! OpenAI's responses (platform.openai.com/docs/api-reference/responses/create), and what it is reported to answer: ids of items
//! by their kind, calls without outputs, contents of reasoning that it did not write, ids of other letters.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{at, check, is_plain, list, text};

pub(super) fn judge(body: &Value) -> Result<(), String> {
    if body["input"].is_string() {
        return Ok(());
    }
    let items = list(&body["input"], "input")?;
    check(!items.is_empty(), || "input is empty".to_owned())?;
    let (mut open, mut made, mut ids) = (Vec::new(), HashSet::new(), HashSet::new());
    for (number, item) in items.iter().enumerate() {
        let place = at("input", number);
        let kind = item["type"].as_str().unwrap_or("message");
        let prefix = match kind {
            "message" => "msg",
            "reasoning" => "rs",
            "function_call" => "fc",
            "function_call_output" => "fc",
            other => return Err(format!("{place}: items of type {other:?}")),
        };
        if let Some(id) = item["id"].as_str() {
            let plain = is_plain(id, 64) && id.starts_with(prefix);
            check(plain, || format!("{place}.id: expected an ID that begins with '{prefix}': {id:?}"))?;
            check(ids.insert(id.to_owned()), || format!("{place}.id: duplicate item {id:?}"))?;
        }
        match kind {
            "message" => message(item, &place)?,
            "reasoning" => reasoning(item, &place)?,
            "function_call" => {
                let id = call(item, &place)?;
                check(made.insert(id.clone()), || format!("{place}: a second call {id:?}"))?;
                open.push(id);
            }
            _ => {
                let id = text(&item["call_id"], &place)?;
                let known = open.iter().position(|call| call == id);
                open.remove(
                    known.ok_or_else(|| {
                        format!("{place}: No tool call found for function call output {id:?}")
                    })?,
                );
                output(&item["output"], &place)?;
            }
        }
    }
    check(open.is_empty(), || format!("No tool output found for function call {open:?}"))
}

fn message(item: &Value, place: &str) -> Result<(), String> {
    let role = text(&item["role"], place)?;
    check(matches!(role, "user" | "assistant" | "system" | "developer"), || format!("{place}.role"))?;
    let Some(parts) = item["content"].as_array() else { return text(&item["content"], place).map(drop) };
    parts.iter().try_for_each(|part| match (part["type"].as_str().unwrap_or_default(), role) {
        ("output_text", "assistant") => text(&part["text"], place).map(drop),
        ("refusal", "assistant") => text(&part["refusal"], place).map(drop),
        (kind, "assistant") => Err(format!("{place}: {kind:?} is no content of the assistant")),
        (_, _) => input_part(part, place),
    })
}

fn input_part(part: &Value, place: &str) -> Result<(), String> {
    match part["type"].as_str() {
        Some("input_text") => text(&part["text"], place).map(drop),
        Some("input_image") => text(&part["image_url"], place).map(drop),
        Some("input_file") => text(&part["file_data"], place).map(drop),
        other => Err(format!("{place}: {other:?} is no content of an input")),
    }
}

/// "array too long. Expected an array with maximum length 0": OpenAI's models show summaries of their thoughts alone.
fn reasoning(item: &Value, place: &str) -> Result<(), String> {
    list(&item["summary"], &format!("{place}.summary"))?;
    let content = item["content"].as_array().map_or(0, Vec::len);
    check(content == 0, || format!("{place}.content: array too long"))?;
    check(item["id"].is_string(), || format!("{place}.id is missing"))?;
    let sealed = item["encrypted_content"].as_str().is_some_and(|sealed| sealed.starts_with("gAAA"));
    check(sealed, || format!("{place}: the encrypted content could not be verified"))
}

fn call(item: &Value, place: &str) -> Result<String, String> {
    let id = text(&item["call_id"], place)?;
    check(is_plain(id, 64), || {
        format!("{place}.call_id: expected letters, numbers, underscores, or dashes: {id:?}")
    })?;
    check(item["name"].as_str().is_some_and(|name| is_plain(name, 64)), || {
        format!("{place}.name: {}", item["name"])
    })?;
    let arguments = text(&item["arguments"], place)?;
    serde_json::from_str::<Map<String, Value>>(arguments)
        .map_err(|_| format!("{place}.arguments: {arguments:?}"))?;
    Ok(id.to_owned())
}

fn output(output: &Value, place: &str) -> Result<(), String> {
    match output {
        Value::String(_) => Ok(()),
        Value::Array(parts) => parts.iter().try_for_each(|part| input_part(part, place)),
        other => Err(format!("{place}.output: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Host, hold};
    use super::*;

    #[test]
    fn a_conversation_with_functions() {
        let call = |id: &str| json!({"type": "function_call", "id": format!("fc_{}", id.len()), "call_id": id, "name": "f", "arguments": "{}"});
        let output = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "ok"});
        let user = || json!({"role": "user", "content": [{"type": "input_text", "text": "hi"}]});
        let said = |kind: &str| json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": kind, "text": "x"}]});
        let thought = |content: Value, sealed: &str| json!({"type": "reasoning", "id": "rs_1", "summary": [], "content": content, "encrypted_content": sealed});
        let body = |items: &[Value]| json!({"model": "m", "input": items});
        let shown = json!([{"type": "input_image", "image_url": "data:image/png;base64,AA=="}]);
        hold(
            Host::Responses,
            &[
                (json!({"input": "hi"}), None),
                (
                    body(&[
                        user(),
                        thought(json!([]), "gAAA"),
                        call("call_1"),
                        output("call_1"),
                        said("output_text"),
                    ]),
                    None,
                ),
                (
                    body(&[
                        user(),
                        call("a"),
                        json!({"type": "function_call_output", "call_id": "a", "output": shown}),
                    ]),
                    None,
                ),
                (body(&[]), Some("empty")),
                (body(&[user(), call("a")]), Some("No tool output")),
                (body(&[user(), output("a")]), Some("No tool call")),
                (body(&[user(), call("functions.f:0"), output("functions.f:0")]), Some("call_id")),
                (body(&[user(), said("input_text")]), Some("content of the assistant")),
                (
                    body(&[user(), thought(json!([{"type": "reasoning_text", "text": "x"}]), "gAAA")]),
                    Some("too long"),
                ),
                (body(&[user(), thought(json!([]), "c3Ry")]), Some("verified")),
                (
                    body(&[json!({"type": "message", "id": "x", "role": "user", "content": "x"})]),
                    Some("begins with 'msg'"),
                ),
                (body(&[user(), said("output_text"), said("output_text")]), Some("duplicate")),
            ],
        );
    }
}
