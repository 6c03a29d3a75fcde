//! A report as one page: nothing is loaded from anywhere, and it reads well in print and in the dark.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use router_policies::Money;

use super::chart::{BarPair, bars, escaped, pairs};
use super::tally::{ReportSums, ReportTally, shown};
use super::{amount, share};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6878; --line: #dfe4ea; --back: #ffffff; --card: #f5f7f9; --paid: #0b7a75; --baseline: #b9c4cf }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #9aa6b5; --line: #303a47; --back: #14191f; --card: #1c232b; --paid: #35b8ac; --baseline: #53606f } }
body { margin: 0 auto; max-width: 820px; padding: 28px 24px 60px; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Noto Sans CJK SC', sans-serif }
h1 { font-size: 24px; margin: 0 } h2 { font-size: 17px; margin: 36px 0 10px } p { margin: 4px 0; color: var(--soft) }
.cards { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; margin-top: 22px }
.card { background: var(--card); border-radius: 8px; padding: 12px 14px } .card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums }
.card span { color: var(--soft); font-size: 13px }
svg { display: block; width: 100%; height: auto; font-size: 12px } svg text { fill: var(--soft) } .grid { stroke: var(--line) }
.paid { fill: var(--paid) } .baseline { fill: var(--baseline) }
.key { display: flex; gap: 18px; color: var(--soft); font-size: 13px } .key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px }
th { color: var(--soft); font-weight: 500 } th, td { padding: 6px 8px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap } th:first-child, td:first-child { text-align: left }
";

/// The report as a page.
pub fn page(tally: &ReportTally) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Xietong: costs and savings</title>\n<style>{STYLE}</style>\n<h1>Costs and savings</h1>\n"
    );
    let Some((from, to)) = tally.span else {
        out.push_str("<p>No requests in this time.</p>\n");
        return out;
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<p>{} requests from {from:.0} to {to:.0}; amounts in {}.</p>",
        tally.all.requests,
        escaped(&tally.currency)
    );
    cards(&mut out, tally);
    days(&mut out, tally);
    models(&mut out, tally);
    for (title, groups) in [("Routes", &tally.routes), ("Clients", &tally.clients), ("Days", &tally.days)] {
        groups_of(&mut out, title, groups);
    }
    notes(&mut out, &tally.all);
    out
}

fn cards(out: &mut String, tally: &ReportTally) {
    let all = &tally.all;
    let money = |nanos: i64| amount(Money(nanos));
    let saved = share(all.saved().units(), Money(all.baseline).units());
    let below = share(all.below_top as f64, all.requests as f64);
    let wasted = amount(all.all_wasted());
    let escalated = share(all.escalated as f64, all.requests as f64);
    let cards = [
        (money(all.cost), "paid".to_owned()),
        (money(all.baseline), "would have cost".to_owned()),
        (amount(all.saved()), format!("saved, {saved}")),
        (below, "answered below the top".to_owned()),
        (escalated, "went on to another model".to_owned()),
        (wasted, "wasted".to_owned()),
    ];
    out.push_str("<div class=\"cards\">\n");
    for (value, name) in cards {
        let _ = writeln!(out, "<div class=\"card\"><b>{value}</b><span>{name}</span></div>");
    }
    out.push_str("</div>\n");
}

fn days(out: &mut String, tally: &ReportTally) {
    let days: Vec<BarPair<'_>> = tally
        .days
        .iter()
        .map(|(day, sums)| BarPair {
            label: day.get(5..).unwrap_or(day),
            paid: Money(sums.compared_cost).units(),
            baseline: Money(sums.baseline).units(),
        })
        .collect();
    out.push_str(
        "<h2>Paid, and what the largest model would have cost</h2>\n<div class=\"key\"><span><i class=\"baseline\" \
         style=\"background: var(--baseline)\"></i>everything to the largest model</span><span><i class=\"paid\" \
         style=\"background: var(--paid)\"></i>paid, all attempts included</span></div>\n",
    );
    let money = |units: f64| amount(Money::from_units(units).unwrap_or_default());
    out.push_str(&pairs("Paid and baseline by day", &days, money));
}

fn models(out: &mut String, tally: &ReportTally) {
    let mut models: Vec<_> = tally.models.iter().collect();
    models.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.cost));
    let rows: Vec<(String, f64, String)> = models
        .iter()
        .map(|(name, sums)| {
            let unknown = sums.unpriced > 0 && sums.cost == 0;
            let cost = if unknown { "unknown".to_owned() } else { amount(Money(sums.cost)) };
            ((*name).clone(), Money(sums.cost).units(), format!("{cost} · {} attempts", sums.attempts))
        })
        .collect();
    out.push_str("<h2>Cost by model</h2>\n");
    out.push_str(&bars("Cost by model", &rows));
    let heads = [
        "model",
        "attempts",
        "answers",
        "prompt tokens",
        "of them cached",
        "answer tokens",
        "cost",
        "wasted",
    ];
    let rows = models.iter().map(|(name, sums)| {
        [
            escaped(shown(name)),
            sums.attempts.to_string(),
            sums.answers.to_string(),
            sums.prompt.to_string(),
            sums.cached.to_string(),
            sums.completion.to_string(),
            if sums.unpriced > 0 && sums.cost == 0 { "unknown".to_owned() } else { amount(Money(sums.cost)) },
            amount(Money(sums.wasted)),
        ]
    });
    table(out, &heads, rows);
}

fn groups_of(out: &mut String, title: &str, groups: &BTreeMap<String, ReportSums>) {
    let _ = writeln!(out, "<h2>{title}</h2>");
    let heads = ["", "requests", "complete", "escalated", "cost", "baseline", "saved", "share", "wasted"];
    let rows = groups.iter().map(|(name, sums)| {
        [
            escaped(shown(name)),
            sums.requests.to_string(),
            sums.outcomes.get("complete").copied().unwrap_or(0).to_string(),
            sums.escalated.to_string(),
            amount(Money(sums.cost)),
            amount(Money(sums.baseline)),
            amount(sums.saved()),
            share(sums.saved().units(), Money(sums.baseline).units()),
            amount(sums.all_wasted()),
        ]
    });
    table(out, &heads, rows);
}

fn notes(out: &mut String, all: &ReportSums) {
    let _ = writeln!(
        out,
        "<h2>How to read this</h2>\n<p>The baseline is what the same answers, token for token, would have cost from the \
         largest model of their route, at the price of their hour; a larger model might have answered at another length. \
         {} of {} requests can be compared: those that were answered on a route whose largest model has a price. A request without a whole answer, \
         or with a smaller model's because the largest one failed, saved nothing.</p>",
        all.compared, all.requests
    );
    if all.unpriced > 0 {
        let _ = writeln!(
            out,
            "<p>{} attempts at models without a price are not in any amount.</p>",
            all.unpriced
        );
    }
    if all.estimated > 0 {
        let _ = writeln!(
            out,
            "<p>The tokens of {} requests were estimated because their upstreams did not report them, or were let go before they did, and are charged with \
             a margin.</p>",
            all.estimated
        );
    }
}

fn table<const N: usize>(out: &mut String, heads: &[&str; N], rows: impl Iterator<Item = [String; N]>) {
    out.push_str("<div class=\"scroll\"><table>\n<tr>");
    for head in heads {
        let _ = write!(out, "<th>{head}</th>");
    }
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}
