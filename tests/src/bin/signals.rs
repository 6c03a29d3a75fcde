//! Which signal of an answer under way tells whether it will be right, and after how many tokens: asks a model questions whose
//! answers are known, prints a table of AUC by tokens seen, and writes down the rows that the guard's chance is fitted on.
//!
//! MODEL is a file of weights, or the address (`127.0.0.1:8080`) of a server that speaks OpenAI's API and tells how probable
//! the tokens of its answers are. Asked are sums, facts and word problems of its own, in English and Chinese; with `--data`,
//! the folder of labelled prompts, problems of GSM8K as well; with `--ask`, questions of one's own instead. `--out` adds a
//! line a question to a file, and asks nothing that stands there already; without MODEL it only reads it. `--agree` asks each
//! question a second time and says what it is worth that the answers come to the same. AUC is the chance that of two answers,
//! one right and one wrong, the signal is higher for the right one: 0.5 says nothing (Hanley and McNeil 1982, with their
//! standard error).

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use end_to_end::asking::{self, Asked};
use end_to_end::questions::{self, Question};
use router_policies::guard::chance::NAMES;
use router_policies::guard::evidence::TokenEvidence;
use router_policies::guard::fit::JudgedAnswer;

/// After so many tokens the signals are shown; the last place is the end.
const PLACES: [u32; 7] = [1, 4, 8, 24, 48, 96, u32::MAX];

/// Find out which signal of an answer under way tells whether it will be right.
#[derive(Parser)]
struct Arguments {
    /// A file of weights, or the address of a server; without it, the rows of `--out` are shown.
    #[arg(required_unless_present = "out")]
    model: Option<String>,
    /// The folder of labelled prompts: problems of GSM8K are asked, too.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Questions to ask instead, JSON lines of `{"prompt", "answer"}`.
    #[arg(long, value_name = "FILE")]
    ask: Option<PathBuf>,
    /// Ask no more questions of each kind than so many, spread over all of them.
    #[arg(long, value_name = "N")]
    each: Option<usize>,
    /// Ask each question a second time.
    #[arg(long)]
    agree: bool,
    /// Where the rows are kept; what stands there already is not asked anew.
    #[arg(long, value_name = "ROWS")]
    out: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let mut rows = match &arguments.out {
        Some(out) if out.exists() || arguments.model.is_none() => asking::rows(out)?,
        _ => Vec::new(),
    };
    if let Some(model) = &arguments.model {
        let questions = questions(arguments)?;
        let out = arguments.out.as_deref();
        Asked::of(model).await.ask_all(&questions, arguments.agree, out, &mut rows).await?;
    }
    let mut kinds: BTreeMap<(&str, &str), Vec<&JudgedAnswer>> = BTreeMap::new();
    for row in &rows {
        kinds.entry((&row.model, &row.kind)).or_default().push(row);
    }
    for ((model, kind), rows) in kinds {
        print(&format!("{model}, {kind}"), &rows);
    }
    Ok(())
}

fn questions(arguments: &Arguments) -> Result<Vec<Question>, String> {
    let mut all = match &arguments.ask {
        Some(file) => questions::of_file(file)?,
        None => questions::own(),
    };
    if let (None, Some(data)) = (&arguments.ask, &arguments.data) {
        all.extend(questions::gsm8k(data)?);
    }
    Ok(match arguments.each {
        Some(most) => questions::spread(all, most),
        None => all,
    })
}

fn print(name: &str, rows: &[&JudgedAnswer]) {
    let judged: Vec<(&JudgedAnswer, bool)> = rows.iter().filter_map(|row| Some((*row, row.right?))).collect();
    if judged.is_empty() {
        return;
    }
    let right = judged.iter().filter(|(_, right)| *right).count();
    println!("\n{name}: {} questions, {right} answered right\n", judged.len());
    println!("| tokens seen | answers | {} |", NAMES.join(" | "));
    println!("| ---: | ---: |{}", " ---: |".repeat(NAMES.len()));
    for place in PLACES {
        let seen: Vec<(TokenEvidence, bool)> =
            judged.iter().filter_map(|(row, right)| Some((after(row, place)?, *right))).collect();
        let cells = (0..NAMES.len()).map(|signal| {
            shown(&seen.iter().map(|(it, right)| (signals(it)[signal], *right)).collect::<Vec<_>>())
        });
        let name = if place == u32::MAX { "all".to_owned() } else { place.to_string() };
        println!("| {name} | {} | {} |", seen.len(), cells.collect::<Vec<_>>().join(" | "));
    }
    let agrees = |row: &JudgedAnswer| Some(f64::from(u8::from(row.again?.agrees == Some(true))));
    let agreement: Vec<_> = judged.iter().filter_map(|(row, right)| Some((agrees(row)?, *right))).collect();
    if !agreement.is_empty() {
        println!("\nAgreement with one more answer: {}", shown(&agreement));
    }
}

/// What was seen of an answer that has so many tokens.
fn after(row: &JudgedAnswer, place: u32) -> Option<TokenEvidence> {
    row.evidence()
        .find(|it| it.tokens == place)
        .or_else(|| row.evidence().last().filter(|_| place == u32::MAX))
}

/// In the order of [`NAMES`], each the higher the better.
fn signals(evidence: &TokenEvidence) -> [f64; NAMES.len()] {
    [
        evidence.mean,
        evidence.lowest,
        evidence.margin.unwrap_or_default(),
        -evidence.entropy.unwrap_or_default(),
        -f64::from(evidence.tokens),
    ]
}

/// AUC and its standard error.
fn shown(scored: &[(f64, bool)]) -> String {
    let side = |wanted| scored.iter().filter(move |(_, right)| *right == wanted).map(|(score, _)| *score);
    let (rights, wrongs) = (side(true).count() as f64, side(false).count() as f64);
    if rights == 0.0 || wrongs == 0.0 {
        return "–".to_owned();
    }
    let beats = |right: f64| {
        side(false)
            .map(|wrong| if right > wrong { 1.0 } else { f64::from(u8::from(right == wrong)) / 2.0 })
            .sum::<f64>()
    };
    let auc = side(true).map(beats).sum::<f64>() / (rights * wrongs);
    let (q1, q2) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
    let variance = auc * (1.0 - auc) + (rights - 1.0) * (q1 - auc * auc) + (wrongs - 1.0) * (q2 - auc * auc);
    format!("{auc:.2} ± {:.2}", (variance.max(0.0) / (rights * wrongs)).sqrt())
}
