//! The tools themselves: what the scripted upstream says is what the client sees.

use std::time::Duration;

use end_to_end::openai::{self, Reply, UsageShape};
use end_to_end::scripted::{Billed, End, Refusing, Script, Scripted, Step, in_turn};
use end_to_end::{http1, wire};
use tokio::time::Instant;

async fn ask(upstream: &Scripted, body: serde_json::Value) -> wire::Answer {
    let body = body.to_string();
    wire::exchange(upstream.address, &wire::request("POST", "/v1/chat/completions", &[], body.as_bytes()))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_whole_or_streamed_as_asked() {
    let reply = Reply::text("Paris is the capital 巴黎").input(9, 3);
    let upstream = Scripted::start(reply.clone()).await;
    let whole = ask(&upstream, openai::ask("m", "?")).await;
    assert_eq!((whole.status(), whole.complete), (200, true));
    assert_eq!(whole.content(), reply.whole_text());
    let stream = ask(&upstream, openai::ask_stream("m", "?")).await;
    assert_eq!(stream.content(), reply.whole_text());
    assert_eq!(stream.body, reply.stream(false).chunks_joined());
    assert!(stream.has_done() && stream.usage().is_null());
    assert_eq!(upstream.billed(), Billed { input: 18, cached: 6, output: 12 });
}

#[tokio::test(start_paused = true)]
async fn usage_has_many_shapes_and_one_meaning() {
    for shape in UsageShape::ALL {
        let upstream = Scripted::start(Reply::text("a b c").usage(shape)).await;
        let mut body = openai::ask_stream("m", "?");
        body["stream_options"] = serde_json::json!({"include_usage": true});
        let usage = ask(&upstream, body).await.usage();
        let expected = if shape == UsageShape::Never { None } else { Some(3) };
        assert_eq!(usage["completion_tokens"].as_u64(), expected, "{shape:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_single_bytes_is_the_same_stream() {
    let script = Reply::text("你好, wörld").stream(true);
    let upstream = Scripted::start(script.clone().in_pieces(1)).await;
    let answer = ask(&upstream, openai::ask_stream("m", "?")).await;
    assert_eq!(answer.body, script.chunks_joined());
}

#[tokio::test(start_paused = true)]
async fn faults_are_seen_as_such() {
    let check = async |script: Script, complete: bool, chunks: usize| {
        let upstream = Scripted::start(script.clone()).await;
        let answer = ask(&upstream, openai::ask_stream("m", "?")).await;
        assert_eq!((answer.complete, answer.chunks().len()), (complete, chunks), "{script:?}");
    };
    let reply = Reply::text("one two three").stream(false);
    check(reply.clone(), true, 5).await;
    check(reply.clone().until_chunk(2).close(), false, 2).await;
    check(reply.clone().until_chunk(2).reset(), false, 2).await;
    check(reply.clone().until_chunk(2).end(), true, 2).await;
    check(reply.clone().paced(Duration::from_secs(60)), true, 5).await;
}

#[tokio::test(start_paused = true)]
async fn it_notices_when_the_peer_leaves() {
    let script = Reply::text("one two three").stream(false).until_chunk(2).stall();
    let upstream = Scripted::start(script).await;
    let body = openai::ask_stream("m", "?").to_string();
    let request = wire::request("POST", "/v1/chat/completions", &[], body.as_bytes());
    let mut live = wire::open(upstream.address, &request).await;
    assert!(live.event().await.is_some() && live.event().await.is_some());
    assert!(upstream.only().progress().end.is_none());
    live.leave();
    assert_eq!(upstream.only().end().await.0, End::PeerLeft);
    assert_eq!(upstream.billed().output, 1);
}

#[tokio::test(start_paused = true)]
async fn scripts_come_in_turn_on_one_connection() {
    let scripts = [openai::error(503, "overloaded"), Reply::text("yes").whole()];
    let upstream = Scripted::start(in_turn(scripts)).await;
    let mut connection = http1::Connection::open(upstream.address).await.expect("it listens");
    for status in [503, 200, 200] {
        let request = wire::request("POST", "/v1/chat/completions", &[], b"{}");
        connection.send(request).await.expect("it reads");
        let live = wire::Live::on(connection).await.expect("it answers");
        let (answer, back) = live.rest_and_connection().await;
        assert_eq!(answer.status(), status);
        connection = back;
    }
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_listener_can_go_and_come_back() {
    let refusing = Refusing::start();
    let address = refusing.address;
    assert!(http1::Connection::open(address).await.is_err());
    let upstream = refusing.recover(Reply::text("back"));
    assert_eq!(ask(&upstream, openai::ask("m", "?")).await.content(), "back");
    let refusing = upstream.refuse().await;
    assert!(http1::Connection::open(refusing.address).await.is_err());
    let upstream = refusing.recover(Reply::text("again"));
    assert_eq!(ask(&upstream, openai::ask("m", "?")).await.content(), "again");
}

#[tokio::test(start_paused = true)]
async fn a_flood_stops_when_the_reader_stops() {
    let flood = Script::events().step(Step::Flood(b"10\r\ndata: 0123456789\r\n".to_vec()));
    let upstream = Scripted::start_deaf(flood).await;
    let mut connection = http1::Connection::open(upstream.address).await.expect("it listens");
    connection.send("POST / HTTP/1.1\r\n\r\n").await.expect("it reads");
    let started = Instant::now();
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sent = upstream.only().progress().sent;
        if sent == before {
            break;
        }
        before = sent;
    }
    assert!(before > 0 && started.elapsed() < Duration::from_secs(60));
    connection.reset();
    assert_eq!(upstream.only().end().await.0, End::PeerLeft);
}
