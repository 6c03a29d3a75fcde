//! Upstreams of other dialects behind a client of OpenAI's: Anthropic, Azure and Gemini, on real sockets.

use std::time::Duration;

use end_to_end::anthropic::{self, Message};
use end_to_end::clock::slowly;
use end_to_end::gateway::Gateway;
use end_to_end::gemini::{self, Content};
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Billed, End, Script, Scripted};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use end_to_end::wire;
use serde_json::{Value, json};

const PRICE: &str =
    "price: {input: 10, cached_input: 1, cache_write: 12.5, cache_write_hour: 20, output: 30}";

/// A gateway with one model `m` of this dialect, and `other` of OpenAI's behind it.
async fn gateway(provider: &str, upstream: &Scripted, other: &Scripted) -> Gateway {
    setup(provider, upstream, other).start().await
}

fn setup(provider: &str, upstream: &Scripted, other: &Scripted) -> Setup {
    let root = |upstream: &Scripted| format!("http://{}", upstream.address);
    let address = if provider == "openai" { upstream.base_url() } else { root(upstream) };
    Setup::ladder(&address, &other.base_url())
        .model("small", &format!("provider: {provider}"))
        .model("small", PRICE)
        .model("small", "accepts: [text, image, tools, json_schema]")
        .route("fallback: up")
}

fn with_usage(mut body: Value) -> Value {
    body["stream_options"] = json!({"include_usage": true});
    body
}

fn large() -> Reply {
    Reply::text("from large")
}

/// The same answer by every dialect, whole and streamed: text, thoughts, calls, usage and cost.
#[tokio::test(start_paused = true)]
async fn an_answer_is_the_same_by_every_dialect() {
    let message = || {
        Message::pieces(["巴黎", " is ", "it"])
            .thinking("hm")
            .calling("weather", r#"{"city":"巴黎"}"#)
            .prompt([60, 40, 0, 0])
    };
    let content = || {
        Content::pieces(["巴黎", " is ", "it"])
            .thinking("hm")
            .calling("weather", json!({"city": "巴黎"}))
            .prompt(100, 40)
    };
    let (other, billed) = (Scripted::start(large()).await, Billed { input: 100, cached: 40, output: 5 });
    for provider in ["anthropic", "gemini"] {
        for stream in [false, true] {
            let upstream = match provider {
                "anthropic" => Scripted::start(message()).await,
                _ => Scripted::start(content()).await,
            };
            assert_eq!((message().billed(), content().billed()), (billed, billed));
            let gateway = gateway(provider, &upstream, &other).await;
            let body = if stream { openai::ask_stream("auto", "hi") } else { openai::ask("auto", "hi") };
            let answer = gateway.ask(&if stream { with_usage(body) } else { body }).await;
            let label = format!("{provider}, stream {stream}: {}", answer.text());
            assert_eq!((answer.status(), answer.content().as_str()), (200, "巴黎 is it"), "{label}");
            assert_eq!(
                (answer.has_done(), answer.header("x-xietong-model")),
                (stream, Some("small")),
                "{label}"
            );
            let messages: Vec<Value> = match stream {
                true => answer.chunks().iter().map(|chunk| chunk["choices"][0]["delta"].clone()).collect(),
                false => vec![answer.json()["choices"][0]["message"].clone()],
            };
            let thoughts: String =
                messages.iter().filter_map(|it| it["reasoning_content"].as_str()).collect();
            let calls = || messages.iter().filter_map(|it| it["tool_calls"].as_array()).flatten();
            let arguments: String = calls().filter_map(|it| it["function"]["arguments"].as_str()).collect();
            let name = calls().find_map(|it| it["function"]["name"].as_str());
            assert_eq!((thoughts.as_str(), name), ("hm", Some("weather")), "{label}");
            assert_eq!(
                serde_json::from_str::<Value>(&arguments).expect("JSON"),
                json!({"city": "巴黎"}),
                "{label}"
            );
            let usage = answer.usage();
            let cost = (60.0 * 10.0 + 40.0 * 1.0 + 5.0 * 30.0) / 1e6;
            assert_eq!(
                (&usage["prompt_tokens"], &usage["completion_tokens"]),
                (&json!(100), &json!(5)),
                "{label}"
            );
            assert!((usage["cost"].as_f64().expect("a cost") - cost).abs() < 1e-9, "{label}");
            let metrics = gateway.settled().await;
            assert!((metrics.sum("xietong_cost_total", &[]) - cost).abs() < 1e-9, "{label}");
            assert_eq!(upstream.billed(), billed);
        }
    }
    assert!(other.seen().is_empty());
}

/// What leaves for each of them: the path, the key, and the words.
#[tokio::test(start_paused = true)]
async fn each_is_asked_in_its_own_words() {
    let other = Scripted::start(large()).await;
    let mut body = openai::ask_stream("small", "hi");
    body["max_tokens"] = json!(7);
    body["messages"][0]["content"] =
        json!([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]);
    let upstream = Scripted::start(Message::pieces(["x"])).await;
    gateway("anthropic", &upstream, &other).await.ask(&body).await;
    let request = &upstream.only().request;
    assert_eq!((request.path(), request.header("x-api-key")), ("/v1/messages", Some(UPSTREAM_KEY)));
    assert_eq!(
        (request.header("anthropic-version"), request.header("authorization")),
        (Some("2023-06-01"), None)
    );
    let text = json!({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}});
    assert_eq!(
        request.json(),
        json!({"messages": [{"role": "user", "content": [text]}], "model": "small-upstream", "max_tokens": 7, "stream": true})
    );
    let upstream = Scripted::start(Content::pieces(["x"])).await;
    gateway("gemini", &upstream, &other).await.ask(&body).await;
    let request = &upstream.only().request;
    let path = "/v1beta/models/small-upstream:streamGenerateContent?alt=sse";
    assert_eq!((request.path(), request.header("x-goog-api-key")), (path, Some(UPSTREAM_KEY)));
    assert_eq!(
        request.json(),
        json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 7}})
    );
    for (version, path) in [
        ("retries: 1", "/openai/v1/chat/completions"),
        (
            "api_version: 2024-10-21",
            "/openai/deployments/small-upstream/chat/completions?api-version=2024-10-21",
        ),
    ] {
        let upstream = Scripted::start(Reply::text("x")).await;
        setup("azure", &upstream, &other).model("small", version).start().await.ask(&body).await;
        let request = &upstream.only().request;
        assert_eq!((request.path(), request.header("api-key")), (path, Some(UPSTREAM_KEY)));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.json()["messages"], body["messages"]);
    }
}

