//! From a client's leave to the end of its upstream connection, by phase.

use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::{Gateway, chat};
use crate::http1::Connection;
use crate::openai::{Reply, ask, ask_stream};
use crate::scripted::{Script, Scripted};
use crate::setup::Setup;
use crate::wire::Live;

/// Each phase so many times, the client closing in order, and again with a byte that nobody has read.
pub async fn measure(rounds: usize) {
    let half = Script::default()
        .say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{")
        .stall();
    let phases = [
        ("whole, upstream silent", Script::default().stall(), false, 0),
        ("whole, half of it here", half, false, 0),
        ("stream, upstream silent", Script::default().stall(), true, 0),
        ("stream, head only", Script::events().stall(), true, 0),
        (
            "stream, silent after tokens",
            Reply::text("one two three").stream(true).until_chunk(3).stall(),
            true,
            3,
        ),
        ("stream, tokens each 10 ms", talking(), true, 3),
    ];
    for (phase, script, streamed, events) in phases {
        for extra in [&b""[..], b"G"] {
            let upstream = Scripted::start(script.clone()).await;
            let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
                .every_model("timeouts: {first_token: 5m, idle: 5m, total: 10m}")
                .start()
                .await;
            let mut times = Vec::new();
            for _ in 0..rounds {
                times.push(leave(&gateway, &upstream, streamed, events, extra).await);
            }
            let [median, late, most] = [0.5, 0.99, 1.0].map(|share| super::quantile(&mut times, share));
            let unread = if extra.is_empty() { "" } else { ", a byte unread" };
            eprintln!("{phase}{unread}: p50 {median:.2?}, p99 {late:.2?}, most {most:.2?} ({rounds} times)");
        }
    }
}

fn talking() -> Script {
    Reply::pieces((0..1000).map(|number| format!("{number} "))).stream(true).paced(Duration::from_millis(10))
}

async fn leave(
    gateway: &Gateway,
    upstream: &Scripted,
    streamed: bool,
    events: usize,
    extra: &[u8],
) -> Duration {
    let before = upstream.seen().len();
    let body = if streamed { ask_stream("small", "x") } else { ask("small", "x") };
    let mut connection = Connection::open(gateway.data).await.expect("it listens");
    connection.send([&chat(&[], &body)[..], extra].concat()).await.expect("it reads");
    while upstream.seen().len() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if events > 0 {
        let mut live = Live::on(connection).await.expect("a head");
        for _ in 0..events {
            live.event().await.expect("an event");
        }
        connection = live.into_connection();
    }
    let left = Instant::now();
    drop(connection);
    let (_, when) = upstream.seen()[before].end().await;
    when.duration_since(left)
}
