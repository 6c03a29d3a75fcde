//! What the targets of `kind: utility` come to on a real gateway, under traffic that rises to three times as much and falls
//! again: spend, quality and time to first token realised, against what was asked for.
//!
//! usage: `targets [--data DIR] [--seed N] [WORDS]`
//!
//! The gateway runs in this process, on a clock that jumps from event to event, so that nothing of the machine's own load
//! is in the figures. Both models are simulated: their prices, how long they take and how many they answer at once, and how
//! long answers are. Prompts are real, and scored by the gateway: those of the labelled data in DIR, or the 700 of the
//! repository, which have no labels. WORDS: only scenarios that have them in their name. The table goes to standard output.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints figures")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use end_to_end::targets::figures::{Figures, figures};
use end_to_end::targets::prompts::{Asked, prompts};
use end_to_end::targets::scenarios::{Scenario, scenarios};
use end_to_end::targets::traffic::run;

#[derive(Default)]
struct Arguments {
    data: Option<PathBuf>,
    seed: u64,
    words: String,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: targets [--data DIR] [--seed N] [WORDS]");
        return ExitCode::from(2);
    };
    match prompts(arguments.data.as_deref(), arguments.seed) {
        Ok(prompts) => {
            table(&arguments, &prompts);
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Option<Arguments> {
    let mut given = std::env::args().skip(1);
    let mut arguments = Arguments { seed: 1, ..Arguments::default() };
    while let Some(name) = given.next() {
        match name.as_str() {
            "--data" => arguments.data = Some(given.next()?.into()),
            "--seed" => arguments.seed = given.next()?.parse().ok()?,
            _ if name.starts_with('-') => return None,
            _ => arguments.words = name,
        }
    }
    Some(arguments)
}

fn table(arguments: &Arguments, prompts: &[Asked]) {
    let scenarios: Vec<Scenario> =
        scenarios().into_iter().filter(|it| it.name.contains(&arguments.words)).collect();
    println!("{} prompts, seed {}\n", prompts.len(), arguments.seed);
    println!(
        "| scenario, targets | traffic | requests | lost | to the large model | spend an hour | first token, p95 | quality, \
         foreseen | quality, labelled (small, large alone) | realised, by target | weight: mean (least to most) | turns | \
         scatter | settled after |"
    );
    println!("|{}", " --- |".repeat(14));
    for rows in all(&scenarios, prompts, arguments.seed) {
        println!("{}", rows.join("\n"));
    }
}

/// The rows of every scenario, in order; as many at once as there are cores.
fn all(scenarios: &[Scenario], prompts: &[Asked], seed: u64) -> Vec<Vec<String>> {
    let next = Mutex::new(scenarios.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            while let Some((at, scenario)) = take(&next) {
                let began = Instant::now();
                let run = run(&scenario.world, prompts, seed);
                let rows = figures(scenario, &run, prompts).iter().map(|it| row(scenario, it)).collect();
                eprintln!("{}: {} requests, {:.0?}", scenario.name, run.outcomes.len(), began.elapsed());
                push(&done, (at, rows));
            }
        };
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut done: Vec<(usize, Vec<String>)> = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, rows)| rows).collect()
}

fn take<T>(next: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    next.lock().ok()?.next()
}

fn push<T>(done: &Mutex<Vec<T>>, value: T) {
    if let Ok(mut done) = done.lock() {
        done.push(value);
    }
}

fn row(scenario: &Scenario, it: &Figures) -> String {
    let targets: Vec<String> = scenario.targets.iter().map(|target| target.words()).collect();
    let realised: Vec<String> =
        scenario.targets.iter().map(|target| format!("{:.3}", it.realised(*target))).collect();
    let labelled = it
        .labelled
        .map_or_else(|| "–".to_owned(), |[here, small, large]| format!("{here:.3} ({small:.3}, {large:.3})"));
    let [least, mean, most] = it.weight;
    format!(
        "| {}: {} | {} | {} | {} | {:.0} % | {:.2} | {:.0} ms | {:.3} | {labelled} | {} | {mean:.3} ({least:.3} to {most:.3}) | \
         {} | {:.1} % | {:.0} s |",
        scenario.name,
        targets.join(", "),
        it.phase.name,
        it.requests,
        it.lost,
        it.large * 100.0,
        it.spend,
        it.p95 * 1000.0,
        it.quality,
        realised.join(", "),
        it.turns,
        it.scatter * 100.0,
        it.settled,
    )
}
