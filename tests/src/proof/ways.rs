//! Ways of choosing between two models, and what they come to: quality by cost, the small model's own work charged.

use router_policies::evaluate::{RecoveryCurve, ScoredPrompt};
use router_policies::scoring::random::SplitMix64;

use crate::cascading::{Point, apgr};
use crate::proof::cases::{Case, HOLDS, Pace, Side};

/// Samples of a bootstrap.
const SAMPLES: usize = 1000;

/// Who chooses, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `kind: threshold`: by the gateway's difficulty, before anybody answers.
    Difficulty,
    /// `kind: utility`: by what the large model is foreseen to add for what it costs more.
    Utility,
    /// `kind: cascade`: by the small model's answer, with a hold of [`HOLDS`].
    Cascade(usize),
    /// A cascade of the whole answer with `agree`: a second answer of the small model must come to the same.
    Agreement,
    /// By the mean gain of the question's kind, learned from other questions: nothing a gateway is told.
    Kind,
    /// By what the answers turned out to be worth.
    Oracle,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Difficulty,
        Self::Utility,
        Self::Cascade(0),
        Self::Cascade(1),
        Self::Cascade(2),
        Self::Agreement,
        Self::Kind,
        Self::Oracle,
    ];

    /// What it is called in a table.
    pub fn name(self) -> String {
        match self {
            Self::Difficulty => "`threshold`: the prompt's difficulty".to_owned(),
            Self::Utility => "`utility`: foreseen gain by cost".to_owned(),
            Self::Cascade(hold) => match HOLDS[hold] {
                Some(tokens) => format!("`cascade`, hold of {tokens} tokens"),
                None => "`cascade`, hold of the whole answer".to_owned(),
            },
            Self::Agreement => "`cascade` with `agree`: one more answer".to_owned(),
            Self::Kind => "the kind's mean gain, were it known".to_owned(),
            Self::Oracle => "oracle".to_owned(),
        }
    }
}

/// What comes of a question: kept by the small model, or sent up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Kept while this is above a threshold.
    pub score: f64,
    /// Cost and quality where it is kept.
    pub kept: (f64, f64),
    /// Cost and quality where it is sent up.
    pub sent: (f64, f64),
}

/// Questions under trial, with the pace of both models.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The questions.
    pub cases: Vec<Case>,
    /// What tokens cost the small model and the large one.
    pub paces: [Pace; 2],
}

impl Trial {
    /// With paces fitted to the cases.
    pub fn of(cases: Vec<Case>) -> Self {
        let pace = |side: fn(&Case) -> &Side| Pace::of(cases.iter().map(side));
        let paces = [pace(|case| &case.small), pace(|case| &case.large)];
        Self { cases, paces }
    }

    /// What comes of each question; `None` where a way cannot be tried.
    pub fn outcomes(&self, way: Way) -> Option<Vec<Outcome>> {
        self.cases.iter().map(|case| self.outcome(case, way)).collect()
    }

    fn outcome(&self, case: &Case, way: Way) -> Option<Outcome> {
        let (small, large) = (case.small, case.large);
        let up_front =
            |score: f64| Outcome { score, kept: (small.cost, small.right), sent: (large.cost, large.right) };
        let after = |score: f64, kept: f64, sent: f64| Outcome {
            score,
            kept: (kept, small.right),
            sent: (sent + large.cost, large.right),
        };
        Some(match way {
            Way::Difficulty => up_front(-case.foreseen.difficulty),
            Way::Utility => {
                let [suffices, would] = case.foreseen.suffices;
                up_front((suffices - would) / self.foreseen_cost(case))
            }
            Way::Kind => up_front(-case.gain_of_kind),
            Way::Oracle => {
                let gain = large.right - small.right;
                // What gains nothing goes up last, the dearest at the very end.
                up_front(if gain > 0.0 { -gain / large.cost } else { -gain * 1e6 + large.cost })
            }
            Way::Cascade(hold) => {
                let judged = case.judged[hold];
                after(judged.chance, small.cost, self.begun(case, judged.tokens))
            }
            Way::Agreement => {
                let (second, agrees) = case.second?;
                let chance = case.judged[HOLDS.len() - 1].chance;
                let both = small.cost + second;
                after(if agrees { chance } else { chance - 2.0 }, both, both)
            }
        })
    }

