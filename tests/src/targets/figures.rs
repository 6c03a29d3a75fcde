//! What a run comes to, phase by phase.

use super::prompts::Asked;
use super::scenarios::{Scenario, Target, Watched};
use super::traffic::{Answered, Look, Outcome, Phase, Run};

/// One phase of a run. What is realised leaves out the time that is given to settle.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The phase.
    pub phase: Phase,
    /// Requests, and how many of them got no answer; of the whole phase.
    pub requests: usize,
    /// See `requests`.
    pub lost: usize,
    /// Answers by the large model, by all.
    pub large: f64,
    /// What answers cost in an hour.
    pub spend: f64,
    /// Seconds within which 95 of 100 have their first token.
    pub p95: f64,
    /// What was foreseen for those who answered, by what was foreseen for the large model.
    pub quality: f64,
    /// How good the answers were that were looked at, those of the small model alone, and of the large model alone.
    pub labelled: Option<[f64; 3]>,
    /// The weight that the scenario watches: least, mean, most.
    pub weight: [f64; 3],
    /// How often that weight, in means of a tenth of the phase, turns round by more than a quarter of its mean.
    pub turns: usize,
    /// How far the realised value of such tenths is scattered: its standard deviation by its mean.
    pub scatter: f64,
    /// Seconds from the beginning of the phase until the weight first came within a quarter of its later mean.
    pub settled: f64,
}

impl Figures {
    /// What was realised of a target, by the target.
    pub fn realised(&self, target: Target) -> f64 {
        match target {
            Target::Spend { hourly } => self.spend / hourly,
            Target::FirstToken { seconds } => self.p95 / seconds,
            Target::Quality { share } => self.quality / share,
        }
    }
}

/// Parts of a phase that are compared with each other.
const PARTS: usize = 10;

/// The figures of each phase.
pub fn figures(scenario: &Scenario, run: &Run, prompts: &[Asked]) -> Vec<Figures> {
    let mut begins = 0.0;
    let phases = scenario.world.phases.iter().map(|phase| {
        let from = begins;
        begins += phase.seconds;
        of_phase(scenario, *phase, from, run, prompts)
    });
    phases.collect()
}

fn of_phase(scenario: &Scenario, phase: Phase, from: f64, run: &Run, prompts: &[Asked]) -> Figures {
    let ends = from + phase.seconds;
    let within = |begins: f64, ends: f64| move |outcome: &&Outcome| (begins..ends).contains(&outcome.at);
    let all: Vec<&Outcome> = run.outcomes.iter().filter(within(from, ends)).collect();
    let calm = from + scenario.settling;
    let seen = Seen::of(all.iter().copied().filter(within(calm, ends)), prompts);
    let looks: Vec<&Look> = run.looks.iter().filter(|look| (from..ends).contains(&look.at)).collect();
    let weights: Vec<(f64, f64)> =
        looks.iter().map(|look| (look.at - from, scenario.watched.weight(look))).collect();
    let calm_weights: Vec<f64> =
        weights.iter().filter(|(at, _)| *at >= scenario.settling).map(|it| it.1).collect();
    let (least, most) =
        calm_weights.iter().fold((f64::MAX, 0.0_f64), |(least, most), it| (least.min(*it), most.max(*it)));
    let part = (ends - calm) / PARTS as f64;
    let parts: Vec<Seen> = (0..PARTS)
        .map(|at| {
            let begins = calm + part * at as f64;
            Seen::of(all.iter().copied().filter(within(begins, begins + part)), prompts)
        })
        .collect();
    let values: Vec<f64> = parts.iter().map(|seen| seen.value(scenario.watched, part)).collect();
    let length = calm_weights.len().div_ceil(PARTS).max(1);
    let mean_weight = mean(&calm_weights);
    Figures {
        phase,
        requests: all.len(),
        lost: all.iter().filter(|outcome| outcome.answer.is_none()).count(),
        large: seen.large,
        spend: seen.spent * 3600.0 / (ends - calm),
        p95: seen.p95,
        quality: seen.quality,
        labelled: seen.labelled,
        weight: [least, mean_weight, most],
        turns: turns(&calm_weights.chunks(length).map(mean).collect::<Vec<_>>(), mean_weight / 4.0),
        scatter: scatter(&values),
        settled: settled(&weights, mean_weight),
    }
}

