//! What fits are worth on prompts that they did not see.

use router_policies::Class;
use router_policies::evaluate::{Figures, Scored};
use router_policies::scorers::Shipped;

use crate::corpus::Example;
use crate::sources::{Kind, Source};
use crate::targets::pair;
use crate::{fit, say};

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// The shipped scorer, a fifth of all stems held out in turn.
    Shipped,
    /// A scorer that never saw the source.
    Cold,
}

/// A set that is evaluated on its own.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) holds: fn(&Example) -> bool,
}

/// The sets of the tables.
pub(crate) const SETS: [Set; 8] = [
    Set { name: "mmlu", holds: |e| e.source == Source::RouteLlm && e.kind == Some(Kind::Exam) },
    Set { name: "gsm8k", holds: |e| e.source == Source::RouteLlm && e.kind == Some(Kind::WordProblem) },
    Set { name: "gaokao", holds: |e| e.source == Source::Gaokao },
    Set { name: "fusion", holds: |e| e.source == Source::Fusion },
    Set { name: "zeroeval", holds: |e| e.source == Source::ZeroEval },
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
        let stems: std::collections::BTreeSet<u64> = held.iter().map(|example| example.stem).collect();
        let source = held[0].source;
        let seen: Vec<_> = examples
            .iter()
            .filter(|example| example.source != source && !stems.contains(&example.stem))
            .collect();
        let scorer = fit::shipped(&seen, Vec::new());
        line(set.name, &score(&scorer, &held));
    }
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
