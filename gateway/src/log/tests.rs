use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;
use tracing::{debug, error, info, warn};

use super::writer::WAITING;
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

/// A reader that takes everything at once.
struct Quick(Sender<String>);

impl Write for Quick {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8(text.to_vec()).unwrap());
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn counter() -> IntCounter {
    IntCounter::new("dropped", "lines").unwrap()
}

fn note(log: &Log, text: &str) {
    log.in_scope(|| info!(target: "xietong::config", "{text}"));
}

/// What a log with this filter has after `act`.
fn written(filter: &str, format: LogFormat, act: impl FnOnce()) -> String {
    let (say, said) = channel();
    let log = Log::to(LogOutput::new(Quick(say), filter.parse().unwrap()), counter());
    log.set_note_format(format);
    log.in_scope(act);
    log.flush();
    said.try_iter().collect()
}

#[test]
fn lines_that_a_slow_reader_leaves_too_long_are_dropped_and_counted() {
    let ((begun, has_begun), (go_on, may_go_on), (taken, takes)) = (channel(), channel(), channel());
    let dropped = counter();
    let log = Log::to(Slow { begun, go_on: may_go_on, taken }, dropped.clone());
    note(&log, "the first");
    has_begun.recv().unwrap();
    for at in 0..WAITING + 3 {
        note(&log, &at.to_string());
    }
    assert_eq!(dropped.get(), 3);
    drop(go_on);
    assert!(takes.recv().unwrap().ends_with(" the first\n"));
    let rest = takes.recv().unwrap();
    let numbers = rest.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
    assert!(numbers.eq(0..WAITING));
    note(&log, "again");
    assert!(takes.recv().unwrap().ends_with(" again\n"));
    assert_eq!(dropped.get(), 3);
}

#[test]
fn what_was_said_is_written_after_a_flush() {
    let ((begun, _has_begun), (_, may_go_on), (taken, takes)) = (channel(), channel(), channel());
    let log = Log::to(Slow { begun, go_on: may_go_on, taken }, counter());
    log.set_note_format(LogFormat::Json);
    note(&log, "a \"note\"");
    log.flush();
    assert!(takes.try_recv().unwrap().starts_with("{\"note\":\"a \\\"note\\\"\","));
}

#[test]
fn a_note_has_its_level_and_target_in_either_form() {
    let say = || {
        warn!(target: "xietong::upstreams", endpoint = "large-0", "endpoint large-0 is left alone");
        error!(target: "h2::client", after = 3, error = ?std::fmt::Error, "broken");
    };
    let text = written("info", LogFormat::Text, say);
    let lines: Vec<&str> = text.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "WARN xietong::upstreams: endpoint large-0 is left alone",
            "ERROR h2::client: broken after=3 error=\"Error\""
        ]
    );
    let json = written("info", LogFormat::Json, say);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let check = |line: &Value, level: &str, target: &str, note: &str, fields: Value| {
        assert_eq!(line["level"], level, "{line}");
        assert_eq!(line["target"], target, "{line}");
        assert_eq!(line["note"], note, "{line}");
        assert_eq!(line["fields"], fields, "{line}");
        assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    };
    let [ours, theirs] = &lines[..] else { panic!("{json}") };
    check(
        ours,
        "warn",
        "xietong::upstreams",
        "endpoint large-0 is left alone",
        serde_json::json!({"endpoint": "large-0"}),
    );
    check(theirs, "error", "h2::client", "broken", serde_json::json!({"error": "Error", "after": 3}));
}

#[test]
fn a_filter_says_which_notes_are_written() {
    let say = || {
        debug!(target: "xietong::ledger", "one");
        info!(target: "xietong::ledger", "two");
        info!(target: "hyper_util::client", "three");
        warn!(target: "hyper_util::client", "four");
        debug!(target: "hyper_util::client", "five");
    };
    let check = |filter: &str, notes: &[&str]| {
        let text = written(filter, LogFormat::Text, say);
        let said: Vec<&str> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(said, notes, "{filter}");
    };
    check("", &["two", "four"]);
    check("hyper=debug", &["two", "three", "four", "five"]);
    check("xietong::ledger=debug", &["one", "two", "four"]);
    check("warn", &["four"]);
    check("off", &[]);
}

/// Two logs in one process have each what is said in their scope, by their own filter.
#[test]
fn logs_of_one_process_do_not_mix() {
    let inner = || written("debug", LogFormat::Text, || debug!(target: "xietong::config", "inner"));
    let mut said = String::new();
    let outer = written("info", LogFormat::Text, || {
        said = inner();
        debug!(target: "xietong::config", "outer");
        info!(target: "xietong::config", "outer");
    });
    assert!(said.ends_with(": inner\n") && said.lines().count() == 1, "{said}");
    assert!(outer.ends_with(": outer\n") && outer.lines().count() == 1, "{outer}");
}

/// What a dependency says is one line, whatever it quotes.
#[test]
fn a_note_is_one_line() {
    let say = || warn!(target: "rustls", quoted = "a\u{1b}[31m", "two\nlines: 协同");
    let text = written("info", LogFormat::Text, say);
    assert!(text.ends_with(" WARN rustls: two\\nlines: 协同 quoted=\"a\\u001b[31m\"\n"), "{text}");
    let json = written("info", LogFormat::Json, say);
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["note"], "two\nlines: 协同");
}