/// Tokens written to a cache have the price of how long they are kept.
#[tokio::test(start_paused = true)]
async fn what_is_written_to_a_cache_has_its_price() {
    let other = Scripted::start(large()).await;
    for stream in [false, true] {
        let upstream =
            Scripted::start(Message::pieces(["a", "b", "c", "d"]).prompt([400, 100, 300, 200])).await;
        let gateway = gateway("anthropic", &upstream, &other).await;
        let body =
            if stream { with_usage(openai::ask_stream("small", "x")) } else { openai::ask("small", "x") };
        let answer = gateway.ask(&body).await;
        let cost = (400.0 * 10.0 + 100.0 * 1.0 + 300.0 * 12.5 + 200.0 * 20.0 + 4.0 * 30.0) / 1e6;
        assert!((answer.usage()["cost"].as_f64().expect("a cost") - cost).abs() < 1e-9, "{}", answer.text());
        assert_eq!(answer.usage()["prompt_tokens"], 1000);
        let metrics = gateway.settled().await;
        assert!((metrics.sum("xietong_cost_total", &[]) - cost).abs() < 1e-9);
    }
}

/// The dialect, what it answers, how often it is asked, and the status and code that the client gets; 200: of the other
/// model.
type Fault = (&'static str, Script, usize, u16, &'static str);

