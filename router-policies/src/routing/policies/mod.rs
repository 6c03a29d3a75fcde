//! The policies. Each is its own configuration: what YAML deserialises into is what decides.
//!
//! `CONTRIBUTING.md` says how to add one: a file here with its configuration and its `impl PolicyKind`, a variant of
//! [`Policy`], an arm in `Policy::kind`; tests ask for the rest. What a policy is asked is a [`Query`]: a policy keeps no
//! state of its own and takes chances by [`Query::draw`] alone.

mod cascade;
mod condition;
mod constraints;
mod escalation_limit;
mod explore;
mod fixed;
mod hedge;
mod rules;
mod threshold;
mod utility;

pub use cascade::{CascadePolicy, SecondOpinion};
pub use condition::{PromptLanguage, RuleCondition};
pub use constraints::{OneOrMany, RequiredInputs, RequiredProvenance, RuleConstraints};
pub use escalation_limit::{EscalationBound, EscalationPolicy};
pub use explore::ExplorePolicy;
pub use fixed::FixedPolicy;
pub use hedge::HedgePolicy;
pub use rules::{RoutingRule, RuleLocality, RulesPolicy};
pub use threshold::{ThresholdMeasure, ThresholdPolicy, ThresholdSteps, TrafficShare};
pub use utility::{MinWeights, SpendPeriod, SpendTarget, UtilityPolicy, UtilityTargets};

use crate::routing::decision::{Decision, Plan, Reason};
use crate::routing::query::Query;
use crate::rung::Rung;

/// A rule that picks a plan for a request. Never blocks, fails, or looks at a clock.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Policy {
    /// Always the same model.
    Fixed(FixedPolicy),
    /// The harder the request, the higher the rung.
    Threshold(ThresholdPolicy),
    /// A smaller model starts, and a guard may hand over to a larger one before the client sees a byte.
    Cascade(CascadePolicy),
    /// Bounds how many requests may go on to a larger model than they began with.
    #[schemars(extend("x-better-name" = "escalation_limit"))]
    Budget(EscalationPolicy),
    /// Conditions before the rest; the first that matches decides.
    Rules(RulesPolicy),
    /// A larger model is asked as well where the one that was picked keeps silent.
    Hedge(HedgePolicy),
    /// The model that is worth the most, less what it costs and how long it takes.
    Utility(UtilityPolicy),
    /// A share of requests is answered by another model too, so that it is known what the choice costs in quality.
    Explore(ExplorePolicy),
}

/// What each policy can do. One that stands alone needs the first two; one that is made for another policy says which
/// with the third.
trait PolicyKind {
    /// Decides for one request. `None` when no rung of the ladder can serve it.
    fn decide(&self, query: &Query<'_>) -> Option<Decision>;

    /// What is wrong with it for a ladder of these model names: (field, sentence) each. With the path of a field.
    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)>;

    /// The policy that stands at its key `policy`, if it is made for one.
    fn inner(&self) -> Option<&Policy> {
        None
    }
}

impl Policy {
    /// The only place that lists all policies.
    fn kind(&self) -> &dyn PolicyKind {
        match self {
            Self::Fixed(fixed) => fixed,
            Self::Threshold(threshold) => threshold,
            Self::Utility(utility) => utility,
            Self::Explore(explore) => explore,
            Self::Cascade(cascade) => cascade,
            Self::Hedge(hedge) => hedge,
            Self::Budget(budget) => budget,
            Self::Rules(rules) => rules,
        }
    }

    /// Decides for one request. `None` when no rung of the ladder can serve it.
    pub fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        self.kind().decide(query)
    }

    /// What is wrong with this policy for a ladder of these model names: (field, sentence) each.
    pub fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        self.kind().faults(ladder)
    }

    /// The one policy within this one, where it is made for one.
    fn inner(&self) -> Option<&Self> {
        self.kind().inner()
    }

    /// The first that `found` finds here or in a policy within this one.
    fn find<'a, T>(&'a self, found: &impl Fn(&'a Self) -> Option<T>) -> Option<T> {
        if let Some(it) = found(self) {
            return Some(it);
        }
        match self {
            Self::Rules(rules) => rules.policies().find_map(|policy| policy.find(found)),
            _ => self.inner()?.find(found),
        }
    }

    /// The share of traffic that this policy sends to the top rung, if it asks for one: then whoever acts keeps a
    /// [`crate::routing::recent::RecentGains`] for the route.
    pub fn share(&self) -> Option<f64> {
        self.find(&|policy| if let Self::Threshold(threshold) = policy { threshold.share() } else { None })
    }

    /// How many of a client's requests may go on to a larger model; `None`: all. Whoever acts keeps count.
    pub fn escalations(&self) -> Option<EscalationBound> {
        self.find(&|policy| if let Self::Budget(budget) = policy { Some(budget.escalations) } else { None })
    }

    /// How it is explored what other models would have answered; `None`: not at all.
    pub fn explore(&self) -> Option<&ExplorePolicy> {
        self.find(&|policy| if let Self::Explore(explore) = policy { Some(explore) } else { None })
    }

    /// The utility within this policy, whose weights whoever acts steers by what it measures, and whether a guard stands
    /// before what it chooses: then see [`crate::routing::weights::add_escalation_cost`].
    pub fn utility(&self) -> Option<(&UtilityPolicy, bool)> {
        match self {
            Self::Utility(utility) => Some((utility, false)),
            Self::Cascade(cascade) => cascade.policy.utility().map(|(utility, _)| (utility, true)),
            Self::Rules(rules) => rules.policies().find_map(Self::utility),
            _ => self.inner()?.utility(),
        }
    }

    /// Whether what it decides depends on the request.
    pub fn chooses(&self) -> bool {
        self.inner().map_or(!matches!(self, Self::Fixed(_)), Self::chooses)
    }
}

/// The decision to ask whom a policy picked, or the nearest that can serve the request.
fn ask(query: &Query<'_>, (wanted, reason): PickedRung) -> Option<Decision> {
    let rung = query.nearest_able(wanted)?;
    let reason = if rung == wanted { reason } else { Reason::CAPABILITY };
    Some(Decision::of(Plan::Ask(rung), reason))
}

/// A pick with the conversation looked at: a tool's result goes to whoever asked for it, and a smaller model takes over
/// only where that is cheaper than going on with the cache of the larger one.
fn going_on(query: &Query<'_>, pick: PickedRung) -> PickedRung {
    let Some(conversation) = query.facts.conversation else { return pick };
    let Some(last) = query.ladder.get(conversation.rung.0).filter(|last| last.eligible) else { return pick };
    let next = query.ladder.get(pick.0.0);
    let saves = match (next.and_then(|next| next.estimate.cost), last.estimate.cost) {
        (Some(next), Some(last)) => next < last,
        _ => true,
    };
    let stays = conversation.in_tool_loop || (pick.0 < conversation.rung && !saves);
    if stays && pick.0 != conversation.rung { (conversation.rung, Reason::CONVERSATION) } else { pick }
}

/// What is wrong with a policy within another, by the path from there.
fn within(field: &str, policy: &Policy, ladder: &[&str]) -> Vec<(String, String)> {
    let deeper = |(inner, words)| (format!("{field}.{inner}"), words);
    policy.faults(ladder).into_iter().map(deeper).collect()
}

/// A pick before it is known whether the rung can serve the request.
type PickedRung = (Rung, Reason);
