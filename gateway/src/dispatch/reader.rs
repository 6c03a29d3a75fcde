//! Reads one answer of an upstream in pieces, and says where it ends and whether it is whole then.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Sleep, sleep};

use protocol::{ChoiceMark, ChunkInfo, ChunkKind, ProviderError, ResponseChunk};
use upstreams::Chunks;
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};

/// How long a failed answer is listened to for a count of its tokens.
const LAST_WORD: Duration = Duration::from_millis(500);

/// An answer that is being read. It is whole at the upstream's marker of success, or once every choice has given the
/// reason why it ended: then only the marker or a count of tokens can be missing, and a mere end does no harm. It is also
/// whole at an orderly end where every choice that has begun has ended: not every server knows of several choices. Each other
/// end is an error of the attempt, and so are an error among the chunks, an end that is a failure, an end without a word for a
/// reason that nobody knows, and an event that could not be read: what it said is lost.
pub struct AnswerReader {
    /// What is read again before anything new.
    held: VecDeque<ResponseChunk>,
    chunks: Chunks,
    choices: u64,
    finished: u64,
    /// It has said something.
    begun: bool,
    /// Which of several choices have begun, and which have ended; bits by index.
    several: SeveralChoices,
    /// It has failed, and only a count of tokens may still come.
    failed: Option<Box<FailedAnswer>>,
}

/// Which of several choices there are.
#[derive(Debug, Clone, Copy, Default)]
struct SeveralChoices {
    begun: u128,
    ended: u128,
}

/// An answer that has failed.
struct FailedAnswer {
    complaint: ProviderError,
    /// Begins once there is something to wait for.
    patience: Option<Pin<Box<Sleep>>>,
}

/// What follows in an answer.
#[derive(Debug)]
pub enum AnswerPart {
    /// A chunk. Those of [`ChunkKind::Done`] and [`ChunkKind::Error`] are told as the ends that they are.
    Chunk(ResponseChunk),
    /// The answer is whole; with the upstream's marker of success, if there was one.
    Complete(Option<ResponseChunk>),
    /// It will not become whole.
    Broken(AttemptError),
}

impl AnswerReader {
    /// Reads an answer that is whole when so many choices have ended.
    pub fn new(chunks: Chunks, choices: u64) -> Self {
        Self {
            held: VecDeque::new(),
            chunks,
            choices,
            finished: 0,
            begun: false,
            several: SeveralChoices::default(),
            failed: None,
        }
    }

