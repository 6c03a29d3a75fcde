//! `/v1/responses`: answered by upstreams that speak chats.

use std::time::Duration;

use end_to_end::openai::{self, Reply, UsageShape};
use end_to_end::scripted::{Script, Scripted, Step};
use end_to_end::setup::Setup;
use end_to_end::sse::{self, Event};
use serde_json::{Value, json};

const PATH: &str = "/v1/responses";

fn ask(input: impl Into<Value>) -> Value {
    json!({"model": "auto", "input": input.into()})
}

fn streamed(input: impl Into<Value>) -> Value {
    let mut body = ask(input);
    body["stream"] = true.into();
    body
}

/// The response at the end of a stream; fails where events are out of order, or do not add up to it.
fn response(events: &[Event]) -> Value {
    let mut items: Vec<Value> = Vec::new();
    let mut texts = String::new();
    for (number, event) in events.iter().enumerate() {
        let data = event.json();
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(event.name), &json!(number)));
        let at = data["output_index"].as_u64().map(|at| at as usize);
        match event.name.as_str() {
            "response.created" => {
                assert_eq!((number, &data["response"]["status"]), (0, &json!("in_progress")))
            }
            "response.in_progress" => assert_eq!(number, 1),
            "response.output_item.added" => {
                assert_eq!(at, Some(items.len()));
                assert_eq!(data["item"]["status"], "in_progress");
                items.push(data["item"].clone());
                texts.clear();
            }
            "response.output_item.done" => {
                assert_eq!(
                    (at, &data["item"]["id"]),
                    (Some(items.len() - 1), &items[at.expect("it is there")]["id"])
                );
                items[at.expect("it is there")] = data["item"].clone();
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                assert_eq!(number + 1, events.len());
                assert_eq!(data["response"]["output"], Value::Array(items.clone()));
                assert_eq!(
                    event.name,
                    format!("response.{}", data["response"]["status"].as_str().expect("it is there"))
                );
                return data["response"].clone();
            }
            name => {
                assert_eq!(
                    (at, &data["item_id"]),
                    (Some(items.len() - 1), &items[at.expect("it is there")]["id"]),
                    "{name}"
                );
                texts += data["delta"].as_str().unwrap_or_default();
                for whole in ["text", "arguments"].into_iter().filter_map(|member| data[member].as_str()) {
                    assert_eq!(whole, texts, "{name}");
                }
            }
        }
    }
    panic!("no end in {events:?}");
}

/// The items without their ids.
fn plain(response: &Value) -> Value {
    let mut items = response["output"].clone();
    for item in items.as_array_mut().expect("it is there") {
        assert!(item.as_object_mut().expect("it is there").remove("id").is_some());
    }
    items
}

fn said(text: &str, status: &str) -> Value {
    let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    json!([{"type": "message", "role": "assistant", "status": status, "content": [part]}])
}