fn faults() -> Vec<Fault> {
    let info =
        |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    let claude = anthropic::error;
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "gemini-scripted"});
    let filtered = json!({"error": {"message": "The response was filtered.", "type": null, "param": "prompt",
        "code": "content_filter", "status": 400, "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    let poor = "Your credit balance is too low to access the Anthropic API.";
    vec![
        ("anthropic", claude(529, "overloaded_error", "Overloaded"), 2, 200, ""),
        ("anthropic", claude(429, "rate_limit_error", "Slow down"), 2, 200, ""),
        ("anthropic", claude(401, "authentication_error", "invalid x-api-key"), 1, 200, ""),
        ("anthropic", claude(400, "invalid_request_error", poor), 1, 200, ""),
        (
            "anthropic",
            claude(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            1,
            200,
            "",
        ),
        ("anthropic", claude(400, "invalid_request_error", "messages: no"), 1, 400, "upstream_refused"),
        ("anthropic", Script::json(200, &anthropic::error_object("api_error", "Oops")), 1, 200, ""),
        (
            "gemini",
            gemini::error(400, "INVALID_ARGUMENT", "API key not valid.", &info("API_KEY_INVALID")),
            1,
            200,
            "",
        ),
        ("gemini", gemini::error(429, "RESOURCE_EXHAUSTED", "Quota.", &json!([])), 2, 200, ""),
        ("gemini", gemini::error(503, "UNAVAILABLE", "Overloaded.", &json!([])), 2, 200, ""),
        (
            "gemini",
            gemini::error(400, "INVALID_ARGUMENT", "No such field.", &json!([])),
            1,
            400,
            "INVALID_ARGUMENT",
        ),
        ("gemini", Script::json(200, &blocked), 1, 400, "content_policy_violation"),
        ("azure", Script::json(400, &filtered), 1, 400, "content_filter"),
        ("azure", openai::error(404, "DeploymentNotFound"), 1, 200, ""),
    ]
}

/// An error before the first byte, by every dialect: what follows is what its meaning says, whatever its shape.
#[tokio::test(start_paused = true)]
async fn errors_have_their_consequences() {
    for (provider, script, asked, status, code) in faults() {
        for stream in [false, true] {
            let (upstream, other) = (Scripted::start(script.clone()).await, Scripted::start(large()).await);
            let setup = setup(provider, &upstream, &other);
            // A prompt that is too long goes to whoever has more context.
            let gateway =
                setup.model("small", "context: 8000").model("large", "context: 80000").start().await;
            let body = if stream { openai::ask_stream("auto", "x") } else { openai::ask("auto", "x") };
            let answer = gateway.ask(&body).await;
            let label = format!("{provider}, stream {stream}, {script:?}: {}", answer.text());
            assert_eq!((answer.status(), upstream.seen().len()), (status, asked), "{label}");
            if status == 200 {
                assert_eq!(answer.content(), "from large", "{label}");
            } else {
                assert_eq!(answer.json()["error"]["code"], code, "{label}");
                assert!(other.seen().is_empty(), "{label}");
            }
            assert!(!answer.text().contains(UPSTREAM_KEY));
        }
    }
}

/// In the middle of a stream an error, an end or a silence is an error event, and nothing looks complete.
#[tokio::test(start_paused = true)]
async fn what_breaks_off_never_looks_complete() {
    let overloaded = anthropic::event(&anthropic::error_object("overloaded_error", "Overloaded"));
    let unavailable = json!({"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}});
    let message = || Message::pieces(["one ", "two ", "three"]).stream().until_chunk(5);
    let content = || Content::pieces(["one ", "two ", "three"]).stream().until_chunk(2);
    let cases = [
        ("anthropic", message().chunk(overloaded).end()),
        ("anthropic", message().end()),
        ("anthropic", message().reset()),
        ("anthropic", message().stall()),
        ("gemini", content().event(unavailable).end()),
        ("gemini", content().end()),
        ("gemini", content().reset()),
        ("gemini", content().stall()),
    ];
    for (provider, script) in cases {
        let (upstream, other) = (Scripted::start(script.clone()).await, Scripted::start(large()).await);
        let gateway = setup(provider, &upstream, &other).route("resume: never").start().await;
        let answer = gateway.ask(&openai::ask_stream("auto", "x")).await;
        let label = format!("{provider} {script:?}: {}", answer.text());
        assert_eq!(
            (answer.status(), answer.content().as_str(), answer.has_done()),
            (200, "one two ", false),
            "{label}"
        );
        assert_eq!(answer.error().expect(&label)["code"], "upstream_truncated", "{label}");
        // A whole answer that is gathered from such a stream is asked of the other model.
        let gateway = setup(provider, &upstream, &other).model("small", "whole_as: stream").start().await;
        assert_eq!(gateway.ask(&openai::ask("auto", "x")).await.content(), "from large", "{label}");
    }
}

/// An answer that broke off goes on on a rung of another dialect.
#[tokio::test(start_paused = true)]
async fn an_answer_goes_on_in_another_dialect() {
    let cut = Scripted::start(Reply::text("one two three").stream(true).until_chunk(3).reset()).await;
    let claude = Scripted::start(Message::pieces(["thr", "ee"])).await;
    let gateway = Setup::ladder(&cut.base_url(), &format!("http://{}", claude.address))
        .model("large", "provider: anthropic")
        .model("large", "accepts: [text, prefill]")
        .start()
        .await;
    let answer = gateway.ask(&with_usage(openai::ask_stream("auto", "Count"))).await;
    assert_eq!((answer.content().as_str(), answer.has_done()), ("one two three", true), "{}", answer.text());
    assert_eq!(answer.usage()["resumed"], true);
    let turns = claude.only().request.json()["messages"].clone();
    assert_eq!(turns[1], json!({"role": "assistant", "content": [{"type": "text", "text": "one two"}]}));
}

/// A client that leaves stops the upstream, whatever it speaks.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_stops_the_upstream() {
    let other = Scripted::start(large()).await;
    for (provider, script) in [
        ("anthropic", Message::pieces(["one", "two"]).stream().until_chunk(5).stall()),
        ("gemini", Content::pieces(["one", "two"]).stream().until_chunk(2).stall()),
    ] {
        let upstream = Scripted::start(script).await;
        let gateway = setup(provider, &upstream, &other)
            .every_model("timeouts: {first_token: 5m, idle: 5m, total: 10m}")
            .start()
            .await;
        let mut live = gateway.open(&openai::ask_stream("auto", "x")).await;
        live.event().await.expect("an event");
        let left = tokio::time::Instant::now();
        live.leave();
        let (end, when) = slowly(upstream.only().end()).await;
        assert_eq!(end, End::PeerLeft, "{provider}");
        assert!(when.duration_since(left) <= Duration::from_secs(1), "{provider}");
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "abandoned")]), 1.0, "{provider}");
    }
}

