//! Upstreams that do not keep to what was set aside for a client with a budget: what is told them, and where it ends.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply, UsageShape};
use end_to_end::scripted::{Request, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

const KEY: (&str, &str) = ("authorization", "Bearer team-a-key-0123456789");

/// A client with this budget, and an answer of at most 50 tokens unless it says otherwise.
async fn start(upstream: &Scripted, budget: &str) -> Gateway {
    let client = format!("clients: [{{name: team-a, key: team-a-key-0123456789, {budget}}}]");
    Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("max_output: 50")
        .top(&client)
        .start()
        .await
}

/// An upstream that says so many words, in a stream one each 2 ms, whatever it is asked for.
async fn wordy(words: usize, usage: UsageShape) -> Scripted {
    let reply = Reply::text(&"word ".repeat(words)).usage(usage);
    Scripted::start(move |request: &Request| match request.asks_stream() {
        true => reply.stream(request.asks_usage()).paced(Duration::from_millis(2)),
        false => reply.whole(),
    })
    .await
}

fn with(mut body: Value, field: &str, value: u64) -> Value {
    body[field] = json!(value);
    body
}

#[tokio::test(start_paused = true)]
async fn an_upstream_is_told_what_was_set_aside_if_the_client_sets_no_limit() {
    let upstream = Scripted::start(Reply::text("one two")).await;
    let told = || {
        let sent = upstream.seen().last().expect("a request").request.json();
        (sent["max_tokens"].as_u64(), sent["max_completion_tokens"].as_u64())
    };
    let gateway = start(&upstream, "budget: {amount: 1, per: day}").await;
    for body in [openai::ask("large", "Count"), openai::ask_stream("large", "Count")] {
        assert_eq!(gateway.ask_with(&[KEY], &body).await.status(), 200);
        assert_eq!(told(), (Some(50), None));
        assert_eq!(gateway.ask_with(&[KEY], &with(body.clone(), "max_tokens", 7)).await.status(), 200);
        assert_eq!(told(), (Some(7), None));
        let body = with(body, "max_completion_tokens", 70);
        assert_eq!(gateway.ask_with(&[KEY], &body).await.status(), 200);
        assert_eq!(told(), (None, Some(70)));
    }
    let gateway = start(&upstream, "hints: false").await;
    assert_eq!(gateway.ask_with(&[KEY], &openai::ask("large", "Count")).await.status(), 200);
    assert_eq!(told(), (None, None), "without a budget nothing is added");
}

#[tokio::test(start_paused = true)]
async fn a_stream_beyond_what_was_set_aside_is_ended_as_long_as_allowed() {
    for usage in [UsageShape::LastChunk, UsageShape::EveryChunk, UsageShape::Never] {
        let upstream = wordy(2000, usage).await;
        let gateway = start(&upstream, "budget: {amount: 1, per: day}").await;
        let mut body = openai::ask_stream("large", "Count");
        body["stream_options"] = json!({"include_usage": true});
        let answer = gateway.ask_with(&[KEY], &body).await;
        assert!(answer.status() == 200 && answer.has_done() && answer.error().is_none(), "{}", answer.text());
        let reasons: Vec<_> = answer
            .chunks()
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(reasons, ["length"], "{usage:?}");
        let words = answer.content().split_whitespace().count();
        assert!((50..=200).contains(&words), "{words} with {usage:?}");
        // It was stopped, and is charged no less than what it wrote till then.
        let metrics = gateway.settled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let billed = upstream.billed();
        assert!(billed.output < 400, "{billed:?} with {usage:?}");
        let truth = (billed.input as f64 * 10.0 + billed.output as f64 * 30.0) / 1e6;
        let cost = metrics.sum("xietong_cost_total", &[("model", "large")]);
        assert!(cost >= truth, "{cost} of {truth} with {usage:?}");
        assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "overlong")]), 1.0);
        assert!((answer.usage()["cost"].as_f64().expect("a cost") - cost).abs() < 1e-12, "{usage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_cut_without_a_budget_or_within_the_bound() {
    let upstream = wordy(300, UsageShape::LastChunk).await;
    let gateway = start(&upstream, "hints: false").await;
    let answer = gateway.ask_with(&[KEY], &openai::ask_stream("large", "Count")).await;
    assert_eq!(answer.content().split_whitespace().count(), 300);
    let gateway = start(&upstream, "budget: {amount: 1, per: day}").await;
    let body = with(openai::ask_stream("large", "Count"), "max_tokens", 300);
    let answer = gateway.ask_with(&[KEY], &body).await;
    assert_eq!((answer.content().split_whitespace().count(), answer.has_done()), (300, true));
}

