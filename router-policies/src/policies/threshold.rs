use super::Pick;
use crate::{Query, Reason, Rung};

/// The harder the request, the higher the rung.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The difficulty, 0..=1, above which a request goes one rung up; or a list, one value a step, rising.
    pub at: Steps,
}

/// One threshold, or one for each step up the ladder.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Steps {
    /// Between the first rung and the second.
    One(f64),
    /// Between each rung and the next.
    Each(Vec<f64>),
}

impl Steps {
    fn values(&self) -> &[f64] {
        match self {
            Self::One(at) => std::slice::from_ref(at),
            Self::Each(steps) => steps,
        }
    }
}

impl Threshold {
    pub(super) fn pick(&self, query: &Query<'_>) -> Pick {
        let difficulty = query.difficulty();
        let up = self.at.values().iter().take_while(|&&at| difficulty > at).count();
        (Rung(up), if up == 0 { Reason::EASY } else { Reason::HARD })
    }

    pub(super) fn faults(&self, ladder: &[&str]) -> Vec<(&'static str, String)> {
        let steps = self.at.values();
        let mut faults = Vec::new();
        if steps.iter().any(|at| !(0.0..=1.0).contains(at)) {
            faults.push(("at", "a threshold is a number from 0 to 1".to_owned()));
        }
        if steps.is_empty() || steps.len() >= ladder.len().max(2) {
            let most = ladder.len().saturating_sub(1);
            faults.push((
                "at",
                format!("a ladder of {} models has {most} steps, this lists {}", ladder.len(), steps.len()),
            ));
        }
        if steps.windows(2).any(|pair| pair[0] > pair[1]) {
            faults.push(("at", "thresholds must not fall from one step to the next".to_owned()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::Policy;
    use crate::{Chance, Decision, Features, Plan, Prompt, Standing};

    fn check(yaml_at: &str, smallest_suffices: f64, able: [bool; 3], expected: Option<(usize, &str)>) {
        let policy: Policy =
            serde_json::from_str(&format!(r#"{{"kind":"threshold","at":{yaml_at}}}"#)).unwrap();
        let features = Features::of(&Prompt::default());
        let chances = [smallest_suffices, 0.9, 0.95];
        let names = ["small", "middle", "large"];
        let ladder: Vec<_> = (0..3)
            .map(|at| Standing { model: names[at], suffices: Chance::new(chances[at]), able: able[at] })
            .collect();
        let query = Query {
            features: &features,
            familiarity: 1.0,
            ladder: &ladder,
            purse: None,
            patience: std::time::Duration::from_secs(1),
            draw: 0.5,
        };
        let got =
            policy.decide(&query).map(|Decision { plan: Plan::Ask(rung), reason }| (rung.0, reason.word()));
        assert_eq!(got, expected, "at {yaml_at}, smallest suffices {smallest_suffices}, able {able:?}");
    }

    #[test]
    fn picks_the_rung_by_difficulty() {
        let all = [true; 3];
        check("0.5", 0.6, all, Some((0, "easy")));
        check("0.5", 0.5, all, Some((0, "easy")));
        check("0.5", 0.4, all, Some((1, "hard")));
        check("0.5", 0.0, all, Some((1, "hard")));
        check("[0.3, 0.7]", 0.8, all, Some((0, "easy")));
        check("[0.3, 0.7]", 0.5, all, Some((1, "hard")));
        check("[0.3, 0.7]", 0.1, all, Some((2, "hard")));
    }

    #[test]
    fn takes_the_nearest_rung_that_can_serve() {
        check("0.5", 0.9, [false, true, true], Some((1, "capability")));
        check("0.5", 0.1, [true, false, true], Some((2, "capability")));
        check("0.5", 0.1, [true, false, false], Some((0, "capability")));
        check("0.5", 0.1, [false; 3], None);
    }

    #[test]
    fn names_what_is_wrong() {
        let faults = |at: Steps| Threshold { at }.faults(&["a", "b"]).len();
        assert_eq!(faults(Steps::One(0.5)), 0);
        assert_eq!(faults(Steps::One(f64::NAN)), 1);
        assert_eq!(faults(Steps::One(1.5)), 1);
        assert_eq!(faults(Steps::Each(vec![])), 1);
        assert_eq!(faults(Steps::Each(vec![0.7, 0.3])), 2);
    }
}
