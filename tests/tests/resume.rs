//! A stream that is cut: another rung goes on with it where the joint is sound, else the client is told.

use std::time::Duration;

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, End, Request, Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

/// What became of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It is whole, and the second rung finished it.
    Resumed,
    /// It ends with an error event.
    Error,
}

struct Bench {
    small: Scripted,
    large: Scripted,
    answer: Answer,
    metrics: end_to_end::metrics::Metrics,
}

/// The small rung says `one two ` of `one two three four`, and breaks off as `cut` says; what then does the large one?
async fn ask(setup: impl Fn(Setup) -> Setup, large: impl Choose, cut: Script, mut body: Value) -> Bench {
    let small = Scripted::start(cut).await;
    let large = Scripted::start(large).await;
    body["stream_options"] = json!({"include_usage": true});
    let gateway = setup(Setup::ladder(&small.base_url(), &large.base_url())).start().await;
    let answer = gateway.ask(&body).await;
    let metrics = gateway.settled().await;
    Bench { small, large, answer, metrics }
}

fn cut() -> Script {
    Reply::text("one two three four").stream(false).until_chunk(3)
}

fn check(bench: &Bench, then: Then, label: &str) {
    let Bench { small, large, answer, metrics } = bench;
    let label = format!("{label}: {}", answer.text());
    assert_eq!((answer.status(), small.seen().len()), (200, 1), "{label}");
    assert_eq!(answer.has_done(), then == Then::Resumed, "{label}");
    assert_eq!(answer.error().is_some(), then == Then::Error, "{label}");
    let outcome = if then == Then::Resumed { "complete" } else { "cut" };
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", outcome)]), 1.0, "{label}");
    let asked = small.seen().len() + large.seen().len();
    assert_eq!(metrics.sum("xietong_attempts_total", &[]) as usize, asked, "{label}");
    match then {
        Then::Resumed => {
            assert_eq!(answer.content(), "one two three four", "{label}");
            assert_eq!(answer.usage()["resumed"], true, "{label}");
            let finishes =
                answer.chunks().iter().filter(|it| it["choices"][0]["finish_reason"] == "stop").count();
            assert_eq!(finishes, 1, "{label}");
        }
        Then::Error => {
            assert_eq!(answer.content(), "one two ", "{label}");
            assert_eq!(answer.error().expect("an error")["code"], "upstream_truncated", "{label}");
        }
    }
}

fn prefill(setup: Setup) -> Setup {
    setup.model("large", "accepts: [text, prefill]")
}

