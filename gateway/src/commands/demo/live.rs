//! What is seen while questions are asked: a line for each, and sums below them on a terminal.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use router_policies::Currency;
use tokio::time::{Duration, Instant};

use super::TrafficPlan;
use super::script::ScriptedQuestion;
use crate::commands::CommandError;
use crate::commands::gateway_client::{GatewayAnswer, in_nanos};
use crate::report::{amount, share};

/// Columns of a prompt.
const PROMPT: usize = 40;

/// The sums so far, and where they are shown.
pub(super) struct LiveView {
    bar: Option<ProgressBar>,
    began: Instant,
    plan: TrafficPlan,
    currency: Currency,
    sums: LiveSums,
}

/// What was asked so far.
#[derive(Debug, Clone, Default, PartialEq)]
struct LiveSums {
    answered: u64,
    /// Of those, by another model than the largest.
    below_top: u64,
    failed: u64,
    /// The first failure's words.
    fault: Option<String>,
    paid: f64,
    baseline: f64,
}

impl LiveView {
    /// Nothing yet.
    pub(super) fn new(plan: TrafficPlan, currency: Currency) -> Self {
        let terminal = std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        let bar = terminal.then(|| {
            let length = plan.requests.unwrap_or(plan.time.as_secs());
            let style = ProgressStyle::with_template("{spinner} {bar:20} {pos} of {len}{prefix}  {msg}");
            let bar =
                ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(if plan.requests.is_some() { "" } else { " s" });
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, began: Instant::now(), plan, currency, sums: LiveSums::default() }
    }

    /// A question is over.
    pub(super) fn show(&mut self, question: &ScriptedQuestion, answer: Result<GatewayAnswer, CommandError>) {
        let line = line(question, &answer, self.currency);
        self.sums.add(answer);
        let print = || {
            // That nobody reads on is no reason to fail.
            let _ = writeln!(std::io::stdout(), "{line}");
        };
        let Some(bar) = &self.bar else { return print() };
        bar.suspend(print);
        bar.set_position(match self.plan.requests {
            Some(_) => self.sums.answered + self.sums.failed,
            None => self.began.elapsed().as_secs().min(self.plan.time.as_secs()),
        });
        bar.set_message(self.sums.words(self.currency));
    }

    /// No more is asked.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Questions that were answered.
    pub(super) fn answered(&self) -> u64 {
        self.sums.answered
    }

    /// Why the first question that was not answered was not.
    pub(super) fn fault(&self) -> Option<&str> {
        self.sums.fault.as_deref()
    }
}

impl LiveSums {
    fn add(&mut self, answer: Result<GatewayAnswer, CommandError>) {
        match answer {
            Ok(answer) => {
                self.answered += 1;
                self.below_top += u64::from(answer.model != answer.baseline_model);
                self.paid += answer.cost.unwrap_or_default();
                self.baseline += answer.baseline_cost.unwrap_or_default();
            }
            Err(fault) => {
                self.failed += 1;
                self.fault.get_or_insert(fault.to_string());
            }
        }
    }

    fn words(&self, currency: Currency) -> String {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        format!(
            "{} of {} below the paid model{failed}; {} instead of {} {currency}: saved {}",
            self.below_top,
            self.answered,
            amount(in_nanos(self.paid)),
            amount(in_nanos(self.baseline)),
            share(self.baseline - self.paid, self.baseline),
        )
    }
}

/// A question, who answered it, and what that cost instead of what.
fn line(
    question: &ScriptedQuestion,
    answer: &Result<GatewayAnswer, CommandError>,
    currency: Currency,
) -> String {
    let prompt = fit(question.prompt, PROMPT);
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) => return format!("{}  {prompt}  {fault}", question.language),
    };
    let money = |units: Option<f64>| units.map_or("unknown".to_owned(), |units| amount(in_nanos(units)));
    let handed_over =
        if answer.attempts.is_some_and(|attempts| attempts > 1) { " after the small one" } else { "" };
    format!(
        "{}  {prompt}  difficulty {:.2} → {:<14} {:>9} instead of {:<9} {currency} {:>5.1} s{handed_over}",
        question.language,
        answer.difficulty.unwrap_or_default(),
        answer.model.as_deref().unwrap_or("-"),
        money(answer.cost),
        money(answer.baseline_cost),
        answer.seconds,
    )
}

/// A text in exactly so many columns of a terminal: cut, or with spaces behind it.
fn fit(text: &str, columns: usize) -> String {
    let (mut shown, mut width) = (String::new(), 0);
    for sign in text.chars() {
        let wide = if sign.is_ascii() { 1 } else { 2 };
        if width + wide > columns.saturating_sub(1) {
            shown.push('…');
            width += 1;
            break;
        }
        shown.push(sign);
        width += wide;
    }
    shown + &" ".repeat(columns.saturating_sub(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(model: &str, cost: f64, attempts: u64) -> Result<GatewayAnswer, CommandError> {
        Ok(GatewayAnswer {
            model: Some(model.to_owned()),
            difficulty: Some(0.3),
            attempts: Some(attempts),
            cost: Some(cost),
            baseline_model: Some("scripted-paid".to_owned()),
            baseline_cost: Some(0.004),
            seconds: 1.26,
            ..GatewayAnswer::default()
        })
    }

    fn price_currency() -> Currency {
        gateway_config::list_price("deepseek").unwrap().currency
    }

    const QUESTION: ScriptedQuestion =
        ScriptedQuestion { language: "en", tokens: 12, refused: false, prompt: "Hi there!" };

    #[test]
    fn a_line_names_model_and_money() {
        let line = |answer| line(&QUESTION, &answer, price_currency());
        let hi = fit("Hi there!", PROMPT);
        assert_eq!(
            line(answer("scripted-small", 0.0, 1)),
            format!("en  {hi}  difficulty 0.30 → scripted-small         0 instead of 0.004     CNY   1.3 s")
        );
        assert!(line(answer("scripted-paid", 0.004, 2)).ends_with("1.3 s after the small one"));
        assert!(line(Err(CommandError::unavailable("It is busy."))).ends_with("It is busy."));
    }

    #[test]
    fn sums_add_up() {
        let mut sums = LiveSums::default();
        sums.add(answer("scripted-small", 0.0, 1));
        sums.add(answer("scripted-paid", 0.004, 1));
        sums.add(Err(CommandError::unavailable("It is busy.")));
        assert_eq!(
            sums.words(price_currency()),
            "1 of 2 below the paid model, 1 failed; 0.004 instead of 0.008 CNY: saved 50.0 %"
        );
        assert_eq!(sums.fault.as_deref(), Some("It is busy."));
        assert_eq!(
            LiveSums::default().words(price_currency()),
            "0 of 0 below the paid model; 0 instead of 0 CNY: saved –"
        );
    }

    #[test]
    fn prompts_take_their_columns() {
        for (text, shown) in
            [("Hi", "Hi    "), ("What is", "What …"), ("法国的首都", "法国… "), ("", "      ")]
        {
            assert_eq!(fit(text, 6), shown, "{text}");
        }
    }
}
