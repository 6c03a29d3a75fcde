use super::{PickedRung, PolicyKind};
use crate::routing::decision::{Decision, Reason};
use crate::routing::query::Query;
use crate::rung::Rung;

/// The harder the request, or the more a larger model would add, the higher the rung.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdPolicy {
    /// Above it a request goes one rung up: a number, or a list, one value a step, rising; or the share of recent
    /// requests that is to go to the top rung, as `{share: 0.4}`.
    pub at: ThresholdSteps,
    /// What numbers are compared with; a share always ranks by gain.
    #[serde(default)]
    pub by: ThresholdMeasure,
}

/// What a threshold is compared with.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdMeasure {
    /// One minus the chance that the smallest rung suffices, 0..=1.
    #[default]
    Difficulty,
    /// What the top rung would add, -1..=1. It ranks better: hopeless requests are difficult, yet nothing is gained
    /// by sending them up.
    Gain,
    /// The gain, raised where the top rung needs less extra time for such a prompt than it usually does, and lowered where it
    /// needs more, by at most a factor of 2. Only models with a card tell how long they work; for others it is the gain.
    GainForTime,
}

/// One threshold, one for each step up the ladder, or a share of traffic.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ThresholdSteps {
    /// Between the first rung and the second.
    One(f64),
    /// Between each rung and the next.
    Each(Vec<f64>),
    /// Wherever recent traffic puts it.
    Share(TrafficShare),
}

/// A share of traffic.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficShare {
    /// The share of requests, 0..=1, that go to the top rung: those with the most to gain.
    pub share: f64,
}

impl ThresholdPolicy {
    /// The share of traffic that this asks for, if it does: then a [`crate::routing::recent::RecentGains`] is to be kept for the route.
    pub fn share(&self) -> Option<f64> {
        match self.at {
            ThresholdSteps::Share(TrafficShare { share }) => Some(share),
            ThresholdSteps::One(_) | ThresholdSteps::Each(_) => None,
        }
    }

    fn pick(&self, query: &Query<'_>) -> PickedRung {
        let value = match self.by {
            ThresholdMeasure::Difficulty => query.difficulty(),
            ThresholdMeasure::Gain => query.gain(),
            ThresholdMeasure::GainForTime => query.gain_for_time(),
        };
        let above = |steps: &[f64]| steps.iter().take_while(|&&at| value > at).count();
        let up = match &self.at {
            ThresholdSteps::One(at) => above(&[*at]),
            ThresholdSteps::Each(steps) => above(steps),
            ThresholdSteps::Share(TrafficShare { share }) => {
                let cut = query.recent.map_or(f64::INFINITY, |recent| recent.cut(*share));
                if query.gain() > cut { query.ladder.len().saturating_sub(1) } else { 0 }
            }
        };
        let [below, above] = match self.by {
            // What gains little may well be hard.
            ThresholdMeasure::GainForTime => [Reason::LITTLE_GAIN, Reason::GAIN],
            ThresholdMeasure::Difficulty | ThresholdMeasure::Gain => [Reason::EASY, Reason::HARD],
        };
        (Rung(up), if up == 0 { below } else { above })
    }
}

impl PolicyKind for ThresholdPolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        super::ask(query, super::going_on(query, self.pick(query)))
    }

    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        let steps = match &self.at {
            ThresholdSteps::One(at) => std::slice::from_ref(at),
            ThresholdSteps::Each(steps) => steps,
            ThresholdSteps::Share(TrafficShare { share }) => return share_faults(*share),
        };
        let (least, words) = match self.by {
            ThresholdMeasure::Difficulty => (0.0, "a threshold of difficulty is a number from 0 to 1"),
            ThresholdMeasure::Gain | ThresholdMeasure::GainForTime => {
                (-1.0, "a threshold of gain is a number from -1 to 1")
            }
        };
        let mut faults = Vec::new();
        let mut fault = |words: String| faults.push(("at".to_owned(), words));
        if steps.iter().any(|at| !(least..=1.0).contains(at)) {
            fault(words.to_owned());
        }
        if steps.is_empty() || steps.len() >= ladder.len().max(2) {
            let most = ladder.len().saturating_sub(1);
            let (models, found) = (ladder.len(), steps.len());
            fault(format!("a ladder of {models} models has {most} steps, this lists {found}"));
        }
        if steps.windows(2).any(|pair| pair[0] > pair[1]) {
            fault("thresholds must not fall from one step to the next".to_owned());
        }
        faults
    }
}