/// A rung without words for a request is not asked; where no other may answer, the client hears which field it was.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_not_asked() {
    for (provider, fields, named) in [
        ("anthropic", json!({"seed": 7}), "'seed'"),
        ("anthropic", json!({"n": 2}), "'n'"),
        ("anthropic", json!({"logit_bias": {"1": 1}}), "'logit_bias'"),
        ("anthropic", json!({"response_format": {"type": "json_object"}}), "'response_format.type'"),
        ("gemini", json!({"logprobs": true}), "'logprobs'"),
        ("gemini", json!({"unheard_of": "x"}), "'unheard_of'"),
    ] {
        let upstream = Scripted::start(openai::error(500, "asked")).await;
        let other = Scripted::start(large()).await;
        let gateway = gateway(provider, &upstream, &other).await;
        let ask = |model: &str| {
            let mut body = openai::ask(model, "x");
            body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
            body
        };
        let answer = gateway.ask(&ask("small")).await;
        assert_eq!(
            (answer.status(), &answer.json()["error"]["code"]),
            (400, &json!("unsupported_by_models"))
        );
        assert!(answer.text().contains(named), "{}", answer.text());
        let answer = gateway.ask(&ask("auto")).await;
        assert_eq!(
            (answer.content().as_str(), upstream.seen().len()),
            ("from large", 0),
            "{provider} {fields}"
        );
    }
    // An answer that was begun is for who takes one.
    let (upstream, other) = (Scripted::start(Message::pieces(["x"])).await, Scripted::start(large()).await);
    let mut begun = openai::ask("auto", "Count");
    begun["messages"].as_array_mut().expect("messages").push(json!({"role": "assistant", "content": "one"}));
    let gateway = gateway("anthropic", &upstream, &other).await;
    assert_eq!(gateway.ask(&begun).await.content(), "from large");
}

