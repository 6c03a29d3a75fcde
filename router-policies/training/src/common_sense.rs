//! The level of the scorer's prior, from requests that common sense calls easy or hard.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use router_policies::numbers::{ln, logistic};
use router_policies::scorers::default_scorer::DefaultScorer;
use router_policies::scorers::prior::{INPUTS, LevelModel, inputs, names};
use router_policies::scorers::{Scorer, default_scorer};
use router_policies::squares::logistic_curve;
use router_policies::{Features, ModelClass, Prompt};

use crate::corpus::TrainingExample;
use crate::targets::pair;
use crate::terminal::say;

/// The chance that a model of around 8B suffices for what common sense calls easy, and hard.
const EASY: f64 = 0.97;
const HARD: f64 = 0.10;
/// How strongly the slopes are drawn to [`PRIOR`]: of these, what foretells requests best that were left out of the fit.
const PENALTIES: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];
/// What tools and a form of the answer cost: neither list has any.
const PRIOR: [(&str, f64); 2] = [("log_tools", -0.7), ("structured", -0.3)];
/// Labelled rows, so that examinations are judged by what small models make of them: one of so many.
const EVERY: usize = 60;
/// A request of the list counts as so many labelled rows.
const WEIGHT: usize = 4;

/// A line of the list.
#[derive(serde::Deserialize)]
struct CommonSenseLine {
    half: ListHalf,
    lang: String,
    sense: CommonSense,
    prompt: String,
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum ListHalf {
    /// The fit.
    Develop,
    /// Figures.
    Held,
}

/// What common sense says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum CommonSense {
    Easy,
    Hard,
}

/// Fits on the develop half and labelled rows, and writes or prints the source that the coefficients are kept in.
pub fn fit(list: &Path, examples: &[TrainingExample], out: Option<&Path>) -> Result<(), String> {
    let lines: Vec<_> = read(list)?.into_iter().filter(|line| line.half == ListHalf::Develop).collect();
    let sensed: Vec<_> = lines.iter().map(row).collect();
    let labelled = labelled(examples);
    say(&format!("{} requests of the list, {} labelled rows", sensed.len(), labelled.len()));
    let mut best = (f64::INFINITY, PENALTIES[0]);
    for penalty in PENALTIES {
        let (loss, auc) = left_out(&sensed, &labelled, penalty);
        say(&format!(
            "penalty {penalty}, each fifth of the develop half left out: loss {loss:.3}, AUC of the prior {auc:.3}"
        ));
        if loss < best.0 {
            best = (loss, penalty);
        }
    }
    let source = source(&curve(&sensed, &labelled, best.1));
    match out {
        Some(out) => std::fs::write(out, source).map_err(|why| format!("{}: {why}", out.display())),
        None => std::io::stdout().write_all(source.as_bytes()).map_err(|why| why.to_string()),
    }
}

/// The requests of the half that fits may see.
pub fn developed_on(list: &Path) -> Result<Vec<Features>, String> {
    let lines = read(list)?.into_iter();
    Ok(lines.filter(|line| line.half == ListHalf::Develop).map(|line| features(&line)).collect())
}

/// The mean negative log-likelihood of the targets, and the AUC, of requests left out of the fit.
fn left_out(sensed: &[LevelRow], labelled: &[LevelRow], penalty: f64) -> (f64, f64) {
    let (mut loss, mut ranked) = (0.0, Vec::new());
    // Neighbours in the list are of one sense: every fifth is left out in turn.
    for part in 0..5 {
        let (held, others): (Vec<_>, Vec<_>) = sensed.iter().enumerate().partition(|(at, _)| at % 5 == part);
        let others: Vec<_> = others.into_iter().map(|(_, row)| *row).collect();
        let model = curve(&others, labelled, penalty);
        for (_, (inputs, target)) in held {
            let chance = logistic(model.logit(inputs)).clamp(0.01, 0.99);
            loss -= (target * ln(chance) + (1.0 - target) * ln(1.0 - chance)) / sensed.len() as f64;
            ranked.push((1.0 - chance, *target < 0.5));
        }
    }
    (loss, auc(&ranked))
}

type LevelRow = ([f64; INPUTS], f64);

fn row(line: &CommonSenseLine) -> LevelRow {
    let target = if line.sense == CommonSense::Easy { EASY } else { HARD };
    (inputs(&features(line)), target)
}

fn features(line: &CommonSenseLine) -> Features {
    Features::of(&Prompt::from_text(line.prompt.as_str()))
}

fn labelled(examples: &[TrainingExample]) -> Vec<LevelRow> {
    let pairs = examples.iter().filter_map(|example| Some((inputs(&example.features), pair(example)?.0)));
    pairs.step_by(EVERY).collect()
}

