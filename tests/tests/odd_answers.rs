//! Answers in another form than the one that was asked for: made right, or clearly refused; never passed on as they are.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::Value;

/// The client gets `right`, or a 502; and no header that says something else about the body.
async fn check(case: &str, script: Script, body: Value, right: &str) {
    let upstream = Scripted::start(script).await;
    let gateway =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).route("fallback: none").start().await;
    let answer = gateway.ask(&body).await;
    let label = format!("{case}: {} {}", answer.head.line, answer.text());
    assert!(answer.header("content-encoding").is_none_or(|coding| coding == "identity"), "{label}");
    match answer.status() {
        200 => assert_eq!(answer.content(), right, "{label}"),
        status => assert_eq!(
            (status, answer.json()["error"]["code"].as_str()),
            (502, Some("upstream_error")),
            "{label}"
        ),
    }
    let metrics = gateway.settled().await;
    let outcome = if answer.status() == 200 { "complete" } else { "failed" };
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", outcome)]), 1.0, "{label}");
}

#[tokio::test(start_paused = true)]
async fn a_coding_that_nobody_asked_for() {
    let reply = Reply::text("It is Paris.");
    for coding in ["gzip", "br", "zstd", "deflate", "x-unknown"] {
        let json = [("content-type", "application/json"), ("content-encoding", coding)];
        let whole = gzip(reply.object().to_string().as_bytes());
        check(coding, Script::whole(200, &json, &whole), openai::ask("auto", "x"), "It is Paris.").await;
        let events = [("content-type", "text/event-stream"), ("content-encoding", coding)];
        let stream = gzip(&reply.stream(true).chunks_joined());
        let script = Script::chunked(200, &events).chunk(stream).in_pieces(50).end();
        check(coding, script, openai::ask_stream("auto", "x"), "It is Paris.").await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_other_kind_of_answer() {
    let reply = Reply::text("It is Paris.");
    check("whole for stream", reply.whole(), openai::ask_stream("auto", "x"), "It is Paris.").await;
    check("stream for whole", reply.stream(false), openai::ask("auto", "x"), "It is Paris.").await;
}

#[tokio::test(start_paused = true)]
async fn statuses_that_are_no_answer() {
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(3);
    let after_interim = Script::default().say(interim).then(Reply::text("yes").whole());
    check("interim answers first", after_interim, openai::ask("auto", "x"), "yes").await;
    let object = Reply::text("no").object();
    for status in [201, 202, 206, 304] {
        let script = Script::json(status, &object);
        let upstream = Scripted::start(script).await;
        let gateway =
            Setup::ladder(&upstream.base_url(), &upstream.base_url()).route("fallback: none").start().await;
        let answer = gateway.ask(&openai::ask("auto", "x")).await;
        assert_eq!(answer.status(), 502, "{status}: {}", answer.text());
    }
}

/// A gzip file (RFC 1952) whose only block is stored (RFC 1951, section 3.2.4).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short text");
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&(!length).to_le_bytes());
    file.extend_from_slice(bytes);
    file.extend_from_slice(&crc32(bytes).to_le_bytes());
    file.extend_from_slice(&u32::from(length).to_le_bytes());
    file
}

/// CRC-32 as gzip has it (RFC 1952, section 8), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
