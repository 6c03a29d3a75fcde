//! A committed stream → the events that the client reads. Never takes anything back: once a byte is out, the answer
//! ends whole, or with an error event and without the marker of success.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::account::Account;
use crate::dispatch::{Begun, Settlement, Standing};
use crate::error::Failure;
use crate::protocol::{self, Chunk, DONE, Stamp, What};
use crate::setback::{Happened, Setback};
use crate::upstreams::{Chunks, Visit};

/// A comment that keeps a waiting connection alive, and shows us when its other end is gone.
const HEARTBEAT: &[u8] = b": keep-alive\n\n";
/// How long an upstream that has said `[DONE]` may take to end its stream, so that the connection can be reused.
const DRAIN: Duration = Duration::from_secs(1);

/// The body of a streamed answer.
pub struct Relay {
    stage: Stage,
    include_usage: bool,
    heartbeat: Duration,
    spoke: Instant,
    beat: Pin<Box<Sleep>>,
}

/// An answer that is not committed yet.
pub type Waiting = Pin<Box<dyn Future<Output = Settlement> + Send>>;

enum Stage {
    /// No answer is committed yet; the client hears heartbeats.
    Waiting(Waiting),
    /// The answer is on its way.
    Writing(Box<Writing>),
    /// Nothing more will be sent.
    Over,
}

impl Relay {
    /// For an answer that takes longer to commit than a heartbeat.
    pub fn waiting(waiting: Waiting, include_usage: bool, heartbeat: Duration) -> Self {
        Self::new(Stage::Waiting(waiting), include_usage, heartbeat)
    }

    /// For an answer whose first token is here.
    pub fn begun(begun: Begun, account: Account, include_usage: bool, heartbeat: Duration) -> Self {
        Self::new(Stage::Writing(Box::new(Writing::new(begun, account))), include_usage, heartbeat)
    }

    fn new(stage: Stage, include_usage: bool, heartbeat: Duration) -> Self {
        let spoke = Instant::now();
        Self { stage, include_usage, heartbeat, spoke, beat: Box::pin(sleep_until(spoke + heartbeat)) }
    }

    /// The next bytes for the client; `None` at the end.
    pub fn poll_bytes(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        loop {
            match &mut this.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Waiting(waiting) => match waiting.as_mut().poll(cx) {
                    Poll::Pending => return this.poll_heartbeat(cx),
                    Poll::Ready(settlement) => {
                        if let Some(error) = this.settle(settlement) {
                            return Poll::Ready(Some(error));
                        }
                    }
                },
                Stage::Writing(writing) => match writing.poll_step(cx) {
                    Poll::Pending => return this.poll_heartbeat(cx),
                    Poll::Ready(Step::Say(bytes)) => {
                        this.spoke = Instant::now();
                        return Poll::Ready(Some(bytes));
                    }
                    Poll::Ready(Step::Complete) => return Poll::Ready(this.complete()),
                    Poll::Ready(Step::Broken(setback)) => return Poll::Ready(this.break_off(&setback)),
                },
            }
        }
    }

    /// Begins to write, or says in an event why there is nothing to write.
    fn settle(&mut self, (result, mut account): Settlement) -> Option<Bytes> {
        account.head_sent(200);
        let failure = match result {
            Ok(committed) => match committed.answer {
                Standing::Begun(begun) => {
                    self.stage = Stage::Writing(Box::new(Writing::new(begun, account)));
                    return None;
                }
                // A whole answer is only ever committed for a request that asked for one.
                Standing::Whole(_) => Failure::Internal,
            },
            Err(failure) => failure,
        };
        self.stage = Stage::Over;
        let event = protocol::error_event(&failure.body());
        account.close_failed(&failure);
        Some(event)
    }

    fn complete(&mut self) -> Option<Bytes> {
        let Stage::Writing(writing) = std::mem::replace(&mut self.stage, Stage::Over) else { return None };
        Some(writing.complete(self.include_usage))
    }

    fn break_off(&mut self, setback: &Setback) -> Option<Bytes> {
        let Stage::Writing(writing) = std::mem::replace(&mut self.stage, Stage::Over) else { return None };
        Some(writing.break_off(setback))
    }

    fn poll_heartbeat(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        while self.beat.as_mut().poll(cx).is_ready() {
            let (now, due) = (Instant::now(), self.spoke + self.heartbeat);
            let beat = now >= due;
            if beat {
                self.spoke = now;
            }
            self.beat.as_mut().reset(self.spoke + self.heartbeat);
            if beat {
                return Poll::Ready(Some(Bytes::from_static(HEARTBEAT)));
            }
        }
        Poll::Pending
    }
}