fn curve(sensed: &[LevelRow], labelled: &[LevelRow], penalty: f64) -> LevelModel {
    let rows = || sensed.iter().flat_map(|row| std::iter::repeat_n(row, WEIGHT)).chain(labelled);
    let count = rows().count().max(1) as f64;
    let usual: [f64; INPUTS] =
        std::array::from_fn(|at| rows().map(|(inputs, _)| inputs[at]).sum::<f64>() / count);
    let moved: Vec<([f64; INPUTS + 1], f64)> = rows()
        .map(|(inputs, target)| {
            (std::array::from_fn(|at| if at == 0 { 1.0 } else { inputs[at - 1] - usual[at - 1] }), *target)
        })
        .collect();
    let names = names();
    let prior = std::array::from_fn(|at| {
        let named = at.checked_sub(1).map(|at| names[at]);
        PRIOR.iter().find(|(name, _)| Some(*name) == named).map_or(0.0, |(_, slope)| *slope)
    });
    let [level, slopes @ ..] = logistic_curve(&moved, prior, penalty);
    LevelModel { level, numbers: std::array::from_fn(|at| (slopes[at], usual[at])) }
}

fn source(model: &LevelModel) -> String {
    let mut slopes = String::new();
    for (name, (slope, usual)) in names().iter().zip(model.numbers) {
        // Writing to a String cannot fail.
        let _ = writeln!(slopes, "        // {name}\n        ({slope:.3}, {usual:.3}),");
    }
    format!(
        "//! The coefficients in use. Made, not written, by `make common-sense`.\n\n\
         use super::LevelModel;\n\n\
         /// Fitted on the develop half of `testdata/common-sense.jsonl`, with labelled rows.\n\
         pub const FITTED: LevelModel = LevelModel {{\n    level: {:.3},\n    numbers: [\n{slopes}    ],\n}};\n",
        model.level
    )
}

/// How well the shipped scorer's difficulty parts easy requests from hard ones.
pub fn report(list: &Path, spelled: bool) -> Result<(), String> {
    let lines = read(list)?;
    let scorer = default_scorer();
    say(
        "| half | language | easy, hard | familiarity | AUC of difficulty, 8B | AUC, 3B | AUC of gain | easy, median | hard, median |",
    );
    say("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for half in [ListHalf::Develop, ListHalf::Held] {
        for lang in ["en", "zh", ""] {
            let of = |line: &&CommonSenseLine| line.half == half && (lang.is_empty() || line.lang == lang);
            table_row(&lines.iter().filter(of).collect::<Vec<_>>(), scorer, half, lang);
        }
    }
    if spelled {
        lines.iter().filter(|line| line.half == ListHalf::Develop).for_each(|line| spell(line, scorer));
    }
    Ok(())
}

fn table_row(lines: &[&CommonSenseLine], scorer: &DefaultScorer, half: ListHalf, lang: &str) {
    let mut familiarity = 0.0;
    let [mut small, mut tiny, mut gain] = [const { Vec::new() }; 3];
    for line in lines {
        let seen = scorer.predict(&features(line));
        let hard = line.sense == CommonSense::Hard;
        let of = |class| seen.of(class).value();
        familiarity += seen.familiarity / lines.len() as f64;
        small.push((1.0 - of(ModelClass::Small), hard));
        tiny.push((1.0 - of(ModelClass::Tiny), hard));
        gain.push((of(ModelClass::Frontier) - of(ModelClass::Small), hard));
    }
    let hard = small.iter().filter(|(_, hard)| *hard).count();
    let median = |wanted: bool| {
        let mut scores: Vec<f64> =
            small.iter().filter(|(_, hard)| *hard == wanted).map(|(score, _)| *score).collect();
        scores.sort_by(f64::total_cmp);
        scores[scores.len() / 2]
    };
    say(&format!(
        "| {half:?} | {} | {}, {hard} | {familiarity:.2} | {:.3} | {:.3} | {:.3} | {:.2} | {:.2} |",
        if lang.is_empty() { "both" } else { lang },
        small.len() - hard,
        auc(&small),
        auc(&tiny),
        auc(&gain),
        median(false),
        median(true),
    ));
}

fn spell(line: &CommonSenseLine, scorer: &DefaultScorer) {
    let seen = scorer.predict(&features(line));
    say(&format!(
        "{:.2} {:.2} {:?} {}",
        1.0 - seen.of(ModelClass::Small).value(),
        seen.familiarity,
        line.sense,
        line.prompt
    ));
}

/// The chance that a row that is so has a higher score than one that is not; ties count half.
pub(crate) fn auc(rows: &[(f64, bool)]) -> f64 {
    let (mut won, mut all) = (0.0, 0.0);
    for (one, _) in rows.iter().filter(|(_, so)| *so) {
        for (other, _) in rows.iter().filter(|(_, so)| !*so) {
            all += 1.0;
            won += if one > other { 1.0 } else { f64::from(u8::from(one == other)) / 2.0 };
        }
    }
    won / all
}

fn read(list: &Path) -> Result<Vec<CommonSenseLine>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", list.display());
    let text = std::fs::read_to_string(list).map_err(|why| named(&why))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|why| named(&why))).collect()
}
