//! A request's line, as JSON or for people.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use router_policies::{Currency, Money, ScoreReasons, Usage};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::record::{DecisionScores, Hundredths, NONE, RequestRecord};

/// The fields of a request's line; the names are part of the interface.
#[derive(Serialize)]
struct RequestLine<'a> {
    time: String,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    client: &'a str,
    route: &'a str,
    asked: &'a str,
    endpoint: &'static str,
    model: &'a str,
    plan: Option<&'static str>,
    reason: Option<&'static str>,
    difficulty: Option<f64>,
    gain: Option<f64>,
    familiarity: Option<f64>,
    why: Option<ReasonList>,
    stream: bool,
    degraded: bool,
    attempts: Vec<AttemptLine<'a>>,
    tokens: TokenCounts,
    cost: Option<f64>,
    baseline: Option<f64>,
    currency: &'a str,
    first_token_seconds: Option<f64>,
    total_seconds: f64,
    overhead_seconds: f64,
    status: u16,
    error: Option<&'static str>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    model: &'a str,
    endpoint: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// What was being done as the connection failed, and why it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    cost: Option<f64>,
}

/// What moved the difficulty most, the strongest first.
struct ReasonList(ScoreReasons);

impl Serialize for ReasonList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ReasonLine {
            feature: &'static str,
            contribution: f64,
        }
        serializer.collect_seq(self.0.iter().map(|reason| ReasonLine {
            feature: reason.feature.word(),
            contribution: (reason.contribution * 100.0).round() / 100.0,
        }))
    }
}

#[derive(Serialize)]
struct TokenCounts {
    input: u64,
    cached_input: u64,
    output: u64,
    reasoning: u64,
    estimated: bool,
}

impl TokenCounts {
    fn of(usage: &Usage) -> Self {
        Self {
            input: usage.prompt().saturating_sub(usage.cached_input),
            cached_input: usage.cached_input,
            output: usage.output,
            reasoning: usage.reasoning,
            estimated: usage.estimated,
        }
    }
}

/// The line as JSON.
pub(super) fn json_line(
    record: &RequestRecord,
    trace: Option<u128>,
    now: Timestamp,
    currency: Currency,
) -> String {
    let mut time = String::new();
    append_time(&mut time, now);
    let scores = record.decided.and_then(|decided| decided.scores);
    let usage = record.answer().map(|attempt| attempt.usage).unwrap_or_default();
    let (prompt, answer) = record.recorded().map(|content| content.shown(record)).unzip();
    let line = RequestLine {
        time,
        request_id: record.id.as_str(),
        trace_id: trace.map(|trace| format!("{trace:032x}")),
        client: record.client_name(),
        route: record.route_name(),
        asked: record.asked_name(),
        endpoint: record.call.word(),
        model: record.model().map_or(NONE, |model| &model.name),
        plan: record.decided.map(|decided| decided.decision.plan.word()),
        reason: record.decided.map(|decided| decided.decision.reason.word()),
        difficulty: scores.map(|scores| scores.difficulty),
        gain: scores.map(|scores| scores.gain),
        familiarity: scores.map(|scores| scores.familiarity),
        why: scores.map(|scores| ReasonList(scores.reasons)),
        stream: record.stream,
        degraded: record.is_degraded(),
        attempts: record
            .attempts
            .iter()
            .map(|attempt| AttemptLine {
                model: &attempt.model.name,
                endpoint: &attempt.endpoint,
                result: attempt.result,
                detail: attempt.detail.as_deref(),
                phase: attempt.cause.as_ref().map(|cause| cause.phase.word()),
                cause: attempt.cause.as_ref().map(|cause| &*cause.words),
                cost: attempt.cost.map(Money::units),
            })
            .collect(),
        tokens: TokenCounts::of(&usage),
        cost: record.cost().map(Money::units),
        baseline: record.baseline.map(Money::units),
        currency: currency.code(),
        first_token_seconds: record.first_token.map(|time| time.as_secs_f64()),
        total_seconds: record.total.as_secs_f64(),
        overhead_seconds: record.overhead.as_secs_f64(),
        status: record.status,
        error: record.error,
        outcome: record.outcome.word(),
        prompt,
        answer,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The line for people, appended to `line`.
pub(super) fn text_line(
    line: &mut String,
    record: &RequestRecord,
    trace: Option<u128>,
    now: Timestamp,
    currency: Currency,
) {
    append_time(line, now);
    let model = record.model().map_or(NONE, |model| &model.name);
    append(line, &[" ", record.outcome.word(), " "]);
    append_number(line, record.status.into());
    append_asked(line, record, model);
    if let Some(decided) = record.decided {
        append(line, &[" (", decided.decision.plan.word(), " ", decided.decision.reason.word()]);
        if let Some(scores) = decided.scores {
            append_difficulty(line, &scores);
        }
        line.push(')');
    }
    if record.is_degraded() {
        line.push_str(" degraded");
    }
    if let Some(attempt) = record.answer() {
        let usage = &attempt.usage;
        line.push_str(if usage.estimated { " ~" } else { " " });
        append_number(line, usage.prompt());
        line.push('+');
        append_number(line, usage.completion());
        line.push_str(" tokens");
    }
    match record.cost() {
        Some(cost) if !record.attempts.is_empty() => drop(write!(line, " {cost} {currency}")),
        None => line.push_str(" cost unknown"),
        Some(_) => {}
    }
    if let Some(first) = record.first_token {
        line.push_str(" first ");
        append_millis(line, first);
    }
    line.push_str(" total ");
    append_millis(line, record.total);
    append_failures(line, record);
    if let Some(error) = record.error {
        append(line, &[" error ", error]);
    }
    append(line, &[" client ", record.client_name(), " ", record.id.as_str()]);
    if let Some(trace) = trace {
        let _ = write!(line, " trace {trace:032x}");
    }
    if let Some(content) = record.recorded() {
        let (prompt, answer) = content.shown(record);
        let text = format!(" prompt {prompt} answer {answer}");
        // What JSON leaves as it is, a terminal may take for an order.
        line.extend(text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }));
    }
}

