//! Holds an answer back while a guard looks at it, and says whether we stand by it.

use std::time::Duration;

use futures_util::StreamExt;
use router_policies::guard::{Doubt, End, Expected, Glimpse, Guard, Hold, Verdict, Watch};
use tokio::time::{Instant, timeout_at};

use super::Job;
use super::attempt::{Body, Form, Heard, Opened};
use crate::account::Tally;
use crate::protocol::{
    AnswerMessage, Chat, Chunk, FinalUsage, Finish, Gather, Piece, Shape, What, Whole, logprobs, unescaped,
};
use crate::setback::{Happened, Setback};
use crate::upstreams::{Answer, AnswerBody, Ask, Chunks, Visit};

/// Bytes of an answer that are held back; what is longer is kept without having been judged to its end.
const HELD: usize = 256 << 10;

/// What was heard under a guard.
pub(super) struct Judged {
    /// As of any attempt; where the answer will not do, [`Happened::Doubted`].
    pub(super) heard: Heard,
    /// The text of an answer that was judged whole.
    pub(super) text: Option<String>,
}

/// Asks, and waits until the guard lets the answer pass, or not.
pub(super) async fn judge(job: &Job, visit: Visit, ask: Ask, guard: Guard) -> Judged {
    let form = Form::of(&ask.chat);
    let mut hearing = Hearing::new(job, &ask, guard);
    let opened = match visit.ask(ask).await {
        Ok(Answer { headers, body }) => hearing.hear(body).await.map(|body| Opened { headers, body }),
        Err(setback) => Err(setback),
    };
    let text = hearing.whole.then(|| hearing.watch.text().to_owned());
    let heard = Heard { visit, tally: hearing.tally, choices: form.choices, opened };
    Judged { heard, text }
}

/// An answer under a guard.
struct Hearing<'a> {
    job: &'a Job,
    watch: Watch,
    shape: Shape,
    /// The client wants it in pieces.
    stream: bool,
    /// The client must not see log-probabilities.
    strip: bool,
    tally: Tally,
    held: Vec<Chunk>,
    bytes: usize,
    gather: Gather,
    finish: Option<Finish>,
    /// A tool is being called: that can only be judged whole.
    calling: bool,
    first: Option<Instant>,
    /// All of it was judged.
    whole: bool,
}

/// What follows from a piece.
enum Step {
    On,
    Keep,
    End,
}

impl<'a> Hearing<'a> {
    fn new(job: &'a Job, ask: &Ask, guard: Guard) -> Self {
        let chat = &ask.chat;
        let shape = Shape::of(chat);
        let expected = expected(chat, &shape);
        // Who waits for the whole answer anyway loses nothing when it is judged whole.
        let hold = if chat.stream() { guard.hold } else { Hold::All };
        Self {
            job,
            watch: Watch::new(Guard { hold, ..guard }, expected),
            shape,
            stream: chat.stream(),
            strip: ask.logprobs,
            tally: Tally::default(),
            held: Vec::new(),
            bytes: 0,
            gather: Gather::new(),
            finish: None,
            calling: false,
            first: None,
            whole: false,
        }
    }

    async fn hear(&mut self, body: AnswerBody) -> Result<Body, Setback> {
        match body {
            AnswerBody::Stream(chunks) => self.hear_stream(chunks).await,
            AnswerBody::Whole(whole) if !self.stream => {
                self.hear_whole(*whole).map(|whole| Body::Whole(Box::new(whole)))
            }
            AnswerBody::Whole(_) => Err(Setback::new(Happened::Faulty(200))),
        }
    }

    async fn hear_stream(&mut self, mut chunks: Chunks) -> Result<Body, Setback> {
        loop {
            let chunk = match self.deadline() {
                Some(deadline) => timeout_at(deadline, chunks.next()).await.ok(),
                None => Some(chunks.next().await),
            };
            let step = match chunk {
                None => self.step(self.watch.at(self.elapsed()))?,
                Some(Some(Ok(chunk))) => self.take(chunk)?,
                Some(None) if self.finish.is_some() => Step::End,
                Some(Some(Err(setback))) if self.finish.is_some() && setback.is_a_mere_end() => Step::End,
                Some(Some(Err(setback))) => return Err(setback),
                Some(None) => return Err(Setback::new(Happened::Cut)),
            };
            match step {
                Step::On => {}
                Step::Keep => return Ok(self.kept(chunks)),
                Step::End => {
                    let message = AnswerMessage::of_whole(&self.gather.whole(&FinalUsage::default()));
                    self.end(&message.unwrap_or_default(), self.finish)?;
                    return Ok(self.kept(chunks));
                }
            }
        }
    }

