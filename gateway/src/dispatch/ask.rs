//! `Plan::Ask`: one model is asked; if it fails, the fallback names the next.

use std::time::Duration;

use router_policies::guard::Guard;
use router_policies::{DrawPurpose, Rung};
use tokio::time::sleep;

use super::attempt::attempt;
use super::guarded::guarded;
use super::rungs::RemainingLadder;
use super::{DispatchJob, DispatchOutcome};
use crate::account::RequestAccount;
use crate::error::ApiError;
use upstreams::EndpointPool;
use upstreams::attempt_error::{AttemptError, AttemptErrorKind, LONGEST_WAIT, RetryDecision};

/// The longest pause before the first retry; each further one doubles it, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Asks `first`, then the rungs that the fallback names, until one answers; says which were not asked.
pub(super) async fn ask(
    job: &DispatchJob,
    first: Rung,
    account: &mut RequestAccount,
) -> Result<(DispatchOutcome, RemainingLadder), ApiError> {
    go_on(job, RemainingLadder::of(job, first), Vec::new(), false, account).await
}

/// Asks the rungs that are left, one after the other; whoever has `climbed` may go on to any.
pub(super) async fn go_on(
    job: &DispatchJob,
    mut rungs: RemainingLadder,
    mut setbacks: Vec<AttemptError>,
    mut climbed: bool,
    account: &mut RequestAccount,
) -> Result<(DispatchOutcome, RemainingLadder), ApiError> {
    while let Some(rung) = rungs.next() {
        if rung > job.plan.first() && !climbed {
            if !job.may_climb() {
                rungs.keep(|rung| rung <= job.plan.first());
                setbacks.push(AttemptError::new(AttemptErrorKind::EscalationLimit));
                continue;
            }
            climbed = true;
        }
        match ask_rung(job, rung, None, account).await {
            Ok(committed) => return Ok((committed, rungs)),
            Err(setback) => {
                next(job, rung, &setback, &mut rungs)?;
                setbacks.push(setback);
            }
        }
    }
    Err(failure(&setbacks))
}

/// Leaves the rungs that may be asked after a setback.
///
/// # Errors
/// A setback that is the client's to hear of.
pub(super) fn next(
    job: &DispatchJob,
    rung: Rung,
    setback: &AttemptError,
    rungs: &mut RemainingLadder,
) -> Result<(), ApiError> {
    match setback.next() {
        RetryDecision::Client => return Err(failure(std::slice::from_ref(setback))),
        RetryDecision::LargerContext => {
            let context = |rung: Rung| job.ladder[rung.0].pool.model.context.unwrap_or(u64::MAX);
            rungs.keep(|other| context(other) > context(rung));
        }
        RetryDecision::SameModel | RetryDecision::OtherRung => {}
    }
    Ok(())
}

/// Asks one rung, under a guard if there is one, and again where that may help and the retry budget allows it.
pub(super) async fn ask_rung(
    job: &DispatchJob,
    rung: Rung,
    guard: Option<Guard>,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, AttemptError> {
    let pool = &job.ladder[rung.0].pool;
    pool.record_arrival();
    let mut tries = 0;
    loop {
        let attempted = match guard {
            Some(guard) => Box::pin(guarded(job, rung, guard, account)).await,
            None => attempt(job, pool, account).await,
        };
        let setback = match attempted {
            Ok(committed) => return Ok(committed),
            Err(setback) => setback,
        };
        let Some(pause) = pause_before_retry(job, pool, &setback, tries) else { return Err(setback) };
        sleep(pause).await;
        tries += 1;
    }
}

/// How long to wait before the same model is asked again; `None` where that cannot help, or the retry budget does not
/// allow it.
pub(super) fn pause_before_retry(
    job: &DispatchJob,
    pool: &EndpointPool,
    setback: &AttemptError,
    tries: u32,
) -> Option<Duration> {
    let asked_to_wait = setback.retry_after.unwrap_or_default();
    let again = setback.next() == RetryDecision::SameModel
        && tries < pool.model.retries
        && asked_to_wait <= LONGEST_WAIT;
    // The jitter comes on top: all who were told the same time would come back at the same time.
    let jitter = || pause(tries, job.id.draw().uniform(DrawPurpose::RetryPause));
    (again && pool.may_retry()).then(|| asked_to_wait + jitter())
}

/// Full jitter: anything up to the longest pause of this try (AWS Architecture Blog, "Exponential Backoff And
/// Jitter"). `draw` is in 0..1.
fn pause(tries: u32, draw: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << tries.min(8)).min(LONGEST_PAUSE).mul_f64(draw)
}

