//! An answer on its way: what its pieces mean for the account, and which bytes of them the client gets.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::sample::{self, Sample};
use super::spare::Spare;
use crate::account::{Account, AttemptId};
use crate::dispatch::Begun;
use crate::protocol::{self, Chunk, DONE, Delta, Finish, What};
use crate::setback::{Happened, Setback};
use crate::upstreams::{Chunks, Visit};

/// Bytes. What comes together goes on together up to so much: each piece by itself costs more than to copy it.
const ALONG: usize = 8 << 10;
/// How long an upstream that has said `[DONE]` may take to end its stream, so that the connection can be reused.
const DRAIN: Duration = Duration::from_secs(1);

/// An answer on its way.
pub(super) struct Writing {
    pub(super) account: Box<Account>,
    pub(super) attempt: AttemptId,
    pub(super) held: VecDeque<Chunk>,
    pub(super) rest: Chunks,
    pub(super) visit: Visit,
    /// The data of the last chunk with usage: the client's own is made of it.
    pub(super) usage: Option<Bytes>,
    /// The upstream's own marker of success, unless it broke off within it.
    pub(super) marker: Option<Bytes>,
    /// The data of the first chunk, for the id of a chunk that we add.
    pub(super) sample: Option<Bytes>,
    /// How many choices there are, and how many have ended.
    pub(super) choices: u64,
    pub(super) finished: u64,
    /// Which have, where there are several.
    pub(super) over: Vec<u32>,
    pub(super) spare: Option<Spare>,
    /// The client speaks the upstream's dialect, and gets its events as they came.
    pub(super) native: bool,
    /// Those from the end of the answer on: what it cost is told among them.
    pub(super) kept: Vec<Bytes>,
    /// What is to be said, and what goes along with it.
    first: Bytes,
    more: Vec<u8>,
    /// What follows on that.
    next: Option<Step>,
}

/// What follows for the client.
pub(super) enum Step {
    /// Bytes for the client.
    Say(Bytes),
    /// It is whole.
    Complete,
    /// It goes on beyond what it may.
    Overlong,
    /// It broke off.
    Broken(Setback),
}

impl Writing {
    pub(super) fn new(begun: Begun, account: Box<Account>) -> Self {
        // A copy: a slice would keep the whole read buffer alive for as long as the stream lasts.
        let sample = begun.held.first().map(|chunk| Bytes::copy_from_slice(&chunk.data));
        let native = begun.held.iter().any(|chunk| chunk.native.is_some());
        // What another rung would go on with is of another dialect.
        let resume = begun.resume.filter(|_| !native);
        Self {
            account,
            attempt: begun.attempt,
            held: begun.held.into(),
            rest: begun.rest,
            visit: begun.visit,
            usage: None,
            marker: None,
            sample,
            choices: begun.choices,
            finished: 0,
            over: Vec::new(),
            spare: resume.map(|resume| Spare { resume, said: Vec::new() }),
            native,
            kept: Vec::new(),
            first: Bytes::new(),
            more: Vec::new(),
            next: None,
        }
    }

    /// The next step; what is here already is said at once, as one piece.
    pub(super) fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Some(step) = self.next.take() {
            return Poll::Ready(step);
        }
        match ready!(self.poll_step(cx)) {
            Step::Say(bytes) => self.first = bytes,
            step => return Poll::Ready(step),
        }
        while self.first.len() + self.more.len() < ALONG {
            match self.poll_step(cx) {
                Poll::Pending => break,
                Poll::Ready(Step::Say(bytes)) => self.more.extend_from_slice(&bytes),
                Poll::Ready(step) => {
                    self.next = Some(step);
                    break;
                }
            }
        }
        Poll::Ready(Step::Say(self.unsaid()))
    }

    /// What is to be said and was not yet: more than nothing only after a panic.
    pub(super) fn unsaid(&mut self) -> Bytes {
        let (first, more) = (std::mem::take(&mut self.first), std::mem::take(&mut self.more));
        if more.is_empty() { first } else { [&first[..], &more[..]].concat().into() }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if self.finished < self.choices && self.account.is_overlong(self.attempt) {
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
        if self.native {
            return self.take_native(chunk);
        }
        match &chunk.what {
            What::Piece(piece) => {
                self.account.hand_on(self.attempt, piece);
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
            What::Aside => None,
            What::Malformed => {
                self.account.skipped_event(self.attempt);
                None
            }
        }
    }

    /// As [`Writing::take`], for a client that gets what came.
    fn take_native(&mut self, mut chunk: Chunk) -> Option<Step> {
        let came = chunk.native.take().unwrap_or_default();
        match &chunk.what {
            What::Piece(piece) => {
                self.account.hand_on(self.attempt, piece);
                if let Some(content) = &mut self.account.record.content {
                    content.hear(&chunk);
                }
                self.finished += u64::from(piece.finished);
            }
            What::Error(complaint) => return Some(Step::Broken(Setback::in_band(complaint))),
            What::Done => {
                self.kept.push(came);
                return Some(Step::Complete);
            }
            What::Malformed => self.account.skipped_event(self.attempt),
            What::KeepAlive | What::Aside => {}
        }
        if self.finished > 0 {
            self.kept.push(came);
            return None;
        }
        (!came.is_empty()).then_some(Step::Say(came))
    }

    pub(super) fn complete(mut self, include_usage: bool) -> Bytes {
        self.account.settle(self.attempt);
        let end = self.last_words(include_usage);
        self.account.close_complete();
        drain(self.rest);
        end
    }

    /// Stops the upstream, and says of every answer that has not ended that it was as long as allowed.
    pub(super) fn cut_short(mut self, include_usage: bool) -> Bytes {
        self.rest = Box::pin(futures_util::stream::empty());
        self.account.cut_short(self.attempt);
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
        if self.native {
            return protocol::native_end(&self.kept, &self.account.final_usage(self.attempt));
        }
        let mut end = BytesMut::new();
        if include_usage {
            let usage = self.account.final_usage(self.attempt);
            let known = Sample::of(self.sample.as_deref());
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
    tokio::spawn(async move {
        let _ = timeout(DRAIN, async { while rest.next().await.is_some() {} }).await;
    });
}
