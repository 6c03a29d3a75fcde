//! `xietong calibrate`: the shipped scorer adapted to labelled rows, and a threshold with a certificate.

use std::io::Write;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use router_policies::calibrate::{Calibration, CalibrationFit, LabelledRow, STEPS};
use router_policies::certify::{Certificate, CertifiedOutcome, METHOD, certify};
use router_policies::evaluate::{RankingFigures, calibration_error};
use router_policies::scorers::default_scorer;
use serde_json::json;

use super::CommandError;
use super::labelled::{InvalidLabel, read};

/// Adapt the shipped scorer to labelled rows, and certify a threshold.
///
/// From 50 rows on; 1,500 take less than a minute. With --max-loss and --confidence a third of the rows is held out,
/// and a threshold is found whose expected loss of quality, against sending everything to the large model, is at most
/// --max-loss with probability --confidence. A route uses the result by `calibration: FILE`.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  xietong calibrate --data labels.jsonl --out scorer.json --max-loss 0.03 --confidence 0.9"
)]
pub struct Args {
    /// The labelled rows (JSON lines); `-` is standard input.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where to write the adapted scorer.
    #[arg(long, value_name = "CALIBRATION")]
    out: PathBuf,
    /// The most quality that may be lost on average, 0..1.
    #[arg(long, value_name = "L", requires = "confidence")]
    max_loss: Option<f64>,
    /// The probability with which that must hold, 0..1.
    #[arg(long, value_name = "C", requires = "max_loss")]
    confidence: Option<f64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Of so many stems one is held out for the certificate.
const HELD_OUT: u64 = 3;

/// Reads, fits, certifies, writes.
///
/// # Errors
/// 2 when the data are not there or an argument makes no sense, 1 when there are too few rows or the certificate
/// that was asked for cannot be given.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let bound = bound(args)?;
    let mut bad = InvalidLabel::default();
    let rows: Vec<LabelledRow> = read(&args.data, &mut bad)?.into_iter().map(|entry| entry.row).collect();
    bad.sum_up();
    // Other bits of the stem than those that deal rows to the folds of a fit.
    let is_held = |row: &LabelledRow| bound.is_some() && (row.stem >> 40).is_multiple_of(HELD_OUT);
    let (held, used): (Vec<LabelledRow>, Vec<LabelledRow>) = rows.into_iter().partition(is_held);
    let progress = ProgressBar::new(STEPS as u64);
    let form = ProgressStyle::with_template("fitting and checking the scorer {wide_bar} step {pos} of {len}");
    progress.set_style(form.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut fitted = Calibration::fit(default_scorer(), &used, || progress.inc(1)).map_err(|few| {
        let held =
            if held.is_empty() { String::new() } else { format!(" ({} more are held out)", held.len()) };
        CommandError::other(format!("{}: {few}{held}", args.data.display()))
    })?;
    progress.finish_and_clear();
    let certificate =
        bound.map(|(max_loss, confidence)| certificate(&fitted, &used, &held, max_loss, confidence));
    fitted.calibration.promise = certificate.as_ref().and_then(Option::as_ref).map(Certificate::promise);
    std::fs::write(&args.out, fitted.calibration.write())
        .map_err(|error| CommandError::other(format!("{}: {error}", args.out.display())))?;
    let text = report(args, &fitted, &used, certificate.as_ref(), bad.count());
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::other)?;
    match certificate {
        Some(None) => Err(CommandError::other(format!(
            "no certificate: {} held-out rows do not show that any threshold keeps the loss within {} with \
             confidence {}. Give more rows, allow more loss, or ask for less confidence. The adapted scorer was written.",
            held.len(),
            args.max_loss.unwrap_or_default(),
            args.confidence.unwrap_or_default(),
        ))),
        _ => Ok(()),
    }
}

fn bound(args: &Args) -> Result<Option<(f64, f64)>, CommandError> {
    let Some((max_loss, confidence)) = args.max_loss.zip(args.confidence) else { return Ok(None) };
    if !(0.0..1.0).contains(&max_loss) {
        return Err(CommandError::usage("--max-loss is a number from 0 to below 1"));
    }
    if !(0.5..1.0).contains(&confidence) {
        return Err(CommandError::usage("--confidence is a number from 0.5 to below 1"));
    }
    Ok(Some((max_loss, confidence)))
}

/// Candidates come from the rows that were fitted on, as held out from their own fits; tests from the held-out rows.
fn certificate(
    fitted: &CalibrationFit,
    used: &[LabelledRow],
    held: &[LabelledRow],
    loss: f64,
    confidence: f64,
) -> Option<Certificate> {
    let earlier: Vec<f64> = fitted.held_out.iter().map(|seen| seen.gain).collect();
    debug_assert_eq!(earlier.len(), used.len());
    let outcomes: Vec<CertifiedOutcome> = held
        .iter()
        .map(|row| {
            let score = fitted.calibration.foresee_unseen(default_scorer(), &row.features).gain;
            CertifiedOutcome { score, lost: row.large - row.small }
        })
        .collect();
    certify(&earlier, &outcomes, loss, confidence)
}

fn report(
    args: &Args,
    fitted: &CalibrationFit,
    used: &[LabelledRow],
    certificate: Option<&Option<Certificate>>,
    left_out: usize,
) -> String {
    let figures = RankingFigures::of(&fitted.scored(used), || {});
    let chances = fitted.held_out.iter().zip(used).map(|(seen, row)| (seen.small.value(), row.small));
    let error = calibration_error(&chances.collect::<Vec<_>>());
    let certificate = certificate.map(Option::as_ref);
    if args.json {
        let value = json!({
            "rows": used.len(), "left_out": left_out, "cross_fitted": figures, "calibration_error": error,
            "certificate": certificate, "out": args.out,
        });
        return format!("{value:#}\n");
    }
    let mut text = format!("fitted on {} rows, written to {}\n", used.len(), args.out.display());
    if let Some(it) = figures {
        let [low, high] = it.apgr_interval;
        text.push_str(&format!(
            "on rows held out from each fit: APGR {:.3} [{low:.3}, {high:.3}], calibration error {error:.3}\n",
            it.apgr
        ));
    } else {
        text.push_str(
            "the large model is no better than the small one on these rows: there is nothing to gain\n",
        );
    }
    if let Some(Some(found)) = certificate {
        text.push_str(&words(found));
    }
    text
}

fn words(found: &Certificate) -> String {
    format!(
        "certificate\n  threshold      gain {:.4}: a request whose gain is above it goes one rung up\n  \
         expected loss  at most {} with probability {}\n  held out       loss {:.4}, {:.1} % stay with the small \
         model\n  rows           {} used for the fit, {} held out for the test\n  method         {METHOD}\n  policy        \
         \u{20}{{kind: threshold, at: {:.4}, by: gain}}\n",
        found.threshold,
        found.max_loss,
        found.confidence,
        found.held_out_loss,
        found.kept_small * 100.0,
        found.rows_used,
        found.rows_held_out,
        found.threshold,
    )
}
