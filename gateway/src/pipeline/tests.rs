//! A request from its bytes to the bytes of its answer, in front of upstreams that open no socket, on a paused clock: whom it
//! is asked of, what its client hears, and what is charged.
//!
//! What to expect is in `config/README.md` and `tests/RELIABILITY.md`. The answer of `small` may have 40 tokens; each costs 1,
//! and 10 at `large`. What may have been billed is charged at its bound, 40 and 400. Each model says that its answer has 5
//! tokens, which are 5 and 50, and the one that a guard rejects 9.

mod queues;

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::scripted::ScriptedPart::{Breaks, Done, Event, Finish, Text, Usage, Wait};
use crate::scripted::UpstreamScript::{self, Says};
use crate::scripted::{ClientResponse, ScriptedGateway};
use protocol::ProviderError;
use upstreams::attempt_error::AttemptError;
use upstreams::attempt_error::AttemptErrorKind::{
    self, BadResponse, CircuitOpen, ConnectFailed, ConnectionLost, FirstTokenTimeout, IdleTimeout, QueueFull,
    QueueTimeout, RefusedStream, Rejected, TotalTimeout,
};

const NAMED: &str = "small";
const FIXED: &str = "{kind: fixed, model: small}";
const CASCADE: &str =
    "{kind: cascade, policy: {kind: fixed, model: small}, hold: all, guard: {confidence: 0}}";
const SAMPLED: &str = "{kind: cascade, policy: {kind: fixed, model: small}, hold: all, guard: {confidence: 0}, \
                       agree: {samples: 1, model: large}}";
const HEDGE: &str = "{kind: hedge, policy: {kind: fixed, model: small}, silence: 1s}";
const BUDGET: &str = "{kind: budget, escalations: {share: 0, at_least: 1}, policy: {kind: cascade, \
                      policy: {kind: fixed, model: small}, hold: all, guard: {confidence: 0}}}";

const REFUSAL: &str = "I'm sorry, but I can't help with that, as I do not know what you mean.";
const ESSAY: &str = "It is a long story, which began in the north, where it rained for weeks, and nobody knew why; \
    then the sun came out, the river went back into its bed, and they built the town that we know today.";
const ESSAY_HEARD: &str = "200 It is a long story, which began in the north, where it rained for weeks, and nobody \
    knew why; then the sun came out, the river went back into its bed, and they built the town that we know today..";
const OTHER_ESSAY: &str = "There was a king who had three daughters, and all of them wanted to see the sea before they \
    were old; so he had a ship built of the best wood in his land, and one morning in May they left.";
const ERROR: &str = r#"{"error":{"message":"The engine stopped.","code":"engine_stopped"}}"#;

/// How the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Streamed,
    Whole,
}
use Form::{Streamed, Whole};
const BOTH: &[Form] = &[Streamed, Whole];

/// One case.
struct Case {
    name: &'static str,
    forms: &'static [Form],
    /// What `small` says, one request after the other; the last again and again.
    small: Vec<UpstreamScript>,
    /// The same of `large`.
    large: Vec<UpstreamScript>,
    /// Whom it is asked of in turn: `s` is `small`, and `L` is `large`.
    asked: &'static str,
    /// What the client hears: the status, the text, and `.` at the end of a whole answer, or the error's code.
    heard: &'static str,
    /// How each attempt ended, and what it cost.
    charged: &'static str,
}

/// A case that is the same for both forms, and in which `large` is fine.
fn case(
    name: &'static str,
    small: UpstreamScript,
    asked: &'static str,
    heard: &'static str,
    charged: &'static str,
) -> Case {
    Case {
        name,
        forms: BOTH,
        small: vec![small],
        large: vec![UpstreamScript::text("Large", 5)],
        asked,
        heard,
        charged,
    }
}

impl Case {
    fn streamed(self) -> Self {
        Self { forms: &[Streamed], ..self }
    }

    fn whole(self) -> Self {
        Self { forms: &[Whole], ..self }
    }

    fn then(mut self, small: UpstreamScript) -> Self {
        self.small.push(small);
        self
    }

    fn large(self, large: UpstreamScript) -> Self {
        Self { large: vec![large], ..self }
    }

    /// What is wrong with it under a policy, or with a model that is named.
    async fn wrong(&self, policy: &str, form: Form) -> Vec<String> {
        let gateway = scripted(policy, self.small.clone(), self.large.clone());
        gateway.earn_a_hedge("small");
        let heard = gateway.ask(&request(policy, form)).await;
        let summary = heard.summary();
        let outcome = match (heard.status, summary.ends_with('.')) {
            (200, true) => "complete",
            (200, false) => "cut",
            // That every model is busy is nothing that the client could do better.
            (429, _) => "failed",
            (status, _) if status < 500 => "refused",
            _ => "failed",
        };
        [
            ("hears", summary, self.heard),
            ("asks", gateway.asked().replace("small", "s").replace("large", "L"), self.asked),
            ("pays", gateway.charged(), self.charged),
            ("ends", gateway.outcome(), outcome),
        ]
        .into_iter()
        .filter(|(_, is, expected)| is != expected)
        .map(|(what, is, expected)| {
            format!("{}, {form:?}, {policy}: {what} `{is}`, not `{expected}`", self.name)
        })
        .collect()
    }
}

