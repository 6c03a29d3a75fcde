//! `/v1/messages`: clients of Anthropic's API, answered by upstreams of OpenAI's.

use std::time::Duration;

use end_to_end::openai::{self, Reply, UsageShape};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::sse::Event;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

const PATH: &str = "/v1/messages";

fn ask(prompt: &str) -> Value {
    json!({"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]})
}

fn streamed(prompt: &str) -> Value {
    let mut body = ask(prompt);
    body["stream"] = true.into();
    body
}

/// What the events say, as Anthropic's SDK puts them together; fails where they are out of order.
fn message(events: &[Event]) -> Value {
    let mut message = Value::Null;
    let mut open = false;
    let mut jsons = Vec::new();
    for event in events {
        let data = event.json();
        assert_eq!(data["type"], event.name.as_str());
        let at = data["index"].as_u64().unwrap_or_default() as usize;
        match event.name.as_str() {
            "message_start" => {
                assert!(message.is_null());
                message = data["message"].clone();
            }
            "content_block_start" => {
                assert!(!open && at == message["content"].as_array().expect("a list").len());
                open = true;
                message["content"].as_array_mut().expect("a list").push(data["content_block"].clone());
                jsons.push(String::new());
            }
            "content_block_delta" => {
                assert!(open && at + 1 == message["content"].as_array().expect("a list").len());
                let delta = &data["delta"];
                let (name, text) = match delta["type"].as_str().expect("a text") {
                    "text_delta" => ("text", &delta["text"]),
                    "thinking_delta" => ("thinking", &delta["thinking"]),
                    "input_json_delta" => {
                        jsons[at].push_str(delta["partial_json"].as_str().expect("a text"));
                        continue;
                    }
                    other => panic!("{other}"),
                };
                let block = &mut message["content"][at];
                block[name] =
                    format!("{}{}", block[name].as_str().expect("a text"), text.as_str().expect("a text"))
                        .into();
            }
            "content_block_stop" => {
                assert!(std::mem::replace(&mut open, false));
                if message["content"][at]["type"] == "tool_use" && !jsons[at].is_empty() {
                    message["content"][at]["input"] = serde_json::from_str(&jsons[at]).expect("JSON");
                }
            }
            "message_delta" => {
                assert!(!open);
                for (key, value) in data["delta"].as_object().expect("an object") {
                    message[key] = value.clone();
                }
                message["usage"] = data["usage"].clone();
            }
            "message_stop" | "ping" => {}
            other => panic!("an event named {other}"),
        }
    }
    message
}

fn is_over(answer: &Answer) -> bool {
    answer.events().last().is_some_and(|event| event.name == "message_stop")
}

#[tokio::test]
async fn whole_and_streamed_say_the_same() {
    let check = async |reply: Reply, content: Value, reason: &str| {
        let upstream = Scripted::start(reply).await;
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
            .every_model("accepts: [text, tools]")
            .start()
            .await;
        let whole = gateway.post(PATH, &[], &ask("hi")).await;
        assert_eq!(whole.status(), 200, "{}", whole.text());
        let whole = whole.json();
        let answer = gateway.post(PATH, &[], &streamed("hi")).await;
        assert!(is_over(&answer), "{}", answer.text());
        let stream = message(&answer.events());
        for (kind, message) in [("whole", &whole), ("streamed", &stream)] {
            assert_eq!(message["content"], content, "{kind}");
            assert_eq!(message["stop_reason"], reason, "{kind}");
            assert_eq!(message["stop_sequence"], Value::Null, "{kind}");
            assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
            assert_eq!(message["model"], "scripted-1");
            assert!(message["id"].as_str().expect("a text").starts_with("msg_"));
            assert!(message["usage"]["cost"].as_f64().unwrap() > 0.0, "{kind} {message}");
        }
        // Estimates of pieces add up to more than that of the whole.
        if whole["usage"]["estimated"].is_null() {
            assert_eq!(whole["usage"], stream["usage"]);
        }
        whole["usage"].clone()
    };
    let text = |text: &str| json!([{"type": "text", "text": text}]);
    let usage = check(Reply::text("Paris, 巴黎."), text("Paris, 巴黎."), "end_turn").await;
    assert_eq!((usage["input_tokens"].as_u64(), usage["output_tokens"].as_u64()), (Some(11), Some(4)));
    let usage = check(Reply::text("x y").input(11, 4), text("x y"), "end_turn").await;
    assert_eq!(
        (usage["input_tokens"].as_u64(), usage["cache_read_input_tokens"].as_u64()),
        (Some(7), Some(4))
    );
    check(Reply::text("so long").ending("length"), text("so long"), "max_tokens").await;
    check(Reply::text("no").ending("content_filter"), text("no"), "refusal").await;
    let usage = check(Reply::text("one two").usage(UsageShape::Never), text("one two"), "end_turn").await;
    assert_eq!(usage["estimated"], true);
    let thinking = json!([{"type": "thinking", "thinking": "let me see", "signature": ""}, {"type": "text", "text": "7"}]);
    check(Reply::text("7").thinking("let me see"), thinking, "end_turn").await;
    let calls = json!([
        {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "巴黎"}},
        {"type": "tool_use", "id": "call_1", "name": "time", "input": {}},
    ]);
    let reply = Reply::pieces::<String>([]).calling("weather", r#"{"city": "巴黎"}"#).calling("time", "{}");
    check(reply.ending("tool_calls"), calls, "tool_use").await;
}

#[tokio::test]
async fn a_request_becomes_a_chat() {
    let upstream = Scripted::start(Reply::text("x")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("accepts: [text, image, tools, json_schema]")
        .start()
        .await;
    let body = json!({
        "model": "small", "max_tokens": 64, "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "temperature": 0.5, "top_k": 7, "stop_sequences": ["END"], "metadata": {"user_id": "u1"},
        "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {"z": {}, "a": {}}}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "See"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I look."}, {"type": "tool_use", "id": "t1", "name": "weather", "input": {"b": 1, "a": 2}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain", "is_error": true},
                {"type": "text", "text": "So?"}]},
        ],
    });
    let answer = gateway.post(PATH, &[("anthropic-version", "2023-06-01")], &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("x-xietong-left-out"), Some("cache_control, signature"));
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    let mut sent = upstream.only().request.json();
    // JSON in a text; the order of its members depends on the build.
    let arguments = &mut sent["messages"][2]["tool_calls"][0]["function"]["arguments"];
    *arguments = arguments.as_str().and_then(|text| serde_json::from_str(text).ok()).expect("JSON in a text");
    let expected = json!({
        "model": "small-upstream", "max_tokens": 64, "temperature": 0.5, "top_k": 7, "stop": ["END"], "user": "u1",
        "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
            "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}],
        "tool_choice": "required", "parallel_tool_calls": false,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": {"a": 2, "b": 1}}}]},
            {"role": "tool", "tool_call_id": "t1", "content": "Error: rain"},
            {"role": "user", "content": "So?"},
        ],
    });
    assert_eq!(sent, expected);
}

