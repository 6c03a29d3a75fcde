//! Holds an answer back while a guard looks at it, and says whether we stand by it.

use std::time::Duration;

use futures_util::StreamExt;
use router_policies::Rung;
use router_policies::guard::{
    AnswerEnd, AnswerExpectation, AnswerObservation, AnswerPrior, Guard, GuardRun, GuardScore, HoldBack,
    RejectReason, Verdict,
};
use tokio::time::{Instant, timeout_at};

use super::attempt::{AttemptAnswer, OpenAttempt, OpenedAnswer, OpenedBody};
use super::{AnswerPart, AnswerReader, DispatchJob};
use crate::account::TokenCounter;
use protocol::{
    AnswerMessage, ChatRequest, ChunkInfo, ChunkKind, CompletionBody, ExpectedFormat, FinalUsage,
    FinishReason, ResponseAggregator, ResponseChunk, TokenLogprobs, odds, unescaped,
};
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};
use upstreams::{AnswerBody, UpstreamRequest, UpstreamResponse};

/// Bytes of an answer that are held back; what is longer is kept without having been judged to its end.
const HELD: usize = 256 << 10;
/// How much longer than a stream's beginning is held an answer that is not streamed may be written before what there is of
/// it is judged: its client sees nothing before its end anyway, and the whole tells more than its beginning. What is written
/// after that would be lost time for a client that is to get another answer.
const WHOLE_FOR: u32 = 10;

/// What was heard under a guard.
pub(super) struct GuardedResult {
    /// As of any attempt; where the answer will not do, [`AttemptErrorKind::GuardRejected`].
    pub(super) answer: AttemptAnswer,
    /// The text of an answer that was judged whole.
    pub(super) text: Option<String>,
    /// The chance that the answer would do.
    pub(super) found: Option<GuardScore>,
}

/// Asks, and waits until the guard lets the answer pass, or not.
pub(super) async fn judge(
    job: &DispatchJob,
    rung: Rung,
    open: OpenAttempt,
    ask: UpstreamRequest,
    guard: Guard,
) -> GuardedResult {
    let mut guarded = GuardedRead::new(job, rung, &ask, guard);
    let opened = match open.endpoint_guard.ask(ask).await {
        Ok(UpstreamResponse { headers, body }) => {
            guarded.read(body).await.map(|body| OpenedAnswer { headers, body })
        }
        Err(error) => Err(error),
    };
    let text = guarded.whole.then(|| guarded.watch.text().to_owned());
    let found = guarded.watch.found().filter(|_| guard.signals.confidence > 0.0);
    let answer = AttemptAnswer { open, tally: guarded.tally, opened };
    GuardedResult { answer, text, found }
}

/// An answer under a guard.
struct GuardedRead<'a> {
    job: &'a DispatchJob,
    watch: GuardRun,
    shape: ExpectedFormat,
    /// The client wants it in pieces.
    stream: bool,
    /// The client must not see log-probabilities.
    strip: bool,
    tally: TokenCounter,
    held: Vec<ResponseChunk>,
    bytes: usize,
    gather: ResponseAggregator,
    /// How many choices the client wants.
    choices: u64,
    /// A tool is being called: that can only be judged whole.
    calling: bool,
    first: Option<Instant>,
    /// How long an answer that is not streamed may be written, from its first token on, before it is judged by what there is.
    whole_for: Option<Duration>,
    /// It was kept before its end, or a filter stepped in, and is only read to its end.
    settled: bool,
    /// All of it was judged.
    whole: bool,
}

/// What follows from a piece.
enum GuardStep {
    On,
    Keep,
    End,
}

impl<'a> GuardedRead<'a> {
    fn new(job: &'a DispatchJob, rung: Rung, ask: &UpstreamRequest, guard: Guard) -> Self {
        let chat = &ask.chat;
        let shape = ExpectedFormat::of(chat);
        let expected = expected(chat, &shape, job.ladder[rung.0].prior);
        // Who waits for the whole answer anyway loses nothing when it is judged whole.
        let hold = if chat.stream() { guard.hold } else { HoldBack::All };
        let whole_for = match guard.hold {
            HoldBack::Until { at_most, .. } if !chat.stream() => Some(at_most.saturating_mul(WHOLE_FOR)),
            HoldBack::Until { .. } | HoldBack::All => None,
        };
        Self {
            job,
            watch: GuardRun::new(Guard { hold, ..guard }, expected),
            shape,
            stream: chat.stream(),
            strip: ask.logprobs,
            tally: TokenCounter::default(),
            held: Vec::new(),
            bytes: 0,
            gather: ResponseAggregator::new(),
            choices: chat.n(),
            calling: false,
            first: None,
            whole_for,
            settled: false,
            whole: false,
        }
    }

