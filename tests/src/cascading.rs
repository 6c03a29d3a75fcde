//! What it would have cost, and how good the answers would have been, had a policy chosen between a small model whose
//! answers are known and a large one whose worth is known or assumed.

use std::collections::BTreeMap;

use router_policies::guard::chance::{ChanceModel, ChancePosterior};
use router_policies::guard::evidence::TokenEvidence;
use router_policies::guard::fit::{JudgedAnswer, SecondAnswer, fit};
use router_policies::guard::{AnswerPrior, ChanceSignals};
use router_policies::scoring::random::SplitMix64;

/// How much dearer a token of an answer is than one of a prompt.
const ANSWER: f64 = 4.0;
/// Parts that questions are dealt into: each is judged by what the others teach.
const PARTS: usize = 5;
/// Tokens before which the guard says nothing; as in the gateway.
const EARLIEST: u32 = 8;
/// Tokens that are held by default.
const HELD: u32 = 24;

/// Who chooses, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// By the prompt alone, before anybody answers: what the large model would add, by the shipped scorer.
    Query,
    /// The small model begins; its first tokens are judged.
    Beginning,
    /// The small model begins; its answer is judged when it is whole.
    Whole,
    /// The same, but it is let go as soon as there is no doubt that it will not do.
    Sequential,
    /// The same, but where the prompt makes it half as likely as the threshold that its answer will do, it is not asked.
    Both,
    /// The small model answers twice; the first answer is kept where the second does not come to something else, and it is
    /// probable enough.
    Agreed,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Query, Self::Beginning, Self::Whole, Self::Sequential, Self::Both, Self::Agreed];

    /// What it is called in a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "by the prompt alone",
            Self::Beginning => "cascade, first 24 tokens",
            Self::Whole => "cascade, whole answer",
            Self::Sequential => "cascade, until beyond doubt",
            Self::Both => "prompt and cascade",
            Self::Agreed => "whole answer, and one more agrees",
        }
    }
}

/// A question under trial.
#[derive(Debug, Clone)]
pub struct Case {
    /// Whose answer it is.
    pub model: String,
    /// Its kind.
    pub kind: String,
    /// Whether the small model's answer is right, and how good the large one's is.
    pub small: f64,
    /// The same of the large model.
    pub large: f64,
    gain: f64,
    /// Before a token was seen.
    prior: ChancePosterior,
    /// After so many tokens; the last is the end.
    readings: Vec<(u32, ChancePosterior)>,
    prompt: f64,
    tokens: u32,
    again: Option<SecondAnswer>,
}

impl Case {
    /// A question as its row has it, read by coefficients that were fitted on others.
    fn of(row: &JudgedAnswer, form: &ChanceModel) -> Self {
        let prior = row.prior(form);
        let last = row.seen.len() - 1;
        let read = |evidence: &TokenEvidence, prior: &AnswerPrior, ended| {
            form.read(evidence, prior, ended, ChanceSignals::default())
        };
        let readings = row.evidence().enumerate();
        Self {
            model: row.model.clone(),
            kind: row.kind.clone(),
            small: f64::from(u8::from(row.right == Some(true))),
            large: row.large,
            gain: row.foreseen[1] - row.foreseen[0],
            prior: read(&TokenEvidence::default(), &prior, false),
            readings: readings.map(|(at, it)| (it.tokens, read(&it, &prior, at == last))).collect(),
            prompt: f64::from(row.prompt),
            tokens: row.tokens(),
            again: row.again,
        }
    }

    /// The chance of the whole answer.
    pub fn chance(&self) -> f64 {
        self.readings.last().map_or(0.0, |(_, end)| end.chance.value())
    }

    /// What its first answer is kept by, the higher the better, where no call is charged.
    pub fn score(&self, way: Way) -> f64 {
        match way {
            Way::Query => -self.gain,
            Way::Agreed if self.is_denied() => self.chance() - 1.0,
            _ => self.chance(),
        }
    }

    /// Whether a second answer was asked for and comes to something else.
    fn is_denied(&self) -> bool {
        self.again.is_some_and(|again| again.agrees == Some(false))
    }