/// Checks each case under each of these policies, or with a model that is named.
async fn check(policies: &[&str], cases: &[Case]) {
    let mut wrong = Vec::new();
    for policy in policies {
        for case in cases {
            for form in case.forms {
                wrong.extend(case.wrong(policy, *form).await);
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn yaml(route: &str) -> String {
    let model = |name: &str, rest: &str| {
        format!(
            "  - {{name: {name}, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, {rest}}}\n"
        )
    };
    format!(
        "models:\n{}{}routes:\n  - {{name: auto, ladder: [small, large], {route}}}\n",
        model("small", "context: 10000, price: {input: 0, output: 1000000}"),
        model("large", "context: 100000, price: {input: 0, output: 10000000}"),
    )
}

fn scripted(policy: &str, small: Vec<UpstreamScript>, large: Vec<UpstreamScript>) -> ScriptedGateway {
    let policy = if policy == NAMED { FIXED } else { policy };
    ScriptedGateway::new(
        &yaml(&format!("resume: never, policy: {policy}")),
        [("small", small), ("large", large)],
    )
}

fn request(policy: &str, form: Form) -> Value {
    let model = if policy == NAMED { NAMED } else { "auto" };
    let messages = [json!({"role": "user", "content": "What is the capital of France?"})];
    json!({"model": model, "messages": messages, "max_tokens": 40, "stream": form == Streamed})
}

fn fine() -> UpstreamScript {
    UpstreamScript::text("Small", 5)
}

fn fails(what: AttemptErrorKind) -> UpstreamScript {
    UpstreamScript::fails(what)
}

fn breaks(text: &'static str, what: AttemptErrorKind) -> UpstreamScript {
    UpstreamScript::breaks(text, what)
}

fn status(status: u16) -> UpstreamScript {
    UpstreamScript::status(status, "oops")
}

/// A status with the provider's code.
fn says_no(status: u16, code: &str) -> UpstreamScript {
    UpstreamScript::status(status, code)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// 429, with a time to wait.
fn limited(wait: u64) -> UpstreamScript {
    let complaint = ProviderError { status: Some(429), ..ProviderError::default() };
    UpstreamScript::Fails(Duration::ZERO, AttemptError::from_status(429, complaint, Some(seconds(wait))))
}

/// However it is asked for and under whichever plan, an attempt that fails before its first token leads to the same.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn the_next_rung_answers_where_the_first_fails_before_its_first_token() {
    const TOO_LONG: &str = r#"{"error":{"message":"Too long.","code":"context_length_exceeded"}}"#;
    check(&[FIXED, CASCADE, HEDGE], &[
        case("nothing fails", fine(), "s", "200 Small.", "ok 5"),
        // Nothing was sent, or the provider has not worked on it: the same model again.
        case("no connection", fails(ConnectFailed), "s s L", "200 Large.", "unreachable 0, unreachable 0, ok 50"),
        case("turned away", fails(RefusedStream), "s s L", "200 Large.", "turned_away 0, turned_away 0, ok 50"),
        case("429", status(429), "s s L", "200 Large.", "rate_limited 0, rate_limited 0, ok 50"),
        case("429 for 10 s", limited(10), "s s L", "200 Large.", "rate_limited 0, rate_limited 0, ok 50"),
        case("500", status(500), "s s L", "200 Large.", "server_error 0, server_error 0, ok 50"),
        case("502", status(502), "s s L", "200 Large.", "server_error 0, server_error 0, ok 50"),
        case("503", status(503), "s s L", "200 Large.", "server_error 0, server_error 0, ok 50"),
        case("504", status(504), "s s L", "200 Large.", "server_error 0, server_error 0, ok 50"),
        case("529", status(529), "s s L", "200 Large.", "server_error 0, server_error 0, ok 50"),
        case("one lost connect", fails(ConnectFailed), "s s", "200 Small.", "unreachable 0, ok 5").then(fine()),
        case("429, once", status(429), "s s", "200 Small.", "rate_limited 0, ok 5").then(fine()),
        case("503, once", status(503), "s s", "200 Small.", "server_error 0, ok 5").then(fine()),
        case("429, silence", status(429), "s s L", "200 Large.", "rate_limited 0, silent 40, ok 50").then(fails(FirstTokenTimeout)),
        // Longer than is waited for, or without end.
        case("429 for 11 s", limited(11), "s L", "200 Large.", "rate_limited 0, ok 50"),
        case("429, no money", says_no(429, "insufficient_quota"), "s L", "200 Large.", "rate_limited 0, ok 50"),
        // It may have been billed: never the same model.
        case("silence", fails(FirstTokenTimeout), "s L", "200 Large.", "silent 40, ok 50"),
        case("too slow", fails(TotalTimeout), "s L", "200 Large.", "overran 40, ok 50"),
        case("lost", fails(ConnectionLost), "s L", "200 Large.", "cut 40, ok 50"),
        case("408", status(408), "s L", "200 Large.", "cut 40, ok 50"),
        case("lost after the head", Says(vec![Breaks(ConnectionLost)]), "s L", "200 Large.", "cut 40, ok 50"),
        case("silence after the head", Says(vec![Breaks(FirstTokenTimeout)]), "s L", "200 Large.", "silent 40, ok 50"),
        case("a stream of nothing", Says(vec![]), "s L", "200 Large.", "cut 40, ok 50").streamed(),
        // The endpoint is at fault.
        case("401", status(401), "s L", "200 Large.", "faulty 0, ok 50"),
        case("403", status(403), "s L", "200 Large.", "faulty 0, ok 50"),
        case("404", status(404), "s L", "200 Large.", "faulty 0, ok 50"),
        case("307", status(307), "s L", "200 Large.", "faulty 0, ok 50"),
        case("an error in a 200", Says(vec![Event(ERROR)]), "s L", "200 Large.", "faulty 0, ok 50"),
        case("the engine is gone", fails(CircuitOpen), "s L", "200 Large.", "ejected 0, ok 50"),
        case("the engine's queue is full", fails(QueueFull), "s L", "200 Large.", "full 0, ok 50"),
        case("the engine has work ahead", fails(QueueTimeout), "s L", "200 Large.", "queued 0, ok 50"),
        // A larger context helps.
        case("400, too long", says_no(400, "context_length_exceeded"), "s L", "200 Large.", "too_long 0, ok 50"),
        case("413", status(413), "s L", "200 Large.", "too_long 0, ok 50"),
        case("too long, in a 200", Says(vec![Event(TOO_LONG)]), "s L", "200 Large.", "too_long 0, ok 50"),
        // It is the client's to hear of, in the provider's words.
        case("400", says_no(400, "invalid_value"), "s", "400 invalid_value", "refused 0"),
        case("400, a policy", says_no(400, "content_filter"), "s", "400 content_filter", "refused 0"),
        case("422", says_no(422, "unprocessable"), "s", "422 unprocessable", "refused 0"),
    ]).await;
}

/// Whoever waits for the whole of an answer waits no longer for one that is thrown away than for ten times the hold.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_streamed_is_judged_by_what_there_is_after_a_while() {
    const UNSURE: &str = "{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\
        \"index\":0,\"delta\":{\"content\":\" well\"},\"finish_reason\":null,\"logprobs\":{\"content\":[{\
        \"token\":\" well\",\"logprob\":-0.7,\"bytes\":null,\"top_logprobs\":[]}]}}]}";
    let check = async |hold: &str, confidence: f64, text: &str, after: u64| {
        let policy = format!(
            "resume: never, policy: {{kind: cascade, policy: {{kind: fixed, model: small}}, hold: {hold}, \
             guard: {{confidence: {confidence}}}}}"
        );
        let yaml = yaml(&policy).replacen(
            "context: 10000",
            "context: 10000, accepts: [text, logprobs], whole_as: stream",
            1,
        );
        // Words for two seconds, silence for five, and the rest.
        let words = [
            Event(UNSURE),
            Wait(seconds(1)),
            Event(UNSURE),
            Wait(seconds(1)),
            Event(UNSURE),
            Wait(seconds(9)),
        ];
        let small = [&words[..], &[Text(" then"), Finish("stop"), Usage(10, 5), Done]].concat();
        let gateway = ScriptedGateway::new(
            &yaml,
            [("small", vec![Says(small)]), ("large", vec![UpstreamScript::text("Large", 5)])],
        );
        let began = Instant::now();
        let heard = gateway.ask(&request(CASCADE, Whole)).await;
        let label = format!("{hold}, {confidence}");
        assert_eq!((heard.summary().as_str(), began.elapsed().as_secs()), (text, after), "{label}");
        assert!(!heard.body.contains("logprob\":-"), "{label}: {}", heard.body);
    };
    let whole = "200  well well well then.";
    check("{tokens: 24, at_most: 600ms}", 1.0, "200 Large.", 6).await;
    check("{tokens: 24, at_most: 600ms}", 0.01, whole, 11).await;
    check("{tokens: 24, at_most: 2s}", 1.0, "200 Large.", 11).await;
    check("all", 1.0, "200 Large.", 11).await;
    check("all", 0.01, whole, 11).await;
}

/// A stream that has nothing but its marker is no answer; a guard that waits for its end calls it empty.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_marker_and_nothing_else_is_no_answer() {
    let marker = || Says(vec![Done]);
    check(&[FIXED, HEDGE], &[case("", marker(), "s L", "200 Large.", "faulty 0, ok 50").streamed()]).await;
    check(&[CASCADE], &[case("", marker(), "s L", "200 Large.", "empty 0, ok 50").streamed()]).await;
}

/// With nobody left to ask, the client hears what is wrong in a word of ours, and nothing of the provider's.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_model_that_is_named_has_no_other_to_take_over() {
    let (no_answer, late, wrong) = ("503 upstream_unavailable", "504 upstream_timeout", "502 upstream_error");
    let (busy, too_long) = ("429 rate_limit_exceeded", "400 context_length_exceeded");
    check(&[NAMED], &[
        case("nothing fails", fine(), "s", "200 Small.", "ok 5"),
        case("no connection", fails(ConnectFailed), "s s", no_answer, "unreachable 0, unreachable 0"),
        case("turned away", fails(RefusedStream), "s s", no_answer, "turned_away 0, turned_away 0"),
        case("the engine is gone", fails(CircuitOpen), "s", no_answer, "ejected 0"),
        case("429", status(429), "s s", busy, "rate_limited 0, rate_limited 0"),
        case("429 for an hour", limited(3600), "s", busy, "rate_limited 0"),
        case("the engine's queue is full", fails(QueueFull), "s", busy, "full 0"),
        case("the engine has work ahead", fails(QueueTimeout), "s", busy, "queued 0"),
        case("500", status(500), "s s", wrong, "server_error 0, server_error 0"),
        case("503", status(503), "s s", no_answer, "server_error 0, server_error 0"),
        case("529", status(529), "s s", no_answer, "server_error 0, server_error 0"),
        case("503, once", status(503), "s s", "200 Small.", "server_error 0, ok 5").then(fine()),
        case("503, then 429", status(503), "s s", busy, "server_error 0, rate_limited 0").then(status(429)),
        case("silence", fails(FirstTokenTimeout), "s", late, "silent 40"),
        case("too slow", fails(TotalTimeout), "s", late, "overran 40"),
        case("lost", fails(ConnectionLost), "s", wrong, "cut 40"),
        case("401", status(401), "s", wrong, "faulty 0"),
        case("an error in a 200", Says(vec![Event(ERROR)]), "s", wrong, "faulty 0"),
        case("400, too long", says_no(400, "context_length_exceeded"), "s", too_long, "too_long 0"),
        case("400", says_no(400, "invalid_value"), "s", "400 invalid_value", "refused 0"),
    ]).await;
}

/// The same where every rung was asked in vain.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn where_every_rung_fails_the_client_hears_of_the_last_that_says_why() {
    let (no_answer, late, wrong) = ("503 upstream_unavailable", "504 upstream_timeout", "502 upstream_error");
    check(&[FIXED, CASCADE, HEDGE], &[
        case("both are busy", status(429), "s s L L", "429 rate_limit_exceeded",
            "rate_limited 0, rate_limited 0, rate_limited 0, rate_limited 0").large(status(429)),
        case("one is busy", fails(FirstTokenTimeout), "s L L", late, "silent 40, rate_limited 0, rate_limited 0").large(status(429)),
        case("the other is", limited(60), "s L", late, "rate_limited 0, silent 400").large(fails(FirstTokenTimeout)),
        case("a fault and silence", status(401), "s L", late, "faulty 0, silent 400").large(fails(FirstTokenTimeout)),
        case("silence and a fault", fails(FirstTokenTimeout), "s L", wrong, "silent 40, faulty 0").large(status(401)),
        case("no connection", fails(FirstTokenTimeout), "s L L", no_answer, "silent 40, unreachable 0, unreachable 0")
            .large(fails(ConnectFailed)),
        case("then refused", fails(FirstTokenTimeout), "s L", "400 bad_value", "silent 40, refused 0").large(says_no(400, "bad_value")),
        case("both too long", status(413), "s L", "400 its_code", "too_long 0, too_long 0").large(says_no(413, "its_code")),
    ]).await;
}

