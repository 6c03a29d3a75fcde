//! `/v1/completions`: as they are to upstreams that have them, and as chats to all others.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, Request, Script, Scripted, Step};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

const PATH: &str = "/v1/completions";

fn ask(fields: Value) -> Value {
    let mut body = json!({"model": "auto", "prompt": "Once upon"});
    body.as_object_mut().expect("it is one").extend(fields.as_object().expect("they are").clone());
    body
}

/// An upstream that has chats alone.
struct OnlyChats(Reply);

impl Choose for OnlyChats {
    fn choose(&self, request: &Request) -> Script {
        if request.path() == PATH { openai::error(404, "no_such_path") } else { self.0.choose(request) }
    }
}

/// The answer to a request as a chat, a stream put together, and what the upstream was sent.
async fn as_a_chat(reply: Reply, body: Value) -> (Value, Value) {
    let upstream = Scripted::start(OnlyChats(reply)).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("accepts: [text, logprobs]")
        .start()
        .await;
    let answer = gateway.post(PATH, &[], &body).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    assert_eq!(answer.header("x-xietong-attempts"), Some("1"));
    let sent = upstream.seen().last().expect("it was asked").request.json();
    if body["stream"] != true {
        return (answer.json(), sent);
    }
    assert!(answer.has_done());
    let chunks = answer.chunks();
    let mut all = chunks[0].clone();
    let mut text = String::new();
    for chunk in &chunks {
        assert_eq!(chunk["object"], "text_completion");
        let Some(choice) = chunk["choices"].get(0) else {
            all["usage"] = chunk["usage"].clone();
            continue;
        };
        text += choice["text"].as_str().expect("a text");
        if !choice["finish_reason"].is_null() {
            all["choices"][0]["finish_reason"] = choice["finish_reason"].clone();
        }
    }
    all["choices"][0]["text"] = text.into();
    (all, sent)
}

