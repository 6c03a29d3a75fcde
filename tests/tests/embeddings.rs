//! `/v1/embeddings`: to models that make them, and never to another in place of one.

use end_to_end::openai;
use end_to_end::scripted::{Billed, Request, Script, Scripted, Step, in_turn};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

const PATH: &str = "/v1/embeddings";

fn ask(model: &str, input: Value) -> Value {
    json!({"model": model, "input": input, "dimensions": 2, "vendor": {"z": 1, "a": [null]}})
}

/// An answer as OpenAI gives it, with white space that only bytes have.
fn vectors(embedding: &str) -> Script {
    let body = format!(
        r#"{{"object":"list", "data":[{{"object":"embedding","index":0,"embedding":{embedding}}}],"model":"v-1","usage":{{"prompt_tokens":7,"total_tokens":7}}}}"#
    );
    let billed = Billed { input: 7, ..Billed::default() };
    Script::default().step(Step::Bill(billed)).then(Script::whole(
        200,
        &[("content-type", "application/json")],
        body,
    ))
}

/// `small` has chats alone, `large` makes vectors as well.
fn setup(small: &str, large: &str) -> Setup {
    Setup::ladder(small, large)
        .model("small", "accepts: [text]")
        .model("large", "accepts: [text, embeddings]")
}

#[tokio::test]
async fn an_upstream_is_asked_as_the_client_asks_and_answers_byte_for_byte() {
    for embedding in ["[0.1, -2e-3]", "\"zczMPW8SAzs=\""] {
        let chats = Scripted::start(Script::default().stall()).await;
        let upstream = Scripted::start(vectors(embedding)).await;
        let gateway = setup(&chats.base_url(), &upstream.base_url()).start().await;
        let answer = gateway.post(PATH, &[], &ask("auto", json!(["a", "好"]))).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let expected = format!(
            r#"{{"object":"list", "data":[{{"object":"embedding","index":0,"embedding":{embedding}}}],"model":"v-1","usage":{{"prompt_tokens":7,"total_tokens":7,"cost":0.00007}}}}"#
        );
        assert_eq!(answer.text(), expected);
        assert_eq!(
            (answer.header("x-xietong-model"), answer.header("x-xietong-reason")),
            (Some("large"), Some("capability"))
        );
        assert_eq!(answer.header("x-xietong-cost"), Some("0.00007"));
        let request = &upstream.only().request;
        assert_eq!(request.path(), "/v1/embeddings");
        let mut expected = ask("large-upstream", json!(["a", "好"]));
        expected["model"] = "large-upstream".into();
        assert_eq!(request.json(), expected);
        assert!(chats.seen().is_empty());
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_tokens_total", &[("kind", "input"), ("model", "large")]), 7.0);
        assert_eq!(metrics.sum("xietong_tokens_total", &[("kind", "output")]), 0.0);
        assert_eq!(
            metrics.sum("xietong_requests_total", &[("endpoint", "embeddings"), ("outcome", "complete")]),
            1.0
        );
        let operation = [("gen_ai_operation_name", "embeddings")];
        assert_eq!(metrics.sum("gen_ai_server_request_duration_seconds_count", &operation), 1.0);
    }
}

#[tokio::test]
async fn another_endpoint_may_answer_and_another_model_may_not() {
    let down = || Script::default().then(openai::error(503, "x"));
    let (first, second) = (Scripted::start(down()).await, Scripted::start(vectors("[1]")).await);
    let other = Scripted::start(vectors("[2, 3]")).await;
    let gateway = Setup::ladder(&other.base_url(), &other.base_url())
        .add("vectors", &[&first.base_url(), &second.base_url()], "accepts: [embeddings]")
        .every_model("retries: 4")
        .model("small", "accepts: [text]")
        .model("large", "accepts: [text]")
        .start()
        .await;
    for _ in 0..4 {
        let answer = gateway.post(PATH, &[], &ask("auto", json!("x"))).await;
        assert_eq!(
            (answer.status(), &answer.json()["data"][0]["embedding"]),
            (200, &json!([1])),
            "{}",
            answer.text()
        );
    }
    assert!(other.seen().is_empty());

    let gone = Scripted::start(down()).await;
    let gateway = Setup::ladder(&gone.base_url(), &other.base_url())
        .every_model("accepts: [text, embeddings]")
        .every_model("retries: 0")
        .start()
        .await;
    let answer = gateway.post(PATH, &[], &ask("auto", json!("x"))).await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (503, &json!("upstream_unavailable")));
    assert!(other.seen().is_empty(), "its vectors would be another space's");
}

