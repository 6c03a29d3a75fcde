//! The proof as tables in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::cascading::at;
use crate::proof::cases::Case;
use crate::proof::drawing::{Line, svg};
use crate::proof::ways::{Estimate, Outcome, Trial, Way, alone, apgr_by_calls, areas, curve, sent_within};

/// The share of the large model's busy time at which ways are compared.
const BUDGET: f64 = 0.6;
/// The same, where ways are compared by kind: a cascade has spent the small model's time before it sends anything up.
const BUDGET_OF_KINDS: f64 = 0.8;
/// The share of the large model's quality that is asked for.
const QUALITY: f64 = 0.95;

/// What a provider asks for a million tokens, of the prompt and of the answer, in USD.
#[derive(Debug, Clone, Copy)]
pub struct ListPrice {
    /// The provider's name of the model.
    pub model: &'static str,
    /// For a million tokens of prompts.
    pub input: f64,
    /// For a million tokens of answers.
    pub output: f64,
    /// Where it is published.
    pub source: &'static str,
}

/// Public list prices, read on 2026-12-01.
pub const LIST_PRICES: [ListPrice; 2] = [
    ListPrice {
        model: "deepseek-chat",
        input: 0.28,
        output: 0.42,
        source: "https://api-docs.deepseek.com/quick_start/pricing",
    },
    ListPrice {
        model: "gpt-5",
        input: 1.25,
        output: 10.0,
        source: "https://developers.openai.com/api/docs/pricing",
    },
];

/// Two models on the same questions, and what costs are counted in.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The questions.
    pub trial: &'a Trial,
    /// What the models are called, the small one first.
    pub names: [&'a str; 2],
    /// The unit of costs, such as `s`.
    pub unit: &'a str,
    /// Fixes what the bootstrap draws.
    pub seed: u64,
}

