//! Measured cost and latency steer the choice, and conversations stay where they are best off.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::metrics::Metrics;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Request, Script, Scripted, in_turn};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

const HARD: &str =
    "Prove that there are infinitely many primes p such that p + 2 has at most two prime factors.";

/// Asks again and again, a while apart, and gives back the last answer.
async fn ask(gateway: &Gateway, times: usize, apart: Duration) -> Answer {
    let mut last = None;
    for _ in 0..times {
        tokio::time::sleep(apart).await;
        let mut request = openai::ask("auto", HARD);
        request["stream"] = true.into();
        let answer = gateway.ask(&request).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        last = Some(answer);
    }
    last.expect("asked at least once")
}

async fn models(small: Reply, large: Reply) -> (Scripted, Scripted) {
    (Scripted::start(small).await, Scripted::start(large).await)
}

fn setup((small, large): &(Scripted, Scripted), policy: &str) -> Setup {
    Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "price: {input: 1, output: 1}")
        .model("large", "price: {input: 100, output: 100}")
        .policy(policy)
}

#[tokio::test(start_paused = true)]
async fn a_spend_target_moves_traffic_only_as_far_as_it_must() {
    let models = models(Reply::text("small"), Reply::text("large")).await;
    let policy =
        |amount: f64| format!("{{kind: utility, targets: {{spend: {{amount: {amount}, per: day}}}}}}");
    let apart = Duration::from_millis(500);

    let gateway = setup(&models, &policy(1e6)).start().await;
    let answer = ask(&gateway, 20, apart).await;
    assert_eq!(
        (answer.header("x-xietong-model"), answer.header("x-xietong-reason")),
        (Some("large"), Some("quality"))
    );
    let weight = |metrics: &Metrics, target| {
        metrics.sum("xietong_policy_weight", &[("route", "auto"), ("target", target)])
    };
    let metrics = gateway.settled().await;
    assert_eq!((weight(&metrics, "cost"), weight(&metrics, "quality")), (0.0, 1.0));

    // Two requests a second to the large model would cost a thousand times as much.
    let gateway = setup(&models, &policy(1.0)).start().await;
    let answer = ask(&gateway, 20, apart).await;
    assert_eq!(
        (answer.header("x-xietong-model"), answer.header("x-xietong-reason")),
        (Some("small"), Some("cost"))
    );
    assert!(weight(&gateway.settled().await, "cost") > 0.0);
    let decision: Value = {
        let answer = gateway.post_admin("/decide", &openai::ask("auto", HARD)).await;
        serde_json::from_str(&answer.text()).expect("JSON")
    };
    assert!(decision["weights"]["cost"].as_f64().is_some_and(|weight| weight > 0.0), "{decision}");
    assert!(decision["ladder"][1]["cost"].as_f64() > decision["ladder"][0]["cost"].as_f64(), "{decision}");

    // When nobody asks any more, and a day has gone by, there is slack again.
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let answer = ask(&gateway, 3, Duration::from_secs(3600)).await;
    assert_eq!(answer.header("x-xietong-model"), Some("large"), "{:?}", gateway.settled().await.text);
}

/// A model whose first token comes after 900 ms.
fn late(_: &Request) -> Script {
    Script::default().pause(Duration::from_millis(900)).then(Reply::text("large").stream(true))
}