/// An answer on its way.
struct Writing {
    account: Account,
    held: VecDeque<Chunk>,
    rest: Chunks,
    visit: Visit,
    /// The data of the last chunk with usage: the client's own is made of it.
    usage: Option<Bytes>,
    /// The upstream's own marker of success, unless it broke off within it.
    marker: Option<Bytes>,
    /// The data of the first chunk, for the id of a chunk that we add.
    sample: Option<Bytes>,
    finished: bool,
}

enum Step {
    Say(Bytes),
    Complete,
    Broken(Setback),
}

impl Writing {
    fn new(begun: Begun, account: Account) -> Self {
        // A copy: a slice would keep the whole read buffer alive for as long as the stream lasts.
        let sample = begun.held.first().map(|chunk| Bytes::copy_from_slice(&chunk.data));
        Self {
            account,
            held: begun.held.into(),
            rest: begun.rest,
            visit: begun.visit,
            usage: None,
            marker: None,
            sample,
            finished: false,
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            let chunk = match self.held.pop_front() {
                Some(chunk) => chunk,
                None => match self.rest.poll_next_unpin(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(chunk))) => chunk,
                    Poll::Ready(Some(Err(setback))) => return Poll::Ready(Step::Broken(setback)),
                    // A finish reason says that the answer is whole; only its marker is missing.
                    Poll::Ready(None) if self.finished => return Poll::Ready(Step::Complete),
                    Poll::Ready(None) => return Poll::Ready(Step::Broken(Setback::new(Happened::Cut))),
                },
            };
            if let Some(step) = self.take(chunk) {
                return Poll::Ready(step);
            }
        }
    }

    fn take(&mut self, chunk: Chunk) -> Option<Step> {
        match &chunk.what {
            What::Piece(piece) => {
                self.account.hand_on(piece);
                self.finished |= piece.finish.is_some();
                if piece.usage.is_none() {
                    return Some(Step::Say(chunk.raw));
                }
                self.usage = Some(chunk.data.clone());
                chunk.without_usage().map(Step::Say)
            }
            What::Done => {
                let ended = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|end| chunk.raw.ends_with(end));
                self.marker = ended.then_some(chunk.raw);
                Some(Step::Complete)
            }
            What::Error(complaint) => {
                let said = Some(Box::new(complaint.clone()));
                Some(Step::Broken(Setback { complaint: said, ..Setback::new(Happened::Faulty(200)) }))
            }
            What::KeepAlive => Some(Step::Say(chunk.raw)),
            What::Malformed => {
                self.account.skipped_event();
                None
            }
        }
    }

    fn complete(mut self, include_usage: bool) -> Bytes {
        self.account.settle();
        let mut end = BytesMut::new();
        if include_usage {
            let usage = self.account.final_usage();
            let sample =
                self.sample.as_deref().and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
            let Sample { id, created, model } = sample;
            let stamp = Stamp { id: &id, created, model: &model, fingerprint: None };
            end.extend_from_slice(&protocol::usage_chunk(self.usage.as_deref(), &stamp, &usage));
        }
        end.extend_from_slice(self.marker.as_deref().unwrap_or(DONE));
        self.account.close_complete();
        drain(self.rest);
        end.freeze()
    }

    fn break_off(mut self, setback: &Setback) -> Bytes {
        self.visit.failed(setback);
        self.account.broke_off(setback);
        self.account.close_failed(&Failure::Truncated);
        protocol::error_event(&Failure::Truncated.body())
    }
}

/// What a chunk of ours needs of the upstream's.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Sample {
    id: String,
    created: u64,
    model: String,
}

/// Reads on to the upstream's end of stream, off the client's path.
fn drain(mut rest: Chunks) {
    tokio::spawn(async move {
        let _ = timeout(DRAIN, async { while rest.next().await.is_some() {} }).await;
    });
}
