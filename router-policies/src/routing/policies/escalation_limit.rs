use super::{Policy, PolicyKind};
use crate::routing::decision::Decision;
use crate::routing::query::Query;

/// Bounds how many of a client's requests may go on to a larger model than the one that they began with, so that a small
/// model that is down, or prompts made to be doubted, do not become a surprise on the bill.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationPolicy {
    /// Who chooses.
    pub policy: Box<Policy>,
    /// How many may go on.
    pub escalations: EscalationBound,
}

/// How many of a client's requests may go on to a larger model.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationBound {
    /// This share of them, 0..=1.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
    /// And so many a minute, for clients with little traffic.
    #[serde(default = "ten")]
    pub at_least: u32,
}

fn ten() -> u32 {
    10
}

impl PolicyKind for EscalationPolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        self.policy.decide(query)
    }

    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        let mut faults = super::within("policy", &self.policy, ladder);
        if !(0.0..=1.0).contains(&self.escalations.share) {
            faults.push(("escalations.share".to_owned(), "a share is a number from 0 to 1".to_owned()));
        }
        faults
    }

    fn inner(&self) -> Option<&Policy> {
        Some(&self.policy)
    }
}
