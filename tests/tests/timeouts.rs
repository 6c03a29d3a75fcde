//! No path without a limit: each one ends the attempt on time, and the next rung is asked.

use std::time::Duration;

use end_to_end::anthropic::{self, Message};
use end_to_end::clock::without_time;
use end_to_end::openai::{self, Reply};
use end_to_end::responses::Response;
use end_to_end::scripted::{End, Script, Scripted, in_turn};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

/// Asks a gateway whose small model plays the script; says how long it took, and what it was.
async fn timed(script: Script, timeouts: &str, body: Value) -> (f64, Answer, Scripted) {
    let small = Scripted::start(script).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", &format!("timeouts: {timeouts}"))
        .start()
        .await;
    let started = tokio::time::Instant::now();
    let answer = gateway.ask(&body).await;
    let took = started.elapsed().as_secs_f64();
    let (end, when) = without_time(small.only().end()).await;
    assert_eq!(end, End::PeerLeft, "the gateway lets go of an upstream that it gave up");
    assert!(when.duration_since(started).as_secs_f64() < took + 1.0);
    (took, answer, small)
}

#[tokio::test(start_paused = true)]
async fn a_late_first_token_ends_the_attempt() {
    let heads_only = Script::events().stall();
    let role_only = Reply::text("one").stream(true).until_chunk(1).stall();
    let comments =
        (0..50).fold(Script::events(), |script, _| script.pause(Duration::from_secs(1)).chunk(": wait\n\n"));
    for script in [Script::default().stall(), heads_only, role_only, comments.stall()] {
        let (took, answer, _) = timed(script, "{first_token: 4s}", openai::ask_stream("auto", "Hello")).await;
        assert_eq!(answer.content(), "large");
        assert!((4.0..5.0).contains(&took), "{took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silence_within_a_stream_ends_it() {
    let script = Reply::text("one two").stream(true).until_chunk(2).stall();
    let (took, answer, _) = timed(script, "{idle: 6s}", openai::ask_stream("auto", "Hello")).await;
    assert!(!answer.has_done() && answer.error().is_some(), "{}", answer.text());
    assert!((6.0..7.0).contains(&took), "{took} s");
}

/// A drip that never pauses for long is ended by the total.
#[tokio::test(start_paused = true)]
async fn the_total_ends_what_nothing_else_does() {
    let drip = |script: Script| {
        (0..100).fold(script, |script, _| {
            script.pause(Duration::from_secs(1)).event(r#"{"choices":[{"index":0,"delta":{"content":"x"}}]}"#)
        })
    };
    let (took, answer, _) =
        timed(drip(Script::events()), "{total: 15s}", openai::ask_stream("auto", "Hello")).await;
    assert!(!answer.has_done() && answer.error().is_some(), "{}", answer.text());
    assert!((15.0..16.0).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_has_the_total_for_a_limit() {
    for script in [
        Script::default().stall(),
        Script::default()
            .say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{")
            .stall(),
    ] {
        let (took, answer, _) =
            timed(script, "{total: 8s, first_token: 1s}", openai::ask("auto", "Hello")).await;
        assert_eq!(answer.content(), "large");
        assert!((8.0..9.0).contains(&took), "{took} s");
    }
}

/// Asked for as a stream, a whole answer has the limits of one, and a silence within it goes to the next rung.
#[tokio::test(start_paused = true)]
async fn a_gathered_answer_has_a_streams_limits() {
    for (kept, limit) in [(0, 3.0), (2, 5.0)] {
        let small = Scripted::start(Reply::text("one two").stream(true).until_chunk(kept).stall()).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url())
            .every_model("whole_as: stream")
            .model("small", "timeouts: {first_token: 3s, idle: 5s}")
            .start()
            .await;
        let started = tokio::time::Instant::now();
        let answer = gateway.ask(&openai::ask("auto", "Hello")).await;
        let took = started.elapsed().as_secs_f64();
        assert_eq!(answer.content(), "large", "{}", answer.text());
        assert!((limit..limit + 1.0).contains(&took), "{took} s after {kept}");
    }
}

/// A slow answer within the limits is no failure.
#[tokio::test(start_paused = true)]
async fn slow_is_not_late() {
    let reply = Reply::text("one two three");
    let small = Scripted::start(reply.stream(true).paced(Duration::from_secs(4))).await;
    let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
    assert_eq!((answer.content(), answer.has_done()), (reply.whole_text(), true), "{}", answer.text());
    assert_eq!(small.seen().len(), 1);
}

/// A thinking model: what it says at first, then for how long it says nothing, or says so every two seconds, then the answer.
struct Thinker {
    name: &'static str,
    /// Lines of its entry in the configuration.
    lines: &'static [&'static str],
    path: &'static str,
    /// What the request asks beside its prompt.
    asks: Value,
    script: Script,
}

const ANSWER: &str = "Four.";

fn silence(seconds: u64) -> Script {
    Script::default().pause(Duration::from_secs(seconds))
}

/// The answer in chunks, with what is said or not said behind the chunk with the role.
fn after_the_role(meanwhile: Script) -> Script {
    let role = Reply::text(ANSWER).stream(true).until_chunk(1);
    role.then(meanwhile).then(chunks_of(&Reply::text(ANSWER)))
}

fn chunks_of(reply: &Reply) -> Script {
    let chunks = reply.stream(true).chunks_joined();
    let text = String::from_utf8(chunks).expect("text");
    let (_role, rest) = text.split_once("\n\n").expect("events");
    Script::default().chunk(rest.to_owned()).end()
}

fn every_two_seconds(events: &str, seconds: u64) -> Script {
    (0..seconds / 2)
        .fold(Script::default(), |script, _| script.pause(Duration::from_secs(2)).chunk(events.to_owned()))
}

fn delta(delta: &Value) -> String {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    format!("data: {chunk}\n\n")
}

fn events_around(events: &[Value], at: usize, meanwhile: &str, seconds: u64) -> Script {
    let said = |events: &[Value]| events.iter().map(anthropic::event).collect::<String>();
    Script::events()
        .chunk(said(&events[..at]))
        .then(every_two_seconds(meanwhile, seconds))
        .chunk(said(&events[at..]))
        .end()
}

fn thinkers() -> Vec<Thinker> {
    let chat =
        |name, lines, asks, script| Thinker { name, lines, path: "/v1/chat/completions", asks, script };
    let effort = || json!({"reasoning_effort": "high"});
    let empty = delta(&json!({"reasoning_content": ""}));
    let sealed =
        delta(&json!({"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "…"}]}));
    let parts =
        delta(&json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm "}]}]}));
    let message = Message::pieces([ANSWER]).events();
    let ping = anthropic::event(&json!({"type": "ping"}));
    let response = Response::pieces([ANSWER]).events();
    let works = responses_event(&json!({"type": "response.in_progress", "sequence_number": 1}));
    let impatient: &[&str] = &["timeouts: {first_token: 3s}"];
    let claude: &[&str] = &["provider: anthropic", "preset: anthropic", "accepts: [text, tools]"];
    vec![
        chat("a role", &[], json!({}), after_the_role(silence(14))),
        chat("a role, by OpenAI's preset", &["preset: openai"], json!({}), after_the_role(silence(90))),
        chat("an effort", &[], effort(), silence(14).then(after_the_role(silence(14)))),
        chat(
            "OpenAI's preset",
            &["preset: openai"],
            json!({}),
            silence(25).then(Reply::text(ANSWER).stream(true)),
        ),
        chat("empty thoughts", impatient, json!({}), after_the_role(every_two_seconds(&empty, 14))),
        chat("sealed thoughts", impatient, json!({}), after_the_role(every_two_seconds(&sealed, 14))),
        chat("thoughts as parts", impatient, json!({}), after_the_role(every_two_seconds(&parts, 14))),
        chat("pings, as a chat", claude, json!({}), events_around(&message, 1, &ping, 60)),
        Thinker {
            name: "pings",
            lines: claude,
            path: "/v1/messages",
            asks: json!({"thinking": {"type": "adaptive"}, "max_tokens": 9000}),
            script: events_around(&message, 1, &ping, 60),
        },
        Thinker {
            name: "a response under way",
            lines: &["apis: [responses]", "timeouts: {first_token: 3s}"],
            path: "/v1/responses",
            asks: json!({}),
            script: Script::events()
                .chunk(response[..1].iter().map(responses_event).collect::<String>())
                .then(every_two_seconds(&works, 14))
                .chunk(response[1..].iter().map(responses_event).collect::<String>())
                .end(),
        },
    ]
}

fn responses_event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().expect("a type"))
}

/// Whatever says that a model thinks is a sign of life: its answer comes, nobody else is asked, and nothing is held against it.
#[tokio::test(start_paused = true)]
async fn a_model_that_thinks_is_not_silent() {
    for Thinker { name, lines, path, asks, script } in thinkers() {
        for (policy, whole_as) in [
            ("{kind: fixed, model: small}", "pass"),
            ("{kind: fixed, model: small}", "stream"),
            ("{kind: cascade, policy: {kind: fixed, model: small}}", "pass"),
            ("{kind: cascade, policy: {kind: fixed, model: small}}", "stream"),
        ] {
            let small = Scripted::start(script.clone()).await;
            let large = Scripted::start(Reply::text("large")).await;
            let setup = Setup::ladder(&small.base_url(), &large.base_url()).policy(policy);
            let setup = lines.iter().fold(setup, |setup, line| setup.model("small", line));
            let gateway = setup.model("small", &format!("whole_as: {whole_as}")).start().await;
            // Of a response no whole is made of pieces.
            let stream = whole_as == "pass" || path == "/v1/responses";
            let mut body = match path {
                "/v1/responses" => json!({"model": "auto", "input": "What is 2 + 2?", "stream": stream}),
                _ => openai::ask("auto", "What is 2 + 2?"),
            };
            body["stream"] = stream.into();
            body.as_object_mut().expect("an object").extend(asks.as_object().expect("fields").clone());
            let answer = gateway.post(path, &[], &body).await;
            let told = answer.text();
            assert!(
                told.contains(ANSWER) && !told.contains("upstream_timeout"),
                "{name}, {policy}, {whole_as}: {told}"
            );
            assert_eq!((small.seen().len(), large.seen().len()), (1, 0), "{name}, {policy}, {whole_as}");
        }
    }
}

/// Neither is a hedge begun for a model that says that it thinks; one that only gave its role is silent.
#[tokio::test(start_paused = true)]
async fn a_model_that_thinks_is_not_hedged() {
    let check = async |script: Script, whole_as: &str, hedged: usize| {
        // One in twenty may be hedged.
        let quick = (0..25).map(|_| Reply::text(ANSWER).stream(true));
        let small = Scripted::start(in_turn(quick.chain([script]))).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url())
            .policy("{kind: hedge, policy: {kind: fixed, model: small}, silence: 3s}")
            .model("small", &format!("whole_as: {whole_as}"))
            .start()
            .await;
        let mut body = openai::ask("auto", "What is 2 + 2?");
        body["stream"] = (whole_as == "pass").into();
        for _ in 0..25 {
            assert_eq!(gateway.ask(&body).await.content(), ANSWER);
        }
        let answer = gateway.ask(&body).await;
        let expected = if hedged == 0 { ANSWER } else { "large" };
        assert_eq!(answer.content(), expected, "{}", answer.text());
        assert_eq!(large.seen().len(), hedged);
    };
    let empty = delta(&json!({"reasoning_content": ""}));
    for whole_as in ["pass", "stream"] {
        check(after_the_role(every_two_seconds(&empty, 14)), whole_as, 0).await;
        check(after_the_role(silence(14)), whole_as, 1).await;
        check(after_the_role(every_two_seconds(": wait\n\n", 14)), whole_as, 1).await;
    }
}

/// What is dead is given up in a time that its client can bear, whatever it was asked.
#[tokio::test(start_paused = true)]
async fn a_dead_upstream_is_given_up() {
    let role_only = || Reply::text("one").stream(true).until_chunk(1).stall();
    let comments = || Script::events().then(every_two_seconds(": wait\n\n", 600)).stall();
    let check = async |line: &str, effort: Option<&str>, script: Script, seconds: f64| {
        let small = Scripted::start(script).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).model("small", line).start().await;
        let mut body = openai::ask_stream("auto", "Hello");
        if let Some(effort) = effort {
            body["reasoning_effort"] = effort.into();
        }
        let began = tokio::time::Instant::now();
        assert_eq!(gateway.ask(&body).await.content(), "large");
        let took = began.elapsed().as_secs_f64();
        assert!((seconds..seconds + 1.0).contains(&took), "{line} {effort:?}: {took} s");
    };
    let any = "retries: 1";
    for script in [|| Script::default().stall(), || Script::events().stall(), comments] {
        check(any, None, script(), 10.0).await;
        check(any, Some("none"), script(), 10.0).await;
        check(any, Some("high"), script(), 60.0).await;
        check("preset: openai", None, script(), 30.0).await;
        check("preset: openai", Some("high"), script(), 120.0).await;
        check("timeouts: {first_token: 4s}", Some("high"), script(), 4.0).await;
        check("timeouts: {first_token: 4s, thinking: 8s}", Some("high"), script(), 8.0).await;
    }
    check(any, None, role_only(), 60.0).await;
    check("preset: openai", None, role_only(), 120.0).await;
    check("timeouts: {first_token: 4s}", None, role_only(), 4.0).await;
    check("timeouts: {thinking: 7s}", None, role_only(), 10.0).await;
}
