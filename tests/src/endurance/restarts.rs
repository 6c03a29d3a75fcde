//! Requests that are lost when the gateway is restarted under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::gateway::{Gateway, chat};
use crate::http1::Connection;
use crate::openai::{Reply, ask, ask_stream};
use crate::scripted::Scripted;
use crate::setup::Setup;
use crate::wire::Live;

const CLIENTS: usize = 16;

/// What the clients saw.
#[derive(Default)]
struct Tally {
    whole: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    longest_gap: AtomicU64,
    over: AtomicBool,
}

/// So many restarts, a second apart, under 16 clients that ask without a pause, half of them on connections that are kept,
/// half on new ones. Each stop is the one that a signal causes, and comes when the next gateway listens at the same
/// address already, as with `xietong serve --take-over`. A request is lost if it was sent and its answer did not come
/// whole; a connection that is refused is counted by itself, as no request was sent.
pub async fn measure(restarts: usize) {
    let reply = Reply::text("one two three four five six seven eight");
    let upstream = Scripted::start(move |request: &crate::scripted::Request| {
        use crate::scripted::Choose;
        reply.choose(request).paced(Duration::from_millis(20))
    })
    .await;
    let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url());
    let mut gateway = Gateway::start_on(listen(([127, 0, 0, 1], 0).into()).await, &setup.yaml()).await;
    let (address, tally) = (gateway.data, Arc::new(Tally::default()));
    let clients: Vec<JoinHandle<()>> =
        (0..CLIENTS).map(|number| tokio::spawn(client(address, number, Arc::clone(&tally)))).collect();
    for _ in 0..restarts {
        sleep(Duration::from_secs(1)).await;
        let next = Gateway::start_on(listen(address).await, &setup.yaml()).await;
        std::mem::replace(&mut gateway, next).stop().await;
    }
    sleep(Duration::from_secs(1)).await;
    tally.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no panic");
    }
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    eprintln!(
        "{restarts} restarts: {} requests answered whole, {} lost; {} connections refused, for {} ms at \
         most",
        read(&tally.whole),
        read(&tally.lost),
        read(&tally.refused),
        read(&tally.longest_gap),
    );
    gateway.stop().await;
}

async fn listen(address: SocketAddr) -> TcpListener {
    ::gateway::bind_shared(address).await.expect("the port can be shared")
}

async fn client(address: SocketAddr, number: usize, tally: Arc<Tally>) {
    let body = if number.is_multiple_of(4) { ask("small", "Count") } else { ask_stream("small", "Count") };
    let (request, keeps) = (chat(&[], &body), number.is_multiple_of(2));
    let mut kept: Option<Connection> = None;
    let mut gone: Option<Instant> = None;
    while !tally.over.load(Ordering::Relaxed) {
        // As every pool of connections does, it looks first whether a kept one is still there.
        let mut connection = match kept.take().filter(|kept| !kept.is_stale()) {
            Some(connection) => connection,
            None => match Connection::open(address).await {
                Ok(connection) => connection,
                Err(_) => {
                    tally.refused.fetch_add(1, Ordering::Relaxed);
                    gone.get_or_insert_with(Instant::now);
                    sleep(Duration::from_millis(5)).await;
                    continue;
                }
            },
        };
        if let Some(gone) = gone.take() {
            let gap = u64::try_from(gone.elapsed().as_millis()).unwrap_or(u64::MAX);
            tally.longest_gap.fetch_max(gap, Ordering::Relaxed);
        }
        let sent = connection.send(&request).await.is_ok();
        let Some(live) = (if sent { Live::on(connection).await } else { None }) else {
            tally.lost.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (answer, connection) = live.rest_and_connection().await;
        let whole = answer.status() == 200 && answer.complete && answer.content().ends_with("eight");
        if whole { &tally.whole } else { &tally.lost }.fetch_add(1, Ordering::Relaxed);
        let closes = answer.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        kept = (keeps && !closes && answer.complete).then_some(connection);
    }
}
