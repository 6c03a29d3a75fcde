//! Attempts at upstreams for each request of a client, while everything fails.

use crate::openai::{ask, error};
use crate::scripted::Scripted;
use crate::setup::Setup;

const REQUESTS: usize = 2000;

/// 2,000 requests, one after the other, to two rungs of which both answer every request with the same error. A rate limit
/// ejects nobody, so that the retry budget alone holds it down; after five other errors the breaker does.
pub async fn measure() {
    for (status, code) in [(429, "rate_limit_exceeded"), (503, "overloaded"), (401, "invalid_api_key")] {
        let (small, large) =
            (Scripted::start(error(status, code)).await, Scripted::start(error(status, code)).await);
        let gateway =
            Setup::ladder(&small.base_url(), &large.base_url()).every_model("retries: 3").start().await;
        let started = std::time::Instant::now();
        for _ in 0..REQUESTS {
            assert!(gateway.ask(&ask("auto", "Hello")).await.status() >= 400);
        }
        // A fifth of the requests, and ten retries in any ten seconds.
        let floor = 10.0 * (started.elapsed().as_secs_f64() / 10.0 + 1.0) / REQUESTS as f64;
        let share = |upstream: &Scripted| upstream.seen().len() as f64 / REQUESTS as f64;
        eprintln!(
            "{status} for all of {REQUESTS} requests: {:.3} attempts a request at the first rung, {:.3} at the second; \
             bound {:.3}",
            share(&small),
            share(&large),
            1.2 + floor
        );
    }
}