    /// What the small model's answer costs, of which so many tokens were written; the large model's prices are `ratio`
    /// times as high.
    fn small_cost(&self, tokens: u32, ratio: f64) -> f64 {
        (self.prompt + ANSWER * f64::from(tokens)) / ratio
    }

    /// What the large model's answer costs: it is taken to be as long as the small one's.
    fn large_cost(&self) -> f64 {
        self.prompt + ANSWER * f64::from(self.tokens)
    }

    /// The score that a way goes by, where it has one for the whole of the question.
    fn scores(&self, way: Way) -> Vec<f64> {
        match way {
            Way::Query => vec![1.0 - self.gain],
            Way::Beginning => self.first(HELD).map(|(_, it)| it.chance.value()).into_iter().collect(),
            Way::Whole => vec![self.chance()],
            Way::Agreed => vec![if self.is_denied() { 0.0 } else { self.chance() }],
            Way::Sequential => self.readings.iter().map(|(_, it)| it.high.value()).collect(),
            Way::Both => self
                .readings
                .iter()
                .map(|(_, it)| it)
                .map(|it| it.high.value())
                .chain([2.0 * self.prior.chance.value()])
                .collect(),
        }
    }

    /// The last reading within so many tokens.
    fn first(&self, tokens: u32) -> Option<&(u32, ChancePosterior)> {
        self.readings.iter().rev().find(|(seen, _)| *seen <= tokens).or(self.readings.first())
    }

    /// Cost and quality where what scores less than the threshold goes to the large model.
    fn outcome(&self, way: Way, threshold: f64, ratio: f64) -> (f64, f64) {
        let kept = (self.small_cost(self.tokens, ratio), self.small);
        let direct = (self.large_cost(), self.large);
        let after = |tokens: u32| (self.small_cost(tokens, ratio) + direct.0, self.large);
        let twice = self.again.map_or(0.0, |again| self.small_cost(again.tokens, ratio));
        match way {
            Way::Query if 1.0 - self.gain < threshold => direct,
            Way::Query => kept,
            Way::Beginning => match self.first(HELD) {
                Some((tokens, it)) if it.chance.value() < threshold => after(*tokens),
                _ => kept,
            },
            Way::Whole if self.chance() < threshold => after(self.tokens),
            Way::Whole => kept,
            Way::Agreed if self.is_denied() || self.chance() < threshold => {
                let (cost, quality) = after(self.tokens);
                (cost + twice, quality)
            }
            Way::Agreed => (kept.0 + twice, kept.1),
            Way::Both if 2.0 * self.prior.chance.value() < threshold => direct,
            Way::Sequential | Way::Both => {
                let last = self.readings.len() - 1;
                let judged = self.readings.iter().enumerate();
                let mut judged = judged.filter(|(at, (tokens, _))| *at == last || *tokens >= EARLIEST);
                let doubted = judged.find(|(_, (_, it))| it.high.value() < threshold);
                doubted.map_or(kept, |(_, (tokens, _))| after(*tokens))
            }
        }
    }
}

/// Questions whose answers can be right, each read by what other questions teach: dealt into five parts (`parts`), or,
/// where kinds are left out, by the other kinds.
pub fn cases(rows: &[JudgedAnswer], by_kind: bool) -> Vec<Case> {
    let mut at_of_kind: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts: BTreeMap<String, (Vec<&JudgedAnswer>, Vec<JudgedAnswer>)> = BTreeMap::new();
    let names: Vec<String> = rows
        .iter()
        .map(|row| {
            let at = at_of_kind.entry(&row.kind).or_default();
            *at += 1;
            if by_kind { row.kind.clone() } else { (*at % PARTS).to_string() }
        })
        .collect();
    for (name, row) in names.iter().zip(rows) {
        parts.entry(name.clone()).or_default().0.push(row);
    }
    for (part, (_, others)) in &mut parts {
        others.extend(names.iter().zip(rows).filter(|(name, _)| *name != part).map(|(_, row)| row.clone()));
    }
    let read = |(held, others): &(Vec<&JudgedAnswer>, Vec<JudgedAnswer>)| {
        let form = fit(others);
        held.iter().filter(|row| row.right.is_some()).map(|row| Case::of(row, &form)).collect::<Vec<_>>()
    };
    parts.values().flat_map(read).collect()
}