#[tokio::test]
async fn whole_and_streamed_say_the_same() {
    let check = async |reply: Reply, output: Value, status: &str| {
        let upstream = Scripted::start(reply).await;
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
            .every_model("accepts: [text, tools]")
            .start()
            .await;
        let whole = gateway.post(PATH, &[], &ask("hi")).await;
        assert_eq!(whole.status(), 200, "{}", whole.text());
        let whole = whole.json();
        let answer = gateway.post(PATH, &[], &streamed("hi")).await;
        assert!(!answer.has_done(), "this dialect has no such marker");
        let stream = response(&answer.events());
        for (kind, response) in [("whole", &whole), ("streamed", &stream)] {
            assert_eq!(plain(response), output, "{kind}");
            assert_eq!(
                (&response["object"], &response["status"]),
                (&json!("response"), &json!(status)),
                "{kind}"
            );
            assert_eq!(
                (&response["store"], &response["model"]),
                (&json!(false), &json!("scripted-1")),
                "{kind}"
            );
            assert_eq!(response["created_at"], 1_750_000_000, "{kind}");
            assert!(response["id"].as_str().unwrap().starts_with("resp_"));
            assert!(response["usage"]["cost"].as_f64().unwrap() > 0.0, "{kind}");
        }
        stream
    };
    let response =
        check(Reply::text("Paris, 巴黎.").input(11, 4), said("Paris, 巴黎.", "completed"), "completed").await;
    let usage = json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 4}, "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15, "cost": response["usage"]["cost"]});
    assert_eq!(response["usage"], usage);
    let response =
        check(Reply::text("so long").ending("length"), said("so long", "incomplete"), "incomplete").await;
    assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens");
    let response =
        check(Reply::text("a b").usage(UsageShape::Never), said("a b", "completed"), "completed").await;
    assert_eq!(response["usage"]["estimated"], true);
    let mut thinking = json!([{"type": "reasoning", "summary": [], "encrypted_content": null, "status": "completed",
        "content": [{"type": "reasoning_text", "text": "let me see"}]}]);
    thinking.as_array_mut().unwrap().extend(said("7", "completed").as_array().unwrap().clone());
    check(Reply::text("7").thinking("let me see"), thinking, "completed").await;
    let call = |id: &str, name: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments, "status": "completed"});
    let calls = json!([call("call_0", "weather", r#"{"city": "巴黎"}"#), call("call_1", "time", "{}")]);
    let reply = Reply::pieces::<String>([]).calling("weather", r#"{"city": "巴黎"}"#).calling("time", "{}");
    check(reply.ending("tool_calls"), calls, "completed").await;
}

#[tokio::test]
async fn a_request_becomes_a_chat() {
    let upstream = Scripted::start(Reply::text("x")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("accepts: [text, image, tools, json_schema]")
        .start()
        .await;
    let schema = json!({"type": "object", "properties": {}});
    let body = json!({
        "model": "small", "instructions": "Be brief.", "max_output_tokens": 64, "temperature": 0.5, "store": true,
        "metadata": {"k": "v"}, "reasoning": {"effort": "low", "summary": "auto"}, "parallel_tool_calls": false,
        "include": ["reasoning.encrypted_content"],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "weather", "parameters": schema, "strict": false, "description": null}],
        "tool_choice": {"type": "function", "name": "weather"},
        "input": [
            {"role": "developer", "content": "d"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "See"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}], "encrypted_content": "e"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}", "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"role": "user", "content": "So?"},
        ],
    });
    let answer = gateway.post(PATH, &[], &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("x-xietong-left-out"), Some("encrypted_content, include"));
    let function = json!({"name": "weather", "parameters": schema, "strict": false});
    let expected = json!({
        "model": "small-upstream", "max_tokens": 64, "temperature": 0.5, "reasoning_effort": "low", "verbosity": "low",
        "parallel_tool_calls": false, "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}},
        "messages": [
            {"role": "system", "content": "Be brief.\n\nd"},
            {"role": "user", "content": [{"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}]},
            {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "user", "content": "So?"},
        ],
    });
    assert_eq!(upstream.only().request.json(), expected);
    let response = answer.json();
    for name in
        ["instructions", "metadata", "text", "tools", "tool_choice", "temperature", "max_output_tokens"]
    {
        assert_eq!(response[name], body[name], "{name}");
    }
    assert_eq!(response["store"], false);
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
        let error = answer.json()["error"].clone();
        assert_eq!(
            (&error["type"], &error["param"]),
            (&json!("invalid_request_error"), &json!(named)),
            "{error}"
        );
        assert!(error["message"].as_str().unwrap().contains(named));
    };
    check("previous_response_id", json!("resp_1"), "previous_response_id").await;
    check("conversation", json!("c"), "conversation").await;
    check("prompt", json!({"id": "p"}), "prompt").await;
    check("background", json!(true), "background").await;
    check("input", json!([]), "input").await;
    check("input", json!(7), "input").await;
    check("input", json!([{"type": "item_reference", "id": "i"}]), "input[0].type").await;
    check("input", json!([{"role": "robot", "content": "x"}]), "input[0].role").await;
    check(
        "input",
        json!([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]),
        "input[0].content[0].file_id",
    )
    .await;
    check("tools", json!([{"type": "web_search"}]), "tools[0].type").await;
    check("text", json!({"format": {"type": "grammar"}}), "text.format.type").await;
    check("vendor_field", json!(2), "vendor_field").await;
    check("max_output_tokens", json!("x"), "max_output_tokens").await;
    assert!(upstream.seen().is_empty());
    let answer = gateway.get("/v1/responses/resp_1").await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (404, &json!("unknown_url")));
}

