//! Labelled prompts → the shipped scorer.

use router_policies::numbers::ln;
use router_policies::ridge::{LinearHead, RidgeRow, fit};
use router_policies::scorers::DefaultScorer;
use router_policies::scorers::default_scorer::{Expert, ProbabilityScale, SeenGrams};
use router_policies::scorers::hold_out_index::HoldOutIndex;
use router_policies::scorers::stacked_heads::StackedHeads;
use router_policies::scoring::feature_transform::{FeatureTransform, FeatureVector, Standardizer};
use router_policies::squares::{least_squares, logistic_curve};

use crate::corpus::TrainingExample;
use crate::sources::SourceKind;
use crate::targets::{HEADS, pair, targets};

/// The penalty of the experts' fits. From 3 to 30 the areas differ by less than 0.01.
const PENALTY: f64 = 10.0;
/// The penalty of the gate's fit, which has far more signal.
const GATE_PENALTY: f64 = 1.0;
/// Folds in which an expert's heads are foretold to find their scale.
const FOLDS: u64 = 5;
/// A prompt is of a kind when it holds as many grams seen in training as all but a twentieth of the kind's own, and
/// a stranger when it holds less than this part of that.
const STRANGE: f32 = 0.7;

/// Fits the scorer on these prompts.
pub(crate) fn shipped(examples: &[&TrainingExample], data: Vec<String>) -> DefaultScorer {
    let lens = FeatureTransform::fit(examples.iter().map(|example| &example.features));
    let gauge = Standardizer::fit(examples.iter().map(|example| &example.features));
    let sights: Vec<FeatureVector> =
        examples.iter().map(|example| lens.see(&example.features, &gauge)).collect();
    let seen = SeenGrams::of(
        examples.iter().filter(|example| example.kind.is_some()).map(|example| &example.features),
    );
    let kinds: Vec<SourceKind> = SourceKind::ALL
        .into_iter()
        .filter(|kind| examples.iter().any(|example| example.kind == Some(*kind)))
        .collect();
    let gate = gate(examples, &sights, &kinds);
    let mut memory = HoldOutIndex::default();
    let experts = kinds.iter().map(|&kind| expert(kind, examples, &lens, &seen, &mut memory)).collect();
    memory.settle();
    DefaultScorer { data, lens, gauge, seen, gate, experts, memory }
}

/// Tells the kinds apart, and strangers from all of them; each kind weighs as the root of its rows.
fn gate(examples: &[&TrainingExample], sights: &[FeatureVector], kinds: &[SourceKind]) -> StackedHeads {
    const MOST: usize = SourceKind::ALL.len() + 1;
    let place = |example: &TrainingExample| match example.kind {
        Some(kind) => kinds.iter().position(|other| *other == kind),
        None => example.stranger.then_some(kinds.len()),
    };
    let mut counts = [0u32; MOST];
    examples.iter().filter_map(|example| place(example)).for_each(|at| counts[at] += 1);
    let rows: Vec<RidgeRow<'_, MOST>> = examples
        .iter()
        .zip(sights)
        .filter_map(|(example, sight)| {
            let at = place(example)?;
            let mut targets = [0.0; MOST];
            targets[at] = 1.0;
            Some(RidgeRow { sight, targets, weight: (1000.0 / f64::from(counts[at])).sqrt() })
        })
        .collect();
    let linears = fit(&rows, GATE_PENALTY);
    StackedHeads::new(&linears[..=kinds.len()])
}

fn expert(
    kind: SourceKind,
    examples: &[&TrainingExample],
    lens: &FeatureTransform,
    seen: &SeenGrams,
    memory: &mut HoldOutIndex,
) -> Expert {
    let examples: Vec<&TrainingExample> =
        examples.iter().filter(|example| example.kind == Some(kind)).copied().collect();
    let gauge = Standardizer::fit(examples.iter().map(|example| &example.features));
    let sights: Vec<FeatureVector> =
        examples.iter().map(|example| lens.see(&example.features, &gauge)).collect();
    let (rows, stems, keys) = rows(kind, &examples, &sights);
    let means: [f64; HEADS] = std::array::from_fn(|head| mean(rows.iter().map(|row| row.targets[head])));
    let centred: Vec<RidgeRow<'_, HEADS>> = rows
        .iter()
        .map(|row| RidgeRow { targets: std::array::from_fn(|head| row.targets[head] - means[head]), ..*row })
        .collect();
    let foretold = foretell(&centred, &stems);
    keys.iter().zip(&foretold).for_each(|(key, heads)| memory.add(*key, *heads));
    let linears = fit(&centred, PENALTY);
    let mut shares: Vec<f64> = examples.iter().map(|example| seen.share(&example.features.grams)).collect();
    shares.sort_by(f64::total_cmp);
    let usual = shares.get(shares.len() / 20).map_or(1.0, |&share| share as f32);
    let scale = scale(&rows, &foretold);
    let heads = StackedHeads::new(&linears);
    Expert { name: kind.name().to_owned(), heads, gauge, scale, cover: [usual * STRANGE, usual] }
}

