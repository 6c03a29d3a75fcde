//! The model in this process, with its real weights, asked over HTTP.

use std::path::{Path, PathBuf};

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use serde_json::{Value, json};

/// The weights of the smallest embedded model, where `xietong fetch` puts them; `None` passes a test over.
fn weights() -> Option<PathBuf> {
    if std::env::var("XIETONG_NO_WEIGHTS").is_ok_and(|value| value == "1") {
        return None;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/SmolLM2-135M-Instruct.Q4_1.gguf");
    let words =
        "fetch the weights with `xietong fetch smollm2-135m`, or set XIETONG_NO_WEIGHTS=1 to pass this over";
    assert!(file.exists(), "{} is missing: {words}", file.display());
    Some(file)
}

async fn start(weights: &Path) -> (Gateway, Scripted) {
    let large = Scripted::start(Reply::text("from large")).await;
    let setup =
        Setup::ladder(&large.base_url(), &large.base_url()).embedded("tiny", &weights.display().to_string());
    (setup.policy("{kind: threshold, at: [0.9, 0.9]}").start().await, large)
}

#[tokio::test]
async fn it_knows_the_capital_of_france() {
    let Some(weights) = weights() else { return };
    let (gateway, large) = start(&weights).await;
    let mut whole = openai::ask("auto", "What is the capital of France?");
    whole["temperature"] = 0.into();
    whole["max_tokens"] = 32.into();
    let answer = gateway.ask(&whole).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("x-xietong-model"), Some("tiny"));
    assert!(answer.content().contains("Paris"), "{}", answer.text());
    let usage = answer.usage();
    assert!(
        usage["prompt_tokens"].as_u64() > Some(5) && usage["completion_tokens"].as_u64() > Some(1),
        "{usage}"
    );

    let mut stream = whole.clone();
    stream["stream"] = true.into();
    stream["stream_options"] = serde_json::json!({"include_usage": true});
    let streamed = gateway.ask(&stream).await;
    assert!(streamed.has_done(), "{}", streamed.text());
    assert_eq!(streamed.content(), answer.content(), "the same at temperature 0");
    assert_eq!(streamed.usage()["completion_tokens"], usage["completion_tokens"]);
    assert!(streamed.chunks().len() > 3, "token by token");
    assert!(large.seen().is_empty());
}

/// What a budget reserves for an answer is what the answer may have.
#[tokio::test]
async fn it_ends_at_max_output_unless_a_client_says_otherwise() {
    let Some(weights) = weights() else { return };
    let large = Scripted::start(Reply::text("from large")).await;
    let gateway = Setup::ladder(&large.base_url(), &large.base_url())
        .embedded("tiny", &weights.display().to_string())
        .model("tiny", "max_output: 8")
        .start()
        .await;
    for (asked, tokens) in [(None, 8), (Some(5), 5), (Some(12), 12)] {
        let mut request = openai::ask("tiny", "Tell me a very long story about a river.");
        if let Some(most) = asked {
            request["max_tokens"] = most.into();
        }
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.usage()["completion_tokens"], tokens, "{}", answer.text());
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "length", "{}", answer.text());
    }
}

/// A client that leaves stops the engine, which then answers the next one.
#[tokio::test]
async fn it_stops_for_a_client_who_leaves() {
    let Some(weights) = weights() else { return };
    let (gateway, _large) = start(&weights).await;
    let mut long = openai::ask_stream("tiny", "Tell me a very long story about a river.");
    long["max_tokens"] = 2000.into();
    let mut live = gateway.open(&long).await;
    live.event().await.expect("it begins");
    live.event().await.expect("it goes on");
    live.leave();
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "abandoned")]), 1.0);
    assert!(metrics.sum("xietong_tokens_total", &[("kind", "output")]) < 500.0);
}

/// Two clients at once are both answered; the answers' ids are those of the log.
#[tokio::test]
async fn it_answers_two_clients_at_once() {
    let Some(weights) = weights() else { return };
    let (gateway, _large) = start(&weights).await;
    let mut long = openai::ask_stream("tiny", "Tell me a very long story about a river.");
    long["max_tokens"] = 2000.into();
    let mut story = gateway.open(&long).await;
    story.event().await.expect("it begins");
    let mut short = openai::ask("tiny", "hi");
    short["max_tokens"] = 8.into();
    let answer = gateway.ask(&short).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(answer.json()["id"], format!("chatcmpl-{id}"));
    story.event().await.expect("the story goes on");
}

