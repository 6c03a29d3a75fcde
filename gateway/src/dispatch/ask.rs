//! `Plan::Ask`: one model is asked; if it fails, the fallback names the next.

use std::time::Duration;

use router_policies::guard::Guard;
use router_policies::{DrawPurpose, Rung};
use tokio::time::sleep;

use super::attempt::attempt;
use super::guarded::guarded;
use super::queueing::may_wait_again;
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

/// Asks the rungs that are left, one after the other; a request that has `escalated` may go on to any.
pub(super) async fn go_on(
    job: &DispatchJob,
    mut rungs: RemainingLadder,
    mut errors: Vec<AttemptError>,
    mut escalated: bool,
    account: &mut RequestAccount,
) -> Result<(DispatchOutcome, RemainingLadder), ApiError> {
    while let Some(rung) = next_to_ask(job, &mut rungs, account) {
        if rung > job.plan.first() && !escalated {
            if !job.may_escalate() {
                rungs.keep(|rung| rung <= job.plan.first());
                errors.push(AttemptError::new(AttemptErrorKind::EscalationLimit));
                continue;
            }
            escalated = true;
        }
        match ask_rung(job, rung, None, account).await {
            Ok(committed) => return Ok((committed, rungs)),
            Err(error) => {
                next(job, rung, &error, &mut rungs)?;
                errors.push(error);
            }
        }
    }
    Err(failure(&errors))
}

/// Who is asked next: each rung in its order, then those that were busy and are so no longer.
fn next_to_ask(job: &DispatchJob, rungs: &mut RemainingLadder, account: &RequestAccount) -> Option<Rung> {
    rungs.next().or_else(|| rungs.again(|rung| may_wait_again(job, rung, account)))
}

/// Leaves the rungs that may be asked after an error.
///
/// # Errors
/// An error that is the client's to hear of.
pub(super) fn next(
    job: &DispatchJob,
    rung: Rung,
    error: &AttemptError,
    rungs: &mut RemainingLadder,
) -> Result<(), ApiError> {
    match error.next() {
        RetryDecision::Client => return Err(failure(std::slice::from_ref(error))),
        RetryDecision::LargerContext => {
            let context = |rung: Rung| job.ladder[rung.0].pool.context();
            // What it says of this prompt counts before what is configured.
            let refused = [error.said_context(), context(rung)].into_iter().flatten().min();
            rungs.keep(|other| is_larger((rung, refused), (other, context(other))));
        }
        RetryDecision::SameModel | RetryDecision::OtherRung => {}
    }
    if matches!(error.what, AttemptErrorKind::QueueFull | AttemptErrorKind::QueueTimeout) {
        rungs.was_busy(rung);
    }
    Ok(())
}

/// Whether a rung may take what another has refused as too long, by the contexts that are known of them. An unknown context of
/// one that refused is smaller than any known one, and than an unknown one of a larger model.
fn is_larger(refused: (Rung, Option<u64>), other: (Rung, Option<u64>)) -> bool {
    match (refused, other) {
        ((_, Some(refused)), (_, Some(other))) => other > refused,
        ((rung, None), (other, None)) => other > rung,
        ((_, Some(_)), (_, None)) | ((_, None), (_, Some(_))) => true,
    }
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
        let error = match attempted {
            Ok(committed) => return Ok(committed),
            Err(error) => error,
        };
        let Some(pause) = pause_before_retry(job, pool, &error, tries) else { return Err(error) };
        sleep(pause).await;
        tries += 1;
    }
}