/// A point of a curve: shares of the way from all small to all large, in cost and in quality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// 0: what the small model alone costs; 1: the large one alone.
    pub cost: f64,
    /// 0: as good as the small model alone; 1: as the large one.
    pub recovered: f64,
}

/// Quality by cost, as the threshold rises. `None` where the large model is no better, or second answers are missing.
pub fn curve(cases: &[Case], way: Way, ratio: f64) -> Option<Vec<Point>> {
    let sum = |of: &dyn Fn(&Case) -> f64| cases.iter().map(of).sum::<f64>();
    let (small, large) = (sum(&|it| it.small), sum(&|it| it.large));
    let (least, most) = (sum(&|it| it.small_cost(it.tokens, ratio)), sum(&Case::large_cost));
    let second = way == Way::Agreed;
    if large - small < 1e-9 || (second && cases.iter().any(|case| case.again.is_none())) {
        return None;
    }
    let mut thresholds: Vec<f64> = cases.iter().flat_map(|case| case.scores(way)).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds.push(f64::INFINITY);
    let point = |threshold: f64| {
        let outcomes = cases.iter().map(|case| case.outcome(way, threshold, ratio));
        let (cost, quality) = outcomes.fold((0.0, 0.0), |(cost, good), it| (cost + it.0, good + it.1));
        Point { cost: (cost - least) / (most - least), recovered: (quality - small) / (large - small) }
    };
    let mut points: Vec<Point> = thresholds.into_iter().map(point).collect();
    // Whoever asks nobody twice has the small model's answers.
    points.extend(second.then_some(Point { cost: 0.0, recovered: 0.0 }));
    points.sort_by(|one, other| one.cost.total_cmp(&other.cost));
    Some(points)
}

/// What is recovered at a cost, by straight lines between the points. Whoever pays for the large model alone has its answers.
pub fn at(points: &[Point], cost: f64) -> f64 {
    let above = points.iter().position(|point| point.cost >= cost);
    let (before, after) = match above {
        Some(0) => return points[0].recovered,
        Some(above) => (points[above - 1], points[above]),
        None => (
            points.last().copied().unwrap_or(Point { cost: 0.0, recovered: 0.0 }),
            Point { cost: 1.0, recovered: 1.0 },
        ),
    };
    let span = (after.cost - before.cost).max(1e-12);
    before.recovered + (after.recovered - before.recovered) * ((cost - before.cost) / span).clamp(0.0, 1.0)
}

/// The area under a curve, from the cost of the small model to that of the large one: 0.5 is choosing by chance.
pub fn apgr(points: &[Point]) -> f64 {
    const STEPS: i32 = 200;
    let step = |at_step: i32| at(points, f64::from(at_step) / f64::from(STEPS));
    (0..STEPS).map(|it| (step(it) + step(it + 1)) / 2.0).sum::<f64>() / f64::from(STEPS)
}

/// The area, and its 95 % interval by bootstrap.
pub fn apgr_with_interval(cases: &[Case], way: Way, ratio: f64) -> Option<(f64, f64, f64)> {
    const SAMPLES: usize = 200;
    let area = apgr(&curve(cases, way, ratio)?);
    let mut draws = SplitMix64(7);
    let mut areas: Vec<f64> = (0..SAMPLES)
        .filter_map(|_| {
            let sample: Vec<Case> =
                (0..cases.len()).map(|_| cases[draws.below(cases.len())].clone()).collect();
            Some(apgr(&curve(&sample, way, ratio)?))
        })
        .collect();
    areas.sort_by(f64::total_cmp);
    let quantile = |share: f64| areas.get((share * areas.len() as f64) as usize).copied().unwrap_or(f64::NAN);
    Some((area, quantile(0.025), quantile(0.975)))
}