/// The kinds of break, all after the first byte.
fn breaks() -> [(&'static str, Script); 4] {
    let error = openai::error_object("server_error", "overloaded", "trouble");
    [
        ("reset", cut().reset()),
        ("closed", cut().close()),
        ("silent", cut().stall()),
        ("error", cut().event(error).end()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_rung_that_takes_a_begun_answer_goes_on_with_it() {
    for (how, script) in breaks() {
        let go_on = |request: &Request| {
            let messages = request.json()["messages"].clone();
            let said = messages.as_array().and_then(|list| list.last()).cloned().unwrap_or_default();
            assert_eq!(said, json!({"role": "assistant", "content": "one two "}));
            Reply::text("three four").input(20, 0).choose(request)
        };
        let bench = ask(prefill, go_on, script, openai::ask_stream("auto", "Count")).await;
        check(&bench, Then::Resumed, how);
        let usage = bench.answer.usage();
        // Two tokens of the first model, by estimate, and two of the second.
        assert!(usage["completion_tokens"].as_u64().is_some_and(|count| (3..=6).contains(&count)), "{usage}");
        assert_eq!(usage["estimated"], true, "the first part was never counted: {usage}");
        let cost = usage["cost"].as_f64().expect("a cost");
        let charged = bench.metrics.sum("xietong_cost_total", &[]);
        let second = 20.0 * 10e-6 + 2.0 * 30e-6;
        assert!(
            cost > second && (cost - charged).abs() < 1e-9,
            "both attempts are in the cost: {usage}, {charged}"
        );
    }
}

/// An answer that the second rung gives anew is taken where it begins with the very text that was sent.
#[tokio::test(start_paused = true)]
async fn an_answer_that_begins_the_same_way_is_gone_on_with() {
    for (how, script) in breaks() {
        for pieces in [
            vec!["one two three four"],
            vec!["one", " two", " three", " four"],
            vec!["one two ", "three four"],
        ] {
            let reply = Reply::pieces(pieces.clone()).input(12, 0);
            let bench = ask(|setup| setup, reply, script.clone(), openai::ask_stream("auto", "Count")).await;
            check(&bench, Then::Resumed, &format!("{how}, {pieces:?}"));
            let usage = bench.answer.usage();
            assert_eq!(usage["completion_tokens"].as_u64(), Some(pieces.len() as u64), "{usage}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_answer_is_never_spliced_in() {
    for other in ["One two three four", "one too three four", "one", "", "two three"] {
        let bench =
            ask(|setup| setup, Reply::text(other), cut().reset(), openai::ask_stream("auto", "Count")).await;
        check(&bench, Then::Error, other);
        let wasted =
            bench.metrics.sum("xietong_wasted_cost_total", &[("model", "large"), ("cause", "retried")]);
        assert!(other.is_empty() || wasted > 0.0, "{other}: what was said in vain is accounted for");
    }
}

/// The second rung is stopped as soon as its answer is another.
#[tokio::test(start_paused = true)]
async fn another_answer_is_stopped_at_once() {
    let long =
        Reply::pieces((0..100).map(|number| format!("{number} "))).stream(true).paced(Duration::from_secs(1));
    let bench = ask(|setup| setup, long, cut().reset(), openai::ask_stream("auto", "Count")).await;
    check(&bench, Then::Error, "a long one");
    assert_eq!(bench.large.only().end().await.0, End::PeerLeft);
    assert!(bench.large.billed().output <= 2, "{:?}", bench.large.billed());
}

#[tokio::test(start_paused = true)]
async fn only_where_it_is_allowed_and_sound() {
    let same = || Reply::text("one two three four");
    let ask_stream = |field: Value| {
        let mut body = openai::ask_stream("auto", "Count");
        for (key, value) in field.as_object().expect("an object") {
            body[key] = value.clone();
        }
        body
    };
    let never = |setup: Setup| setup.route("resume: never");
    let alone = |setup: Setup| setup.route("fallback: none");
    for (label, bench) in [
        ("never", ask(never, same(), cut().reset(), ask_stream(json!({}))).await),
        ("no fallback", ask(alone, same(), cut().reset(), ask_stream(json!({}))).await),
        ("logprobs", ask(|it| it, same(), cut().reset(), ask_stream(json!({"logprobs": true}))).await),
        ("two choices", ask(|it| it, same(), cut().reset(), ask_stream(json!({"n": 2}))).await),
        ("by name", ask(|it| it, same(), cut().reset(), ask_stream(json!({"model": "small"}))).await),
    ] {
        check(&bench, Then::Error, label);
        assert!(bench.large.seen().is_empty(), "{label}");
    }
    // What is more than text cannot be compared.
    let thinking = Reply::text("one two three").thinking("hm hm").stream(false).until_chunk(4).reset();
    let bench = ask(|it| it, same(), thinking, ask_stream(json!({}))).await;
    assert!(bench.answer.error().is_some() && bench.large.seen().is_empty(), "{}", bench.answer.text());
}

/// A second break is the end.
#[tokio::test(start_paused = true)]
async fn a_second_break_is_told() {
    for large in [
        Script::default().reset(),
        openai::error(503, "overloaded"),
        Reply::text("one two three four").stream(false).until_chunk(2).reset(),
        Reply::text("one two three four").stream(false).until_chunk(4).reset(),
    ] {
        let bench = ask(|it| it, large, cut().reset(), openai::ask_stream("auto", "Count")).await;
        let label = bench.answer.text();
        assert!(!bench.answer.has_done() && bench.answer.error().is_some(), "{label}");
        assert!("one two three four".starts_with(&bench.answer.content()), "{label}");
        assert_eq!(bench.metrics.sum("xietong_requests_total", &[("outcome", "cut")]), 1.0, "{label}");
    }
}
