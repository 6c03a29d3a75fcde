//! How long it takes until a first rung that has recovered is in use again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::openai::{Reply, ask, error};
use crate::scripted::{Choose, Request, Script, Scripted};
use crate::setup::Setup;

const ROUNDS: usize = 10;
const BROKEN: Duration = Duration::from_secs(25);

/// Ten times for each kind of failure, side by side: broken for 25 s (within its third term) under ten requests a second,
/// then well.
pub async fn measure() {
    for (kind, broken) in [
        ("errors (503)", error(503, "overloaded")),
        ("resets", Script::default().reset()),
        ("silence", Script::default().stall()),
    ] {
        let rounds: Vec<_> = (0..ROUNDS).map(|_| tokio::spawn(round(broken.clone()))).collect();
        let mut times = Vec::new();
        for round in rounds {
            times.push(round.await.expect("no panic"));
        }
        let median = super::quantile(&mut times, 0.5);
        eprintln!("back after {kind}: median {median:.1?}, most {:.1?}", super::quantile(&mut times, 1.0));
    }
}

async fn round(broken: Script) -> Duration {
    let well = Arc::new(AtomicBool::new(false));
    let small = Scripted::start({
        let well = Arc::clone(&well);
        move |request: &Request| {
            if well.load(Ordering::Relaxed) { Reply::text("small").choose(request) } else { broken.clone() }
        }
    })
    .await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .every_model("timeouts: {connect: 1s, first_token: 2s, total: 2s}")
        .start()
        .await;
    let gateway = Arc::new(gateway);
    let mut recovered = None;
    let started = Instant::now();
    loop {
        if started.elapsed() >= BROKEN && recovered.is_none() {
            well.store(true, Ordering::Relaxed);
            recovered = Some(Instant::now());
        }
        let asked = Arc::clone(&gateway);
        let answer = tokio::spawn(async move { asked.ask(&ask("auto", "Hello")).await.content() });
        sleep(Duration::from_millis(100)).await;
        if let Some(recovered) = recovered
            && answer.await.is_ok_and(|content| content == "small")
        {
            return recovered.elapsed();
        }
    }
}
