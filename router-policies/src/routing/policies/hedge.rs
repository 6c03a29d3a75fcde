use super::{Policy, PolicyKind};
use crate::human_duration::HumanDuration;
use crate::routing::decision::{Decision, Plan};
use crate::routing::query::Query;

/// Where the model that was picked keeps silent, the next larger one is asked as well; the first to speak answers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HedgePolicy {
    /// Who is asked first.
    pub policy: Box<Policy>,
    /// After how long a silence the other is asked.
    #[schemars(extend("x-better-name" = "delay"))]
    pub silence: HumanDuration,
}

impl PolicyKind for HedgePolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let decision = self.policy.decide(query)?;
        let Plan::Ask(first) = decision.plan else { return Some(decision) };
        let Some(second) = query.next_able(first) else { return Some(decision) };
        Some(Decision { plan: Plan::Hedge { first, second, silence: self.silence.0 }, ..decision })
    }

    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        super::within("policy", &self.policy, ladder)
    }

    fn inner(&self) -> Option<&Policy> {
        Some(&self.policy)
    }
}