/// How long to wait before the same model is asked again; `None` where that cannot help, or the retry budget does not
/// allow it.
pub(super) fn pause_before_retry(
    job: &DispatchJob,
    pool: &EndpointPool,
    error: &AttemptError,
    tries: u32,
) -> Option<Duration> {
    let asked_to_wait = error.retry_after.unwrap_or_default();
    let again = error.next() == RetryDecision::SameModel
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
fn failure(errors: &[AttemptError]) -> ApiError {
    // That an answer was doubted says nothing of why there is no other.
    let errors: Vec<&AttemptError> =
        errors.iter().filter(|error| !matches!(error.what, AttemptErrorKind::GuardRejected(_))).collect();
    let queued = |error: &&AttemptError| {
        matches!(error.what, AttemptErrorKind::QueueFull | AttemptErrorKind::QueueTimeout)
    };
    let busy = |error: &&AttemptError| error.what == AttemptErrorKind::RateLimited || queued(error);
    if !errors.is_empty() && errors.iter().all(busy) {
        let wait = errors.iter().filter_map(|error| error.retry_after).min();
        return if errors.iter().all(queued) {
            ApiError::EngineBusy(wait)
        } else {
            ApiError::UpstreamBusy(wait)
        };
    }
    if errors.iter().any(|error| error.what == AttemptErrorKind::EscalationLimit) {
        return ApiError::EscalationLimit;
    }
    let Some(last) = errors.iter().rev().find(|error| !busy(error)) else {
        return ApiError::UpstreamUnavailable(None);
    };
    let said = last.complaint.clone();
    match last.what {
        AttemptErrorKind::Rejected(status) => {
            said.map_or(ApiError::UpstreamBadResponse, |said| ApiError::ProviderRejected(status, said))
        }
        AttemptErrorKind::ContextLength => ApiError::ContextLength(said),
        AttemptErrorKind::Incapable => match said {
            None => ApiError::UpstreamBadResponse,
            // The provider's own words, or those of the embedded engine.
            Some(said) => match said.status {
                // The request is at fault, though some servers say so with a 500.
                Some(500) => ApiError::ProviderRejected(400, said),
                Some(status) => ApiError::ProviderRejected(status, said),
                None => ApiError::NoCapableModel(said.message, said.param.map(Into::into)),
            },
        },
        AttemptErrorKind::BudgetExceeded => ApiError::BudgetSpent(
            "The budget of this client does not cover another attempt after the first one failed.".to_owned(),
        ),
        AttemptErrorKind::FirstTokenTimeout
        | AttemptErrorKind::IdleTimeout
        | AttemptErrorKind::TotalTimeout => ApiError::UpstreamTimeout,
        AttemptErrorKind::ConnectFailed
        | AttemptErrorKind::RefusedStream
        | AttemptErrorKind::CircuitOpen
        | AttemptErrorKind::ServerError(503 | 529) => ApiError::UpstreamUnavailable(wait_of(&errors)),
        _ => ApiError::UpstreamBadResponse,
    }
}

/// How long to wait, where nothing speaks against asking again then: each was ejected, or has named a time.
fn wait_of(errors: &[&AttemptError]) -> Option<Duration> {
    let waits: Option<Vec<Duration>> = errors.iter().map(|error| error.retry_after).collect();
    waits?.into_iter().min()
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
        let check =
            |errors: &[AttemptError], status| assert_eq!(failure(errors).status(), status, "{errors:?}");
        check(&[limited(3), limited(2)], 429);
        check(&[AttemptError::new(AttemptErrorKind::QueueTimeout)], 429);
        check(&[AttemptError::new(AttemptErrorKind::QueueFull), limited(2)], 429);
        check(
            &[
                AttemptError::new(AttemptErrorKind::QueueTimeout),
                AttemptError::new(AttemptErrorKind::ConnectFailed),
            ],
            503,
        );
        check(&[AttemptError::new(AttemptErrorKind::FirstTokenTimeout), limited(2)], 504);
        check(&[limited(2), AttemptError::new(AttemptErrorKind::ConnectFailed)], 503);
        check(&[AttemptError::new(AttemptErrorKind::BadResponse(401))], 502);
        check(&[AttemptError::new(AttemptErrorKind::ConnectionLost)], 502);
        check(&[AttemptError::new(AttemptErrorKind::ServerError(500))], 502);
        check(&[], 503);
    }

    #[test]
    fn where_waiting_helps_the_client_hears_when_to_come_back() {
        let wait = |what, seconds: Option<u64>| AttemptError {
            retry_after: seconds.map(Duration::from_secs),
            ..AttemptError::new(what)
        };
        let check = |errors: &[AttemptError], seconds: u64, is_final: bool| {
            let failure = failure(errors);
            let said = (failure.retry_after(), failure.is_final());
            assert_eq!(said, (Some(Duration::from_secs(seconds)), is_final), "{errors:?}");
        };
        use AttemptErrorKind::{CircuitOpen, ConnectFailed, EscalationLimit, RateLimited, ServerError};
        check(&[wait(CircuitOpen, Some(4))], 4, false);
        check(&[wait(CircuitOpen, Some(4)), wait(CircuitOpen, Some(3))], 3, false);
        check(&[wait(RateLimited, Some(2)), wait(CircuitOpen, Some(3))], 2, false);
        check(&[wait(ServerError(503), Some(9))], 9, false);
        check(&[wait(ServerError(503), None)], 1, true);
        check(&[wait(CircuitOpen, Some(4)), wait(ConnectFailed, None)], 1, true);
        check(&[wait(RateLimited, Some(7))], 7, false);
        check(&[wait(RateLimited, None)], 1, true);
        check(&[wait(EscalationLimit, None)], 5, false);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(pause(0, 0.5), Duration::from_millis(50));
        assert_eq!(pause(3, 0.5), Duration::from_millis(400));
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE);
    }
}
