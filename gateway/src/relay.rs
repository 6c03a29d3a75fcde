//! A committed stream → the events that the client reads. Never takes anything back: once a byte is out, the answer
//! ends whole, or with an error event and without the marker of success.

mod manner;
mod sample;
mod spare;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::account::Account;
use crate::dispatch::{Begun, Resumed, Settlement, Standing};
use crate::error::Failure;
use crate::protocol::{self, Chunk, DONE, Delta, Finish, What};
use crate::setback::{Happened, Setback};
use crate::upstreams::{Chunks, Visit};
pub use manner::Manner;
use manner::Said;
use sample::Sample;
use spare::Spare;

/// How long an upstream that has said `[DONE]` may take to end its stream, so that the connection can be reused.
const DRAIN: Duration = Duration::from_secs(1);

/// The body of a streamed answer.
pub struct Relay {
    stage: Stage,
    manner: Manner,
    spoke: Instant,
    beat: Pin<Box<Sleep>>,
    /// Whether the curfew will wake this task.
    listening: bool,
}

/// An answer that is not committed yet.
pub type Waiting = Pin<Box<dyn Future<Output = Settlement> + Send>>;

enum Stage {
    /// No answer is committed yet; the client hears heartbeats.
    Waiting(Waiting),
    /// The answer is on its way.
    Writing(Box<Writing>),
    /// It broke off, and another rung is asked to go on with it.
    Resuming(Pin<Box<dyn Future<Output = (Option<Resumed>, Account)> + Send>>, Option<Bytes>),
    /// Nothing more will be sent.
    Over,
}

impl Relay {
    /// For an answer that takes longer to commit than a heartbeat.
    pub fn waiting(waiting: Waiting, manner: Manner) -> Self {
        Self::new(Stage::Waiting(waiting), manner)
    }

    /// For an answer whose first token is here.
    pub fn begun(begun: Begun, account: Account, manner: Manner) -> Self {
        Self::new(Stage::Writing(Box::new(Writing::new(begun, account))), manner)
    }

    fn new(stage: Stage, manner: Manner) -> Self {
        let spoke = Instant::now();
        let beat = Box::pin(sleep_until(spoke + manner.heartbeat));
        Self { stage, manner, spoke, beat, listening: false }
    }

