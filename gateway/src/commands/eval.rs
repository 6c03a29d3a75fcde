//! `xietong eval`: how good a scorer is for routing, on labelled rows.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use router_policies::ModelClass;
use router_policies::evaluate::{RankingFigures, RecoveryCurve, ScoredPrompt, oracle, shuffle};
use router_policies::scoring::random::SplitMix64;
use serde::Deserialize;

use super::labelled::{InvalidLabel, LabelledEntry, lines, open, read};
use super::plot::{PlotLine, plot};
use super::scorer::ScoredRequest;
use super::{CommandError, say};

/// Measure a scorer on labelled rows: APGR, CPT, AUC, with 95 % intervals and controls.
///
/// A row is `{"id", "prompt" or "messages", "small": 0..1, "large": 0..1, "source"?}`. APGR is the area under the
/// curve of recovered performance gap over the share of calls to the large model: 0.5 is chance. CPT(50%) is the share
/// of calls to the large model that recovers half of the gap.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  xietong eval --data labels.jsonl --plot curve.svg")]
pub struct Args {
    /// The labelled rows (JSON lines); `-` is standard input.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Scores from elsewhere, a line a row of the data: a number, or an object with `gain` or `score`. The higher,
    /// the sooner a row goes to the large model.
    #[arg(long, value_name = "FILE", conflicts_with = "calibration")]
    scores: Option<PathBuf>,
    /// An adapted scorer, made by `xietong calibrate`.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Draw the curve, with the oracle, chance and the shuffled control, into this SVG file.
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The fewest rows that figures are made of.
const FEWEST: usize = 10;

/// Reads, scores, measures, prints.
///
/// # Errors
/// 2 when a file is not there, 1 when there are not enough rows or no gap between the models.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let mut bad = InvalidLabel::default();
    let entries = read(&args.data, &mut bad)?;
    bad.sum_up();
    if entries.len() < FEWEST {
        let words = format!("{}: {} usable rows; {FEWEST} are needed", args.data.display(), entries.len());
        return Err(CommandError::other(words));
    }
    let scores = match &args.scores {
        Some(path) => outside(path, &entries)?,
        None => {
            let asked =
                ScoredRequest::new(args.calibration.as_deref(), (ModelClass::Small, ModelClass::Frontier))?;
            say_trained(&asked, &entries);
            entries.iter().map(|entry| asked.gain_unseen(&entry.row.features)).collect()
        }
    };
    let scored: Vec<ScoredPrompt> = entries
        .iter()
        .zip(scores)
        .map(|(entry, score)| ScoredPrompt { score, small: entry.row.small, large: entry.row.large })
        .collect();
    let parts = measure(&entries, &scored)?;
    if let Some(path) = &args.plot {
        std::fs::write(path, drawing(&scored)?)
            .map_err(|error| CommandError::other(format!("{}: {error}", path.display())))?;
    }
    let text = if args.json { json(&parts, bad.count()) } else { table(&parts) };
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::other)
}

/// Figures on training data would flatter.
fn say_trained(asked: &ScoredRequest, entries: &[LabelledEntry]) {
    let trained = entries.iter().filter(|entry| asked.trained_on(&entry.row.features)).count();
    if trained > 0 {
        let all = entries.len();
        say(&format!(
            "{trained} of {all} rows are training data of the shipped scorer: judged by fits without them"
        ));
    }
}

/// A part of the data with its figures; `None` where there is no gap.
type Part = (String, Option<RankingFigures>);

/// All rows, and then each source by itself if there are several.
fn measure(entries: &[LabelledEntry], scored: &[ScoredPrompt]) -> Result<Vec<Part>, CommandError> {
    let mut by_source: BTreeMap<&str, Vec<ScoredPrompt>> = BTreeMap::new();
    for (entry, scored) in entries.iter().zip(scored) {
        if let Some(source) = &entry.source {
            by_source.entry(source).or_default().push(*scored);
        }
    }
    if by_source.len() < 2 {
        by_source.clear();
    }
    let progress = ProgressBar::new((1 + by_source.len()) as u64 * 1000);
    let all = RankingFigures::of(scored, || progress.inc(1)).ok_or_else(|| {
        CommandError::other(
            "the large model is no better than the small one on these rows: there is no gap to recover",
        )
    })?;
    let mut parts = vec![("all".to_owned(), Some(all))];
    let sources = by_source.into_iter();
    parts.extend(
        sources.map(|(source, rows)| (source.to_owned(), RankingFigures::of(&rows, || progress.inc(1)))),
    );
    progress.finish_and_clear();
    Ok(parts)
}

