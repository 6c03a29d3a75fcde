use super::{Policy, PolicyKind, SpendTarget};
use crate::routing::decision::{Decision, Plan};
use crate::routing::draw::DrawPurpose;
use crate::routing::query::Query;
use crate::rung::Rung;

/// A share of requests is answered by another model too, unseen by the client, so that it is known what the choice costs
/// in quality. What comes of it corrects what is foreseen.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplorePolicy {
    /// Who chooses.
    pub policy: Box<Policy>,
    /// The share of requests, 0..=1.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
    /// What the further answers and their judging may cost.
    pub spend: SpendTarget,
    /// A model of the ladder that says which of two answers is better, without knowing whose they are. Without one,
    /// answers that come to something (a number, an option, JSON, a short text) are compared, and the larger model's is
    /// taken to be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
}

impl PolicyKind for ExplorePolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let decision = self.policy.decide(query)?;
        let explored = query.draw.uniform(DrawPurpose::Exploration) < self.share;
        let shadow = if explored { other(query, decision) } else { None };
        Some(Decision { shadow, ..decision })
    }

    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        let mut faults = super::within("policy", &self.policy, ladder);
        let mut fault = |field: &str, words: String| faults.push((field.to_owned(), words));
        if !(0.0..=1.0).contains(&self.share) {
            fault("share", "a share is a number from 0 to 1".to_owned());
        }
        if !(self.spend.amount.is_finite() && self.spend.amount >= 0.0) {
            fault("spend.amount", "an amount is 0 or more".to_owned());
        }
        if let Some(judge) = self.judge.as_ref().filter(|judge| !ladder.contains(&judge.as_str())) {
            let ladder = ladder.join(", ");
            fault("judge", format!("`{judge}` is not a model of this route's ladder ({ladder})"));
        }
        faults
    }

    fn inner(&self) -> Option<&Policy> {
        Some(&self.policy)
    }
}

/// Who answers too: the largest model that can, or, where that one was picked, the smallest.
fn other(query: &Query<'_>, decision: Decision) -> Option<Rung> {
    let eligible =
        |at: &usize| query.ladder[*at].eligible && (decision.least..=decision.most).contains(&Rung(*at));
    let top = (0..query.ladder.len()).rfind(eligible)?;
    let picked = match decision.plan {
        Plan::Ask(rung) | Plan::Cascade { from: rung, .. } | Plan::Hedge { first: rung, .. } => rung,
    };
    let other = if picked == Rung(top) { (0..top).find(eligible)? } else { top };
    Some(Rung(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::rung_state::{CostEstimate, RungState};
    use crate::scoring::class_predictions::Probability;
    use crate::scoring::features::{Features, Prompt};

    fn shadows(model: &str, share: f64, eligible: [bool; 3]) -> Vec<Option<usize>> {
        let json = format!(
            r#"{{"kind":"explore","policy":{{"kind":"fixed","model":"{model}"}},"share":{share},"spend":{{"amount":1,"per":"day"}}}}"#
        );
        let policy: Policy = serde_json::from_str(&json).unwrap();
        let names = ["small", "middle", "large"];
        assert_eq!(policy.faults(&names), []);
        let features = Features::of(&Prompt::default());
        let standing = |at: usize| RungState {
            model: names[at],
            p_success: Probability::new(0.5),
            eligible: eligible[at],
            estimate: CostEstimate::default(),
        };
        let ladder: Vec<_> = (0..3).map(standing).collect();
        let mut draws = crate::scoring::random::SplitMix64(5);
        let mut decide = || {
            let query = Query {
                features: &features,
                familiarity: 1.0,
                ladder: &ladder,
                draw: crate::routing::draw::RequestDraw::from_random(draws.bits()),
                recent: None,
                weights: None,
                facts: crate::routing::query::RequestFacts::default(),
            };
            policy.decide(&query).unwrap().shadow.map(|rung| rung.0)
        };
        (0..2000).map(|_| decide()).collect()
    }

    #[test]
    fn another_model_answers_a_share_of_requests() {
        let all = [true; 3];
        let shadowed = |model, eligible| {
            let shadows = shadows(model, 0.1, eligible);
            let count = shadows.iter().flatten().count();
            assert!((150..250).contains(&count) || count == 0, "{count}");
            shadows.into_iter().flatten().next()
        };
        assert_eq!(shadowed("small", all), Some(2));
        assert_eq!(shadowed("middle", all), Some(2));
        assert_eq!(shadowed("large", all), Some(0));
        // Who may not see a request does not see it for the sake of learning either.
        assert_eq!(shadowed("small", [true, true, false]), Some(1));
        assert_eq!(shadowed("large", [false, true, true]), Some(1));
        assert_eq!(shadowed("small", [true, false, false]), None);
        assert!(shadows("small", 0.0, all).iter().all(Option::is_none));
        assert!(shadows("small", 1.0, all).iter().all(Option::is_some));
    }

    #[test]
    fn names_what_is_wrong() {
        let json = r#"{"kind":"explore","policy":{"kind":"fixed","model":"x"},"share":2,
                       "spend":{"amount":-1,"per":"day"},"judge":"y"}"#;
        let policy: Policy = serde_json::from_str(json).unwrap();
        let fields: Vec<String> = policy.faults(&["a", "b"]).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["policy.model", "share", "spend.amount", "judge"]);
    }
}
