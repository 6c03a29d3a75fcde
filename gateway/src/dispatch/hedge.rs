//! `Plan::Hedge`: where the first model keeps silent, a second is asked as well; the first to speak answers, and the other
//! is let go.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use gateway_config::WholeAs;
use router_policies::Rung;
use tokio::time::{sleep, timeout};

use super::ask::{ask, go_on, next, pause_before_retry};
use super::attempt::{AttemptAnswer, ResponseMode, conclude, enter, listen, question};
use super::rungs::RemainingLadder;
use super::{DispatchJob, DispatchOutcome};
use crate::account::{AttemptId, RequestAccount};
use crate::error::ApiError;
use crate::record::{AttemptResult, Waste};
use upstreams::EndpointPool;
use upstreams::attempt_error::AttemptError;

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
    let mut rest = RemainingRungs {
        rungs: RemainingLadder::of(job, first),
        failed: Vec::new(),
        escalated: false,
        raced: false,
    };
    rest.rungs.next();
    pool.record_arrival();
    let mut tries = 0;
    let (rung, error) = loop {
        let (rung, error) = match attempt(job, (first, second), silence, &mut rest, account).await {
            Ok(committed) => return Ok((committed, rest.rungs)),
            Err(failed) => failed,
        };
        let again = (!rest.raced).then(|| pause_before_retry(job, pool, &error, tries)).flatten();
        let Some(pause) = again else { break (rung, error) };
        sleep(pause).await;
        tries += 1;
    };
    let RemainingRungs { mut rungs, mut failed, escalated, .. } = rest;
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
    rest: &mut RemainingRungs,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, (Rung, AttemptError)> {
    let mut one = begin(job, first, account).await.map_err(|error| (first, error))?;
    match timeout(silence, &mut one.heard).await {
        Ok(heard) => finish(&one, heard, account),
        Err(_) => race(job, one, second, rest, account).await,
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
    heard: Pin<Box<dyn Future<Output = AttemptAnswer> + Send>>,
}

async fn begin(
    job: &DispatchJob,
    rung: Rung,
    account: &mut RequestAccount,
) -> Result<HedgedAttempt, AttemptError> {
    let pool = Arc::clone(&job.ladder[rung.0].pool);
    let open = enter(&pool, account).await?;
    let attempt = open.id;
    let form = ResponseMode { most: account.most(&pool.model), ..ResponseMode::of(&job.chat) };
    let heard = Box::pin(listen(open, question(job, &pool, attempt, account), form));
    Ok(HedgedAttempt { rung, attempt, pool, heard })
}

/// The first runner goes on, beside the second where there may be one.
async fn race(
    job: &DispatchJob,
    mut one: HedgedAttempt,
    second: Rung,
    left: &mut RemainingRungs,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, (Rung, AttemptError)> {
    left.escalated = left.escalated || (one.pool.may_hedge() && job.may_escalate());
    let two = if left.escalated { begin(job, second, account).await.ok() } else { None };
    let Some(mut two) = two else {
        let heard = one.heard.as_mut().await;
        return finish(&one, heard, account);
    };
    account.beside(two.attempt);
    // Whatever becomes of it, it has been asked.
    left.rungs.keep(|rung| rung != second);
    left.raced = true;
    let (heard, early, mut late) = match select(&mut one.heard, &mut two.heard).await {
        Either::Left((heard, _)) => (heard, one, two),
        Either::Right((heard, _)) => (heard, two, one),
    };
    if heard.opened.is_ok() {
        let HedgedAttempt { attempt, heard: let_go, .. } = late;
        drop(let_go);
        account.set_aside(attempt, AttemptResult::Hedged.word(), Waste::Hedged);
        return finish(&early, heard, account);
    }
    left.failed.extend(finish(&early, heard, account).err());
    let heard = late.heard.as_mut().await;
    finish(&late, heard, account)
}

fn finish(
    runner: &HedgedAttempt,
    heard: AttemptAnswer,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, (Rung, AttemptError)> {
    conclude(&runner.pool, heard, account).map_err(|error| (runner.rung, error))
}
