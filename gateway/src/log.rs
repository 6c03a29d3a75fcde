//! One line a request on standard output, and notes for the operator. Writing never holds up a request: when the
//! reader is too slow, lines are dropped and counted.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_config::LogFormat;
use jiff::Timestamp;
use prometheus::IntCounter;
use router_policies::{Currency, Money};
use serde::Serialize;
use serde_json::Value;

use crate::record::{Hundredths, NONE, Record};

/// Lines that may wait for the writer.
const WAITING: usize = 8192;
/// Lines of so short a time are written together: to wake the writer costs more than a line.
const GATHER: Duration = Duration::from_millis(10);
/// So much room stays after a rush, in bytes.
const KEPT: usize = 1 << 16;

/// Where lines go.
#[derive(Clone)]
pub struct Log {
    tray: Arc<Tray>,
    orders: Sender<Order>,
    dropped: IntCounter,
}

/// What the writer is asked to do.
enum Order {
    /// Look into the tray, soon.
    Look,
    /// Say when everything said so far is written.
    Flush(SyncSender<()>),
}

/// Lines until they are written. Apart from the orders, since each of those wakes the writer.
#[derive(Default)]
struct Tray(Mutex<Lines>);

/// Lines with their ends.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
}

impl Tray {
    /// Puts a line in, unless too many wait; says how many waited before it.
    fn put(&self, line: &str) -> Option<usize> {
        let mut lines = self.lines();
        let before = lines.count;
        (before < WAITING).then(|| {
            lines.text.push_str(line);
            lines.count += 1;
            before
        })
    }