/// The difficulty, and what moved it most.
fn append_difficulty(line: &mut String, scores: &DecisionScores) {
    // Writing to a String cannot fail.
    let _ = write!(line, " {}", Hundredths(scores.difficulty));
    if scores.reasons.iter().next().is_some() {
        line.push_str(": ");
        scores.reasons.append_to(line);
    }
}

/// What was asked, and who answered; where neither is known, the call says more.
fn append_asked(line: &mut String, record: &RequestRecord, model: &str) {
    match record.asked_name() == NONE && model == NONE {
        true => append(line, &[" ", record.call.word()]),
        false => append(line, &[" ", record.asked_name(), "→", model]),
    }
}

/// Every attempt that did not answer, and why.
fn append_failures(line: &mut String, record: &RequestRecord) {
    for failed in record.attempts.iter().filter(|attempt| attempt.result != "ok") {
        let detail = failed.detail.as_deref().unwrap_or_default();
        let colon = if detail.is_empty() { "" } else { ": " };
        append(line, &[" [", &failed.endpoint, " ", failed.result, colon, detail]);
        if let Some(cause) = &failed.cause {
            append(line, &[": ", cause.phase.word(), ": ", &cause.words]);
        }
        line.push(']');
    }
}

/// Appends these parts.
pub(super) fn append(line: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| line.push_str(part));
}

fn append_number(line: &mut String, number: u64) {
    line.push_str(itoa::Buffer::new().format(number));
}

/// Rounded to whole milliseconds.
fn append_millis(line: &mut String, time: Duration) {
    append_number(line, (time.as_micros() as u64 + 500) / 1000);
    line.push_str("ms");
}

/// RFC 3339 in UTC with milliseconds.
pub(super) fn append_time(line: &mut String, time: Timestamp) {
    thread_local! {
        /// The last second that was written, and how: most lines are of the same.
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    SECOND.with_borrow_mut(|(second, written)| {
        if *second != time.as_second() {
            *second = time.as_second();
            *written = format!("{time:.0}");
            written.pop();
        }
        line.push_str(written);
    });
    let millis = time.subsec_millisecond().unsigned_abs();
    line.push('.');
    [100, 10, 1].into_iter().for_each(|place| line.push(char::from(b'0' + (millis / place % 10) as u8)));
    line.push('Z');
}