    /// What follows. Dropping the future loses nothing.
    pub async fn next(&mut self) -> AnswerPart {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What follows, as [`AnswerReader::next`].
    #[inline]
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<AnswerPart> {
        if self.failed.is_some() {
            return self.poll_last_word(cx);
        }
        let chunk = match self.held.pop_front() {
            Some(chunk) => chunk,
            None => match ready!(self.chunks.poll_next_unpin(cx)) {
                Some(Ok(chunk)) => chunk,
                end => return Poll::Ready(self.ended(end.and_then(Result::err))),
            },
        };
        match self.part(chunk) {
            Ok(part) => Poll::Ready(part),
            Err(complaint) => {
                self.failed = Some(Box::new(FailedAnswer { complaint, patience: None }));
                self.poll_last_word(cx)
            }
        }
    }

    /// What this chunk is in the answer.
    ///
    /// # Errors
    /// It says that the answer has failed.
    #[inline]
    fn part(&mut self, chunk: ResponseChunk) -> Result<AnswerPart, ProviderError> {
        Ok(match &chunk.what {
            ChunkKind::Piece(piece) => {
                self.finished += u64::from(piece.finished);
                self.begun |= piece.begins;
                if piece.finished > 0 || self.choices > 1 {
                    self.note(piece, &chunk)?;
                }
                AnswerPart::Chunk(chunk)
            }
            ChunkKind::KeepAlive | ChunkKind::NativeOnly => AnswerPart::Chunk(chunk),
            // Behind the end nothing is lost.
            ChunkKind::Malformed if self.is_whole() => AnswerPart::Chunk(chunk),
            ChunkKind::Malformed => AnswerPart::Broken(AttemptError::malformed_event()),
            ChunkKind::Done => AnswerPart::Complete(Some(chunk)),
            ChunkKind::Error(complaint) => return Err(complaint.clone()),
        })
    }

    /// Takes note of an end, and of which choices there are.
    #[cold]
    fn note(&mut self, piece: &ChunkInfo, chunk: &ResponseChunk) -> Result<(), ProviderError> {
        if !self.begun && piece.is_unknown_end() {
            return Err(ProviderError {
                usage: piece.usage.map(Box::new),
                ..ProviderError::of_end(&chunk.data)
            });
        }
        if self.choices > 1 {
            for ChoiceMark { index, ended } in protocol::choice_marks(&chunk.data) {
                let bit = 1u128.checked_shl(index).unwrap_or(0);
                self.several.begun |= bit;
                self.several.ended |= if ended { bit } else { 0 };
            }
        }
        Ok(())
    }

    /// Waits a little for the tokens that a failed answer counts, and then says that it failed.
    #[cold]
    fn poll_last_word(&mut self, cx: &mut Context<'_>) -> Poll<AnswerPart> {
        let Some(failed) = &mut self.failed else { return Poll::Pending };
        while failed.complaint.usage.is_none() {
            let chunk = match self.held.pop_front() {
                Some(chunk) => Poll::Ready(Some(Ok(chunk))),
                None => self.chunks.poll_next_unpin(cx),
            };
            match chunk {
                Poll::Ready(Some(Ok(chunk))) => match chunk.what {
                    ChunkKind::Piece(piece) => failed.complaint.usage = piece.usage.map(Box::new),
                    ChunkKind::Done => break,
                    _ => {}
                },
                Poll::Ready(Some(Err(_)) | None) => break,
                Poll::Pending => {
                    let patience = failed.patience.get_or_insert_with(|| Box::pin(sleep(LAST_WORD)));
                    if patience.as_mut().poll(cx).is_ready() {
                        break;
                    }
                    return Poll::Pending;
                }
            }
        }
        let error = AttemptError::in_band(&failed.complaint);
        self.failed = None;
        drop(self.take_rest());
        Poll::Ready(AnswerPart::Broken(error))
    }

    fn ended(&mut self, error: Option<AttemptError>) -> AnswerPart {
        // What has ended must not be read again, and is let go at once.
        drop(self.take_rest());
        match error {
            None if self.is_whole() || self.several.have_ended() => AnswerPart::Complete(None),
            Some(error) if self.is_whole() && error.is_benign_eof() => AnswerPart::Complete(None),
            error => AnswerPart::Broken(
                error.unwrap_or_else(|| AttemptError::new(AttemptErrorKind::ConnectionLost)),
            ),
        }
    }

    /// Whether every choice has ended.
    pub fn is_whole(&self) -> bool {
        self.finished >= self.choices
    }

    /// Whether any choice has ended.
    pub fn has_finished_any(&self) -> bool {
        self.finished > 0
    }

    /// How many choices the client wants.
    pub fn choices(&self) -> u64 {
        self.choices
    }

    /// Has the answer read again from its beginning; `held` is all that was read of it.
    pub fn begin_again(&mut self, held: Vec<ResponseChunk>) {
        self.held = held.into();
        (self.finished, self.begun, self.several) = (0, false, SeveralChoices::default());
    }

    /// What is read again before anything new.
    pub fn held(&self) -> &VecDeque<ResponseChunk> {
        &self.held
    }

    /// Changes what is still to come, but for what is held.
    pub fn map_rest(&mut self, change: impl FnOnce(Chunks) -> Chunks) {
        let rest = self.take_rest();
        self.chunks = change(rest);
    }

    /// Takes what is still to come, but for what is held; the upstream stops where it is dropped.
    pub fn take_rest(&mut self) -> Chunks {
        std::mem::replace(&mut self.chunks, Box::pin(futures_util::stream::empty()))
    }
}

impl SeveralChoices {
    /// Whether each that has begun has ended, and there is one.
    fn have_ended(self) -> bool {
        self.begun != 0 && self.begun == self.ended
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, stream};

    use super::*;
    use protocol::{ProviderError, SseParser, read_chunk};