    /// Takes all that wait, in exchange for an empty text.
    fn swap(&self, text: &mut String) {
        let mut lines = self.lines();
        std::mem::swap(&mut lines.text, text);
        lines.count = 0;
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Starts a writer to standard output. `dropped` counts what it could not take.
    pub fn to_stdout(dropped: IntCounter) -> Self {
        Self::to(std::io::stdout(), dropped)
    }

    /// Starts a writer to `out`, in a thread that ends with the last handle.
    pub fn to(out: impl Write + Send + 'static, dropped: IntCounter) -> Self {
        let (orders, waiting) = channel();
        let tray = Arc::<Tray>::default();
        let lines = Arc::clone(&tray);
        // A gateway that cannot start this thread drops its log and counts what it drops.
        let write = move || write_lines(out, &lines, &waiting);
        let _ = std::thread::Builder::new().name("log".into()).spawn(write);
        Self { tray, orders, dropped }
    }

    /// One request that ended `now`.
    pub fn request(&self, record: &Record, now: Timestamp, format: LogFormat, currency: Currency) {
        self.line(|line| match format {
            LogFormat::Json => line.push_str(&json_line(record, now, currency)),
            LogFormat::Text => text_line(line, record, now, currency),
        });
    }

    /// Something that the operator should know, such as an ejected endpoint.
    pub fn note(&self, format: LogFormat, text: &str) {
        let mut time = String::new();
        append_time(&mut time, Timestamp::now());
        self.line(|line| match format {
            LogFormat::Json => line.push_str(&serde_json::json!({ "time": time, "note": text }).to_string()),
            LogFormat::Text => append(line, &[&time, " ", text]),
        });
    }

    /// Waits until everything said so far is written, at most a second.
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.orders.send(Order::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }

    fn line(&self, write: impl FnOnce(&mut String)) {
        thread_local! {
            static DRAFT: RefCell<String> = const { RefCell::new(String::new()) };
        }
        // All requests share the tray, and have it for no longer than a copy takes.
        let before = DRAFT.with_borrow_mut(|draft| {
            draft.clear();
            write(draft);
            draft.push('\n');
            let before = self.tray.put(draft);
            draft.shrink_to(KEPT);
            before
        });
        match before {
            None => self.dropped.inc(),
            Some(0) if self.orders.send(Order::Look).is_err() => {
                self.tray.swap(&mut String::new());
                self.dropped.inc();
            }
            Some(_) => {}
        }
    }
}

fn write_lines(mut out: impl Write, tray: &Tray, orders: &Receiver<Order>) {
    let mut text = String::new();
    let mut write = || {
        tray.swap(&mut text);
        // A reader that is gone must not end the gateway.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        text.clear();
        text.shrink_to(KEPT);
    };
    while let Ok(order) = orders.recv() {
        match order {
            Order::Look => {
                std::thread::sleep(GATHER);
                write();
            }
            Order::Flush(done) => {
                write();
                let _ = done.try_send(());
            }
        }
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

fn json_line(record: &Record, now: Timestamp, currency: Currency) -> String {
    let mut time = String::new();
    append_time(&mut time, now);
    let scores = record.decided.and_then(|decided| decided.scores);
    let usage = record.answer().map(|attempt| attempt.usage).unwrap_or_default();
    let (prompt, answer) = record.recorded().map(|content| content.shown(record)).unzip();
    let line = Line {
        time,
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

fn text_line(line: &mut String, record: &Record, now: Timestamp, currency: Currency) {
    append_time(line, now);
    let model = record.model().map_or(NONE, |model| &model.name);
    append(line, &[" ", record.outcome.word(), " "]);
    append_number(line, record.status.into());
    append(line, &[" ", record.asked_name(), "→", model]);
    if let Some(decided) = record.decided {
        append(line, &[" (", decided.decision.plan.word(), " ", decided.decision.reason.word()]);
        if let Some(scores) = decided.scores {
            // Writing to a String cannot fail.
            let _ = write!(line, " {}", Hundredths(scores.difficulty));
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
    for failed in record.attempts.iter().filter(|attempt| attempt.result != "ok") {
        let detail = failed.detail.as_deref().unwrap_or_default();
        let colon = if detail.is_empty() { "" } else { ": " };
        append(line, &[" [", &failed.endpoint, " ", failed.result, colon, detail, "]"]);
    }
    if let Some(error) = record.error {
        append(line, &[" error ", error]);
    }
    append(line, &[" client ", record.client_name(), " ", record.id.as_str()]);
    if let Some(content) = record.recorded() {
        let (prompt, answer) = content.shown(record);
        let text = format!(" prompt {prompt} answer {answer}");
        // What JSON leaves as it is, a terminal may take for an order.
        line.extend(text.chars().map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }));
    }
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
fn append_time(line: &mut String, time: Timestamp) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes what it is given when it is told to, and not before.
    struct Slow {
        begun: Sender<()>,
        go_on: Receiver<()>,
        taken: Sender<String>,
    }

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            let _ = self.begun.send(());
            let _ = self.go_on.recv();
            let _ = self.taken.send(String::from_utf8(text.to_vec()).unwrap());
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn counter() -> IntCounter {
        IntCounter::new("dropped", "lines").unwrap()
    }

    #[test]
    fn lines_that_a_slow_reader_leaves_too_long_are_dropped_and_counted() {
        let ((begun, has_begun), (go_on, may_go_on), (taken, takes)) = (channel(), channel(), channel());
        let dropped = counter();
        let log = Log::to(Slow { begun, go_on: may_go_on, taken }, dropped.clone());
        log.note(LogFormat::Text, "the first");
        has_begun.recv().unwrap();
        for at in 0..WAITING + 3 {
            log.note(LogFormat::Text, &at.to_string());
        }
        assert_eq!(dropped.get(), 3);
        drop(go_on);
        assert!(takes.recv().unwrap().ends_with(" the first\n"));
        let rest = takes.recv().unwrap();
        let numbers = rest.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
        assert!(numbers.eq(0..WAITING));
        log.note(LogFormat::Text, "again");
        assert!(takes.recv().unwrap().ends_with(" again\n"));
        assert_eq!(dropped.get(), 3);
    }

    #[test]
    fn what_was_said_is_written_after_a_flush() {
        let ((begun, _has_begun), (_, may_go_on), (taken, takes)) = (channel(), channel(), channel());
        let log = Log::to(Slow { begun, go_on: may_go_on, taken }, counter());
        log.note(LogFormat::Json, "a \"note\"");
        log.flush();
        assert!(takes.try_recv().unwrap().starts_with("{\"note\":\"a \\\"note\\\"\","));
    }
}
