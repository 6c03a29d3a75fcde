//! What a model does not take of a request: told in another form, left out by name, or answered by another rung.

use end_to_end::anthropic::Message;
use end_to_end::openai::Reply;
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

fn with(fields: &Value) -> Value {
    let mut body =
        json!({"model": "auto", "max_tokens": 8000, "messages": [{"role": "user", "content": "Go on."}]});
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

/// Claude with each peculiarity, first on a route: what it is sent of a chat and of a message, and who answers.
#[tokio::test(start_paused = true)]
async fn claude_is_asked_with_what_it_takes_or_another_model_answers() {
    let chat_tool =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    let tool = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let cases = [
        (CHAT, "claude-sonnet-5-5", json!({"temperature": 0.7, "stream": true}), Some("temperature")),
        (CHAT, "claude-sonnet-5-5", json!({"temperature": 0.7, "top_k": 4}), Some("temperature, top_k")),
        (CHAT, "claude-sonnet-5-5", json!({"temperature": 1}), Some("")),
        (CHAT, "claude-sonnet-4-5", json!({"temperature": 0.7, "top_p": 0.9}), Some("top_p")),
        (
            CHAT,
            "claude-sonnet-4-5",
            json!({"reasoning_effort": "high", "temperature": 0.3}),
            Some("temperature"),
        ),
        (CHAT, "claude-fable-5-1", json!({"reasoning_effort": "none"}), Some("reasoning_effort")),
        (CHAT, "claude-fable-5-1", json!({"tools": chat_tool, "tool_choice": "required"}), None),
        (CHAT, "claude-sonnet-5-5", json!({"stop": ["\n\n"]}), None),
        (MESSAGES, "claude-sonnet-5-5", json!({"temperature": 0.7}), Some("temperature")),
        (MESSAGES, "claude-fable-5-1", json!({"tools": tool, "tool_choice": {"type": "any"}}), None),
    ];
    for (path, model, fields, left_out) in cases {
        let upstream = Scripted::start(Message::pieces(["from Claude"])).await;
        let other = Scripted::start(Reply::text("from large")).await;
        let gateway = Setup::ladder(&format!("http://{}", upstream.address), &other.base_url())
            .model("small", "provider: anthropic")
            .model("small", &format!("model: {model}"))
            .start()
            .await;
        let answer = gateway.post(path, &[], &with(&fields)).await;
        assert_eq!(answer.status(), 200, "{path} {model} {fields}");
        let asked = (upstream.seen().len(), other.seen().len());
        assert_eq!(asked, if left_out.is_some() { (1, 0) } else { (0, 1) }, "{path} {model} {fields}");
        let Some(left_out) = left_out else {
            let mut named = with(&fields);
            named["model"] = "small".into();
            let refused = gateway.post(path, &[], &named).await;
            assert_eq!(refused.status(), 400, "{path} {model} {fields}");
            if path == CHAT {
                let param = if fields["stop"].is_null() { "tool_choice" } else { "stop" };
                assert_eq!(refused.json()["error"]["param"], param, "{model} {fields}");
            }
            continue;
        };
        let named = answer.header("x-xietong-left-out").unwrap_or_default();
        assert_eq!(named, left_out, "{path} {model} {fields}");
        let sent = upstream.only().request.json();
        for field in left_out.split(", ").filter(|field| !field.is_empty()) {
            assert!(sent[field].is_null(), "{path} {model} {fields}: {sent}");
        }
    }
}

/// Claude Code's and Codex's system messages, before a server whose template takes one, at the beginning.
#[tokio::test(start_paused = true)]
async fn a_strict_template_gets_one_system_message_at_the_beginning() {
    let codex = json!({"model": "small", "instructions": "Be brief.", "input": [
        {"role": "developer", "content": "In Rust."}, {"role": "user", "content": "Go."}]});
    let claude = json!({"model": "small", "max_tokens": 9, "system": "Be brief.", "messages": [
        {"role": "user", "content": "Go."}, {"role": "system", "content": "Skills: review."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "4"}]},
        {"role": "system", "content": [{"type": "text", "text": "Tokens left: 9"}]}]});
    let cases = [
        ("/v1/responses", codex, vec![("system", "Be brief.\n\nIn Rust."), ("user", "Go.")]),
        (
            MESSAGES,
            claude,
            vec![
                ("system", "Be brief."),
                ("user", "Go.\n\nSkills: review."),
                ("assistant", ""),
                ("tool", "4"),
                ("user", "Tokens left: 9"),
            ],
        ),
    ];
    for (path, body, expected) in cases {
        let upstream = Scripted::start(Reply::text("Well.")).await;
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
        assert_eq!(gateway.post(path, &[], &body).await.status(), 200, "{path}");
        let sent = upstream.only().request.json();
        let said: Vec<_> = sent["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| {
                (message["role"].as_str().unwrap(), message["content"].as_str().unwrap_or_default())
            })
            .collect();
        assert_eq!(said, expected, "{path}");
    }
}
