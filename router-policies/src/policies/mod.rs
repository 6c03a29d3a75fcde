//! The policies. Each is its own configuration: what YAML deserialises into is what decides.
//!
//! To add one: a file here, a variant below, an arm in [`Policy::decide`]; the compiler names the rest.

mod budget;
mod cascade;
mod explore;
mod fixed;
mod hedge;
mod rules;
mod terms;
mod threshold;
mod utility;
mod when;

pub use budget::{Budget, Escalations};
pub use cascade::{Agreement, Cascade};
pub use explore::Explore;
pub use fixed::Fixed;
pub use hedge::Hedge;
pub use rules::{Locality, Rule, Rules};
pub use terms::{Asks, Require, Terms, Words};
pub use threshold::{Measure, Share, Steps, Threshold};
pub use utility::{Floors, Per, Spend, Targets, Utility};
pub use when::{Language, When};

use crate::{Decision, Plan, Query, Reason, Rung};

/// A rule that picks a plan for a request. Never blocks, fails, or looks at a clock.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Policy {
    /// Always the same model.
    Fixed(Fixed),
    /// The harder the request, the higher the rung.
    Threshold(Threshold),
    /// A smaller model starts, and a guard may hand over to a larger one before the client sees a byte.
    Cascade(Cascade),
    /// Bounds how many requests may go on to a larger model than they began with.
    Budget(Budget),
    /// Conditions before the rest; the first that matches decides.
    Rules(Rules),
    /// A larger model is asked as well where the one that was picked keeps silent.
    Hedge(Hedge),
    /// The model that is worth the most, less what it costs and how long it takes.
    Utility(Utility),
    /// A share of requests is answered by another model too, so that it is known what the choice costs in quality.
    Explore(Explore),
}

impl Policy {
    /// Decides for one request. `None` when no rung of the ladder can serve it.
    pub fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let (wanted, reason) = match self {
            Self::Fixed(fixed) => fixed.pick(query),
            Self::Threshold(threshold) => going_on(query, threshold.pick(query)),
            Self::Utility(utility) => going_on(query, utility.pick(query)),
            Self::Explore(explore) => return explore.decide(query),
            Self::Cascade(cascade) => return cascade.decide(query),
            Self::Hedge(hedge) => return hedge.decide(query),
            Self::Budget(budget) => return budget.decide(query),
            Self::Rules(rules) => return rules.decide(query),
        };
        let rung = query.nearest_able(wanted)?;
        let reason = if rung == wanted { reason } else { Reason::CAPABILITY };
        Some(Decision::of(Plan::Ask(rung), reason))
    }

    /// The share of traffic that this policy sends to the top rung, if it asks for one: then whoever acts keeps a
    /// [`crate::Recent`] for the route.
    pub fn share(&self) -> Option<f64> {
        match self {
            Self::Fixed(_) | Self::Utility(_) => None,
            Self::Threshold(threshold) => threshold.share(),
            Self::Cascade(cascade) => cascade.policy.share(),
            Self::Hedge(hedge) => hedge.policy.share(),
            Self::Explore(explore) => explore.policy.share(),
            Self::Budget(budget) => budget.policy.share(),
            Self::Rules(rules) => rules.inner().find_map(|(_, policy)| policy.share()),
        }
    }

    /// How many of a client's requests may go on to a larger model; `None`: all. Whoever acts keeps count.
    pub fn escalations(&self) -> Option<Escalations> {
        match self {
            Self::Fixed(_) | Self::Threshold(_) | Self::Utility(_) => None,
            Self::Cascade(cascade) => cascade.policy.escalations(),
            Self::Hedge(hedge) => hedge.policy.escalations(),
            Self::Explore(explore) => explore.policy.escalations(),
            Self::Budget(budget) => Some(budget.escalations),
            Self::Rules(rules) => rules.inner().find_map(|(_, policy)| policy.escalations()),
        }
    }

    /// Whether what it decides depends on the request.
    pub fn chooses(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Threshold(_) | Self::Utility(_) | Self::Rules(_) => true,
            Self::Cascade(cascade) => cascade.policy.chooses(),
            Self::Hedge(hedge) => hedge.policy.chooses(),
            Self::Explore(explore) => explore.policy.chooses(),
            Self::Budget(budget) => budget.policy.chooses(),
        }
    }

    /// The utility within this policy, whose weights whoever acts steers by what it measures, and whether a guard stands
    /// before what it chooses: then see [`crate::weights::guarded`].
    pub fn utility(&self) -> Option<(&Utility, bool)> {
        match self {
            Self::Fixed(_) | Self::Threshold(_) => None,
            Self::Utility(utility) => Some((utility, false)),
            Self::Cascade(cascade) => cascade.policy.utility().map(|(utility, _)| (utility, true)),
            Self::Hedge(hedge) => hedge.policy.utility(),
            Self::Explore(explore) => explore.policy.utility(),
            Self::Budget(budget) => budget.policy.utility(),
            Self::Rules(rules) => rules.inner().find_map(|(_, policy)| policy.utility()),
        }
    }

    /// How it is explored what other models would have answered; `None`: not at all.
    pub fn explore(&self) -> Option<&Explore> {
        match self {
            Self::Fixed(_) | Self::Threshold(_) | Self::Utility(_) => None,
            Self::Explore(explore) => Some(explore),
            Self::Cascade(cascade) => cascade.policy.explore(),
            Self::Hedge(hedge) => hedge.policy.explore(),
            Self::Budget(budget) => budget.policy.explore(),
            Self::Rules(rules) => rules.inner().find_map(|(_, policy)| policy.explore()),
        }
    }

    /// What is wrong with this policy for a ladder of these model names: (field, sentence) each.
    pub fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        let owned = |faults: Vec<(&str, String)>| {
            faults.into_iter().map(|(field, words)| (field.to_owned(), words)).collect()
        };
        match self {
            Self::Fixed(fixed) => owned(fixed.faults(ladder)),
            Self::Threshold(threshold) => owned(threshold.faults(ladder)),
            Self::Utility(utility) => owned(utility.faults()),
            Self::Cascade(cascade) => cascade.faults(ladder),
            Self::Hedge(hedge) => hedge.faults(ladder),
            Self::Explore(explore) => explore.faults(ladder),
            Self::Budget(budget) => budget.faults(ladder),
            Self::Rules(rules) => rules.faults(ladder),
        }
    }
}

/// A pick with the conversation looked at: a tool's result goes to whoever asked for it, and a smaller model takes over
/// only where that is cheaper than going on with the cache of the larger one.
fn going_on(query: &Query<'_>, pick: Pick) -> Pick {
    let Some(conversation) = query.facts.conversation else { return pick };
    let Some(last) = query.ladder.get(conversation.rung.0).filter(|last| last.able) else { return pick };
    let next = query.ladder.get(pick.0.0);
    let saves = match (next.and_then(|next| next.toll.cost), last.toll.cost) {
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
type Pick = (Rung, Reason);
