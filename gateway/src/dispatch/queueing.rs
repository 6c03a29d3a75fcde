//! A request that waits for its turn at an engine in this process: for how long, and when another rung had better be asked.
//!
//! Better is what the policy calls better: `utility` weighs quality, money and time. All others choose by quality and say
//! nothing of time; for them a larger model that costs no more and begins sooner is better, and a dearer one is asked once
//! `timeouts.queue` is over.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use router_policies::{DrawPurpose, Money, Rung, Usage, UtilityWeights};
use tokio::time::Instant;

use super::rungs::RemainingLadder;
use super::{DispatchJob, RungTarget};
use crate::account::RequestAccount;
use protocol::ChatRequest;
use upstreams::EndpointPool;
use upstreams::queue_patience::{LeaveQueue, QueuePatience};
use upstreams::retry_budget::RetryBudget;

/// So much sooner another rung must answer: what is foreseen is not more exact than this.
const LEAST_GAIN: Duration = Duration::from_secs(1);

/// Tokens that a whole answer is taken to have, where its client allows as many.
const USUAL_ANSWER: u64 = 128;

/// How patiently a request that is about to be sent to this pool waits for its turn there.
pub(super) fn patience(
    job: &DispatchJob,
    pool: &Arc<EndpointPool>,
    account: &RequestAccount,
) -> QueuePatience {
    if pool.forecast().is_none() {
        return QueuePatience::default();
    }
    let here = job.ladder.iter().position(|rung| Arc::ptr_eq(&rung.pool, pool)).map(Rung);
    let other = here.and_then(|here| Some(QueueAlternative::new(job, here, next_rung(job, here, account)?)));
    QueuePatience {
        waited: account.waited_for(&pool.model),
        leave: other.map(|other| Arc::new(move |ahead| other.is_better(ahead)) as LeaveQueue),
    }
}

/// Whether a rung that was left because of what was ahead there is worth another look: its turn would come in what is left of
/// the time that the request may wait there.
pub(super) fn may_wait_again(job: &DispatchJob, rung: Rung, account: &RequestAccount) -> bool {
    let pool = &job.ladder[rung.0].pool;
    pool.forecast().is_some_and(|forecast| {
        let left = forecast.longest_wait().saturating_sub(account.waited_for(&pool.model));
        forecast.wait(&job.on_behalf) <= left
    })
}

/// Whom the request would be asked of next, and whether that is whom the policy chose: it was left because of what was ahead
/// there.
fn next_rung(job: &DispatchJob, here: Rung, account: &RequestAccount) -> Option<(Rung, bool)> {
    let first = job.plan.first();
    let model = |rung: Rung| &job.ladder[rung.0].pool.model;
    let mut rungs = RemainingLadder::of(job, first);
    let mut others = std::iter::from_fn(|| rungs.next()).filter(|rung| *rung != here);
    let untried = others.find(|rung| !account.has_asked(model(*rung))).map(|rung| (rung, false));
    untried.or_else(|| (first != here && account.has_left_once(model(first))).then_some((first, true)))
}

/// Another rung that may be asked in place of the one where the request waits.
struct QueueAlternative {
    chat: Arc<ChatRequest>,
    here: RungTarget,
    there: RungTarget,
    /// The other one is the larger.
    climbs: bool,
    /// The other one is whom the policy chose.
    returns: bool,
    /// What is left of the client's bound, where going there counts towards it.
    escalations: Option<Arc<RetryBudget>>,
    on_behalf: Arc<str>,
    weights: Option<UtilityWeights>,
    draw: f64,
}

impl QueueAlternative {
    fn new(job: &DispatchJob, here: Rung, (there, returns): (Rung, bool)) -> Self {
        let counts = there > job.plan.first();
        Self {
            chat: Arc::clone(&job.chat),
            here: job.ladder[here.0].clone(),
            there: job.ladder[there.0].clone(),
            climbs: there > here,
            returns,
            escalations: job.escalations.clone().filter(|_| counts),
            on_behalf: Arc::clone(&job.on_behalf),
            weights: job.weights,
            draw: job.id.draw().uniform(DrawPurpose::QualityWeight),
        }
    }

    /// Whether it is better to ask there now than to wait here for so long.
    fn is_better(&self, ahead: Duration) -> bool {
        if self.escalations.as_ref().is_some_and(|left| !left.has_one(Instant::now())) {
            return false;
        }
        let Some((here, there)) = self.answer_time(&self.here.pool).zip(self.idle_answer_time()) else {
            return false;
        };
        let here = ahead.saturating_add(here);
        let sooner = there.saturating_add(LEAST_GAIN) < here;
        match self.weights {
            _ if self.returns => sooner,
            Some(weights) => self.is_worth_more(&weights, here, there),
            None => self.climbs && sooner && self.costs_no_more(here, there),
        }
    }

    fn is_worth_more(&self, weights: &UtilityWeights, here: Duration, there: Duration) -> bool {
        let costs = [self.here.estimate.cost, self.there.estimate.cost];
        let highest = costs.into_iter().flatten().fold(0.0, f64::max);
        let worth = |rung: &RungTarget, time: Duration| {
            let cost = rung.estimate.cost.unwrap_or(highest);
            weights.worth(rung.suffices.value(), cost, time.as_secs_f64(), self.draw)
        };
        worth(&self.there, there) > worth(&self.here, here)
    }

    /// How long the other rung takes, if it would begin at once.
    fn idle_answer_time(&self) -> Option<Duration> {
        let pool = &self.there.pool;
        let idle = pool.forecast().is_none_or(|forecast| forecast.wait(&self.on_behalf).is_zero());
        if idle && pool.is_open() { self.answer_time(pool) } else { None }
    }

    /// How long a rung takes from the request's turn on, until its client sees something.
    fn answer_time(&self, pool: &EndpointPool) -> Option<Duration> {
        let Some(forecast) = pool.forecast() else { return pool.expected_latency() };
        // How long it will be depends on the question more than on the model: both are compared by the same length.
        let answer = if self.chat.stream() { 1 } else { self.most_tokens(pool).min(USUAL_ANSWER) };
        Some(forecast.answer(self.chat.prompt_tokens_at(&pool.model), answer))
    }

    fn most_tokens(&self, pool: &EndpointPool) -> u64 {
        self.chat.max_tokens().unwrap_or(pool.model.max_output)
    }

    /// A model whose price is not known may cost anything.
    fn costs_no_more(&self, here: Duration, there: Duration) -> bool {
        let cost = |pool: &EndpointPool, busy: Duration| -> Option<Money> {
            let price = pool.model.price.as_ref()?.at(Timestamp::now())?;
            let (input, output) = (self.chat.prompt_tokens_at(&pool.model), self.most_tokens(pool));
            Some(price.cost(&Usage { input, output, ..Usage::default() }, busy))
        };
        let costs = cost(&self.there.pool, there).zip(cost(&self.here.pool, here));
        costs.is_some_and(|(there, here)| there <= here)
    }
}
