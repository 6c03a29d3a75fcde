//! An answer on its way: what its pieces mean for the account, and which bytes of them the client gets.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::chunk_identity::ChunkIdentity;
use super::resume_buffer::ResumeBuffer;
use crate::account::{AttemptId, RequestAccount};
use crate::dispatch::{AnswerPart, AnswerReader, StartedStream};
use protocol::{self, ChunkKind, DONE, DeltaField, FinishReason, ResponseChunk};
use upstreams::attempt_error::AttemptError;
use upstreams::{Chunks, EndpointGuard};

/// Bytes. What comes together goes on together up to so much: each piece by itself costs more than to copy it.
const ALONG: usize = 8 << 10;
/// Bytes of the first chunk that is kept to write chunks of our own like it; one with a picture is passed over.
const LARGEST_SAMPLE: usize = 16 << 10;
/// How long an upstream that has said `[DONE]` may take to end its stream, so that the connection can be reused.
const DRAIN: Duration = Duration::from_secs(1);

/// An answer on its way.
pub(super) struct StreamWriter {
    pub(super) account: Box<RequestAccount>,
    pub(super) attempt: AttemptId,
    pub(super) reader: AnswerReader,
    pub(super) endpoint_guard: EndpointGuard,
    /// The data of the last chunk with usage: the client's own is made of it.
    pub(super) usage: Option<Bytes>,
    /// The upstream's own marker of success, unless it broke off within it.
    pub(super) marker: Option<Bytes>,
    /// The data of the first chunk, for the id of a chunk that we add.
    pub(super) sample: Option<Bytes>,
    /// Which choices have ended, where there are several.
    pub(super) over: Vec<u32>,
    pub(super) resume_buffer: Option<ResumeBuffer>,
    /// The client speaks the upstream's dialect, and gets its events as they came.
    pub(super) native: bool,
    /// Those from the end of the answer on: what it cost is told among them.
    pub(super) kept: Vec<Bytes>,
    /// What is to be said, and what goes along with it.
    first: Bytes,
    more: Vec<u8>,
    /// What follows on that.
    next: Option<WriterStep>,
}

/// What follows for the client.
pub(super) enum WriterStep {
    /// Bytes for the client.
    Say(Bytes),
    /// It is whole.
    Complete,
    /// It goes on beyond what it may.
    Overlong,
    /// It broke off.
    Broken(AttemptError),
}

impl StreamWriter {
    pub(super) fn new(started: StartedStream, account: Box<RequestAccount>) -> Self {
        // A copy: a slice would keep the whole read buffer alive for as long as the stream lasts.
        // A picture in the first chunk is not kept.
        let first = started.reader.held().iter().find(|chunk| chunk.data.len() <= LARGEST_SAMPLE);
        let sample = first.map(|chunk| Bytes::copy_from_slice(&chunk.data));
        let native = started.reader.held().iter().any(|chunk| chunk.native.is_some());
        // What another rung would go on with is of another dialect.
        let resume = started.resume.filter(|_| !native);
        Self {
            account,
            attempt: started.attempt,
            reader: started.reader,
            endpoint_guard: started.endpoint_guard,
            usage: None,
            marker: None,
            sample,
            over: Vec::new(),
            resume_buffer: resume.map(|resume| ResumeBuffer { resume, said: Vec::new() }),
            native,
            kept: Vec::new(),
            first: Bytes::new(),
            more: Vec::new(),
            next: None,
        }
    }

    /// The next step; what is here already is said at once, as one piece.
    pub(super) fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<WriterStep> {
        if let Some(step) = self.next.take() {
            return Poll::Ready(step);
        }
        match ready!(self.poll_step(cx)) {
            WriterStep::Say(bytes) => self.first = bytes,
            step => return Poll::Ready(step),
        }
        while self.first.len() + self.more.len() < ALONG {
            match self.poll_step(cx) {
                Poll::Pending => break,
                Poll::Ready(WriterStep::Say(bytes)) => self.more.extend_from_slice(&bytes),
                Poll::Ready(step) => {
                    self.next = Some(step);
                    break;
                }
            }
        }
        Poll::Ready(WriterStep::Say(self.unsaid()))
    }