/// Azure's stream begins with what its filter says of the prompt, and chunks carry annotations: all of it reaches the
/// client, and none of it is a first token.
#[tokio::test(start_paused = true)]
async fn azures_annotations_are_passed_on() {
    let filter = json!({"hate": {"filtered": false, "severity": "safe"}});
    let chunk = |choices: Value, more: (&str, Value)| {
        let mut chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 7, "model": "gpt", "choices": choices});
        chunk[more.0] = more.1;
        chunk
    };
    let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "finish_reason": finish, "content_filter_results": filter}]);
    let first = chunk(
        json!([]),
        ("prompt_filter_results", json!([{"prompt_index": 0, "content_filter_results": filter}])),
    );
    let none = ("usage", Value::Null);
    let script = Script::events()
        .event(&first)
        .event(chunk(choice(json!({"role": "assistant", "content": ""}), Value::Null), none.clone()))
        .event(chunk(choice(json!({"content": "hi"}), Value::Null), none.clone()))
        .event(chunk(choice(json!({}), json!("content_filter")), none))
        .event("[DONE]")
        .end();
    let (upstream, other) = (Scripted::start(script).await, Scripted::start(large()).await);
    let answer = gateway("azure", &upstream, &other).await.ask(&openai::ask_stream("auto", "x")).await;
    assert_eq!((answer.content().as_str(), answer.has_done()), ("hi", true), "{}", answer.text());
    let chunks = answer.chunks();
    assert_eq!(chunks[0], first);
    assert_eq!(chunks[2]["choices"][0]["content_filter_results"], filter);
    assert_eq!(chunks[3]["choices"][0]["finish_reason"], "content_filter");
}

/// A cascade judges an answer of any dialect: JSON that is none goes up.
#[tokio::test(start_paused = true)]
async fn a_cascade_judges_every_dialect() {
    let other = Scripted::start(Reply::text("{\"a\": 1}")).await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    for (said, from) in [("{\"a\": 7}", "small"), ("sorry", "large")] {
        for stream in [false, true] {
            let upstream = Scripted::start(Message::pieces([said])).await;
            let gateway = setup("anthropic", &upstream, &other)
                .policy("{kind: cascade, policy: {kind: fixed, model: small}}")
                .start()
                .await;
            let mut body =
                if stream { openai::ask_stream("auto", "JSON") } else { openai::ask("auto", "JSON") };
            body["response_format"] = format.clone();
            let answer = gateway.ask(&body).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let expected = if from == "small" { said } else { "{\"a\": 1}" };
            assert_eq!(answer.content(), expected, "stream {stream}: {}", answer.text());
            assert_eq!(upstream.only().request.json()["output_config"]["format"]["schema"], schema);
        }
    }
}

const MESSAGES: &str = "/v1/messages";

