//! Conversations that change from provider to provider: every turn goes on, whoever made those before it.

use end_to_end::anthropic::Message;
use end_to_end::openai::Reply;
use end_to_end::scripted::{Choose, Request, Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

/// An upstream of Anthropic's API that knows its own signatures.
#[derive(Clone)]
struct Signing;

impl Choose for Signing {
    fn choose(&self, request: &Request) -> Script {
        let text = request.json().to_string();
        if text.contains("c3RyYW5nZQ") {
            let message = "messages.1.content.0: Invalid `signature` in `thinking` block";
            let error = json!({"type": "invalid_request_error", "message": message});
            return Script::json(400, &json!({"type": "error", "error": error}));
        }
        Message::pieces(["Done."]).choose(request)
    }
}

/// A signature that the upstream does not know costs one more request, without any thought, and no other model is asked.
#[tokio::test(start_paused = true)]
async fn strange_signatures_are_taken_out() {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "c3RyYW5nZQ"});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"});
    let tools = json!([{"name": "bash", "input_schema": {"type": "object", "properties": {}}}]);
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    let messages = json!([{"role": "user", "content": "Go."},
        {"role": "assistant", "content": [thought, call]}, {"role": "user", "content": [result]}]);
    let native = json!({"model": "auto", "max_tokens": 8000, "tools": tools, "thinking": thinking, "messages": messages});
    let function = json!({"name": "bash", "parameters": {"type": "object", "properties": {}}});
    let called =
        json!({"id": "toolu_1", "type": "function", "function": {"name": "bash", "arguments": "{}"}});
    let chat = json!({"model": "auto", "reasoning_effort": "low", "tools": [{"type": "function", "function": function}], "messages": [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": null, "thinking_blocks": [thought], "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "ok"}]});
    for (path, body) in [("/v1/messages", native), ("/v1/chat/completions", chat)] {
        for stream in [false, true] {
            let (upstream, other) =
                (Scripted::start(Signing).await, Scripted::start(Reply::text("no")).await);
            let gateway = Setup::ladder(&format!("http://{}", upstream.address), &other.base_url())
                .model("small", "provider: anthropic")
                .model("small", "model: claude-sonnet-4-5")
                .start()
                .await;
            let mut body = body.clone();
            body["stream"] = stream.into();
            let answer = gateway.post(path, &[], &body).await;
            let label = format!("{path} {stream}: {}", answer.text());
            assert_eq!((answer.status(), answer.text().contains("Done.")), (200, true), "{label}");
            assert_eq!(answer.header("x-xietong-attempts"), Some("1"), "{label}");
            let sent: Vec<Value> = upstream.seen().iter().map(|seen| seen.request.json()).collect();
            assert_eq!((sent.len(), other.seen().len()), (2, 0), "{label}");
            assert_eq!(sent[0]["thinking"]["type"], "enabled", "{label}");
            assert_eq!(sent[1]["thinking"]["type"], "disabled", "{label}");
            assert_eq!(sent[1]["messages"][1]["content"][0]["type"], "tool_use", "{label}");
            assert_eq!(sent[1]["messages"][2], sent[0]["messages"][2], "{label}");
        }
    }
}
