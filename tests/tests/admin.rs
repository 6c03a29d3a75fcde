//! The admin port: alive, ready, what is in effect, and what would be decided.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Refusing, Scripted};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn it_is_alive_started_and_ready() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    for path in ["/livez", "/startupz", "/readyz"] {
        assert_eq!(gateway.get_admin(path).await.status(), 200, "{path}");
    }
    assert_eq!(gateway.get_admin("/nothing").await.status(), 404);
    assert_eq!(gateway.post_admin("/livez", &json!({})).await.status(), 405);
}

/// An upstream that is down is its provider's trouble: Kubernetes must not take us out for it.
#[tokio::test(start_paused = true)]
async fn a_broken_upstream_does_not_make_us_unready() {
    let down = Refusing::start();
    let gateway = Setup::ladder(&down.base_url(), &down.base_url()).start().await;
    for _ in 0..8 {
        gateway.ask(&openai::ask("auto", "Hi")).await;
    }
    assert_eq!(gateway.get_admin("/livez").await.status(), 200);
}

/// The configuration in effect, without a secret.
#[tokio::test(start_paused = true)]
async fn the_configuration_is_shown_without_secrets() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .top("clients: [{name: team-a, key: canary-client-key}]")
        .start()
        .await;
    let answer = gateway.get_admin("/config").await;
    assert_eq!(answer.status(), 200);
    let text = answer.text();
    for shown in ["small", "large", "auto", "team-a", &upstream.base_url()] {
        assert!(text.contains(shown), "{shown} is missing in {text}");
    }
    for hidden in [UPSTREAM_KEY, "canary-client-key"] {
        assert!(!text.contains(hidden), "{hidden} is shown");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_can_be_asked_for() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .policy("{kind: threshold, at: 0.5}")
        .start()
        .await;
    let decide = async |prompt: &str| {
        let answer = gateway.post_admin("/decide", &openai::ask("auto", prompt)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.text()
    };
    let text = decide("What is the capital of France?").await;
    for part in ["small", "ask", "difficulty"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains("capital of France"), "prompts are not repeated");
    let wrong = gateway.post_admin("/decide", &json!({"model": "auto"})).await;
    assert_eq!(wrong.status(), 400, "{}", wrong.text());
    let unknown = gateway.post_admin("/decide", &openai::ask("none", "x")).await;
    assert_eq!(unknown.status(), 404, "{}", unknown.text());
    assert!(upstream.seen().is_empty(), "nothing is sent upstream");
}

/// Models that a server calls by an unmistakable name are foreseen by their cards.
#[tokio::test(start_paused = true)]
async fn a_decision_says_which_models_have_a_card() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let check = async |small: &str, prompt: &str, expected: (&str, &str, bool)| {
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
            .model("small", &format!("model: {small}"))
            .model("large", "model: qwen2.5-coder:1.5b")
            .policy("{kind: threshold, at: 0.16, by: gain_for_time}")
            .start()
            .await;
        let said = gateway.post_admin("/decide", &openai::ask("auto", prompt)).await.json();
        let cards = [0, 1].map(|at: usize| said["ladder"][at]["card"].is_string());
        let found = (said["model"].as_str(), said["reason"].as_str(), cards);
        let (model, reason, card) = expected;
        assert_eq!(found, (Some(model), Some(reason), [card, true]), "{small}: {prompt}: {said}");
        assert!(said["gain_for_time"].is_number(), "{said}");
        let why = said["why"].as_array().expect("reasons");
        let by_card = why.iter().any(|it| it["feature"] == "the model's card");
        assert!(card || !by_card, "{said}");
    };
    let known = "qwen2.5-coder:0.5b";
    check(known, "Hello!", ("small", "little_gain", true)).await;
    check(known, "Write a compiler pass that turns SSA into register form", ("large", "gain", true)).await;
    check(known, "Convert 7 miles to kilometres. Only the number.", ("small", "little_gain", true)).await;
    check("other", "Hello!", ("small", "little_gain", false)).await;
}

/// What `/decide` says is what then happens.
#[tokio::test(start_paused = true)]
async fn the_decision_is_the_one_that_is_carried_out() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    for at in ["0.0", "0.5", "1.0"] {
        let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
            .policy(&format!("{{kind: threshold, at: {at}}}"))
            .start()
            .await;
        for prompt in [
            "Hi",
            "Prove that every bounded sequence of reals has a convergent subsequence.",
            "写一首七言绝句",
        ] {
            let said = gateway.post_admin("/decide", &openai::ask("auto", prompt)).await.json();
            let done = gateway.ask(&openai::ask("auto", prompt)).await;
            let (model, difficulty) = (done.header("x-xietong-model"), done.header("x-xietong-difficulty"));
            assert_eq!(said["model"].as_str(), model, "{said}");
            let said = said["difficulty"].as_f64().expect("a difficulty");
            let done: f64 = difficulty.and_then(|shown| shown.parse().ok()).expect("a difficulty");
            assert!((said - done).abs() <= 0.006, "{said} and {done}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_ports_are_apart() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    for path in ["/metrics", "/livez", "/readyz", "/startupz", "/config", "/reload", "/decide"] {
        assert_eq!(gateway.get(path).await.status(), 404, "{path} on the data port");
    }
    for path in ["/v1/models", "/v1/chat/completions"] {
        assert_eq!(gateway.get_admin(path).await.status(), 404, "{path} on the admin port");
    }
}