impl Comparison<'_> {
    /// Both models alone, and the best that any choice could make of them.
    pub fn models(&self) -> String {
        let cases = &self.trial.cases;
        let count = cases.len().max(1) as f64;
        let [small, large] = alone(cases);
        let either = cases.iter().map(|case| case.small.right.max(case.large.right)).sum::<f64>() / count;
        let mut text = format!(
            "| {} questions | right | {unit} a question |\n| --- | ---: | ---: |\n",
            cases.len(),
            unit = self.unit
        );
        for (name, (cost, right)) in self.names.iter().zip([small, large]) {
            let _ = writeln!(text, "| {name} alone | {right:.3} | {cost:.2} |");
        }
        let share = |small: f64, large: f64| {
            let cases = cases.iter().filter(|case| (case.small.right, case.large.right) == (small, large));
            cases.count() as f64 / count * 100.0
        };
        let _ = writeln!(
            text,
            "| whichever is right (oracle) | {either:.3} | |\n\nBoth right {:.0} %, only the large one {:.0} %, only the small one \
             {:.0} %, neither {:.0} %.",
            share(1.0, 1.0),
            share(0.0, 1.0),
            share(1.0, 0.0),
            share(0.0, 0.0)
        );
        text
    }

    /// What each way comes to.
    pub fn ways(&self) -> String {
        let [small, large] = alone(&self.trial.cases);
        let mut text = format!(
            "| way | area by cost | more than by difficulty | area by calls | quality at {:.0} % of the large one's cost, by the \
             large one's | cost for {:.0} % of its quality, by the large one's |\n| --- | --- | --- | ---: | ---: | ---: |\n",
            BUDGET * 100.0,
            QUALITY * 100.0
        );
        let random = small.1 + (large.1 - small.1) * share_for(BUDGET * large.0, small.0, large.0);
        let _ = writeln!(
            text,
            "| at random | 0.500 | | 0.500 | {:.3} | {} |",
            random / large.1,
            percent(random_cost(small, large))
        );
        let found = areas(self.trial, &Way::ALL, self.seed);
        for (way, area) in Way::ALL.into_iter().zip(found) {
            let (Some((area, more)), Some(outcomes)) = (area, self.trial.outcomes(way)) else {
                let _ = writeln!(text, "| {} | not measured | | | | |", way.name());
                continue;
            };
            let Some(points) = curve(&outcomes, [small, large]) else { continue };
            let quality =
                |cost: f64| small.1 + (large.1 - small.1) * at(&points, share_for(cost, small.0, large.0));
            let least = (0..=1000)
                .map(|step| f64::from(step) / 1000.0 * (large.0 - small.0) + small.0)
                .find(|cost| quality(*cost) >= QUALITY * large.1);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.3} | {} |",
                way.name(),
                shown(area),
                if way == Way::Difficulty { String::new() } else { shown(more) },
                apgr_by_calls(self.trial, way).map_or_else(String::new, |area| format!("{area:.3}")),
                quality(BUDGET * large.0) / large.1,
                percent(least.map(|cost| cost / large.0))
            );
        }
        text
    }

    /// Quality by kind: both models, and three ways that cost so much of what the large model does.
    pub fn kinds(&self) -> String {
        let cases = &self.trial.cases;
        let [small, large] = alone(cases);
        let share = share_for(BUDGET_OF_KINDS * large.0, small.0, large.0);
        let ways = [Way::Difficulty, Way::Utility, Way::Cascade(0), Way::Cascade(1), Way::Cascade(2)];
        let sent: Vec<Option<(Vec<Outcome>, Vec<bool>)>> = ways
            .iter()
            .map(|way| {
                let outcomes = self.trial.outcomes(*way)?;
                let sent = sent_within(&outcomes, BUDGET_OF_KINDS * large.0);
                Some((outcomes, sent))
            })
            .collect();
        let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        cases.iter().enumerate().for_each(|(at, case)| kinds.entry(&case.kind).or_default().push(at));
        let mut text = format!(
            "At thresholds with which each way costs {:.0} % of what the large model does:\n\n| kind | questions | small right | large \
             right | either | small, {unit} | large, {unit} | at random | difficulty | utility | hold 8 | hold 24 | hold all |\n| --- |{}\n",
            BUDGET_OF_KINDS * 100.0,
            " ---: |".repeat(12),
            unit = self.unit
        );
        let all: Vec<usize> = (0..cases.len()).collect();
        for (kind, places) in kinds.iter().map(|(kind, places)| (*kind, places)).chain([("all", &all)]) {
            let count = places.len() as f64;
            let mean =
                |of: &dyn Fn(&Case) -> f64| places.iter().map(|at| of(&cases[*at])).sum::<f64>() / count;
            let (one, other) = (mean(&|case| case.small.right), mean(&|case| case.large.right));
            let cells = sent.iter().map(|way| match way {
                Some((outcomes, sent)) => {
                    let quality =
                        |at: &usize| if sent[*at] { outcomes[*at].sent.1 } else { outcomes[*at].kept.1 };
                    format!("{:.2}", places.iter().map(quality).sum::<f64>() / count)
                }
                None => "–".to_owned(),
            });
            let _ = writeln!(
                text,
                "| {kind} | {} | {one:.2} | {other:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {} |",
                places.len(),
                mean(&|case| case.small.right.max(case.large.right)),
                mean(&|case| case.small.cost),
                mean(&|case| case.large.cost),
                one + (other - one) * share,
                cells.collect::<Vec<_>>().join(" | ")
            );
        }
        text
    }

    /// What the same choices would have cost had a provider answered what was sent up, at its list price; the small model runs
    /// on a machine that is there.
    pub fn prices(&self) -> String {
        let cases = &self.trial.cases;
        let [_, large] = alone(cases);
        let ways = [Way::Difficulty, Way::Utility, Way::Cascade(1), Way::Cascade(2), Way::Oracle];
        let names: Vec<String> = ways.iter().map(|way| way.name()).collect();
        let mut text = format!(
            "Had a provider answered what is sent up, at its list price: USD for a thousand questions, at the threshold with which \
             {:.0} % of the large one's quality is reached, and the share of what it costs alone. The small model runs on a machine \
             that is there.\n\n| the large one at the list price of | alone | {} |\n| --- | ---: |{}\n",
            QUALITY * 100.0,
            names.join(" | "),
            " ---: |".repeat(ways.len())
        );
        for price in LIST_PRICES {
            let cost = |case: &Case| {
                let [prompt, answer] = case.large.tokens;
                (prompt * price.input + answer * price.output) / 1e6
            };
            let thousand = |sum: f64| sum / cases.len().max(1) as f64 * 1000.0;
            let whole = thousand(cases.iter().map(cost).sum());
            let cells = ways.iter().map(|way| {
                let Some(outcomes) = self.trial.outcomes(*way) else { return "–".to_owned() };
                let sent = least_for(&outcomes, QUALITY * large.1);
                let paid =
                    cases.iter().zip(&sent).filter(|(_, sent)| **sent).map(|(case, _)| cost(case)).sum();
                format!("{:.4} ({:.0} %)", thousand(paid), thousand(paid) / whole * 100.0)
            });
            let cells: Vec<String> = cells.collect();
            let _ = writeln!(
                text,
                "| [{}]({}) | {whole:.4} | {} |",
                price.model,
                price.source,
                cells.join(" | ")
            );
        }
        text
    }

    /// The curves of some ways.
    pub fn drawing(&self) -> String {
        const WAYS: [(Way, &str); 5] = [
            (Way::Difficulty, "#1e88e5"),
            (Way::Utility, "#8e24aa"),
            (Way::Cascade(1), "#fb8c00"),
            (Way::Cascade(2), "#e53935"),
            (Way::Oracle, "#43a047"),
        ];
        let both = alone(&self.trial.cases);
        let line = |(way, colour): (Way, &'static str)| {
            let points = curve(&self.trial.outcomes(way)?, both)?;
            let name = format!("{} ({:.2})", way.name(), crate::cascading::apgr(&points));
            Some(Line { name, colour, points })
        };
        let lines: Vec<Line> = WAYS.into_iter().filter_map(line).collect();
        let title = format!(
            "{} questions: {} right in {:.0} %, {} in {:.0} %",
            self.trial.cases.len(),
            self.names[0],
            both[0].1 * 100.0,
            self.names[1],
            both[1].1 * 100.0
        );
        svg(&title, &lines)
    }
}