fn share_faults(share: f64) -> Vec<(String, String)> {
    if (0.0..=1.0).contains(&share) {
        return Vec::new();
    }
    vec![("at".to_owned(), "a share is a number from 0 to 1".to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::policies::Policy;
    use crate::routing::recent::RecentGains;
    use crate::routing::rung_state::{CostEstimate, RungState};
    use crate::scoring::cards::ForeseenWork;
    use crate::scoring::class_predictions::Probability;
    use crate::scoring::features::{Features, Prompt};

    fn decide(
        yaml_at: &str,
        smallest_suffices: f64,
        eligible: [bool; 3],
        recent: Option<&RecentGains>,
    ) -> Option<(usize, &'static str)> {
        let policy: Policy =
            serde_json::from_str(&format!(r#"{{"kind":"threshold","at":{yaml_at}}}"#)).unwrap();
        let features = Features::of(&Prompt::default());
        let chances = [smallest_suffices, 0.9, 0.95];
        let names = ["small", "middle", "large"];
        let ladder: Vec<_> = (0..3)
            .map(|at| RungState {
                model: names[at],
                p_success: Probability::new(chances[at]),
                eligible: eligible[at],
                estimate: CostEstimate::default(),
            })
            .collect();
        let query = Query {
            features: &features,
            familiarity: 1.0,
            ladder: &ladder,
            draw: crate::routing::draw::RequestDraw::default(),
            recent,
            weights: None,
            facts: crate::routing::query::RequestFacts::default(),
        };
        policy.decide(&query).map(|decision| (decision.plan.first().0, decision.reason.word()))
    }

    fn check(yaml_at: &str, smallest_suffices: f64, eligible: [bool; 3], expected: Option<(usize, &str)>) {
        let got = decide(yaml_at, smallest_suffices, eligible, None);
        assert_eq!(
            got, expected,
            "at {yaml_at}, smallest suffices {smallest_suffices}, eligible {eligible:?}"
        );
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
    fn picks_the_rung_by_gain() {
        let all = [true; 3];
        check(r#"0.5,"by":"gain""#, 0.4, all, Some((1, "hard")));
        check(r#"0.5,"by":"gain""#, 0.5, all, Some((0, "easy")));
        check(r#"-0.5,"by":"gain""#, 1.0, all, Some((1, "hard")));
    }

    #[test]
    fn picks_by_the_share_of_recent_traffic() {
        let mut recent = RecentGains::default();
        // Gains from 0.0 to 0.9, a tenth each; half of them went up.
        (0..200).for_each(|at| recent.record(f64::from(at % 10) / 10.0, at % 2 == 0, 0.5));
        let pick = |suffices| decide(r#"{"share":0.5}"#, suffices, [true; 3], Some(&recent));
        assert_eq!(pick(0.95 - 0.8), Some((2, "hard")));
        assert_eq!(pick(0.95 - 0.2), Some((0, "easy")));
        check(r#"{"share":0.5}"#, 0.0, [true; 3], Some((0, "easy")));
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
        let by = |at: ThresholdSteps, by| ThresholdPolicy { at, by }.faults(&["a", "b"]).len();
        let faults = |at: ThresholdSteps| by(at, ThresholdMeasure::Difficulty);
        assert_eq!(faults(ThresholdSteps::One(0.5)), 0);
        assert_eq!(faults(ThresholdSteps::One(f64::NAN)), 1);
        assert_eq!(faults(ThresholdSteps::One(1.5)), 1);
        assert_eq!(faults(ThresholdSteps::One(-0.5)), 1);
        assert_eq!(by(ThresholdSteps::One(-0.5), ThresholdMeasure::Gain), 0);
        assert_eq!(faults(ThresholdSteps::Each(vec![])), 1);
        assert_eq!(faults(ThresholdSteps::Each(vec![0.7, 0.3])), 2);
        assert_eq!(faults(ThresholdSteps::Share(TrafficShare { share: 0.4 })), 0);
        assert_eq!(faults(ThresholdSteps::Share(TrafficShare { share: 1.4 })), 1);
    }

    /// What the policy does with a gain of 0.2, where the large model takes so much longer than the small one, of 1 s usually.
    #[track_caller]
    fn check_time(at: f64, extra: Option<f64>, expected: (usize, &str)) {
        let yaml = format!(r#"{{"kind":"threshold","at":{at},"by":"gain_for_time"}}"#);
        let policy: Policy = serde_json::from_str(&yaml).unwrap();
        assert_eq!(policy.faults(&["small", "large"]), []);
        let features = Features::of(&Prompt::default());
        let rung = |model, chance, seconds: Option<f64>, usual| RungState {
            model,
            p_success: Probability::new(chance),
            eligible: true,
            estimate: CostEstimate {
                work: seconds.map(|seconds| ForeseenWork { seconds, usual }),
                ..CostEstimate::default()
            },
        };
        let ladder = [rung("small", 0.3, Some(0.5), 1.0), rung("large", 0.5, extra.map(|it| 0.5 + it), 2.0)];
        let query = Query {
            features: &features,
            familiarity: 1.0,
            ladder: &ladder,
            draw: crate::routing::draw::RequestDraw::default(),
            recent: None,
            weights: None,
            facts: crate::routing::query::RequestFacts::default(),
        };
        let decision = policy.decide(&query).unwrap();
        assert_eq!((decision.plan.first().0, decision.reason.word()), expected, "at {at}, {extra:?}");
    }

    #[test]
    fn a_gain_counts_for_more_where_it_takes_less_time() {
        check_time(0.19, Some(1.0), (1, "gain"));
        check_time(0.21, Some(1.0), (0, "little_gain"));
        // Half of the usual extra time doubles it, and nothing raises it further.
        check_time(0.39, Some(0.5), (1, "gain"));
        check_time(0.41, Some(0.1), (0, "little_gain"));
        check_time(0.39, Some(-0.2), (1, "gain"));
        check_time(0.41, Some(-0.2), (0, "little_gain"));
        // Twice as much halves it, and nothing lowers it further.
        check_time(0.09, Some(2.0), (1, "gain"));
        check_time(0.11, Some(2.0), (0, "little_gain"));
        check_time(0.09, Some(50.0), (1, "gain"));
        // Nobody knows the time.
        check_time(0.19, None, (1, "gain"));
        check_time(0.21, None, (0, "little_gain"));
    }
}