/// What some requests came to.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// As in [`Figures`].
    pub large: f64,
    /// What all of them cost.
    pub spent: f64,
    /// As in [`Figures`].
    pub p95: f64,
    /// As in [`Figures`].
    pub quality: f64,
    labelled: Option<[f64; 3]>,
}

impl Seen {
    fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>, prompts: &[Asked]) -> Self {
        let answered: Vec<(&Asked, Answered)> =
            outcomes.filter_map(|outcome| Some((&prompts[outcome.prompt], outcome.answer?))).collect();
        if answered.is_empty() {
            return Self::default();
        }
        let sum = |of: &dyn Fn(&(&Asked, Answered)) -> f64| answered.iter().map(of).sum::<f64>();
        let mut firsts: Vec<f64> = answered.iter().map(|(_, answer)| answer.first).collect();
        firsts.sort_by(f64::total_cmp);
        // Of the answers that were given, of the small model's and of the large one's.
        let three = |(prompt, answer): &(&Asked, Answered)| {
            prompt.labels.map(|[small, large]| [[small, large][answer.rung], small, large])
        };
        let labels: Vec<[f64; 3]> = answered.iter().filter_map(three).collect();
        let label = |at: usize| mean(&labels.iter().map(|it| it[at]).collect::<Vec<_>>());
        Self {
            large: sum(&|(_, answer)| answer.rung as f64) / answered.len() as f64,
            spent: sum(&|(_, answer)| answer.cost),
            p95: firsts[(0.95 * firsts.len() as f64) as usize],
            quality: sum(&|(prompt, answer)| prompt.suffices[answer.rung])
                / sum(&|(prompt, _)| prompt.suffices[1]),
            labelled: (!labels.is_empty()).then(|| [label(0), label(1), label(2)]),
        }
    }

    /// What they came to in `seconds`, of what is watched.
    pub fn value(&self, watched: Watched, seconds: f64) -> f64 {
        match watched {
            Watched::Money => self.spent / seconds,
            Watched::Time => self.p95,
            Watched::Quality => self.quality,
        }
    }
}

fn mean(numbers: &[f64]) -> f64 {
    if numbers.is_empty() { 0.0 } else { numbers.iter().sum::<f64>() / numbers.len() as f64 }
}

fn scatter(numbers: &[f64]) -> f64 {
    let mean = mean(numbers);
    let variance = numbers.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / numbers.len().max(2) as f64;
    if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
}

/// How often numbers turn round after they went `least` or more one way.
fn turns(numbers: &[f64], least: f64) -> usize {
    let Some(&first) = numbers.first().filter(|_| least > 0.0) else { return 0 };
    // The furthest since the last turn, and which way: 1 up, -1 down, 0 neither yet.
    let (mut furthest, mut way, mut turns) = (first, 0.0, 0);
    for &number in numbers {
        let on = (number - furthest) * way;
        if way == 0.0 && (number - first).abs() >= least {
            (furthest, way) = (number, (number - first).signum());
        } else if on > 0.0 {
            furthest = number;
        } else if -on >= least {
            (furthest, way, turns) = (number, -way, turns + 1);
        }
    }
    turns
}

/// When weights first lie within a quarter of `mean`.
fn settled(weights: &[(f64, f64)], mean: f64) -> f64 {
    let near = |weight: f64| (weight - mean).abs() <= mean / 4.0;
    weights.iter().find(|(_, weight)| near(*weight)).map_or(f64::NAN, |(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_those_of_some_size() {
        let check = |numbers: &[f64], expected| assert_eq!(turns(numbers, 1.0), expected, "{numbers:?}");
        check(&[], 0);
        check(&[1.0, 1.5, 1.2, 1.6], 0);
        check(&[0.0, 2.0, 4.0, 5.0], 0);
        check(&[0.0, 2.0, 0.0, 2.0], 2);
        check(&[5.0, 3.0, 2.5, 2.9, 1.0, 2.2], 1);
    }

    #[test]
    fn a_weight_has_settled_when_it_is_near() {
        assert_eq!(settled(&[(10.0, 1.0), (20.0, 7.0), (30.0, 9.0), (40.0, 2.0)], 9.0), 20.0);
        assert_eq!(settled(&[(10.0, 0.0)], 0.0), 10.0);
    }
}