/// The fewest questions sent up with which a quality is reached; all of them where it is not.
fn least_for(outcomes: &[Outcome], quality: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..outcomes.len()).collect();
    order.sort_by(|one, other| outcomes[*one].score.total_cmp(&outcomes[*other].score));
    let mut sent = vec![false; outcomes.len()];
    let mut good: f64 = outcomes.iter().map(|it| it.kept.1).sum();
    for at in order {
        if good >= quality * outcomes.len() as f64 {
            break;
        }
        sent[at] = true;
        good += outcomes[at].sent.1 - outcomes[at].kept.1;
    }
    sent
}

/// Which share of the way from one cost to another a cost lies at.
fn share_for(cost: f64, small: f64, large: f64) -> f64 {
    ((cost - small) / (large - small).max(1e-12)).clamp(0.0, 1.0)
}

/// What choosing at random costs, by the large model, for the quality that is asked for.
fn random_cost(small: (f64, f64), large: (f64, f64)) -> Option<f64> {
    let share = (QUALITY * large.1 - small.1) / (large.1 - small.1);
    Some((small.0 + (large.0 - small.0) * share.clamp(0.0, 1.0)) / large.0)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "more than 100 %".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

fn shown(estimate: Estimate) -> String {
    let [low, high] = estimate.within;
    format!("{:.3} [{low:.3}, {high:.3}]", estimate.value)
}
