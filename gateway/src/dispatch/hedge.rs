//! `Plan::Hedge`: where the first model keeps silent, a second is asked as well; the first to speak answers, and the other
//! is let go.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use gateway_config::WholeAs;
use router_policies::Rung;
use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{ask, go_on, next, pause_before_retry};
use super::attempt::{AttemptAnswer, LastSignOfLife, ResponseMode, conclude, enter, listen, question};
use super::queueing::patience;
use super::rungs::RemainingLadder;
use super::{DispatchJob, DispatchOutcome};
use crate::account::{AttemptId, RequestAccount};
use crate::error::ApiError;
use crate::record::{AttemptResult, Waste};
use upstreams::attempt_error::AttemptError;
use upstreams::{EndpointPool, UpstreamRequest};

/// Asks `first`, and `second` as well after a silence, where the budget for that allows it.
pub(super) async fn hedge(
    job: &DispatchJob,
    (first, second): (Rung, Rung),
    silence: Duration,
    account: &mut RequestAccount,
) -> Result<(DispatchOutcome, RemainingLadder), ApiError> {
    let pool = &job.ladder[first.0].pool;
    if !job.chat.stream() && pool.model.whole_as != WholeAs::Stream {
        // Who writes a whole answer cannot be told from one who is silent.
        return ask(job, first, account).await;
    }
    let mut remaining = RemainingRungs {
        rungs: RemainingLadder::of(job, first),
        failed: Vec::new(),
        escalated: false,
        raced: false,
    };
    remaining.rungs.next();
    pool.record_arrival();
    let mut tries = 0;
    let (rung, error) = loop {
        let (rung, error) = match attempt(job, (first, second), silence, &mut remaining, account).await {
            Ok(committed) => return Ok((committed, remaining.rungs)),
            Err(failed) => failed,
        };
        let again = (!remaining.raced).then(|| pause_before_retry(job, pool, &error, tries)).flatten();
        let Some(pause) = again else { break (rung, error) };
        sleep(pause).await;
        tries += 1;
    };
    let RemainingRungs { mut rungs, mut failed, escalated, .. } = remaining;
    failed.push((rung, error));
    // What one of them says of the request holds, whichever was the last to say something.
    failed.iter().try_for_each(|(rung, error)| next(job, *rung, error, &mut rungs))?;
    let errors = failed.into_iter().map(|(_, error)| error).collect();
    go_on(job, rungs, errors, escalated, account).await
}

async fn attempt(
    job: &DispatchJob,
    (first, second): (Rung, Rung),
    silence: Duration,
    remaining: &mut RemainingRungs,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, (Rung, AttemptError)> {
    let mut one = begin(job, first, account).await.map_err(|error| (first, error))?;
    loop {
        let until = one.heard.at() + silence;
        match timeout_at(until, &mut one.answer).await {
            Ok(answer) => return finish(&one, answer, account),
            // Who thinks is not silent: a second model would only be billed as well.
            Err(_) if one.heard.at() + silence > Instant::now() => {}
            Err(_) => return race(job, one, second, remaining, account).await,
        }
    }
}

/// What is left to do where neither answers.
struct RemainingRungs {
    rungs: RemainingLadder,
    /// Who has failed, and how.
    failed: Vec<(Rung, AttemptError)>,
    /// The request has been counted among those that go on to a larger model; it is one, however far it goes.
    escalated: bool,
    /// Both were asked.
    raced: bool,
}

/// A model that is being asked.
struct HedgedAttempt {
    rung: Rung,
    attempt: AttemptId,
    pool: Arc<EndpointPool>,
    answer: Pin<Box<dyn Future<Output = AttemptAnswer> + Send>>,
    heard: Arc<LastSignOfLife>,
}

async fn begin(
    job: &DispatchJob,
    rung: Rung,
    account: &mut RequestAccount,
) -> Result<HedgedAttempt, AttemptError> {
    let pool = Arc::clone(&job.ladder[rung.0].pool);
    let open = enter(&pool, account).await?;
    let attempt = open.id;
    let heard = Arc::new(LastSignOfLife::now());
    let form = ResponseMode {
        most: account.most(&pool.model),
        heard: Some(Arc::clone(&heard)),
        ..ResponseMode::of(&job.chat)
    };
    let ask =
        UpstreamRequest { patience: patience(job, &pool, account), ..question(job, &pool, attempt, account) };
    let answer = Box::pin(listen(open, ask, form));
    Ok(HedgedAttempt { rung, attempt, pool, answer, heard })
}

/// The first runner goes on, beside the second where there may be one.
async fn race(
    job: &DispatchJob,
    mut one: HedgedAttempt,
    second: Rung,
    remaining: &mut RemainingRungs,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, (Rung, AttemptError)> {
    remaining.escalated = remaining.escalated || (one.pool.may_hedge() && job.may_escalate());
    let two = if remaining.escalated { begin(job, second, account).await.ok() } else { None };
    let Some(mut two) = two else {
        let answer = one.answer.as_mut().await;
        return finish(&one, answer, account);
    };
    account.beside(two.attempt);
    // Whatever becomes of it, it has been asked.
    remaining.rungs.keep(|rung| rung != second);
    remaining.raced = true;
    let (answer, early, mut late) = match select(&mut one.answer, &mut two.answer).await {
        Either::Left((answer, _)) => (answer, one, two),
        Either::Right((answer, _)) => (answer, two, one),
    };
    if answer.opened.is_ok() {
        let HedgedAttempt { attempt, answer: let_go, .. } = late;
        drop(let_go);
        account.discard(attempt, AttemptResult::Hedged.word(), Waste::Hedged);
        return finish(&early, answer, account);
    }
    let failed = finish(&early, answer, account);
    if let Err((_, error)) = &failed
        && error.is_filtered()
    {
        // What a provider's filter refused is no other's to answer.
        let HedgedAttempt { attempt, answer: let_go, .. } = late;
        drop(let_go);
        account.discard(attempt, AttemptResult::Hedged.word(), Waste::Hedged);
        return failed;
    }
    remaining.failed.extend(failed.err());
    let answer = late.answer.as_mut().await;
    finish(&late, answer, account)
}

fn finish(
    hedged: &HedgedAttempt,
    answer: AttemptAnswer,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, (Rung, AttemptError)> {
    conclude(&hedged.pool, answer, account).map_err(|error| (hedged.rung, error))
}
