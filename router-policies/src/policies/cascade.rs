use super::Policy;
use crate::guard::{Agree, Guard, Signals, WrittenHold};
use crate::{Decision, Plan, Query};

/// A smaller model starts, and a guard looks at its answer; where it will not do, the next larger one answers in its
/// place, before the client has seen a byte.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// Who starts: what this picks is guarded, unless it is the largest model that can serve the request.
    pub policy: Box<Policy>,
    /// How much of the answer is judged before the client sees any of it: `all`, or its beginning. What is to be JSON,
    /// or is compared with other answers, is always judged whole.
    #[serde(default)]
    pub hold: WrittenHold,
    /// What is looked for.
    #[serde(default)]
    pub guard: Signals,
    /// A second opinion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agree: Option<Agreement>,
}

/// Further answers to the same question, asked for at the same time: the first is kept where more than half of them
/// come to the same.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// How many, 1 to 4.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 4))]
    pub samples: u8,
    /// Who gives them, a model of the ladder; without one, the model that is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

fn one() -> u8 {
    1
}

impl Cascade {
    pub(super) fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let decision = self.policy.decide(query)?;
        let Plan::Ask(from) = decision.plan else { return Some(decision) };
        let Some(to) = query.next_able(from) else { return Some(decision) };
        let agree = self.agree.as_ref().map(|agree| Agree {
            samples: agree.samples,
            rung: agree.model.as_ref().and_then(|model| query.rung_of(model)),
        });
        let guard = Guard { hold: self.hold.into(), signals: self.guard, agree };
        Some(Decision { plan: Plan::Cascade { from, to, guard }, ..decision })
    }

    pub(super) fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        let mut faults = super::within("policy", &self.policy, ladder);
        let mut fault = |field: &str, words: &str| faults.push((field.to_owned(), words.to_owned()));
        if !(0.0..=1.0).contains(&self.guard.confidence) {
            fault("guard.confidence", "a confidence is a number from 0 to 1; 0 switches it off");
        }
        if let WrittenHold::Until(until) = self.hold
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
}