/// A client of Anthropic's API before an upstream of the same: what the gateway does not know reaches the upstream, and
/// the answer comes as it came, but for what it cost.
#[tokio::test(start_paused = true)]
async fn the_same_dialect_on_both_sides_is_passed_through() {
    let answer = Message::pieces(["one ", "two"]).thinking("hm").calling("f", "{}").prompt([5, 3, 2, 1]);
    for stream in [false, true] {
        let upstream = Scripted::start(answer.clone()).await;
        let gateway = gateway("anthropic", &upstream, &Scripted::start(large()).await).await;
        let asked = format!(
            r#"{{ "model":"small","max_tokens":50,"stream":{stream}, "unheard_of":{{"b":1, "a":[2]}},"mcp_servers":[],
            "system":[{{"type":"text","text":"x","cache_control":{{"type":"ephemeral","ttl":"1h"}}}}],
            "messages":[{{"role":"user","content":[{{"type":"novel","x":1}},{{"type":"text","text":"hi"}}]}}]}}"#
        );
        let headers = [("anthropic-beta", "novel-2026-11-01")];
        let told = gateway.say(&wire::request("POST", MESSAGES, &headers, asked.as_bytes())).await;
        let request = &upstream.only().request;
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        assert_eq!(sent, asked.replace("\"small\"", "\"small-upstream\""));
        assert_eq!(request.header("anthropic-beta"), Some("novel-2026-11-01"));
        assert_eq!((told.status(), told.header("x-xietong-left-out")), (200, None), "{}", told.text());
        let cost = (5.0 * 10.0 + 3.0 + 2.0 * 12.5 + 20.0 + 4.0 * 30.0) / 1e6;
        let expected: String = match stream {
            false => answer.object().to_string(),
            true => answer.events().iter().map(anthropic::event).collect(),
        };
        let place = told.text().find(",\"cost\":").expect("a cost");
        let rest = told.text()[place..].find('}').expect("an end") + place;
        let found: f64 = told.text()[place + 8..rest].parse().expect("a number");
        assert!((found - cost).abs() < 1e-9, "{found} and {cost}");
        let without = told.text()[..place].to_owned() + &told.text()[rest..];
        assert_eq!(without, expected, "byte for byte");
        let metrics = gateway.settled().await;
        assert!((metrics.sum("xietong_cost_total", &[]) - cost).abs() < 1e-9);
    }
}

/// Such a stream that breaks off ends with an error in its own words, and without its marker.
#[tokio::test(start_paused = true)]
async fn what_is_passed_through_and_breaks_off_never_looks_complete() {
    let error = anthropic::event(&anthropic::error_object("overloaded_error", "Overloaded"));
    let begun = |count| Message::pieces(["one ", "two"]).stream().until_chunk(count);
    for script in [begun(5).end(), begun(5).reset(), begun(5).chunk(error).end(), begun(6).stall()] {
        let (upstream, other) = (Scripted::start(script.clone()).await, Scripted::start(large()).await);
        let gateway = gateway("anthropic", &upstream, &other).await;
        let body = json!({"model": "auto", "max_tokens": 50, "stream": true, "messages": [{"role": "user", "content": "x"}]});
        let told = gateway.say(&wire::request("POST", MESSAGES, &[], body.to_string().as_bytes())).await;
        let names: Vec<String> = told.events().into_iter().map(|event| event.name).collect();
        assert_eq!(names.last().map(String::as_str), Some("error"), "{script:?}: {}", told.text());
        assert!(!names.iter().any(|name| name == "message_stop" || name == "message_delta"), "{names:?}");
        assert_eq!(names.iter().filter(|name| *name == "message_start").count(), 1, "{names:?}");
    }
}

/// What only Anthropic's own models can be told is told to no other: without one that may be asked it is a 400 with the
/// field's name, in the client's dialect.
#[tokio::test(start_paused = true)]
async fn what_only_the_clients_dialect_says_is_for_its_own_upstreams() {
    let (upstream, other) =
        (Scripted::start(Message::pieces(["of claude"])).await, Scripted::start(large()).await);
    let body = |model: &str| json!({"model": model, "max_tokens": 50, "unheard_of": 1, "messages": [{"role": "user", "content": "x"}]});
    // The larger model is Anthropic's; the smaller one, which would be asked, is not.
    let gateway = Setup::ladder(&other.base_url(), &format!("http://{}", upstream.address))
        .model("large", "provider: anthropic")
        .start()
        .await;
    let say = |model: &str| wire::request("POST", MESSAGES, &[], body(model).to_string().as_bytes());
    let told = gateway.say(&say("auto")).await;
    assert_eq!(told.json()["content"][0]["text"], "of claude", "{}", told.text());
    let told = gateway.say(&say("small")).await;
    assert_eq!((told.status(), &told.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    assert!(told.text().contains("unheard_of"), "{}", told.text());
    assert!(other.seen().is_empty());
}

/// Thoughts that the gateway put into Anthropic's words for another provider's model are signed by nobody, and no model of
/// Anthropic's would take them back.
#[tokio::test(start_paused = true)]
async fn unsigned_thoughts_are_not_sent_to_anthropic() {
    let upstream = Scripted::start(Message::pieces(["x"])).await;
    let gateway = gateway("anthropic", &upstream, &Scripted::start(large()).await).await;
    let thought = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    let text = json!({"type": "text", "text": "a"});
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [thought(""), text]},
        {"role": "user", "content": "y"},
        {"role": "assistant", "content": [thought("signed"), text]},
        {"role": "user", "content": "z"},
    ]);
    let body = json!({"model": "small", "max_tokens": 50, "messages": messages});
    gateway.say(&wire::request("POST", MESSAGES, &[], body.to_string().as_bytes())).await;
    let sent = upstream.only().request.json()["messages"].clone();
    assert_eq!(sent[1]["content"], json!([text]));
    assert_eq!(sent[3]["content"], json!([thought("signed"), text]));
}

