use super::{PickedRung, PolicyKind};
use crate::human_duration::HumanDuration;
use crate::routing::decision::{Decision, Reason};
use crate::routing::draw::DrawPurpose;
use crate::routing::query::Query;
use crate::routing::weights::UtilityWeights;
use crate::rung::Rung;

/// The model whose answer is worth the most, less what it costs and how long it takes: the most
/// `quality · suffices − cost · λ − wait · μ`. Targets steer λ, μ and the weight of quality by what is measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UtilityPolicy {
    /// What is to be reached or kept to. A weight moves only as far as its target needs.
    #[serde(default, skip_serializing_if = "UtilityTargets::is_empty")]
    pub targets: UtilityTargets,
    /// What money and time weigh at least, targets or none.
    #[serde(default)]
    pub weights: MinWeights,
}

/// What a policy is to reach, or to keep to. Where they conflict, spend goes before quality and quality before time.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UtilityTargets {
    /// The expected quality, as a share of what the largest model would reach, 0..=1. With it the cheapest models that
    /// keep to it are chosen; without it, the best that the other targets leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub quality: Option<f64>,
    /// What the route may spend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spend: Option<SpendTarget>,
    /// The time by which 95 of 100 streams have their first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token_p95: Option<HumanDuration>,
}

/// An amount for a period. What was not spent early in it may be spent later in it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendTarget {
    /// In the currency of accounts.
    #[schemars(range(min = 0))]
    pub amount: f64,
    /// How often it starts anew.
    pub per: SpendPeriod,
}

/// A period of spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpendPeriod {
    /// Each clock hour.
    Hour,
    /// Each calendar day.
    Day,
}

/// What money and time weigh at least.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct MinWeights {
    /// λ: how much chance of a sufficient answer one unit of the account currency is worth.
    #[schemars(range(min = 0))]
    pub cost: f64,
    /// μ: how much of it one second of waiting is worth.
    #[schemars(range(min = 0))]
    pub latency: f64,
}

impl UtilityTargets {
    /// Whether nothing is to be reached.
    pub fn is_empty(&self) -> bool {
        self.quality.is_none() && self.spend.is_none() && self.first_token_p95.is_none()
    }
}

impl UtilityPolicy {
    fn pick(&self, query: &Query<'_>) -> PickedRung {
        let weights = query.weights.unwrap_or_else(|| self.unsteered(query));
        let draw = query.draw.uniform(DrawPurpose::QualityWeight);
        let best = |weights: UtilityWeights| weights.best(query.ladder, draw);
        let Some(rung) = best(weights) else { return (Rung(0), Reason::QUALITY) };
        // What would be chosen if time, and then money too, were of no account.
        let unhurried = best(UtilityWeights { latency: 0.0, ..weights });
        let unpaid = best(UtilityWeights { latency: 0.0, cost: 0.0, quality: 1.0 });
        let reason = match () {
            () if unhurried != Some(rung) => Reason::LATENCY,
            () if unpaid != Some(rung) => Reason::COST,
            () => Reason::QUALITY,
        };
        (rung, reason)
    }

    /// The weights before anything was measured: those written; with a quality to reach and nothing else said, the
    /// price of the largest model for a whole chance.
    fn unsteered(&self, query: &Query<'_>) -> UtilityWeights {
        let dearest = query.ladder.iter().filter_map(|rung| rung.estimate.cost).fold(0.0, f64::max);
        let cost = match self.targets.quality {
            Some(_) if self.weights.cost == 0.0 && dearest > 0.0 => 1.0 / dearest,
            _ => self.weights.cost,
        };
        UtilityWeights { quality: 1.0, cost, latency: self.weights.latency }
    }
}

