//! A report as text for a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use router_policies::Money;

use super::tally::{ReportSums, ReportTally, shown};
use super::{amount, share};

/// The report as text.
pub fn table(tally: &ReportTally) -> String {
    let (all, currency) = (&tally.all, &tally.currency);
    let mut out = String::new();
    let Some((from, to)) = tally.span else { return "no requests in this time\n".to_owned() };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} requests from {from:.0} to {to:.0}, amounts in {currency}\n", all.requests);
    let _ = writeln!(out, "paid              {}", amount(Money(all.cost)));
    let _ = writeln!(
        out,
        "would have cost   {}   everything to the largest model of its route",
        amount(Money(all.baseline))
    );
    if all.own > 0 {
        let _ = writeln!(
            out,
            "asked by us       {}   checks, and answers to learn from; in what was paid, off what was saved",
            amount(Money(all.own))
        );
    }
    let _ = writeln!(
        out,
        "saved             {}   {} of that, on the {} requests that can be compared",
        amount(all.saved()),
        share(all.saved().units(), Money(all.baseline).units()),
        all.compared
    );
    let _ = writeln!(
        out,
        "wasted            {}   {}",
        amount(all.all_wasted()),
        all.wasted
            .iter()
            .map(|(cause, cost)| format!("{cause} {}", amount(Money(*cost))))
            .collect::<Vec<_>>()
            .join(", ")
    );
    if all.unpriced > 0 {
        let _ = writeln!(out, "not counted       {} attempts at models without a price", all.unpriced);
    }
    if all.estimated > 0 {
        let _ = writeln!(
            out,
            "estimated         tokens of {} requests, whose upstreams reported none or were not heard to their end",
            all.estimated
        );
    }
    out.push('\n');
    models(&mut out, tally);
    for (title, groups) in [("route", &tally.routes), ("client", &tally.clients), ("day", &tally.days)] {
        out.push('\n');
        groups_of(&mut out, title, groups);
    }
    out
}

fn models(out: &mut String, tally: &ReportTally) {
    let mut rows = vec![
        ["model", "attempts", "answers", "prompt", "cached", "answer", "cost", "wasted"].map(str::to_owned),
    ];
    for (name, sums) in &tally.models {
        let unknown = sums.unpriced > 0 && sums.cost == 0;
        rows.push([
            shown(name).to_owned(),
            sums.attempts.to_string(),
            sums.answers.to_string(),
            sums.prompt.to_string(),
            sums.cached.to_string(),
            sums.completion.to_string(),
            if unknown { "unknown".to_owned() } else { amount(Money(sums.cost)) },
            amount(Money(sums.wasted)),
        ]);
    }
    aligned(out, &rows);
}

fn groups_of(out: &mut String, title: &str, groups: &BTreeMap<String, ReportSums>) {
    let heads = [title, "requests", "complete", "escalated", "cost", "baseline", "saved", "share"];
    let mut rows = vec![heads.map(str::to_owned)];
    for (name, sums) in groups {
        rows.push([
            shown(name).to_owned(),
            sums.requests.to_string(),
            sums.outcomes.get("complete").copied().unwrap_or(0).to_string(),
            sums.escalated.to_string(),
            amount(Money(sums.cost)),
            amount(Money(sums.baseline)),
            amount(sums.saved()),
            share(sums.saved().units(), Money(sums.baseline).units()),
        ]);
    }
    aligned(out, &rows);
}

/// Columns side by side: the first to the left, numbers to the right.
fn aligned<const N: usize>(out: &mut String, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let gap = " ".repeat(widths[column] - columns(cell));
            line.push_str(&if column == 0 { format!("{cell}{gap}") } else { format!("  {gap}{cell}") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The columns of a terminal that a text takes: Chinese, Japanese and Korean characters take two.
fn columns(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
