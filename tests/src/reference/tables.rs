//! The golden files: a line a name, so that a difference says what came and what left.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gateway::reference::{self, LabelValues, METRICS};

/// Metrics, their labels, and every word that a label can say; `*` where it is a name of the configuration.
pub fn metrics() -> String {
    let mut text = String::new();
    for metric in METRICS {
        line(&mut text, format_args!("{} {}", metric.name, metric.kind));
        for label in metric.labels {
            line(&mut text, format_args!("{}{{{label}}}", metric.name));
            for value in values(metric.name, label) {
                line(&mut text, format_args!("{}{{{label}={value:?}}}", metric.name));
            }
        }
        for bound in metric.buckets {
            line(&mut text, format_args!("{}{{le={bound}}}", metric.name));
        }
    }
    text
}

/// What a label can say, sorted; `*` stands for any name.
pub fn values(metric: &str, label: &str) -> BTreeSet<&'static str> {
    let words = |words: Vec<reference::Word>| words.into_iter().map(|(word, _)| word).collect();
    match reference::label_values(metric, label) {
        Some(LabelValues::Named(_)) => BTreeSet::from(["*"]),
        Some(LabelValues::Words(some)) => words(some),
        Some(LabelValues::WordsOrNamed(some, _)) => {
            let mut all: BTreeSet<_> = words(some);
            all.insert("*");
            all
        }
        None => panic!("{metric}{{{label}}} is not described"),
    }
}

/// Errors: code, status, type, how the request ends, and the headers that go with it.
pub fn errors() -> String {
    let mut lines = BTreeSet::new();
    for error in reference::errors() {
        let mut line = format!("{} {} {} {}", error.code, error.status, error.kind, error.outcome);
        line += if error.retry_after { " Retry-After" } else { "" };
        line += if error.final_try { " x-should-retry:false" } else { "" };
        lines.insert(line);
    }
    joined(lines)
}

/// Headers by their way.
pub fn headers() -> String {
    let ways = [
        ("from clients", reference::from_clients()),
        ("to clients", reference::to_clients()),
        ("to upstreams", reference::to_upstreams()),
    ];
    joined(
        ways.iter().flat_map(|(way, headers)| headers.iter().map(move |(name, _)| format!("{way}: {name}"))),
    )
}

/// The help of every command, and exit codes.
pub fn commands() -> String {
    let mut text = String::new();
    for (code, word, _) in reference::exit_codes() {
        line(&mut text, format_args!("exit code {code}: {word}"));
    }
    for (name, help) in helps() {
        line(&mut text, format_args!("\n### xietong {name}\n\n{help}"));
    }
    text
}

/// The help of every command, by name.
pub fn helps() -> Vec<(String, String)> {
    let mut tree = reference::commands().term_width(100).disable_help_subcommand(true);
    tree.build();
    let mut helps: Vec<_> = tree
        .get_subcommands_mut()
        .map(|command| (command.get_name().to_owned(), command.render_long_help().to_string()))
        .collect();
    helps.sort();
    helps
}

/// Every key of the configuration with its type and default.
pub fn configuration() -> String {
    super::configuration::keys()
}

/// The members of a request's line under `log: json`.
pub fn log_fields() -> String {
    joined(reference::LOG_FIELDS.iter().map(|(name, kind, _)| format!("{name}: {kind}")))
}

/// The scripts that run in Redis.
pub fn redis_scripts() -> String {
    let scripts = reference::redis_scripts();
    scripts.iter().map(|(name, script)| format!("-- {name}\n{script}\n\n")).collect()
}

fn joined(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
