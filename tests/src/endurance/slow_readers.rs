//! Memory while many clients read slowly what an upstream sends without end.

use std::time::Duration;

use tokio::time::sleep;

use crate::gateway::Gateway;
use crate::http1::Connection;
use crate::openai::{Reply, ask_stream};
use crate::scripted::{Scripted, Step};
use crate::setup::Setup;
use crate::wire::Live;

/// An upstream in this process floods every stream; each client reads a piece a second. What all of it takes in memory is
/// the growth of this process, the gateway, the upstream and the clients together, so that it is an upper bound.
pub async fn measure(streams: usize) {
    let event = format!(
        "data: {}\n\n",
        serde_json::json!({"choices": [{"index": 0, "delta": {"content": "word ".repeat(40)}}]})
    );
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    let flood =
        Reply::text("one two").stream(false).until_chunk(2).step(Step::Flood(chunk.repeat(16).into_bytes()));
    let upstream = Scripted::start(flood).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    let before = resident();
    let mut readers = Vec::new();
    for _ in 0..streams {
        readers.push(tokio::spawn(read_slowly(open(&gateway).await)));
    }
    let mut most = 0;
    for _ in 0..20 {
        sleep(Duration::from_secs(1)).await;
        most = most.max(resident());
    }
    let sent: u64 = upstream.seen().iter().map(|seen| seen.progress().sent).sum();
    eprintln!(
        "{streams} slow readers: {} KiB resident before, {most} KiB at most, {} KiB a stream; the upstream had sent {} KiB a \
         stream, which is what the kernel's buffers took",
        before,
        most.saturating_sub(before) / streams as u64,
        sent / 1024 / streams as u64,
    );
    readers.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn open(gateway: &Gateway) -> Live {
    gateway.open(&ask_stream("auto", "Count")).await
}

async fn read_slowly(live: Live) {
    let mut connection: Connection = live.into_connection();
    let mut piece = [0; 256];
    loop {
        sleep(Duration::from_secs(1)).await;
        if connection.read_some(&mut piece).await.is_err() {
            return;
        }
    }
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}