/// What the client is told when no rung answered. A rate limit is only the answer where every rung had one.
fn failure(setbacks: &[AttemptError]) -> ApiError {
    // That an answer was doubted says nothing of why there is no other.
    let setbacks: Vec<&AttemptError> = setbacks
        .iter()
        .filter(|setback| !matches!(setback.what, AttemptErrorKind::GuardRejected(_)))
        .collect();
    let busy = |setback: &&AttemptError| {
        matches!(setback.what, AttemptErrorKind::RateLimited | AttemptErrorKind::QueueFull)
    };
    if !setbacks.is_empty() && setbacks.iter().all(busy) {
        return ApiError::UpstreamBusy(setbacks.iter().filter_map(|setback| setback.retry_after).min());
    }
    if setbacks.iter().any(|setback| setback.what == AttemptErrorKind::EscalationLimit) {
        return ApiError::EscalationLimit;
    }
    let Some(last) = setbacks.iter().rev().find(|setback| !busy(setback)) else {
        return ApiError::UpstreamUnavailable;
    };
    let said = last.complaint.as_deref().cloned();
    match last.what {
        AttemptErrorKind::Rejected(status) => {
            said.map_or(ApiError::UpstreamBadResponse, |said| ApiError::ProviderRejected(status, said))
        }
        AttemptErrorKind::ContextLength => ApiError::ContextLength(said),
        AttemptErrorKind::BudgetExceeded => ApiError::BudgetSpent(
            "The budget of this client does not cover another attempt after the first one failed.".to_owned(),
        ),
        AttemptErrorKind::FirstTokenTimeout
        | AttemptErrorKind::IdleTimeout
        | AttemptErrorKind::TotalTimeout => ApiError::UpstreamTimeout,
        AttemptErrorKind::ConnectFailed
        | AttemptErrorKind::RefusedStream
        | AttemptErrorKind::CircuitOpen
        | AttemptErrorKind::ServerError(503 | 529) => ApiError::UpstreamUnavailable,
        _ => ApiError::UpstreamBadResponse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_hears_of_a_rate_limit_only_where_every_rung_had_one() {
        let limited = |seconds| AttemptError {
            retry_after: Some(Duration::from_secs(seconds)),
            ..AttemptError::new(AttemptErrorKind::RateLimited)
        };
        let check = |setbacks: &[AttemptError], status| {
            assert_eq!(failure(setbacks).status(), status, "{setbacks:?}")
        };
        check(&[limited(3), limited(2)], 429);
        check(&[AttemptError::new(AttemptErrorKind::FirstTokenTimeout), limited(2)], 504);
        check(&[limited(2), AttemptError::new(AttemptErrorKind::ConnectFailed)], 503);
        check(&[AttemptError::new(AttemptErrorKind::BadResponse(401))], 502);
        check(&[AttemptError::new(AttemptErrorKind::ConnectionLost)], 502);
        check(&[AttemptError::new(AttemptErrorKind::ServerError(500))], 502);
        check(&[], 503);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(pause(0, 0.5), Duration::from_millis(50));
        assert_eq!(pause(3, 0.5), Duration::from_millis(400));
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
    }
}
