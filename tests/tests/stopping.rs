//! An orderly end: not ready at once, what was accepted is finished, and what takes too long is told so.

use std::time::Duration;

use end_to_end::http1::Connection;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;

#[tokio::test(start_paused = true)]
async fn streams_finish() {
    let reply = Reply::text("one two three four");
    let upstream = Scripted::start(reply.stream(true).paced(Duration::from_secs(2))).await;
    let mut gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let mut live = gateway.open(&openai::ask_stream("auto", "Count")).await;
    assert!(live.event().await.is_some());
    gateway.begin_stop();
    let ready = loop {
        let status = gateway.get_admin("/readyz").await.status();
        if status != 200 {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(ready, 503);
    assert_eq!(gateway.get_admin("/livez").await.status(), 200);
    let answer = live.rest().await;
    assert_eq!((answer.content(), answer.has_done()), (reply.whole_text(), true), "{}", answer.text());
    assert!(Connection::open(gateway.data).await.is_err(), "nobody new is let in");
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_told_so() {
    let script = Reply::text("one two three").stream(true).until_chunk(3).stall();
    let upstream = Scripted::start(script).await;
    let mut gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .every_model("timeouts: {idle: 5m}")
        .top("grace: 7s")
        .start()
        .await;
    let live = gateway.open(&openai::ask_stream("auto", "Count")).await;
    let started = tokio::time::Instant::now();
    gateway.begin_stop();
    let answer = live.rest().await;
    assert!(!answer.has_done() && answer.error().is_some(), "{}", answer.text());
    assert!((7..=8).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_gateway_ends_at_once() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    // A connection that is kept alive, without a request, holds nobody up.
    let _idle = Connection::open(gateway.data).await.expect("it listens");
    assert_eq!(gateway.ask(&openai::ask("auto", "Hi")).await.status(), 200);
    let started = tokio::time::Instant::now();
    gateway.stop().await;
    assert!(started.elapsed() <= Duration::from_secs(2), "{:?}", started.elapsed());
}
