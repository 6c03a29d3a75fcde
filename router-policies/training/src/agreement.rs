//! What one more answer could be worth on GSM8K, by labels alone: of questions that Mixtral-8x7B and GPT-4 answered (RouteLLM),
//! another run of a small model (ZeroEval) says which answers of Mixtral's to keep.
//!
//! The answers themselves are not stored. Two right ones come to the same, a right and a wrong one do not; how many of two
//! wrong ones do is assumed.

use std::collections::BTreeMap;
use std::path::Path;

use router_policies::stem::stem;

use crate::corpus::lines;
use crate::sources::LabelSource;
use crate::terminal::say;

/// Who answers once more.
const SECONDS: [&str; 5] = [
    "Mixtral-8x7B-Instruct-v0.1",
    "Yi-1.5-9B-Chat",
    "Qwen2-7B-Instruct",
    "Meta-Llama-3.1-8B-Instruct",
    "gemma-2-2b-it",
];
/// Shares of two wrong answers that come to the same.
const ALIKE: [f64; 4] = [0.0, 0.1, 0.2, 0.5];
/// How many times as dear the large model is, where the small calls are charged.
const RATIOS: [f64; 3] = [3.0, 10.0, 30.0];

/// Whether the small model, the large one and the second answer are right.
type AgreementLabels = [f64; 3];

/// Prints the table.
pub(crate) fn report(data: &Path) -> Result<(), String> {
    let all = lines(data)?;
    let others: BTreeMap<u64, &BTreeMap<String, f64>> = all
        .iter()
        .filter(|(source, line, _)| *source == LabelSource::ZeroEval && line.task == "gsm")
        .map(|(_, line, _)| (stem(&line.query), &line.scores))
        .collect();
    say(
        "| second answer by | questions | both right | both wrong | by calls, small ones free: no two wrong answers agree | 10 % do | 20 % | 50 % | small calls charged, 10 % do: 3 times as dear | 10 times | 30 times |",
    );
    say(&format!("| --- |{}", " ---: |".repeat(3 + ALIKE.len() + RATIOS.len())));
    for second in SECONDS {
        let asked = all.iter().filter(|(source, line, _)| {
            *source == LabelSource::RouteLlm && line.task.starts_with("gsm") && !line.contaminated
        });
        let labels = |line: &BTreeMap<String, f64>, stem: u64| -> Option<AgreementLabels> {
            Some([
                *line.get("weak:mixtral-8x7b")?,
                *line.get("strong:gpt-4-1106")?,
                *others.get(&stem)?.get(second)?,
            ])
        };
        let rows: Vec<AgreementLabels> =
            asked.filter_map(|(_, line, _)| labels(&line.scores, stem(&line.query))).collect();
        let share =
            |of: fn(&AgreementLabels) -> f64| rows.iter().map(of).sum::<f64>() / rows.len().max(1) as f64;
        let free = ALIKE.map(|alike| format!("{:.3}", area(&rows, alike, f64::INFINITY)));
        let charged = RATIOS.map(|ratio| format!("{:.3}", area(&rows, ALIKE[1], ratio)));
        say(&format!(
            "| {second} | {} | {:.1} % | {:.1} % | {} | {} |",
            rows.len(),
            100.0 * share(|it| it[0] * it[2]),
            100.0 * share(|it| (1.0 - it[0]) * (1.0 - it[2])),
            free.join(" | "),
            charged.join(" | "),
        ));
    }
    Ok(())
}

/// The area under quality by cost, of three mixtures of what can be had: the small model alone, what it is not agreed with on
/// sent up, and the large model alone. A second answer costs as much as the first.
fn area(rows: &[AgreementLabels], alike: f64, ratio: f64) -> f64 {
    let (mut up, mut gained, mut gap) = (0.0, 0.0, 0.0);
    for [small, large, second] in rows {
        let agree = small * second + alike * (1.0 - small) * (1.0 - second);
        up += 1.0 - agree;
        gained += (1.0 - agree) * (large - small);
        gap += large - small;
    }
    let recovered = gained / gap;
    let cost = ((up / rows.len() as f64 + 1.0 / ratio) / (1.0 - 1.0 / ratio)).min(1.0);
    (cost * recovered + (1.0 - cost) * (1.0 + recovered)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_knows_what_is_wrong_sends_up_only_that() {
        // Half are wrong, and the large model is always right: the area of the best order is 3/4.
        let rows = [[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]];
        assert!((area(&rows, 0.0, f64::INFINITY) - 0.75).abs() < 1e-9);
        // Where wrong answers agree, nothing goes up.
        assert!((area(&rows, 1.0, f64::INFINITY) - 0.5).abs() < 1e-9);
        assert!(area(&rows, 0.0, 10.0) < 0.75);
    }
}
