//! Streams whose calls and thoughts are written otherwise than OpenAI writes them: each call is told once and whole, and what
//! a model thinks is no silence.

use std::time::Duration;

use end_to_end::openai;
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
}

/// A stream of these deltas, with a pause before each.
fn stream(deltas: &[Value], finish: &str, pause: Duration) -> Script {
    let chunks = deltas.iter().map(|delta| chunk(delta, None)).chain([chunk(&json!({}), Some(finish))]);
    let usage = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}});
    let events =
        chunks.chain([usage]).fold(Script::events(), |script, chunk| script.pause(pause).event(chunk));
    events.event("[DONE]").end()
}

fn call(index: Option<u64>, id: &str, name: &str, arguments: &str) -> Value {
    let mut call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    call["index"] = index.into();
    call
}

fn calls(calls: &[Value]) -> Value {
    json!({ "tool_calls": calls })
}

/// Streams that make two calls, `alpha` and `beta`.
fn two_calls() -> Vec<(&'static str, Vec<Value>)> {
    let alpha = |index| call(index, "call_a", "alpha", r#"{"x":1}"#);
    let beta = |index| call(index, "call_b", "beta", r#"{"y":2}"#);
    let more = |arguments: &str| calls(&[json!({"index": 0, "function": {"arguments": arguments}})]);
    let begun = || calls(&[call(Some(0), "call_a", "alpha", r#"{"x":"#)]);
    let last = || calls(&[beta(Some(1))]);
    vec![
        ("numbered", vec![calls(&[alpha(Some(0))]), calls(&[beta(Some(1))])]),
        ("each with 0", vec![calls(&[alpha(Some(0))]), calls(&[beta(Some(0))])]),
        ("without numbers", vec![calls(&[alpha(None)]), calls(&[beta(None)])]),
        ("both at once, with 0", vec![calls(&[alpha(Some(0)), beta(Some(0))])]),
        ("both at once, without numbers", vec![calls(&[alpha(None), beta(None)])]),
        ("a line end between the pieces", vec![begun(), json!({"content": "\n"}), more("1}"), last()]),
        (
            "a thought between the pieces",
            vec![begun(), json!({"reasoning_content": "hm"}), more("1}"), last()],
        ),
        ("a text between the pieces", vec![begun(), json!({"content": "Now."}), more("1}"), last()]),
        (
            "in turn",
            vec![
                begun(),
                calls(&[call(Some(1), "call_b", "beta", r#"{"y":"#)]),
                more("1}"),
                calls(&[json!({"index": 1, "function": {"arguments": "2}"}})]),
            ],
        ),
        (
            "a name that comes late and again",
            vec![
                calls(&[call(Some(0), "call_a", "", "")]),
                calls(&[call(Some(0), "call_a", "alpha", r#"{"x":"#)]),
                calls(&[call(Some(0), "call_a", "alpha", "1}")]),
                last(),
            ],
        ),
    ]
}

/// The tools, in the words of a path.
fn tools(path: &str) -> Value {
    let schema = json!({"type": "object", "properties": {}});
    let tool = |name: &str| match path {
        "/v1/messages" => json!({"name": name, "input_schema": schema}),
        "/v1/responses" => json!({"type": "function", "name": name, "parameters": schema}),
        _ => json!({"type": "function", "function": {"name": name, "parameters": schema}}),
    };
    json!([tool("alpha"), tool("beta")])
}

/// Id, name and arguments of each call, whichever API's answer it is.
fn told(answer: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parsed = |value: &Value| serde_json::from_str(value.as_str().unwrap_or_default()).unwrap_or_default();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let chat = list(&answer["choices"][0]["message"]["tool_calls"]).into_iter().map(|call| {
        (text(&call["id"]), text(&call["function"]["name"]), parsed(&call["function"]["arguments"]))
    });
    let message = list(&answer["content"]).into_iter().filter(|block| block["type"] == "tool_use");
    let message = message.map(|block| (text(&block["id"]), text(&block["name"]), block["input"].clone()));
    let response = list(&answer["output"]).into_iter().filter(|item| item["type"] == "function_call");
    let response =
        response.map(|item| (text(&item["call_id"]), text(&item["name"]), parsed(&item["arguments"])));
    chat.chain(message).chain(response).collect()
}

/// A message from its events.
fn message(events: &[Value]) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    let mut open = None;
    for event in events {
        let at = event["index"].as_u64().map(|at| usize::try_from(at).expect("small"));
        match event["type"].as_str().unwrap_or_default() {
            "content_block_start" => {
                assert_eq!(
                    (open.replace(blocks.len()), at),
                    (None, Some(blocks.len())),
                    "one block at a time"
                );
                let mut block = event["content_block"].clone();
                block["input"] = "".into();
                blocks.push(block);
            }
            "content_block_delta" => {
                assert_eq!(at, open, "a piece of the open block");
                let more = event["delta"]["partial_json"].as_str().unwrap_or_default();
                let block = blocks.last_mut().expect("a block");
                block["input"] = format!("{}{more}", block["input"].as_str().unwrap_or_default()).into();
            }
            "content_block_stop" => assert_eq!(open.take(), at),
            _ => {}
        }
    }
    for block in &mut blocks {
        block["input"] =
            serde_json::from_str(block["input"].as_str().unwrap_or_default()).unwrap_or_default();
    }
    json!({ "content": blocks })
}

#[tokio::test(start_paused = true)]
async fn every_call_is_told_once_and_whole() {
    let expected = [("call_a", "alpha", json!({"x": 1})), ("call_b", "beta", json!({"y": 2}))];
    let expected = expected.map(|(id, name, input)| (id.to_owned(), name.to_owned(), input)).to_vec();
    for (case, deltas) in two_calls() {
        let upstream = Scripted::start(stream(&deltas, "tool_calls", Duration::ZERO)).await;
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
            .every_model("non_streaming_as: stream")
            .start()
            .await;
        for path in ["/v1/chat/completions", "/v1/messages", "/v1/responses"] {
            let mut body = json!({"model": "small", "tools": tools(path)});
            match path {
                "/v1/responses" => body["input"] = "x".into(),
                _ => body["messages"] = json!([{"role": "user", "content": "x"}]),
            }
            if path == "/v1/messages" {
                body["max_tokens"] = 9.into();
            }
            let answer = gateway.post(path, &[], &body).await;
            assert_eq!(told(&answer.json()), expected, "{case} {path}: {}", answer.text());
            if path == "/v1/chat/completions" {
                continue;
            }
            body["stream"] = true.into();
            let answer = gateway.post(path, &[], &body).await;
            let events: Vec<Value> = answer.events().iter().map(|event| event.json()).collect();
            let whole = match events.iter().find(|event| event["type"] == "response.completed") {
                Some(completed) => completed["response"].clone(),
                None => message(&events),
            };
            assert_eq!(told(&whole), expected, "{case} {path}, streamed: {}", answer.text());
        }
    }
}

/// Good calls are good in whatever form they come: the larger model is not asked.
#[tokio::test(start_paused = true)]
async fn a_cascade_keeps_calls_that_are_well_formed() {
    for (case, deltas) in two_calls() {
        let small = Scripted::start(stream(&deltas, "tool_calls", Duration::ZERO)).await;
        let large = Scripted::start(openai::Reply::text("no")).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url())
            .policy("{kind: cascade, policy: {kind: fixed, model: small}, hold: all}")
            .every_model("non_streaming_as: stream")
            .route("record: content")
            .start()
            .await;
        for stream in [false, true] {
            let body = json!({"model": "auto", "stream": stream, "messages": [{"role": "user", "content": "x"}], "tools": tools("chat")});
            let answer = gateway.post("/v1/chat/completions", &[], &body).await;
            assert_eq!(answer.header("x-xietong-model"), Some("small"), "{case} {stream}: {}", answer.text());
        }
    }
}

/// Whatever says that a model thinks ends the wait for its first token.
#[tokio::test(start_paused = true)]
async fn a_model_that_thinks_is_not_silent() {
    let thinking = json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm "}]}]});
    let sealed = json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "c2VhbGVk"}]});
    let details = json!({"reasoning_details": [{"type": "reasoning.text", "text": "hm "}]});
    let blocks = json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "c2VhbGVk"}]});
    for thought in
        [json!({"reasoning_content": "hm "}), json!({"reasoning": "hm "}), thinking, details, sealed, blocks]
    {
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        deltas.extend(std::iter::repeat_n(thought.clone(), 8));
        deltas.push(json!({"content": "4"}));
        let upstream = Scripted::start(stream(&deltas, "stop", Duration::from_millis(400))).await;
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
            .every_model("timeouts: {first_token: 1500ms}")
            .start()
            .await;
        let body = json!({"model": "small", "stream": true, "messages": [{"role": "user", "content": "x"}]});
        let answer = gateway.ask(&body).await;
        assert_eq!(answer.status(), 200, "{thought}: {}", answer.text());
        assert!(answer.text().ends_with("data: [DONE]\n\n"), "{thought}: {}", answer.text());
    }
}
