//! `xietong score`: how hard prompts are, a JSON line each.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget};
use router_policies::ModelClass;
use serde_json::json;
use tokio::time::Instant;

use super::CommandError;
use super::labelled::{InvalidLabel, features, lines, open};
use super::scorer::ScoredRequest;

/// Score prompts: JSON lines in, JSON lines out, in the same order.
///
/// A line in is `{"prompt": "…"}` or a whole chat request. A line out has the difficulty (one minus the chance that
/// the smallest model suffices), the gain (what the top model would add), the familiarity (how close the prompt is to
/// what the scorer was fitted on), why (the features that moved the difficulty most, with what each adds), the time in
/// microseconds, and the features. A bad line gets `{"error": "…"}`.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '{\"prompt\": \"Prove that e is irrational.\"}' | xietong score")]
pub struct Args {
    /// The prompts; `-` or nothing is standard input.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration; the smallest and the top model of its first route are compared, by the route's calibration
    /// if it has one. Without a configuration: a model of around 8B and a frontier model.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An adapted scorer, made by `xietong calibrate`; it goes before the route's.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
}

/// Scores line by line.
///
/// # Errors
/// 2 when a file is not there, 78 when the configuration is wrong, 1 when a line was bad or output cannot be written.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let calibration = args.calibration.as_deref();
    let asked = match &args.config {
        Some(config) => ScoredRequest::of_config(config, calibration)?,
        None => ScoredRequest::new(calibration, (ModelClass::Small, ModelClass::Frontier))?,
    };
    let input = open(args.file.as_deref().unwrap_or(Path::new("-")))?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let mut bad = InvalidLabel::default();
    for (at, line) in lines(input).enumerate() {
        let line = line.map_err(CommandError::other)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let scored = match scored(&asked, &line) {
            Ok(scored) => scored,
            Err(why) => {
                bad.report(at + 1, &why);
                json!({"error": why, "line": at + 1})
            }
        };
        writeln!(output, "{scored}").map_err(CommandError::other)?;
        progress.inc(1);
    }
    output.flush().map_err(CommandError::other)?;
    progress.finish_and_clear();
    match bad.count() {
        0 => Ok(()),
        1 => Err(CommandError::other("1 line could not be scored")),
        count => Err(CommandError::other(format!("{count} lines could not be scored"))),
    }
}

fn scored(asked: &ScoredRequest, line: &[u8]) -> Result<serde_json::Value, String> {
    let began = Instant::now();
    let (features, _) = features(line)?;
    let score = asked.score(&features);
    let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    let named: serde_json::Map<_, _> =
        features.named().map(|(name, value)| (name.to_owned(), json!(rounded(value.into())))).collect();
    Ok(json!({
        "difficulty": rounded(1.0 - score.small),
        "gain": rounded(score.gain),
        "familiarity": rounded(score.familiarity),
        "why": crate::admin::reasons(&score.reasons),
        "micros": micros,
        "features": named,
    }))
}

/// Six decimals are more than anyone reads, and few enough not to swell the file.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
