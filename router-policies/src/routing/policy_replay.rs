//! Recorded requests and another policy → what it would have decided, and what that would have cost.

use jiff::Timestamp;

use crate::judging::guard::RejectReason;
use crate::money::{Money, Tariff, Usage};
use crate::routing::decision::{Decision, Plan};
use crate::routing::draw::RequestDraw;
use crate::routing::policies::Policy;
use crate::routing::query::{Query, RequestFacts};
use crate::routing::recent::RecentGains;
use crate::routing::rung_state::RungState;
use crate::rung::Rung;
use crate::scoring::class_predictions::{ModelClass, Probability};
use crate::scoring::features::Features;

/// A model of the ladder that a policy is tried on.
#[derive(Debug, Clone, Copy)]
pub struct ReplayRung<'a> {
    /// The model's name.
    pub model: &'a str,
    /// What the scorer knows it by.
    pub class: ModelClass,
    /// What it costs; `None`: unknown.
    pub tariff: Option<&'a Tariff>,
}

/// A request as it was recorded.
#[derive(Debug, Clone, Copy)]
pub struct RecordedRequest<'a> {
    /// When it was answered, for the price of that day.
    pub time: Timestamp,
    /// The prompt as numbers; words may be missing.
    pub features: &'a Features,
    /// By class, in the order of [`ModelClass::ALL`].
    pub suffices: [Probability; 4],
    /// 0..=1.
    pub familiarity: f64,
    /// Its random number.
    pub draw: RequestDraw,
    /// The tokens of the answer that was given.
    pub usage: Usage,
    /// What rules may ask of it.
    pub facts: RequestFacts<'a>,
    /// What a guard found; `None` where none judged an answer to it.
    pub judged: Option<RecordedJudgement<'a>>,
}

/// What a guard found of an answer.
#[derive(Debug, Clone, Copy)]
pub struct RecordedJudgement<'a> {
    /// Whose.
    pub model: &'a str,
    /// Why it was not kept, if so.
    pub doubt: Option<RejectReason>,
    /// The chance that it would do.
    pub chance: Option<Probability>,
}

/// What is known of whether the first model's answer would have been the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerEvidence {
    /// Nobody would have judged it, or looked for another.
    Unguarded,
    /// By what a guard found of it.
    Kept,
    /// By what a guard found of it, another model's was asked for.
    Escalated,
    /// What a guard would have found, or whether the model would have kept silent, was not observed: it is taken to.
    Unknown,
}

/// What another policy would have done with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayForecast {
    /// What it would have decided.
    pub decision: Decision,
    /// The rung whose answer the client would have got.
    pub answering_rung: Rung,
    /// What that goes by.
    pub evidence: AnswerEvidence,
    /// The chance that this answer would have done.
    pub suffices: Probability,
    /// What it would have cost with as many tokens as the answer that was given, without what was not kept; `None` where
    /// that is unknown.
    pub cost: Option<Money>,
}

/// A policy under trial, with what it remembers from request to request.
#[derive(Debug)]
pub struct PolicyReplay<'a> {
    policy: &'a Policy,
    ladder: Vec<ReplayRung<'a>>,
    recent: RecentGains,
}

impl<'a> PolicyReplay<'a> {
    /// A policy over a ladder, from small to large.
    pub fn new(policy: &'a Policy, ladder: Vec<ReplayRung<'a>>) -> Self {
        Self { policy, ladder, recent: RecentGains::default() }
    }

    /// What it would have done with the next request of the recording; `None` where it finds no model.
    pub fn next(&mut self, seen: &RecordedRequest<'_>) -> Option<ReplayForecast> {
        let suffices = |step: &ReplayRung<'_>| seen.suffices[step.class as usize];
        let standings: Vec<RungState<'_>> = self
            .ladder
            .iter()
            .map(|step| RungState {
                model: step.model,
                p_success: suffices(step),
                eligible: true,
                estimate: crate::routing::rung_state::CostEstimate::default(),
            })
            .collect();
        let query = Query {
            features: seen.features,
            familiarity: seen.familiarity,
            ladder: &standings,
            draw: seen.draw,
            recent: Some(&self.recent),
            weights: None,
            facts: seen.facts,
        };
        let (gain, decision) = (query.gain(), self.policy.decide(&query)?);
        let top = decision.plan.first().0 + 1 == self.ladder.len();
        if let Some(share) = self.policy.share() {
            self.recent.record(gain, top, share);
        }
        let (answers, stands) = match decision.plan {
            Plan::Ask(rung) => (rung, AnswerEvidence::Unguarded),
            Plan::Cascade { from, to, guard } => {
                let judged = seen
                    .judged
                    .filter(|it| self.ladder.get(from.0).is_some_and(|step| step.model == it.model));
                match judged.map(|judged| guard.would_keep(judged.doubt, judged.chance)) {
                    Some(true) => (from, AnswerEvidence::Kept),
                    Some(false) => (to, AnswerEvidence::Escalated),
                    None => (from, AnswerEvidence::Unknown),
                }
            }
            Plan::Hedge { first, .. } => (first, AnswerEvidence::Unknown),
        };
        let step = self.ladder.get(answers.0)?;
        let cost =
            step.tariff.and_then(|tariff| tariff.at(seen.time)).and_then(|price| cost(price, &seen.usage));
        Some(ReplayForecast {
            decision,
            answering_rung: answers,
            evidence: stands,
            suffices: suffices(step),
            cost,
        })
    }
}

