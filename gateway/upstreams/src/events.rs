//! The bytes of an upstream's stream → pieces of an answer, under its time limits.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use gateway_config::AttemptTimeouts;
use tokio::time::{Instant, Sleep, sleep_until};

use super::deadlines::AttemptDeadlines;
use crate::attempt_error::{AttemptError, AttemptErrorKind, FailureCause, TransportPhase};
use protocol::{ChunkKind, ResponseChunk, ResponseDecoder, SseParser};

/// A stream of chunks that ends by itself when the upstream is silent for too long.
pub(super) struct EventStream<S> {
    bytes: Pin<Box<S>>,
    splitter: SseParser,
    decoder: ResponseDecoder,
    /// Chunks of the last event that are still to be handed on.
    ready: VecDeque<ResponseChunk>,
    clock: AttemptDeadlines,
    limit: Pin<Box<Sleep>>,
    secret: Option<Arc<str>>,
    over: bool,
}

impl<S> EventStream<S>
where
    S: Stream<Item = Result<Bytes, AttemptError>>,
{
    /// Events of `bytes`, within the limits of an attempt that began at `began`. Errors among them are told without
    /// `secret`: some providers quote the key that they refuse. A line of more than `largest_event` bytes ends the stream.
    pub(super) fn new(
        bytes: S,
        decoder: ResponseDecoder,
        timeouts: &AttemptTimeouts,
        began: Instant,
        secret: Option<Arc<str>>,
        largest_event: usize,
    ) -> Self {
        let clock = AttemptDeadlines::new(timeouts, began);
        let limit = Box::pin(sleep_until(clock.limit()));
        let (bytes, splitter, ready) = (Box::pin(bytes), SseParser::with_cap(largest_event), VecDeque::new());
        Self { bytes, splitter, decoder, ready, clock, limit, secret, over: false }
    }

    /// The next chunk that is ready.
    fn next(&mut self) -> Option<Result<ResponseChunk, AttemptError>> {
        let chunk = self.ready.front_mut()?;
        let lives = chunk.is_sign_of_life();
        match &mut chunk.what {
            ChunkKind::Error(complaint) => {
                *complaint = std::mem::take(complaint).without(self.secret.as_deref().unwrap_or_default());
            }
            ChunkKind::Piece(piece) if piece.begins || piece.finish.is_some() => self.clock.begin(),
            _ if lives => self.clock.thinks(),
            _ => {}
        }
        self.clock.heard();
        self.ready.pop_front().map(Ok)
    }

    /// Whether patience has ended. A later limit moves the timer when it fires, not with every piece.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<AttemptErrorKind> {
        if self.clock.limit() < self.limit.deadline() {
            self.limit.as_mut().reset(self.clock.limit());
        }
        while self.limit.as_mut().poll(cx).is_ready() {
            let limit = self.clock.limit();
            if Instant::now() >= limit {
                return Poll::Ready(self.clock.expired_error());
            }
            self.limit.as_mut().reset(limit);
        }
        Poll::Pending
    }

    fn end(
        &mut self,
        item: Option<Result<ResponseChunk, AttemptError>>,
    ) -> Poll<Option<Result<ResponseChunk, AttemptError>>> {
        self.over = true;
        Poll::Ready(item)
    }
}

impl<S> Stream for EventStream<S>
where
    S: Stream<Item = Result<Bytes, AttemptError>>,
{
    type Item = Result<ResponseChunk, AttemptError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let next = this.next();
            if next.is_some() {
                return Poll::Ready(next);
            }
            if this.over {
                return Poll::Ready(None);
            }
            match this.splitter.next() {
                Some(Ok(event)) => {
                    this.decoder.take(event, &mut this.ready);
                    continue;
                }
                Some(Err(why)) => {
                    let cause = FailureCause::of(TransportPhase::Read, &why);
                    let what = AttemptErrorKind::BadResponse(200);
                    return this.end(Some(Err(AttemptError::caused(what, cause))));
                }
                None => {}
            }
            match this.bytes.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => this.splitter.feed(bytes),
                Poll::Ready(Some(Err(error))) => return this.end(Some(Err(error))),
                Poll::Ready(None) => {
                    if let Some(event) = this.splitter.finish() {
                        this.decoder.take(event, &mut this.ready);
                    }
                    this.decoder.end(&mut this.ready);
                    this.over = true;
                }
                Poll::Pending => {
                    return match this.poll_late(cx) {
                        Poll::Ready(what) => this.end(Some(Err(AttemptError::new(what)))),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}