/// Scores by line; lines of the data that were bad are skipped in both files.
fn outside(path: &Path, entries: &[LabelledEntry]) -> Result<Vec<f64>, CommandError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum EvalInput {
        Number(f64),
        Object { gain: Option<f64>, score: Option<f64> },
    }
    let mut scores = Vec::new();
    for line in lines(open(path)?) {
        let line = line.map_err(|error| CommandError::other(format!("{}: {error}", path.display())))?;
        scores.push(match serde_json::from_slice(&line) {
            Ok(EvalInput::Number(score)) => Some(score),
            Ok(EvalInput::Object { gain, score }) => gain.or(score),
            Err(_) => None,
        });
    }
    let score = |entry: &LabelledEntry| {
        let found = scores.get(entry.line - 1).copied().flatten().filter(|score| score.is_finite());
        found.ok_or_else(|| {
            CommandError::other(format!("{}: no score in line {}", path.display(), entry.line))
        })
    };
    entries.iter().map(score).collect()
}

fn table(parts: &[Part]) -> String {
    let width = parts.iter().map(|(name, _)| name.chars().count()).fold(20, usize::max);
    let mut text = format!(
        "{:<width$}   rows   small   large   APGR  [95 % interval]  CPT50  CPT80    AUC  oracle  shuffled\n",
        "source"
    );
    // Where all answers of a model are right, or all are wrong, there is nothing to rank.
    let auc = |auc: f64| if auc.is_nan() { "–".to_owned() } else { format!("{auc:.3}") };
    for (name, figures) in parts {
        let Some(it) = figures else {
            text.push_str(&format!("{name:<width$} no gap: the large model is no better here\n"));
            continue;
        };
        let [low, high] = it.apgr_interval;
        let interval = format!("[{low:.3}, {high:.3}]");
        text.push_str(&format!(
            "{name:<width$} {:>6} {:>6.1}% {:>6.1}%  {:.3}  {interval:>15}  {:>4.1}%  {:>4.1}%  {:>5}  {:>6.3}  {:>8.3}\n",
            it.rows,
            it.all_small * 100.0,
            it.all_large * 100.0,
            it.apgr,
            it.cpt50 * 100.0,
            it.cpt80 * 100.0,
            auc(it.auc),
            it.oracle,
            it.shuffled,
        ));
    }
    text.push_str("The random router has an APGR of 0.500.\n");
    text
}

fn json(parts: &[Part], left_out: usize) -> String {
    let sources: serde_json::Map<_, _> =
        parts.iter().skip(1).map(|(name, figures)| (name.clone(), serde_json::json!(figures))).collect();
    let value = serde_json::json!({"all": parts[0].1, "sources": sources, "left_out": left_out});
    format!("{value:#}\n")
}

fn drawing(scored: &[ScoredPrompt]) -> Result<String, CommandError> {
    let curve = |rows: &[ScoredPrompt]| {
        RecoveryCurve::of(rows).ok_or_else(|| CommandError::other("there is no gap to draw"))
    };
    let own = curve(scored)?;
    let title = format!("Performance gap recovered, {} prompts (APGR {:.3})", scored.len(), own.apgr());
    let lines = [
        PlotLine { name: "oracle", colour: "#2e7d32", dashed: true, curve: curve(&oracle(scored))? },
        PlotLine { name: "this scorer", colour: "#1565c0", dashed: false, curve: own },
        PlotLine {
            name: "same scores, shuffled",
            colour: "#ef6c00",
            dashed: false,
            curve: curve(&shuffle(scored, &mut SplitMix64(17)))?,
        },
        PlotLine {
            name: "random",
            colour: "#757575",
            dashed: true,
            curve: RecoveryCurve { recovered: vec![0.0, 1.0] },
        },
    ];
    Ok(plot(&title, &lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_their_heads_whatever_a_source_is_called() {
        let rows = |right: f64| {
            let row = move |at: u32| ScoredPrompt { score: f64::from(at), small: right, large: 1.0 };
            (0..40).map(row).collect::<Vec<_>>()
        };
        let parts = [
            ("all".to_owned(), RankingFigures::of(&rows(0.0), || {})),
            ("a-source-whose-name-is-longer-than-most".to_owned(), RankingFigures::of(&rows(0.0), || {})),
            ("none".to_owned(), RankingFigures::of(&rows(1.0), || {})),
        ];
        let text = table(&parts);
        let lines: Vec<&str> = text.lines().collect();
        let ends = |line: &str| line.chars().count();
        assert_eq!(ends(lines[1]), ends(lines[2]), "{text}");
        assert_eq!(ends(lines[0]), ends(lines[1]), "{text}");
        assert!(!text.contains("NaN") && lines[3].contains("no gap"), "{text}");
    }
}