    /// What the large model is foreseen to cost more, for an answer as long as is foreseen.
    fn foreseen_cost(&self, case: &Case) -> f64 {
        let tokens = [case.small.tokens[0], case.foreseen_tokens];
        (self.paces[1].cost(tokens) - self.paces[0].cost(tokens)).max(1e-9)
    }

    /// What the small model has cost after so many tokens of its answer.
    fn begun(&self, case: &Case, tokens: f64) -> f64 {
        let [prompt, answer] = case.small.tokens;
        let whole = self.paces[0].cost([prompt, answer]);
        let share = self.paces[0].cost([prompt, tokens.min(answer)]) / whole.max(f64::MIN_POSITIVE);
        case.small.cost * share
    }
}

/// Mean cost and quality for every threshold, from nothing sent up to all.
pub fn sweep(outcomes: &[Outcome]) -> Vec<(f64, f64)> {
    let mut order: Vec<&Outcome> = outcomes.iter().collect();
    order.sort_by(|one, other| one.score.total_cmp(&other.score));
    let count = outcomes.len().max(1) as f64;
    let sum = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>();
    let (mut cost, mut quality) = (sum(|it| it.kept.0), sum(|it| it.kept.1));
    let mut points = vec![(cost / count, quality / count)];
    for (at, outcome) in order.iter().enumerate() {
        cost += outcome.sent.0 - outcome.kept.0;
        quality += outcome.sent.1 - outcome.kept.1;
        // Equal scores go up together.
        if order.get(at + 1).is_none_or(|next| next.score > outcome.score) {
            points.push((cost / count, quality / count));
        }
    }
    points
}

/// The means of both models alone: cost and quality.
pub fn alone(cases: &[Case]) -> [(f64, f64); 2] {
    let count = cases.len().max(1) as f64;
    let mean = |side: fn(&Case) -> Side| {
        let sum = cases.iter().map(side).fold((0.0, 0.0), |sum, it| (sum.0 + it.cost, sum.1 + it.right));
        (sum.0 / count, sum.1 / count)
    };
    [mean(|case| case.small), mean(|case| case.large)]
}

/// The curve of a way: 0 is the small model alone, 1 the large one, in cost and in quality. `None` where the large model is no
/// better or no dearer.
pub fn curve(outcomes: &[Outcome], alone: [(f64, f64); 2]) -> Option<Vec<Point>> {
    let [small, large] = alone;
    if large.1 <= small.1 || large.0 <= small.0 {
        return None;
    }
    let point = |(cost, quality): (f64, f64)| Point {
        cost: (cost - small.0) / (large.0 - small.0),
        recovered: (quality - small.1) / (large.1 - small.1),
    };
    let mut points: Vec<Point> = sweep(outcomes).into_iter().map(point).collect();
    // Whoever asks nobody a second time has the small model's answers at the small model's cost.
    if points.first().is_some_and(|first| first.cost > 1e-9) {
        points.insert(0, Point { cost: 0.0, recovered: 0.0 });
    }
    points.sort_by(|one, other| one.cost.total_cmp(&other.cost));
    Some(points)
}

/// A figure and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// The interval.
    pub within: [f64; 2],
}

/// The areas under the curves of several ways on the same questions, each with its interval, and the interval of what each has
/// more than the first. Questions are drawn by `seed`.
pub fn areas(trial: &Trial, ways: &[Way], seed: u64) -> Vec<Option<(Estimate, Estimate)>> {
    let outcomes: Vec<Option<Vec<Outcome>>> = ways.iter().map(|way| trial.outcomes(*way)).collect();
    let all: Vec<usize> = (0..trial.cases.len()).collect();
    let area = |way: &Option<Vec<Outcome>>, drawn: &[usize], alone| {
        let drawn: Vec<Outcome> =
            drawn.iter().map(|at| way.as_ref().map(|way| way[*at])).collect::<Option<_>>()?;
        curve(&drawn, alone).map(|points| apgr(&points))
    };
    let once = |drawn: &[usize]| -> Vec<Option<f64>> {
        let cases: Vec<Case> = drawn.iter().map(|at| trial.cases[*at].clone()).collect();
        let alone = alone(&cases);
        outcomes.iter().map(|way| area(way, drawn, alone)).collect()
    };
    let values = once(&all);
    let mut draws = SplitMix64(seed);
    let samples: Vec<Vec<Option<f64>>> =
        (0..SAMPLES).map(|_| once(&all.iter().map(|_| draws.below(all.len())).collect::<Vec<_>>())).collect();
    let estimate = |value: f64, of: &dyn Fn(&Vec<Option<f64>>) -> Option<f64>| Estimate {
        value,
        within: quantiles(samples.iter().filter_map(of).collect()),
    };
    (0..ways.len())
        .map(|at| {
            let more = |sample: &Vec<Option<f64>>| Some(sample[at]? - sample[0]?);
            Some((estimate(values[at]?, &|sample| sample[at]), estimate(values[at]? - values[0]?, &more)))
        })
        .collect()
}

