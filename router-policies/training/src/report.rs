//! What fits are worth on prompts that they did not see.

use std::collections::BTreeSet;

use router_policies::ModelClass;
use router_policies::calibrate::{Calibration, LabelledRow};
use router_policies::evaluate::{RankingFigures, ScoredPrompt, calibration_error};
use router_policies::scorers::DefaultScorer;
use router_policies::scoring::random::SplitMix64;

use crate::corpus::TrainingExample;
use crate::fit;
use crate::sources::{LabelSource, SourceKind};
use crate::targets::pair;
use crate::terminal::say;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ReportTarget {
    /// The shipped scorer, a fifth of all stems held out in turn.
    Shipped,
    /// A scorer that never saw the source.
    Cold,
    /// The shipped scorer calibrated on 50, 200 and 1,500 labels of the source, tested on a fifth of all stems.
    Adapted,
    /// The same from a scorer that never saw the source.
    ColdAdapted,
    /// What familiarity is worth: a scorer that never saw the source, trusting its experts alone, the prior alone, and
    /// each as far as the prompt is familiar.
    Familiarity,
    /// How well the chance that the small model suffices is calibrated, with more and less of it left to the prior: as
    /// shipped, a fifth of all stems held out, and by a scorer that never saw the source.
    Level,
    /// How well a topic learned from examples of one source tells its prompts from others in another.
    Topics,
    /// What one more answer could be worth on GSM8K.
    Agreement,
    /// What the answers of one model teach a guard about those of another: of the rows of `--guard`.
    Guard,
    /// How well the difficulty parts easy requests from hard ones: of the list of `--common-sense`.
    CommonSense,
    /// What foresight is worth for the models of the catalogue, each template left out: of the answers of `--cards`.
    Cards,
}

/// A set that is evaluated on its own.
pub(crate) struct EvaluationSet {
    pub(crate) name: &'static str,
    pub(crate) holds: fn(&TrainingExample) -> bool,
}

/// The sets of the tables.
pub(crate) const SETS: [EvaluationSet; 11] = [
    EvaluationSet {
        name: "mmlu",
        holds: |e| e.source == LabelSource::RouteLlm && e.kind == Some(SourceKind::Exam),
    },
    EvaluationSet {
        name: "gsm8k",
        holds: |e| e.source == LabelSource::RouteLlm && e.kind == Some(SourceKind::WordProblem),
    },
    EvaluationSet { name: "gaokao", holds: |e| e.source == LabelSource::Gaokao },
    EvaluationSet { name: "fusion", holds: |e| e.source == LabelSource::Fusion },
    EvaluationSet { name: "zeroeval", holds: |e| e.source == LabelSource::ZeroEval },
    EvaluationSet {
        name: "zeroeval gsm",
        holds: |e| e.source == LabelSource::ZeroEval && e.kind == Some(SourceKind::WordProblem),
    },
    EvaluationSet {
        name: "zeroeval math",
        holds: |e| e.source == LabelSource::ZeroEval && e.kind == Some(SourceKind::Mathematics),
    },
    EvaluationSet {
        name: "zeroeval crux",
        holds: |e| e.source == LabelSource::ZeroEval && e.kind == Some(SourceKind::CodeOutput),
    },
    EvaluationSet { name: "mmlu_pro", holds: |e| e.source == LabelSource::MmluPro },
    EvaluationSet { name: "lexeval", holds: |e| e.source == LabelSource::LexEval },
    EvaluationSet { name: "openai_gsm", holds: |e| e.source == LabelSource::OpenAiGsm },
];

/// Stems are dealt into so many parts.
pub(crate) const FOLDS: u64 = 5;

/// The part of a stem; other bits than those of the experts' own folds.
pub(crate) fn fold(example: &TrainingExample) -> u64 {
    (example.stem >> 32) % FOLDS
}

/// Measures and prints a table.
pub(crate) fn report(what: ReportTarget, examples: &[TrainingExample]) {
    match what {
        ReportTarget::Shipped => shipped(examples),
        ReportTarget::Cold => cold(examples),
        ReportTarget::Adapted => adapted(examples, false),
        ReportTarget::ColdAdapted => adapted(examples, true),
        ReportTarget::Familiarity => familiarity(examples),
        // Made elsewhere.
        ReportTarget::Level
        | ReportTarget::Topics
        | ReportTarget::Agreement
        | ReportTarget::Guard
        | ReportTarget::CommonSense
        | ReportTarget::Cards => {}
    }
}

fn shipped(examples: &[TrainingExample]) {
    let mut scored: [Vec<ScoredPrompt>; SETS.len()] = Default::default();
    for part in 0..FOLDS {
        let seen: Vec<_> = examples.iter().filter(|example| fold(example) != part).collect();
        let scorer = fit::shipped(&seen, Vec::new());
        for (set, scored) in SETS.iter().zip(&mut scored) {
            let held: Vec<_> =
                examples.iter().filter(|example| fold(example) == part && (set.holds)(example)).collect();
            scored.extend(score(&scorer, &held));
        }
        say(&format!("part {part} of {FOLDS} done"));
    }
    for (set, scored) in SETS.iter().zip(&scored) {
        line(set.name, scored);
    }
}

fn cold(examples: &[TrainingExample]) {
    for set in &SETS {
        let held: Vec<_> = examples.iter().filter(|example| (set.holds)(example)).collect();
        line(set.name, &score(&cold_scorer(examples, set), &held));
    }
}