    /// The next bytes for the client; `None` at the end. A panic ends the answer with an error event.
    pub fn poll_bytes(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        loop {
            let told = catch_unwind(AssertUnwindSafe(|| {
                this.poll_on(cx).map(|said| said.map(|said| this.manner.tell(said)))
            }));
            match told.unwrap_or_else(|_| Poll::Ready(this.panicked())) {
                // The client's dialect has nothing to say of it.
                Poll::Ready(Some(bytes)) if bytes.is_empty() => {}
                told => return told,
            }
        }
    }

    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        let this = self;
        loop {
            if this.manner.curfew.is_over() {
                return Poll::Ready(this.stop());
            }
            let event = match &mut this.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Waiting(waiting) => match waiting.as_mut().poll(cx) {
                    Poll::Pending => return this.poll_silence(cx),
                    Poll::Ready(settlement) => this.settle(settlement),
                },
                Stage::Resuming(resuming, _) => match resuming.as_mut().poll(cx) {
                    Poll::Pending => return this.poll_silence(cx),
                    Poll::Ready((resumed, account)) => this.resumed(resumed, account),
                },
                Stage::Writing(writing) => match writing.poll_step(cx) {
                    Poll::Pending => return this.poll_silence(cx),
                    Poll::Ready(Step::Say(bytes)) => {
                        this.spoke = Instant::now();
                        return Poll::Ready(Some(Said::Events(bytes)));
                    }
                    Poll::Ready(Step::Complete) => this.complete(),
                    Poll::Ready(Step::Overlong) => this.cut_short(),
                    Poll::Ready(Step::Broken(setback)) => this.broken(&setback),
                },
            };
            if event.is_some() {
                return Poll::Ready(event);
            }
        }
    }

    /// Begins to write, or says in an event why there is nothing to write.
    fn settle(&mut self, (result, mut account): Settlement) -> Option<Said> {
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
        account.close_failed(&failure);
        Some(Said::Failed(failure))
    }

    fn complete(&mut self) -> Option<Said> {
        let Stage::Writing(writing) = std::mem::replace(&mut self.stage, Stage::Over) else { return None };
        Some(Said::Events(writing.complete(self.manner.include_usage)))
    }

    /// Ends an answer that is longer than its upstream was allowed.
    fn cut_short(&mut self) -> Option<Said> {
        let Stage::Writing(writing) = std::mem::replace(&mut self.stage, Stage::Over) else { return None };
        Some(Said::Events(writing.cut_short(self.manner.include_usage)))
    }

    /// Asks another rung to go on, or ends the answer with an error.
    fn broken(&mut self, setback: &Setback) -> Option<Said> {
        let Stage::Writing(mut writing) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        writing.visit.failed(setback);
        writing.account.broke_off(setback);
        let Writing { account, sample, spare, .. } = *writing;
        match spare.and_then(Spare::take) {
            Some((resume, said)) => {
                self.stage = Stage::Resuming(Box::pin(resume.go_on(said, account)), sample);
                None
            }
            None => Some(truncated(account)),
        }
    }

    /// Goes on with the answer of another rung, if there is one.
    fn resumed(&mut self, resumed: Option<Resumed>, account: Account) -> Option<Said> {
        let Stage::Resuming(_, sample) = std::mem::replace(&mut self.stage, Stage::Over) else { return None };
        let Some(Resumed { text, finish, begun }) = resumed else { return Some(truncated(account)) };
        let known = Sample::of(sample.as_deref());
        let stamp = known.stamp();
        let mut joint = BytesMut::new();
        if !text.is_empty() {
            joint.extend_from_slice(&protocol::write_chunk(&stamp, 0, Delta::Content(&text), None));
        }
        if let Some(finish) = finish {
            joint.extend_from_slice(&protocol::write_chunk(&stamp, 0, Delta::End(finish), None));
        }
        let joint = joint.freeze();
        let mut writing = Writing::new(begun, account);
        if let Some(content) = &mut writing.account.record.content {
            content.join(&joint);
        }
        writing.finished = u64::from(finish.is_some());
        writing.sample = sample;
        self.stage = Stage::Writing(Box::new(writing));
        self.spoke = Instant::now();
        (!joint.is_empty()).then_some(Said::Events(joint))
    }

    /// Breaks off, because the process ends; dropping what is under way closes its account.
    fn stop(&mut self) -> Option<Said> {
        let over = matches!(std::mem::replace(&mut self.stage, Stage::Over), Stage::Over);
        (!over).then_some(Said::Failed(Failure::Stopping))
    }

    /// Breaks off for a fault of our own.
    fn panicked(&mut self) -> Option<Bytes> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        let over = matches!(stage, Stage::Over);
        // What is left of it may panic again as it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| match stage {
            Stage::Writing(writing) => writing.account.close_faulty(),
            stage => drop(stage),
        }));
        let telling = AssertUnwindSafe(|| self.manner.tell(Said::Failed(Failure::Internal)));
        if over { None } else { catch_unwind(telling).ok() }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        if !self.listening {
            // The task is the same from one heartbeat to the next, and so is whom to wake.
            self.listening = true;
            if self.manner.curfew.poll(cx).is_ready() {
                return Poll::Ready(self.stop());
            }
        }
        while self.beat.as_mut().poll(cx).is_ready() {
            let (now, due) = (Instant::now(), self.spoke + self.manner.heartbeat);
            let beat = now >= due;
            if beat {
                self.spoke = now;
            }
            self.beat.as_mut().reset(self.spoke + self.manner.heartbeat);
            self.listening = false;
            if beat {
                return Poll::Ready(Some(Said::Beat));
            }
        }
        Poll::Pending
    }
}

fn truncated(account: Account) -> Said {
    account.close_failed(&Failure::Truncated);
    Said::Failed(Failure::Truncated)
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
    /// How many choices there are, and how many have ended.
    choices: u64,
    finished: u64,
    /// Which have, where there are several.
    over: Vec<u32>,
    spare: Option<Spare>,
}

