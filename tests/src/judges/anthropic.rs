//! Anthropic's messages (platform.claude.com/docs/en/api/messages, build-with-claude/extended-thinking,
//! agents-and-tools/tool-use/implement-tool-use), and what it is reported to answer: ids of calls
//! (maximhq/bifrost#5097), signatures (NousResearch/hermes-agent#24401), ids that come twice (trycua/cua#524).

use std::collections::HashSet;

use serde_json::Value;

use super::{at, check, is_plain, list, text};

/// What signatures begin with that Anthropic made here.
pub(crate) const SIGNED: &str = "EqQB";

pub(super) fn judge(body: &Value) -> Result<(), String> {
    check(body["max_tokens"].as_u64().is_some_and(|most| most > 0), || "max_tokens".to_owned())?;
    let messages = list(&body["messages"], "messages")?;
    check(messages.first().is_some_and(|first| first["role"] == "user"), || {
        "the first message must be the user's".to_owned()
    })?;
    tools(body)?;
    let mut walk = AnthropicWalk::default();
    for (number, message) in messages.iter().enumerate() {
        walk.message(message, &at("messages", number), number + 1 == messages.len())?;
    }
    check(walk.open.is_empty(), || format!("tool_use ids {:?} without tool_result", walk.open))?;
    thinking(body, messages)
}

#[derive(Default)]
struct AnthropicWalk {
    /// Every id of a call so far.
    ids: HashSet<String>,
    /// Calls that the next message must answer to.
    open: Vec<String>,
}

impl AnthropicWalk {
    fn message(&mut self, message: &Value, place: &str, last: bool) -> Result<(), String> {
        let role = text(&message["role"], &format!("{place}.role"))?;
        check(matches!(role, "user" | "assistant"), || {
            format!("{place}.role: Input should be 'user' or 'assistant'")
        })?;
        let open = std::mem::take(&mut self.open);
        if let Value::String(said) = &message["content"] {
            check(!said.trim().is_empty(), || {
                format!("{place}: text content must contain non-whitespace text")
            })?;
            return check(open.is_empty(), || format!("{place}: tool_use ids {open:?} without tool_result"));
        }
        let blocks = list(&message["content"], &format!("{place}.content"))?;
        check(!blocks.is_empty(), || format!("{place}: content is empty"))?;
        let mut answered = HashSet::new();
        let mut others = false;
        for (number, block) in blocks.iter().enumerate() {
            let place = at(&format!("{place}.content"), number);
            match (text(&block["type"], &place)?, role) {
                ("tool_result", "user") => {
                    check(!others, || format!("{place}: tool results must come first"))?;
                    let id = text(&block["tool_use_id"], &place)?;
                    check(open.iter().any(|call| call == id), || {
                        format!("{place}: unexpected tool_use_id {id:?}")
                    })?;
                    check(answered.insert(id.to_owned()), || format!("{place}: a second result of {id:?}"))?;
                    given_back(&block["content"], &place)?;
                }
                ("tool_use", "assistant") => self.call(block, &place)?,
                (kind, _) => {
                    others = true;
                    plain(kind, block, role, &place)?;
                }
            }
        }
        let missing = open.iter().find(|id| !answered.contains(*id));
        check(missing.is_none(), || format!("{place}: tool_use ids {missing:?} without tool_result"))?;
        let ending = blocks.last().and_then(|block| block["text"].as_str()).unwrap_or_default();
        check(!(last && role == "assistant") || ending == ending.trim_end(), || {
            "the end has trailing whitespace".to_owned()
        })
    }

    fn call(&mut self, block: &Value, place: &str) -> Result<(), String> {
        let id = text(&block["id"], place)?;
        check(is_plain(id, usize::MAX), || {
            format!("{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$': {id:?}")
        })?;
        check(self.ids.insert(id.to_owned()), || format!("{place}: tool_use ids must be unique: {id:?}"))?;
        check(block["name"].as_str().is_some_and(|name| is_plain(name, 128)), || {
            format!("{place}.name: {}", block["name"])
        })?;
        check(block["input"].is_object(), || format!("{place}.input is no dictionary"))?;
        self.open.push(id.to_owned());
        Ok(())
    }
}