/// Nothing can be taken back once a byte is out.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_stream_that_breaks_off_ends_in_an_error() {
    let cut = "200 Sm… upstream_truncated";
    let whole = || vec![Text("Small"), Finish("stop"), Usage(10, 5)];
    let and = |part| [whole(), vec![part]].concat();
    let odd = vec![Text("Sm"), Event("{"), Text("all"), Finish("stop"), Usage(10, 5), Done];
    check(&[FIXED, NAMED, HEDGE], &[
        case("lost", breaks("Sm", ConnectionLost), "s", cut, "cut 40"),
        case("silence", breaks("Sm", IdleTimeout), "s", cut, "stalled 40"),
        case("too slow", breaks("Sm", TotalTimeout), "s", cut, "overran 40"),
        case("no answer any more", breaks("Sm", BadResponse(200)), "s", cut, "faulty 40"),
        case("an error event", Says(vec![Text("Sm"), Event(ERROR)]), "s", cut, "faulty 40"),
        case("an end without a reason", Says(vec![Text("Sm"), Usage(10, 5)]), "s", cut, "cut 40"),
        // Once an answer has said why it ended, only its marker can be missing.
        case("no marker", Says(whole()), "s", "200 Small.", "ok 5"),
        case("lost after the end", Says(and(Breaks(ConnectionLost))), "s", "200 Small.", "ok 5"),
        case("silence after the end", Says(and(Breaks(IdleTimeout))), "s", "200 Small.", "ok 5"),
        case("too slow after the end", Says(and(Breaks(TotalTimeout))), "s", "200 Small.", "ok 5"),
        case("an error after the end", Says(and(Event(ERROR))), "s", "200 Small… upstream_truncated", "faulty 40"),
        case("no reason", Says(vec![Text("Small"), Usage(10, 5), Done]), "s", "200 Small.", "ok 5"),
        case("an event that is no JSON", Says(odd), "s", "200 Sm… upstream_truncated", "faulty 40"),
    ].map(Case::streamed)).await;
}