#[tokio::test]
async fn who_makes_none_is_not_asked() {
    let upstream = Scripted::start(vectors("[1]")).await;
    let gateway = setup(&upstream.base_url(), &upstream.base_url())
        .model("large", "accepts: [embeddings]")
        .start()
        .await;
    let refused = async |path: &str, body: Value, word: &str| {
        let answer = gateway.post(path, &[], &body).await;
        assert_eq!(answer.status(), 400, "{}", answer.text());
        assert!(answer.text().contains(word), "{}", answer.text());
    };
    refused(PATH, ask("small", json!("x")), "small: takes no requests for embeddings").await;
    refused("/v1/chat/completions", openai::ask("large", "x"), "large: takes no chats").await;
    for (input, word) in [
        (json!([]), "'input'"),
        (json!(7), "'input'"),
        (json!(["a", 7]), "'input'"),
        (json!({"a": 1}), "'input'"),
        (Value::Null, "'input'"),
    ] {
        refused(PATH, ask("auto", input), word).await;
    }
    refused(PATH, json!({"model": "auto", "input": "x", "encoding_format": "int8"}), "'encoding_format'")
        .await;
    assert!(upstream.seen().is_empty());
    for input in [json!([1, 2, 3]), json!([[1, 2], [3]])] {
        let answer = gateway.post(PATH, &[], &ask("auto", input)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    let answer = gateway.post(PATH, &[], &ask("nobody", json!("x"))).await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (404, &json!("model_not_found")));
}

/// That an upstream has chats alone says nothing against it: its chats go on.
#[tokio::test]
async fn a_path_that_is_missing_blames_nobody() {
    // llama.cpp, started without embeddings, says 501.
    let refusals = [404, 405, 501, 501, 501, 501].map(|status| openai::error(status, "x"));
    let chats = in_turn(refusals.into_iter().chain([openai::Reply::text("x").whole()]));
    let upstream = Scripted::start(chats).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    for _ in 0..6 {
        let answer = gateway.post(PATH, &[], &ask("small", json!("x"))).await;
        assert_eq!(
            (answer.status(), &answer.json()["error"]["code"]),
            (400, &json!("unsupported_by_models"))
        );
    }
    assert_eq!(gateway.ask(&openai::ask("small", "x")).await.status(), 200);
}

#[tokio::test]
async fn what_is_no_vector_is_no_answer() {
    for body in [json!({}), json!({"object": "list"}), json!({"error": {"message": "m"}}), json!([])] {
        let upstream = Scripted::start(Script::json(200, &body)).await;
        let gateway = setup(&upstream.base_url(), &upstream.base_url()).start().await;
        let answer = gateway.post(PATH, &[], &ask("large", json!("x"))).await;
        assert_eq!(
            (answer.status(), &answer.json()["error"]["code"]),
            (502, &json!("upstream_error")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn budgets_hold_and_what_is_not_reported_is_estimated() {
    let upstream =
        Scripted::start(Script::json(200, &json!({"object": "list", "data": [{"embedding": [1]}]}))).await;
    let gateway = setup(&upstream.base_url(), &upstream.base_url())
        .top("clients: [{name: team, key: sk-team-key, budget: {amount: 0.003, per: day}}]")
        .start()
        .await;
    let text = "word ".repeat(100);
    let key = [("authorization", "Bearer sk-team-key")];
    let answer = gateway.post(PATH, &key, &ask("large", json!(text))).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let usage = answer.json()["usage"].clone();
    assert_eq!(usage["estimated"], true);
    assert!((70..150).contains(&usage["prompt_tokens"].as_u64().expect("a number")), "{usage}");
    let answer = gateway.post(PATH, &key, &ask("large", json!(text.repeat(3)))).await;
    assert_eq!((answer.status(), &answer.json()["error"]["code"]), (402, &json!("budget_exceeded")));
    assert_eq!(upstream.seen().len(), 1);
}

/// What must stay is not sent away to be embedded either; that the local model has chats alone does not help it.
#[tokio::test]
async fn what_must_stay_stays() {
    let upstream = Scripted::start(vectors("[1]")).await;
    let rule = "{when: {contains: [phone]}, locality: local}";
    let gateway = setup(&upstream.base_url(), &upstream.base_url())
        .model("small", "local: true")
        .policy(&format!("{{kind: rules, rules: [{rule}], otherwise: {{kind: fixed, model: small}}}}"))
        .start()
        .await;
    let local = [("x-xietong-locality", "local")];
    let call = "Call me on 13812345678, please.";
    for (headers, input) in [(&local[..], "x"), (&[], call)] {
        let answer = gateway.post(PATH, headers, &ask("auto", json!(["x", input]))).await;
        assert_eq!(
            (answer.status(), &answer.json()["error"]["code"]),
            (400, &json!("no_local_model")),
            "{input}"
        );
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(gateway.post(PATH, &[], &ask("auto", json!("x"))).await.status(), 200);
}

#[tokio::test]
async fn vectors_teach_a_route_nothing_of_answers() {
    let chats = Scripted::start(openai::Reply::text("small")).await;
    let upstream = Scripted::start(|request: &Request| match request.path() {
        PATH => vectors("[0.1, 0.2]"),
        _ => openai::Reply::text("The air scatters blue light most.").whole(),
    })
    .await;
    let gateway = setup(&chats.base_url(), &upstream.base_url())
        .policy("{kind: utility, weights: {cost: 1}}")
        .start()
        .await;
    let costs = async || {
        let decision =
            gateway.post_admin("/decide", &openai::ask("auto", "Why is the sky blue?")).await.json();
        [0, 1].map(|rung| decision["ladder"][rung]["cost"].as_f64().expect("a cost"))
    };
    assert_eq!(gateway.ask(&openai::ask("auto", "Why is the sky blue?")).await.status(), 200);
    gateway.settled().await;
    let before = costs().await;
    for _ in 0..5 {
        assert_eq!(gateway.post(PATH, &[], &ask("auto", json!("hello"))).await.status(), 200);
    }
    gateway.settled().await;
    assert_eq!(costs().await, before);
}

/// A client that says which form it wants its vectors in gets that form, whichever the upstream gives.
#[tokio::test]
async fn vectors_come_in_the_form_that_was_asked_for() {
    let (floats, packed) = ("[1,-0.5,0.25]", "\"AACAPwAAAL8AAIA+\"");
    for given in [floats, packed] {
        for (format, expected) in [("float", floats), ("base64", packed)] {
            let upstream = Scripted::start(vectors(given)).await;
            let gateway = setup(&upstream.base_url(), &upstream.base_url()).start().await;
            let mut body = ask("auto", json!("x"));
            body["encoding_format"] = format.into();
            let answer = gateway.post(PATH, &[], &body).await;
            let expected: Value = serde_json::from_str(expected).expect("JSON");
            assert_eq!(
                answer.json()["data"][0]["embedding"],
                expected,
                "{given} as {format}: {}",
                answer.text()
            );
            assert_eq!(upstream.only().request.json()["encoding_format"], format);
            assert_eq!(answer.json()["usage"]["prompt_tokens"], 7);
        }
    }
}