#[tokio::test]
async fn errors_and_cuts_are_told_in_events() {
    let upstream = Scripted::start(openai::error(503, "x")).await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).every_model("retries: 0").start().await;
    for body in [ask("x"), streamed("x")] {
        let answer = gateway.post(PATH, &[], &body).await;
        assert_eq!((answer.status(), &answer.json()["error"]["code"]), (503, &json!("upstream_unavailable")));
    }
    let upstream =
        Scripted::start(Reply::text("one two three").stream(true).until_chunk(3).step(Step::Reset)).await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).route("resume: never").start().await;
    let answer = gateway.post(PATH, &[], &streamed("x")).await;
    let events = answer.events();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names[names.len() - 2..], ["error", "response.failed"], "{names:?}");
    assert!(!names.contains(&"response.completed"));
    let error = events[names.len() - 2].json();
    assert_eq!(
        (&error["code"], &error["error"]["code"]),
        (&json!("upstream_truncated"), &json!("upstream_truncated"))
    );
    let failed = events[names.len() - 1].json();
    assert_eq!(
        (&failed["response"]["status"], &failed["response"]["error"]["code"]),
        (&json!("failed"), &json!("upstream_truncated"))
    );
    let numbers: Vec<_> =
        events.iter().map(|event| event.json()["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_silent_upstream_is_waited_for() {
    let script = Script::default().pause(Duration::from_secs(17)).then(Reply::text("late").stream(true));
    let upstream = Scripted::start(script).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("timeouts: {first_token: 1m}")
        .start()
        .await;
    let answer = gateway.post(PATH, &[], &streamed("x")).await;
    assert_eq!(sse::comments(&answer.body), 2);
    assert_eq!(plain(&response(&answer.events())), said("late", "completed"));
}

/// How probable the tokens of the text were is asked for and told in this dialect's words.
#[tokio::test]
async fn probabilities_are_told_to_who_asks() {
    let upstream = Scripted::start(Reply::pieces(["Paris", " is", " it"]).probable(0.5)).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let body = |stream: bool, more: Value| {
        let mut body = if stream { streamed("hi") } else { ask("hi") };
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let include = json!(["message.output_text.logprobs"]);
    for stream in [false, true] {
        let wanted = json!({"include": include, "top_logprobs": 2});
        let answer = gateway.post(PATH, &[], &body(stream, wanted)).await;
        assert_eq!((answer.status(), answer.header("x-xietong-left-out")), (200, None), "{}", answer.text());
        let told = if stream { response(&answer.events()) } else { answer.json() };
        let tokens = told["output"][0]["content"][0]["logprobs"].as_array().unwrap().clone();
        let texts: Vec<_> = tokens.iter().filter_map(|token| token["token"].as_str()).collect();
        assert_eq!(texts.concat(), "Paris is it", "{told}");
        assert!(tokens.iter().all(|token| (token["logprob"].as_f64().unwrap() - 0.5f64.ln()).abs() < 1e-6));
        if stream {
            let deltas =
                answer.events().into_iter().filter(|event| event.name == "response.output_text.delta");
            let each: Vec<Value> =
                deltas.flat_map(|event| event.json()["logprobs"].as_array().unwrap().clone()).collect();
            assert_eq!(each, tokens);
        }
    }
    let asked = upstream.seen().iter().map(|seen| seen.request.json()).collect::<Vec<_>>();
    assert!(asked.iter().all(|sent| (&sent["logprobs"], &sent["top_logprobs"]) == (&json!(true), &json!(2))));
    // Who has not asked is told nothing, and the upstream is not asked.
    let answer = gateway.post(PATH, &[], &ask("hi")).await;
    assert_eq!(answer.json()["output"][0]["content"][0]["logprobs"], json!([]));
    assert_eq!(upstream.seen().last().unwrap().request.json()["logprobs"], Value::Null);
}
