//! What a cascade is worth: quality by cost of choosing by the prompt, by the small model's answer, and by both, with the
//! small model's calls charged; and how long clients wait for the first token.
//!
//! The small model's answers are those of ROWS, which `signals` wrote. The large model is not there: its answers are taken to
//! be right, or, for GSM8K, as right as GPT-4 was found to be; as long as the small model's; and R times as dear a token.
//! Every question is judged by a guard that was fitted on others. `--first-token` asks two models through a gateway in this
//! process, alone and in a cascade.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use end_to_end::asking;
use end_to_end::cascading::{self, Case, Way};
use end_to_end::first_token;
use router_policies::evaluate::{RecoveryCurve, ScoredPrompt, calibration_error};
use router_policies::guard::fit::JudgedAnswer;

/// Measure what a cascade is worth, and how long its clients wait.
#[derive(Parser)]
#[command(arg_required_else_help = true)]
struct Arguments {
    /// Answers of a small model, as `signals` wrote them down.
    #[arg(long)]
    rows: Option<PathBuf>,
    /// The model that is the small one, where ROWS has answers of others, too; those only teach the guard.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// How many times as dear the large model's tokens are.
    #[arg(long, default_value_t = 10.0)]
    ratio: f64,
    /// Two models that are asked through a gateway, each a file of weights or the address of a server.
    #[arg(long, num_args = 2, value_names = ["SMALL", "LARGE"])]
    first_token: Vec<String>,
}

#[tokio::main]
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
    if let Some(rows) = &arguments.rows {
        curves(&asking::rows(rows)?, arguments.model.as_deref(), arguments.ratio);
    }
    if let [small, large] = arguments.first_token.as_slice() {
        println!("{}", first_token::table(small, large).await?);
    }
    Ok(())
}

fn curves(rows: &[JudgedAnswer], model: Option<&str>, ratio: f64) {
    let [cases, cold] = [false, true].map(|by_kind| {
        let mut cases = cascading::cases(rows, by_kind);
        cases.retain(|case| model.is_none_or(|model| case.model == model));
        cases
    });
    println!(
        "The large model is simulated: its answers are taken to be right (GSM8K: as GPT-4's labels say), and each of its \
         tokens costs {ratio} times as much.\n"
    );
    println!("Area under quality by cost, 0.5 is chance, with its 95 % interval:\n");
    let names: Vec<&str> = Way::ALL.iter().map(|way| way.name()).collect();
    println!("| questions | small right | large right | {} |", names.join(" | "));
    println!("| --- | ---: | ---: |{}", " --- |".repeat(names.len()));
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    for kind in kinds {
        let of_kind: Vec<Case> = cases.iter().filter(|case| case.kind == kind).cloned().collect();
        areas(&format!("{kind} ({})", of_kind.len()), &of_kind, ratio);
    }
    areas(&format!("all ({})", cases.len()), &cases, ratio);
    areas("all, each kind judged by what the others teach", &cold, ratio);
    ratios(&cases);
    free(&cases);
    shares(&cases, ratio);
    thresholds(&cases, ratio);
    chances(&cases, &cold);
}

fn areas(name: &str, cases: &[Case], ratio: f64) {
    let count = cases.len() as f64;
    let mean = |of: fn(&Case) -> f64| cases.iter().map(of).sum::<f64>() / count;
    let (small, large) = (mean(|it| it.small), mean(|it| it.large));
    println!("| {name} | {small:.2} | {large:.2} | {} |", cells(cases, ratio));
}

