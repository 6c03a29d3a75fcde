//! Which signal of an answer under way tells whether it will be right, and after how many tokens: asks a model questions whose
//! answers are known, prints a table of AUC by tokens seen, and writes down the rows that the guard's chance is fitted on.
//!
//! usage: `signals MODEL [--data DIR] [--ask FILE] [--out ROWS] [--agree]`
//!
//! MODEL is a file of weights, or the address (`127.0.0.1:8080`) of a server that speaks OpenAI's API and tells how probable
//! the tokens of its answers are. Asked are sums, facts and word problems of its own, in English and Chinese; with `--data`, the folder of labelled
//! prompts, problems of GSM8K as well; with `--ask`, questions of one's own instead (JSON lines of `{"prompt", "answer"}`).
//! `--out` writes a line a question, `--agree` asks each a second time and says what it is worth that the answers come to
//! the same. AUC is the chance that of two answers, one right and one wrong, the signal is higher for the right one: 0.5
//! says nothing (Hanley and McNeil 1982, with their standard error).

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use end_to_end::asking::{Answer, Asked, row};
use end_to_end::questions::{self, Question};
use router_policies::answers::Upshot;
use router_policies::guard::chance::NAMES;
use router_policies::guard::evidence::Evidence;
use router_policies::guard::fit::Row;

/// After so many tokens the signals are shown; the last place is the end.
const PLACES: [u32; 7] = [1, 4, 8, 24, 48, 96, u32::MAX];

#[derive(Default)]
struct Arguments {
    model: String,
    data: Option<PathBuf>,
    ask: Option<PathBuf>,
    out: Option<PathBuf>,
    agree: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: signals MODEL [--data DIR] [--ask FILE] [--out ROWS] [--agree]");
        return ExitCode::from(2);
    };
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Option<Arguments> {
    let mut given = std::env::args().skip(1);
    let mut arguments = Arguments { model: given.next()?, ..Arguments::default() };
    while let Some(name) = given.next() {
        match name.as_str() {
            "--data" => arguments.data = Some(given.next()?.into()),
            "--ask" => arguments.ask = Some(given.next()?.into()),
            "--out" => arguments.out = Some(given.next()?.into()),
            "--agree" => arguments.agree = true,
            _ => return None,
        }
    }
    Some(arguments)
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let questions = questions(arguments)?;
    let model = Asked::of(&arguments.model).await;
    let mut kinds: BTreeMap<&str, Vec<Answered>> = BTreeMap::new();
    let mut lines = String::new();
    for (at, question) in questions.iter().enumerate() {
        let answered = Answered::of(&model, question, arguments.agree).await?;
        writeln!(lines, "{}", serde_json::to_string(&answered.row)?)?;
        kinds.entry(question.kind).or_default().push(answered);
        eprint!("\r{} of {}", at + 1, questions.len());
    }
    eprintln!();
    if let Some(out) = &arguments.out {
        std::fs::write(out, lines)?;
    }
    for (kind, answers) in &kinds {
        print(kind, answers);
    }
    Ok(())
}

fn questions(arguments: &Arguments) -> Result<Vec<Question>, String> {
    if let Some(file) = &arguments.ask {
        return questions::of_file(file);
    }
    let mut all = questions::own();
    if let Some(data) = &arguments.data {
        all.extend(questions::gsm8k(data)?);
    }
    Ok(all)
}

/// A question that was asked.
struct Answered {
    row: Row,
    /// Whether a second answer comes to the same.
    agrees: Option<bool>,
}

impl Answered {
    async fn of(model: &Asked, question: &Question, again: bool) -> Result<Self, String> {
        let answer = model.ask(&question.prompt, 0.0).await?;
        let agrees = match again {
            true => Some(agree(&answer, &model.ask(&question.prompt, 0.7).await?)),
            false => None,
        };
        Ok(Self { row: row(question, &answer), agrees })
    }
}

fn agree(one: &Answer, other: &Answer) -> bool {
    Upshot::of(&one.text).agrees(&Upshot::of(&other.text)) == Some(true)
}

fn print(kind: &str, answers: &[Answered]) {
    let judged: Vec<(&Answered, bool)> =
        answers.iter().filter_map(|answer| Some((answer, answer.row.right?))).collect();
    if judged.is_empty() {
        return;
    }
    let right = judged.iter().filter(|(_, right)| *right).count();
    println!("\n{kind}: {} questions, {right} answered right", judged.len());
    println!("| tokens seen | answers | {} |", NAMES.join(" | "));
    println!("| ---: | ---: |{}", " ---: |".repeat(NAMES.len()));
    for place in PLACES {
        let seen: Vec<(Evidence, bool)> =
            judged.iter().filter_map(|(answer, right)| Some((after(&answer.row, place)?, *right))).collect();
        let cells = (0..NAMES.len()).map(|signal| {
            shown(&seen.iter().map(|(it, right)| (signals(it)[signal], *right)).collect::<Vec<_>>())
        });
        let name = if place == u32::MAX { "all".to_owned() } else { place.to_string() };
        println!("| {name} | {} | {} |", seen.len(), cells.collect::<Vec<_>>().join(" | "));
    }
    let agreement: Vec<_> = judged
        .iter()
        .filter_map(|(answer, right)| Some((f64::from(u8::from(answer.agrees?)), *right)))
        .collect();
    if !agreement.is_empty() {
        println!("agreement with one more answer: {}", shown(&agreement));
    }
}

/// What was seen of an answer that has so many tokens.
fn after(row: &Row, place: u32) -> Option<Evidence> {
    row.evidence()
        .find(|it| it.tokens == place)
        .or_else(|| row.evidence().last().filter(|_| place == u32::MAX))
}

/// In the order of [`NAMES`], each the higher the better.
fn signals(evidence: &Evidence) -> [f64; NAMES.len()] {
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
