//! A small model starts, a guard looks at its answer, and where it will not do the client sees another and nothing of the
//! first.

use std::time::Duration;

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, End, Request, Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};
use tokio::time::Instant;

const SHORT: &str = "{kind: cascade, policy: {kind: fixed, model: small}, hold: {tokens: 4, at_most: 600ms}}";
const ALL: &str = "{kind: cascade, policy: {kind: fixed, model: small}, hold: all}";
const FINE: &str = "The capital of France is Paris, on the river Seine.";
const LARGE: &str = "Large models know it as well.";

fn setup(small: &Scripted, large: &Scripted, policy: &str) -> Setup {
    Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "accepts: [text, tools, json_schema, logprobs]")
        .policy(policy)
}

/// The same request, streamed and whole.
fn both(mut request: Value) -> [Value; 2] {
    let whole = request.clone();
    request["stream"] = true.into();
    [request, whole]
}

/// Who answers, and if it is the large one, why; from an upstream that is asked for whole answers, and one that is asked
/// for streams alone.
async fn check(case: &str, policy: &str, reply: Reply, request: Value, doubt: Option<&str>) {
    for whole_as in ["whole_as: pass", "whole_as: stream"] {
        check_as(whole_as, case, policy, reply.clone(), request.clone(), doubt).await;
    }
}