fn plain(kind: &str, block: &Value, role: &str, place: &str) -> Result<(), String> {
    match (kind, role) {
        ("text", _) => {
            let said = text(&block["text"], place)?;
            check(!said.trim().is_empty(), || {
                format!("{place}: text content blocks must contain non-whitespace text")
            })
        }
        ("thinking", "assistant") => {
            let signature = text(&block["signature"], place)?;
            check(signature.starts_with(SIGNED), || {
                format!("{place}: Invalid `signature` in `thinking` block")
            })
        }
        ("redacted_thinking", "assistant") => {
            let data = text(&block["data"], place)?;
            check(data.starts_with(SIGNED), || {
                format!("{place}: Invalid `data` in `redacted_thinking` block")
            })
        }
        ("image", "user") => image(block, place),
        ("document", "user") => text(&block["source"]["data"], place).map(drop),
        (kind, role) => Err(format!("{place}: {kind:?} is no block of the role {role:?}")),
    }
}

fn image(block: &Value, place: &str) -> Result<(), String> {
    let source = &block["source"];
    if source["type"] == "url" {
        return check(source["url"].as_str().is_some_and(|url| url.starts_with("https://")), || {
            format!("{place}: url")
        });
    }
    let kind = text(&source["media_type"], place)?;
    let known = ["image/png", "image/jpeg", "image/gif", "image/webp"];
    check(known.contains(&kind), || format!("{place}: media_type {kind:?}"))?;
    check(!text(&source["data"], place)?.is_empty(), || format!("{place}: no data"))
}

fn given_back(content: &Value, place: &str) -> Result<(), String> {
    let Some(blocks) = content.as_array() else {
        return check(content.is_string() || content.is_null(), || format!("{place}.content"));
    };
    blocks.iter().try_for_each(|block| match block["type"].as_str() {
        Some(kind @ ("text" | "image" | "document")) => plain(kind, block, "user", place),
        other => Err(format!("{place}: {other:?} is no content of a tool's result")),
    })
}

fn tools(body: &Value) -> Result<(), String> {
    if body["tools"].is_null() {
        return check(body["tool_choice"].is_null(), || "tool_choice without tools".to_owned());
    }
    for (number, tool) in list(&body["tools"], "tools")?.iter().enumerate() {
        check(tool["input_schema"]["type"] == "object", || format!("tools[{number}].input_schema"))?;
    }
    Ok(())
}

