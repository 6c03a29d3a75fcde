//! A committed stream → the events that the client reads. Never takes anything back: once a byte is out, the answer
//! ends whole, or with an error event and without the marker of success.

mod chunk_identity;
mod options;
mod resume_buffer;
mod stream_writer;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::account::RequestAccount;
use crate::dispatch::{CommittedAnswer, ResumedStream, Settlement, StartedStream};
use crate::error::ApiError;
use chunk_identity::ChunkIdentity;
use options::RelayEvent;
pub use options::RelayOptions;
use protocol::{self, DeltaField};
use resume_buffer::ResumeBuffer;
use stream_writer::{StreamWriter, WriterStep};
use upstreams::attempt_error::{AttemptError, RetryDecision};

/// The body of a streamed answer.
pub struct AnswerRelay {
    stage: RelayStage,
    options: RelayOptions,
    spoke: Instant,
    beat: Pin<Box<Sleep>>,
    /// Whether the shutdown deadline will wake this task.
    listening: bool,
}

/// An answer that is not committed yet.
pub type Waiting = Pin<Box<dyn Future<Output = Settlement> + Send>>;

type Resuming = Pin<Box<dyn Future<Output = (Option<ResumedStream>, Box<RequestAccount>)> + Send>>;

enum RelayStage {
    /// No answer is committed yet; the client hears heartbeats.
    Waiting(Waiting),
    /// The answer is on its way.
    Writing(Box<StreamWriter>),
    /// It broke off, and another rung is asked to go on with it.
    Resuming(Resuming, Option<Bytes>),
    /// Nothing more will be sent.
    Over,
}

impl AnswerRelay {
    /// For an answer that takes longer to commit than a heartbeat.
    pub fn waiting(waiting: Waiting, options: RelayOptions) -> Self {
        Self::new(RelayStage::Waiting(waiting), options)
    }

    /// For an answer whose first token is here.
    pub fn started(started: StartedStream, account: Box<RequestAccount>, options: RelayOptions) -> Self {
        Self::new(RelayStage::Writing(Box::new(StreamWriter::new(started, account))), options)
    }

    fn new(stage: RelayStage, options: RelayOptions) -> Self {
        let spoke = Instant::now();
        let beat = Box::pin(sleep_until(spoke + options.heartbeat));
        Self { stage, options, spoke, beat, listening: false }
    }

    /// The next bytes for the client; `None` at the end. A panic ends the answer with an error event.
    pub fn poll_bytes(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = &mut *self;
        loop {
            let told = catch_unwind(AssertUnwindSafe(|| {
                this.poll_on(cx).map(|said| said.map(|said| this.options.tell(said)))
            }));
            match told.unwrap_or_else(|_| Poll::Ready(this.panicked())) {
                // The client's dialect has nothing to say of it.
                Poll::Ready(Some(bytes)) if bytes.is_empty() => {}
                told => return told,
            }
        }
    }

    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Option<RelayEvent>> {
        let this = self;
        loop {
            if this.options.shutdown_deadline.is_over() {
                return Poll::Ready(this.stop());
            }
            let event = match &mut this.stage {
                RelayStage::Over => return Poll::Ready(None),
                RelayStage::Waiting(waiting) => match waiting.as_mut().poll(cx) {
                    Poll::Pending => return this.poll_silence(cx),
                    Poll::Ready(settlement) => this.settle(settlement),
                },
                RelayStage::Resuming(resuming, _) => match resuming.as_mut().poll(cx) {
                    Poll::Pending => return this.poll_silence(cx),
                    Poll::Ready((resumed, account)) => this.resumed(resumed, account),
                },
                RelayStage::Writing(writing) => match writing.poll_steps(cx) {
                    Poll::Pending => return this.poll_silence(cx),
                    Poll::Ready(WriterStep::Say(bytes)) => {
                        this.spoke = Instant::now();
                        return Poll::Ready(Some(RelayEvent::Events(bytes)));
                    }
                    Poll::Ready(WriterStep::Complete) => this.complete(),
                    Poll::Ready(WriterStep::Overlong) => this.cut_short(),
                    Poll::Ready(WriterStep::Broken(error)) => this.broken(&error),
                },
            };
            if event.is_some() {
                return Poll::Ready(event);
            }
        }
    }

    /// Begins to write, or says in an event why there is nothing to write.
    fn settle(&mut self, (result, mut account): Settlement) -> Option<RelayEvent> {
        account.head_sent(200);
        let failure = match result {
            Ok(committed) => match committed.answer {
                CommittedAnswer::Started(started) => {
                    self.stage = RelayStage::Writing(Box::new(StreamWriter::new(started, account)));
                    return None;
                }
                // A whole answer is only ever committed for a request that asked for one.
                CommittedAnswer::Whole(_) => ApiError::Internal,
            },
            Err(failure) => failure,
        };
        self.stage = RelayStage::Over;
        account.close_failed(&failure);
        Some(RelayEvent::Failed(failure))
    }

    fn complete(&mut self) -> Option<RelayEvent> {
        let RelayStage::Writing(writing) = std::mem::replace(&mut self.stage, RelayStage::Over) else {
            return None;
        };
        Some(RelayEvent::Events(writing.complete(self.options.include_usage)))
    }

