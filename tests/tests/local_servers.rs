//! Model servers whose context the configuration does not know: it is learned from what they say of themselves, and from what
//! they refuse. The servers are scripted after what was seen of the real ones.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, Request, Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// llama.cpp's server with so many tokens a slot: what it refuses, and what it says of itself.
fn llama_cpp(context: Arc<AtomicU64>, tells: bool) -> impl Choose {
    move |request: &Request| {
        let n_ctx = context.load(Ordering::Relaxed);
        match request.path() {
            "/v1/models" => {
                let entry = json!({"id": "/weights/model.gguf", "owned_by": "llamacpp", "meta": {"n_ctx_train": 32768}});
                Script::json(200, &json!({"object": "list", "data": [entry]}))
            }
            "/props" if tells => {
                let settings = json!({"id": 0, "n_ctx": n_ctx});
                let modalities = json!({"vision": false, "audio": false});
                Script::json(200, &json!({"default_generation_settings": settings, "modalities": modalities}))
            }
            "/v1/chat/completions" => answer(request, n_ctx),
            _ => Script::json(
                404,
                &json!({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}),
            ),
        }
    }
}

fn answer(request: &Request, n_ctx: u64) -> Script {
    let words = request.json()["messages"].to_string().split_whitespace().count() as u64;
    if words <= n_ctx {
        return Reply::text("small").choose(request);
    }
    let message = format!(
        "request ({words} tokens) exceeds the available context size ({n_ctx} tokens), try increasing it"
    );
    Script::json(
        400,
        &json!({"error": {
            "code": 400, "message": message, "type": "exceed_context_size_error", "n_prompt_tokens": words, "n_ctx": n_ctx
        }}),
    )
}

/// A server of OpenAI's dialect that refuses what has more than a thousand words, and names no number.
fn speechless(request: &Request) -> Script {
    match request.method() {
        "GET" => Script::json(200, &json!({"object": "list", "data": []})),
        _ if request.json()["messages"].to_string().split_whitespace().count() > 1000 => {
            openai::error(400, "context_length_exceeded")
        }
        _ => Reply::text("small").choose(request),
    }
}

fn long(words: usize, stream: bool) -> Value {
    let prompt = "word ".repeat(words);
    if stream { openai::ask_stream("auto", &prompt) } else { openai::ask("auto", &prompt) }
}

/// Requests for answers that a server was sent.
fn asked(server: &Scripted) -> usize {
    server.seen().iter().filter(|seen| seen.request.method() == "POST").count()
}

/// Which model answers.
async fn answered(gateway: &Gateway, body: &Value) -> String {
    let answer = gateway.ask(body).await;
    match answer.status() {
        200 => answer.content(),
        status => format!("{status} {}", answer.text()),
    }
}

fn preset(small: &Scripted, large: &Scripted, preset: &str) -> Setup {
    let setup = Setup::ladder(&small.base_url(), &large.base_url());
    if preset.is_empty() {
        setup.model("small", "local: true")
    } else {
        setup.model("small", &format!("preset: {preset}"))
    }
}

