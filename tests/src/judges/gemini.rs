//! Google's `generateContent` (ai.google.dev/gemini-api/docs/function-calling, docs/thought-signatures, api/generate-content):
//! calls right after a user's turn or results, as many results as calls, right after them, signatures of the calls of the turn
//! under way.

use serde_json::Value;

use super::{at, check, list, text};

/// What signatures begin with that Google made here, and what stands for one where another model made the call.
pub(crate) const SIGNED: &str = "CiQB";
const NONE: &str = "skip_thought_signature_validator";

pub(super) fn judge(body: &Value) -> Result<(), String> {
    let contents = list(&body["contents"], "contents")?;
    check(contents.first().is_some_and(|first| first["role"] == "user"), || {
        "the first turn must be the user's".to_owned()
    })?;
    check(contents.last().is_some_and(|last| last["role"] == "user"), || {
        "the last turn must be the user's".to_owned()
    })?;
    if !body["systemInstruction"].is_null() {
        parts(&body["systemInstruction"], "systemInstruction")?;
    }
    let mut open: Vec<(String, Value)> = Vec::new();
    let begun =
        contents.iter().rposition(|content| content["role"] == "user" && !has_results(content)).unwrap_or(0);
    for (number, content) in contents.iter().enumerate() {
        let place = at("contents", number);
        let before = number.checked_sub(1).map(|at| &contents[at]["role"]);
        check(before != Some(&content["role"]), || format!("{place}: two turns of one role"))?;
        let parts = parts(content, &place)?;
        match content["role"].as_str() {
            Some("user") => results(parts, &mut open, &place)?,
            Some("model") => {
                check(open.is_empty(), || {
                    format!("{place}: the number of function response parts differs from the calls'")
                })?;
                open = calls(parts, number > begun, &place)?;
            }
            other => return Err(format!("{place}: the role {other:?}")),
        }
    }
    check(open.is_empty(), || "the number of function response parts differs from the calls'".to_owned())
}

fn has_results(content: &Value) -> bool {
    content["parts"].as_array().into_iter().flatten().any(|part| !part["functionResponse"].is_null())
}

fn parts<'a>(content: &'a Value, place: &str) -> Result<&'a [Value], String> {
    let parts = list(&content["parts"], &format!("{place}.parts"))?;
    check(!parts.is_empty(), || format!("{place}: must include at least one parts field"))?;
    for part in parts {
        let kinds = ["text", "inlineData", "fileData", "functionCall", "functionResponse"];
        let held = kinds.into_iter().filter(|kind| !part[kind].is_null()).count();
        check(held == 1, || format!("{place}: a part must have one initialized field: {part}"))?;
        check(part["text"] != "", || format!("{place}: an empty text parameter"))?;
        if let Some(data) = part["inlineData"].as_object() {
            let whole =
                data.get("mimeType").is_some_and(|kind| kind.as_str().is_some_and(|it| it.contains('/')));
            check(whole && data.contains_key("data"), || format!("{place}: inlineData"))?;
        }
    }
    Ok(parts)
}

/// Ids and names of a turn's calls.
fn calls(parts: &[Value], current: bool, place: &str) -> Result<Vec<(String, Value)>, String> {
    let mut made = Vec::new();
    for part in parts.iter().filter(|part| !part["functionCall"].is_null()) {
        let call = &part["functionCall"];
        let name = text(&call["name"], place)?;
        check(!name.is_empty(), || format!("{place}: a call without a name"))?;
        check(call["args"].is_object() || call["args"].is_null(), || format!("{place}: args"))?;
        let signature = part["thoughtSignature"].as_str().unwrap_or_default();
        let signed = signature == NONE || signature.starts_with(SIGNED);
        let first = made.is_empty();
        check(signed || (signature.is_empty() && !(first && current)), || {
            format!(
                "{place}: Function call {name} is missing a thought_signature, or it is not valid: {signature:?}"
            )
        })?;
        made.push((name.to_owned(), call["id"].clone()));
    }
    Ok(made)
}

fn results(parts: &[Value], open: &mut Vec<(String, Value)>, place: &str) -> Result<(), String> {
    let results: Vec<&Value> =
        parts.iter().map(|part| &part["functionResponse"]).filter(|it| !it.is_null()).collect();
    check(results.len() == open.len(), || {
        format!(
            "{place}: the number of function response parts ({}) differs from the calls' ({})",
            results.len(),
            open.len()
        )
    })?;
    for result in results {
        let known = open
            .iter()
            .position(|(name, id)| result["name"] == **name && (id.is_null() || result["id"] == *id));
        open.remove(known.ok_or_else(|| format!("{place}: a response to no call: {result}"))?);
        check(result["response"].is_object(), || format!("{place}: response is no object"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Host, hold};
    use super::*;

    #[test]
    fn a_conversation_with_functions() {
        let user = |parts: &[Value]| json!({"role": "user", "parts": parts});
        let model = |parts: &[Value]| json!({"role": "model", "parts": parts});
        let text = |text: &str| json!({"text": text});
        let call = |id: &str, signature: Option<&str>| {
            let mut part = json!({"functionCall": {"id": id, "name": "f", "args": {}}});
            if let Some(signature) = signature {
                part["thoughtSignature"] = signature.into();
            }
            part
        };
        let result =
            |id: &str| json!({"functionResponse": {"id": id, "name": "f", "response": {"result": "ok"}}});
        let body = |contents: &[Value]| json!({ "contents": contents });
        let hi = || user(&[text("hi")]);
        let signed = || model(&[call("a", Some("CiQB0"))]);
        hold(
            Host::Gemini,
            &[
                (body(&[hi()]), None),
                (body(&[hi(), signed(), user(&[result("a")])]), None),
                (
                    body(&[
                        hi(),
                        model(&[call("a", Some(NONE)), call("b", None)]),
                        user(&[result("b"), result("a")]),
                    ]),
                    None,
                ),
                (
                    body(&[hi(), model(&[call("a", None)]), user(&[result("a")]), model(&[text("x")]), hi()]),
                    None,
                ),
                (body(&[]), Some("first turn")),
                (body(&[model(&[text("x")]), hi()]), Some("first turn")),
                (body(&[hi(), model(&[text("x")])]), Some("last turn")),
                (body(&[hi(), hi()]), Some("one role")),
                (body(&[user(&[])]), Some("at least one")),
                (body(&[user(&[text("")])]), Some("empty text")),
                (body(&[user(&[json!({})])]), Some("initialized")),
                (body(&[hi(), signed(), hi()]), Some("number of function response")),
                (
                    body(&[hi(), signed(), user(&[result("a"), result("b")])]),
                    Some("number of function response"),
                ),
                (body(&[hi(), signed(), user(&[result("b")])]), Some("no call")),
                (body(&[hi(), model(&[call("a", None)]), user(&[result("a")])]), Some("thought_signature")),
                (
                    body(&[hi(), model(&[call("a", Some("x"))]), user(&[result("a")])]),
                    Some("thought_signature"),
                ),
            ],
        );
    }
}
