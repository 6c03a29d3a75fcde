//! How long a machine of our own works on a token: what turns a price per hour into a cost.
//!
//! Requests that a machine answers side by side share its time: while three are under way, each is charged a third.
//! So the charges add up to the time that the machine was busy, and a busier machine makes each token cheaper.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

/// Machines of our own and what they did since the start.
#[derive(Debug, Default)]
pub struct MachineTimeMeter(DashMap<String, Arc<MachineClock>>);

#[derive(Debug, Default)]
struct MachineClock(Mutex<WorkedTime>);

#[derive(Debug, Default, Clone, Copy)]
struct WorkedTime {
    /// The time that one request would have been charged, had it been there from the start.
    share: Duration,
    under_way: u32,
    at: Option<Instant>,
    /// What answered requests were charged, and their tokens.
    busy: Duration,
    tokens: u64,
}

/// A request that a machine works on.
#[derive(Debug)]
pub struct BusyGuard {
    machine: Arc<MachineClock>,
    began: Duration,
    over: bool,
}

impl MachineTimeMeter {
    /// A request begins on this model's machine.
    pub fn begin(&self, model: &str) -> BusyGuard {
        let machine = self.0.get(model).map(|machine| Arc::clone(&machine));
        let machine = machine.unwrap_or_else(|| Arc::clone(&self.0.entry(model.to_owned()).or_default()));
        let mut worked = machine.worked();
        worked.go_on(Instant::now());
        worked.under_way += 1;
        let began = worked.share;
        drop(worked);
        BusyGuard { machine, began, over: false }
    }

    /// How long this model would work on so many tokens; `None` before it has worked at all.
    pub fn expected(&self, model: &str, tokens: u64) -> Option<Duration> {
        let worked = *self.0.get(model)?.worked();
        (worked.tokens > 0).then(|| worked.busy.mul_f64(tokens as f64 / worked.tokens as f64))
    }
}

impl BusyGuard {
    /// It is over; gives its share of the machine's time. `tokens` are those of an answer that was whole, and count
    /// towards what a token takes.
    pub fn end(mut self, tokens: Option<u64>) -> Duration {
        self.over = true;
        let mut worked = self.machine.worked();
        worked.leave();
        let share = worked.share.saturating_sub(self.began);
        if let Some(tokens) = tokens {
            worked.busy += share;
            worked.tokens = worked.tokens.saturating_add(tokens);
        }
        share
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        if !self.over {
            self.machine.worked().leave();
        }
    }
}

impl MachineClock {
    fn worked(&self) -> MutexGuard<'_, WorkedTime> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkedTime {
    fn go_on(&mut self, now: Instant) {
        let since = self.at.replace(now).map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if self.under_way > 0 {
            self.share += since / self.under_way;
        }
    }

    fn leave(&mut self) {
        self.go_on(Instant::now());
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_side_by_side_share_the_time() {
        let machine_time = MachineTimeMeter::default();
        let wait = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        let first = machine_time.begin("m");
        wait(4).await;
        let second = machine_time.begin("m");
        wait(6).await;
        assert_eq!(first.end(Some(70)), Duration::from_secs(7));
        wait(1).await;
        assert_eq!(second.end(Some(40)), Duration::from_secs(4));
        // Nothing is charged while nothing is asked.
        wait(100).await;
        drop(machine_time.begin("m"));
        assert_eq!(machine_time.begin("m").end(None), Duration::ZERO);
        assert_eq!(machine_time.expected("m", 110), Some(Duration::from_secs(11)));
        assert_eq!(machine_time.expected("other", 1), None);
    }
}
