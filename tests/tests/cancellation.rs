//! A client that leaves: the upstream stops at once, and the account is closed.

use std::time::Duration;

use end_to_end::clock::slowly;
use end_to_end::gateway::{Gateway, chat};
use end_to_end::http1::Connection;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{End, Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A client has left; the upstream has not heard of it yet.
struct ClientDeparture {
    upstream: Scripted,
    gateway: Gateway,
    left: Instant,
}

impl ClientDeparture {
    /// How long the upstream went on.
    async fn took(&self) -> Duration {
        let (end, when) = self.upstream.only().end().await;
        assert_eq!(end, End::PeerLeft);
        let metrics = self.gateway.settled().await;
        let abandoned = metrics.sum("xietong_requests_total", &[("outcome", "abandoned")]);
        assert_eq!(abandoned, 1.0, "{}", metrics.text);
        assert_eq!(metrics.sum("xietong_requests_total", &[]), 1.0);
        assert_eq!(self.upstream.seen().len(), 1, "nobody is asked for a client who is gone");
        when.duration_since(self.left)
    }
}

/// Sends a request and what follows on it, waits until the upstream has it and so many events of the answer are here, and
/// leaves.
async fn leave(script: Script, body: Value, events: usize, extra: &[u8], reset: bool) -> ClientDeparture {
    leave_with(script, [&chat(&[], &body)[..], extra].concat(), events, reset).await
}

/// The same; how long the upstream went on, by the test's clock, which is paused.
async fn leave_after(script: Script, body: Value, events: usize, extra: &[u8], reset: bool) -> Duration {
    let departure = leave(script, body, events, extra, reset).await;
    slowly(departure.took()).await
}

/// As [`leave`], with the bytes of any request.
async fn leave_with(script: Script, request: Vec<u8>, events: usize, reset: bool) -> ClientDeparture {
    let upstream = Scripted::start(script).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("timeouts: {first_token: 5m, idle: 5m, total: 10m}")
        .every_model("accepts: [text, embeddings]")
        .start()
        .await;
    let mut connection = Connection::open(gateway.data).await.expect("it listens");
    connection.send(request).await.expect("it reads");
    while upstream.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if events > 0 {
        let mut live = end_to_end::wire::Live::on(connection).await.expect("a head");
        for _ in 0..events {
            live.event().await.expect("an event");
        }
        connection = live.into_connection();
    }
    let left = Instant::now();
    if reset {
        connection.reset()
    } else {
        drop(connection)
    }
    ClientDeparture { upstream, gateway, left }
}

#[tokio::test(start_paused = true)]
async fn in_every_phase() {
    let silent = || Script::default().stall();
    let head_only = || Script::events().stall();
    let mid_stream = || Reply::text("one two three").stream(true).until_chunk(3).stall();
    let half_whole = || {
        Script::default()
            .say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{")
            .stall()
    };
    let before_usage = || {
        let stream = Reply::text("one two").stream(true);
        let events = end_to_end::sse::events(&stream.chunks_joined()).len();
        stream.until_chunk(events - 2).stall()
    };
    for reset in [false, true] {
        for (phase, script, body, events) in [
            ("whole, silent", silent(), openai::ask("auto", "x"), 0),
            ("whole, half here", half_whole(), openai::ask("auto", "x"), 0),
            ("stream, silent", silent(), openai::ask_stream("auto", "x"), 0),
            ("stream, head only", head_only(), openai::ask_stream("auto", "x"), 0),
            ("mid-stream", mid_stream(), openai::ask_stream("auto", "x"), 3),
            ("before usage", before_usage(), openai::ask_stream("auto", "x"), 3),
        ] {
            let took = leave_after(script, body, events, b"", reset).await;
            assert!(took <= Duration::from_secs(1), "{phase}, reset {reset}: {took:?}");
        }
    }
}

/// On every path that asks a model, whole and in the midst of a stream.
#[tokio::test(start_paused = true)]
async fn on_every_path() {
    let mid_stream = || Reply::text("one two three").stream(true).until_chunk(3).stall();
    let request =
        |path: &str, body: &Value| end_to_end::wire::request("POST", path, &[], body.to_string().as_bytes());
    let message = json!([{"role": "user", "content": "x"}]);
    for (path, body) in [
        ("/v1/chat/completions", json!({"messages": message})),
        ("/v1/completions", json!({"prompt": "x"})),
        ("/v1/responses", json!({"input": "x"})),
        ("/v1/messages", json!({"messages": message, "max_tokens": 9})),
        ("/v1/embeddings", json!({"input": "x"})),
    ] {
        for stream in [false, true] {
            if stream && path == "/v1/embeddings" {
                continue;
            }
            let mut body = body.clone();
            (body["model"], body["stream"]) = ("auto".into(), stream.into());
            let script = if stream { mid_stream() } else { Script::default().stall() };
            // The first chunk says nothing that a completion has words for.
            let events = if stream { 2 } else { 0 };
            let departure = leave_with(script, request(path, &body), events, false).await;
            let took = slowly(departure.took()).await;
            assert!(took <= Duration::from_secs(1), "{path}, stream {stream}: {took:?}");
        }
    }
}

/// Unread bytes in the server's buffer hide the end of the connection from it: then the heartbeat finds out.
#[tokio::test(start_paused = true)]
async fn with_a_byte_that_nobody_has_read() {
    let mid_stream = || Reply::text("one two three").stream(true).until_chunk(3).stall();
    for (phase, script, events) in [("mid-stream", mid_stream(), 3), ("silent", Script::default().stall(), 0)]
    {
        for extra in [&b"G"[..], b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"] {
            let took =
                leave_after(script.clone(), openai::ask_stream("auto", "x"), events, extra, false).await;
            // Two heartbeats of 5 s: the first one after a close in order only provokes the reset.
            assert!(took <= Duration::from_secs(11), "{phase}: {took:?}");
        }
    }
}

/// A whole answer has no heartbeat; the end of its client is found all the same.
#[tokio::test(start_paused = true)]
async fn a_whole_answer_with_a_byte_that_nobody_has_read() {
    let took = leave_after(Script::default().stall(), openai::ask("auto", "x"), 0, b"G", false).await;
    assert!(took <= Duration::from_secs(1), "{took:?}");
}

/// In real time, mid-stream: most of a hundred within 100 ms. On a machine that is busy with other work a few take longer.
#[tokio::test]
async fn quickly() {
    let mut took = Vec::new();
    for _ in 0..100 {
        let script = Reply::text("one two three").stream(true).until_chunk(3).stall();
        let departure = leave(script, openai::ask_stream("auto", "x"), 3, b"", false).await;
        took.push(departure.took().await);
    }
    took.sort();
    println!(
        "client gone to upstream closed: median {:?}, 99th {:?}, most {:?}",
        took[50], took[98], took[99]
    );
    assert!(took[50] <= Duration::from_millis(100), "{:?}", took[50]);
}