    /// Ends an answer that is longer than its upstream was allowed.
    fn cut_short(&mut self) -> Option<RelayEvent> {
        let RelayStage::Writing(mut writing) = std::mem::replace(&mut self.stage, RelayStage::Over) else {
            return None;
        };
        if writing.native {
            // Its end is the upstream's to tell, and does not come.
            writing.account.cut_short(writing.attempt);
            return Some(truncated(writing.account));
        }
        Some(RelayEvent::Events(writing.cut_short(self.options.include_usage)))
    }

    /// Asks another rung to go on, or ends the answer with an error.
    fn broken(&mut self, error: &AttemptError) -> Option<RelayEvent> {
        let RelayStage::Writing(mut writing) = std::mem::replace(&mut self.stage, RelayStage::Over) else {
            return None;
        };
        writing.endpoint_guard.failed(error);
        writing.account.truncated(writing.attempt, error);
        let StreamWriter { account, sample, resume_buffer, .. } = *writing;
        // What a provider refused no other model sees.
        let resume_buffer = resume_buffer.filter(|_| error.next() != RetryDecision::Client);
        if let Some(complaint) = error.complaint.as_ref().filter(|_| error.is_filtered()) {
            return Some(failed(account, ApiError::Filtered(complaint.clone())));
        }
        match resume_buffer.and_then(ResumeBuffer::take) {
            Some((resume, said)) => {
                self.stage = RelayStage::Resuming(Box::pin(resume.go_on(said, account)), sample);
                None
            }
            None => Some(truncated(account)),
        }
    }

    /// Goes on with the answer of another rung, if there is one.
    fn resumed(
        &mut self,
        resumed: Option<ResumedStream>,
        account: Box<RequestAccount>,
    ) -> Option<RelayEvent> {
        let RelayStage::Resuming(_, sample) = std::mem::replace(&mut self.stage, RelayStage::Over) else {
            return None;
        };
        let Some(ResumedStream { text, finish, started }) = resumed else { return Some(truncated(account)) };
        let known = ChunkIdentity::of(sample.as_deref());
        let stamp = known.stamp();
        let mut joint = BytesMut::new();
        if !text.is_empty() {
            joint.extend_from_slice(&protocol::write_chunk(&stamp, 0, DeltaField::Content(&text), None));
        }
        if let Some(finish) = finish {
            joint.extend_from_slice(&protocol::write_chunk(&stamp, 0, DeltaField::End(finish), None));
        }
        let joint = joint.freeze();
        let mut writing = StreamWriter::new(started, account);
        writing.account.joined(&joint);
        writing.sample = sample;
        self.stage = RelayStage::Writing(Box::new(writing));
        self.spoke = Instant::now();
        (!joint.is_empty()).then_some(RelayEvent::Events(joint))
    }

    /// Breaks off, because the process ends; dropping what is under way closes its account.
    fn stop(&mut self) -> Option<RelayEvent> {
        let over = matches!(std::mem::replace(&mut self.stage, RelayStage::Over), RelayStage::Over);
        (!over).then_some(RelayEvent::Failed(ApiError::Stopping))
    }

    /// Breaks off for a fault of our own.
    fn panicked(&mut self) -> Option<Bytes> {
        let mut stage = std::mem::replace(&mut self.stage, RelayStage::Over);
        let over = matches!(stage, RelayStage::Over);
        let unsaid =
            if let RelayStage::Writing(writing) = &mut stage { writing.unsaid() } else { Bytes::new() };
        // What is left of it may panic again as it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| match stage {
            RelayStage::Writing(writing) => writing.account.close_faulty(),
            stage => drop(stage),
        }));
        let encode = AssertUnwindSafe(|| {
            let said = if unsaid.is_empty() { unsaid } else { self.options.tell(RelayEvent::Events(unsaid)) };
            let failed = self.options.tell(RelayEvent::Failed(ApiError::Internal));
            Bytes::from([&said[..], &failed[..]].concat())
        });
        if over { None } else { catch_unwind(encode).ok() }
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Option<RelayEvent>> {
        if !self.listening {
            // The task is the same from one heartbeat to the next, and so is whom to wake.
            self.listening = true;
            if self.options.shutdown_deadline.poll(cx).is_ready() {
                return Poll::Ready(self.stop());
            }
        }
        while self.beat.as_mut().poll(cx).is_ready() {
            let (now, due) = (Instant::now(), self.spoke + self.options.heartbeat);
            let beat = now >= due;
            if beat {
                self.spoke = now;
            }
            self.beat.as_mut().reset(self.spoke + self.options.heartbeat);
            self.listening = false;
            if beat {
                return Poll::Ready(Some(RelayEvent::Beat));
            }
        }
        Poll::Pending
    }
}

fn truncated(account: Box<RequestAccount>) -> RelayEvent {
    failed(account, ApiError::Truncated)
}

fn failed(account: Box<RequestAccount>, why: ApiError) -> RelayEvent {
    account.close_failed(&why);
    RelayEvent::Failed(why)
}

#[cfg(test)]
mod tests;
