//! Labelled prompts → the shipped scorer.

use router_policies::numbers::ln;
use router_policies::ridge::{Linear, Row, fit};
use router_policies::scorers::Shipped;
use router_policies::scorers::lens::{Lens, Sight};
use router_policies::scorers::packed::Packed;
use router_policies::scorers::shipped::{Expert, Scale, Seen};
use router_policies::squares::{least_squares, logistic_curve};

use crate::corpus::Example;
use crate::sources::Kind;
use crate::targets::{HEADS, targets};

/// The penalty of the experts' fits. From 3 to 30 the areas differ by less than 0.01.
const PENALTY: f64 = 10.0;
/// The penalty of the gate's fit, which has far more signal.
const GATE_PENALTY: f64 = 1.0;
/// Folds in which an expert's heads are foretold to find their scale.
const FOLDS: u64 = 5;
/// The share of a prompt's grams that must be known for it to count as a stranger's no longer, and as familiar.
const COVER: [f32; 2] = [0.45, 0.75];

/// Fits the scorer on these prompts.
pub(crate) fn shipped(examples: &[&Example], data: Vec<String>) -> Shipped {
    let lens = Lens::fit(examples.iter().map(|example| &example.features));
    let sights: Vec<Sight> = examples.iter().map(|example| lens.see(&example.features)).collect();
    let seen =
        Seen::of(examples.iter().filter(|example| example.kind.is_some()).map(|example| &example.features));
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| examples.iter().any(|example| example.kind == Some(*kind)))
        .collect();
    let gate = gate(examples, &sights, &kinds);
    let experts = kinds.iter().map(|&kind| expert(kind, examples, &sights)).collect();
    Shipped { data, lens, seen, gate, experts, cover: COVER }
}

/// Tells the kinds apart, and strangers from all of them; each kind weighs as the root of its rows.
fn gate(examples: &[&Example], sights: &[Sight], kinds: &[Kind]) -> Packed {
    const MOST: usize = Kind::ALL.len() + 1;
    let place = |example: &Example| match example.kind {
        Some(kind) => kinds.iter().position(|other| *other == kind),
        None => example.stranger.then_some(kinds.len()),
    };
    let mut counts = [0u32; MOST];
    examples.iter().filter_map(|example| place(example)).for_each(|at| counts[at] += 1);
    let rows: Vec<Row<'_, MOST>> = examples
        .iter()
        .zip(sights)
        .filter_map(|(example, sight)| {
            let at = place(example)?;
            let mut targets = [0.0; MOST];
            targets[at] = 1.0;
            Some(Row { sight, targets, weight: (1000.0 / f64::from(counts[at])).sqrt() })
        })
        .collect();
    let linears = fit(&rows, GATE_PENALTY);
    Packed::new(&linears[..=kinds.len()])
}

fn expert(kind: Kind, examples: &[&Example], sights: &[Sight]) -> Expert {
    let (rows, stems) = rows(kind, examples, sights);
    let means: [f64; HEADS] = std::array::from_fn(|head| mean(rows.iter().map(|row| row.targets[head])));
    let centred: Vec<Row<'_, HEADS>> = rows
        .iter()
        .map(|row| Row { targets: std::array::from_fn(|head| row.targets[head] - means[head]), ..*row })
        .collect();
    let foretold = foretell(&centred, &stems);
    let linears = fit(&centred, PENALTY);
    Expert { name: kind.name().to_owned(), heads: Packed::new(&linears), scale: scale(&rows, &foretold) }
}

/// Each row's heads as foretold by fits that did not see its stem.
fn foretell(rows: &[Row<'_, HEADS>], stems: &[u64]) -> Vec<[f64; HEADS]> {
    let mut foretold = vec![[0.0; HEADS]; rows.len()];
    for fold in 0..FOLDS {
        let inside = |at: usize| stems[at] % FOLDS == fold;
        let others: Vec<_> = (0..rows.len()).filter(|&at| !inside(at)).map(|at| rows[at]).collect();
        let linears: [Linear; HEADS] = fit(&others, PENALTY);
        for at in (0..rows.len()).filter(|&at| inside(at)) {
            foretold[at] = std::array::from_fn(|head| linears[head].value(rows[at].sight));
        }
    }
    foretold
}

/// Heads to probabilities, as they would have been right on prompts not seen.
fn scale(rows: &[Row<'_, HEADS>], foretold: &[[f64; HEADS]]) -> Scale {
    let level: Vec<_> =
        rows.iter().zip(foretold).map(|(row, heads)| ([1.0, heads[0]], row.targets[0])).collect();
    let middle = mean(rows.iter().map(|row| row.targets[0])).clamp(0.02, 0.98);
    let level = logistic_curve(&level, [ln(middle / (1.0 - middle)), 4.0], 0.1);
    let gains = std::array::from_fn(|at| {
        let pairs = rows.iter().zip(foretold);
        let pairs = pairs.map(|(row, heads)| ([1.0, heads[at + 1], heads[0]], row.targets[at + 1]));
        let [base, own, leaning] = least_squares(pairs, 0.01);
        // A slope that runs against its head is chance.
        [base, own.max(0.0), leaning].map(|number| number as f32)
    });
    Scale { level: level.map(|number| number as f32), gains }
}

/// The kind's rows, levels of all sources moved to those of the reference source.
fn rows<'a>(kind: Kind, examples: &[&Example], sights: &'a [Sight]) -> (Vec<Row<'a, HEADS>>, Vec<u64>) {
    let of_kind = examples.iter().zip(sights).filter(|(example, _)| example.kind == Some(kind));
    let labelled: Vec<_> =
        of_kind.filter_map(|(example, sight)| Some((*example, sight, targets(example)?))).collect();
    let mean_of = |source, head: usize| {
        let values = labelled.iter().filter(|(example, ..)| example.source == source);
        mean(values.map(|(.., targets)| targets[head]))
    };
    let mut rows = Vec::new();
    for (example, sight, targets) in &labelled {
        let moved = std::array::from_fn(|head| {
            let reference = mean_of_or(mean_of(kind.reference(), head), mean_of(example.source, head));
            targets[head] - mean_of(example.source, head) + reference
        });
        rows.push(Row { sight, targets: moved, weight: 1.0 });
    }
    let stems = labelled.iter().map(|(example, ..)| example.stem).collect();
    (rows, stems)
}

fn mean_of_or(one: f64, other: f64) -> f64 {
    if one.is_nan() { other } else { one }
}

/// NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
