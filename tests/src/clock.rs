//! A paused clock beside sockets, which are real: it goes on as soon as no task has anything to do, also while the kernel
//! still carries bytes, or the end of a connection, to the other side. Who measures how long that took, or must not run
//! into a time limit meanwhile, waits by these.

use std::future::Future;
use std::time::{Duration, Instant};

/// How far the clock goes at a time, and how long that takes, where it goes slowly.
const STEP: Duration = Duration::from_millis(50);
const STEP_TAKES: Duration = Duration::from_millis(5);

/// Waits while the clock stands still.
pub async fn without_time<T>(what: impl Future<Output = T>) -> T {
    let busy = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        out = what => out,
        () = busy => unreachable!("it never ends"),
    }
}

/// Waits while the clock goes on in small steps, each of which leaves the kernel a while: for what needs time limits to
/// fire, and is measured by the same clock.
///
/// # Panics
/// Where the clock is not paused.
pub async fn slowly<T>(what: impl Future<Output = T>) -> T {
    let clock = async {
        loop {
            let step = Instant::now();
            while step.elapsed() < STEP_TAKES {
                tokio::task::yield_now().await;
            }
            tokio::time::advance(STEP).await;
        }
    };
    tokio::select! {
        biased;
        out = what => out,
        () = clock => unreachable!("it never ends"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{self, sleep, timeout};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_stands_still_fires_nothing() {
        let start = time::Instant::now();
        let real = Instant::now();
        let waiting = async {
            while real.elapsed() < STEP_TAKES {
                tokio::task::yield_now().await;
            }
        };
        without_time(timeout(HOUR, waiting)).await.expect("no time passes");
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_clock_goes_by_steps() {
        let (start, real) = (time::Instant::now(), Instant::now());
        slowly(sleep(10 * STEP)).await;
        assert!((10 * STEP..=11 * STEP).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert!(real.elapsed() >= 10 * STEP_TAKES, "{:?}", real.elapsed());
    }
}
