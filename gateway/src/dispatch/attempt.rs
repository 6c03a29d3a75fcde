//! One attempt at one endpoint, up to the point where we stand by its answer.

use std::sync::{Arc, Mutex, PoisonError};

use gateway_config::{ModelConfig, ModelProvider, WholeAs};
use http::HeaderMap;
use tokio::time::Instant;

use super::queueing::patience;
use super::{AnswerPart, AnswerReader, CommittedAnswer, DispatchJob, DispatchOutcome, StartedStream};
use crate::account::{AttemptId, RequestAccount, TokenCounter};
use protocol::{
    ChatRequest, ChunkKind, CompletionBody, FinalUsage, ResponseAggregator, ResponseChunk, UpstreamApi,
};
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};
use upstreams::queue_patience::QueuePatience;
use upstreams::{AnswerBody, EndpointGuard, EndpointPool, UpstreamRequest, UpstreamResponse};

/// Bytes that are held back before the first token; a stream that says more without a token is not an answer.
const HELD: usize = 256 << 10;
/// The same of events that are none of a chat: those of a response repeat the whole request.
const NATIVE_HELD: usize = 64 << 20;

/// Asks one endpoint of the pool. The account knows of the attempt from before its first byte to its end.
pub(super) async fn attempt(
    job: &DispatchJob,
    pool: &Arc<EndpointPool>,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, AttemptError> {
    let open = enter(pool, account).await?;
    let form = ResponseMode { most: account.most(&pool.model), ..ResponseMode::of(&job.chat) };
    let ask = question(job, pool, open.id, account);
    let ask = UpstreamRequest { patience: patience(job, pool, account), ..ask };
    let answer = listen(open, ask, form).await;
    conclude(pool, answer, account)
}

/// An attempt that has begun: its place at an endpoint, and the name that the account knows it by.
pub(super) struct OpenAttempt {
    pub(super) id: AttemptId,
    pub(super) endpoint_guard: EndpointGuard,
}

impl OpenAttempt {
    /// It ended without an answer.
    pub(super) fn fail(mut self, error: &AttemptError, account: &mut RequestAccount) {
        self.endpoint_guard.failed(error);
        account.failed(self.id, error);
    }
}

/// Takes a place at an endpoint; an attempt has begun.
pub(super) async fn enter(
    pool: &Arc<EndpointPool>,
    account: &mut RequestAccount,
) -> Result<OpenAttempt, AttemptError> {
    account.cover(&pool.model).await?;
    let Some(endpoint_guard) = pool.select(|endpoint| account.has_failed_at(endpoint)) else {
        let retry_after = Some(pool.reopens_in());
        return Err(AttemptError { retry_after, ..AttemptError::new(AttemptErrorKind::CircuitOpen) });
    };
    let id = account.begin(&pool.model, endpoint_guard.endpoint_id());
    Ok(OpenAttempt { id, endpoint_guard })
}

pub(super) fn question(
    job: &DispatchJob,
    pool: &EndpointPool,
    id: AttemptId,
    account: &RequestAccount,
) -> UpstreamRequest {
    UpstreamRequest {
        longest: account.longest(&pool.model),
        chat: Arc::clone(&job.chat),
        // Whoever has paid no heed to a bound is asked for what can be cut, where there is a budget to keep to. Of what is
        // no chat no whole is made of pieces.
        stream: job.chat.stream()
            || (!is_whole_alone(&pool.model, &job.chat)
                && (pool.model.whole_as == WholeAs::Stream
                    || (pool.has_overrun() && account.most(&pool.model).is_some()))),
        logprobs: false,
        on_behalf: Arc::clone(&job.on_behalf),
        patience: QueuePatience::default(),
        id: job.id.clone(),
        trace: account.onward(id, &job.trace),
    }
}

/// Whether a whole answer to this cannot be gathered: its pieces are none of a chat, or its client gets what no chat says.
fn is_whole_alone(model: &ModelConfig, chat: &ChatRequest) -> bool {
    let ModelProvider::Remote(remote) = &model.provider else { return chat.is_native() };
    chat.is_native() || UpstreamApi::asked(remote, chat) == UpstreamApi::Responses
}

/// What form the client wants its answer in.
#[derive(Debug, Clone)]
pub(super) struct ResponseMode {
    /// In pieces.
    pub(super) stream: bool,
    /// How many choices must finish before it is whole.
    pub(super) choices: u64,
    /// Tokens beyond which a whole answer that is gathered from a stream is ended.
    pub(super) most: Option<u64>,
    /// Where somebody waits for a sign of the model: when the last one was.
    pub(super) heard: Option<Arc<LastSignOfLife>>,
}

/// When an attempt last showed that its model is at work; at first, when it began.
#[derive(Debug)]
pub(super) struct LastSignOfLife(Mutex<Instant>);

impl LastSignOfLife {
    pub(super) fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(super) fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl ResponseMode {
    pub(super) fn of(chat: &ChatRequest) -> Self {
        Self { stream: chat.stream(), choices: chat.n(), most: None, heard: None }
    }
}

/// What was heard of an attempt up to the point where we could stand by its answer.
pub(super) struct AttemptAnswer {
    pub(super) open: OpenAttempt,
    pub(super) tally: TokenCounter,
    pub(super) opened: Result<OpenedAnswer, AttemptError>,
}

/// An answer that we could stand by.
pub(super) struct OpenedAnswer {
    pub(super) headers: HeaderMap,
    pub(super) body: OpenedBody,
}

pub(super) enum OpenedBody {
    Whole(Box<CompletionBody>),
    Gathered(Box<ResponseAggregator>),
    /// Read up to its first token, and to be read again from its beginning.
    Started(AnswerReader),
}

/// Asks, and waits until the answer is one that we could stand by: whole, or with its first token here. It owns what it
/// works with, so that several can be under way.
pub(super) async fn listen(open: OpenAttempt, ask: UpstreamRequest, form: ResponseMode) -> AttemptAnswer {
    let mut tally = TokenCounter::default();
    let opened = match open.endpoint_guard.ask(ask).await {
        Ok(UpstreamResponse { headers, body }) => {
            stand_by(body, form, &mut tally).await.map(|body| OpenedAnswer { headers, body })
        }
        Err(error) => Err(error),
    };
    AttemptAnswer { open, tally, opened }
}

async fn stand_by(
    body: AnswerBody,
    form: ResponseMode,
    tally: &mut TokenCounter,
) -> Result<OpenedBody, AttemptError> {
    match (body, form.stream) {
        (AnswerBody::Stream(chunks), true) => {
            let mut reader = AnswerReader::new(chunks, form.choices);
            let held = first_token(&mut reader, form.heard.as_deref()).await?;
            reader.begin_again(held);
            Ok(OpenedBody::Started(reader))
        }
        (AnswerBody::Stream(chunks), false) => {
            let reader = AnswerReader::new(chunks, form.choices);
            Ok(OpenedBody::Gathered(Box::new(gather(reader, &form, tally).await?)))
        }
        (AnswerBody::Whole(whole), false) => {
            tally.saw_whole(&whole);
            Ok(OpenedBody::Whole(whole))
        }
        // A whole answer where a stream was asked for: the upstream does not do what it was asked.
        (AnswerBody::Whole(_), true) => Err(AttemptError::new(AttemptErrorKind::BadResponse(200))),
    }
}

/// Commits to what was heard, or closes the attempt's account.
pub(super) fn conclude(
    pool: &EndpointPool,
    answer: AttemptAnswer,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, AttemptError> {
    let AttemptAnswer { open, tally, opened } = answer;
    // What goes to the client is counted on its way, from the beginning.
    if !matches!(&opened, Ok(OpenedAnswer { body: OpenedBody::Started(_), .. })) {
        account.add_tokens(open.id, &tally);
    }
    match opened {
        Ok(OpenedAnswer { headers, body }) => {
            let OpenAttempt { id, mut endpoint_guard } = open;
            endpoint_guard.answered();
            account.commit(id);
            let answer = match body {
                OpenedBody::Whole(whole) => {
                    if account.is_overlong(id) {
                        pool.note_overrun();
                    }
                    CommittedAnswer::Whole(settled(id, account, |usage| whole.with_usage(usage)))
                }
                OpenedBody::Gathered(gather) if gather.is_cut_short() => {
                    account.cut_short(id);
                    CommittedAnswer::Whole(gather.whole(&account.final_usage(id)))
                }
                OpenedBody::Gathered(gather) => {
                    CommittedAnswer::Whole(settled(id, account, |usage| gather.whole(usage)))
                }
                OpenedBody::Started(reader) => CommittedAnswer::Started(StartedStream {
                    attempt: id,
                    reader,
                    endpoint_guard,
                    resume: None,
                }),
            };
            Ok(DispatchOutcome { model: Arc::clone(&pool.model), headers, answer })
        }
        Err(error) => {
            open.fail(&error, account);
            Err(error)
        }
    }
}

/// Reads until the first token, and gives what it has read.
///
/// # Errors
/// An end without a token.
pub(super) async fn first_token(
    reader: &mut AnswerReader,
    heard: Option<&LastSignOfLife>,
) -> Result<Vec<ResponseChunk>, AttemptError> {
    let (mut held, mut bytes, mut native_bytes) = (Vec::new(), 0, 0);
    loop {
        let chunk = match reader.next().await {
            AnswerPart::Chunk(chunk) => chunk,
            AnswerPart::Complete(_) => return Err(AttemptError::new(AttemptErrorKind::BadResponse(200))),
            AnswerPart::Broken(error) => return Err(error),
        };
        if let Some(heard) = heard.filter(|_| chunk.is_sign_of_life()) {
            heard.note();
        }
        let here = match &chunk.what {
            ChunkKind::Piece(piece) => {
                bytes += chunk.raw.len();
                piece.begins || piece.finish.is_some()
            }
            ChunkKind::NativeOnly => {
                native_bytes += chunk.native.as_ref().map_or(0, bytes::Bytes::len);
                false
            }
            _ => continue,
        };
        held.push(chunk);
        if here {
            return Ok(held);
        }
        if bytes > HELD || native_bytes > NATIVE_HELD {
            return Err(AttemptError::new(AttemptErrorKind::BadResponse(200)));
        }
    }
}

/// Folds a stream into a whole answer; one of more than `form.most` tokens is ended.
async fn gather(
    mut reader: AnswerReader,
    form: &ResponseMode,
    tally: &mut TokenCounter,
) -> Result<ResponseAggregator, AttemptError> {
    let mut gather = ResponseAggregator::new();
    loop {
        let chunk = match reader.next().await {
            AnswerPart::Chunk(chunk) => chunk,
            AnswerPart::Complete(_) => return Ok(gather),
            AnswerPart::Broken(error) => return Err(error),
        };
        if let Some(heard) = form.heard.as_deref().filter(|_| chunk.is_sign_of_life()) {
            heard.note();
        }
        let ChunkKind::Piece(piece) = &chunk.what else { continue };
        tally.saw(piece);
        gather.see(&chunk).map_err(|_| AttemptError::new(AttemptErrorKind::BadResponse(200)))?;
        if !reader.is_whole() && form.most.is_some_and(|most| tally.is_beyond(most)) {
            gather.cut_short();
            return Ok(gather);
        }
    }
}

fn settled(
    id: AttemptId,
    account: &mut RequestAccount,
    write: impl FnOnce(&FinalUsage) -> bytes::Bytes,
) -> bytes::Bytes {
    account.settle(id);
    write(&account.final_usage(id))
}