/// As long as nothing has left, another model's answer can take its place.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn an_answer_that_is_held_back_can_still_be_replaced() {
    let whole = || vec![Text("Small"), Finish("stop"), Usage(10, 5)];
    let and = |part| [whole(), vec![part]].concat();
    check(&[CASCADE], &[
        case("lost", breaks("Sm", ConnectionLost), "s L", "200 Large.", "cut 40, ok 50"),
        case("silence", breaks("Sm", IdleTimeout), "s L", "200 Large.", "stalled 40, ok 50"),
        case("too slow", breaks("Sm", TotalTimeout), "s L", "200 Large.", "overran 40, ok 50"),
        case("an error event", Says(vec![Text("Sm"), Event(ERROR)]), "s L", "200 Large.", "faulty 0, ok 50"),
        case("no marker", Says(whole()), "s", "200 Small.", "ok 5"),
        case("lost after the end", Says(and(Breaks(ConnectionLost))), "s", "200 Small.", "ok 5").streamed(),
        case("silence after the end", Says(and(Breaks(IdleTimeout))), "s", "200 Small.", "ok 5").streamed(),
    ]).await;
}

/// A blank answer is known to be one at its end, when the model has counted its tokens. A refusal is let go at its first
/// words, unless it comes whole; what was under way then is charged.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn an_answer_that_will_not_do_is_not_seen_where_a_larger_model_answers() {
    let (blank, refusal) = (|| UpstreamScript::text(" ", 9), || UpstreamScript::text(REFUSAL, 9));
    check(&[CASCADE], &[
        case("it is fine", fine(), "s", "200 Small.", "ok 5"),
        case("a blank", blank(), "s L", "200 Large.", "empty 9, ok 50"),
        case("a refusal", refusal(), "s L", "200 Large.", "refusal 40, ok 50").streamed(),
        case("a refusal", refusal(), "s L", "200 Large.", "refusal 9, ok 50").whole(),
        // The rejected answer is better than none.
        case("no connection", blank(), "s L L s", "200  .", "empty 9, unreachable 0, unreachable 0, ok 9")
            .large(fails(ConnectFailed)),
        case("503", blank(), "s L L s", "200  .", "empty 9, server_error 0, server_error 0, ok 9").large(status(503)),
        case("busy", blank(), "s L L s", "200  .", "empty 9, rate_limited 0, rate_limited 0, ok 9").large(status(429)),
        case("silence", blank(), "s L s", "200  .", "empty 9, silent 400, ok 9").large(fails(FirstTokenTimeout)),
        case("lost", blank(), "s L s", "200  .", "empty 9, cut 400, ok 9").large(fails(ConnectionLost)),
        case("401", blank(), "s L s", "200  .", "empty 9, faulty 0, ok 9").large(status(401)),
        case("no engine", blank(), "s L s", "200  .", "empty 9, ejected 0, ok 9").large(fails(CircuitOpen)),
        case("400", blank(), "s L", "400 bad_value", "empty 9, refused 0").large(says_no(400, "bad_value")),
        case("both fail", blank(), "s L s", "504 upstream_timeout", "empty 9, silent 400, silent 40")
            .large(fails(FirstTokenTimeout)).then(fails(FirstTokenTimeout)),
    ]).await;
}