    async fn read(&mut self, body: AnswerBody) -> Result<OpenedBody, AttemptError> {
        match body {
            AnswerBody::Stream(chunks) => self.read_stream(AnswerReader::new(chunks, self.choices)).await,
            AnswerBody::Whole(whole) if !self.stream => {
                self.hear_whole(*whole).map(|whole| OpenedBody::Whole(Box::new(whole)))
            }
            AnswerBody::Whole(_) => Err(AttemptError::new(AttemptErrorKind::BadResponse(200))),
        }
    }

    async fn read_stream(&mut self, mut reader: AnswerReader) -> Result<OpenedBody, AttemptError> {
        loop {
            let part = match self.deadline() {
                Some(deadline) => timeout_at(deadline, reader.next()).await.ok(),
                None => Some(reader.next().await),
            };
            let step = match part {
                None => self.late()?,
                Some(AnswerPart::Chunk(chunk)) => self.take(chunk)?,
                Some(AnswerPart::Complete(marker)) => {
                    self.held.extend(marker);
                    GuardStep::End
                }
                Some(AnswerPart::Broken(error)) => return Err(error),
            };
            match step {
                GuardStep::On => {}
                GuardStep::Keep => return Ok(self.kept(reader)),
                GuardStep::End if self.settled => return Ok(self.kept(reader)),
                GuardStep::End => {
                    self.end(&self.gather.whole(&FinalUsage::default()))?;
                    return Ok(self.kept(reader));
                }
            }
        }
    }

    /// The time for judging it is over.
    fn late(&mut self) -> Result<GuardStep, AttemptError> {
        let Some(_) = self.whole_for.take() else { return self.step(self.watch.at(self.elapsed())) };
        // What several choices say is told apart when all of it is here.
        let verdict = if self.choices == 1 { self.watch.so_far() } else { Verdict::Wait };
        if let GuardStep::Keep = self.step(verdict)? {
            self.settled = true;
        }
        Ok(GuardStep::On)
    }

    fn take(&mut self, chunk: ResponseChunk) -> Result<GuardStep, AttemptError> {
        // They are gone once the chunk is fit for the client.
        let odds = odds(&chunk.data);
        let chunk = if self.strip { chunk.without_logprobs() } else { chunk };
        let step = match &chunk.what {
            ChunkKind::Piece(piece) => self.see(piece, &chunk, &odds)?,
            ChunkKind::NativeOnly => GuardStep::On,
            _ => return Ok(GuardStep::On),
        };
        self.bytes += chunk.raw.len();
        self.held.push(chunk);
        let full = self.stream && self.bytes > HELD;
        Ok(if full && matches!(step, GuardStep::On) { GuardStep::Keep } else { step })
    }

    fn see(
        &mut self,
        piece: &ChunkInfo,
        chunk: &ResponseChunk,
        odds: &TokenLogprobs,
    ) -> Result<GuardStep, AttemptError> {
        self.tally.saw(piece);
        self.gather.see(chunk).map_err(|_| AttemptError::new(AttemptErrorKind::BadResponse(200)))?;
        // What a provider's filter stopped no other model sees, whatever is wrong with it.
        self.settled |= piece.finish == Some(FinishReason::ContentFilter);
        if !piece.begins || self.settled {
            return Ok(GuardStep::On);
        }
        self.first.get_or_insert_with(Instant::now);
        let text = piece.content.clone().and_then(|place| unescaped(&chunk.data[place]));
        self.calling |= text.is_none() && self.shape.has_tools();
        // What several choices say is told apart when it is looked at.
        let text = text.filter(|_| self.choices == 1);
        let verdict = self.watch.see(AnswerObservation {
            text: text.as_deref().unwrap_or_default(),
            logprobs: &odds.logprobs,
            likeliest: &odds.likeliest,
            tokens: piece.weight as f64 / 1000.0,
            elapsed: self.elapsed(),
        });
        self.step(verdict)
    }