/// A wait is a wait: it has a limit of its own, says how long it would be, and is no fault of the endpoint.
#[tokio::test]
async fn who_would_wait_too_long_goes_elsewhere_or_hears_for_how_long() {
    let Some(weights) = weights() else { return };
    let large = Scripted::start(Reply::text("from large")).await;
    let gateway = Setup::ladder(&large.base_url(), &large.base_url())
        .embedded("tiny", &weights.display().to_string())
        .model("tiny", "slots: 1")
        .model("tiny", "timeouts: {queue: 100ms}")
        .policy("{kind: fixed, model: tiny}")
        .start()
        .await;
    let mut long = openai::ask_stream("tiny", "Tell me a very long story about a river.");
    long["max_tokens"] = 2000.into();
    let mut story = gateway.open(&long).await;
    story.event().await.expect("it begins");
    for stream in [false, true] {
        let mut short = openai::ask("tiny", "hi");
        short["stream"] = stream.into();
        let refused = gateway.ask(&short).await;
        assert_eq!(refused.status(), 429, "{}", refused.text());
        let wait: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
        assert!((1..600).contains(&wait), "{wait}");
        assert_eq!(refused.header("x-should-retry"), None);
        assert!(refused.text().contains("other answers to write first"), "{}", refused.text());
    }
    let elsewhere = gateway.ask(&openai::ask("auto", "hi")).await;
    assert_eq!(elsewhere.content(), "from large");
    story.leave();
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[("model", "tiny"), ("result", "queued")]), 3.0);
    assert_eq!(metrics.sum("xietong_attempts_total", &[("model", "tiny"), ("result", "silent")]), 0.0);
    assert_eq!(metrics.sum("xietong_upstream_health", &[("model", "tiny")]), 1.0);
}

/// What is ahead may be longer than all before, and then a larger model that is idle and costs no more is asked.
#[tokio::test]
async fn nobody_waits_behind_a_story_while_a_free_model_is_idle() {
    let Some(weights) = weights() else { return };
    let large = Scripted::start(Reply::text("from large")).await;
    let gateway = Setup::ladder(&large.base_url(), &large.base_url())
        .embedded("tiny", &weights.display().to_string())
        .model("tiny", "slots: 1")
        .model("tiny", "timeouts: {queue: 10m}")
        .model("small", "price: {per_hour: 0}")
        .policy("{kind: fixed, model: tiny}")
        .start()
        .await;
    // The engine has only seen short answers.
    for _ in 0..6 {
        let mut short = openai::ask("tiny", "hi");
        short["max_tokens"] = 3.into();
        assert_eq!(gateway.ask(&short).await.status(), 200);
    }
    let mut long = openai::ask_stream("tiny", "Tell me a very long story about a river.");
    long["max_tokens"] = 2000.into();
    long["logit_bias"] = json!({"0": -100, "2": -100});
    let mut story = gateway.open(&long).await;
    story.event().await.expect("it begins");
    for stream in [false, true] {
        let mut short = openai::ask("auto", &format!("hi, {stream}"));
        short["stream"] = stream.into();
        assert_eq!(gateway.ask(&short).await.content(), "from large");
    }
    story.event().await.expect("the story goes on");
    story.leave();
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[("model", "tiny"), ("result", "queued")]), 2.0);
}

