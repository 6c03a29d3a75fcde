//! No path without a limit: each one ends the attempt on time, and the next rung is asked.

use std::time::Duration;

use end_to_end::clock::without_time;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{End, Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::Value;

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
