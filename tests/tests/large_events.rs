//! Pictures, sound and whole calls of several megabytes in one event of a stream.

use std::fmt::Write as _;

use end_to_end::anthropic;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted, in_turn};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

/// A picture of 10 MB in base64.
const LARGE: usize = 13_400_000;

fn base64(size: usize) -> String {
    "AAEC".repeat(size / 4)
}

fn picture(size: usize) -> Value {
    let url = format!("data:image/png;base64,{}", base64(size));
    json!({"content": "", "images": [{"type": "image_url", "index": 0, "image_url": {"url": url}}]})
}

fn sound(size: usize) -> Value {
    json!({"audio": {"id": "audio_1", "data": base64(size)}})
}

fn call(size: usize) -> Value {
    let arguments = json!({"text": base64(size)}).to_string();
    json!({"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                           "function": {"name": "write", "arguments": arguments}}]})
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
        .to_string()
}

/// A stream that says this, and ends.
fn stream(deltas: &[Value]) -> Script {
    let role = chunk(&json!({"role": "assistant", "content": ""}), None);
    let said = deltas.iter().map(|delta| chunk(delta, None));
    let end = [chunk(&json!({}), Some("stop")), "[DONE]".to_owned()];
    [role].into_iter().chain(said).chain(end).fold(Script::events(), Script::event).end()
}

async fn asked(script: Script, lines: &[&str], policy: &str, path: &str, body: &Value) -> (Answer, usize) {
    let small = Scripted::start(script).await;
    let large = Scripted::start(Reply::text("large")).await;
    let setup = Setup::ladder(&small.base_url(), &large.base_url()).policy(policy);
    let gateway = lines.iter().fold(setup, |setup, line| setup.model("small", line)).start().await;
    let answer = gateway.post(path, &[], body).await;
    (answer, large.seen().len())
}

const FIXED: &str = "{kind: fixed, model: small}";
const CASCADE: &str = "{kind: cascade, policy: {kind: fixed, model: small}}";
const CHAT: &str = "/v1/chat/completions";

#[tokio::test(start_paused = true)]
async fn what_is_large_arrives_byte_for_byte() {
    let text = json!({"content": "Here it is."});
    for (name, delta) in [("picture", picture(LARGE)), ("sound", sound(LARGE)), ("call", call(5_000_000))] {
        for deltas in [vec![text.clone(), delta.clone()], vec![delta.clone()]] {
            for policy in [FIXED, CASCADE] {
                let body = openai::ask_stream("auto", "Draw a cat");
                let (answer, others) = asked(stream(&deltas), &[], policy, CHAT, &body).await;
                let told: Vec<Value> =
                    answer.chunks().iter().map(|it| it["choices"][0]["delta"].clone()).collect();
                let arrived = deltas.iter().all(|delta| told.contains(delta));
                assert!(
                    arrived && answer.has_done() && others == 0,
                    "{name}, {} deltas, {policy}",
                    deltas.len()
                );
            }
        }
    }
}

/// A whole answer that is gathered from a stream has them too; pieces of a sound that are padded each become one.
#[tokio::test(start_paused = true)]
async fn what_is_large_is_gathered() {
    for policy in [FIXED, CASCADE] {
        let check = async |deltas: &[Value], expected: Value| {
            let body = openai::ask("auto", "Draw a cat");
            let (answer, others) = asked(stream(deltas), &["whole_as: stream"], policy, CHAT, &body).await;
            let message = answer.json()["choices"][0]["message"].clone();
            for (field, value) in expected.as_object().expect("fields") {
                assert!(message[field] == *value, "{field}, {policy}");
            }
            assert_eq!(others, 0, "{policy}");
        };
        let drawn = picture(LARGE);
        check(std::slice::from_ref(&drawn), json!({"images": drawn["images"], "content": ""})).await;
        check(&[call(5_000_000)], {
            let mut calls = call(5_000_000)["tool_calls"].clone();
            calls[0].as_object_mut().expect("a call").remove("index");
            json!({"tool_calls": calls})
        })
        .await;
        check(
            &[
                sound(LARGE),
                json!({"audio": {"id": "audio_1", "transcript": "Mi"}}),
                json!({"audio": {"transcript": "aow"}}),
            ],
            json!({"audio": {"id": "audio_1", "data": base64(LARGE), "transcript": "Miaow"}}),
        )
        .await;
        check(
            &[json!({"audio": {"id": "a", "data": "AA=="}}), json!({"audio": {"id": "a", "data": "AQI="}})],
            json!({"audio": {"id": "a", "data": "AAEC"}}),
        )
        .await;
    }
}

/// A whole call in one event reaches clients of the other APIs, from upstreams of each.
#[tokio::test(start_paused = true)]
async fn a_large_call_is_converted() {
    let arguments = json!({"text": base64(5_000_000)}).to_string();
    let claude = {
        let said = [
            json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c",
                   "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0,
                   "content_block": {"type": "tool_use", "id": "toolu_1", "name": "write", "input": {}}}),
            json!({"type": "content_block_delta", "index": 0,
                   "delta": {"type": "input_json_delta", "partial_json": arguments}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}),
            json!({"type": "message_stop"}),
        ];
        let events = said.iter().fold(String::new(), |mut events, said| {
            let _ = write!(events, "{}", anthropic::event(said));
            events
        });
        Script::events().chunk(events).end()
    };
    let gemini = {
        let call = json!({"functionCall": {"name": "write", "args": {"text": base64(5_000_000)}}});
        let said = json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [call]},
                                          "finishReason": "STOP"}],
                          "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5}});
        Script::events().event(said).end()
    };
    let tools =
        json!([{"type": "function", "function": {"name": "write", "parameters": {"type": "object"}}}]);
    let chat = json!({"model": "auto", "stream": true, "tools": tools, "messages": [{"role": "user", "content": "Go"}]});
    let messages = json!({"model": "auto", "stream": true, "max_tokens": 9000, "messages": [{"role": "user", "content": "Go"}],
                          "tools": [{"name": "write", "input_schema": {"type": "object"}}]});
    let responses = json!({"model": "auto", "stream": true, "input": "Go",
                           "tools": [{"type": "function", "name": "write", "parameters": {"type": "object"}}]});
    let needle = base64(5_000_000);
    for (provider, script) in
        [("openai", stream(&[call(5_000_000)])), ("anthropic", claude), ("gemini", gemini)]
    {
        for (path, body) in [(CHAT, &chat), ("/v1/messages", &messages), ("/v1/responses", &responses)] {
            let lines = [&*format!("provider: {provider}"), "accepts: [text, tools]"];
            let (answer, others) = asked(script.clone(), &lines, FIXED, path, body).await;
            let told = answer.text();
            assert!(
                told.contains(&needle) && !told.contains("upstream_truncated"),
                "{provider} {path}: {:.300}",
                told
            );
            assert_eq!(others, 0, "{provider} {path}");
        }
    }
}

