//! What an expert's heads are to foretell of a prompt.

use crate::corpus::TrainingExample;
use crate::sources::{LabelSource, SourceKind};

/// The level of small models, and the gain of tiny, medium and frontier ones over them.
pub(crate) const HEADS: usize = 4;
/// Where a source has no model of a class: how much of the way from small to frontier a medium model is …
const MEDIUM: f64 = 0.6;
/// … and how much of what a small model can do a tiny one cannot.
const TINY: f64 = 0.35;

/// The pair that a source is evaluated with counts half, its classes' means the other half: one model's answer is a
/// noisy label, and a class's is an even measure of another thing.
pub(crate) fn targets(example: &TrainingExample) -> Option<[f64; HEADS]> {
    let models = example.source.models();
    let (pair_small, pair_large) = pair(example)?;
    let small = (pair_small + mean(example, models.small)?) / 2.0;
    let large = (pair_large + mean(example, models.frontier)?) / 2.0;
    // On arithmetic in words every large model is near the ceiling: what it adds is what small ones miss, and the
    // mean of many small models is the better label.
    let near_ceiling =
        example.source == LabelSource::ZeroEval && example.kind == Some(SourceKind::WordProblem);
    let frontier = if near_ceiling { 1.0 - mean(example, models.small)? } else { large - small };
    let tiny = mean(example, models.tiny).map_or(-TINY * small, |tiny| tiny - small);
    let medium =
        mean(example, models.medium).map_or(MEDIUM * frontier, |medium| (medium + pair_large) / 2.0 - small);
    Some([small, tiny, medium, frontier])
}

/// How good the two models were that the source is evaluated with.
pub(crate) fn pair(example: &TrainingExample) -> Option<(f64, f64)> {
    let (small, large) = example.source.models().pair;
    Some((*example.scores.get(small)?, *example.scores.get(large)?))
}

fn mean(example: &TrainingExample, models: &[&str]) -> Option<f64> {
    let scores: Vec<f64> = models.iter().filter_map(|model| example.scores.get(*model).copied()).collect();
    (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
}