    const TEXT: &str = r#"data: {"choices":[{"index":0,"delta":{"content":"Paris"}}]}"#;
    const FIRST_ENDS: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const FAILED: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"network_error"}]}"#;
    const UNKNOWN: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"because"}]}"#;
    const SECOND_ENDS: &str = r#"data: {"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}"#;
    const BOTH_END: &str =
        r#"data: {"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#;
    const DONE: &str = "data: [DONE]";
    const COMMENT: &str = ": still here";
    const NO_JSON: &str = "data: {\"choices\":";
    const ERROR: &str = r#"data: {"error":{"message":"The engine stopped.","code":"engine_stopped"}}"#;
    const TOO_LONG: &str = r#"data: {"error":{"message":"Too long.","code":"context_length_exceeded"}}"#;

    /// What an upstream gives.
    #[derive(Debug, Clone, Copy)]
    enum Given {
        Event(&'static str),
        Fails(AttemptErrorKind),
    }
    use Given::{Event as E, Fails};

    fn chunk(event: &str) -> ResponseChunk {
        let mut splitter = SseParser::default();
        splitter.feed(Bytes::from(format!("{event}\n\n")));
        read_chunk(splitter.next().unwrap().unwrap())
    }

    fn chunks(given: &[Given]) -> Chunks {
        let given: Vec<_> = given
            .iter()
            .map(|given| match given {
                E(event) => Ok(chunk(event)),
                Fails(happened) => Err(AttemptError::new(*happened)),
            })
            .collect();
        Box::pin(stream::iter(given))
    }

    /// Reads to the end: how many chunks came before it, and what it was.
    fn read(reader: &mut AnswerReader) -> (usize, String) {
        for before in 0.. {
            match reader.next().now_or_never().expect("nothing is waited for") {
                AnswerPart::Chunk(_) => {}
                AnswerPart::Complete(Some(_)) => return (before, "complete, marked".to_owned()),
                AnswerPart::Complete(None) => return (before, "complete".to_owned()),
                AnswerPart::Broken(error) => return (before, error.word().to_owned()),
            }
        }
        unreachable!("an answer that never ends")
    }

    #[test]
    fn an_answer_is_whole_at_its_marker_or_when_every_choice_has_ended() {
        let check = |name: &str, choices: u64, given: &[Given], expected: (usize, &str)| {
            let (before, end) = read(&mut AnswerReader::new(chunks(given), choices));
            assert_eq!((before, end.as_str()), expected, "{name}");
        };
        check("text, end, marker", 1, &[E(TEXT), E(FIRST_ENDS), E(DONE)], (2, "complete, marked"));
        check("no marker", 1, &[E(TEXT), E(FIRST_ENDS)], (2, "complete"));
        check("usage after the end", 1, &[E(TEXT), E(FIRST_ENDS), E(USAGE)], (3, "complete"));
        check("a marker without a reason", 1, &[E(TEXT), E(DONE)], (1, "complete, marked"));
        check("neither", 1, &[E(TEXT)], (1, "cut"));
        check("nothing at all", 1, &[], (0, "cut"));
        check("a comment is a chunk", 1, &[E(COMMENT), E(TEXT), E(DONE)], (2, "complete, marked"));
        check("what is no JSON is a failure", 1, &[E(TEXT), E(NO_JSON), E(TEXT), E(DONE)], (1, "faulty"));
        check("but for behind the end", 1, &[E(FIRST_ENDS), E(NO_JSON), E(DONE)], (2, "complete, marked"));
        check("a failure as an end", 1, &[E(TEXT), E(FAILED), E(USAGE), E(DONE)], (1, "faulty"));
        check("a reason that nobody knows", 1, &[E(TEXT), E(UNKNOWN), E(DONE)], (2, "complete, marked"));
        check("the same without a word", 1, &[E(UNKNOWN), E(DONE)], (0, "faulty"));
        check("one choice where two were asked for", 2, &[E(TEXT), E(FIRST_ENDS)], (2, "complete"));
        check("one of two choices", 2, &[E(TEXT), E(SECOND_ENDS)], (2, "cut"));
        check("both in turn", 2, &[E(FIRST_ENDS), E(SECOND_ENDS)], (2, "complete"));
        check("both at once", 2, &[E(TEXT), E(BOTH_END)], (2, "complete"));
    }

    #[test]
    fn what_ends_the_connection_after_a_whole_answer_does_no_harm() {
        let check = |name: &str, given: &[Given], expected: (usize, &str)| {
            let (before, end) = read(&mut AnswerReader::new(chunks(given), 1));
            assert_eq!((before, end.as_str()), expected, "{name}");
        };
        let whole = |what: AttemptErrorKind| [E(TEXT), E(FIRST_ENDS), Fails(what)];
        check("cut off", &whole(AttemptErrorKind::ConnectionLost), (2, "complete"));
        check("silent", &whole(AttemptErrorKind::IdleTimeout), (2, "complete"));
        check("too slow", &whole(AttemptErrorKind::TotalTimeout), (2, "complete"));
        check("no answer", &whole(AttemptErrorKind::BadResponse(200)), (2, "faulty"));
        check("an error event", &[E(TEXT), E(FIRST_ENDS), E(ERROR)], (2, "faulty"));
        let part = |what: AttemptErrorKind| [E(TEXT), Fails(what)];
        check("cut off in the middle", &part(AttemptErrorKind::ConnectionLost), (1, "cut"));
        check("silent in the middle", &part(AttemptErrorKind::IdleTimeout), (1, "stalled"));
        check("too slow in the middle", &part(AttemptErrorKind::TotalTimeout), (1, "overran"));
        check("silent from the beginning", &[Fails(AttemptErrorKind::FirstTokenTimeout)], (0, "silent"));
    }

    #[test]
    fn an_error_among_the_chunks_is_the_attempts() {
        let check = |name: &str, event: &'static str, expected: &str| {
            let (before, end) = read(&mut AnswerReader::new(chunks(&[E(TEXT), E(event), E(DONE)]), 1));
            assert_eq!((before, end.as_str()), (1, expected), "{name}");
        };
        check("any", ERROR, "faulty");
        check("of a prompt that is too long", TOO_LONG, "too_long");
        check("of no choices", r#"data: {"error":{"message":"Busy."}}"#, "faulty");
        check("named by its event", "event: error\ndata: {\"message\":\"Busy.\"}", "faulty");
    }

    #[test]
    fn an_error_with_a_status_of_its_own_is_what_that_status_says() {
        let check = |status: u16, expected: &str| {
            let complaint = ProviderError { status: Some(status), ..ProviderError::default() };
            let said = ResponseChunk { what: ChunkKind::Error(complaint), ..chunk(TEXT) };
            let mut reader = AnswerReader::new(Box::pin(stream::iter([Ok(said)])), 1);
            assert_eq!(read(&mut reader), (0, expected.to_owned()), "{status}");
        };
        check(400, "refused");
        check(413, "too_long");
        check(429, "rate_limited");
        check(503, "server_error");
        check(401, "faulty");
    }

    #[test]
    fn what_was_read_is_read_again() {
        let check = |name: &str, given: &[Given], read_first: usize, expected: (usize, &str)| {
            let mut reader = AnswerReader::new(chunks(given), 1);
            let mut held = Vec::new();
            for _ in 0..read_first {
                match reader.next().now_or_never().unwrap() {
                    AnswerPart::Chunk(chunk) | AnswerPart::Complete(Some(chunk)) => held.push(chunk),
                    AnswerPart::Complete(None) => {}
                    AnswerPart::Broken(error) => panic!("{name}: {error:?}"),
                }
            }
            reader.begin_again(held);
            let (before, end) = read(&mut reader);
            assert_eq!((before, end.as_str()), expected, "{name}");
        };
        let marked = [E(TEXT), E(FIRST_ENDS), E(DONE)];
        let unmarked = [E(TEXT), E(FIRST_ENDS)];
        check("a first token", &marked, 1, (2, "complete, marked"));
        check("to the reason", &marked, 2, (2, "complete, marked"));
        check("to the marker", &marked, 3, (2, "complete, marked"));
        check("to an end without a marker", &unmarked, 3, (2, "complete"));
        check("a first token, then cut", &[E(TEXT), E(TEXT)], 1, (2, "cut"));
    }

    #[test]
    fn what_is_still_to_come_can_be_changed_or_dropped() {
        let mut reader = AnswerReader::new(chunks(&[E(TEXT), E(TEXT), E(FIRST_ENDS)]), 1);
        let Some(AnswerPart::Chunk(first)) = reader.next().now_or_never() else { panic!("a chunk") };
        reader.map_rest(|rest| Box::pin(rest.skip(1)));
        reader.begin_again(vec![first]);
        assert_eq!(reader.held().len(), 1);
        assert_eq!(read(&mut reader), (2, "complete".to_owned()));
        assert!(reader.is_whole() && reader.has_finished_any());
        drop(reader.take_rest());
        assert_eq!(reader.take_rest().count().now_or_never(), Some(0));
    }
}
