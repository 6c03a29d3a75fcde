//! An engine of a test's own: requests wait for their turn as they do in front of the real one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::unfold;
use http::HeaderMap;
use tokio::time::{Instant, sleep_until};
use tower::util::BoxCloneSyncService;

use super::ScriptedPart::{Done, Finish, Text};
use super::{ScriptedPart, chunk, data};
use protocol::ResponseChunk;
use upstreams::attempt_error::AttemptError;
use upstreams::queue_patience::{QueueClock, QueueForecast};
use upstreams::{AnswerBody, Chunks, Upstream, UpstreamRequest, UpstreamResponse};

/// An engine that is busy for a while, and then free for whoever waits.
#[derive(Debug, Clone)]
pub struct ScriptedEngine {
    busy: (Instant, Instant),
    expects: Duration,
    answers: &'static str,
}

impl ScriptedEngine {
    /// Busy from so many seconds from now on, until so many; free, it answers with this at once.
    ///
    /// It says that what is ahead takes as long again as it has been busy, and `expects` seconds at least: that is what an
    /// engine says of an answer that is longer than all before.
    pub fn new((from, to): (u64, u64), expects: f64, answers: &'static str) -> Self {
        let moment = |seconds| Instant::now() + Duration::from_secs(seconds);
        Self { busy: (moment(from), moment(to)), expects: Duration::from_secs_f64(expects), answers }
    }

    /// The upstream that it is.
    pub(super) fn upstream(self, model: &str, asked: Arc<Mutex<Vec<String>>>) -> Upstream {
        let model: Arc<str> = model.into();
        BoxCloneSyncService::new(tower::service_fn(move |ask: UpstreamRequest| {
            asked.lock().unwrap().push(model.to_string());
            let opened = self.clone().answer(ask);
            async { Ok(UpstreamResponse { body: AnswerBody::Stream(opened?), headers: HeaderMap::new() }) }
        }))
    }

    fn answer(self, ask: UpstreamRequest) -> Result<Chunks, AttemptError> {
        ask.patience.begin(self.wait(&ask.on_behalf), self.longest_wait())?;
        let clock = QueueClock::new(Instant::now(), self.longest_wait(), ask.patience);
        let parts = VecDeque::from([Text(self.answers), Finish("stop"), Done]);
        Ok(Box::pin(unfold((self, clock, parts), |(engine, clock, parts)| engine.next(clock, parts))))
    }

    async fn next(
        self,
        mut clock: QueueClock,
        mut parts: VecDeque<ScriptedPart>,
    ) -> Option<(Result<ResponseChunk, AttemptError>, (Self, QueueClock, VecDeque<ScriptedPart>))> {
        while !self.wait("").is_zero() {
            sleep_until(clock.limit().min(self.busy.1)).await;
            if Instant::now() < self.busy.1
                && let Err(error) = clock.review(self.wait(""))
            {
                return Some((Err(error), (self, clock, VecDeque::new())));
            }
        }
        let part = parts.pop_front()?;
        Some((Ok(chunk(&data(&part))), (self, clock, parts)))
    }
}

impl QueueForecast for ScriptedEngine {
    fn wait(&self, _: &str) -> Duration {
        let (from, to) = self.busy;
        match Instant::now() {
            now if now < from || now >= to => Duration::ZERO,
            now => self.expects.max(now - from),
        }
    }

    fn answer(&self, _: u64, answer: u64) -> Duration {
        Duration::from_millis(100 + answer)
    }

    fn longest_wait(&self) -> Duration {
        Duration::from_secs(30)
    }
}