/// An answer that its client began is for models that go on with one, whatever they speak: one that is said to serve other
/// things is not asked, and one that goes on is told in its provider's way.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_begun_is_for_who_goes_on_with_it() {
    let chat = json!([{"role": "user", "content": "x"}, {"role": "assistant", "content": "one"}]);
    let messages = json!({"model": "auto", "max_tokens": 9, "messages": chat});
    for (accepts, asked) in [("[text, tools]", 0), ("[text, prefill]", 1)] {
        for (path, body) in [
            ("/v1/chat/completions", json!({"model": "auto", "messages": chat})),
            (MESSAGES, messages.clone()),
        ] {
            let (upstream, other) = (Scripted::start(large()).await, Scripted::start(large()).await);
            let gateway = Setup::ladder(&upstream.base_url(), &other.base_url())
                .model("small", &format!("accepts: {accepts}"))
                .start()
                .await;
            let answer = gateway.post(path, &[], &body).await;
            assert_eq!((answer.status(), upstream.seen().len()), (200, asked), "{accepts} {path}");
            let answer =
                gateway.post(path, &[], &json!({"model": "small", "max_tokens": 9, "messages": chat})).await;
            assert_eq!(answer.status(), if asked == 0 { 400 } else { 200 }, "{accepts} {path}");
        }
    }
    let upstream = Scripted::start(large()).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .model("small", "preset: vllm")
        .model("small", "accepts: [text, prefill]")
        .start()
        .await;
    assert_eq!(gateway.post(MESSAGES, &[], &messages).await.status(), 200);
    let sent = upstream.only().request.json();
    assert_eq!(
        (&sent["continue_final_message"], &sent["add_generation_prompt"]),
        (&json!(true), &json!(false))
    );
}

/// What a client of any dialect says of thinking and of the longest answer reaches a host in the words of its preset.
#[tokio::test(start_paused = true)]
async fn a_preset_knows_its_hosts_words() {
    let asked = [
        (
            "/v1/chat/completions",
            json!({"reasoning_effort": "medium", "max_completion_tokens": 9000, "messages": [{"role": "user", "content": "x"}]}),
        ),
        (
            "/v1/responses",
            json!({"reasoning": {"effort": "medium"}, "max_output_tokens": 9000, "input": "x"}),
        ),
        (
            MESSAGES,
            json!({"thinking": {"type": "enabled", "budget_tokens": 8000}, "max_tokens": 9000, "messages": [{"role": "user", "content": "x"}]}),
        ),
    ];
    for (path, mut body) in asked {
        body["model"] = json!("small");
        for (preset, fields) in [
            (
                "deepseek",
                json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high", "max_tokens": 9000}),
            ),
            ("dashscope", json!({"enable_thinking": true, "thinking_budget": 8192, "max_tokens": 9000})),
        ] {
            let upstream = Scripted::start(large()).await;
            let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
                .model("small", &format!("preset: {preset}"))
                .model("small", "whole_as: pass")
                .start()
                .await;
            let answer = gateway.post(path, &[], &body).await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let mut expected =
                json!({"model": "small-upstream", "messages": [{"role": "user", "content": "x"}]});
            expected
                .as_object_mut()
                .expect("an object")
                .extend(fields.as_object().expect("an object").clone());
            assert_eq!(upstream.only().request.json(), expected, "{preset} {path}");
        }
    }
}