/// Waits until the gateway knows, or does not know any more, how much a model takes.
async fn listed(gateway: &Gateway, model: &str, expected: Option<u64>) {
    for _ in 0..200 {
        let list = gateway.get("/v1/models").await.json();
        let entries = list["data"].as_array().expect("a list").clone();
        let entry = entries.iter().find(|entry| entry["id"] == model).expect("the model").clone();
        if entry.get("context_length").and_then(Value::as_u64) == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{model} does not come to {expected:?}");
}

#[tokio::test]
async fn a_prompt_too_long_for_an_unknown_context_goes_on_and_the_context_is_learned() {
    for stream in [false, true] {
        let small = Scripted::start(llama_cpp(Arc::new(AtomicU64::new(1024)), false)).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = preset(&small, &large, "")
            .model("large", "context: 1000000")
            .without_price("small")
            .start()
            .await;
        assert_eq!(answered(&gateway, &long(3000, stream)).await, "large", "stream: {stream}");
        assert_eq!((asked(&small), asked(&large)), (1, 1));
        // From now on it is not asked what it would refuse; what fits it is.
        assert_eq!(answered(&gateway, &long(3000, stream)).await, "large");
        assert_eq!(answered(&gateway, &long(10, stream)).await, "small");
        assert_eq!((asked(&small), asked(&large)), (2, 2));
        listed(&gateway, "small", Some(1024)).await;
        // Who names the model hears it from the server.
        let mut body = long(3000, stream);
        body["model"] = "small".into();
        let refusal = gateway.ask(&body).await;
        assert_eq!((refusal.status(), asked(&small)), (400, 3), "{}", refusal.text());
    }
}

#[tokio::test]
async fn a_refusal_without_a_number_goes_on_to_known_and_to_larger_models() {
    for line in ["context: 1000000", "max_output: 100"] {
        let small = Scripted::start(speechless).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = preset(&small, &large, "").model("large", line).start().await;
        for _ in 0..2 {
            assert_eq!(answered(&gateway, &long(3000, false)).await, "large", "{line}");
        }
        assert_eq!((asked(&small), asked(&large)), (2, 2), "nothing was learned that others would pay for");
    }
    // The larger one of two that are unknown refused: a smaller one is not asked.
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(speechless).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .policy("{kind: fixed, model: large}")
        .route("fallback: down")
        .start()
        .await;
    assert!(answered(&gateway, &long(3000, false)).await.starts_with("400 "));
    assert_eq!((asked(&small), asked(&large)), (0, 1));
}

#[tokio::test]
async fn what_a_server_says_of_itself_is_asked_at_the_start_and_when_it_is_back() {
    let context = Arc::new(AtomicU64::new(1024));
    let small = Scripted::start(llama_cpp(Arc::clone(&context), true)).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = preset(&small, &large, "llama.cpp").model("large", "context: 1000000").start().await;
    listed(&gateway, "small", Some(1024)).await;
    listed(&gateway, "auto", Some(1_000_000)).await;
    assert_eq!(answered(&gateway, &long(3000, false)).await, "large");
    assert_eq!((asked(&small), asked(&large)), (0, 1), "it was not asked what it would refuse");
    // It says that it sees nothing.
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": [picture]}]});
    assert_eq!(answered(&gateway, &body).await, "large");
    assert_eq!((asked(&small), asked(&large)), (0, 2));
    // It ends, and comes back with a larger context.
    let address = small.refuse().await;
    assert_eq!(answered(&gateway, &long(10, false)).await, "large");
    context.store(8192, Ordering::Relaxed);
    let small = address.recover(llama_cpp(Arc::clone(&context), true));
    assert_eq!(answered(&gateway, &long(10, false)).await, "small");
    listed(&gateway, "small", Some(8192)).await;
    assert_eq!(answered(&gateway, &long(3000, false)).await, "small");
    assert_eq!(asked(&small), 2);
}

/// What a server answers at a path.
type Told = (&'static str, Value);

#[tokio::test]
async fn each_kind_of_server_is_asked_in_its_own_words() {
    let entry = |more: Value| {
        let mut entry = json!({"id": "small-upstream", "object": "model"});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"object": "list", "data": [entry]})
    };
    let plain = entry(json!({"owned_by": "x"}));
    let show = json!({"parameters": "num_ctx 2048", "model_info": {"qwen3.context_length": 40960}, "capabilities": ["completion"]});
    let cases: [(&str, Vec<Told>, u64); 5] = [
        ("vllm", vec![("/v1/models", entry(json!({"owned_by": "vllm", "max_model_len": 4096})))], 4096),
        ("sglang", vec![("/v1/models", entry(json!({"owned_by": "sglang", "max_model_len": 8192})))], 8192),
        (
            "lm-studio",
            vec![
                ("/v1/models", plain.clone()),
                (
                    "/api/v0/models",
                    entry(json!({"type": "llm", "max_context_length": 32768, "loaded_context_length": 4000})),
                ),
            ],
            4000,
        ),
        ("ollama", vec![("/v1/models", plain.clone()), ("/api/show", show.clone())], 2048),
        (
            "ollama",
            vec![
                ("/v1/models", plain.clone()),
                ("/api/ps", json!({"models": [{"name": "small-upstream", "context_length": 1500}]})),
                ("/api/show", show),
            ],
            1500,
        ),
    ];
    for (name, answers, expected) in cases {
        let small = Scripted::start(move |request: &Request| {
            match answers.iter().find(|(path, _)| *path == request.path()) {
                Some((_, body)) => Script::json(200, body),
                None => Script::json(404, &json!({"detail": "Not Found"})),
            }
        })
        .await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = preset(&small, &large, name).start().await;
        listed(&gateway, "small", Some(expected)).await;
    }
}
