//! Streams: relayed byte for byte as they come, and never complete when they are not.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{End, Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::sse;
use serde_json::{Value, json};

fn asking_usage(mut body: Value) -> Value {
    body["stream_options"] = json!({"include_usage": true});
    body
}

/// A gateway in front of one upstream for both rungs, and that upstream.
async fn in_front_of(script: Script) -> (Gateway, Scripted) {
    let upstream = Scripted::start(script).await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).route("fallback: none").start().await;
    (gateway, upstream)
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_relayed_without_the_usage_that_only_we_wanted() {
    let reply = Reply::text("Paris 是 the capital");
    let (gateway, upstream) = in_front_of(reply.stream(true)).await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Capital?")).await;
    assert_eq!((answer.status(), answer.complete), (200, true), "{}", answer.text());
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")));
    assert!(upstream.only().request.asks_usage());
    let said = String::from_utf8(reply.stream(true).chunks_joined()).expect("UTF-8");
    let swallowed = said.split_inclusive("\n\n").filter(|event| !event.contains(r#""choices":[]"#));
    assert_eq!(answer.text(), swallowed.collect::<String>());
}

#[tokio::test(start_paused = true)]
async fn usage_that_the_client_asked_for_comes_with_the_cost() {
    let reply = Reply::text("a b c").input(10, 0);
    let (gateway, _upstream) = in_front_of(reply.stream(true)).await;
    let answer = gateway.ask(&asking_usage(openai::ask_stream("auto", "Count"))).await;
    let usage = answer.usage();
    assert_eq!((usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64()), (Some(10), Some(3)));
    assert!(usage["cost"].as_f64().is_some_and(|cost| (cost - 16e-6).abs() < 1e-12), "{usage}");
    let last = answer.chunks().pop().expect("chunks");
    assert_eq!(last["choices"], json!([]));
    assert!(answer.has_done());
}

/// However the bytes are cut on their way, the client gets the same ones.
#[tokio::test(start_paused = true)]
async fn no_cut_breaks_a_character() {
    let reply = Reply::text("你好，世界 👩‍👩‍👧 — ünïcode").thinking("想一想");
    let expected = reply.stream(false).chunks_joined();
    for size in 1..24 {
        let (gateway, _upstream) = in_front_of(reply.stream(false).in_pieces(size)).await;
        let answer = gateway.ask(&openai::ask_stream("auto", "Hi")).await;
        assert_eq!(answer.text(), String::from_utf8_lossy(&expected), "pieces of {size}");
        assert_eq!(answer.content(), reply.whole_text());
    }
}

/// Everything that WHATWG allows in a stream is left as it is.
#[tokio::test(start_paused = true)]
async fn odd_but_legal_streams_are_relayed() {
    let finish = r#"{"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let text =
        r#"{"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}"#;
    for said in [
        format!("data: {text}\r\n\r\ndata: {finish}\r\n\r\ndata: [DONE]\r\n\r\n"),
        format!("data:{text}\n\ndata:{finish}\n\ndata:[DONE]\n\n"),
        format!("data: {text}\n\n: keep-alive\n\n: again\ndata: {finish}\n\ndata: [DONE]\n\n"),
        format!(
            "id: 1\nretry: 10\nevent: message\ndata: {text}\nunknown\n\ndata: {finish}\n\ndata: [DONE]\n\n"
        ),
        format!("data: {text}\r\rdata: {finish}\r\rdata: [DONE]\r\r"),
    ] {
        for size in [1, 3, 1000] {
            let (gateway, _upstream) =
                in_front_of(Script::events().chunk(said.as_bytes()).in_pieces(size).end()).await;
            let answer = gateway.ask(&openai::ask_stream("auto", "Hi")).await;
            assert_eq!(answer.text(), said, "in pieces of {size}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_not_held_back() {
    let (gateway, upstream) = in_front_of(Reply::text("one two").stream(false).until_chunk(2).stall()).await;
    let mut live = gateway.open(&openai::ask_stream("auto", "Count")).await;
    assert_eq!(live.event().await.expect("the role").json()["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(live.event().await.expect("a token").json()["choices"][0]["delta"]["content"], "one ");
    assert!(upstream.only().progress().end.is_none(), "the upstream is still at it");
}

/// While an upstream is silent, comment lines tell the client that we are there.
#[tokio::test(start_paused = true)]
async fn a_silent_upstream_is_bridged_by_comments() {
    let reply = Reply::text("one two");
    let script = reply.stream(false).paced(Duration::from_secs(12));
    let upstream = Scripted::start(script.clone()).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("timeouts: {first_token: 60s, idle: 60s}")
        .start()
        .await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
    assert!(sse::comments(&answer.body) >= 4, "{}", answer.text());
    assert_eq!(answer.events(), sse::events(&script.chunks_joined()));
}

#[tokio::test(start_paused = true)]
async fn a_finish_without_a_marker_is_complete() {
    let chunks = sse::events(&Reply::text("one two").stream(false).chunks_joined()).len();
    let (gateway, _upstream) =
        in_front_of(Reply::text("one two").stream(false).until_chunk(chunks - 1).end()).await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
    assert_eq!((answer.content().as_str(), answer.has_done(), answer.error()), ("one two", true, None));
}

/// Whatever ends a stream before its finish, and wherever: an error event, and no marker of success.
#[tokio::test(start_paused = true)]
async fn a_cut_stream_never_looks_complete() {
    let whole = Reply::text("one two three").stream(false);
    let error = openai::error_object("server_error", "overloaded", "scripted trouble");
    // Chunk 0 is the role, which commits nothing; 5 would be the marker.
    for kept in 2..4 {
        let cut = whole.clone().until_chunk(kept);
        for (how, script) in [
            ("closed", cut.clone().close()),
            ("reset", cut.clone().reset()),
            ("ended", cut.clone().end()),
            ("silent", cut.clone().stall()),
            ("error", cut.clone().event(&error).end()),
            ("named error", cut.clone().chunk(format!("event: error\ndata: {error}\n\n")).end()),
            ("half an event", cut.clone().chunk("data: {\"choices\":[{\"delta\":").end()),
        ] {
            let (gateway, upstream) = in_front_of(script).await;
            let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
            let label = format!("{how} after {kept}: {}", answer.text());
            assert_eq!(answer.status(), 200, "{label}");
            assert!(!answer.has_done(), "{label}");
            let error = answer.error().unwrap_or_else(|| panic!("no error event: {label}"));
            assert!(error["message"].is_string() && error["code"].is_string(), "{label}");
            assert!(
                "one two three".starts_with(&answer.content()) && !answer.content().is_empty(),
                "{label}"
            );
            assert_eq!(upstream.seen().len(), 1, "{label}");
            let metrics = gateway.settled().await;
            assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "cut")]), 1.0, "{label}");
            assert_eq!(
                metrics.sum("xietong_tokens_total", &[("kind", "output")]) as usize,
                kept - 1,
                "{label}"
            );
        }
    }
}

/// A line without an end must not fill the memory.
#[tokio::test(start_paused = true)]
async fn an_endless_line_is_an_error() {
    let script = Reply::text("one two").stream(false).until_chunk(2);
    let script = (0..40).fold(script.chunk("data: "), |script, _| script.chunk(vec![b'x'; 64 << 10])).stall();
    let (gateway, upstream) = in_front_of(script).await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
    assert!(!answer.has_done() && answer.error().is_some());
    assert!(answer.body.len() < 2 << 20, "{} bytes", answer.body.len());
    assert_eq!(upstream.only().end().await.0, End::PeerLeft);
}

/// An event that cannot be read took a piece of the answer with it: the answer is not whole. It is counted, and its text is
/// nobody's to see.
#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_ends_the_answer() {
    for torn in
        ["data: {not json\n\n", "data: {\"id\":\"c\",\"choices\":[{\"del\n\n", "a: {\"choices\":[]}\n\n"]
    {
        let mixed = Reply::text("one two").stream(false).insert_chunk(2, torn);
        let (gateway, _upstream) = in_front_of(mixed).await;
        let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
        let label = format!("{torn:?}: {}", answer.text());
        assert_eq!((answer.content().as_str(), answer.has_done()), ("one ", false), "{label}");
        assert_eq!(answer.error().expect("an error event")["code"], "upstream_truncated", "{label}");
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_malformed_events_total", &[]), 1.0, "{label}");
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "cut")]), 1.0, "{label}");
        assert!(!answer.text().contains("not json"), "{label}");
    }
}

/// Behind the end of the answer nothing is lost, and what says nothing loses nothing.
#[tokio::test(start_paused = true)]
async fn what_says_nothing_ends_no_answer() {
    for (at, idle) in [
        (2, "data: ping\n\n"),
        (2, "data: null\n\n"),
        (2, "event: ping\ndata: 1\n\n"),
        (4, "data: {not json\n\n"),
    ] {
        let mixed = Reply::text("one two").stream(false).insert_chunk(at, idle);
        let (gateway, _upstream) = in_front_of(mixed).await;
        let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
        let label = format!("{idle:?}: {}", answer.text());
        assert_eq!((answer.content().as_str(), answer.has_done()), ("one two", true), "{label}");
    }
}
