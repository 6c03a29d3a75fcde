//! Sums over recorded requests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use router_policies::Money;
use serde::Serialize;
use serde_json::{Value, json};

use crate::record::{NONE, RequestOutcome};
use ledger::usage_record::{AttemptRecord, UsageRecord};

/// What some requests add up to. Money is in nano-units of the account currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReportSums {
    /// Requests.
    pub requests: u64,
    /// By how they ended.
    pub outcomes: BTreeMap<String, u64>,
    /// What all their attempts cost, as far as it is known.
    pub cost: i64,
    /// Of that, what the gateway asked for its own sake: checks, answers of other models to learn from, and judges. It is
    /// taken off the savings.
    pub own: i64,
    /// Attempts of unknown cost: models without a price. They are not in `cost`.
    pub unpriced: u64,
    /// Requests that can be compared: answered on a route whose largest model has a price.
    pub compared: u64,
    /// What those cost, all attempts included.
    pub compared_cost: i64,
    /// What the same answers would have cost from the largest model.
    pub baseline: i64,
    /// Requests answered by another model than the largest of their route.
    pub below_top: u64,
    /// Requests that went on from one model to another.
    pub escalated: u64,
    /// What attempts cost that brought the client nothing, by cause.
    pub wasted: BTreeMap<String, i64>,
    /// Requests with tokens that were estimated.
    pub estimated: u64,
}

/// What attempts at one model add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModelSums {
    /// Attempts.
    pub attempts: u64,
    /// Answers that clients got.
    pub answers: u64,
    /// Prompt tokens.
    pub prompt: u64,
    /// Of those, from a cache.
    pub cached: u64,
    /// Tokens of answers, reasoning included.
    pub completion: u64,
    /// What the attempts cost, as far as it is known.
    pub cost: i64,
    /// Attempts of unknown cost.
    pub unpriced: u64,
    /// What attempts cost that brought the client nothing.
    pub wasted: i64,
}

/// A report.
#[derive(Debug, Clone, Default)]
pub struct ReportTally {
    /// The account currency; the last one where it changed.
    pub currency: String,
    /// The first and the last request.
    pub span: Option<(Timestamp, Timestamp)>,
    /// All of it.
    pub all: ReportSums,
    /// By the model that was asked.
    pub models: BTreeMap<String, ModelSums>,
    /// By route; requests for a model by name under `-`.
    pub routes: BTreeMap<String, ReportSums>,
    /// By client.
    pub clients: BTreeMap<String, ReportSums>,
    /// By calendar day.
    pub days: BTreeMap<String, ReportSums>,
}

impl ReportTally {
    /// Adds a request; days are those of `zone`.
    pub fn add(&mut self, record: &UsageRecord<'_>, zone: &TimeZone) {
        if self.currency != record.currency {
            self.currency = record.currency.to_string();
        }
        let (first, last) = self.span.unwrap_or((record.time, record.time));
        self.span = Some((first.min(record.time), last.max(record.time)));
        self.all.add(record);
        self.routes.entry(record.route.to_string()).or_default().add(record);
        self.clients.entry(record.client.to_string()).or_default().add(record);
        self.days.entry(zone.to_datetime(record.time).date().to_string()).or_default().add(record);
        for (at, attempt) in record.attempts.iter().enumerate() {
            let sums = self.models.entry(attempt.model.to_string()).or_default();
            sums.add(attempt, record.answered_by == Some(at));
        }
    }

