//! Goes on with an answer that broke off, on a rung that was not asked yet, and only where the joint is sound: the rung
//! takes an answer that was begun, or its own answer begins with the very text that was sent.

use std::sync::Arc;

use super::attempt::{OpenAttempt, enter, first_token, question};
use super::rungs::RemainingLadder;
use super::{AnswerPart, AnswerReader, DispatchJob, StartedStream};
use crate::account::{AttemptId, RequestAccount};
use crate::record::{AttemptResult, Waste};
use protocol::{self, ChatRequest, ChunkInfo, ChunkKind, FinishReason, PrefillStyle, ResponseChunk};
use upstreams::attempt_error::{AttemptError, AttemptErrorKind, RetryDecision};
use upstreams::{AnswerBody, EndpointPool, UpstreamRequest, UpstreamResponse};

/// Who may go on with an answer.
pub struct StreamResumption {
    job: DispatchJob,
    rungs: RemainingLadder,
}

/// An answer that goes on.
pub struct ResumedStream {
    /// The text that follows what was sent, of the pieces that came so far; they are counted.
    pub text: String,
    /// Why the answer ended, if it did with these.
    pub finish: Option<FinishReason>,
    /// What follows.
    pub started: StartedStream,
}

impl StreamResumption {
    /// `None` where it is not allowed, nobody is left to ask, or a joint could not be seen to be sound.
    pub(super) fn new(job: DispatchJob, rungs: RemainingLadder) -> Option<Box<Self>> {
        let sound = job.chat.n() == 1 && !job.chat.needs().logprobs;
        (job.resume && sound && !rungs.is_empty()).then(|| Box::new(Self { job, rungs }))
    }

    /// Asks one rung after the other to go on after `said`.
    pub async fn go_on(
        self,
        said: String,
        mut account: Box<RequestAccount>,
    ) -> (Option<ResumedStream>, Box<RequestAccount>) {
        let Self { job, mut rungs } = self;
        while let Some(rung) = rungs.next() {
            let pool = &job.ladder[rung.0].pool;
            let begun_for_it = pool.model.accepts.prefill == Some(true) && !job.chat.needs().prefill;
            let resumed = match begun_for_it {
                true => continued(&job, pool, &said, &mut account).await,
                false => repeated(&job, pool, &said, &mut account).await,
            };
            match resumed {
                Ok(resumed) => return (Some(resumed), account),
                Err(NotResumed::Refused) => break,
                Err(NotResumed::Failed) => {}
            }
        }
        (None, account)
    }
}

/// Why a rung does not go on with an answer.
enum NotResumed {
    /// Another rung may.
    Failed,
    /// Its provider refuses the request: no other rung may see it.
    Refused,
}

/// The rung gets the answer as it stands, and writes what follows.
async fn continued(
    job: &DispatchJob,
    pool: &Arc<EndpointPool>,
    said: &str,
    account: &mut RequestAccount,
) -> Result<ResumedStream, NotResumed> {
    let chat = job.chat.going_on_after(said, PrefillStyle::of(&pool.model)).ok_or(NotResumed::Failed)?;
    let (mut open, mut reader) = open(job, pool, Arc::new(chat), account).await?;
    let held = match first_token(&mut reader, None).await {
        Ok(held) => held,
        Err(error) => return Err(fail(open, &error, account)),
    };
    open.endpoint_guard.answered();
    let pieces = held.iter().filter_map(piece);
    pieces.clone().for_each(|piece| account.saw(open.id, piece));
    let finish = pieces.filter_map(|piece| piece.finish).last();
    let Some(text) = held.iter().map(content).collect() else { return Err(mismatch(open.id, account)) };
    account.resume(open.id, false);
    Ok(ResumedStream { text, finish, started: following(reader, open) })
}

/// The rung gets the question, and its answer must begin with what was sent.
async fn repeated(
    job: &DispatchJob,
    pool: &Arc<EndpointPool>,
    said: &str,
    account: &mut RequestAccount,
) -> Result<ResumedStream, NotResumed> {
    let (mut open, mut reader) = open(job, pool, Arc::clone(&job.chat), account).await?;
    let (mut again, mut finish) = (String::new(), None);
    while again.len() < said.len() {
        let chunk = match reader.next().await {
            AnswerPart::Chunk(chunk) => chunk,
            // It says less than what was sent.
            AnswerPart::Complete(_) => {
                return Err(fail(open, &AttemptError::new(AttemptErrorKind::ConnectionLost), account));
            }
            AnswerPart::Broken(error) => return Err(fail(open, &error, account)),
        };
        let Some(piece) = piece(&chunk) else { continue };
        account.saw(open.id, piece);
        finish = piece.finish;
        let same = content(&chunk).is_some_and(|text| {
            again.push_str(&text);
            said.starts_with(&again) || again.starts_with(said)
        });
        if !same || (finish.is_some() && again.len() < said.len()) {
            open.endpoint_guard.answered();
            return Err(mismatch(open.id, account));
        }
    }
    open.endpoint_guard.answered();
    account.resume(open.id, true);
    Ok(ResumedStream { text: again.split_off(said.len()), finish, started: following(reader, open) })
}

fn following(reader: AnswerReader, open: OpenAttempt) -> StartedStream {
    let OpenAttempt { id, endpoint_guard } = open;
    StartedStream { attempt: id, reader, endpoint_guard, resume: None }
}

fn mismatch(id: AttemptId, account: &mut RequestAccount) -> NotResumed {
    account.discard(id, AttemptResult::Mismatch.word(), Waste::Retried);
    NotResumed::Failed
}

async fn open(
    job: &DispatchJob,
    pool: &Arc<EndpointPool>,
    chat: Arc<ChatRequest>,
    account: &mut RequestAccount,
) -> Result<(OpenAttempt, AnswerReader), NotResumed> {
    let open = enter(pool, account).await.map_err(|_| NotResumed::Failed)?;
    let ask = UpstreamRequest { chat, ..question(job, pool, open.id, account) };
    match open.endpoint_guard.ask(ask).await {
        Ok(UpstreamResponse { body: AnswerBody::Stream(chunks), .. }) => {
            Ok((open, AnswerReader::new(chunks, 1)))
        }
        Ok(_) => Err(fail(open, &AttemptError::new(AttemptErrorKind::BadResponse(200)), account)),
        Err(error) => Err(fail(open, &error, account)),
    }
}

fn fail(open: OpenAttempt, error: &AttemptError, account: &mut RequestAccount) -> NotResumed {
    open.fail(error, account);
    if error.next() == RetryDecision::Client { NotResumed::Refused } else { NotResumed::Failed }
}

fn piece(chunk: &ResponseChunk) -> Option<&ChunkInfo> {
    if let ChunkKind::Piece(piece) = &chunk.what { Some(piece) } else { None }
}

/// The text of a chunk; `None` if it says anything else.
fn content(chunk: &ResponseChunk) -> Option<String> {
    let Some(piece) = piece(chunk) else { return Some(String::new()) };
    match &piece.content {
        Some(place) => protocol::unescaped(&chunk.data[place.clone()]),
        None => (!piece.begins).then(String::new),
    }
}