/// What one request draws keeps no other from the endpoint.
#[tokio::test(start_paused = true)]
async fn too_large_a_picture_ejects_nobody() {
    let drawn = (0..8).map(|_| stream(&[picture(70_000)]));
    let small = Scripted::start(in_turn(drawn.chain([Reply::text("small").stream(true)]))).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway =
        Setup::ladder(&small.base_url(), &large.base_url()).model("small", "max_event: 64KiB").start().await;
    for _ in 0..8 {
        assert_eq!(gateway.ask(&openai::ask_stream("auto", "Draw a cat")).await.content(), "large");
    }
    assert_eq!(gateway.ask(&openai::ask_stream("auto", "Hello")).await.content(), "small");
}

/// What is larger than the configuration takes ends the stream, and never looks complete.
#[tokio::test(start_paused = true)]
async fn the_bound_holds() {
    let text = json!({"content": "Here it is."});
    let body = openai::ask_stream("auto", "Draw a cat");
    let lines = ["max_event: 64KiB"];
    let check = async |size: usize, first: &[Value]| {
        let deltas: Vec<Value> = first.iter().cloned().chain([picture(size)]).collect();
        asked(stream(&deltas), &lines, FIXED, CHAT, &body).await
    };
    let (answer, _) = check(60_000, std::slice::from_ref(&text)).await;
    assert!(answer.has_done() && answer.error().is_none());
    let (answer, _) = check(70_000, &[text]).await;
    assert!(!answer.has_done() && answer.error().is_some(), "{}", answer.text());
    // Before anything was said another rung answers.
    let (answer, others) = check(70_000, &[]).await;
    assert_eq!((answer.content().as_str(), others), ("large", 1));
}