#[tokio::test(start_paused = true)]
async fn what_a_model_without_a_price_costs_counts_as_the_dearest() {
    let models = (Scripted::start(Reply::text("small")).await, Scripted::start(late).await);
    let policy = "{kind: utility, targets: {spend: {amount: 1e6, per: hour}, first_token_p95: 500ms}}";
    let gateway = setup(&models, policy).without_price("small").start().await;
    ask(&gateway, 40, Duration::from_millis(500)).await;
    let target = |metrics: &Metrics, target, what| {
        metrics.sum("xietong_policy_target", &[("route", "auto"), ("target", target), ("what", what)])
    };
    let metrics = gateway.settled().await;
    assert_eq!((target(&metrics, "spend", "set"), target(&metrics, "first_token_p95", "set")), (1e6, 0.5));
    assert!((0.0..=0.9).contains(&target(&metrics, "first_token_p95", "realised")), "{}", metrics.text);
    // A stretch in which the small model alone was asked costs something all the same.
    for _ in 0..20 {
        let before = (gateway.settled().await, models.1.seen().len());
        ask(&gateway, 3, Duration::from_millis(500)).await;
        let after = gateway.settled().await;
        if models.1.seen().len() == before.1 {
            let spent = target(&after, "spend", "realised") - target(&before.0, "spend", "realised");
            assert!(spent > 0.0, "{spent}");
            return;
        }
    }
    panic!("the large model was asked all the time");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_slow_to_begin_is_asked_less() {
    let models = (Scripted::start(Reply::text("small")).await, Scripted::start(late).await);
    let policy = "{kind: utility, targets: {first_token_p95: 500ms}}";
    let gateway = setup(&models, policy).start().await;
    let first = ask(&gateway, 1, Duration::from_millis(100)).await;
    assert_eq!(first.header("x-xietong-model"), Some("large"), "{first:?}");
    ask(&gateway, 40, Duration::from_millis(500)).await;
    // One in twenty may still be late.
    let mut small = 0;
    for _ in 0..20 {
        let answer = ask(&gateway, 1, Duration::from_millis(500)).await;
        let said = (answer.header("x-xietong-model"), answer.header("x-xietong-reason"));
        small += usize::from(said == (Some("small"), Some("latency")));
    }
    assert!(small >= 16, "{small} of 20");
    assert!(models.1.seen().len() < 30, "{}", models.1.seen().len());
}

fn turn(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

fn request(messages: &[Value]) -> Value {
    json!({"model": "auto", "messages": messages, "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}]})
}

/// A hard question, a tool that the model called, and what it gave back.
fn loop_of(times: usize) -> Vec<Value> {
    let mut messages = vec![turn("user", HARD)];
    for number in 0..times {
        let call = json!({"id": format!("c{number}"), "type": "function", "function": {"name": "look", "arguments": "{}"}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        messages.push(json!({"role": "tool", "tool_call_id": format!("c{number}"), "content": "ok"}));
    }
    messages
}

#[tokio::test(start_paused = true)]
async fn a_tool_loop_stays_with_whoever_began_it_unless_it_fails() {
    let models = models(Reply::text("small"), Reply::text("large")).await;
    // The same request would go to the small model now and to the large one next time, and back.
    let setup = setup(&models, "{kind: threshold, at: {share: 0.5}}");
    let setup = setup.model("small", "accepts: [text, tools]").model("large", "accepts: [text, tools]");
    let gateway = setup.start().await;
    let mut began = std::collections::BTreeSet::new();
    for number in 0..6 {
        let mut messages = loop_of(3);
        messages[0] = turn("user", &format!("{HARD} ({number})"));
        let first = gateway.ask(&request(&messages[..1])).await;
        let model = first.header("x-xietong-model").expect("a model").to_owned();
        for turns in [3, 5, 7] {
            let answer = gateway.ask(&request(&messages[..turns])).await;
            assert_eq!(answer.header("x-xietong-model"), Some(model.as_str()), "{turns}");
        }
        began.insert(model);
    }
    assert_eq!(began.len(), 2, "both were tried");

    // Whoever fails loses it to the one that answered in its place.
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(in_turn([
        Reply::text("large").whole(),
        openai::error(400, "x"),
        openai::error(500, "oops"),
    ]))
    .await;
    let models = (small, large);
    let gateway = self::setup(&models, "{kind: threshold, at: 0}")
        .model("small", "accepts: [text, tools]")
        .model("large", "accepts: [text, tools]")
        .start()
        .await;
    let messages = loop_of(3);
    let model = |answer: &Answer| answer.header("x-xietong-model").map(str::to_owned);
    let first = gateway.ask(&request(&messages[..1])).await;
    assert_eq!(model(&first).as_deref(), Some("large"), "{first:?}");
    assert_eq!(gateway.ask(&request(&messages[..3])).await.status(), 400);
    assert_eq!(model(&gateway.ask(&request(&messages[..3])).await).as_deref(), Some("small"));
    let answer = gateway.ask(&request(&messages[..5])).await;
    let reason = answer.header("x-xietong-reason");
    assert_eq!((model(&answer).as_deref(), reason), (Some("small"), Some("conversation")));
}

#[tokio::test(start_paused = true)]
async fn a_smaller_model_takes_over_only_where_it_is_cheaper_than_a_warm_cache() {
    const EASY: &str = "Thanks! What is the capital of France?";
    let long = format!("{HARD} {}", "Consider the sieve with care. ".repeat(200));
    let check = |price: &'static str, easy_model: &'static str, reason: &'static str| {
        let long = long.clone();
        async move {
            let small = Scripted::start(Reply::text("small")).await;
            let large = Scripted::start(Reply::text("large").input(1500, 0)).await;
            let gateway = Setup::ladder(&small.base_url(), &large.base_url())
                .model("small", "price: {input: 2, output: 2}")
                .model("large", price)
                .policy("{kind: threshold, at: 0.8}")
                .start()
                .await;
            let plan =
                |messages: Vec<Value>| json!({"model": "auto", "messages": messages, "max_tokens": 10});
            let first = gateway.ask(&plan(vec![turn("user", &long)])).await;
            assert_eq!(first.header("x-xietong-model"), Some("large"), "{first:?}");
            let second = vec![turn("user", &long), turn("assistant", "large"), turn("user", EASY)];
            let alone = gateway.ask(&plan(vec![turn("user", EASY)])).await;
            assert_eq!(alone.header("x-xietong-model"), Some("small"), "{alone:?}");
            let second = gateway.ask(&plan(second)).await;
            let got = (second.header("x-xietong-model"), second.header("x-xietong-reason"));
            assert_eq!(got, (Some(easy_model), Some(reason)), "{price}");
        }
    };
    check("price: {input: 10, cached_input: 0.1, output: 30}", "large", "conversation").await;
    check("price: {input: 10, cached_input: 9, output: 30}", "small", "easy").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_named_by_the_client_is_one_conversation() {
    let models = models(Reply::text("small"), Reply::text("large")).await;
    let key = "a-key-of-team-a-0123456789";
    let gateway = setup(&models, "{kind: threshold, at: 0}")
        .model("small", "accepts: [text, tools]")
        .model("large", "accepts: [text, tools]")
        .top(&format!("clients: [{{name: a, key: {key}, hints: true}}]"))
        .start()
        .await;
    let bearer = format!("Bearer {key}");
    let named = |session: &'static str, tier: &'static str| {
        let (gateway, bearer) = (&gateway, bearer.as_str());
        async move {
            let headers =
                [("authorization", bearer), ("x-session-id", session), ("x-xietong-max-tier", tier)];
            let answer = gateway.ask_with(&headers, &request(&loop_of(1))).await;
            answer.header("x-xietong-reason").map(str::to_owned)
        }
    };
    assert_eq!(named("one", "small").await.as_deref(), Some("capability"));
    assert_eq!(named("one", "large").await.as_deref(), Some("conversation"));
    assert_eq!(named("two", "large").await.as_deref(), Some("hard"));
}
