//! How much of the level should be the prior's: calibration error and likelihood on prompts not seen.

use router_policies::ModelClass;
use router_policies::evaluate::calibration_error;
use router_policies::numbers::ln;
use router_policies::scorers::DefaultScorer;
use router_policies::scorers::default_scorer::{ExpertForecast, SHARE_OF_PRIOR};
use router_policies::scorers::prior::expect;

use crate::corpus::TrainingExample;
use crate::report::{EvaluationSet, FOLDS, SETS, cold_scorer, fold, part_scorer};
use crate::targets::pair;
use crate::terminal::say;

/// Shares that are tried.
const SHARES: [f64; 8] = [0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.7];
/// No chance is taken for surer than this, so that one surprise does not outweigh all else.
const SUREST: f64 = 0.01;

/// For each share: the chance that the small model suffices, and whether it did.
type PredictedLevels = [Vec<(f64, f64)>; SHARES.len()];

/// Measures and prints a table.
pub(crate) fn level(examples: &[TrainingExample]) {
    say(&format!("| set | figure | {} |", SHARES.map(|share| format!("{share}")).join(" | ")));
    let mut shipped: [PredictedLevels; SETS.len()] = Default::default();
    for part in 0..FOLDS {
        let scorer = part_scorer(examples, part);
        for (set, foretold) in SETS.iter().zip(&mut shipped) {
            foretell(&scorer, of(examples, set).filter(|example| fold(example) == part), foretold);
        }
    }
    for (set, foretold) in SETS.iter().zip(&shipped) {
        lines(&format!("{} | shipped", set.name), foretold);
    }
    for set in &SETS {
        let mut foretold = PredictedLevels::default();
        foretell(&cold_scorer(examples, set), of(examples, set), &mut foretold);
        lines(&format!("{} | cold", set.name), &foretold);
    }
}

fn of<'a>(examples: &'a [TrainingExample], set: &EvaluationSet) -> impl Iterator<Item = &'a TrainingExample> {
    let holds = set.holds;
    examples.iter().filter(move |example| holds(example))
}

fn foretell<'a>(
    scorer: &DefaultScorer,
    held: impl Iterator<Item = &'a TrainingExample>,
    foretold: &mut PredictedLevels,
) {
    for example in held {
        let Some((small, _)) = pair(example) else { continue };
        let (outlook, prior) = (scorer.view(&example.features).outlook, expect(&example.features));
        let used = prior.share(SHARE_OF_PRIOR);
        let without = (outlook.small - used * prior.small) / (1.0 - used);
        for (pairs, least) in foretold.iter_mut().zip(SHARES) {
            let share = prior.share(least);
            let mixed = ExpertForecast { small: without + share * (prior.small - without), ..outlook };
            pairs.push((mixed.of(ModelClass::Small).value(), small));
        }
    }
}

fn lines(name: &str, foretold: &PredictedLevels) {
    let cells = |figure: fn(&[(f64, f64)]) -> f64| {
        foretold.iter().map(|pairs| format!("{:.3}", figure(pairs))).collect::<Vec<_>>().join(" | ")
    };
    say(&format!("| {name} | error | {} |", cells(calibration_error)));
    say(&format!("| {name} | loss | {} |", cells(loss)));
}

/// The mean negative logarithm of the likelihood.
fn loss(pairs: &[(f64, f64)]) -> f64 {
    let of = |&(chance, outcome): &(f64, f64)| {
        let chance = chance.clamp(SUREST, 1.0 - SUREST);
        -outcome * ln(chance) - (1.0 - outcome) * ln(1.0 - chance)
    };
    pairs.iter().map(of).sum::<f64>() / pairs.len().max(1) as f64
}