/// What was spent beyond what was set aside is what an upstream reports; it is taken from what is left, so that the next
/// request is refused.
#[tokio::test(start_paused = true)]
async fn what_was_spent_beyond_is_missing_from_what_is_left() {
    // A prompt of 20,000 tokens where a dozen were estimated costs 0.2; a whole answer that is too long cannot be cut.
    let long_prompt = Reply::text("one two").input(20_000, 0);
    let long_answer = Reply::text(&"word ".repeat(7000));
    for reply in [long_prompt, long_answer] {
        let upstream = Scripted::start(reply).await;
        let gateway = start(&upstream, "budget: {amount: 0.1, per: month}").await;
        assert_eq!(gateway.ask_with(&[KEY], &openai::ask("large", "Count")).await.status(), 200);
        for _ in 0..3 {
            let next = gateway.ask_with(&[KEY], &openai::ask("large", "Count")).await;
            assert_eq!(next.status(), 402, "{}", next.text());
        }
        assert_eq!(upstream.seen().len(), 1);
    }
}

/// Whether an answer is long is not judged by an estimate alone: runs of one sign are few tokens and seem to be many.
#[tokio::test(start_paused = true)]
async fn an_honest_answer_is_not_cut_for_what_an_estimate_says() {
    for sign in ["-", "=", " ", "─"] {
        // Ten tokens, as engines give them, that are estimated at several hundred and more.
        let reply = Reply::pieces((0..10).map(|_| sign.repeat(64))).usage(UsageShape::LastChunk);
        let (text, reply) = (reply.whole_text(), std::sync::Arc::new(reply));
        let upstream = Scripted::start(move |request: &Request| reply.stream(request.asks_usage())).await;
        let gateway = start(&upstream, "budget: {amount: 1, per: day}").await;
        let answer =
            gateway.ask_with(&[KEY], &with(openai::ask_stream("large", "Draw"), "max_tokens", 10)).await;
        assert_eq!((answer.content(), answer.has_done()), (text, true), "{}", answer.text());
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "ok")]), 1.0);
        assert_eq!(
            metrics.sum("xietong_tokens_total", &[("kind", "output")]),
            10.0,
            "it is charged as reported"
        );
    }
}

/// One that pays no heed to its bound is ended near it, be it in words, in Chinese, or in signs, a token at a time or many.
#[tokio::test(start_paused = true)]
async fn whatever_it_writes_an_upstream_without_bounds_is_ended() {
    for (piece, most) in [
        ("word ", 200),
        ("许多汉字", 120),
        ("--", 400),
        ("many words at a time ", 60),
        (&*"=".repeat(4096), 10),
    ] {
        let reply = Reply::pieces((0..3000).map(|_| piece)).usage(UsageShape::Never);
        let upstream =
            Scripted::start(move |_: &Request| reply.stream(false).paced(Duration::from_millis(2))).await;
        let gateway = start(&upstream, "budget: {amount: 1, per: day}").await;
        let answer = gateway.ask_with(&[KEY], &openai::ask_stream("large", "Write")).await;
        assert!(answer.has_done() && answer.error().is_none());
        let pieces = answer.content().len() / piece.len();
        assert!((1..=most).contains(&pieces), "{pieces} of {:?}", &piece[..piece.len().min(20)]);
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "overlong")]), 1.0);
    }
}

/// A whole answer is known only when it is there. After the first that is too long the model is asked for streams, which
/// can be ended: so the damage is one answer for each request under way then, and each client pays its own.
#[tokio::test(start_paused = true)]
async fn after_one_whole_answer_that_is_too_long_the_next_are_ended_at_their_bound() {
    let upstream = wordy(2000, UsageShape::EveryChunk).await;
    let gateway = start(&upstream, "budget: {amount: 1, per: day}").await;
    let ask = openai::ask("large", "Count");
    let first = gateway.ask_with(&[KEY], &ask).await;
    assert_eq!(first.usage()["completion_tokens"], 2000, "{}", first.text());
    for asked in 1..4 {
        let answer = gateway.ask_with(&[KEY], &ask).await;
        let choice = &answer.json()["choices"][0];
        assert_eq!(
            (answer.status(), choice["finish_reason"].as_str()),
            (200, Some("length")),
            "{}",
            answer.text()
        );
        let words = answer.content().split_whitespace().count();
        assert!((50..=60).contains(&words), "{words}");
        assert!(upstream.seen()[asked].request.asks_stream());
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "overlong")]), asked as f64);
        let truth = upstream.billed();
        let truth = (truth.input as f64 * 10.0 + truth.output as f64 * 30.0) / 1e6;
        assert!(metrics.sum("xietong_cost_total", &[]) >= truth, "never below what is billed");
    }
    // Nobody else is asked otherwise than before.
    let gateway = start(&upstream, "hints: false").await;
    gateway.ask_with(&[KEY], &ask).await;
    gateway.ask_with(&[KEY], &ask).await;
    assert!(!upstream.seen().last().expect("a request").request.asks_stream());
}
