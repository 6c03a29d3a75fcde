//! One line a request on standard output, and notes for the operator. Writing never holds up a request: when the
//! reader is too slow, lines are dropped and counted.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use gateway_config::LogFormat;
use prometheus::IntCounter;
use router_policies::{Currency, Money};
use serde::Serialize;
use serde_json::Value;

use crate::record::{NONE, Record};

/// Lines that may wait for the writer.
const WAITING: usize = 8192;
/// Lines of so short a time are written together: to wake the writer costs more than a line.
const GATHER: Duration = Duration::from_millis(10);

/// Where lines go.
#[derive(Clone)]
pub struct Log {
    lines: SyncSender<Message>,
    dropped: IntCounter,
}

enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

impl Log {
    /// Starts a writer to standard output. `dropped` counts what it could not take.
    pub fn to_stdout(dropped: IntCounter) -> Self {
        Self::to(std::io::stdout(), dropped)
    }

    /// Starts a writer to `out`, in a thread that ends with the last handle.
    pub fn to(out: impl Write + Send + 'static, dropped: IntCounter) -> Self {
        let (lines, waiting) = sync_channel(WAITING);
        // A gateway that cannot start this thread drops its log and counts what it drops.
        let _ = std::thread::Builder::new().name("log".into()).spawn(move || write_lines(out, &waiting));
        Self { lines, dropped }
    }

    /// One request that is over.
    pub fn request(&self, record: &Record, format: LogFormat, currency: Currency) {
        self.line(match format {
            LogFormat::Json => json_line(record, currency),
            LogFormat::Text => text_line(record, currency),
        });
    }

    /// Something that the operator should know, such as an ejected endpoint.
    pub fn note(&self, format: LogFormat, text: &str) {
        let time = now();
        self.line(match format {
            LogFormat::Json => serde_json::json!({ "time": time, "note": text }).to_string(),
            LogFormat::Text => format!("{time} {text}"),
        });
    }

    /// Waits until everything said so far is written, at most a second.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }

    fn line(&self, line: String) {
        match self.lines.try_send(Message::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.dropped.inc(),
        }
    }
}

fn write_lines(out: impl Write, waiting: &Receiver<Message>) {
    let mut out = std::io::BufWriter::new(out);
    while let Ok(first) = waiting.recv() {
        if matches!(first, Message::Line(_)) {
            std::thread::sleep(GATHER);
        }
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                // A reader that is gone must not end the gateway.
                Message::Line(line) => drop(writeln!(out, "{line}")),
                Message::Flush(done) => {
                    let _ = out.flush();
                    let _ = done.try_send(());
                }
            }
            next = waiting.try_recv().ok();
        }
        let _ = out.flush();
    }
}

/// The fields of a request's line; the names are part of the interface.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
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
    stream: bool,
    degraded: bool,
    attempts: Vec<Try<'a>>,
    tokens: Tokens,
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
struct Try<'a> {
    model: &'a str,
    endpoint: &'a str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    cost: Option<f64>,
}

#[derive(Serialize)]
struct Tokens {
    input: u64,
    cached_input: u64,
    output: u64,
    reasoning: u64,
    estimated: bool,
}

fn json_line(record: &Record, currency: Currency) -> String {
    let scores = record.decided.and_then(|decided| decided.scores);
    let usage = record.answer().map(|attempt| attempt.usage).unwrap_or_default();
    let (prompt, answer) = record.recorded().map(|content| content.shown(record)).unzip();
    let line = Line {
        time: now(),
        request_id: record.id.as_str(),
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
        stream: record.stream,
        degraded: record.is_degraded(),
        attempts: record
            .attempts
            .iter()
            .map(|attempt| Try {
                model: &attempt.model.name,
                endpoint: &attempt.endpoint,
                result: attempt.result,
                detail: attempt.detail.as_deref(),
                cost: attempt.cost.map(Money::units),
            })
            .collect(),
        tokens: Tokens {
            input: usage.prompt().saturating_sub(usage.cached_input),
            cached_input: usage.cached_input,
            output: usage.output,
            reasoning: usage.reasoning,
            estimated: usage.estimated,
        },
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

fn text_line(record: &Record, currency: Currency) -> String {
    // Most lines have less.
    let mut line = String::with_capacity(256);
    line.push_str(&now());
    let model = record.model().map_or(NONE, |model| &model.name);
    append(&mut line, &[" ", record.outcome.word(), " "]);
    append_number(&mut line, record.status.into());
    append(&mut line, &[" ", record.asked_name(), "→", model]);
    if let Some(decided) = record.decided {
        append(&mut line, &[" (", decided.decision.plan.word(), " ", decided.decision.reason.word()]);
        if let Some(scores) = decided.scores {
            // Writing to a String cannot fail.
            let _ = write!(line, " {:.2}", scores.difficulty);
        }
        line.push(')');
    }
    if record.is_degraded() {
        line.push_str(" degraded");
    }
    if let Some(attempt) = record.answer() {
        let usage = &attempt.usage;
        line.push_str(if usage.estimated { " ~" } else { " " });
        append_number(&mut line, usage.prompt());
        line.push('+');
        append_number(&mut line, usage.completion());
        line.push_str(" tokens");
    }
    match record.cost() {
        Some(cost) if !record.attempts.is_empty() => drop(write!(line, " {cost} {currency}")),
        None => line.push_str(" cost unknown"),
        Some(_) => {}
    }
    if let Some(first) = record.first_token {
        line.push_str(" first ");
        append_millis(&mut line, first);
    }
    line.push_str(" total ");
    append_millis(&mut line, record.total);
    for failed in record.attempts.iter().filter(|attempt| attempt.result != "ok") {
        let detail = failed.detail.as_deref().unwrap_or_default();
        let colon = if detail.is_empty() { "" } else { ": " };
        append(&mut line, &[" [", &failed.endpoint, " ", failed.result, colon, detail, "]"]);
    }
    if let Some(error) = record.error {
        append(&mut line, &[" error ", error]);
    }
    append(&mut line, &[" client ", record.client_name(), " ", record.id.as_str()]);
    if let Some(content) = record.recorded() {
        let (prompt, answer) = content.shown(record);
        let text = format!(" prompt {prompt} answer {answer}");
        // What JSON leaves as it is, a terminal may take for an order.
        line.extend(text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }));
    }
    line
}

fn append(line: &mut String, parts: &[&str]) {
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
fn now() -> String {
    thread_local! {
        /// The last second that was written, and how: most lines are of the same.
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = jiff::Timestamp::now();
    SECOND.with_borrow_mut(|(second, written)| {
        if *second != now.as_second() {
            *second = now.as_second();
            *written = format!("{now:.0}");
            written.pop();
        }
        let millis = now.subsec_millisecond().unsigned_abs();
        let digit = |place: u32| char::from(b'0' + (millis / place % 10) as u8);
        let mut out = String::with_capacity(written.len() + 5);
        out.push_str(written);
        out.push('.');
        [100, 10, 1].into_iter().for_each(|place| out.push(digit(place)));
        out.push('Z');
        out
    })
}