#[tokio::test]
async fn a_prompt_is_gone_on_with() {
    for stream in [false, true] {
        let body = ask(json!({"stream": stream, "seed": 5, "vendor": [1]}));
        let (answer, sent) = as_a_chat(Reply::text("a time, 从前."), body).await;
        let choice = &answer["choices"][0];
        assert_eq!(
            (&choice["text"], &choice["finish_reason"]),
            (&json!("a time, 从前."), &json!("stop")),
            "{answer}"
        );
        assert_eq!((&answer["object"], &answer["model"]), (&json!("text_completion"), &json!("scripted-1")));
        assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
        assert_eq!(answer["usage"].is_null(), stream, "a stream tells when it is asked");
        assert_eq!(sent["messages"], json!([{"role": "user", "content": "Once upon"}]));
        assert_eq!((&sent["seed"], &sent["vendor"]), (&json!(5), &json!([1])));
        assert!(sent["prompt"].is_null());
        let body = ask(json!({"stream": stream, "echo": true, "prompt": ["So "]}));
        let (answer, _) = as_a_chat(Reply::text("a time").ending("length"), body).await;
        let choice = &answer["choices"][0];
        assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!("So a time"), &json!("length")));
    }
    let body = ask(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let (answer, _) = as_a_chat(Reply::text("x"), body).await;
    assert!(answer["usage"]["cost"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn tokens_are_told_in_the_older_shape() {
    let (answer, sent) = as_a_chat(Reply::text("a time").probable(0.5), ask(json!({"logprobs": 1}))).await;
    assert_eq!((&sent["logprobs"], &sent["top_logprobs"]), (&json!(true), &json!(1)));
    let logprobs = &answer["choices"][0]["logprobs"];
    assert_eq!((&logprobs["tokens"], &logprobs["text_offset"]), (&json!(["a ", "time"]), &json!([0, 2])));
    let odds = logprobs["token_logprobs"].as_array().unwrap();
    assert!(odds.iter().all(|odds| (odds.as_f64().unwrap() - 0.5f64.ln()).abs() < 1e-6), "{odds:?}");
}

/// A completion with bytes of its own, whole or streamed.
fn native(request: &Request) -> Script {
    if request.path() != PATH {
        return openai::error(400, "only_completions");
    }
    let chunk = |text: &str, finish: &str| {
        format!(
            r#"{{"id":"c", "object":"text_completion","choices":[{{"index":0,"text":"{text}","finish_reason":{finish}}}]}}"#
        )
    };
    let billed = Step::Bill(Reply::text("a time").billed());
    if request.asks_stream() {
        let usage = r#"{"id":"c", "object":"text_completion","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}}"#;
        let events =
            Script::events().event(chunk("a ", "null")).event(chunk("time", "\"stop\"")).event(usage);
        return Script::default().step(billed).then(events).event("[DONE]").end();
    }
    let usage = r#","usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}}"#;
    let whole = chunk("a time", "\"stop\"");
    let whole = [&whole[..whole.len() - 1], usage].concat();
    Script::default().step(billed).then(Script::whole(200, &[("content-type", "application/json")], whole))
}

#[tokio::test]
async fn an_upstream_that_has_them_is_asked_as_the_client_asks() {
    for fields in [
        json!({}),
        json!({"prompt": ["a", "b"], "n": 1}),
        json!({"prompt": [1, 2], "suffix": "x", "best_of": 3, "logprobs": 2, "echo": true, "vendor": {"z": 1, "a": 2}}),
    ] {
        let upstream = Scripted::start(native).await;
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
        let answer = gateway.post(PATH, &[], &ask(fields.clone())).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let expected = r#"{"id":"c", "object":"text_completion","choices":[{"index":0,"text":"a time","finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13,"cost":0.000015}}"#;
        assert_eq!(answer.text(), expected);
        let mut sent = ask(fields.clone());
        sent["model"] = "small-upstream".into();
        assert_eq!(upstream.only().request.json(), sent);
    }
    let upstream = Scripted::start(native).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let answer = gateway.post(PATH, &[], &ask(json!({"stream": true}))).await;
    let expected = concat!(
        r#"data: {"id":"c", "object":"text_completion","choices":[{"index":0,"text":"a ","finish_reason":null}]}"#,
        "\n\n",
        r#"data: {"id":"c", "object":"text_completion","choices":[{"index":0,"text":"time","finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n"
    );
    assert_eq!(answer.text(), expected);
    assert!(upstream.only().request.asks_usage());
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_tokens_total", &[("kind", "output")]), 2.0);
}

/// The guard reads a completion as it reads a chat.
#[tokio::test]
async fn a_doubtful_completion_goes_on_to_the_larger_model() {
    let doubtful = |request: &Request| {
        let body = r#"{"object":"text_completion","choices":[{"index":0,"text":"I don't know.","finish_reason":"stop"}]}"#;
        if request.asks_stream() {
            return Script::events().event(body).event("[DONE]").end();
        }
        Script::whole(200, &[("content-type", "application/json")], body)
    };
    let (small, large) = (Scripted::start(doubtful).await, Scripted::start(native).await);
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .policy("{kind: cascade, policy: {kind: fixed, model: small}}")
        .start()
        .await;
    for stream in [false, true] {
        let answer = gateway.post(PATH, &[], &ask(json!({"stream": stream}))).await;
        assert_eq!(answer.header("x-xietong-model"), Some("large"), "{}", answer.text());
        assert!(!answer.text().contains("don't"), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_a_chat_cannot_do_is_refused() {
    let upstream = Scripted::start(OnlyChats(Reply::text("x"))).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    for (fields, named) in [
        (json!({"prompt": ["a", "b"]}), "'prompt'"),
        (json!({"prompt": [1, 2]}), "'prompt'"),
        (json!({"prompt": [[1, 2]]}), "'prompt'"),
        (json!({"suffix": "x"}), "'suffix'"),
        (json!({"best_of": 3}), "'best_of'"),
        (json!({"logprobs": 1, "echo": true}), "'logprobs'"),
    ] {
        let answer = gateway.post(PATH, &[], &ask(fields.clone())).await;
        assert_eq!(
            (answer.status(), &answer.json()["error"]["code"]),
            (400, &json!("unsupported_by_models")),
            "{fields}"
        );
        assert!(answer.text().contains(named), "{fields}: {}", answer.text());
    }
    let asked = upstream.seen().len();
    for (fields, named) in [
        (json!({"prompt": null}), "prompt"),
        (json!({"prompt": 7}), "prompt"),
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": ["a", 7]}), "prompt"),
        (json!({"logprobs": 6}), "logprobs"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"n": 0}), "n"),
    ] {
        let answer = gateway.post(PATH, &[], &ask(fields.clone())).await;
        assert_eq!(
            (answer.status(), &answer.json()["error"]["param"]),
            (400, &json!(named)),
            "{fields}: {}",
            answer.text()
        );
    }
    assert_eq!((asked, upstream.seen().len()), (1, 1), "it is asked once whether it has completions");
}

#[tokio::test]
async fn errors_and_cuts() {
    let upstream = Scripted::start(openai::error(429, "x")).await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).every_model("retries: 0").start().await;
    let answer = gateway.post(PATH, &[], &ask(json!({}))).await;
    assert_eq!((answer.status(), &answer.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    let script = Reply::text("one two three").stream(true).until_chunk(3).step(Step::Reset);
    let upstream = Scripted::start(script).await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).route("resume: never").start().await;
    let answer = gateway.post(PATH, &[], &ask(json!({"stream": true}))).await;
    assert!(!answer.has_done());
    assert_eq!(answer.error().unwrap()["code"], "upstream_truncated");
    let metrics = gateway.settled().await;
    assert_eq!(
        metrics.sum("xietong_requests_total", &[("endpoint", "completions"), ("outcome", "cut")]),
        1.0
    );
    let operation = [("gen_ai_operation_name", "text_completion")];
    assert_eq!(metrics.sum("gen_ai_server_request_duration_seconds_count", &operation), 1.0);
}