/// `large` is asked for a second opinion while `small` writes.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_second_opinion_is_asked_for_at_the_same_time() {
    let says = |text: &'static str| UpstreamScript::text(text, 5);
    let (blank, later) = (|| UpstreamScript::text(" ", 9), |text| says(text).after(seconds(2)));
    check(&[SAMPLED], &[
        case("they agree", says("42"), "L s", "200 42.", "ok 5, sampled 50").large(says("42")),
        case("they agree, later", says("42"), "L s", "200 42.", "ok 5, sampled 50").large(later("42")),
        case("they differ", says("42"), "L s L", "200 43.", "disagreement 5, sampled 50, ok 50").large(says("43")),
        case("essays are not compared", says(ESSAY), "L s", ESSAY_HEARD, "ok 5, sampled 50").large(says(OTHER_ESSAY)),
        case("the other fails", says("42"), "L s", "200 42.", "ok 5, server_error 0").large(status(503)),
        case("the other is silent", says("42"), "L s", "200 42.", "ok 5, silent 400").large(fails(FirstTokenTimeout).after(seconds(3))),
        case("the other is refused", says("42"), "L s", "200 42.", "ok 5, refused 0").large(says_no(400, "bad_value")),
        case("silence", fails(FirstTokenTimeout), "L s L", "200 42.", "silent 40, sampled 50, ok 50").large(says("42")),
        case("silence, the other writes", fails(FirstTokenTimeout), "L s L", "200 42.", "silent 40, sampled 400, ok 50").large(later("42")),
        case("a blank", blank(), "L s L", "200 42.", "empty 9, sampled 50, ok 50").large(says("42")),
        case("400", says_no(400, "bad_value"), "L s", "400 bad_value", "refused 0, sampled 50").large(says("42")),
        case("503, once", status(503), "L s L s", "200 42.", "server_error 0, sampled 50, ok 5, sampled 50")
            .then(says("42")).large(says("42")),
    ]).await;
}

/// After a silence of a second `large` is asked as well, and the first to speak answers.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_silent_model_is_hedged() {
    let later = |count| fine().after(seconds(count));
    let slow = || UpstreamScript::text("Large", 5).after(seconds(9));
    check(&[HEDGE], &[
        case("it speaks in time", fine().after(Duration::from_millis(900)), "s", "200 Small.", "ok 5"),
        case("the second is faster", later(3), "s L", "200 Large.", "hedged 40, ok 50"),
        case("the first is faster", later(3), "s L", "200 Small.", "ok 5, hedged 400").large(slow()),
        case("the first fails", fails(FirstTokenTimeout).after(seconds(3)), "s L", "200 Large.", "silent 40, ok 50").large(slow()),
        case("the first gets 503", status(503).after(seconds(3)), "s L", "200 Large.", "server_error 0, ok 50").large(slow()),
        case("the second fails", later(3), "s L", "200 Small.", "ok 5, server_error 0").large(status(503)),
        case("the second is refused", later(3), "s L", "200 Small.", "ok 5, refused 0").large(says_no(400, "bad_value")),
        case("both fail", fails(FirstTokenTimeout).after(seconds(3)), "s L", "504 upstream_timeout", "silent 40, server_error 0")
            .large(status(503)),
        case("it breaks off later", breaks("Sm", ConnectionLost).after(seconds(3)), "s L", "200 Sm… upstream_truncated",
            "cut 40, hedged 400").large(slow()),
    ].map(Case::streamed)).await;
    // Who writes a whole answer cannot be told from one who is silent.
    check(&[HEDGE], &[case("a whole answer", later(3), "s", "200 Small.", "ok 5").whole()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_hedge_must_be_earned() {
    let gateway = scripted(HEDGE, vec![fine().after(seconds(3))], vec![UpstreamScript::text("Large", 5)]);
    let heard = gateway.ask(&request(HEDGE, Streamed)).await;
    assert_eq!((heard.summary().as_str(), gateway.asked().as_str()), ("200 Small.", "small"));
}

/// Where a policy bounds how many requests of a client go on to a larger model, the first may, and the second gets what there
/// is.
#[tokio::test(start_paused = true)]
async fn beyond_its_escalations_a_client_gets_what_there_is() {
    let check = async |name: &str, small: UpstreamScript, asked: &str, heard: &str, charged: &str| {
        for form in BOTH {
            let gateway = scripted(
                BUDGET,
                vec![UpstreamScript::text(REFUSAL, 9), small.clone()],
                vec![UpstreamScript::text("Large", 5)],
            );
            let first = gateway.ask(&request(BUDGET, *form)).await;
            assert_eq!(first.summary(), "200 Large.", "{name}, {form:?}");
            let second = gateway.ask(&request(BUDGET, *form)).await;
            assert_eq!(second.summary(), heard, "{name}, {form:?}");
            assert_eq!(gateway.asked(), format!("small large {asked}"), "{name}, {form:?}");
            assert_eq!(gateway.charged(), charged, "{name}, {form:?}");
        }
    };
    let refusal = "200 I'm sorry, but I can't help with that, as I do not know what you mean..";
    check("an answer that will not do", UpstreamScript::text(REFUSAL, 9), "small", refusal, "ok 9").await;
    check("a fine one", fine(), "small", "200 Small.", "ok 5").await;
    let spent = "503 escalation_limit_exceeded";
    check("none", fails(FirstTokenTimeout), "small", spent, "silent 40").await;
    check("503", UpstreamScript::status(503, "oops"), "small small", spent, "server_error 0, server_error 0")
        .await;
}

/// What is set aside covers one attempt at the most expensive model; another is only made where the budget covers it as
/// well.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_budget_does_not_cover_is_not_made() {
    let check = async |amount: u64, asked: &str, heard: &str, charged: &str| {
        for form in BOTH {
            let clients = format!(
                "clients: [{{name: a, key: key-of-a-01234567890, budget: {{amount: {amount}, per: month}}}}]\n"
            );
            let gateway = ScriptedGateway::new(
                &format!("{}{clients}", yaml(&format!("resume: never, policy: {FIXED}"))),
                [
                    ("small", vec![fails(FirstTokenTimeout)]),
                    ("large", vec![UpstreamScript::text("Large", 5)]),
                ],
            );
            let key = [("authorization", "Bearer key-of-a-01234567890")];
            let answer = gateway.ask_with(&request(FIXED, *form), &key).await;
            assert_eq!(answer.summary(), heard, "{amount}, {form:?}");
            assert_eq!(gateway.asked(), asked, "{amount}, {form:?}");
            assert_eq!(gateway.charged(), charged, "{amount}, {form:?}");
        }
    };
    check(440, "small large", "200 Large.", "silent 40, ok 50").await;
    check(439, "small", "402 budget_exceeded", "silent 40").await;
    check(399, "", "402 budget_exceeded", "").await;
}

/// Five failures in a row, and the endpoint is left alone.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_again_and_again_is_not_asked() {
    let gateway =
        scripted(FIXED, vec![UpstreamScript::status(401, "bad_key")], vec![UpstreamScript::text("Large", 5)]);
    for _ in 0..5 {
        assert_eq!(gateway.ask(&request(FIXED, Whole)).await.summary(), "200 Large.");
        assert_eq!(gateway.charged(), "faulty 0, ok 50");
    }
    assert_eq!(gateway.ask(&request(FIXED, Whole)).await.summary(), "200 Large.");
    assert_eq!(gateway.charged(), "ok 50");
    assert_eq!(gateway.ask(&request(NAMED, Whole)).await.summary(), "503 upstream_unavailable");
    assert_eq!(gateway.charged(), "");
}

