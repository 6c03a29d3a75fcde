//! What fits are worth on prompts that they did not see.

use std::collections::BTreeSet;

use router_policies::Class;
use router_policies::calibrate::{Calibration, Labelled};
use router_policies::evaluate::{Figures, Scored, calibration_error};
use router_policies::scorers::Shipped;
use router_policies::scoring::random::Draws;

use crate::corpus::Example;
use crate::fit;
use crate::sources::{Kind, Source};
use crate::targets::pair;
use crate::terminal::say;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
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
}

/// A set that is evaluated on its own.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) holds: fn(&Example) -> bool,
}

/// The sets of the tables.
pub(crate) const SETS: [Set; 11] = [
    Set { name: "mmlu", holds: |e| e.source == Source::RouteLlm && e.kind == Some(Kind::Exam) },
    Set { name: "gsm8k", holds: |e| e.source == Source::RouteLlm && e.kind == Some(Kind::WordProblem) },
    Set { name: "gaokao", holds: |e| e.source == Source::Gaokao },
    Set { name: "fusion", holds: |e| e.source == Source::Fusion },
    Set { name: "zeroeval", holds: |e| e.source == Source::ZeroEval },
    Set {
        name: "zeroeval gsm",
        holds: |e| e.source == Source::ZeroEval && e.kind == Some(Kind::WordProblem),
    },
    Set {
        name: "zeroeval math",
        holds: |e| e.source == Source::ZeroEval && e.kind == Some(Kind::Mathematics),
    },
    Set {
        name: "zeroeval crux",
        holds: |e| e.source == Source::ZeroEval && e.kind == Some(Kind::CodeOutput),
    },
    Set { name: "mmlu_pro", holds: |e| e.source == Source::MmluPro },
    Set { name: "lexeval", holds: |e| e.source == Source::LexEval },
    Set { name: "openai_gsm", holds: |e| e.source == Source::OpenAiGsm },
];

/// Stems are dealt into so many parts.
pub(crate) const FOLDS: u64 = 5;

/// The part of a stem; other bits than those of the experts' own folds.
pub(crate) fn fold(example: &Example) -> u64 {
    (example.stem >> 32) % FOLDS
}

/// Measures and prints a table.
pub(crate) fn report(what: What, examples: &[Example]) {
    match what {
        What::Shipped => shipped(examples),
        What::Cold => cold(examples),
        What::Adapted => adapted(examples, false),
        What::ColdAdapted => adapted(examples, true),
        What::Familiarity => familiarity(examples),
        // Made elsewhere.
        What::Level | What::Topics | What::Agreement | What::Guard => {}
    }
}

fn shipped(examples: &[Example]) {
    let mut scored: [Vec<Scored>; SETS.len()] = Default::default();
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

fn cold(examples: &[Example]) {
    for set in &SETS {
        let held: Vec<_> = examples.iter().filter(|example| (set.holds)(example)).collect();
        line(set.name, &score(&cold_scorer(examples, set), &held));
    }
}

fn familiarity(examples: &[Example]) {
    for set in &SETS {
        let held: Vec<_> = examples.iter().filter(|example| (set.holds)(example)).collect();
        let scorer = cold_scorer(examples, set);
        let mean = held.iter().map(|example| scorer.view(&example.features).familiarity).sum::<f64>()
            / held.len() as f64;
        line(&format!("{} | mean familiarity {mean:.2}", set.name), &score(&scorer, &held));
        line(&format!("{} | length alone", set.name), &by_length(&held));
        for (name, trust) in [("experts alone", 1.0), ("prior alone", 0.0)] {
            let gain = |example: &Example| scorer.outlook_trusting(&example.features, trust).gains[2];
            let rows = held.iter().filter_map(|example| {
                let (small, large) = pair(example)?;
                Some(Scored { score: gain(example), small, large })
            });
            line(&format!("{} | {name}", set.name), &rows.collect::<Vec<_>>());
        }
    }
}

/// The longer the prompt, the more is gained: what any scorer should beat.
fn by_length(held: &[&Example]) -> Vec<Scored> {
    let row = |example: &&Example| {
        let (small, large) = pair(example)?;
        Some(Scored { score: example.features.chars as f64, small, large })
    };
    held.iter().filter_map(row).collect()
}

/// Labels that calibrations are given.
const LABELS: [usize; 3] = [50, 200, 1500];

fn adapted(examples: &[Example], cold: bool) {
    let parts: Vec<Shipped> =
        if cold { Vec::new() } else { (0..FOLDS).map(|part| part_scorer(examples, part)).collect() };
    for set in &SETS {
        let stranger = cold.then(|| cold_scorer(examples, set));
        let mut trials: [Trial; LABELS.len()] = Default::default();
        for part in 0..FOLDS {
            let Some(scorer) = stranger.as_ref().or(parts.get(part as usize)) else { continue };
            let (held, own): (Vec<&Example>, Vec<&Example>) = examples
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
struct Trial {
    scored: Vec<Scored>,
    /// The chance that the small model suffices, and whether it did.
    chances: Vec<(f64, f64)>,
}

impl Trial {
    fn run(&mut self, scorer: &Shipped, own: &[Labelled], held: &[Labelled]) {
        let Ok(fitted) = Calibration::fit(scorer, own, || {}) else { return };
        for row in held {
            let seen = fitted.calibration.foresee(scorer, &row.features);
            self.scored.push(Scored { score: seen.gain, small: row.small, large: row.large });
            self.chances.push((seen.small.value(), row.small));
        }
    }
}

pub(crate) fn part_scorer(examples: &[Example], part: u64) -> Shipped {
    let seen: Vec<_> = examples.iter().filter(|example| fold(example) != part).collect();
    fit::shipped(&seen, Vec::new())
}

/// A scorer that saw neither the set's source nor any question of the set elsewhere.
pub(crate) fn cold_scorer(examples: &[Example], set: &Set) -> Shipped {
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
fn deal(own: &[&Example], count: usize, seed: u64) -> Vec<Labelled> {
    let mut rows = labelled(own);
    let mut draws = Draws(seed);
    for at in (1..rows.len()).rev() {
        rows.swap(at, draws.below(at + 1));
    }
    rows.truncate(count);
    rows
}

fn labelled(examples: &[&Example]) -> Vec<Labelled> {
    let row = |example: &&Example| {
        let (small, large) = pair(example)?;
        Some(Labelled { features: example.features.clone(), small, large, stem: example.stem })
    };
    examples.iter().filter_map(row).collect()
}

/// The gain of frontier over small models is what prompts are ranked by.
pub(crate) fn score(scorer: &Shipped, held: &[&Example]) -> Vec<Scored> {
    held.iter()
        .filter_map(|example| {
            let (small, large) = pair(example)?;
            let outlook = scorer.view(&example.features).outlook;
            let score = outlook.of(Class::Frontier).value() - outlook.of(Class::Small).value();
            Some(Scored { score, small, large })
        })
        .collect()
}

/// A row of the table.
pub(crate) fn line(name: &str, scored: &[Scored]) {
    let Some(figures) = Figures::of(scored, || {}) else { return say(&format!("{name}: no gap")) };
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
