use super::{Policy, PolicyKind};
use crate::judging::guard::{AgreementCheck, Guard, GuardSignals, HoldConfig};
use crate::routing::decision::{Decision, Plan};
use crate::routing::query::Query;

/// A smaller model starts, and a guard looks at its answer; where it will not do, the next larger one answers in its
/// place, before the client has seen a byte.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CascadePolicy {
    /// Who starts: what this picks is guarded, unless it is the largest model that can serve the request.
    pub policy: Box<Policy>,
    /// How much of the answer is judged before the client sees any of it: `all`, or its beginning. What is to be JSON,
    /// or is compared with other answers, is always judged whole.
    #[serde(default)]
    pub hold: HoldConfig,
    /// What is looked for.
    #[serde(default)]
    pub guard: GuardSignals,
    /// A second opinion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agree: Option<SecondOpinion>,
}

/// Further answers to the same question, asked for at the same time: the first is kept where more than half of them
/// come to the same.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondOpinion {
    /// How many, 1 to 4.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 4))]
    pub samples: u8,
    /// Who gives them, a model of the ladder; without one, or where it cannot serve the request, the model that is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

fn one() -> u8 {
    1
}

impl PolicyKind for CascadePolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let decision = self.policy.decide(query)?;
        let Plan::Ask(from) = decision.plan else { return Some(decision) };
        let Some(to) = query.next_able(from) else { return Some(decision) };
        let agree = self.agree.as_ref().map(|agree| AgreementCheck {
            samples: agree.samples,
            // One that may not see the request, as it is not local for instance, is not asked for its opinion either.
            rung: agree
                .model
                .as_ref()
                .and_then(|model| query.rung_of(model))
                .filter(|rung| query.ladder[rung.0].eligible),
        });
        let guard = Guard { hold: self.hold.into(), signals: self.guard, agree };
        Some(Decision { plan: Plan::Cascade { from, to, guard }, ..decision })
    }

    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        let mut faults = super::within("policy", &self.policy, ladder);
        let mut fault = |field: &str, words: &str| faults.push((field.to_owned(), words.to_owned()));
        if !(0.0..=1.0).contains(&self.guard.confidence) {
            fault("guard.confidence", "a confidence is a number from 0 to 1; 0 switches it off");
        }
        if let HoldConfig::Until(until) = self.hold
            && until.tokens == 0
        {
            fault("hold.tokens", "at least one token is held back");
        }
        if let Some(agree) = &self.agree {
            if !(1..=4).contains(&agree.samples) {
                fault("agree.samples", "from 1 to 4 further answers can be asked for");
            }
            if let Some(model) = agree.model.as_ref().filter(|model| !ladder.contains(&model.as_str())) {
                let words =
                    format!("`{model}` is not a model of this route's ladder ({})", ladder.join(", "));
                fault("agree.model", &words);
            }
        }
        faults
    }

    fn inner(&self) -> Option<&Policy> {
        Some(&self.policy)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::judging::guard::HoldBack;
    use crate::routing::rung_state::RungState;
    use crate::rung::Rung;
    use crate::scoring::class_predictions::Probability;
    use crate::scoring::features::{Features, Prompt};

    const NAMES: [&str; 3] = ["small", "middle", "large"];

    fn decide(yaml: &str, suffices: f64, eligible: [bool; 3]) -> Plan {
        let policy: Policy = serde_json::from_str(yaml).unwrap();
        assert_eq!(policy.faults(&NAMES), []);
        let features = Features::of(&Prompt::default());
        let standing = |at: usize| RungState {
            model: NAMES[at],
            p_success: Probability::new(suffices),
            eligible: eligible[at],
            estimate: crate::routing::rung_state::CostEstimate::default(),
        };
        let ladder: Vec<_> = (0..3).map(standing).collect();
        let query = Query {
            features: &features,
            familiarity: 1.0,
            ladder: &ladder,
            draw: crate::routing::draw::RequestDraw::default(),
            recent: None,
            weights: None,
            facts: crate::routing::query::RequestFacts::default(),
        };
        policy.decide(&query).unwrap().plan
    }

    #[test]
    fn guards_what_is_picked_unless_nothing_is_above_it() {
        let yaml = r#"{"kind":"cascade","policy":{"kind":"threshold","at":[0.4,0.8]}}"#;
        let rungs = |suffices, eligible| match decide(yaml, suffices, eligible) {
            Plan::Ask(rung) => (rung.0, None),
            Plan::Cascade { from, to, guard } => {
                assert_eq!(guard.hold, HoldBack::Until { tokens: 24, at_most: Duration::from_millis(600) });
                assert_eq!(guard.signals, GuardSignals::default());
                (from.0, Some(to.0))
            }
            other @ Plan::Hedge { .. } => panic!("{other:?}"),
        };
        assert_eq!(rungs(0.9, [true; 3]), (0, Some(1)));
        assert_eq!(rungs(0.9, [true, false, true]), (0, Some(2)));
        assert_eq!(rungs(0.5, [true; 3]), (1, Some(2)));
        assert_eq!(rungs(0.1, [true; 3]), (2, None));
        assert_eq!(rungs(0.9, [true, false, false]), (0, None));
    }

    #[test]
    fn reads_what_is_held_looked_for_and_compared() {
        let yaml = r#"{"kind":"cascade","policy":{"kind":"fixed","model":"small"},"hold":"all",
                       "guard":{"confidence":0.7,"refusal":false},"agree":{"samples":2,"model":"middle"}}"#;
        let Plan::Cascade { guard, .. } = decide(yaml, 0.5, [true; 3]) else { panic!("no cascade") };
        let signals = GuardSignals { confidence: 0.7, refusal: false, ..GuardSignals::default() };
        let agree = Some(AgreementCheck { samples: 2, rung: Some(Rung(1)) });
        assert_eq!(guard, Guard { hold: HoldBack::All, signals, agree });
    }

    #[test]
    fn who_may_not_see_a_request_is_not_asked_for_an_opinion() {
        let yaml =
            r#"{"kind":"cascade","policy":{"kind":"fixed","model":"small"},"agree":{"model":"large"}}"#;
        let opinion = |eligible| match decide(yaml, 0.5, eligible) {
            Plan::Cascade { guard, .. } => guard.agree.unwrap().rung,
            other => panic!("{other:?}"),
        };
        assert_eq!(opinion([true; 3]), Some(Rung(2)));
        assert_eq!(opinion([true, true, false]), None);
    }

    #[test]
    fn names_what_is_wrong_by_its_path() {
        let yaml = r#"{"kind":"cascade","policy":{"kind":"fixed","model":"tiny"},"hold":{"tokens":0},
                       "guard":{"confidence":1.5},"agree":{"samples":9,"model":"huge"}}"#;
        let policy: Policy = serde_json::from_str(yaml).unwrap();
        let faults: Vec<String> = policy.faults(&NAMES).into_iter().map(|(field, _)| field).collect();
        let expected = ["policy.model", "guard.confidence", "hold.tokens", "agree.samples", "agree.model"];
        assert_eq!(faults, expected);
    }
}