    fn hear_whole(&mut self, whole: CompletionBody) -> Result<CompletionBody, AttemptError> {
        self.tally.saw_whole(&whole);
        if whole.finish() == Some(FinishReason::ContentFilter) {
            return Ok(if self.strip { whole.without_logprobs() } else { whole });
        }
        self.whole = true;
        if self.choices == 1 {
            let message = AnswerMessage::of_whole(whole.bytes()).unwrap_or_default();
            let odds = odds(whole.bytes());
            let text = message.content.as_deref().unwrap_or_default();
            let tokens = whole.tokens() as f64;
            let (logprobs, likeliest) = (&odds.logprobs[..], &odds.likeliest[..]);
            let elapsed = Duration::ZERO;
            let verdict = self.watch.see(AnswerObservation { text, logprobs, likeliest, tokens, elapsed });
            self.step(verdict)?;
        }
        self.end(whole.bytes())?;
        Ok(if self.strip { whole.without_logprobs() } else { whole })
    }

    /// All of it is here, as one object.
    fn end(&mut self, whole: &[u8]) -> Result<GuardStep, AttemptError> {
        self.whole = true;
        let verdict = if self.choices == 1 {
            let first = AnswerMessage::all_of_whole(whole).into_iter().next().unwrap_or_default();
            self.watch.end(self.end_of(&first))
        } else {
            self.each(whole)
        };
        self.step(verdict)
    }

    fn end_of(&self, (message, finish): &(AnswerMessage, Option<FinishReason>)) -> AnswerEnd {
        let cut = *finish == Some(FinishReason::Length);
        AnswerEnd { cut, well_formed: self.shape.fits(message), calls: message.calls() || message.shows() }
    }

    /// Judges each of several choices by what it says, so far or in all; one that will not do is enough.
    fn each(&self, whole: &[u8]) -> Verdict {
        let judge = |choice: &(AnswerMessage, Option<FinishReason>)| {
            let mut watch = self.watch.restart();
            let text = choice.0.content.as_deref().unwrap_or_default();
            match watch.see(AnswerObservation { text, ..AnswerObservation::default() }) {
                Verdict::Wait | Verdict::Keep if self.whole => watch.end(self.end_of(choice)),
                verdict => verdict,
            }
        };
        let mut verdicts = AnswerMessage::all_of_whole(whole).into_iter().map(|choice| judge(&choice));
        verdicts.find(|verdict| matches!(verdict, Verdict::Escalate(_))).unwrap_or(Verdict::Keep)
    }

    fn step(&self, verdict: Verdict) -> Result<GuardStep, AttemptError> {
        let so_far = verdict == Verdict::Keep && self.choices > 1 && !self.whole && !self.calling;
        let verdict = match so_far {
            true => self.each(&self.gather.whole(&FinalUsage::default())),
            false => verdict,
        };
        match verdict {
            Verdict::Keep if !self.calling => Ok(GuardStep::Keep),
            Verdict::Wait | Verdict::Keep => Ok(GuardStep::On),
            // Beyond what may be escalated an answer is taken as it is.
            Verdict::Escalate(doubt) if self.job.may_escalate() => Err(doubted(doubt)),
            Verdict::Escalate(_) => Ok(GuardStep::Keep),
        }
    }

    /// The answer as far as it was heard, and what follows.
    fn kept(&mut self, mut reader: AnswerReader) -> OpenedBody {
        if !self.stream {
            return OpenedBody::Gathered(Box::new(std::mem::take(&mut self.gather)));
        }
        if self.strip {
            reader
                .map_rest(|chunks| Box::pin(chunks.map(|chunk| chunk.map(ResponseChunk::without_logprobs))));
        }
        reader.begin_again(std::mem::take(&mut self.held));
        OpenedBody::Started(reader)
    }

    fn elapsed(&self) -> Duration {
        self.first.map_or(Duration::ZERO, |first| first.elapsed())
    }

    /// When the client has waited long enough.
    fn deadline(&self) -> Option<Instant> {
        let at_most = match self.watch.hold() {
            HoldBack::Until { at_most, .. } => Some(at_most),
            HoldBack::All => self.whole_for,
        };
        at_most.filter(|_| !self.calling).and_then(|at_most| Some(self.first? + at_most))
    }
}

/// An answer that will not do.
pub(super) fn doubted(doubt: RejectReason) -> AttemptError {
    AttemptError::new(AttemptErrorKind::GuardRejected(doubt))
}

fn expected(chat: &ChatRequest, shape: &ExpectedFormat, prior: AnswerPrior) -> AnswerExpectation {
    // No answer is longer than its client lets it be.
    let most = chat.max_tokens().map_or(f64::INFINITY, |most| most as f64);
    AnswerExpectation {
        prior: AnswerPrior { tokens: prior.tokens.map(|tokens| tokens.min(most)), ..prior },
        json: shape.is_json(),
        chinese: AnswerExpectation::chinese_for(&chat.question()),
        limited: chat.max_tokens().is_some(),
    }
}