    fn take(&mut self, chunk: Chunk) -> Result<Step, Setback> {
        // They are gone once the chunk is fit for the client.
        let logprobs = logprobs(&chunk.data);
        let chunk = if self.strip { chunk.without_logprobs() } else { chunk };
        let step = match &chunk.what {
            What::Piece(piece) => self.see(piece, &chunk, &logprobs)?,
            What::Error(complaint) => return Err(Setback::in_band(complaint)),
            What::Done => Step::End,
            What::Aside => Step::On,
            What::KeepAlive | What::Malformed => return Ok(Step::On),
        };
        self.bytes += chunk.raw.len();
        self.held.push(chunk);
        let full = self.stream && self.bytes > HELD;
        Ok(if full && matches!(step, Step::On) { Step::Keep } else { step })
    }

    fn see(&mut self, piece: &Piece, chunk: &Chunk, logprobs: &[f64]) -> Result<Step, Setback> {
        self.tally.saw(piece);
        self.finish = piece.finish.or(self.finish);
        self.gather.see(chunk).map_err(|_| Setback::new(Happened::Faulty(200)))?;
        if !piece.begins {
            return Ok(Step::On);
        }
        self.first.get_or_insert_with(Instant::now);
        let text = piece.content.clone().and_then(|place| unescaped(&chunk.data[place]));
        self.calling |= text.is_none() && self.shape.has_tools();
        let verdict = self.watch.see(Glimpse {
            text: text.as_deref().unwrap_or_default(),
            logprobs,
            tokens: piece.weight as f64 / 1000.0,
            elapsed: self.elapsed(),
        });
        self.step(verdict)
    }

    fn hear_whole(&mut self, whole: Whole) -> Result<Whole, Setback> {
        self.tally.saw_whole(&whole);
        let message = AnswerMessage::of_whole(whole.bytes()).unwrap_or_default();
        let logprobs = logprobs(whole.bytes());
        let text = message.content.as_deref().unwrap_or_default();
        let tokens = whole.tokens() as f64;
        let verdict = self.watch.see(Glimpse { text, logprobs: &logprobs, tokens, elapsed: Duration::ZERO });
        self.step(verdict)?;
        self.end(&message, whole.finish())?;
        Ok(if self.strip { whole.without_logprobs() } else { whole })
    }

    fn end(&mut self, message: &AnswerMessage, finish: Option<Finish>) -> Result<Step, Setback> {
        self.whole = true;
        let cut = finish == Some(Finish::Length);
        let end = End { cut, well_formed: self.shape.fits(message), calls: message.calls() };
        self.step(self.watch.end(end))
    }

    fn step(&self, verdict: Verdict) -> Result<Step, Setback> {
        match verdict {
            Verdict::Keep if !self.calling => Ok(Step::Keep),
            Verdict::Wait | Verdict::Keep => Ok(Step::On),
            // Beyond what may be escalated an answer is taken as it is.
            Verdict::Escalate(doubt) if self.job.may_climb() => Err(doubted(doubt)),
            Verdict::Escalate(_) => Ok(Step::Keep),
        }
    }

    /// What was held, and what follows.
    fn kept(&mut self, chunks: Chunks) -> Body {
        if !self.stream {
            return Body::Gathered(Box::new(std::mem::take(&mut self.gather)));
        }
        let strip = self.strip;
        let rest = chunks.map(move |chunk| if strip { chunk.map(Chunk::without_logprobs) } else { chunk });
        Body::Begun(std::mem::take(&mut self.held), Box::pin(rest))
    }

    fn elapsed(&self) -> Duration {
        self.first.map_or(Duration::ZERO, |first| first.elapsed())
    }

    /// When the client has waited long enough.
    fn deadline(&self) -> Option<Instant> {
        match self.watch.hold() {
            Hold::Until { at_most, .. } if !self.calling => Some(self.first? + at_most),
            Hold::Until { .. } | Hold::All => None,
        }
    }
}

/// An answer that will not do.
pub(super) fn doubted(doubt: Doubt) -> Setback {
    Setback::new(Happened::Doubted(doubt))
}

fn expected(chat: &Chat, shape: &Shape) -> Expected {
    Expected {
        json: shape.is_json(),
        chinese: Expected::chinese_for(&chat.question()),
        limited: chat.max_tokens().is_some(),
    }
}