/// The area of each way.
fn cells(cases: &[Case], ratio: f64) -> String {
    let cell = |way: &Way| match cascading::apgr_with_interval(cases, *way, ratio) {
        Some((area, low, high)) => format!("{area:.3} [{low:.3}, {high:.3}]"),
        None => "–".to_owned(),
    };
    Way::ALL.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

/// The sets that more is said of.
fn sets(cases: &[Case]) -> [(&'static str, Vec<Case>); 2] {
    let reasoned = cases.iter().filter(|case| case.kind == "GSM8K").cloned().collect();
    [("all", cases.to_vec()), ("GSM8K", reasoned)]
}

/// The same areas, where the large model is less or more dear.
fn ratios(cases: &[Case]) {
    println!("\nThe same area, by how many times as dear the large model's tokens are:\n");
    let names: Vec<&str> = Way::ALL.iter().map(|way| way.name()).collect();
    println!("| questions | times | {} |\n| --- | ---: |{}", names.join(" | "), " --- |".repeat(names.len()));
    for (name, set) in sets(cases).iter().filter(|(_, set)| !set.is_empty()) {
        for ratio in [3.0, 10.0, 30.0] {
            println!("| {name} | {ratio} | {} |", cells(set, ratio));
        }
    }
}

/// What others report: the small model's calls not charged, and each call of the large one taken to cost the same.
fn free(cases: &[Case]) {
    println!("\nArea by calls, the small model's free, and the most that any order could have:\n");
    println!(
        "| questions | by the prompt alone | whole answer | whole answer, and one more agrees | oracle |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, set) in sets(cases).iter().filter(|(_, set)| !set.is_empty()) {
        let area = |score: &dyn Fn(&Case) -> f64| {
            let scored = set.iter().map(|case| ScoredPrompt {
                score: -score(case),
                small: case.small,
                large: case.large,
            });
            RecoveryCurve::of(&scored.collect::<Vec<_>>())
                .map_or("–".to_owned(), |it| format!("{:.3}", it.apgr()))
        };
        let ways = [Way::Query, Way::Whole, Way::Agreed].map(|way| area(&|case: &Case| case.score(way)));
        println!("| {name} | {} | {} |", ways.join(" | "), area(&|case: &Case| case.small - case.large));
    }
}

/// Points of the curves.
fn shares(cases: &[Case], ratio: f64) {
    const COSTS: [f64; 6] = [0.1, 0.2, 0.4, 0.6, 0.8, 1.0];
    println!("\nShare of the gap in quality that is recovered, by share of the gap in cost that is spent:\n");
    let heads: Vec<String> = COSTS.iter().map(|cost| format!("{:.0} %", cost * 100.0)).collect();
    println!("| all questions | {} |\n| --- |{}", heads.join(" | "), " ---: |".repeat(COSTS.len()));
    for way in Way::ALL {
        let Some(points) = cascading::curve(cases, way, ratio) else { continue };
        let cells: Vec<String> =
            COSTS.iter().map(|&cost| format!("{:.2}", cascading::at(&points, cost))).collect();
        println!("| {} | {} |", way.name(), cells.join(" | "));
    }
}

/// What `confidence` comes to.
fn thresholds(cases: &[Case], ratio: f64) {
    println!("\nWhat `confidence` comes to, on all questions:\n");
    println!("| confidence | way | kept | of those right | all right | cost, by the large model's |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: |");
    for confidence in [0.3, 0.4, 0.5, 0.6, 0.7, 0.8] {
        for way in [Way::Beginning, Way::Sequential, Way::Agreed] {
            let [kept, right, quality, cost] = cascading::at_threshold(cases, way, confidence, ratio);
            println!(
                "| {confidence} | {} | {:.0} % | {:.0} % | {:.0} % | {:.0} % |",
                way.name(),
                kept * 100.0,
                right * 100.0,
                quality * 100.0,
                cost * 100.0
            );
        }
    }
}

/// Whether the chances are what they say.
fn chances(cases: &[Case], cold: &[Case]) {
    println!("\nChances of whole answers: how far they lie from what came true, on the mean of ten bins:\n");
    let pairs = |cases: &[Case]| cases.iter().map(|case| (case.chance(), case.small)).collect::<Vec<_>>();
    println!("| judged by | calibration error |\n| --- | ---: |");
    println!("| other questions of all kinds | {:.3} |", calibration_error(&pairs(cases)));
    println!("| questions of other kinds alone | {:.3} |\n", calibration_error(&pairs(cold)));
}
