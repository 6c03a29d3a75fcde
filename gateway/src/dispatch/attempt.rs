//! One attempt at one endpoint, up to the point where we stand by its answer.

use std::sync::Arc;

use futures_util::StreamExt;
use gateway_config::WholeAs;

use super::{Begun, Committed, Job, Standing};
use crate::account::Account;
use crate::protocol::{Chunk, FinalUsage, Gather, What, Whole};
use crate::setback::{Happened, Setback};
use crate::upstreams::{Answer, AnswerBody, Ask, Chunks, Pool};

/// Bytes that are held back before the first token; a stream that says more without a token is not an answer.
const HELD: usize = 256 << 10;

/// Asks one endpoint of the pool. The account knows of the attempt from before its first byte to its end.
pub(super) async fn attempt(
    job: &Job,
    pool: &Arc<Pool>,
    account: &mut Account,
) -> Result<Committed, Setback> {
    account.cover(&pool.model).await?;
    let Some(mut visit) = pool.pick() else { return Err(Setback::new(Happened::Ejected)) };
    account.begin(&pool.model, visit.endpoint_id());
    let answer = match visit.ask(question(job, pool, account)).await {
        Ok(answer) => stand_by(job, answer, account).await,
        Err(setback) => Err(setback),
    };
    match answer {
        Ok((headers, body)) => {
            visit.answered();
            account.commit();
            let answer = match body {
                Body::Whole(whole) => Standing::Whole(settled(account, |usage| whole.with_usage(usage))),
                Body::Gathered(gather) => Standing::Whole(settled(account, |usage| gather.whole(usage))),
                Body::Begun(held, rest) => {
                    Standing::Begun(Begun { held, rest, visit, choices: job.chat.n(), resume: None })
                }
            };
            Ok(Committed { model: Arc::clone(&pool.model), headers, answer })
        }
        Err(setback) => {
            visit.failed(&setback);
            account.failed(&setback);
            Err(setback)
        }
    }
}

pub(super) fn question(job: &Job, pool: &Pool, account: &Account) -> Ask {
    Ask {
        longest: account.longest(&pool.model),
        chat: Arc::clone(&job.chat),
        stream: job.chat.stream() || pool.model.whole_as == WholeAs::Stream,
        on_behalf: Arc::clone(&job.on_behalf),
        id: job.id.clone(),
        trace: job.trace.clone(),
    }
}

enum Body {
    Whole(Whole),
    Gathered(Box<Gather>),
    Begun(Vec<Chunk>, Chunks),
}

/// Waits until the answer is one that we stand by: whole, or with its first token here.
async fn stand_by(
    job: &Job,
    answer: Answer,
    account: &mut Account,
) -> Result<(http::HeaderMap, Body), Setback> {
    let body = match (answer.body, job.chat.stream()) {
        (AnswerBody::Stream(chunks), true) => {
            let (held, rest) = first_token(chunks).await?;
            Body::Begun(held, rest)
        }
        (AnswerBody::Stream(chunks), false) => {
            Body::Gathered(Box::new(gather(chunks, job.chat.n(), account).await?))
        }
        (AnswerBody::Whole(whole), false) => {
            account.estimated(whole.tokens().saturating_mul(1000));
            if let Some(reported) = whole.reported() {
                account.reported(reported);
            }
            Body::Whole(whole)
        }
        // A whole answer where a stream was asked for: the upstream does not do what it was asked.
        (AnswerBody::Whole(_), true) => return Err(Setback::new(Happened::Faulty(200))),
    };
    Ok((answer.headers, body))
}

/// Reads until the first token, or an end without one.
pub(super) async fn first_token(mut chunks: Chunks) -> Result<(Vec<Chunk>, Chunks), Setback> {
    let (mut held, mut bytes) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        match &chunk.what {
            What::Piece(piece) => {
                let here = piece.begins || piece.finish.is_some();
                bytes += chunk.raw.len();
                held.push(chunk);
                if here {
                    return Ok((held, chunks));
                }
                if bytes > HELD {
                    return Err(Setback::new(Happened::Faulty(200)));
                }
            }
            What::Error(complaint) => return Err(Setback::in_band(complaint)),
            What::Done => return Err(Setback::new(Happened::Faulty(200))),
            What::KeepAlive | What::Malformed => {}
        }
    }
    Err(Setback::new(Happened::Cut))
}

/// Folds a stream into a whole answer.
async fn gather(mut chunks: Chunks, choices: u64, account: &mut Account) -> Result<Gather, Setback> {
    let mut gather = Gather::new();
    let mut finished = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = match chunk {
            // What is missing is a marker, or a count of tokens.
            Err(setback) if finished >= choices && setback.is_a_mere_end() => break,
            chunk => chunk?,
        };
        match &chunk.what {
            What::Piece(piece) => {
                finished += u64::from(piece.finished);
                account.saw(piece);
                gather.see(&chunk).map_err(|_| Setback::new(Happened::Faulty(200)))?;
            }
            What::Error(complaint) => return Err(Setback::in_band(complaint)),
            What::Done => return Ok(gather),
            What::KeepAlive | What::Malformed => {}
        }
    }
    if finished >= choices { Ok(gather) } else { Err(Setback::new(Happened::Cut)) }
}

fn settled(account: &mut Account, write: impl FnOnce(&FinalUsage) -> bytes::Bytes) -> bytes::Bytes {
    account.settle();
    write(&account.final_usage())
}