/// Whose error an upstream's is does not depend on the dialect; how it looks does.
#[tokio::test]
async fn errors_are_anthropics() {
    for (status, seen, kind) in [
        (400, 400, "invalid_request_error"),
        (401, 502, "api_error"),
        (404, 502, "api_error"),
        (429, 429, "rate_limit_error"),
        (500, 502, "api_error"),
        (503, 503, "overloaded_error"),
    ] {
        let upstream = Scripted::start(openai::error(status, "x")).await;
        let gateway =
            Setup::ladder(&upstream.base_url(), &upstream.base_url()).every_model("retries: 0").start().await;
        for body in [ask("x"), streamed("x")] {
            let answer = gateway.post(PATH, &[], &body).await;
            assert_eq!(answer.status(), seen, "{status}: {}", answer.text());
            let error = answer.json();
            assert_eq!((&error["type"], &error["error"]["type"]), (&json!("error"), &json!(kind)), "{error}");
            assert_eq!(error["request_id"], answer.header("request-id").unwrap());
            assert!(!error["error"]["message"].as_str().expect("a text").is_empty());
        }
    }
}

#[tokio::test]
async fn what_cannot_be_converted_is_named() {
    let upstream = Scripted::start(Reply::text("x")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let check = async |field: &str, value: Value, named: &str| {
        let mut body = ask("x");
        body[field] = value;
        let answer = gateway.post(PATH, &[], &body).await;
        assert_eq!(answer.status(), 400, "{body}");
        let error = answer.json();
        assert_eq!(error["error"]["type"], "invalid_request_error");
        let message = error["error"]["message"].as_str().expect("a text");
        assert!(message.contains(named), "{message}");
    };
    let user = |block: Value| json!([{"role": "user", "content": [block]}]);
    check("max_tokens", Value::Null, "'max_tokens'").await;
    check("max_tokens", json!(0), "'max_tokens'").await;
    check("messages", json!([]), "'messages'").await;
    check("messages", json!([{"role": "robot", "content": "x"}]), "'messages[0].role'").await;
    check("messages", user(json!({"type": "video"})), "'messages[0].content[0].type'").await;
    check(
        "messages",
        user(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
        "'messages[0].content[0].source.type'",
    )
    .await;
    check(
        "messages",
        user(json!({"type": "text", "text": "x", "colour": 1})),
        "'messages[0].content[0].colour'",
    )
    .await;
    check(
        "messages",
        user(json!({"type": "document", "citations": {"enabled": true}, "source": {}})),
        "citations.enabled",
    )
    .await;
    check("tools", json!([{"type": "web_search_20250305", "name": "web_search"}]), "'tools[0].type'").await;
    check("tool_choice", json!({"type": "some"}), "'tool_choice.type'").await;
    check("thinking", json!({"type": "deep"}), "'thinking.type'").await;
    check("mcp_servers", json!([{}]), "'mcp_servers'").await;
    check("container", json!("c"), "'container'").await;
    check("vendor_field", json!(1), "'vendor_field'").await;
    check("temperature", json!("hot"), "'temperature'").await;
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_cut_stream_ends_in_an_error_event() {
    let upstream = Scripted::start(
        Reply::text("one two three").stream(true).until_chunk(3).step(end_to_end::scripted::Step::Reset),
    )
    .await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).route("resume: never").start().await;
    let answer = gateway.post(PATH, &[], &streamed("x")).await;
    let events = answer.events();
    assert!(!is_over(&answer));
    let last = events.last().unwrap();
    assert_eq!(last.name, "error");
    assert_eq!(last.json()["error"]["type"], "api_error");
    assert!(answer.text().contains("text_delta"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_is_waited_for_with_pings() {
    let script = Script::default().pause(Duration::from_secs(17)).then(Reply::text("late").stream(true));
    let upstream = Scripted::start(script).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("timeouts: {first_token: 1m}")
        .start()
        .await;
    let answer = gateway.post(PATH, &[], &streamed("x")).await;
    let pings = answer.events().iter().filter(|event| event.name == "ping").count();
    assert_eq!(pings, 2, "{}", answer.text());
    assert_eq!(message(&answer.events())["content"][0]["text"], "late");
    assert!(is_over(&answer));
}

#[tokio::test]
async fn tokens_are_counted_and_nobody_is_asked() {
    let upstream = Scripted::start(Reply::text("x")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let path = "/v1/messages/count_tokens";
    let mut body = ask(&"word ".repeat(200));
    body.as_object_mut().unwrap().remove("max_tokens");
    let answer = gateway.post(path, &[], &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let tokens = answer.json()["input_tokens"].as_u64().unwrap();
    assert!((150..300).contains(&tokens), "{tokens}");
    body["model"] = "nobody".into();
    let answer = gateway.post(path, &[], &body).await;
    assert_eq!((answer.status(), &answer.json()["error"]["type"]), (404, &json!("not_found_error")));
    assert!(upstream.seen().is_empty());
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_requests_total", &[("endpoint", "count_tokens")]), 2.0);
}

#[tokio::test]
async fn keys_are_taken_in_either_header_and_models_listed_in_either_shape() {
    let upstream = Scripted::start(Reply::text("x")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .top("clients: [{name: team, key: sk-team-key}]")
        .start()
        .await;
    for header in [("x-api-key", "sk-team-key"), ("authorization", "Bearer sk-team-key")] {
        let answer = gateway.post(PATH, &[header, ("anthropic-beta", "b-1")], &ask("x")).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    let answer = gateway.post(PATH, &[("x-api-key", "wrong")], &ask("x")).await;
    assert_eq!((answer.status(), &answer.json()["error"]["type"]), (401, &json!("authentication_error")));
    let get = async |path: &str| {
        let headers = [("x-api-key", "sk-team-key"), ("anthropic-version", "2023-06-01")];
        gateway.say(&end_to_end::wire::request("GET", path, &headers, b"")).await.json()
    };
    let list = get("/v1/models?limit=1000").await;
    assert_eq!(
        (&list["first_id"], &list["last_id"], &list["has_more"]),
        (&json!("auto"), &json!("large"), &json!(false))
    );
    let one = get("/v1/models/auto").await;
    assert_eq!(list["data"][0], one);
    assert_eq!((&one["type"], &one["display_name"]), (&json!("model"), &json!("auto")));
    assert!(one["created_at"].as_str().expect("a text").ends_with('Z'), "{one}");
    assert_eq!(get("/v1/models/nobody").await["error"]["type"], "not_found_error");
    let openai = gateway
        .say(&end_to_end::wire::request("GET", "/v1/models/auto", &[("x-api-key", "sk-team-key")], b""))
        .await;
    assert_eq!(openai.json()["object"], "model");
}

/// A guard, a fallback and an account know nothing of dialects.
#[tokio::test]
async fn failover_cascade_and_accounts_hold() {
    let down = Scripted::start(openai::error(503, "x")).await;
    let upstream = Scripted::start(Reply::text("from the larger one")).await;
    let gateway =
        Setup::ladder(&down.base_url(), &upstream.base_url()).model("small", "retries: 0").start().await;
    for body in [ask("x"), streamed("x")] {
        let answer = gateway.post(PATH, &[], &body).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            (answer.header("x-xietong-model"), answer.header("x-xietong-attempts")),
            (Some("large"), Some("2"))
        );
        assert!(answer.text().contains("from") && answer.text().contains("larger"));
    }
    let metrics = gateway.settled().await;
    let labels = [("endpoint", "messages"), ("outcome", "complete"), ("model", "large")];
    assert_eq!(metrics.sum("xietong_requests_total", &labels), 2.0);
    assert_eq!(
        metrics.sum("gen_ai_server_request_duration_seconds_count", &[("gen_ai_operation_name", "messages")]),
        2.0
    );

    let unsure = Scripted::start(Reply::text("I don't know.")).await;
    let gateway = Setup::ladder(&unsure.base_url(), &upstream.base_url())
        .policy("{kind: cascade, policy: {kind: fixed, model: small}}")
        .start()
        .await;
    for body in [ask("x"), streamed("x")] {
        let answer = gateway.post(PATH, &[], &body).await;
        assert_eq!(answer.header("x-xietong-model"), Some("large"), "{}", answer.text());
        assert!(!answer.text().contains("don't"));
    }
}
