//! Fits the shipped scorer on labelled prompts, measures what such fits are worth, and fits the guard of cascades.
//!
//! Reproducible bit for bit: same data, same weights, on any machine.

mod agreement;
mod cards;
mod common_sense;
mod corpus;
mod fit;
mod guard;
mod level;
mod report;
mod sources;
mod targets;
mod terminal;
mod topics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::terminal::say;

/// Fit the shipped scorer on labelled prompts.
#[derive(Parser)]
struct TrainingArgs {
    /// The folder of the labelled prompts (`*.jsonl.gz`).
    #[arg(long, required_unless_present_any = ["guard", "common_sense"])]
    data: Option<PathBuf>,
    /// Fit the guard's chance on these rows, which `signals` wrote, and write the source of its coefficients, instead.
    #[arg(long, value_name = "ROWS")]
    guard: Option<PathBuf>,
    /// Fit the prior's level on this list of easy and hard requests, and write the source of its coefficients, instead.
    #[arg(long, value_name = "LIST")]
    common_sense: Option<PathBuf>,
    /// Fit the classifier of kinds on the exam of `--data` and the models' cards on these answers, and write both into the
    /// folder `--out`, instead. What `--common-sense` lists is of no kind.
    #[arg(long, value_name = "ANSWERS")]
    cards: Option<PathBuf>,
    /// Where to write the weights, or the coefficients of the guard or of the prior.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measure fits on prompts held out, instead.
    #[arg(long)]
    report: Option<report::ReportTarget>,
}

fn main() -> ExitCode {
    match run(&TrainingArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            say(&words);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &TrainingArgs) -> Result<(), String> {
    if let Some(rows) = &arguments.guard {
        if arguments.report == Some(report::ReportTarget::Guard) {
            return guard::report(rows);
        }
        return guard::fit(rows, arguments.out.as_deref());
    }
    if let (Some(list), Some(report::ReportTarget::CommonSense)) = (&arguments.common_sense, arguments.report)
    {
        return common_sense::report(list, arguments.out.is_some());
    }
    let data = arguments.data.as_deref().ok_or("no --data")?;
    if arguments.report == Some(report::ReportTarget::Topics) {
        return topics::report(data);
    }
    if arguments.report == Some(report::ReportTarget::Agreement) {
        return agreement::report(data);
    }
    let (examples, label) = corpus::read(data)?;
    if let Some(answers) = &arguments.cards {
        let list = arguments.common_sense.as_deref().ok_or("no --common-sense")?;
        let read = cards::CardData::read(data, answers, list, &examples)?;
        if arguments.report == Some(report::ReportTarget::Cards) {
            return cards::report(&read);
        }
        return cards::write(&read, arguments.out.as_deref().ok_or("no --out")?);
    }
    if let Some(list) = &arguments.common_sense {
        return common_sense::fit(list, &examples, arguments.out.as_deref());
    }
    say(&label.join("\n"));
    match arguments.report {
        Some(report::ReportTarget::Level) => level::level(&examples),
        Some(what) => report::report(what, &examples),
        None => {}
    }
    if let Some(out) = &arguments.out {
        let all: Vec<_> = examples.iter().collect();
        let bytes = fit::shipped(&all, label).write();
        std::fs::write(out, &bytes).map_err(|error| format!("{}: {error}", out.display()))?;
        say(&format!("{}: {} bytes", out.display(), bytes.len()));
    }
    Ok(())
}
