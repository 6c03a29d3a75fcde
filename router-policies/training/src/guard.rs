//! The coefficients of the guard's chance, from answers that were found right or wrong.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use router_policies::evaluate::calibration_error;
use router_policies::guard::ChanceSignals;
use router_policies::guard::fit::{self, JudgedAnswer};

use crate::terminal::say;

/// Fits, and writes or prints the source that the coefficients are kept in.
pub fn fit(rows: &Path, out: Option<&Path>) -> Result<(), String> {
    let source = fit::source(&fit::fit(&read(rows)?));
    match out {
        Some(out) => std::fs::write(out, source).map_err(|why| format!("{}: {why}", out.display())),
        None => std::io::stdout().write_all(source.as_bytes()).map_err(|why| why.to_string()),
    }
}

/// How good chances of whole answers are, of kinds of question that the fit never saw: of each model's answers, by what its own
/// and what those of all teach.
pub fn report(rows: &Path) -> Result<(), String> {
    let rows = read(rows)?;
    let models: BTreeSet<&str> = rows.iter().map(|row| row.model.as_str()).collect();
    say("| answers of | fitted on answers of | answers | calibration error | mean negative log-likelihood |");
    say("| --- | --- | ---: | ---: | ---: |");
    for judged in &models {
        let teachers = models.iter().map(|&teacher| (teacher, Some(teacher)));
        for (name, teacher) in teachers.chain([("all", None)]) {
            let pairs = apart(&rows, judged, teacher);
            let loss =
                pairs.iter().map(|&(chance, right)| -if right > 0.5 { chance } else { 1.0 - chance }.ln());
            say(&format!(
                "| {judged} | {name} | {} | {:.3} | {:.3} |",
                pairs.len(),
                calibration_error(&pairs),
                loss.sum::<f64>() / pairs.len() as f64
            ));
        }
    }
    Ok(())
}

/// Chances of one model's answers, and whether they are right, each by a fit on other kinds of question.
fn apart(rows: &[JudgedAnswer], judged: &str, teacher: Option<&str>) -> Vec<(f64, f64)> {
    let kinds: BTreeSet<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let of_kind = |kind: &&str| {
        let teaches =
            |row: &&JudgedAnswer| row.kind != *kind && teacher.is_none_or(|teacher| row.model == teacher);
        let form = fit::fit(&rows.iter().filter(teaches).cloned().collect::<Vec<JudgedAnswer>>());
        let chance = |row: &JudgedAnswer| {
            let whole = row.evidence().last()?;
            let reading = form.read(&whole, &row.prior(&form), true, ChanceSignals::default());
            Some((reading.chance.value().clamp(1e-3, 1.0 - 1e-3), f64::from(u8::from(row.right?))))
        };
        let held = rows.iter().filter(|row| row.kind == *kind && row.model == judged);
        held.filter_map(chance).collect::<Vec<_>>()
    };
    kinds.iter().flat_map(of_kind).collect()
}

fn read(rows: &Path) -> Result<Vec<JudgedAnswer>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", rows.display());
    let text = std::fs::read_to_string(rows).map_err(|why| named(&why))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|why| named(&why))).collect()
}
