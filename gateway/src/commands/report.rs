//! `xietong report`: what was paid, what it would have cost, and what was wasted.

use std::io::Write;
use std::path::{Path, PathBuf};

use gateway_config::{Secret, SharedState, StateConfig};
use indicatif::ProgressBar;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::{CommandError, say};
use crate::report::{html, table, tally::ReportTally};
use ledger::usage_record::UsageRecord;
use ledger::{LedgerEntry, ledger_file, read_shared};

/// Show costs, savings against the largest model, escalations and wasted attempts, per model, route and client.
///
/// It reads the ledger of a gateway with `state: {kind: embedded, …}`, also while that gateway runs.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  xietong report --since 7d\n  xietong report --format html > report.html"
)]
pub struct Args {
    /// How far to look back, such as 12h, 7d or 4w. Default: everything.
    #[arg(long, value_name = "TIME", value_parser = span)]
    since: Option<SignedDuration>,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = ReportFormat::Table)]
    format: ReportFormat,
    /// The ledger: a file, or the URL of a Redis. Default: the one of the configuration.
    #[arg(long, value_name = "FILE")]
    ledger: Option<String>,
    /// The configuration that names the ledger.
    #[arg(long, value_name = "FILE", conflicts_with = "ledger")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// Text for a terminal.
    Table,
    /// JSON for programs.
    Json,
    /// One page with charts, which loads nothing from elsewhere.
    Html,
}

/// Reads, adds up, prints.
///
/// # Errors
/// 2 for a ledger that is not there, 78 for a configuration that names none.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let (ledger, zone) = match &args.ledger {
        Some(ledger) => (LedgerSource::named(ledger), TimeZone::UTC),
        None => configured(args.config.as_deref())?,
    };
    let since = args.since.and_then(|since| Timestamp::now().checked_sub(since).ok());
    let mut tally = ReportTally::default();
    read(&ledger, |record| {
        if since.is_none_or(|since| record.time >= since) {
            tally.add(&record, &zone);
        }
    })?;
    let text = match args.format {
        ReportFormat::Table => table::table(&tally),
        ReportFormat::Json => {
            serde_json::to_string_pretty(&tally.json()).map_err(CommandError::other)? + "\n"
        }
        ReportFormat::Html => html::page(&tally),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(CommandError::other)
}

/// Where a ledger is.
pub(super) enum LedgerSource {
    /// A file.
    File(PathBuf),
    /// A Redis.
    Shared(SharedState),
}

impl LedgerSource {
    /// As it is named on the command line: a file, or the URL of a Redis.
    pub(super) fn named(name: &str) -> Self {
        match name.starts_with("redis:") || name.starts_with("rediss:") {
            true => Self::Shared(SharedState { url: Secret::new(name), authority: None }),
            false => Self::File(name.into()),
        }
    }
}

/// The ledger that a configuration names, and where its days begin.
fn configured(config: Option<&Path>) -> Result<(LedgerSource, TimeZone), CommandError> {
    let config = gateway_config::load_without_keys(config, &|name| std::env::var(name).ok())
        .map_err(CommandError::configuration)?;
    match config.state {
        StateConfig::Embedded(state) => Ok((LedgerSource::File(state.path), config.time_zone)),
        StateConfig::Redis(state) => Ok((LedgerSource::Shared(state), config.time_zone)),
        StateConfig::None => Err(CommandError::configuration(
            "the configuration keeps no records: it needs `state: {kind: embedded, path: xietong.db}`; or name a ledger with \
             --ledger",
        )),
    }
}

/// Reads the requests of a ledger, with a bar on a terminal.
pub(super) fn read(
    ledger: &LedgerSource,
    mut see: impl FnMut(UsageRecord<'static>),
) -> Result<(), CommandError> {
    let path = match ledger {
        LedgerSource::File(path) => path.as_path(),
        LedgerSource::Shared(state) => {
            return read_shared(state, see).map_err(|why| CommandError::unavailable(format!("Redis: {why}")));
        }
    };
    let unread = |why: std::io::Error| match why.kind() {
        std::io::ErrorKind::NotFound => {
            CommandError::usage(format!("{}: there is no such ledger", path.display()))
        }
        _ => CommandError::other(format!("{}: {why}", path.display())),
    };
    let size = std::fs::metadata(path).map_err(unread)?.len();
    let bar = if size > 32 << 20 { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_message("reading the ledger");
    let damaged = ledger_file::read(path, |entry| {
        bar.tick();
        if let LedgerEntry::Request(record) = entry {
            see(*record);
        }
    });
    bar.finish_and_clear();
    match damaged.map_err(unread)? {
        0 => Ok(()),
        lines => {
            say(&format!("{}: {lines} damaged lines are left out", path.display()));
            Ok(())
        }
    }
}

/// A length of time; days have 24 hours.
fn span(text: &str) -> Result<SignedDuration, String> {
    let wrong = |_| "write a length of time as 12h, 7d or 4w".to_owned();
    let span: Span = text.parse().map_err(wrong)?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    if length.is_negative() { Err("must not be negative".to_owned()) } else { Ok(length) }
}