fn familiarity(examples: &[TrainingExample]) {
    for set in &SETS {
        let held: Vec<_> = examples.iter().filter(|example| (set.holds)(example)).collect();
        let scorer = cold_scorer(examples, set);
        let mean = held.iter().map(|example| scorer.view(&example.features).familiarity).sum::<f64>()
            / held.len() as f64;
        line(&format!("{} | mean familiarity {mean:.2}", set.name), &score(&scorer, &held));
        line(&format!("{} | length alone", set.name), &by_length(&held));
        for (name, trust) in [("experts alone", 1.0), ("prior alone", 0.0)] {
            let gain = |example: &TrainingExample| scorer.outlook_trusting(&example.features, trust).gains[2];
            let rows = held.iter().filter_map(|example| {
                let (small, large) = pair(example)?;
                Some(ScoredPrompt { score: gain(example), small, large })
            });
            line(&format!("{} | {name}", set.name), &rows.collect::<Vec<_>>());
        }
    }
}

/// The longer the prompt, the more is gained: what any scorer should beat.
fn by_length(held: &[&TrainingExample]) -> Vec<ScoredPrompt> {
    let row = |example: &&TrainingExample| {
        let (small, large) = pair(example)?;
        Some(ScoredPrompt { score: example.features.chars as f64, small, large })
    };
    held.iter().filter_map(row).collect()
}

/// Labels that calibrations are given.
const LABELS: [usize; 3] = [50, 200, 1500];

fn adapted(examples: &[TrainingExample], cold: bool) {
    let parts: Vec<DefaultScorer> =
        if cold { Vec::new() } else { (0..FOLDS).map(|part| part_scorer(examples, part)).collect() };
    for set in &SETS {
        let stranger = cold.then(|| cold_scorer(examples, set));
        let mut trials: [EvaluationTrial; LABELS.len()] = Default::default();
        for part in 0..FOLDS {
            let Some(scorer) = stranger.as_ref().or(parts.get(part as usize)) else { continue };
            let (held, own): (Vec<&TrainingExample>, Vec<&TrainingExample>) = examples
                .iter()
                .filter(|example| (set.holds)(example))
                .partition(|example| fold(example) == part);
            for (trial, count) in trials.iter_mut().zip(LABELS) {
                trial.run(scorer, &deal(&own, count, part), &labelled(&held));
            }
        }
        for (trial, count) in trials.iter().zip(LABELS) {
            let error = calibration_error(&trial.chances);
            line(&format!("{} | {count} | {error:.3}", set.name), &trial.scored);
        }
    }
}

/// What calibrations on so many labels foretold of rows held out.
#[derive(Default)]
struct EvaluationTrial {
    scored: Vec<ScoredPrompt>,
    /// The chance that the small model suffices, and whether it did.
    chances: Vec<(f64, f64)>,
}

impl EvaluationTrial {
    fn run(&mut self, scorer: &DefaultScorer, own: &[LabelledRow], held: &[LabelledRow]) {
        let Ok(fitted) = Calibration::fit(scorer, own, || {}) else { return };
        for row in held {
            let seen = fitted.calibration.predict(scorer, &row.features);
            self.scored.push(ScoredPrompt { score: seen.gain, small: row.small, large: row.large });
            self.chances.push((seen.small.value(), row.small));
        }
    }
}

pub(crate) fn part_scorer(examples: &[TrainingExample], part: u64) -> DefaultScorer {
    let seen: Vec<_> = examples.iter().filter(|example| fold(example) != part).collect();
    fit::shipped(&seen, Vec::new())
}

/// A scorer that saw neither the set's source nor any question of the set elsewhere.
pub(crate) fn cold_scorer(examples: &[TrainingExample], set: &EvaluationSet) -> DefaultScorer {
    let held = || examples.iter().filter(|example| (set.holds)(example));
    let stems: BTreeSet<u64> = held().map(|example| example.stem).collect();
    let source = held().next().map(|example| example.source);
    let seen: Vec<_> = examples
        .iter()
        .filter(|example| Some(example.source) != source && !stems.contains(&example.stem))
        .collect();
    fit::shipped(&seen, Vec::new())
}

/// So many of these, dealt by chance, the same each time.
fn deal(own: &[&TrainingExample], count: usize, seed: u64) -> Vec<LabelledRow> {
    let mut rows = labelled(own);
    let mut draws = SplitMix64(seed);
    for at in (1..rows.len()).rev() {
        rows.swap(at, draws.below(at + 1));
    }
    rows.truncate(count);
    rows
}

fn labelled(examples: &[&TrainingExample]) -> Vec<LabelledRow> {
    let row = |example: &&TrainingExample| {
        let (small, large) = pair(example)?;
        Some(LabelledRow { features: example.features.clone(), small, large, stem: example.stem })
    };
    examples.iter().filter_map(row).collect()
}

/// The gain of frontier over small models is what prompts are ranked by.
pub(crate) fn score(scorer: &DefaultScorer, held: &[&TrainingExample]) -> Vec<ScoredPrompt> {
    held.iter()
        .filter_map(|example| {
            let (small, large) = pair(example)?;
            let outlook = scorer.view(&example.features).outlook;
            let score = outlook.of(ModelClass::Frontier).value() - outlook.of(ModelClass::Small).value();
            Some(ScoredPrompt { score, small, large })
        })
        .collect()
}

/// A row of the table.
pub(crate) fn line(name: &str, scored: &[ScoredPrompt]) {
    let Some(figures) = RankingFigures::of(scored, || {}) else { return say(&format!("{name}: no gap")) };
    let [low, high] = figures.apgr_interval;
    say(&format!(
        "| {name} | {} | {:.3} [{low:.3}, {high:.3}] | {:.1} | {:.1} | {:.3} |",
        figures.rows,
        figures.apgr,
        figures.cpt50 * 100.0,
        figures.cpt80 * 100.0,
        figures.oracle,
    ));
}