/// A whole answer that is asked for as a stream is guarded by the limits of one, and nothing has left when it breaks.
#[tokio::test(start_paused = true)]
async fn a_whole_answer_that_is_gathered_can_be_replaced() {
    let check = async |name: &str, small: UpstreamScript, asked: &str, heard: &str, charged: &str| {
        let yaml = yaml(&format!("resume: never, policy: {FIXED}"))
            .replace("context: 10000,", "context: 10000, whole_as: stream,");
        let gateway = ScriptedGateway::new(
            &yaml,
            [("small", vec![small]), ("large", vec![UpstreamScript::text("Large", 5)])],
        );
        assert_eq!(gateway.ask(&request(FIXED, Whole)).await.summary(), heard, "{name}");
        assert_eq!((gateway.asked().as_str(), gateway.charged().as_str()), (asked, charged), "{name}");
    };
    let says = Says;
    check(
        "in two pieces",
        says(vec![Text("Sm"), Text("all"), Finish("stop"), Usage(10, 5), Done]),
        "small",
        "200 Small.",
        "ok 5",
    )
    .await;
    check(
        "no marker",
        says(vec![Text("Small"), Finish("stop"), Usage(10, 5)]),
        "small",
        "200 Small.",
        "ok 5",
    )
    .await;
    check("no reason", says(vec![Text("Small"), Usage(10, 5), Done]), "small", "200 Small.", "ok 5").await;
    check("neither", says(vec![Text("Sm")]), "small large", "200 Large.", "cut 40, ok 50").await;
    check("lost", breaks("Sm", ConnectionLost), "small large", "200 Large.", "cut 40, ok 50").await;
    check("silent", breaks("Sm", IdleTimeout), "small large", "200 Large.", "stalled 40, ok 50").await;
    check("an error", says(vec![Text("Sm"), Event(ERROR)]), "small large", "200 Large.", "faulty 0, ok 50")
        .await;
    check(
        "lost after its end",
        says(vec![Text("Small"), Finish("stop"), Usage(10, 5), Breaks(ConnectionLost)]),
        "small",
        "200 Small.",
        "ok 5",
    )
    .await;
}

