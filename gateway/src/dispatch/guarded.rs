//! One attempt under a guard, beside further answers to the same question where the plan wants them compared.

use router_policies::Rung;
use router_policies::guard::Guard;

use super::attempt::{conclude, enter, question};
use super::guarded_read::{doubted, judge};
use super::queueing::patience;
use super::samples::SecondOpinions;
use super::{DispatchJob, DispatchOutcome};
use crate::account::RequestAccount;
use crate::record::Waste;
use upstreams::UpstreamRequest;
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};

/// Asks one endpoint, and stands by its answer only where the guard lets it pass.
pub(super) async fn guarded(
    job: &DispatchJob,
    rung: Rung,
    guard: Guard,
    account: &mut RequestAccount,
) -> Result<DispatchOutcome, AttemptError> {
    let pool = &job.ladder[rung.0].pool;
    let open = enter(pool, account).await?;
    let id = open.id;
    let logprobs =
        guard.signals.confidence > 0.0 && pool.model.accepts.logprobs && !job.chat.needs().logprobs;
    let ask = UpstreamRequest {
        logprobs,
        patience: patience(job, pool, account),
        ..question(job, pool, id, account)
    };
    let mut samples = SecondOpinions::ask(job, rung, guard.agree, account).await;
    let mut judged = samples.beside(judge(job, rung, open, ask, guard)).await;
    if let (Ok(_), Some(text)) = (&judged.answer.opened, &judged.text)
        && let Err(doubt) = samples.agree(text).await
        && job.may_escalate()
    {
        judged.answer.opened = Err(doubted(doubt));
    }
    samples.close(judged.answer.opened.is_ok(), account);
    account.judged(id, judged.found);
    let doubt = judged
        .answer
        .opened
        .as_ref()
        .err()
        .filter(|error| matches!(error.what, AttemptErrorKind::GuardRejected(_)));
    if let (Some(error), Some(_)) = (doubt, &judged.text) {
        // It was whole: its bill is known.
        account.add_tokens(id, &std::mem::take(&mut judged.answer.tally));
        account.discard_complete(id, error.word(), Some(Waste::Escalated));
    }
    conclude(pool, judged.answer, account)
}