enum Step {
    Say(Bytes),
    Complete,
    /// It goes on beyond what it may.
    Overlong,
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
            choices: begun.choices,
            finished: 0,
            over: Vec::new(),
            spare: begun.resume.map(|resume| Spare { resume, said: Vec::new() }),
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if self.finished < self.choices && self.account.is_overlong() {
                return Poll::Ready(Step::Overlong);
            }
            let chunk = match self.held.pop_front() {
                Some(chunk) => chunk,
                None => match self.rest.poll_next_unpin(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(chunk))) => chunk,
                    Poll::Ready(end) => return Poll::Ready(self.ended(end.and_then(Result::err))),
                },
            };
            if let Some(step) = self.take(chunk) {
                return Poll::Ready(step);
            }
        }
    }

    /// Finish reasons say that the answer is whole; then only its marker, or a count of tokens, is missing.
    fn ended(&self, setback: Option<Setback>) -> Step {
        let whole = self.finished >= self.choices;
        match setback {
            None if whole => Step::Complete,
            Some(setback) if whole && setback.is_a_mere_end() => Step::Complete,
            setback => Step::Broken(setback.unwrap_or_else(|| Setback::new(Happened::Cut))),
        }
    }

    fn take(&mut self, chunk: Chunk) -> Option<Step> {
        match &chunk.what {
            What::Piece(piece) => {
                self.account.hand_on(piece);
                if let Some(content) = &mut self.account.record.content {
                    content.hear(&chunk);
                }
                self.finished += u64::from(piece.finished);
                if piece.finished > 0 && self.choices > 1 {
                    self.over.extend(sample::ended(&chunk.data));
                }
                self.spare = self.spare.take().and_then(|spare| spare.keep(piece, &chunk.data));
                if piece.usage.is_none() {
                    return Some(Step::Say(chunk.raw));
                }
                self.usage = Some(chunk.data.clone());
                chunk.without_usage().map(Step::Say)
            }
            // The upstream's own word for success; some never say why an answer ended.
            What::Done => {
                let ended = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|end| chunk.raw.ends_with(end));
                self.marker = ended.then_some(chunk.raw);
                Some(Step::Complete)
            }
            What::Error(complaint) => Some(Step::Broken(Setback::in_band(complaint))),
            What::KeepAlive => Some(Step::Say(chunk.raw)),
            What::Malformed => {
                self.account.skipped_event();
                None
            }
        }
    }

    fn complete(mut self, include_usage: bool) -> Bytes {
        self.account.settle();
        let end = self.last_words(include_usage);
        self.account.close_complete();
        drain(self.rest);
        end
    }

    /// Stops the upstream, and says of every answer that has not ended that it was as long as allowed.
    fn cut_short(mut self, include_usage: bool) -> Bytes {
        self.rest = Box::pin(futures_util::stream::empty());
        self.account.cut_short();
        let known = Sample::of(self.sample.as_deref());
        let mut end = BytesMut::new();
        let choices = u32::try_from(self.choices).unwrap_or(u32::MAX);
        for index in (0..choices).filter(|index| !self.over.contains(index)) {
            let length = Delta::End(Finish::Length);
            end.extend_from_slice(&protocol::write_chunk(&known.stamp(), index, length, None));
        }
        end.extend_from_slice(&self.last_words(include_usage));
        self.account.close_complete();
        end.freeze()
    }

    /// The usage, if the client wants it, and the marker.
    fn last_words(&self, include_usage: bool) -> Bytes {
        let mut end = BytesMut::new();
        if include_usage {
            let usage = self.account.final_usage();
            let known = Sample::of(self.sample.as_deref());
            end.extend_from_slice(&protocol::usage_chunk(self.usage.as_deref(), &known.stamp(), &usage));
        }
        end.extend_from_slice(self.marker.as_deref().unwrap_or(DONE));
        end.freeze()
    }
}

/// Reads on to the upstream's end of stream, off the client's path.
fn drain(mut rest: Chunks) {
    tokio::spawn(async move {
        let _ = timeout(DRAIN, async { while rest.next().await.is_some() {} }).await;
    });
}