/// An answer that broke off goes on where the other model says the very same so far, or is told to go on.
#[tokio::test(start_paused = true)]
async fn an_answer_is_finished_by_another_model_where_the_joint_is_sound() {
    let check =
        async |name: &str, prefill: bool, large: UpstreamScript, asked: &str, heard: &str, charged: &str| {
            let accepts =
                if prefill { "context: 100000, accepts: [text, prefill]," } else { "context: 100000," };
            let yaml = yaml(&format!("policy: {FIXED}")).replace("context: 100000,", accepts);
            let small = breaks("It is Par", ConnectionLost);
            let gateway = ScriptedGateway::new(&yaml, [("small", vec![small]), ("large", vec![large])]);
            let heard_is = gateway.ask(&request(FIXED, Streamed)).await;
            assert_eq!(heard_is.summary(), heard, "{name}");
            assert_eq!((gateway.asked().as_str(), gateway.charged().as_str()), (asked, charged), "{name}");
        };
    let truncated = "200 It is Par… upstream_truncated";
    let both = "small large";
    let says = |text| UpstreamScript::text(text, 5);
    check("the same so far", false, says("It is Paris"), both, "200 It is Paris.", "cut 40, ok 50").await;
    check(
        "the same, in pieces",
        false,
        Says(vec![Text("It is"), Text(" Pa"), Text("ris"), Finish("stop"), Usage(10, 5), Done]),
        both,
        "200 It is Paris.",
        "cut 40, ok 50",
    )
    .await;
    check("something else", false, says("That is Paris"), both, truncated, "cut 40, mismatch 400").await;
    check("less", false, says("It is"), both, truncated, "cut 40, mismatch 400").await;
    check("it fails", false, UpstreamScript::status(503, "oops"), both, truncated, "cut 40, server_error 0")
        .await;
    check("it is silent", false, fails(FirstTokenTimeout), both, truncated, "cut 40, silent 400").await;
    check(
        "it breaks before the joint",
        false,
        breaks("It", ConnectionLost),
        both,
        truncated,
        "cut 40, cut 400",
    )
    .await;
    check(
        "it breaks after the joint",
        false,
        breaks("It is Pari", ConnectionLost),
        both,
        "200 It is Pari… upstream_truncated",
        "cut 40, cut 400",
    )
    .await;
    check("it goes on", true, says("is"), both, "200 It is Paris.", "cut 40, ok 50").await;
    check(
        "it goes on and breaks",
        true,
        breaks("i", ConnectionLost),
        both,
        "200 It is Pari… upstream_truncated",
        "cut 40, cut 400",
    )
    .await;
    check("it has nothing to go on with", true, Says(vec![Done]), both, truncated, "cut 40, faulty 0").await;
}

/// With three rungs there is always one more that might be asked.
fn three(route: &str, small: UpstreamScript, large: UpstreamScript) -> ScriptedGateway {
    let model = |name: &str, price: u32| {
        format!(
            "  - {{name: {name}, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, \
             price: {{input: 0, output: {price}000000}}}}\n"
        )
    };
    let models = [model("small", 1), model("large", 10), model("largest", 100)].concat();
    let route = format!("routes:\n  - {{name: auto, ladder: [small, large, largest], {route}}}\n");
    let scripts = [
        ("small", vec![small]),
        ("large", vec![large]),
        ("largest", vec![UpstreamScript::text("Largest", 5)]),
    ];
    ScriptedGateway::new(&format!("models:\n{models}{route}"), scripts)
}

/// No other model sees what a provider refused, whatever happens beside or after it.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn what_a_provider_refuses_goes_no_further() {
    let check = async |name: &str, route: &str, small: UpstreamScript, large: UpstreamScript, asked: &str, heard: &str, charged: &str| {
        let gateway = three(route, small, large);
        gateway.earn_a_hedge("small");
        assert_eq!(gateway.ask(&request(FIXED, Streamed)).await.summary(), heard, "{name}");
        assert_eq!((gateway.asked().as_str(), gateway.charged().as_str()), (asked, charged), "{name}");
    };
    let hedge = format!("resume: never, policy: {HEDGE}");
    let (fixed, cascade) = (format!("policy: {FIXED}"), format!("resume: never, policy: {CASCADE}"));
    let refuses = || says_no(400, "bad_value");
    let late = |reply: UpstreamScript| reply.after(seconds(3));
    check("by the first of two", &hedge, late(refuses()), late(fails(FirstTokenTimeout)), "small large",
        "400 bad_value", "refused 0, silent 400").await;
    check("by the second of two", &hedge, late(fails(FirstTokenTimeout)), refuses(), "small large",
        "400 bad_value", "silent 40, refused 0").await;
    check("by none of two", &hedge, late(fails(FirstTokenTimeout)), status(401), "small large largest",
        "200 Largest.", "silent 40, faulty 0, ok 500").await;
    check("after a rejected answer", &cascade, UpstreamScript::text(" ", 9), refuses(), "small large",
        "400 bad_value", "empty 9, refused 0").await;
    check("after an answer broke off", &fixed, breaks("It is Par", ConnectionLost), refuses(), "small large",
        "200 It is Par… upstream_truncated", "cut 40, refused 0").await;
    check("by neither, after an answer broke off", &fixed, breaks("Larg", ConnectionLost), status(401), "small large largest",
        "200 Largest.", "cut 40, faulty 0, ok 500").await;
    check("within an answer", &fixed, breaks("Larg", Rejected(400)), fine(), "small",
        "200 Larg… upstream_truncated", "refused 40").await;
}

/// What the model said is estimated where it does not count it, under a guard as well.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_count_is_charged_alike_under_each_plan() {
    let text = "The capital of France is Paris, on the river Seine, and has been for a thousand years or so.";
    let short = CASCADE.replace("hold: all", "hold: {tokens: 4, at_most: 600ms}");
    for form in BOTH {
        let mut charged = Vec::new();
        for policy in [FIXED, CASCADE, &short, HEDGE] {
            let uncounted = Says(vec![Text(text), Finish("stop"), Done]);
            let gateway = scripted(policy, vec![uncounted], vec![UpstreamScript::text("Large", 5)]);
            let mut request = request(policy, *form);
            request["max_tokens"] = 1000.into();
            let heard = gateway.ask(&request).await;
            assert_eq!(heard.summary(), format!("200 {text}."), "{policy}, {form:?}");
            charged.push((policy, gateway.charged()));
        }
        assert!(charged.iter().all(|(_, each)| *each == charged[0].1), "{form:?}: {charged:?}");
    }
}