/// "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceding the lastmost set of
/// `tool_use` and `tool_result` blocks)."
fn thinking(body: &Value, messages: &[Value]) -> Result<(), String> {
    let thinks = body["thinking"]["type"] == "enabled";
    if !thinks {
        let clears = body["context_management"]["edits"].as_array().into_iter().flatten();
        let clears = clears
            .into_iter()
            .any(|edit| edit["type"].as_str().is_some_and(|it| it.starts_with("clear_thinking")));
        let adapts = body["thinking"]["type"] == "adaptive";
        return check(!clears || adapts, || "clear_thinking requires thinking to be enabled".to_owned());
    }
    let budget = body["thinking"]["budget_tokens"].as_u64().unwrap_or_default();
    check(budget >= 1024 && body["max_tokens"].as_u64() > Some(budget), || {
        format!("thinking.budget_tokens: {budget}")
    })?;
    let is_result = |message: &Value| message["content"][0]["type"] == "tool_result";
    if !messages.last().is_some_and(is_result) {
        return Ok(());
    }
    let begin = messages.iter().rposition(|message| message["role"] == "user" && !is_result(message));
    let mut loop_of_tools = messages[begin.map_or(0, |at| at + 1)..].iter();
    let first = loop_of_tools.find(|message| message["role"] == "assistant");
    let kind = first.and_then(|first| first["content"][0]["type"].as_str()).unwrap_or_default();
    check(kind.ends_with("thinking"), || {
        format!("Expected `thinking` or `redacted_thinking`, but found `{kind}`")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Host, hold};
    use super::*;

    fn body(messages: &[Value]) -> Value {
        json!({"model": "m", "max_tokens": 4096, "messages": messages})
    }

    fn say(role: &str, blocks: &[Value]) -> Value {
        json!({"role": role, "content": blocks})
    }

    #[test]
    fn a_conversation_with_tools() {
        let go = || json!({"role": "user", "content": "Go."});
        let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
        let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = |kind: &str| json!({"type": "image", "source": {"type": "base64", "media_type": kind, "data": "AA=="}});
        let made = || say("assistant", &[call("a"), call("b")]);
        let turn = |blocks: &[Value]| body(&[go(), made(), say("user", blocks)]);
        hold(
            Host::Anthropic,
            &[
                (body(&[go()]), None),
                (turn(&[result("b"), result("a"), text("x"), image("image/png")]), None),
                (
                    turn(&[
                        json!({"type": "tool_result", "tool_use_id": "a", "content": [text("x"), image("image/png")]}),
                        result("b"),
                    ]),
                    None,
                ),
                (body(&[]), Some("first message")),
                (body(&[json!({"role": "assistant", "content": "x"})]), Some("first message")),
                (body(&[go(), json!({"role": "system", "content": "x"})]), Some("role")),
                (body(&[json!({"role": "user", "content": " \n"})]), Some("non-whitespace")),
                (body(&[say("user", &[])]), Some("empty")),
                (body(&[say("user", &[text("")])]), Some("non-whitespace")),
                (turn(&[result("a")]), Some("without tool_result")),
                (turn(&[text("x"), result("a"), result("b")]), Some("come first")),
                (turn(&[result("a"), result("b"), result("c")]), Some("unexpected")),
                (turn(&[result("a"), result("b"), result("a")]), Some("second result")),
                (turn(&[result("a"), result("b"), image("image/bmp")]), Some("media_type")),
                (body(&[go(), made()]), Some("without tool_result")),
                (body(&[go(), made(), go()]), Some("without tool_result")),
                (
                    body(&[
                        go(),
                        say("assistant", &[call("functions.f:0")]),
                        say("user", &[result("functions.f:0")]),
                    ]),
                    Some("pattern"),
                ),
                (
                    body(&[go(), say("assistant", &[call("a"), call("a")]), say("user", &[result("a")])]),
                    Some("unique"),
                ),
                (body(&[go(), say("assistant", &[text("x ")])]), Some("trailing")),
                (
                    json!({"max_tokens": 9, "messages": [go()], "tool_choice": {"type": "auto"}}),
                    Some("tool_choice"),
                ),
                (json!({"messages": [go()]}), Some("max_tokens")),
            ],
        );
    }

    #[test]
    fn thoughts_and_thinking() {
        let go = || json!({"role": "user", "content": "Go."});
        let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
        let result =
            |id: &str| say("user", &[json!({"type": "tool_result", "tool_use_id": id, "content": "ok"})]);
        let thought = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
        let thinks = |messages: &[Value]| {
            let mut body = body(messages);
            body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
            body
        };
        let signed = || say("assistant", &[thought("EqQB"), call("a")]);
        let mut small = thinks(&[go()]);
        small["max_tokens"] = 2000.into();
        let clearing = json!({"max_tokens": 9, "messages": [go()], "context_management": {"edits": [{"type": "clear_thinking_20251015"}]}});
        hold(
            Host::Anthropic,
            &[
                (thinks(&[go(), signed(), result("a")]), None),
                (thinks(&[go(), signed(), result("a"), say("assistant", &[call("b")]), result("b")]), None),
                (
                    thinks(&[
                        go(),
                        say("assistant", &[call("a")]),
                        result("a"),
                        say("assistant", &[json!({"type": "text", "text": "x"})]),
                        go(),
                    ]),
                    None,
                ),
                (body(&[go(), say("assistant", &[call("a")]), result("a")]), None),
                (thinks(&[go(), say("assistant", &[call("a")]), result("a")]), Some("Expected")),
                (
                    body(&[go(), say("assistant", &[thought("c3Ry"), call("a")]), result("a")]),
                    Some("signature"),
                ),
                (body(&[go(), say("assistant", &[thought(""), call("a")]), result("a")]), Some("signature")),
                (small, Some("budget")),
                (clearing, Some("clear_thinking")),
            ],
        );
    }
}
