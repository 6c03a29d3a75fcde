//! `Plan::Cascade`: a model starts, and where a guard finds that its answer will not do, a larger one answers in its
//! place. Nothing of the first answer has left by then.

use router_policies::Rung;
use router_policies::guard::Guard;

use super::ask::{ask_rung, go_on, next};
use super::rungs::RemainingLadder;
use super::{DispatchJob, DispatchOutcome};
use crate::account::RequestAccount;
use crate::error::ApiError;
use upstreams::attempt_error::AttemptErrorKind;

/// Asks `from` under a guard, then `to` where its answer will not do, and others as the fallback says where one fails.
pub(super) async fn cascade(
    job: &DispatchJob,
    (from, to): (Rung, Rung),
    guard: Guard,
    account: &mut RequestAccount,
) -> Result<(DispatchOutcome, RemainingLadder), ApiError> {
    let mut rungs = RemainingLadder::of(job, from);
    rungs.next();
    match ask_rung(job, from, Some(guard.of_choices(job.chat.n())), account).await {
        Ok(committed) => Ok((committed, rungs)),
        Err(error) => {
            let doubted = matches!(error.what, AttemptErrorKind::GuardRejected(_));
            match doubted {
                true => rungs.escalate(from, to, job.fallback),
                false => next(job, from, &error, &mut rungs)?,
            }
            // A doubt was only raised where it may be followed.
            go_on(job, rungs, vec![error], doubted, account).await
        }
    }
}
