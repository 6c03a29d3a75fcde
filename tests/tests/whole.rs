//! Whole answers: what is asked reaches the upstream, and what it says reaches the client.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use end_to_end::wire;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_route_chooses_and_a_name_does_not() {
    let small = Scripted::start(Reply::text("from small").model("small-1")).await;
    let large = Scripted::start(Reply::text("from large").model("large-1")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
    for (asked, configured, content, model) in [
        ("auto", "small", "from small", "small-1"),
        ("small", "small", "from small", "small-1"),
        ("large", "large", "from large", "large-1"),
    ] {
        let answer = gateway.ask(&openai::ask(asked, "Hello")).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(answer.content(), content);
        assert_eq!(answer.json()["model"], model);
        assert_eq!(answer.header("x-xietong-model"), Some(configured));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!((small.seen().len(), large.seen().len()), (2, 1));
}

/// Numbers, order, spacing and unknown fields stay as the client wrote them; only the model's name is ours.
#[tokio::test(start_paused = true)]
async fn the_request_reaches_the_upstream_unchanged() {
    let small = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
    let sent = r#"{"zeta":1.50,  "model":"small","messages":[{"role":"user","content":"caf\u00e9 巴黎","x":[1e2]}],
        "n":1,"vendor_field":{"deep":[null,true,123456789012345678901234567890]},"temperature":0.30}"#;
    let answer = gateway.say(&wire::request("POST", "/v1/chat/completions", &[], sent.as_bytes())).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let seen = small.only();
    let received = String::from_utf8(seen.request.body.clone()).expect("UTF-8");
    let expected = sent.replace(r#""model":"small""#, r#""model":"small-upstream""#);
    assert_eq!(received, expected);
    assert_eq!((seen.request.method(), seen.request.path()), ("POST", "/v1/chat/completions"));
}

#[tokio::test(start_paused = true)]
async fn the_upstream_sees_our_key_and_nothing_of_the_client() {
    let small = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&small.base_url(), &small.base_url())
        .top("clients: [{name: team, key: team-key}]")
        .start()
        .await;
    let headers = [
        ("authorization", "Bearer team-key"),
        ("cookie", "session=1"),
        ("x-forwarded-for", "10.1.2.3"),
        ("api-key", "team-key"),
        ("connection", "keep-alive"),
        ("accept-encoding", "gzip"),
    ];
    let answer = gateway.ask_with(&headers, &openai::ask("auto", "Hello")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let request = &small.only().request;
    assert_eq!(request.header("authorization"), Some(format!("Bearer {UPSTREAM_KEY}").as_str()));
    for name in ["cookie", "x-forwarded-for", "api-key", "x-api-key"] {
        assert_eq!(request.header(name), None, "{name}");
    }
    assert!(request.head.headers.iter().all(|(_, value)| !value.contains("team-key")));
    assert!(request.header("accept-encoding").is_none_or(|coding| coding == "identity"));
    assert_eq!(request.header("content-type"), Some("application/json"));
}

/// Byte for byte, but for the cost in `usage`.
#[tokio::test(start_paused = true)]
async fn the_answer_reaches_the_client_unchanged() {
    let said = r#"{ "id":"x", "object":"chat.completion","created":1, "model":"m-1","vendor":{"a":1.50},
      "choices":[{"index":0,"message":{"role":"assistant","content":"caf\u00e9"},"finish_reason":"stop"}],
      "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}, "big":123456789012345678901234567890 }"#;
    let whole = Script::whole(200, &[("content-type", "application/json")], said);
    let in_chunks =
        Script::chunked(200, &[("content-type", "application/json")]).chunk(said).in_pieces(7).end();
    // Some providers send blank lines while a request waits.
    let after_blank_lines =
        Script::whole(200, &[("content-type", "application/json")], format!("\n\n{said}"));
    for script in [whole, in_chunks, after_blank_lines] {
        let small = Scripted::start(script).await;
        let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
        let answer = gateway.ask(&openai::ask("auto", "Hello")).await;
        assert_eq!((answer.status(), answer.complete), (200, true), "{}", answer.text());
        let text = answer.text();
        let start = text.find(r#","cost":"#).unwrap_or_else(|| panic!("no cost in {text}"));
        let end = start + text[start..].find('}').expect("usage ends");
        assert_eq!([&text[..start], &text[end..]].concat().trim(), said);
        assert!(answer.usage()["cost"].as_f64().is_some_and(|cost| (cost - 7e-6).abs() < 1e-12), "{text}");
    }
}

/// A whole answer gathered from a stream is the same answer.
#[tokio::test(start_paused = true)]
async fn a_whole_answer_can_be_gathered_from_a_stream() {
    let reply = Reply::text("It is 巴黎.").thinking("Well now").input(20, 5).model("m-2");
    let small = Scripted::start(reply.clone()).await;
    let gateway =
        Setup::ladder(&small.base_url(), &small.base_url()).every_model("whole_as: stream").start().await;
    let answer = gateway.ask(&openai::ask("auto", "Where?")).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert!(small.only().request.asks_stream() && small.only().request.asks_usage());
    let (found, expected) = (answer.json(), reply.object());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    for pointer in [
        "/object",
        "/model",
        "/choices/0/message/content",
        "/choices/0/message/reasoning_content",
        "/choices/0/message/role",
        "/choices/0/finish_reason",
        "/usage/prompt_tokens",
        "/usage/completion_tokens",
    ] {
        assert_eq!(found.pointer(pointer), expected.pointer(pointer), "{pointer} in {found}");
    }
}

#[tokio::test(start_paused = true)]
async fn tools_pass_both_ways() {
    for whole_as in ["whole_as: pass", "whole_as: stream"] {
        let reply = Reply::text("").calling("weather", r#"{"city":"巴黎"}"#).calling("time", "{}");
        let small = Scripted::start(reply.clone()).await;
        let gateway = Setup::ladder(&small.base_url(), &small.base_url())
            .every_model("accepts: [text, tools]")
            .every_model(whole_as)
            .start()
            .await;
        let mut body = openai::ask("auto", "Weather in 巴黎?");
        let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        body["tools"] =
            json!([{"type": "function", "function": {"name": "weather", "parameters": parameters}}]);
        body["tool_choice"] = json!("auto");
        let answer = gateway.ask(&body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(small.only().request.json()["tools"], body["tools"]);
        let calls = |object: &serde_json::Value| object["choices"][0]["message"]["tool_calls"].clone();
        for (at, (found, expected)) in calls(&answer.json())
            .as_array()
            .expect("calls")
            .iter()
            .zip(calls(&reply.object()).as_array().expect("calls"))
            .enumerate()
        {
            assert_eq!(
                (&found["id"], &found["function"]),
                (&expected["id"], &expected["function"]),
                "{at} {whole_as}"
            );
        }
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "tool_calls");
    }
}

#[tokio::test(start_paused = true)]
async fn models_are_listed() {
    let small = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
    let list = gateway.get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let names: Vec<_> =
        list["data"].as_array().expect("data").iter().map(|model| model["id"].clone()).collect();
    for name in ["auto", "small", "large"] {
        assert!(names.contains(&json!(name)), "{names:?}");
        let model = gateway.get(&format!("/v1/models/{name}")).await.json();
        assert_eq!((&model["id"], &model["object"]), (&json!(name), &json!("model")));
        assert!(model["created"].is_u64() && model["owned_by"].is_string(), "{model}");
    }
    let unknown = gateway.get("/v1/models/none").await;
    assert_eq!((unknown.status(), &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
    assert!(small.seen().is_empty());
}