/// Each row's heads as foretold by fits that did not see its stem.
fn foretell(rows: &[RidgeRow<'_, HEADS>], stems: &[u64]) -> Vec<[f64; HEADS]> {
    let mut foretold = vec![[0.0; HEADS]; rows.len()];
    for fold in 0..FOLDS {
        let inside = |at: usize| stems[at] % FOLDS == fold;
        let others: Vec<_> = (0..rows.len()).filter(|&at| !inside(at)).map(|at| rows[at]).collect();
        let linears: [LinearHead; HEADS] = fit(&others, PENALTY);
        for at in (0..rows.len()).filter(|&at| inside(at)) {
            foretold[at] = std::array::from_fn(|head| linears[head].value(rows[at].sight));
        }
    }
    foretold
}

/// Heads to probabilities, as they would have been right on prompts not seen.
fn scale(rows: &[RidgeRow<'_, HEADS>], foretold: &[[f64; HEADS]]) -> ProbabilityScale {
    let level: Vec<_> =
        rows.iter().zip(foretold).map(|(row, heads)| ([1.0, heads[0]], row.targets[0])).collect();
    let middle = mean(rows.iter().map(|row| row.targets[0])).clamp(0.02, 0.98);
    let level = logistic_curve(&level, [ln(middle / (1.0 - middle)), 4.0], 0.1);
    let gains = std::array::from_fn(|at| {
        let pairs = rows.iter().zip(foretold);
        let pairs = pairs.map(|(row, heads)| ([1.0, heads[at + 1], heads[0]], row.targets[at + 1]));
        let [base, own, leaning] = least_squares(pairs, [0.0, 1.0, 0.0], [0.01, 1.0, 2.0]);
        // A slope that runs against its head is chance.
        [base, own.max(0.0), leaning].map(|number| number as f32)
    });
    ProbabilityScale { level: level.map(|number| number as f32), gains }
}

/// The kind's rows, levels of all sources moved to those of the reference source.
fn rows<'a>(
    kind: SourceKind,
    examples: &[&TrainingExample],
    sights: &'a [FeatureVector],
) -> TrainingRows<'a> {
    let labelled: Vec<_> = examples
        .iter()
        .zip(sights)
        .filter_map(|(example, sight)| Some((*example, sight, targets(example)?)))
        .collect();
    let mean_of = |source, head: usize| {
        let values = labelled.iter().filter(|(example, ..)| example.source == source);
        mean(values.map(|(.., targets)| targets[head]))
    };
    let has = |source| labelled.iter().any(|(example, ..)| example.source == source);
    let reference = if has(kind.reference()) { kind.reference() } else { labelled[0].0.source };
    // Models of a class that a source lacks for some of its prompts shift the class's mean: the levels are those of
    // the pair, which is there for all.
    let pairs =
        || labelled.iter().filter(|(example, ..)| example.source == reference).filter_map(|(e, ..)| pair(e));
    let small = mean(pairs().map(|(small, _)| small));
    let gain = mean(pairs().map(|(small, large)| large - small));
    let shift = gain - mean_of(reference, 3);
    let levels = [small, mean_of(reference, 1), mean_of(reference, 2) + shift, gain];
    let mut rows = Vec::new();
    for (example, sight, targets) in &labelled {
        let moved = std::array::from_fn(|head| targets[head] - mean_of(example.source, head) + levels[head]);
        rows.push(RidgeRow { sight, targets: moved, weight: 1.0 });
    }
    let stems = labelled.iter().map(|(example, ..)| example.stem).collect();
    let keys = labelled.iter().map(|(example, ..)| HoldOutIndex::key(&example.features)).collect();
    (rows, stems, keys)
}

/// Rows with their stems, and their keys in the scorer's memory.
type TrainingRows<'a> = (Vec<RidgeRow<'a, HEADS>>, Vec<u64>, Vec<u32>);

/// NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