impl PolicyKind for UtilityPolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        super::ask(query, super::going_on(query, self.pick(query)))
    }

    fn faults(&self, _: &[&str]) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut check = |holds: bool, field: &str, words: &str| {
            if !holds {
                faults.push((field.to_owned(), words.to_owned()));
            }
        };
        let UtilityTargets { quality, spend, first_token_p95 } = &self.targets;
        check(
            quality.is_none_or(|share| (0.0..=1.0).contains(&share)),
            "targets.quality",
            "is a share of the largest model's quality, from 0 to 1",
        );
        check(
            spend.is_none_or(|spend| spend.amount.is_finite() && spend.amount >= 0.0),
            "targets.spend.amount",
            "an amount is 0 or more",
        );
        check(
            first_token_p95.is_none_or(|time| !time.0.is_zero()),
            "targets.first_token_p95",
            "must be longer than nothing",
        );
        let weight = |weight: f64| weight.is_finite() && weight >= 0.0;
        check(weight(self.weights.cost), "weights.cost", "a weight is 0 or more");
        check(weight(self.weights.latency), "weights.latency", "a weight is 0 or more");
        let nothing = self.targets.is_empty() && self.weights == MinWeights::default();
        check(
            !nothing,
            "targets",
            "there is nothing to weigh quality against: name a target (quality, spend, first_token_p95) or a weight \
             (cost, latency)",
        );
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::policies::Policy;
    use crate::routing::rung_state::{CostEstimate, RungState};
    use crate::scoring::class_predictions::Probability;
    use crate::scoring::features::{Features, Prompt};

    /// What is chosen among three models: (chance, cost, wait) each.
    fn decide(
        policy: &str,
        weights: Option<UtilityWeights>,
        rungs: [(f64, f64, f64); 3],
    ) -> (usize, &'static str) {
        let policy: Policy = serde_json::from_str(policy).unwrap();
        assert_eq!(policy.faults(&["a", "b", "c"]), []);
        let features = Features::of(&Prompt::default());
        let standing = |(suffices, cost, wait)| RungState {
            model: "m",
            p_success: Probability::new(suffices),
            eligible: true,
            estimate: CostEstimate { cost: Some(cost), wait, ..CostEstimate::default() },
        };
        let ladder = rungs.map(standing);
        let query = Query {
            features: &features,
            familiarity: 1.0,
            ladder: &ladder,
            // In the middle: quality weighs what it says.
            draw: crate::routing::draw::RequestDraw::from_random(1 << 63),
            recent: None,
            weights,
            facts: crate::routing::query::RequestFacts::default(),
        };
        let decision = policy.decide(&query).unwrap();
        (decision.plan.first().0, decision.reason.word())
    }

    #[test]
    fn weighs_quality_against_cost_and_time() {
        let rungs = [(0.6, 0.001, 0.1), (0.8, 0.01, 0.5), (0.9, 0.1, 2.0)];
        let weigh = |cost: f64, latency: f64| {
            let policy = format!(r#"{{"kind":"utility","weights":{{"cost":{cost},"latency":{latency}}}}}"#);
            decide(&policy, None, rungs)
        };
        assert_eq!(weigh(0.1, 0.0), (2, "quality"));
        assert_eq!(weigh(5.0, 0.0), (1, "cost"));
        assert_eq!(weigh(50.0, 0.0), (0, "cost"));
        assert_eq!(weigh(0.0, 0.2), (1, "latency"));
        assert_eq!(weigh(5.0, 1.0), (0, "latency"));
    }

    #[test]
    fn measured_weights_take_the_place_of_those_written() {
        let policy = r#"{"kind":"utility","targets":{"spend":{"amount":5,"per":"day"}}}"#;
        let rungs = [(0.6, 0.001, 0.1), (0.8, 0.01, 0.5), (0.9, 0.1, 2.0)];
        assert_eq!(decide(policy, None, rungs), (2, "quality"));
        let weights = UtilityWeights { quality: 1.0, cost: 50.0, latency: 0.0 };
        assert_eq!(decide(policy, Some(weights), rungs), (0, "cost"));
    }

    #[test]
    fn equals_go_to_the_smaller_model() {
        let policy = r#"{"kind":"utility","weights":{"cost":1}}"#;
        assert_eq!(decide(policy, None, [(0.8, 0.1, 0.0); 3]), (0, "quality"));
    }

    #[test]
    fn names_what_is_wrong() {
        let check = |json: &str, expected: &[&str]| {
            let policy: UtilityPolicy = serde_json::from_str(json).unwrap();
            let fields: Vec<_> = policy.faults(&[]).into_iter().map(|(field, _)| field).collect();
            assert_eq!(fields, expected, "{json}");
        };
        check("{}", &["targets"]);
        check(r#"{"targets":{"quality":0.9}}"#, &[]);
        check(r#"{"targets":{"quality":97}}"#, &["targets.quality"]);
        check(r#"{"targets":{"spend":{"amount":-1,"per":"day"}}}"#, &["targets.spend.amount"]);
        check(r#"{"targets":{"first_token_p95":"0s"}}"#, &["targets.first_token_p95"]);
        check(r#"{"weights":{"cost":-1,"latency":-1}}"#, &["weights.cost", "weights.latency"]);
        assert!(
            serde_json::from_str::<UtilityPolicy>(r#"{"targets":{"spend":{"amount":1,"per":"week"}}}"#)
                .is_err()
        );
    }
}