/// A client that leaves ends the attempt; what was said so far, or may have been, is charged.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_pays_for_what_was_under_way() {
    let check = async |name: &str, form: Form, small: UpstreamScript, wait: Duration, charged: &str| {
        let gateway = scripted(FIXED, vec![small], vec![UpstreamScript::text("Large", 5)]);
        let request = request(FIXED, form);
        let left = tokio::time::timeout(wait, async {
            let mut response = gateway.begin(&request, &[]).await;
            while response.body_mut().frame().await.is_some() {}
        });
        assert!(left.await.is_err(), "{name}: the answer was not to end");
        assert_eq!(
            (gateway.outcome().as_str(), gateway.charged().as_str()),
            ("abandoned", charged),
            "{name}"
        );
    };
    let slow = || Says(vec![Text("Sm"), Wait(seconds(60)), Text("all"), Finish("stop"), Usage(10, 5), Done]);
    check("a stream under way", Streamed, slow(), seconds(1), "abandoned 40").await;
    check("a stream without a token", Streamed, fine().after(seconds(60)), seconds(1), "abandoned 40").await;
    check("a stream that hears heartbeats", Streamed, fine().after(seconds(60)), seconds(20), "abandoned 40")
        .await;
    check("a whole answer", Whole, slow(), seconds(1), "abandoned 40").await;
    check("before a retry", Whole, limited(9), seconds(1), "rate_limited 0").await;
}

/// While nothing has come, comments keep the connection alive, and an error is an event then.
#[tokio::test(start_paused = true)]
async fn a_client_that_waits_hears_heartbeats() {
    let gateway = scripted(FIXED, vec![fine().after(seconds(12))], vec![UpstreamScript::text("Large", 5)]);
    let heard = gateway.ask(&request(FIXED, Streamed)).await;
    assert_eq!((heard.summary().as_str(), heard.body.matches(": keep-alive").count()), ("200 Small.", 1));
    let gateway = scripted(
        NAMED,
        vec![fails(FirstTokenTimeout).after(seconds(12))],
        vec![UpstreamScript::text("Large", 5)],
    );
    let heard = gateway.ask(&request(NAMED, Streamed)).await;
    assert_eq!(heard.summary(), "200 … upstream_timeout");
    assert_eq!(gateway.outcome(), "failed");
}

/// A head that leaves before an answer has begun names no model: another one may answer in the end.
#[tokio::test(start_paused = true)]
async fn a_head_before_the_answer_names_no_model() {
    const NAMES: &[&str] = &["x-xietong-model", "x-xietong-attempts", "x-xietong-plan"];
    let check = async |name: &str, seconds: u64, expected: [Option<&str>; 3]| {
        let small = UpstreamScript::text(REFUSAL, 9).after(Duration::from_secs(seconds));
        let gateway = scripted(CASCADE, vec![small], vec![UpstreamScript::text("Large", 5)]);
        let heard = gateway.ask(&request(CASCADE, Streamed)).await;
        assert_eq!(heard.summary(), "200 Large.", "{name}");
        assert_eq!(headers(&heard, NAMES), expected, "{name}");
    };
    check("before the first heartbeat", 1, [Some("large"), Some("2"), Some("cascade")]).await;
    check("after it", 12, [None, None, Some("cascade")]).await;
}

/// The retry comes after what the provider asks for, and after a pause of up to a tenth of a second otherwise.
#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_to_wait_is_waited_for() {
    let check = async |name: &str, first: UpstreamScript, least: Duration, most: Duration| {
        let gateway = scripted(FIXED, vec![first, fine()], vec![UpstreamScript::text("Large", 5)]);
        let began = Instant::now();
        assert_eq!(gateway.ask(&request(FIXED, Whole)).await.summary(), "200 Small.", "{name}");
        let waited = began.elapsed();
        assert!(waited >= least && waited <= most, "{name}: {waited:?}");
    };
    let pause = Duration::from_millis(101);
    check("429 for 7 s", limited(7), seconds(7), seconds(7) + pause).await;
    check("429", UpstreamScript::status(429, "slow_down"), Duration::ZERO, pause).await;
    check("no connection", fails(ConnectFailed), Duration::ZERO, pause).await;
}

fn headers<'a>(heard: &'a ClientResponse, names: &[&str]) -> Vec<Option<&'a str>> {
    names.iter().map(|name| heard.header(name)).collect()
}

/// What the head of an answer says of how it came about.
#[tokio::test(start_paused = true)]
async fn the_head_says_how_an_answer_came_about() {
    const NAMES: &[&str] =
        &["x-xietong-model", "x-xietong-plan", "x-xietong-attempts", "x-xietong-degraded", "x-xietong-cost"];
    let check = async |name: &str,
                       policy: &str,
                       small: UpstreamScript,
                       large: UpstreamScript,
                       expected: [Option<&str>; 5]| {
        let gateway = scripted(policy, vec![small], vec![large]);
        let heard = gateway.ask(&request(policy, Whole)).await;
        assert_eq!(headers(&heard, NAMES), expected, "{name}");
    };
    let down = || fails(ConnectFailed);
    check(
        "the first",
        FIXED,
        fine(),
        UpstreamScript::text("Large", 5),
        [Some("small"), Some("ask"), Some("1"), None, Some("5")],
    )
    .await;
    check(
        "the next",
        FIXED,
        down(),
        UpstreamScript::text("Large", 5),
        [Some("large"), Some("ask"), Some("3"), None, Some("50")],
    )
    .await;
    check(
        "a guard's",
        CASCADE,
        UpstreamScript::text(REFUSAL, 9),
        UpstreamScript::text("Large", 5),
        [Some("large"), Some("cascade"), Some("2"), None, Some("59")],
    )
    .await;
    check(
        "a rejected one",
        CASCADE,
        UpstreamScript::text(REFUSAL, 9),
        down(),
        [Some("small"), Some("cascade"), Some("4"), Some("true"), Some("18")],
    )
    .await;
    check(
        "a smaller one",
        "{kind: fixed, model: large}",
        fine(),
        down(),
        [Some("small"), Some("ask"), Some("3"), Some("true"), Some("5")],
    )
    .await;
    check("none", FIXED, down(), down(), [Some("large"), Some("ask"), Some("4"), None, None]).await;
}
