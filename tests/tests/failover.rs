//! How an attempt can end, and what then: the contract's table, for whole answers and streams alike.

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Refusing, Script, Scripted, in_turn};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use end_to_end::wire::Answer;
use serde_json::{Value, json};

/// What a case expects of the client's answer.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// The answer of `large`, after so many attempts at `small`.
    NextRung { tries: usize },
    /// The answer of `small`, after so many attempts at it.
    SameModel { tries: usize },
    /// An error with this status and code, after one attempt at `small` and none at `large`.
    Back(u16, &'static str),
}

async fn check(case: &str, script: Script, then: Then) {
    let scripts = || in_turn([script.clone(), Reply::text("small after all").whole()]);
    whole(case, Scripted::start(scripts()).await, then).await;
    let scripts = in_turn([script.clone(), Reply::text("small after all").stream(true)]);
    streamed(case, Scripted::start(scripts).await, then).await;
}

/// The same failure again and again.
async fn check_lasting(case: &str, script: Script, then: Then) {
    whole(case, Scripted::start(script.clone()).await, then).await;
    streamed(case, Scripted::start(script).await, then).await;
}

async fn whole(case: &str, small: Scripted, then: Then) {
    judge(&format!("{case}, whole"), small, then, openai::ask("auto", "Hello")).await;
}

async fn streamed(case: &str, small: Scripted, then: Then) {
    judge(&format!("{case}, streamed"), small, then, openai::ask_stream("auto", "Hello")).await;
}

async fn judge(case: &str, small: Scripted, then: Then, body: Value) {
    let large = Scripted::start(Reply::text("large to the rescue")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .every_model("timeouts: {connect: 1s, first_token: 3s, idle: 3s, total: 20s}")
        .start()
        .await;
    let answer = gateway.ask(&body).await;
    let label = format!("{case}: {} {}", answer.status(), answer.text());
    let (tries, content, large_tries) = match then {
        Then::NextRung { tries } => (tries, "large to the rescue", 1),
        Then::SameModel { tries } => (tries, "small after all", 0),
        Then::Back(status, code) => {
            assert_eq!(answer.status(), status, "{label}");
            let error = answer.error().unwrap_or_else(|| panic!("no error: {label}"));
            assert_eq!(error["code"], code, "{label}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{label}");
            assert_eq!((small.seen().len(), large.seen().len()), (1, 0), "{label}");
            return no_key_in(&answer, &gateway, &label).await;
        }
    };
    assert_eq!((answer.status(), answer.content().as_str()), (200, content), "{label}");
    assert_eq!((small.seen().len(), large.seen().len()), (tries, large_tries), "{label}");
    let attempts = tries + large_tries;
    assert_eq!(answer.header("x-xietong-attempts"), Some(attempts.to_string().as_str()), "{label}");
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[]) as usize, attempts, "{label}");
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "complete")]), 1.0, "{label}");
    assert_eq!(metrics.sum("xietong_escalations_total", &[]) as usize, large_tries, "{label}");
    no_key_in(&answer, &gateway, &label).await;
}