    /// What is to be said and was not yet: more than nothing only after a panic.
    pub(super) fn unsaid(&mut self) -> Bytes {
        let (first, more) = (std::mem::take(&mut self.first), std::mem::take(&mut self.more));
        if more.is_empty() { first } else { [&first[..], &more[..]].concat().into() }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<WriterStep> {
        loop {
            if !self.reader.is_whole() && self.account.is_overlong(self.attempt) {
                return Poll::Ready(WriterStep::Overlong);
            }
            let step = match ready!(self.reader.poll_next(cx)) {
                AnswerPart::Chunk(chunk) if self.native => self.take_native(chunk),
                AnswerPart::Chunk(chunk) => self.take(chunk),
                AnswerPart::Complete(marker) => Some(self.whole(marker)),
                AnswerPart::Broken(error) => Some(WriterStep::Broken(error)),
            };
            if let Some(step) = step {
                return Poll::Ready(step);
            }
        }
    }

    /// It is whole, with the upstream's own word for success, if it has one.
    fn whole(&mut self, marker: Option<ResponseChunk>) -> WriterStep {
        if let Some(ResponseChunk { raw, native, .. }) = marker {
            let ended = [&b"\n\n"[..], b"\r\r", b"\r\n\r\n"].iter().any(|end| raw.ends_with(end));
            match self.native {
                true => self.kept.push(native.unwrap_or_default()),
                false => self.marker = ended.then_some(raw),
            }
        }
        WriterStep::Complete
    }

    fn take(&mut self, chunk: ResponseChunk) -> Option<WriterStep> {
        match &chunk.what {
            ChunkKind::Piece(piece) => {
                self.account.forward(self.attempt, piece, &chunk);
                if piece.finished > 0 && self.reader.choices() > 1 {
                    let marks = protocol::choice_marks(&chunk.data);
                    self.over.extend(marks.into_iter().filter(|mark| mark.ended).map(|mark| mark.index));
                }
                self.resume_buffer = self
                    .resume_buffer
                    .take()
                    .and_then(|resume_buffer| resume_buffer.keep(piece, &chunk.data));
                if piece.usage.is_none() {
                    return Some(WriterStep::Say(chunk.raw));
                }
                self.usage = Some(chunk.data.clone());
                chunk.without_usage().map(WriterStep::Say)
            }
            ChunkKind::KeepAlive => Some(WriterStep::Say(chunk.raw)),
            ChunkKind::Malformed => {
                self.account.malformed_event(self.attempt);
                None
            }
            ChunkKind::NativeOnly | ChunkKind::Done | ChunkKind::Error(_) => None,
        }
    }

    /// As [`StreamWriter::take`], for a client that gets what came.
    fn take_native(&mut self, mut chunk: ResponseChunk) -> Option<WriterStep> {
        let came = chunk.native.take().unwrap_or_default();
        match &chunk.what {
            ChunkKind::Piece(piece) => {
                self.account.forward(self.attempt, piece, &chunk);
            }
            ChunkKind::Malformed => self.account.malformed_event(self.attempt),
            ChunkKind::KeepAlive | ChunkKind::NativeOnly | ChunkKind::Done | ChunkKind::Error(_) => {}
        }
        if self.reader.has_finished_any() {
            self.kept.push(came);
            return None;
        }
        (!came.is_empty()).then_some(WriterStep::Say(came))
    }

    pub(super) fn complete(mut self, include_usage: bool) -> Bytes {
        self.account.settle(self.attempt);
        let end = self.last_words(include_usage);
        self.account.close_complete();
        drain(self.reader.take_rest());
        end
    }

    /// Stops the upstream, and says of every answer that has not ended that it was as long as allowed.
    pub(super) fn cut_short(mut self, include_usage: bool) -> Bytes {
        drop(self.reader.take_rest());
        self.account.cut_short(self.attempt);
        let known = ChunkIdentity::of(self.sample.as_deref());
        let mut end = BytesMut::new();
        let choices = u32::try_from(self.reader.choices()).unwrap_or(u32::MAX);
        for index in (0..choices).filter(|index| !self.over.contains(index)) {
            let length = DeltaField::End(FinishReason::Length);
            end.extend_from_slice(&protocol::write_chunk(&known.stamp(), index, length, None));
        }
        end.extend_from_slice(&self.last_words(include_usage));
        self.account.close_complete();
        end.freeze()
    }

    /// The usage, if the client wants it, and the marker.
    fn last_words(&self, include_usage: bool) -> Bytes {
        if self.native {
            return protocol::native_end(&self.kept, &self.account.final_usage(self.attempt));
        }
        let mut end = BytesMut::new();
        if include_usage {
            let usage = self.account.final_usage(self.attempt);
            let known = ChunkIdentity::of(self.sample.as_deref());
            end.extend_from_slice(&protocol::usage_chunk(self.usage.as_deref(), &known.stamp(), &usage));
        }
        end.extend_from_slice(self.marker.as_deref().unwrap_or(DONE));
        end.freeze()
    }
}

/// Reads on to the upstream's end of stream, off the client's path.
fn drain(mut rest: Chunks) {
    if let Some(None) = rest.next().now_or_never() {
        return;
    }
    #[expect(clippy::disallowed_methods, reason = "ends after a bounded time, and nothing depends on it")]
    tokio::spawn(async move {
        let _ = timeout(DRAIN, async { while rest.next().await.is_some() {} }).await;
    });
}
