//! Carries out a plan until an answer is committed. Retries, failover and held tokens happen in here and nowhere
//! else: what comes out is an answer that we stand by, or a failure.

mod ask;
mod attempt;
mod background;
mod cascade;
mod guarded;
mod guarded_read;
mod hedge;
mod probe;
mod queueing;
mod reader;
mod resume;
mod rungs;
mod samples;

use std::sync::Arc;

use bytes::Bytes;
use gateway_config::{Fallback, ModelConfig};
use http::HeaderMap;
use router_policies::guard::AnswerPrior;
use router_policies::{CostEstimate, Plan, Probability, UtilityWeights};
use tokio::time::Instant;

use crate::account::{AttemptId, RequestAccount};
use crate::error::ApiError;
use protocol::ChatRequest;
use upstreams::request_id::RequestId;
use upstreams::retry_budget::RetryBudget;
use upstreams::{EndpointGuard, EndpointPool};

pub use background::ask_in_background;
pub use probe::CompletionProbe;
pub use reader::{AnswerPart, AnswerReader};
pub use resume::{ResumedStream, StreamResumption};

/// A request that is ready to be carried out.
pub struct DispatchJob {
    /// What the client asks.
    pub chat: Arc<ChatRequest>,
    /// The rungs, from small to large.
    pub ladder: Vec<RungTarget>,
    /// What was decided.
    pub plan: Plan,
    /// Where to go when a rung fails.
    pub fallback: Fallback,
    /// What quality, money and time weighed in the decision; `None` where they were not weighed.
    pub weights: Option<UtilityWeights>,
    /// Whose request this is.
    pub on_behalf: Arc<str>,
    /// Its name.
    pub id: RequestId,
    /// What its client may still escalate; `None`: as much as it needs.
    pub escalations: Option<Arc<RetryBudget>>,
    /// Whether an answer that breaks off may be finished on another rung.
    pub resume: bool,
    /// Trace context to send along.
    pub trace: HeaderMap,
}

impl DispatchJob {
    /// Whether one more request of its client may go on to a larger model than it began with; if so, it is counted.
    pub(in crate::dispatch) fn may_escalate(&self) -> bool {
        self.escalations.as_ref().is_none_or(|escalations| escalations.withdraw(Instant::now()))
    }
}

/// A rung with its endpoints.
#[derive(Clone)]
pub struct RungTarget {
    /// The endpoints.
    pub pool: Arc<EndpointPool>,
    /// Whether this model can serve the request.
    pub eligible: bool,
    /// The chance that its answer will do.
    pub suffices: Probability,
    /// What asking it takes, where that is weighed.
    pub estimate: CostEstimate,
    /// What is foreseen of its answer.
    pub prior: AnswerPrior,
}

/// An answer that we stand by.
pub struct DispatchOutcome {
    /// Who gave it.
    pub model: Arc<ModelConfig>,
    /// Headers of the upstream that clients may see.
    pub headers: HeaderMap,
    /// The answer.
    pub answer: CommittedAnswer,
}

/// An answer, whole and final, or begun.
pub enum CommittedAnswer {
    /// The body that the client gets, usage and cost included.
    Whole(Bytes),
    /// A stream whose first token is here.
    Started(StartedStream),
}

/// A stream whose first token is here.
pub struct StartedStream {
    /// The attempt that gives it.
    pub attempt: AttemptId,
    /// Reads the answer, from its beginning where it goes to the client as it came.
    pub reader: AnswerReader,
    /// The place at the endpoint.
    pub endpoint_guard: EndpointGuard,
    /// How to go on if it breaks off, where that is allowed and there is anyone to ask.
    pub resume: Option<Box<StreamResumption>>,
}

/// How dispatch ends: an answer or a failure, and the account with every attempt in it, for the caller to close.
pub type Settlement = (Result<DispatchOutcome, ApiError>, Box<RequestAccount>);

/// Carries out the plan.
pub async fn dispatch(job: DispatchJob, mut account: Box<RequestAccount>) -> Settlement {
    let result = match job.plan {
        Plan::Ask(rung) => ask::ask(&job, rung, &mut account).await,
        // Apart: each request would make room for the largest plan.
        Plan::Cascade { from, to, guard } => {
            Box::pin(cascade::cascade(&job, (from, to), guard, &mut account)).await
        }
        Plan::Hedge { first, second, silence } => {
            Box::pin(hedge::hedge(&job, (first, second), silence, &mut account)).await
        }
    };
    let result = result.map(|(mut committed, rungs)| {
        if let CommittedAnswer::Started(started) = &mut committed.answer {
            started.resume = StreamResumption::new(job, rungs);
        }
        committed
    });
    (result, account)
}