/// The probabilities of its tokens are looked at and not passed on; where they are too low, nothing of it is seen.
#[tokio::test]
async fn its_answers_stand_under_a_guard() {
    let Some(weights) = weights() else { return };
    let large = Scripted::start(Reply::text("from large")).await;
    // It is never sure of all tokens, and never unsure of all.
    for (confidence, kept) in [(0.01, true), (1.0, false)] {
        let policy = format!(
            "{{kind: cascade, policy: {{kind: fixed, model: tiny}}, guard: {{confidence: {confidence}}}, \
             hold: {{tokens: 3, at_most: 10s}}}}"
        );
        let gateway = Setup::ladder(&large.base_url(), &large.base_url())
            .embedded("tiny", &weights.display().to_string())
            .policy(&policy)
            .start()
            .await;
        for stream in [false, true] {
            let mut request = openai::ask("auto", "What is the capital of France?");
            request["temperature"] = 0.into();
            request["max_tokens"] = 32.into();
            request["stream"] = stream.into();
            let answer = gateway.ask(&request).await;
            let label = format!("confidence {confidence}, stream {stream}: {}", answer.text());
            assert_eq!(answer.content() == "from large", !kept, "{label}");
            assert_eq!(answer.content().contains("Paris"), kept, "{label}");
            assert!(!answer.text().contains("\"logprob\":"), "{label}");
        }
        let metrics = gateway.settled().await;
        let labels = [("from", "tiny"), ("reason", "confidence")];
        assert_eq!(metrics.sum("xietong_escalations_total", &labels), if kept { 0.0 } else { 2.0 });
    }
}

/// Weights that come while the gateway runs join the ladder.
#[tokio::test]
async fn weights_that_come_later_join_the_ladder() {
    let Some(weights) = weights() else { return };
    let large = Scripted::start(Reply::text("from large")).await;
    let folder = std::env::temp_dir().join(format!("xietong-later-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (file, later) = (folder.join("xietong.yaml"), folder.join("later.gguf"));
    let setup = Setup::ladder(&large.base_url(), &large.base_url())
        .embedded("tiny", &later.display().to_string())
        .policy("{kind: fixed, model: tiny}");
    std::fs::write(&file, setup.yaml()).expect("a folder of our own");
    let gateway = Gateway::start_reloadable(&file).await;
    assert!(gateway.get_admin("/readyz").await.text().contains("model `tiny`"));
    assert_eq!(gateway.ask(&openai::ask("auto", "Hi")).await.content(), "from large");

    std::fs::write(&later, "cut").expect("a folder of our own");
    assert_eq!(gateway.post_admin("/reload", &serde_json::json!({})).await.status(), 200, "as it was before");
    std::fs::remove_file(&later).expect("it is there");
    std::os::unix::fs::symlink(&weights, &later).expect("a folder of our own");
    assert_eq!(gateway.post_admin("/reload", &serde_json::json!({})).await.status(), 200);
    let mut request = openai::ask("auto", "What is the capital of France?");
    request["max_tokens"] = 16.into();
    let answer = gateway.ask(&request).await;
    assert_eq!(answer.header("x-xietong-model"), Some("tiny"), "{}", answer.text());
    assert!(!gateway.get_admin("/readyz").await.text().contains("tiny"));

    // In place of one that works, one that does not is a fault.
    let broken = setup.yaml().replace("later.gguf", "missing.gguf");
    std::fs::write(&file, broken).expect("a folder of our own");
    assert_eq!(gateway.post_admin("/reload", &serde_json::json!({})).await.status(), 422);
    assert_eq!(gateway.ask(&request).await.header("x-xietong-model"), Some("tiny"));
    std::fs::remove_dir_all(&folder).expect("it is there");
}

fn city_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 10}, "large": {"type": "boolean"}},
        "required": ["city", "large"],
        "additionalProperties": false,
    })
}

#[track_caller]
fn check_city(text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value["city"].is_string() && value["large"].is_boolean(), "{text}");
}