/// `None` for a price by the hour: how long a machine would have worked was not observed.
fn cost(price: &crate::money::Price, usage: &Usage) -> Option<Money> {
    match price {
        crate::money::Price::Tokens(_) => Some(price.cost(usage, std::time::Duration::ZERO)),
        crate::money::Price::Hour(Money(0)) => Some(Money::ZERO),
        crate::money::Price::Hour(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Price;

    /// A request that nothing is known against.
    fn seen(features: &Features) -> RecordedRequest<'_> {
        RecordedRequest {
            time: Timestamp::UNIX_EPOCH,
            features,
            suffices: [Probability::new(0.5); 4],
            familiarity: 1.0,
            draw: RequestDraw::default(),
            usage: Usage { output: 40, ..Usage::default() },
            facts: RequestFacts::default(),
            judged: None,
        }
    }

    #[test]
    fn another_threshold_moves_requests_and_cost() {
        let tariffs = [1, 10].map(|price| {
            let price = Money(price * 1_000_000);
            Tariff::constant(Price::tokens(price, price, price))
        });
        let ladder = || {
            let step = |at: usize, model, class| ReplayRung { model, class, tariff: Some(&tariffs[at]) };
            vec![step(0, "small", ModelClass::Tiny), step(1, "large", ModelClass::Frontier)]
        };
        let features = Features::default();
        let check = |policy: &str, at_large: usize, cost: i64| {
            let policy: Policy = serde_json::from_str(policy).unwrap();
            let mut trial = PolicyReplay::new(&policy, ladder());
            let chances = [0.1, 0.3, 0.5, 0.7, 0.9];
            let outlooks = chances.map(|suffices| {
                let seen = RecordedRequest {
                    time: Timestamp::UNIX_EPOCH,
                    features: &features,
                    suffices: [suffices, suffices, 0.95, 0.95].map(Probability::new),
                    familiarity: 1.0,
                    draw: RequestDraw::default(),
                    usage: Usage { input: 60, output: 40, ..Usage::default() },
                    facts: RequestFacts::default(),
                    judged: None,
                };
                trial.next(&seen).unwrap()
            });
            let large = outlooks.iter().filter(|outlook| outlook.answering_rung == Rung(1)).count();
            let sum: Money = outlooks.iter().map(|outlook| outlook.cost.unwrap()).sum();
            assert_eq!((large, sum), (at_large, Money(cost)), "{policy:?}");
        };
        check(r#"{"kind": "fixed", "model": "small"}"#, 0, 500);
        check(r#"{"kind": "fixed", "model": "large"}"#, 5, 5000);
        check(r#"{"kind": "threshold", "at": 0.6}"#, 2, 2300);
    }

    #[test]
    fn a_cascade_goes_by_what_a_guard_found() {
        let price = Money(1_000_000);
        let tariff = Tariff::constant(Price::tokens(price, price, price));
        let step = ReplayRung { model: "small", class: ModelClass::Tiny, tariff: Some(&tariff) };
        let features = Features::default();
        let check =
            |guard: &str, judged: Option<(&str, Option<RejectReason>, f64)>, stands: AnswerEvidence| {
                let json = format!(
                    r#"{{"kind":"cascade","policy":{{"kind":"fixed","model":"small"}},"guard":{guard}}}"#
                );
                let policy: Policy = serde_json::from_str(&json).unwrap();
                let of = |(model, doubt, chance)| RecordedJudgement {
                    model,
                    doubt,
                    chance: Some(Probability::new(chance)),
                };
                let seen = RecordedRequest { judged: judged.map(of), ..seen(&features) };
                let outlook = PolicyReplay::new(&policy, vec![step, ReplayRung { model: "large", ..step }])
                    .next(&seen)
                    .unwrap();
                assert_eq!(outlook.evidence, stands, "{guard} {judged:?}");
                assert_eq!(
                    outlook.answering_rung,
                    Rung(usize::from(stands == AnswerEvidence::Escalated)),
                    "{guard} {judged:?}"
                );
            };
        let half = r#"{"confidence":0.5}"#;
        check(half, None, AnswerEvidence::Unknown);
        check(half, Some(("another", None, 0.9)), AnswerEvidence::Unknown);
        check(half, Some(("small", None, 0.6)), AnswerEvidence::Kept);
        check(r#"{"confidence":0.7}"#, Some(("small", None, 0.6)), AnswerEvidence::Escalated);
        check(half, Some(("small", Some(RejectReason::Confidence), 0.4)), AnswerEvidence::Escalated);
        check(
            r#"{"confidence":0.3}"#,
            Some(("small", Some(RejectReason::Confidence), 0.4)),
            AnswerEvidence::Kept,
        );
        check(half, Some(("small", Some(RejectReason::Refusal), 0.9)), AnswerEvidence::Escalated);
        check(
            r#"{"refusal":false}"#,
            Some(("small", Some(RejectReason::Refusal), 0.9)),
            AnswerEvidence::Kept,
        );
    }

    #[test]
    fn what_was_not_observed_is_not_made_up() {
        let tariff = Tariff::constant(Price::Hour(Money(1_000_000_000)));
        let policy: Policy = serde_json::from_str(r#"{"kind": "fixed", "model": "small"}"#).unwrap();
        let step = ReplayRung { model: "small", class: ModelClass::Tiny, tariff: Some(&tariff) };
        let features = Features::default();
        let outlook = PolicyReplay::new(&policy, vec![step, ReplayRung { model: "large", ..step }])
            .next(&seen(&features))
            .unwrap();
        assert_eq!(outlook.cost, None);
    }
}