/// What a threshold comes to: share kept, share of those that are right, quality of all, and cost by that of the large model
/// alone.
pub fn at_threshold(cases: &[Case], way: Way, threshold: f64, ratio: f64) -> [f64; 4] {
    let outcomes: Vec<(f64, f64)> = cases.iter().map(|case| case.outcome(way, threshold, ratio)).collect();
    let kept: Vec<&Case> = cases
        .iter()
        .zip(&outcomes)
        .filter(|(case, outcome)| outcome.0 < case.large_cost())
        .map(|(case, _)| case)
        .collect();
    let count = cases.len().max(1) as f64;
    let right = kept.iter().map(|case| case.small).sum::<f64>() / kept.len().max(1) as f64;
    let (cost, quality) = outcomes.iter().fold((0.0, 0.0), |(cost, good), it| (cost + it.0, good + it.1));
    let most: f64 = cases.iter().map(Case::large_cost).sum();
    [kept.len() as f64 / count, right, quality / count, cost / most]
}

#[cfg(test)]
mod tests {
    use router_policies::guard::length::TELLING;

    use super::*;

    /// Ten questions; the small model is right about five, and its tokens say which.
    fn rows() -> Vec<JudgedAnswer> {
        let row = |at: usize| {
            let right = at.is_multiple_of(2);
            let mean = if right { -0.05 } else { -1.5 };
            let mut numbers = [0.0; TELLING.len() + 1];
            numbers[0] = 1.0;
            JudgedAnswer {
                model: String::new(),
                kind: "k".to_owned(),
                id: at.to_string(),
                right: Some(right),
                large: 1.0,
                foreseen: [0.5, 0.9],
                numbers,
                prompt: 20,
                seen: vec![(8, mean, mean, 3.0), (20, mean, mean, 3.0)],
                entropy: 0.5,
                again: Some(SecondAnswer { agrees: Some(right), tokens: 20 }),
            }
        };
        (0..40).map(row).collect()
    }

    #[test]
    fn knowledge_is_worth_its_price() {
        let cases = cases(&rows(), false);
        assert_eq!(cases.len(), 40);
        let area = |way, ratio| apgr(&curve(&cases, way, ratio).unwrap());
        assert!((area(Way::Query, 10.0) - 0.5).abs() < 0.01, "every prompt looks the same");
        // All that is lost is recovered at half of the cost, and the price of looking.
        assert!(area(Way::Whole, 1000.0) > 0.74, "{}", area(Way::Whole, 1000.0));
        assert!(area(Way::Whole, 4.0) < area(Way::Whole, 1000.0));
        assert!(area(Way::Sequential, 4.0) >= area(Way::Whole, 4.0));
        let [kept, right, quality, cost] = at_threshold(&cases, Way::Whole, 0.5, 10.0);
        assert_eq!((kept, right, quality), (0.5, 1.0, 1.0));
        assert!((cost - 0.6).abs() < 1e-9, "{cost}");
    }

    #[test]
    fn a_second_answer_is_paid_for() {
        let cases = cases(&rows(), false);
        let area = |way, ratio| apgr(&curve(&cases, way, ratio).unwrap());
        // Here it knows as much as the tokens do, and adds its price alone.
        assert!((area(Way::Agreed, 1000.0) - area(Way::Whole, 1000.0)).abs() < 0.01);
        assert!(area(Way::Agreed, 4.0) < area(Way::Whole, 4.0) - 0.05);
        let [kept, right, quality, cost] = at_threshold(&cases, Way::Agreed, 0.0, 10.0);
        assert_eq!((kept, right, quality), (0.5, 1.0, 1.0), "whatever is denied goes up");
        assert!((cost - 0.7).abs() < 1e-9, "{cost}");
        let unasked: Vec<Case> = cases.into_iter().map(|case| Case { again: None, ..case }).collect();
        assert!(curve(&unasked, Way::Agreed, 10.0).is_none());
    }

    #[test]
    fn curves_run_from_all_small_to_all_large() {
        let cases = cases(&rows(), false);
        for way in Way::ALL {
            let points = curve(&cases, way, 10.0).unwrap();
            assert!(points[0].cost.abs() < 1e-9 && points[0].recovered.abs() < 1e-9, "{way:?}");
            let last = points.last().unwrap();
            assert!(last.cost >= 1.0 - 1e-9 && (last.recovered - 1.0).abs() < 1e-9, "{way:?}: {last:?}");
        }
        assert!((apgr(&[Point { cost: 0.0, recovered: 0.0 }]) - 0.5).abs() < 1e-6);
    }
}
