//! What a request is assessed by, and what comes of it: data alone.

use std::sync::Arc;
use std::time::Duration;

use gateway_config::{Fallback, ModelConfig, Route};
use jiff::Timestamp;
use router_policies::guard::AnswerPrior;
use router_policies::{CostEstimate, Features, Probability, RungState, UtilityWeights};

use crate::record::RecordedDecision;
use crate::routing_overrides::RoutingOverrides;
use crate::session_affinity::ConversationSlot;
use protocol::ChatRequest;
use upstreams::request_id::RequestId;

/// What is to be done with a request, and why.
pub struct Assessment {
    /// The decision and its scores.
    pub decided: RecordedDecision,
    /// The models of the ladder, from small to large.
    pub ladder: Vec<CandidateModel>,
    /// Where to go when a rung fails.
    pub fallback: Fallback,
    /// How long scoring took.
    pub scoring: Option<Duration>,
    /// The features, for those who ask why.
    pub features: Option<Features>,
    /// Where it stands in its conversation.
    pub place: Option<ConversationSlot>,
    /// What quality, money and time weighed.
    pub weights: Option<UtilityWeights>,
    /// What was foreseen for each rung, before it was corrected.
    pub foreseen: Vec<Probability>,
    /// The route that took over, where a rule says so: the rungs are those of its ladder.
    pub handover: Option<Arc<Route>>,
}

impl Assessment {
    /// The models that may be asked before the request is over.
    pub fn may_be_asked(&self) -> Vec<Arc<ModelConfig>> {
        let first = self.decided.decision.plan.first().0;
        let reached = |at: usize| match self.fallback {
            Fallback::Up => at >= first,
            Fallback::Down => at <= first,
            Fallback::None => at == first,
            Fallback::UpThenDown => true,
        };
        let planned = |at: usize| at == first || self.decided.decision.plan.others().any(|rung| rung.0 == at);
        let rungs = self.ladder.iter().enumerate();
        let asked = rungs.filter(|(at, rung)| planned(*at) || (rung.eligible && reached(*at)));
        asked.map(|(_, rung)| Arc::clone(&rung.model)).collect()
    }
}

/// A model of the ladder as it stands for a request.
pub struct CandidateModel {
    /// The model.
    pub model: Arc<ModelConfig>,
    /// Whether it can serve the request.
    pub eligible: bool,
    /// The chance that its answer will do; `None` when nothing was scored.
    pub suffices: Option<Probability>,
    /// What asking it takes.
    pub estimate: CostEstimate,
    /// What is foreseen of its answer, where that is to be judged.
    pub prior: AnswerPrior,
}

impl CandidateModel {
    /// As a policy sees it.
    pub fn standing(&self) -> RungState<'_> {
        let suffices = self.suffices.unwrap_or_default();
        RungState {
            model: &self.model.name,
            p_success: suffices,
            eligible: self.eligible,
            estimate: self.estimate,
        }
    }
}

/// A request that is to be assessed.
#[derive(Clone, Copy)]
pub struct AssessInput<'a> {
    /// What is asked.
    pub chat: &'a ChatRequest,
    /// Who asks, and how.
    pub hints: &'a RoutingOverrides,
    /// Whose chance it is.
    pub id: &'a RequestId,
    /// The time by which prices and rules are looked up.
    pub now: Timestamp,
}