async fn check_as(
    whole_as: &str,
    case: &str,
    policy: &str,
    reply: Reply,
    request: Value,
    doubt: Option<&str>,
) {
    for request in both(request) {
        let case = format!("{case}, {}", if request["stream"] == true { "streamed" } else { "whole" });
        let small = Scripted::start(reply.clone()).await;
        let large = Scripted::start(Reply::text(LARGE)).await;
        let gateway = setup(&small, &large, policy).model("small", whole_as).start().await;
        let answer = gateway.ask(&request).await;
        let label = format!("{case}, {whole_as}: {} {}", answer.status(), answer.text());
        assert_eq!(answer.status(), 200, "{label}");
        assert_eq!(answer.header("x-xietong-plan"), Some("cascade"), "{label}");
        assert!(!answer.text().contains("logprob\":"), "{label}");
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "complete")]), 1.0, "{label}");
        let wasted = metrics.sum("xietong_wasted_cost_total", &[("cause", "escalated"), ("model", "small")]);
        let Some(doubt) = doubt else {
            assert_eq!((small.seen().len(), large.seen().len()), (1, 0), "{label}");
            assert_eq!(metrics.sum("xietong_escalations_total", &[]), 0.0, "{label}");
            assert_eq!(wasted, 0.0, "{label}");
            continue;
        };
        assert_eq!(answer.content(), LARGE, "{label}");
        assert_eq!((small.seen().len(), large.seen().len()), (1, 1), "{label}");
        assert_eq!(answer.header("x-xietong-model"), Some("large"), "{label}");
        let labels = [("route", "auto"), ("from", "small"), ("to", "large"), ("reason", doubt)];
        assert_eq!(metrics.sum("xietong_escalations_total", &labels), 1.0, "{label}\n{}", metrics.text);
        assert!(wasted > 0.0, "{label}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fine_answer_is_kept() {
    let hello = || openai::ask("auto", "What is the capital of France?");
    check("fine", SHORT, Reply::text(FINE), hello(), None).await;
    check("fine, judged whole", ALL, Reply::text(FINE), hello(), None).await;
    let mut limited = hello();
    limited["max_tokens"] = 5.into();
    check("as long as allowed", ALL, Reply::text(FINE).ending("length"), limited, None).await;
    let json = r#"{"city": "Paris"}"#;
    check("JSON", SHORT, Reply::text(json), structured(), None).await;
    check("a call", SHORT, Reply::pieces(["x"]).calling("weather", r#"{"city": "Paris"}"#), tools(), None)
        .await;
    let poem = "床前明月光，疑是地上霜。举头望明月，低头思故乡。";
    check("Chinese", ALL, Reply::text(poem), openai::ask("auto", "请背诵《静夜思》这首唐诗。"), None).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_will_not_do_is_never_seen() {
    let hello = || openai::ask("auto", "What is the capital of France?");
    check("improbable", SHORT, Reply::text(FINE).probable(0.3), hello(), Some("confidence")).await;
    check("improbable, judged whole", ALL, Reply::text(FINE).probable(0.3), hello(), Some("confidence"))
        .await;
    let refusal = "I'm sorry, but I can't help with that, as I do not know what you mean.";
    check(
        "a refusal",
        &SHORT.replace("tokens: 4", "tokens: 24"),
        Reply::text(refusal),
        hello(),
        Some("refusal"),
    )
    .await;
    let refusal = "抱歉，我无法回答这个问题，因为我没有足够的信息。";
    check(
        "a Chinese refusal",
        ALL,
        Reply::text(refusal),
        openai::ask("auto", "法国的首都是哪里？"),
        Some("refusal"),
    )
    .await;
    check("circles", ALL, Reply::text(&"I like apples. ".repeat(12)), hello(), Some("repetition")).await;
    check("nothing", SHORT, Reply::pieces([" "]), hello(), Some("empty")).await;
    check("no room", ALL, Reply::text(FINE).ending("length"), hello(), Some("short_of_room")).await;
    check("no JSON", SHORT, Reply::text("Sure! Here it is: {}"), structured(), Some("format")).await;
    check("half a JSON", SHORT, Reply::text(r#"{"city": "Par"#), structured(), Some("format")).await;
    check("not the schema", SHORT, Reply::text(r#"{"town": "Paris"}"#), structured(), Some("format")).await;
    let broken = Reply::pieces(["x"]).calling("weather", r#"{"city": "#);
    check("a broken call", SHORT, broken, tools(), Some("format")).await;
    let unknown = Reply::pieces(["x"]).calling("whether", "{}");
    check("a call of nothing", SHORT, unknown, tools(), Some("format")).await;
    let english = Reply::text("The capital of France is Paris, which is a large city on the river Seine.");
    check("another language", ALL, english, openai::ask("auto", "法国的首都是哪里？"), Some("language"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_is_switched_off_says_nothing() {
    let off = "{kind: cascade, policy: {kind: fixed, model: small}, hold: all, \
               guard: {confidence: 0, refusal: false, format: false, repetition: false}}";
    let hello = openai::ask("auto", "Hello");
    check("improbable", off, Reply::text(FINE).probable(0.1), hello.clone(), None).await;
    check("a refusal", off, Reply::text("I don't know, I cannot answer that."), hello.clone(), None).await;
    check("circles", off, Reply::text(&"I like apples. ".repeat(12)), hello, None).await;
    check("no JSON", off, Reply::text("Sure! Here it is: {}"), structured(), None).await;
}

/// Two choices, whole or in turns of a word each, as the request asks.
struct Choices([&'static str; 2]);

impl Choose for Choices {
    fn choose(&self, request: &Request) -> Script {
        let choice = |at: usize, field: &str, said: Value, finish: Option<&str>| json!({"index": at, field: said, "finish_reason": finish});
        let object = |kind: &str, choices: Vec<Value>| json!({"id": "c", "object": kind, "created": 1, "model": "m", "choices": choices});
        let message = |text: &str| json!({"role": "assistant", "content": text});
        if request.json()["stream"] != true {
            let all = (0..2).map(|at| choice(at, "message", message(self.0[at]), Some("stop")));
            return Script::json(200, &object("chat.completion", all.collect()));
        }
        let words = self.0.map(|text| text.split_inclusive(' ').collect::<Vec<_>>());
        let mut script = Script::events();
        for turn in 0..words[0].len().max(words[1].len()) {
            for (at, words) in words.iter().enumerate() {
                if let Some(word) = words.get(turn) {
                    let piece = choice(at, "delta", json!({"content": word}), None);
                    script = script.event(object("chat.completion.chunk", vec![piece]));
                }
            }
        }
        for at in 0..2 {
            let end = choice(at, "delta", json!({}), Some("stop"));
            script = script.event(object("chat.completion.chunk", vec![end]));
        }
        script.event("[DONE]").end()
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_several_choices_must_do() {
    let refusal = "I'm sorry, but I can't help with that, as I do not know what you mean.";
    let held = SHORT.replace("tokens: 4", "tokens: 24");
    for (policy, choices, kept) in [
        (SHORT, [FINE, FINE], true),
        (ALL, [FINE, FINE], true),
        (held.as_str(), [FINE, refusal], false),
        (ALL, [refusal, FINE], false),
        (ALL, [FINE, " "], false),
    ] {
        let mut request = openai::ask("auto", "What is the capital of France?");
        request["n"] = 2.into();
        for request in both(request) {
            let small = Scripted::start(Choices(choices)).await;
            let large = Scripted::start(Choices([LARGE, LARGE])).await;
            let gateway = setup(&small, &large, policy).start().await;
            let answer = gateway.ask(&request).await;
            let label = format!("{policy} {choices:?} {}: {}", request["stream"], answer.text());
            assert_eq!(answer.status(), 200, "{label}");
            assert_eq!((small.seen().len(), large.seen().len()), (1, usize::from(!kept)), "{label}");
            // What they are probable of is told of all together, and not asked for.
            assert_eq!(small.only().request.json().get("logprobs"), None, "{label}");
            let expected = if kept { choices[0] } else { LARGE };
            assert_eq!(answer.text().matches(expected.split(' ').next().unwrap()).count(), 2, "{label}");
        }
    }
}

fn structured() -> Value {
    let mut request = openai::ask("auto", "Where? Answer in JSON.");
    let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    request["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "place", "schema": schema}});
    request
}

fn tools() -> Value {
    let mut request = openai::ask("auto", "How is the weather in Paris?");
    request["tools"] =
        json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    request
}

#[tokio::test(start_paused = true)]
async fn probabilities_are_asked_for_only_where_they_are_known_and_passed_on_only_to_who_asked() {
    let large = Scripted::start(Reply::text(LARGE)).await;
    let small = Scripted::start(Reply::text(FINE)).await;
    let gateway = setup(&small, &large, SHORT).start().await;
    let mut request = openai::ask_stream("auto", "Hello");
    request["logprobs"] = true.into();
    let answer = gateway.ask(&request).await;
    assert!(answer.text().contains("\"logprob\":"), "{}", answer.text());

    let small = Scripted::start(Reply::text(FINE).probable(0.1)).await;
    let gateway = setup(&small, &large, SHORT).model("small", "accepts: [text]").start().await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
    assert_eq!(answer.content(), FINE);
    assert_eq!(small.only().request.json().get("logprobs"), None);
}

#[tokio::test(start_paused = true)]
async fn the_client_waits_no_longer_than_the_hold() {
    let large = Scripted::start(Reply::text(LARGE)).await;
    let slow = Reply::text(FINE).stream(true).paced(Duration::from_millis(250));
    let small = Scripted::start(slow).await;
    let policy = SHORT.replace("tokens: 4", "tokens: 100");
    let gateway = setup(&small, &large, &policy).start().await;
    let began = Instant::now();
    let mut live = gateway.open(&openai::ask_stream("auto", "Hello")).await;
    let first = live.event().await.unwrap();
    // Two pauses to the first token, and then the hold.
    let waited = began.elapsed();
    assert!(
        (Duration::from_millis(1100)..Duration::from_millis(1250)).contains(&waited),
        "{waited:?} {first:?}"
    );
    assert!(live.rest().await.has_done());
}

#[tokio::test(start_paused = true)]
async fn the_client_hears_heartbeats_while_an_answer_is_held() {
    let large = Scripted::start(Reply::text(LARGE)).await;
    let slow = Reply::text(FINE).stream(true).paced(Duration::from_secs(4));
    let small = Scripted::start(slow).await;
    let gateway = setup(&small, &large, ALL).start().await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
    assert_eq!(answer.content(), FINE);
    assert!(answer.text().starts_with(": keep-alive\n\n"), "{}", answer.text());
    assert!(answer.has_done());
}

#[tokio::test(start_paused = true)]
async fn a_doubted_stream_is_let_go_at_once() {
    let large = Scripted::start(Reply::text(LARGE)).await;
    let pieces: Vec<String> = (0..200).map(|word| format!("word{word} ")).collect();
    let long = Improbable(Reply::pieces(pieces).probable(0.1));
    let small = Scripted::start(long).await;
    let gateway = setup(&small, &large, SHORT).start().await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
    assert_eq!(answer.content(), LARGE);
    let (end, _) = small.only().end().await;
    assert!(matches!(end, End::PeerLeft), "{end:?}");
    assert!(small.billed().output < 20, "{:?}", small.billed());
}

/// Speaks slowly, and tells how probable its tokens are.
struct Improbable(Reply);

impl Choose for Improbable {
    fn choose(&self, request: &Request) -> Script {
        self.0.choose(request).paced(Duration::from_millis(20))
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_an_answer_is_held_ends_it() {
    let large = Scripted::start(Reply::text(LARGE)).await;
    let small = Scripted::start(Reply::text(FINE).stream(true).until_chunk(4).stall()).await;
    let patient = "timeouts: {first_token: 60s, idle: 60s, total: 5m}";
    let gateway = setup(&small, &large, ALL).model("small", patient).start().await;
    let mut live = gateway.open(&openai::ask_stream("auto", "Hello")).await;
    assert!(live.piece().await.is_some());
    live.leave();
    let (end, _) = small.only().end().await;
    assert!(matches!(end, End::PeerLeft), "{end:?}");
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "abandoned")]), 1.0);
    assert_eq!(large.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_doubted_answer_is_better_than_none() {
    let large = Scripted::start(openai::error(503, "down")).await;
    for request in both(openai::ask("auto", "Hello")) {
        let small = Scripted::start(Reply::text(FINE).probable(0.1)).await;
        let gateway = setup(&small, &large, SHORT).start().await;
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.status(), answer.content().as_str()), (200, FINE));
        assert_eq!(small.seen().len(), 2);
        let gateway = setup(&small, &large, SHORT).route("fallback: up").start().await;
        assert_eq!(gateway.ask(&request).await.status(), 503);
    }
}

/// Where the larger model is out of reach, the doubted answer is given, and its client and the operator are told so.
#[tokio::test]
async fn a_doubted_answer_that_nobody_could_better_is_marked() {
    for request in both(openai::ask("auto", "Hello")) {
        let (small, large) = (
            Scripted::start(Reply::text(FINE).probable(0.1)).await,
            Scripted::start(openai::error(503, "down")).await,
        );
        let gateway = setup(&small, &large, SHORT).model("large", "retries: 0").start().await;
        for _ in 0..5 {
            assert_eq!(gateway.ask(&openai::ask("large", "x")).await.status(), 503);
        }
        let answer = gateway.ask(&request).await;
        assert_eq!((answer.status(), answer.content().as_str()), (200, FINE), "{}", answer.text());
        assert_eq!(large.seen().len(), 5, "it is left alone");
        assert_eq!(answer.header("x-xietong-degraded"), Some("true"));
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_degraded_total", &[("route", "auto"), ("model", "small")]), 1.0);
    }
    let (small, large) = (
        Scripted::start(Reply::text(FINE).probable(0.9)).await,
        Scripted::start(openai::error(503, "down")).await,
    );
    let gateway = setup(&small, &large, SHORT).start().await;
    assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.header("x-xietong-degraded"), None);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_under_a_guard_is_followed_as_the_fallback_says() {
    let large = Scripted::start(Reply::text(LARGE)).await;
    for request in both(openai::ask("auto", "Hello")) {
        let small = Scripted::start(openai::error(500, "oops")).await;
        let gateway = setup(&small, &large, SHORT).start().await;
        assert_eq!(gateway.ask(&request).await.content(), LARGE);
        assert_eq!(small.seen().len(), 2, "tried again on the same model");
        let gateway = setup(&small, &large, SHORT).route("fallback: none").start().await;
        assert!(gateway.ask(&request).await.status() >= 500);
    }
}

/// Says one thing first, then others.
struct Opinions(std::sync::Mutex<std::vec::IntoIter<Reply>>);

impl Opinions {
    fn new(texts: &[&str]) -> Self {
        let replies: Vec<Reply> = texts.iter().map(|text| Reply::text(text)).collect();
        Self(std::sync::Mutex::new(replies.into_iter()))
    }
}

impl Choose for Opinions {
    fn choose(&self, request: &Request) -> Script {
        self.0.lock().expect("no test panics in here").next().expect("asked too often").choose(request)
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_where_others_come_to_the_same() {
    let one = "{kind: cascade, policy: {kind: fixed, model: small}, agree: {samples: 1}}";
    let three = "{kind: cascade, policy: {kind: fixed, model: small}, agree: {samples: 3}}";
    let check = async |policy: &str, texts: &[&str], kept: bool| {
        for request in both(openai::ask("auto", "How many eggs are left?")) {
            let large = Scripted::start(Reply::text(LARGE)).await;
            let small = Scripted::start(Opinions::new(texts)).await;
            let gateway = setup(&small, &large, policy).start().await;
            let answer = gateway.ask(&request).await;
            let label = format!("{texts:?}: {}", answer.text());
            let metrics = gateway.settled().await;
            let escalations = metrics.sum("xietong_escalations_total", &[("reason", "disagreement")]);
            let sampled = metrics.sum("xietong_attempts_total", &[("model", "small"), ("result", "sampled")]);
            assert_eq!(sampled as usize, texts.len() - 1, "{label}");
            assert_eq!(small.seen().len(), texts.len(), "{label}");
            assert_eq!(escalations, f64::from(u8::from(!kept)), "{label}\n{}", metrics.text);
            assert_eq!(metrics.sum("xietong_escalations_total", &[]), escalations, "{label}");
            assert_eq!(answer.content() == LARGE, !kept, "{label}");
            // All of them are paid for, whoever answered.
            let cost = metrics.sum("xietong_cost_total", &[("model", "small")]);
            let billed = small.billed();
            let expected = (billed.input as f64 + 2.0 * billed.output as f64) / 1e6;
            assert!((cost - expected).abs() < 1e-12, "{label}: {cost} instead of {expected}");
            // The further answers are not the same one again.
            let temperatures: Vec<Value> =
                small.seen().iter().map(|seen| seen.request.json()["temperature"].clone()).collect();
            assert_eq!(
                temperatures.iter().filter(|it| **it == json!(0.7)).count(),
                texts.len() - 1,
                "{label}"
            );
        }
    };
    check(one, &["9 * 2 = 18\n#### 18", "They sell 9 eggs for 2 each. The answer is 18."], true).await;
    check(one, &["9 * 2 = 18\n#### 18", "The answer is 20."], false).await;
    check(three, &["#### 18", "#### 18", "#### 20", "The answer is 18"], true).await;
    check(three, &["#### 18", "#### 18", "#### 20", "The answer is 21"], false).await;
    // Essays cannot be compared, and say nothing against each other.
    let essay = "Eggs are laid by hens in the morning, and foxes come for the hens at night, which is why a farmer who \
                 wants to keep both needs a dog";
    let other = "A henhouse with a good door, closed at dusk, keeps more hens alive than any dog that sleeps by the fire \
                 while it snows outside";
    check(one, &[essay, other], true).await;
}

#[tokio::test(start_paused = true)]
async fn a_larger_model_can_be_the_one_to_agree() {
    let small = Scripted::start(Reply::text("#### 18")).await;
    let large = Scripted::start(Reply::text("The answer is 18.")).await;
    let policy = "{kind: cascade, policy: {kind: fixed, model: small}, agree: {samples: 1, model: large}}";
    let gateway = setup(&small, &large, policy).start().await;
    let answer = gateway.ask(&openai::ask("auto", "How many eggs are left?")).await;
    assert_eq!(answer.content(), "#### 18");
    assert_eq!((small.seen().len(), large.seen().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_opinion_that_does_not_come_says_nothing() {
    let small = Scripted::start(Reply::text("#### 18")).await;
    let large = Scripted::start(openai::error(500, "oops")).await;
    let policy = "{kind: cascade, policy: {kind: fixed, model: small}, agree: {samples: 1, model: large}}";
    let gateway = setup(&small, &large, policy).start().await;
    let answer = gateway.ask(&openai::ask("auto", "How many eggs are left?")).await;
    assert_eq!(answer.content(), "#### 18");
}

#[tokio::test(start_paused = true)]
async fn a_silent_model_is_hedged_within_a_budget() {
    let policy = "{kind: hedge, policy: {kind: fixed, model: small}, silence: 300ms}";
    let large = Scripted::start(Reply::text(LARGE)).await;
    let small = Scripted::start(Moods).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).policy(policy).start().await;
    for _ in 0..25 {
        let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
        assert_eq!((answer.content().as_str(), answer.header("x-xietong-plan")), (FINE, Some("hedge")));
    }
    assert_eq!(large.seen().len(), 0);
    let began = Instant::now();
    let answer = gateway.ask(&openai::ask_stream("auto", "be silent")).await;
    assert_eq!(answer.content(), LARGE);
    assert!(began.elapsed() < Duration::from_millis(400), "{:?}", began.elapsed());
    let (end, _) = small.seen().last().unwrap().end().await;
    assert!(matches!(end, End::PeerLeft), "{end:?}");
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[("model", "small"), ("result", "hedged")]), 1.0);
    assert!(metrics.sum("xietong_wasted_cost_total", &[("model", "small"), ("cause", "hedged")]) > 0.0);
    // One in twenty is allowed; this one waits.
    let began = Instant::now();
    let answer = gateway.ask(&openai::ask_stream("auto", "be slow")).await;
    assert_eq!(answer.content(), FINE);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(large.seen().len(), 1);
}

/// However many models it takes, a request goes on once.
#[tokio::test(start_paused = true)]
async fn a_hedge_whose_models_both_fail_counts_once() {
    let policy = "{kind: budget, escalations: {share: 0, at_least: 1}, \
                  policy: {kind: hedge, policy: {kind: fixed, model: small}, silence: 300ms}}";
    let small = Scripted::start(Moods).await;
    let large = Scripted::start(openai::error(500, "oops")).await;
    let largest = Scripted::start(Reply::text("Largest")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .add("largest", &[&largest.base_url()], "price: {input: 20, output: 60}")
        .model("small", "timeouts: {first_token: 1s, idle: 1s, total: 1m}")
        .every_model("retries: 0")
        .policy(policy)
        .start()
        .await;
    for _ in 0..25 {
        assert_eq!(gateway.ask(&openai::ask_stream("auto", "Hello")).await.content(), FINE);
    }
    let answer = gateway.ask(&openai::ask_stream("auto", "be silent")).await;
    assert_eq!((answer.status(), answer.content().as_str()), (200, "Largest"), "{}", answer.text());
    assert_eq!((large.seen().len(), largest.seen().len()), (1, 1));
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_escalations_total", &[]), 1.0, "{}", metrics.text);
    let failed =
        |model| metrics.sum("xietong_attempts_total", &[("model", model), ("result", "server_error")]);
    assert_eq!((failed("small"), failed("large"), failed("largest")), (0.0, 1.0, 0.0));
    assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "silent")]), 1.0);
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "complete")]), 26.0);
}

/// Quick, slow or silent, as it is asked to be.
struct Moods;

impl Choose for Moods {
    fn choose(&self, request: &Request) -> Script {
        let reply = Reply::text(FINE).stream(request.asks_usage());
        let text = request.json()["messages"][0]["content"].to_string();
        if text.contains("silent") {
            Script::default().stall()
        } else if text.contains("slow") {
            Script::default().pause(Duration::from_secs(1)).then(reply)
        } else {
            reply
        }
    }
}

#[tokio::test(start_paused = true)]
async fn escalations_are_bounded_for_each_client() {
    let policy = "{kind: budget, escalations: {share: 0.1, at_least: 3}, \
                  policy: {kind: cascade, policy: {kind: fixed, model: small}, hold: all}}";
    let check = async |small: Scripted, beyond: &dyn Fn(&end_to_end::wire::Answer)| {
        let large = Scripted::start(Reply::text(LARGE)).await;
        let gateway = setup(&small, &large, policy).start().await;
        for request in both(openai::ask("auto", "Hello")).iter().cycle().take(40) {
            let answer = gateway.ask(request).await;
            if answer.content() != LARGE {
                beyond(&answer);
            }
        }
        // Three to begin with, and one in ten.
        assert_eq!(large.seen().len(), 7);
    };
    check(Scripted::start(Reply::text(FINE).probable(0.1)).await, &|answer| {
        assert_eq!((answer.status(), answer.content().as_str()), (200, FINE));
    })
    .await;
    check(Scripted::start(openai::error(500, "oops")).await, &|answer| {
        let error = answer.error().unwrap();
        assert_eq!((answer.status(), &error["code"]), (503, &json!("escalation_limit_exceeded")));
        assert!(answer.header("retry-after").is_some());
    })
    .await;
}