/// The middle 95 of 100.
fn quantiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * values.len() as f64) as usize;
        values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    [at(0.025), at(0.975)]
}

/// The area by calls, the small model's free, as others report it.
pub fn apgr_by_calls(trial: &Trial, way: Way) -> Option<f64> {
    let outcomes = trial.outcomes(way)?;
    let scored: Vec<ScoredPrompt> = outcomes
        .iter()
        .zip(&trial.cases)
        .map(|(outcome, case)| ScoredPrompt {
            score: -outcome.score,
            small: case.small.right,
            large: case.large.right,
        })
        .collect();
    RecoveryCurve::of(&scored).map(|curve| curve.apgr())
}

/// Which questions a way sends up at the threshold that costs the most within a budget, a mean cost a question.
pub fn sent_within(outcomes: &[Outcome], budget: f64) -> Vec<bool> {
    let count = outcomes.len().max(1) as f64;
    let mut scores: Vec<f64> = outcomes.iter().map(|it| it.score).collect();
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    let cost = |threshold: f64| {
        outcomes.iter().map(|it| if it.score <= threshold { it.sent.0 } else { it.kept.0 }).sum::<f64>()
            / count
    };
    let threshold =
        scores.into_iter().rfind(|threshold| cost(*threshold) <= budget).unwrap_or(f64::NEG_INFINITY);
    outcomes.iter().map(|it| it.score <= threshold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::foresight::Foresight;
    use crate::proof::replay::Judged;

    /// Forty questions; the small model is right about every other, the large one about all, at four times the cost. The guard
    /// knows which; the difficulty says nothing.
    fn trial() -> Trial {
        let case = |at: usize| {
            let right = f64::from(u8::from(at.is_multiple_of(2)));
            let side = |right: f64, cost: f64| Side { right, cost, tokens: [10.0, 10.0] };
            Case {
                kind: "k".to_owned(),
                small: side(right, 1.0),
                large: side(1.0, 4.0),
                foreseen: Foresight { difficulty: 0.5, suffices: [0.5, 0.9] },
                judged: [Judged { chance: 0.1 + 0.8 * right, tokens: 10.0 }; 3],
                foreseen_tokens: 10.0,
                second: Some((1.0, right > 0.0)),
                gain_of_kind: 0.5,
            }
        };
        Trial::of((0..40).map(case).collect())
    }

    #[test]
    fn knowledge_is_worth_more_than_its_price() {
        let trial = trial();
        let found = areas(&trial, &Way::ALL, 1);
        let value = |way: Way| {
            let at = Way::ALL.iter().position(|it| *it == way).unwrap();
            found[at].unwrap().0.value
        };
        assert!((value(Way::Difficulty) - 0.5).abs() < 0.01, "all look alike: {}", value(Way::Difficulty));
        // All that is lost is back at half of the cost between both, and what the answers cost before: at 2/3.
        assert!((value(Way::Cascade(2)) - 2.0 / 3.0).abs() < 0.02, "{}", value(Way::Cascade(2)));
        assert!((value(Way::Oracle) - 0.75).abs() < 0.02, "{}", value(Way::Oracle));
        assert!(value(Way::Agreement) < value(Way::Cascade(2)));
        let [low, high] = found[4].unwrap().0.within;
        assert!(low < 2.0 / 3.0 && high > 2.0 / 3.0, "{low} {high}");
        assert_eq!(found, areas(&trial, &Way::ALL, 1), "a seed fixes what is drawn");
        assert!((apgr_by_calls(&trial, Way::Cascade(2)).unwrap() - 0.75).abs() < 0.02);
    }

    #[test]
    fn a_budget_is_spent_and_not_overrun() {
        let outcomes = trial().outcomes(Way::Cascade(2)).unwrap();
        let sent = sent_within(&outcomes, 3.5);
        assert_eq!(sent.iter().filter(|it| **it).count(), 20);
        assert_eq!(sent_within(&outcomes, 1.0).iter().filter(|it| **it).count(), 0);
    }
}
