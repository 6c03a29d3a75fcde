//! What clients may ask and spend: refusals say whose limit it was, and nothing is asked on credit.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::ledger::Place;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::{self, Answer};
use serde_json::{Value, json};

const KEY: (&str, &str) = ("authorization", "Bearer team-a-key-0123456789");

/// One client, `team-a`, with these lines of its entry.
fn client(lines: &str) -> String {
    format!("clients: [{{name: team-a, key: team-a-key-0123456789, {lines}}}]")
}

/// The large model alone, which costs 30 for a million tokens of the answer.
fn dear(max_tokens: u64) -> Value {
    let mut body = openai::ask("large", "Count");
    body["max_tokens"] = json!(max_tokens);
    body
}

async fn start(upstream: &Scripted, lines: &str, more: &str) -> Gateway {
    Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&client(lines)).top(more).start().await
}

fn refused(answer: &Answer, status: u16, code: &str, words: &[&str]) {
    let error = answer.error().unwrap_or_else(|| panic!("no error: {}", answer.text()));
    assert_eq!((answer.status(), error["code"].as_str()), (status, Some(code)), "{}", answer.text());
    let message = error["message"].as_str().expect("a message");
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_spent_is_402_and_nothing_is_sent() {
    let upstream = Scripted::start(Reply::text("one two three four")).await;
    // An answer of 4 tokens costs 0.00012 and its prompt 0.00011; the worst case of 1000 tokens is 0.03.
    let gateway = start(&upstream, "budget: {amount: 0.0310, per: month}", "log: text").await;
    let mut asked = 0;
    let last = loop {
        let answer = gateway.ask_with(&[KEY], &dear(1000)).await;
        if answer.status() != 200 {
            break answer;
        }
        asked += 1;
        let remaining = gateway.metrics().await.sum("xietong_budget_remaining", &[("client", "team-a")]);
        assert!((remaining - (0.031 - f64::from(asked) * 0.00023)).abs() < 1e-9, "{remaining} after {asked}");
    };
    refused(&last, 402, "budget_exceeded", &["team-a", "0.031 CNY per month", "starts anew"]);
    assert_eq!(last.header("retry-after"), None);
    assert!((1..10).contains(&asked) && upstream.seen().len() == asked as usize, "{asked}");
    // What still fits is answered.
    assert_eq!(gateway.ask_with(&[KEY], &dear(10)).await.status(), 200);
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "refused"), ("client", "team-a")]), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_spend_no_more_than_the_budget() {
    for state in [false, true] {
        for at_once in [64, 1024] {
            let place = Place::new();
            let slow = Reply::text(&"word ".repeat(100)).whole();
            let slow = Script::default().pause(Duration::from_millis(300)).then(slow);
            let upstream = Scripted::start(slow).await;
            // Each answer costs all that it may: 100 tokens, and its prompt. The budget is for ten.
            let worst = (28.0 * 10.0 + 100.0 * 30.0) / 1e6;
            let lines = format!("budget: {{amount: {}, per: month}}", worst * 10.2);
            let state = if state { place.line() } else { "state: none".to_owned() };
            let gateway = start(&upstream, &lines, &state).await;
            let request = end_to_end::gateway::chat(&[KEY], &dear(100));
            let asking: Vec<_> = (0..at_once)
                .map(|_| {
                    let (address, request) = (gateway.data, request.clone());
                    tokio::spawn(async move { wire::exchange(address, &request).await.status() })
                })
                .collect();
            let mut answered = 0;
            for status in asking {
                match status.await.expect("a client does not panic") {
                    200 => answered += 1,
                    402 => {}
                    other => panic!("{other}"),
                }
            }
            let billed = upstream.billed();
            let truth = (billed.input as f64 * 10.0 + billed.output as f64 * 30.0) / 1e6;
            assert!(truth <= worst * 10.2, "{truth} of {} at {at_once}, {state}", worst * 10.2);
            assert!((8..=10).contains(&answered), "{answered} at {at_once}, {state}");
            assert_eq!(upstream.seen().len(), answered, "{state}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_attempt_is_made_only_where_the_budget_covers_both() {
    for (amount, status, attempts) in [(0.07, 200, 2), (0.035, 402, 1)] {
        let silent = Scripted::start(Script::default().bill_input(11).stall()).await;
        let large = Scripted::start(Reply::text("one two")).await;
        let gateway = Setup::ladder(&silent.base_url(), &large.base_url())
            .every_model("timeouts: {first_token: 1s, total: 2s}")
            .model("small", "price: {input: 10, output: 30}")
            .top(&client(&format!("budget: {{amount: {amount}, per: month}}")))
            .start()
            .await;
        let mut body = openai::ask_stream("auto", "Hello");
        body["max_tokens"] = json!(1000);
        let answer = gateway.ask_with(&[KEY], &body).await;
        assert_eq!(answer.status(), status, "{}", answer.text());
        if status == 402 {
            refused(&answer, 402, "budget_exceeded", &["another attempt"]);
        }
        assert_eq!(silent.seen().len() + large.seen().len(), attempts);
        // The silent one may have worked: it is paid for at its bound.
        let metrics = gateway.settled().await;
        assert!(metrics.sum("xietong_cost_total", &[("model", "small")]) >= 0.03);
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_of_unknown_cost_is_not_for_clients_with_a_budget() {
    let upstream = Scripted::start(Reply::text("hello")).await;
    let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .add("free", &[&upstream.base_url()], "context: 1000")
        .top(&client("budget: {amount: 1, per: day}"));
    let gateway = setup.start().await;
    let answer = gateway.ask_with(&[KEY], &openai::ask("free", "Hello")).await;
    refused(&answer, 400, "unsupported_by_models", &["free: has no price, and this client has a budget"]);
    assert!(upstream.seen().is_empty());
    // On a route it is passed over.
    assert_eq!(gateway.ask_with(&[KEY], &openai::ask("auto", "Hello")).await.status(), 200);
    let without = setup.top(&client("hints: false")).start().await;
    let answer = without.ask_with(&[KEY], &openai::ask("free", "Hello")).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.usage()["cost"].is_null(), "an unknown cost is no number: {}", answer.text());
}

#[tokio::test(start_paused = true)]
async fn rate_limits_say_whose_they_are_and_how_long_to_wait() {
    let upstream = Scripted::start(Reply::text("hello")).await;
    let gateway = start(&upstream, "limits: {requests_per_minute: 2}", "log: text").await;
    let small = openai::ask("small", "Hello");
    let first = gateway.ask_with(&[KEY], &small).await;
    let header =
        |answer: &Answer, name: &str| answer.header(&format!("x-ratelimit-{name}")).map(str::to_owned);
    assert_eq!(header(&first, "limit-requests").as_deref(), Some("2"));
    assert_eq!(header(&first, "remaining-requests").as_deref(), Some("1"));
    assert!(header(&first, "reset-requests").is_some() && header(&first, "limit-tokens").is_none());
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(gateway.ask_with(&[KEY], &openai::ask_stream("small", "Hello")).await.status(), 200);
    let third = gateway.ask_with(&[KEY], &small).await;
    refused(&third, 429, "rate_limit_exceeded", &["team-a", "2 requests per minute"]);
    let wait: u64 = third.header("retry-after").expect("a time to wait").parse().expect("seconds");
    assert!((39..=40).contains(&wait), "{wait}");
    assert_eq!(header(&third, "remaining-requests").as_deref(), Some("0"));
    assert_eq!(upstream.seen().len(), 2);
    tokio::time::advance(Duration::from_secs(wait)).await;
    assert_eq!(gateway.ask_with(&[KEY], &small).await.status(), 200);
    assert_eq!(gateway.ask_with(&[KEY], &small).await.status(), 429);
}

#[tokio::test(start_paused = true)]
async fn tokens_count_as_what_they_may_become_and_then_as_what_they_were() {
    let upstream = Scripted::start(Reply::text("one two three four")).await;
    let gateway = start(&upstream, "limits: {tokens_per_minute: 1100}", "log: text").await;
    let ask = |max_tokens: u64| {
        let mut body = openai::ask("small", "Hello");
        body["max_tokens"] = json!(max_tokens);
        body
    };
    refused(
        &gateway.ask_with(&[KEY], &ask(2000)).await,
        429,
        "rate_limit_exceeded",
        &["team-a", "max_tokens"],
    );
    for _ in 0..3 {
        // 1000 would not fit twice; 15 do.
        assert_eq!(gateway.ask_with(&[KEY], &ask(1000)).await.status(), 200);
        gateway.settled().await;
    }
    let refusal = loop {
        let answer = gateway.ask_with(&[KEY], &ask(1000)).await;
        if answer.status() != 200 {
            break answer;
        }
        gateway.settled().await;
    };
    refused(&refusal, 429, "rate_limit_exceeded", &["team-a", "1100 tokens per minute"]);
    assert_eq!(refusal.header("x-ratelimit-limit-tokens"), Some("1100"));
}

#[tokio::test(start_paused = true)]
async fn places_are_given_back_however_a_request_ends() {
    let upstream = Scripted::start(|request: &end_to_end::scripted::Request| {
        let text = Reply::text("one two three");
        if request.asks_stream() { text.stream(true).until_chunk(2).stall() } else { text.whole() }
    })
    .await;
    let gateway = start(&upstream, "limits: {concurrent: 1}", "log: text").await;
    let stream = end_to_end::gateway::chat(&[KEY], &openai::ask_stream("small", "Hello"));
    for _ in 0..3 {
        let mut live = wire::open(gateway.data, &stream).await;
        live.event().await.expect("a first event");
        let second = gateway.ask_with(&[KEY], &openai::ask("small", "Hello")).await;
        refused(&second, 429, "rate_limit_exceeded", &["team-a", "1 requests under way"]);
        live.leave();
        gateway.settled().await;
        assert_eq!(gateway.ask_with(&[KEY], &openai::ask("small", "Hello")).await.status(), 200);
    }
}

/// A stream that says nothing holds what was set aside for it no longer than a silence may last.
#[tokio::test(start_paused = true)]
async fn a_budget_is_not_held_for_ever() {
    let upstream = Scripted::start(|request: &end_to_end::scripted::Request| {
        let text = Reply::text("one two three");
        if request.asks_stream() { text.stream(true).until_chunk(2).stall() } else { text.whole() }
    })
    .await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("timeouts: {first_token: 1s, idle: 5s, total: 10s}")
        .top(&client("budget: {amount: 0.031, per: month}"))
        .start()
        .await;
    let mut body = openai::ask_stream("large", "Count");
    body["max_tokens"] = json!(1000);
    let mut live = wire::open(gateway.data, &end_to_end::gateway::chat(&[KEY], &body)).await;
    live.event().await.expect("a first event");
    refused(&gateway.ask_with(&[KEY], &dear(500)).await, 402, "budget_exceeded", &["team-a"]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    gateway.settled().await;
    assert_eq!(gateway.ask_with(&[KEY], &dear(500)).await.status(), 200);
    drop(live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_outlives_a_restart() {
    let place = Place::new();
    let upstream = Scripted::start(Reply::text("one two three four")).await;
    let lines = "budget: {amount: 0.001, per: month}";
    let mut answered = 0;
    for _ in 0..4 {
        let gateway = start(&upstream, lines, &place.line()).await;
        for _ in 0..2 {
            answered += usize::from(gateway.ask_with(&[KEY], &dear(10)).await.status() == 200);
        }
        gateway.stop().await;
    }
    // Each costs 0.00023, and may cost 0.00058.
    assert!((2..=3).contains(&answered), "{answered}");
    assert_eq!(place.requests().iter().filter(|request| request["status"] == 200).count(), answered);
    let refusals = place.requests().into_iter().filter(|request| request["error"] == "budget_exceeded");
    assert_eq!(refusals.count(), 8 - answered);
}

/// The same ledger cannot be used twice, and the gateway says so instead of starting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_refused_the_ledger() {
    let place = Place::new();
    let upstream = Scripted::start(Reply::text("hello")).await;
    let first = start(&upstream, "hints: false", &place.line()).await;
    assert_eq!(first.get("/v1/models").await.status(), 401);
    let yaml = Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&place.line()).yaml();
    let config = gateway_config::from_str(&yaml, None, &|_| None).expect("a sound configuration");
    let bind = || tokio::net::TcpListener::bind(("127.0.0.1", 0));
    let listeners = gateway::Listeners {
        data: bind().await.expect("a free port"),
        admin: bind().await.expect("a free port"),
    };
    let why = gateway::run(config, listeners, std::future::pending()).await.expect_err("it is in use");
    assert!(why.to_string().contains("another process has this ledger"), "{why}");
}

/// A reload changes the price of requests to come; one that is under way is charged as it began, and settled once.
#[tokio::test(start_paused = true)]
async fn a_request_is_charged_at_the_price_of_its_start() {
    let reply = || Reply::text("one two three four");
    let upstream =
        Scripted::start(move |request: &end_to_end::scripted::Request| match request.asks_stream() {
            true => reply().stream(true).paced(Duration::from_secs(1)),
            false => Script::default().pause(Duration::from_secs(4)).then(reply().whole()),
        })
        .await;
    let place = Place::new();
    let file = place.beside("xietong.yaml");
    let write = |output: &str| {
        let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url());
        let setup = setup.top(&client("budget: {amount: 5, per: month}"));
        let setup = match output {
            "" => setup.without_price("large"),
            output => setup.model("large", &format!("price: {{input: 10, output: {output}}}")),
        };
        std::fs::write(&file, setup.yaml()).expect("it can be written");
    };
    // 11 tokens of the prompt and 4 of the answer.
    let cost = |output: f64| (11.0 * 10.0 + 4.0 * output) / 1e6;
    let (mut spent, mut now) = (0.0, 30.0);
    write("30");
    let gateway = Gateway::start_reloadable(&file).await;
    for (next, streamed) in [("3000", true), ("300", false), ("", true), ("30", false)] {
        let mut body = dear(1000);
        if streamed {
            body["stream"] = json!(true);
            body["stream_options"] = json!({"include_usage": true});
        }
        let request = end_to_end::gateway::chat(&[KEY], &body);
        let (address, began) = (gateway.data, upstream.seen().len());
        let asking = tokio::spawn(async move { wire::exchange(address, &request).await });
        while upstream.seen().len() == began && !asking.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        write(next);
        assert_eq!(gateway.post_admin("/reload", &json!({})).await.status(), 200);
        let answer = asking.await.expect("no panic");
        if now == 0.0 {
            refused(&answer, 400, "unsupported_by_models", &["has no price"]);
            assert_eq!(upstream.seen().len(), began);
        } else {
            assert_eq!(answer.status(), 200, "{}", answer.text());
            let charged = answer.usage()["cost"].as_f64().expect("a cost");
            assert!((charged - cost(now)).abs() < 1e-9, "{charged} at {now}, then {next:?}");
            spent += charged;
        }
        now = next.parse().unwrap_or(0.0);
        let metrics = gateway.settled().await;
        let left = metrics.sum("xietong_budget_remaining", &[("client", "team-a")]);
        assert!((left - (5.0 - spent)).abs() < 1e-9, "{left} after {spent}");
    }
}