/// Neither the answer nor the metrics have the upstream's key in them.
async fn no_key_in(answer: &Answer, gateway: &Gateway, label: &str) {
    let headers = format!("{:?}", answer.head);
    let metrics = gateway.metrics().await.text;
    assert!([answer.text(), headers, metrics].iter().all(|text| !text.contains(UPSTREAM_KEY)), "{label}");
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again_on_the_same_model() {
    for status in [429, 500, 502, 503, 504, 529] {
        check(&format!("{status} once"), openai::error(status, "busy"), Then::SameModel { tries: 2 }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lasting_failure_goes_to_the_next_rung() {
    for status in [429, 500, 502, 503, 504, 529] {
        let case = format!("{status} again and again");
        check_lasting(&case, openai::error(status, "busy"), Then::NextRung { tries: 2 }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_silence_or_a_cut_the_same_model_is_never_asked_again() {
    let next = Then::NextRung { tries: 1 };
    check("silence", Script::default().stall(), next).await;
    check("reset before the head", Script::default().reset(), next).await;
    check("close before the head", Script::default().close(), next).await;
    check("half a head", Script::default().say("HTTP/1.1 200 OK\r\ncontent-ty").close(), next).await;
    check("408", openai::error(408, "timeout"), next).await;
    check("cut within a whole answer", cut_whole(), next).await;
}

/// A whole answer that breaks off.
fn cut_whole() -> Script {
    Script::default()
        .say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\"")
        .close()
}

/// A stream that breaks off before its first text has committed nothing.
#[tokio::test(start_paused = true)]
async fn a_stream_cut_before_its_first_text_is_not_seen() {
    let whole = Reply::text("one two").stream(true);
    let error = openai::error_object("server_error", "overloaded", "trouble");
    for kept in 0..2 {
        let cut = whole.clone().until_chunk(kept);
        for (how, script) in [
            ("close", cut.clone().close()),
            ("reset", cut.clone().reset()),
            ("end", cut.clone().end()),
            ("marker", cut.clone().event("[DONE]").end()),
            ("silence", cut.clone().stall()),
            ("comments only", cut.clone().chunk(": wait\n\n").stall()),
            ("error", cut.clone().event(&error).end()),
        ] {
            streamed(
                &format!("{how} after {kept}"),
                Scripted::start(script).await,
                Then::NextRung { tries: 1 },
            )
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_the_endpoints_fault() {
    let next = Then::NextRung { tries: 1 };
    for status in [401, 403, 404] {
        check(&format!("{status}"), openai::error(status, "x"), next).await;
    }
    for status in [301, 302, 307, 308] {
        let elsewhere = [("location", "http://127.0.0.1:9/v1/chat/completions")];
        check(&format!("{status}"), Script::whole(status, &elsewhere, ""), next).await;
    }
    let error = openai::error_object("server_error", "x", "trouble");
    check("200 with an error", Script::json(200, &error), next).await;
    check("a page", Script::whole(200, &[("content-type", "text/html")], "<html>Welcome</html>"), next).await;
    check("no JSON", Script::whole(200, &[("content-type", "application/json")], "{\"id\": "), next).await;
    check("204", Script::default().say("HTTP/1.1 204 No Content\r\n\r\n"), next).await;
    check("no choices", Script::json(200, &json!({"id": "x", "choices": []})), next).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_client_did_wrong_goes_back_to_it() {
    check("400", openai::error(400, "invalid_value"), Then::Back(400, "invalid_value")).await;
    check("422", openai::error(422, "unprocessable"), Then::Back(422, "unprocessable")).await;
    let policy = openai::error(400, "content_policy_violation");
    check("content policy", policy, Then::Back(400, "content_policy_violation")).await;
}

/// What the client had quoted back, or a server's 500 that speaks of the request, says nothing against the endpoint.
#[tokio::test(start_paused = true)]
async fn what_speaks_of_the_request_ejects_nobody() {
    let quoted = "Invalid value: 'insufficient balance'. Supported values are: 'low', 'medium', and 'high'.";
    for (status, message) in [
        (400, quoted),
        (400, "Invalid value: 'no such model'."),
        (500, "Failed to parse grammar"),
        (500, "input (5000 tokens) is too large to process. increase the physical batch size"),
    ] {
        let refusal = Script::json(
            status,
            &openai::error_object("server_error", if status == 400 { "x" } else { "500" }, message),
        );
        let script = in_turn((0..8).map(|_| refusal.clone()).chain([Reply::text("well").whole()]));
        let small = Scripted::start(script).await;
        let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
        for _ in 0..8 {
            let answer = gateway.ask(&openai::ask("small", "Hello")).await;
            assert_eq!(answer.status(), 400, "{message}: {}", answer.text());
        }
        assert_eq!(small.seen().len(), 8, "{message}: asked once each");
        assert_eq!(gateway.ask(&openai::ask("small", "Hello")).await.status(), 200, "{message}");
    }
}

/// A prompt that is too long goes to a rung with more context, where there is one.
#[tokio::test(start_paused = true)]
async fn a_long_prompt_goes_where_there_is_room() {
    for (large_context, found) in [(32768, 200), (2048, 400)] {
        for body in [openai::ask("auto", "Hello"), openai::ask_stream("auto", "Hello")] {
            let small = Scripted::start(openai::error(400, "context_length_exceeded")).await;
            let large = Scripted::start(Reply::text("there is room")).await;
            let gateway = Setup::ladder(&small.base_url(), &large.base_url())
                .model("small", "context: 4096")
                .model("large", &format!("context: {large_context}"))
                .every_model("max_output: 256")
                .start()
                .await;
            let answer = gateway.ask(&body).await;
            assert_eq!(answer.status(), found, "{}", answer.text());
            if found == 400 {
                assert_eq!(answer.error().expect("an error")["code"], "context_length_exceeded");
                assert!(large.seen().is_empty());
            }
        }
    }
}

/// With no rung left, the client learns whose fault it was, and no provider's words.
#[tokio::test(start_paused = true)]
async fn with_no_rung_left_the_error_is_clear() {
    let leak = format!("Incorrect API key provided: {UPSTREAM_KEY}, at 0x7ffe");
    let wrong_key =
        Script::json(401, &openai::error_object("invalid_request_error", "invalid_api_key", &leak));
    for (script, status) in [
        (wrong_key, 502),
        (openai::error(404, "model_not_found"), 502),
        (Script::whole(200, &[("content-type", "text/html")], &leak), 502),
        (Script::json(500, &openai::error_object("server_error", "x", &leak)), 502),
        (openai::error(503, "overloaded"), 503),
        (openai::error(429, "rate_limit_exceeded"), 429),
        (Script::default().stall(), 504),
    ] {
        for body in [openai::ask("auto", "Hello"), openai::ask_stream("auto", "Hello")] {
            let (small, large) =
                (Scripted::start(script.clone()).await, Scripted::start(script.clone()).await);
            let gateway = Setup::ladder(&small.base_url(), &large.base_url())
                .every_model("timeouts: {first_token: 2s, total: 4s}")
                .start()
                .await;
            let answer = gateway.ask(&body).await;
            let label = format!("{script:?}: {}", answer.text());
            assert_eq!(answer.status(), status, "{label}");
            let error = answer.json()["error"].clone();
            for key in ["message", "type", "param", "code"] {
                assert!(error.get(key).is_some(), "no {key}: {label}");
            }
            assert!(!answer.text().contains("0x7ffe"), "{label}");
            assert!(small.seen().len() <= 2 && (1..=2).contains(&large.seen().len()), "{label}");
            assert_eq!(answer.header("x-should-retry"), Some("false"), "{label}");
            no_key_in(&answer, &gateway, &label).await;
            let metrics = gateway.settled().await;
            assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "failed")]), 1.0, "{label}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_listens() {
    let (down, large) = (Refusing::start(), Scripted::start(Reply::text("here")).await);
    let gateway = Setup::ladder(&down.base_url(), &large.base_url()).start().await;
    for body in [openai::ask("auto", "Hello"), openai::ask_stream("auto", "Hello")] {
        assert_eq!(gateway.ask(&body).await.content(), "here");
    }
    let both = Setup::ladder(&down.base_url(), &down.base_url()).start().await;
    let answer = both.ask(&openai::ask("auto", "Hello")).await;
    assert_eq!(answer.status(), 503, "{}", answer.text());
    assert!(answer.header("x-should-retry") == Some("false"));
}

/// Where a rung's failure leads is the route's choice.
#[tokio::test(start_paused = true)]
async fn fallback_goes_the_configured_way() {
    for (fallback, first, expected) in [
        ("up", "small", 200),
        ("up", "large", 503),
        ("down", "small", 503),
        ("down", "large", 200),
        ("up_then_down", "small", 200),
        ("up_then_down", "large", 200),
        ("none", "small", 503),
    ] {
        let (down, up) = (Refusing::start(), Scripted::start(Reply::text("here")).await);
        let (down, up) = (down.base_url(), up.base_url());
        let (small, large) = if first == "small" { (&down, &up) } else { (&up, &down) };
        let upstream = up.clone();
        let gateway = Setup::ladder(small, large)
            .policy(&format!("{{kind: fixed, model: {first}}}"))
            .route(&format!("fallback: {fallback}"))
            .start()
            .await;
        let answer = gateway.ask(&openai::ask("auto", "Hello")).await;
        assert_eq!(answer.status(), expected, "{fallback} from {first}, {upstream}: {}", answer.text());
    }
}

/// What a provider asks for in `Retry-After` is granted within 10 s; beyond that the next rung is asked.
#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_and_capped() {
    let limited = |value: &str| {
        Script::whole(
            429,
            &[("content-type", "application/json"), ("retry-after", value)],
            r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
        )
    };
    for (value, content, least, most) in [
        ("2", "small after all", 2.0, 4.0),
        ("0", "small after all", 0.0, 2.0),
        ("10", "small after all", 10.0, 13.0),
        ("11", "large to the rescue", 0.0, 1.0),
        ("1000000000", "large to the rescue", 0.0, 1.0),
        ("-1", "small after all", 0.0, 2.0),
        ("soon", "small after all", 0.0, 2.0),
        ("Mon, 01 Jan 2001 00:00:00 GMT", "small after all", 0.0, 2.0),
    ] {
        let small = Scripted::start(in_turn([limited(value), Reply::text("small after all").whole()])).await;
        let large = Scripted::start(Reply::text("large to the rescue")).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
        let started = tokio::time::Instant::now();
        let answer = gateway.ask(&openai::ask("auto", "Hello")).await;
        let took = started.elapsed().as_secs_f64();
        assert_eq!(answer.content(), content, "retry-after: {value}");
        assert!((least..=most).contains(&took), "retry-after: {value} took {took} s");
    }
}

/// An endpoint that fails five times in a row is left alone, and used again soon after it has recovered.
#[tokio::test(start_paused = true)]
async fn a_broken_endpoint_is_left_alone_and_comes_back() {
    let down = Refusing::start();
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Setup::ladder(&down.base_url(), &large.base_url()).every_model("retries: 0").start().await;
    for _ in 0..6 {
        assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.content(), "large");
    }
    let health =
        |metrics: end_to_end::metrics::Metrics| metrics.sum("xietong_upstream_health", &[("model", "small")]);
    assert_eq!(health(gateway.metrics().await), 0.0);
    let small = down.recover(Reply::text("small"));
    let recovered = tokio::time::Instant::now();
    while gateway.ask(&openai::ask("auto", "Hello")).await.content() != "small" {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(recovered.elapsed().as_secs_f64() <= 10.0, "{:?}", recovered.elapsed());
    assert_eq!(health(gateway.metrics().await), 1.0);
    assert!(!small.seen().is_empty());
}

/// While everything fails, attempts stay near the number of requests.
#[tokio::test(start_paused = true)]
async fn retries_have_a_budget() {
    let small = Scripted::start(openai::error(503, "overloaded")).await;
    let gateway = Setup::ladder(&small.base_url(), &small.base_url())
        .every_model("retries: 5")
        .route("fallback: none")
        .start()
        .await;
    for _ in 0..200 {
        assert!(gateway.ask(&openai::ask("small", "Hello")).await.status() >= 500);
    }
    // 20 % of the requests and at least 10 in 10 s; the breaker may have kept further ones away.
    assert!(small.seen().len() <= 200 + 40 + 20, "{} attempts for 200 requests", small.seen().len());
}