    /// As JSON, with amounts as decimal numbers.
    pub fn json(&self) -> Value {
        let group = |sums: &BTreeMap<String, ReportSums>| -> Value {
            sums.iter()
                .map(|(name, sums)| (name.clone(), sums.json()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let models: serde_json::Map<_, _> =
            self.models.iter().map(|(name, sums)| (name.clone(), sums.json())).collect();
        json!({
            "currency": self.currency,
            "from": self.span.map(|span| span.0.to_string()),
            "to": self.span.map(|span| span.1.to_string()),
            "total": self.all.json(),
            "models": models,
            "routes": group(&self.routes),
            "clients": group(&self.clients),
            "days": group(&self.days),
        })
    }
}

impl ReportSums {
    fn add(&mut self, record: &UsageRecord<'_>) {
        if record.is_ours() {
            return self.add_own(record);
        }
        self.requests += 1;
        *self.outcomes.entry(record.outcome.to_string()).or_default() += 1;
        for attempt in &record.attempts {
            match attempt.cost {
                Some(cost) => self.cost = self.cost.saturating_add(cost),
                None => self.unpriced += 1,
            }
            if let (Some(cause), Some(cost)) = (&attempt.wasted, attempt.cost) {
                let sum = self.wasted.entry(cause.to_string()).or_default();
                *sum = sum.saturating_add(cost);
            }
        }
        self.escalated += u64::from(record.moved());
        self.estimated += u64::from(record.attempts.iter().any(|attempt| attempt.estimated));
        if let (Some(baseline), Some(cost)) = (record.baseline, record.cost()) {
            self.compared += 1;
            self.compared_cost = self.compared_cost.saturating_add(cost.0);
            self.baseline = self.baseline.saturating_add(reached_baseline(record, baseline, cost.0));
        }
        let below =
            record.answer().is_some_and(|answer| record.top.as_ref().is_some_and(|top| *top != answer.model));
        self.below_top += u64::from(below);
    }

    fn add_own(&mut self, record: &UsageRecord<'_>) {
        let known: Vec<i64> = record.attempts.iter().filter_map(|attempt| attempt.cost).collect();
        let cost = known.iter().fold(0, |sum: i64, &cost| sum.saturating_add(cost));
        self.cost = self.cost.saturating_add(cost);
        self.own = self.own.saturating_add(cost);
        self.unpriced += (record.attempts.len() - known.len()) as u64;
    }

    /// What was saved on requests that can be compared, less what the gateway asked for its own sake; below zero where it
    /// cost more.
    pub fn saved(&self) -> Money {
        Money(self.baseline.saturating_sub(self.compared_cost).saturating_sub(self.own))
    }

    /// All that was wasted.
    pub fn all_wasted(&self) -> Money {
        self.wasted.values().map(|&cost| Money(cost)).sum()
    }

    fn json(&self) -> Value {
        let money = |nanos: i64| Money(nanos).units();
        let wasted: BTreeMap<&String, f64> =
            self.wasted.iter().map(|(cause, cost)| (cause, money(*cost))).collect();
        json!({
            "requests": self.requests,
            "outcomes": self.outcomes,
            "cost": money(self.cost),
            "own_cost": money(self.own),
            "attempts_of_unknown_cost": self.unpriced,
            "compared": self.compared,
            "compared_cost": money(self.compared_cost),
            "baseline": money(self.baseline),
            "saved": self.saved().units(),
            "saved_share": (self.baseline > 0).then(|| self.saved().units() / money(self.baseline)),
            "answered_below_top": self.below_top,
            "escalated": self.escalated,
            "wasted": wasted,
            "estimated": self.estimated,
        })
    }
}

/// What a request is compared with: the baseline, or where that is less what it cost, if it ended without a whole answer or
/// with a smaller model's because the largest one failed. Such a request saved nothing.
fn reached_baseline(record: &UsageRecord<'_>, baseline: i64, cost: i64) -> i64 {
    let answer = record.answer().filter(|_| record.outcome == RequestOutcome::Complete.word());
    let is_top = |attempt: &AttemptRecord<'_>| record.top.as_ref() == Some(&attempt.model);
    // One that was asked beside another and given up did not fail.
    let failed = |attempt: &AttemptRecord<'_>| !matches!(&*attempt.result, "ok" | "abandoned");
    let fell_back = record.attempts.iter().any(|attempt| is_top(attempt) && failed(attempt));
    let reached = answer.is_some_and(|answer| is_top(answer) || !fell_back);
    if reached { baseline } else { baseline.min(cost) }
}

impl ModelSums {
    fn add(&mut self, attempt: &AttemptRecord<'_>, answered: bool) {
        let usage = attempt.usage();
        self.attempts += 1;
        self.answers += u64::from(answered);
        self.prompt = self.prompt.saturating_add(usage.prompt());
        self.cached = self.cached.saturating_add(usage.cached_input);
        self.completion = self.completion.saturating_add(usage.completion());
        match attempt.cost {
            Some(cost) => self.cost = self.cost.saturating_add(cost),
            None => self.unpriced += 1,
        }
        if attempt.wasted.is_some() {
            self.wasted = self.wasted.saturating_add(attempt.cost.unwrap_or(0));
        }
    }

    fn json(&self) -> Value {
        json!({
            "attempts": self.attempts,
            "answers": self.answers,
            "prompt_tokens": self.prompt,
            "cached_tokens": self.cached,
            "completion_tokens": self.completion,
            "cost": Money(self.cost).units(),
            "attempts_of_unknown_cost": self.unpriced,
            "wasted": Money(self.wasted).units(),
        })
    }
}

/// The name of a group for people.
pub fn shown(name: &str) -> &str {
    if name == NONE { "(none)" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as a ledger has it.
    fn record(json: Value) -> UsageRecord<'static> {
        let mut whole = json!({
            "time": "2026-11-24T23:30:00Z", "id": "r", "client": "a", "route": "auto", "model": "large", "top": "large",
            "call": "chat", "attempts": [], "currency": "CNY", "total": 1.0, "status": 200, "outcome": "complete",
        });
        for (key, value) in json.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn sums_are_those_of_the_requests() {
        let attempt = |model: &str, cost: Value, wasted: Value| json!({ "model": model, "result": "ok", "input": 10, "cached": 5, "output": 4, "cost": cost, "wasted": wasted });
        let (ok, zone) = (Value::Null, jiff::tz::TimeZoneDatabase::bundled().get("Asia/Shanghai").unwrap());
        let mut tally = ReportTally::default();
        let small = attempt("small", json!(100), ok.clone());
        tally.add(
            &record(json!({ "attempts": [small], "answered_by": 0, "baseline": 1000, "model": "small" })),
            &zone,
        );
        let both =
            json!([attempt("small", json!(70), json!("retried")), attempt("large", json!(900), ok.clone())]);
        tally.add(
            &record(json!({ "attempts": both, "answered_by": 1, "baseline": 900, "client": "b" })),
            &zone,
        );
        let left = attempt("small", json!(30), json!("abandoned"));
        tally.add(&record(json!({ "attempts": [left], "outcome": "abandoned" })), &zone);
        tally.add(
            &record(json!({ "attempts": [attempt("free", ok.clone(), ok)], "answered_by": 0, "route": "-" })),
            &zone,
        );
        let beside = attempt("large", json!(20), Value::Null);
        tally.add(
            &record(json!({ "attempts": [beside], "answered_by": 0, "call": "shadow", "client": "-" })),
            &zone,
        );
        let all = &tally.all;
        assert_eq!((all.requests, all.cost, all.own, all.unpriced), (4, 1120, 20, 1));
        assert_eq!((all.compared, all.compared_cost, all.baseline), (2, 1070, 1900));
        assert_eq!((all.saved(), all.below_top, all.escalated), (Money(810), 2, 1));
        assert_eq!((all.wasted["retried"], all.wasted["abandoned"]), (70, 30));
        assert_eq!(all.outcomes["abandoned"], 1);
        assert_eq!((tally.clients["a"].requests, tally.clients["b"].cost), (3, 970));
        assert_eq!(tally.models["small"].attempts, 3);
        assert_eq!((tally.models["large"].prompt, tally.models["large"].cached), (30, 10));
        // In Beijing it is the next day.
        assert_eq!(tally.days.keys().collect::<Vec<_>>(), ["2026-11-25"]);
        assert_eq!(tally.json()["total"]["saved"], 0.00000081);
    }

    /// What a request with these attempts (model, result, cost), the last of which answered, saved against a baseline of 100.
    #[track_caller]
    fn check_saved(outcome: &str, attempts: &[(&str, &str, i64)], saved: i64) {
        let attempt = |&(model, result, cost): &(&str, &str, i64)| json!({ "model": model, "result": result, "input": 1, "cached": 0, "output": 1, "cost": cost });
        let rows: Vec<Value> = attempts.iter().map(attempt).collect();
        let answered = (outcome != "failed").then(|| attempts.len() - 1);
        let mut sums = ReportSums::default();
        sums.add(&record(
            json!({ "attempts": rows, "answered_by": answered, "baseline": 100, "outcome": outcome }),
        ));
        assert_eq!((sums.compared, sums.saved()), (1, Money(saved)), "{outcome} {attempts:?}");
    }

    #[test]
    fn only_whole_answers_that_were_chosen_save() {
        check_saved("complete", &[("small", "ok", 10)], 90);
        check_saved("complete", &[("small", "doubted", 10), ("large", "ok", 100)], -10);
        // The largest one failed: nobody chose the cheaper answer.
        check_saved("complete", &[("large", "server_error", 0), ("small", "ok", 10)], 0);
        check_saved("complete", &[("large", "cut", 120), ("small", "ok", 10)], -30);
        check_saved("complete", &[("large", "server_error", 0), ("large", "ok", 100)], 0);
        // A hedge's second one was given up.
        check_saved("complete", &[("large", "abandoned", 20), ("small", "ok", 10)], 70);
        for outcome in ["failed", "cut", "abandoned", "refused"] {
            check_saved(outcome, &[("small", "server_error", 10)], 0);
        }
    }
}