#[tokio::test]
async fn its_answers_keep_to_a_schema_and_its_calls_to_their_tools() {
    let Some(weights) = weights() else { return };
    let (gateway, large) = start(&weights).await;
    for stream in [false, true] {
        let mut request = openai::ask("auto", "Which city do you like?");
        request["temperature"] = 1.5.into();
        request["max_tokens"] = 64.into();
        request["stream"] = stream.into();
        let mut called = request.clone();
        request["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "city", "strict": true, "schema": city_schema()}});
        request["logprobs"] = true.into();
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.header("x-xietong-model"), Some("tiny"), "{}", answer.text());
        check_city(&answer.content());
        assert!(answer.text().contains("\"logprob\":"), "{}", answer.text());

        let tool = json!({"type": "function", "function": {"name": "choose", "parameters": city_schema(), "strict": true}});
        called["tools"] = json!([tool]);
        called["tool_choice"] = "required".into();
        called["parallel_tool_calls"] = false.into();
        let answer = gateway.ask(&called).await;
        assert_eq!(answer.header("x-xietong-model"), Some("tiny"), "{}", answer.text());
        let choices = if stream {
            answer.chunks().iter().filter_map(|chunk| chunk["choices"].get(0).cloned()).collect()
        } else {
            vec![answer.json()["choices"][0].clone()]
        };
        let part = if stream { "delta" } else { "message" };
        let calls: Vec<Value> = choices
            .iter()
            .filter_map(|choice| choice[part]["tool_calls"].as_array())
            .flatten()
            .cloned()
            .collect();
        assert_eq!(calls[0]["function"]["name"], "choose", "{}", answer.text());
        assert!(calls[0]["id"].as_str().is_some_and(|id| id.starts_with("call_")), "{}", answer.text());
        let arguments: String =
            calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
        check_city(&arguments);
        let finishes: Vec<&str> =
            choices.iter().filter_map(|choice| choice["finish_reason"].as_str()).collect();
        assert_eq!(finishes, ["tool_calls"], "{}", answer.text());
    }
    assert!(large.seen().is_empty());
}

/// A schema that is none is the client's mistake; one that only this engine cannot hold goes on to the next rung.
#[tokio::test]
async fn schemas_that_it_cannot_hold_are_another_models() {
    let Some(weights) = weights() else { return };
    let (gateway, _large) = start(&weights).await;
    // Each is a conversation of its own: one that another model has answered would stay there.
    let ask = |model: &str, name: &str, schema: Value| {
        let mut request = openai::ask(model, &format!("Hello, I am {name}"));
        request["max_tokens"] = 24.into();
        request["response_format"] =
            json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
        request
    };
    let unique = json!({"type": "array", "items": {"type": "integer"}, "maxItems": 3, "uniqueItems": true});
    let answer = gateway.ask(&ask("auto", "Ada", unique.clone())).await;
    assert_eq!((answer.status(), answer.content().as_str()), (200, "from large"), "{}", answer.text());
    let answer = gateway.ask(&ask("tiny", "Bo", unique)).await;
    assert_eq!(answer.status(), 400, "{}", answer.text());
    assert!(answer.text().contains("uniqueItems"), "{}", answer.text());
    let impossible = json!({"type": "string", "minLength": 3, "maxLength": 2});
    for (name, schema) in [("Cy", json!({"type": "text"})), ("Di", impossible), ("El", json!({"$ref": "#"}))]
    {
        let answer = gateway.ask(&ask("auto", name, schema)).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
        assert!(answer.text().contains("response_format"), "{}", answer.text());
        let param = &answer.json()["error"]["param"];
        assert!(param.as_str().is_some_and(|it| it.starts_with("response_format")), "{}", answer.text());
    }
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "incapable")]), 2.0);
}

/// What a client says of thinking is named where the model cannot be told, and what it may not say where it may not.
#[tokio::test]
async fn what_its_template_knows_nothing_of_is_named() {
    let Some(weights) = weights() else { return };
    let (gateway, _large) = start(&weights).await;
    let left_out = async |more: Value| {
        let mut request = openai::ask("tiny", "hi");
        request["max_tokens"] = 1.into();
        request.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.header("x-xietong-left-out").map(str::to_owned)
    };
    assert_eq!(left_out(json!({})).await, None);
    assert_eq!(left_out(json!({"enable_thinking": false})).await, None, "it does not think");
    let both = json!({"enable_thinking": true, "reasoning_effort": "low"});
    assert_eq!(left_out(both).await.as_deref(), Some("enable_thinking, reasoning_effort"));
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "text"}}});
    let impossible = json!({"type": "function", "function": {"name": "f", "strict": true, "parameters": {
        "type": "object", "properties": {"a": {"type": "string", "minLength": 3, "maxLength": 2}}, "required": ["a"]}}});
    for tool in [tool, impossible] {
        let mut request = openai::ask("tiny", "hi");
        request["tools"] = json!([tool]);
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
        let param = &answer.json()["error"]["param"];
        assert!(param.as_str().is_some_and(|it| it.starts_with("tools")), "{}", answer.text());
    }
}
