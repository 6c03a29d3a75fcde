//! The forms in which requests and budgets are written down.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::report::tally::ReportTally;
use ledger::balance::{Balance, BalanceKey};
use ledger::ledger_file::{self, LedgerFile, LedgerFileError};
use ledger::usage_record::{AttemptRecord, BudgetDebit, RecordedScores, UsageRecord};
use ledger::{LedgerEntry, line};

/// Every member of the lines of a ledger's file, by the kind of line, with what it says.
pub const LEDGER_MEMBERS: [(&str, &str); 56] = [
    ("open.epoch", "How often the file was opened so far."),
    ("open.time", "When."),
    ("lease.client", "The client whose budget a part is leased of to the gateway that runs."),
    ("lease.period", "The hour, day or month of the budget."),
    ("lease.amount", "How much is leased."),
    ("back.client", "The client of whose budget a part comes back."),
    ("back.period", "The hour, day or month of the budget."),
    ("back.amount", "How much comes back."),
    ("balance.client", "The client whose budget stands so, whatever lines before it say."),
    ("balance.period", "The hour, day or month of the budget."),
    ("balance.leased", "How much is leased; what was spent of that included."),
    ("balance.spent", "How much is spent, or lost with a gateway that ended without giving back."),
    ("request.time", "When the request ended."),
    ("request.id", "The request's name, as in `x-request-id`."),
    ("request.client", "The client's name, or `-`."),
    ("request.route", "The route's name, or `-`."),
    ("request.model", "The model that answered, else the last that was asked, or `-`."),
    ("request.top", "The largest model of the route."),
    ("request.call", "The call: a word of `xietong_requests_total{endpoint}`."),
    ("request.plan", "How models were asked: a word of `xietong_decisions_total{plan}`."),
    ("request.reason", "Why the first model was chosen: a word of `xietong_decisions_total{reason}`."),
    ("request.scores", "What the scorer said. Only where the prompt was scored."),
    ("request.scores.difficulty", "One minus the chance that the smallest model suffices, 0 to 1."),
    ("request.scores.gain", "What the largest model would add, -1 to 1."),
    ("request.scores.familiarity", "How close the prompt is to what the scorer was fitted on, 0 to 1."),
    (
        "request.scores.suffices",
        "The chance that a model of each class suffices: tiny, small, medium, frontier.",
    ),
    ("request.scores.chars", "Characters of the last human turn."),
    ("request.scores.features", "The features of the prompt, as numbers. Its words are not kept."),
    ("request.draw", "The random number that policies decided by, for `xietong replay`."),
    ("request.stream", "Whether the client asked for a stream."),
    ("request.attempts", "Every attempt at a model, in order."),
    ("request.attempts.model", "The model's name in the configuration."),
    ("request.attempts.result", "How the attempt ended: a word of `xietong_attempts_total{result}`."),
    ("request.attempts.input", "Tokens of the prompt that no cache had a part in."),
    ("request.attempts.cached", "Tokens of the prompt from a cache. Left out where 0."),
    ("request.attempts.written", "Tokens of the prompt written to a cache of minutes. Left out where 0."),
    (
        "request.attempts.written_hour",
        "Tokens of the prompt written to a cache of an hour. Left out where 0.",
    ),
    ("request.attempts.output", "Tokens of the answer, reasoning left out."),
    ("request.attempts.reasoning", "Tokens of reasoning. Left out where 0."),
    ("request.attempts.estimated", "`true` where the gateway estimated the tokens."),
    ("request.attempts.cost", "What the attempt cost. Null where the model has no price."),
    (
        "request.attempts.wasted",
        "Why its cost brought the client nothing: a word of `xietong_wasted_cost_total{cause}`.",
    ),
    ("request.attempts.chance", "The chance that its answer would do, as a guard found it, 0 to 1."),
    ("request.attempts.beside", "`true` where it was made beside another attempt."),
    ("request.answered_by", "Which attempt the client got the answer of, counted from 0."),
    ("request.baseline", "What the same answer would have cost from `top`."),
    ("request.currency", "The currency of accounts."),
    ("request.first_token", "Seconds to the first token."),
    ("request.total", "Seconds to the end."),
    ("request.status", "The HTTP status that the client saw."),
    ("request.error", "The code of the error that the client saw."),
    ("request.outcome", "How the request ended: a word of `xietong_requests_total{outcome}`."),
    ("request.paid", "Which budget paid, where one did."),
    ("request.paid.client", "The client of the budget."),
    ("request.paid.period", "The hour, day or month of the budget."),
    ("request.paid.amount", "How much it paid."),
];

/// A budget of a ledger: the client, the period, and what is leased and spent, in nano-units.
pub type LedgerBalance = (String, String, i64, i64);

/// What a ledger's file says of each budget, in order, once what an earlier process did not give back counts as spent. The
/// file is opened as by a gateway, which writes to it.
///
/// # Errors
/// A file that cannot be used.
pub fn ledger_balances(path: &Path) -> Result<Vec<LedgerBalance>, LedgerFileError> {
    let opened = LedgerFile::open(path, jiff::Timestamp::now())?;
    let each = opened.balances.iter().map(|(key, balance)| {
        (key.client.to_string(), key.period.to_string(), balance.leased, balance.spent)
    });
    let mut balances: Vec<_> = each.collect();
    balances.sort();
    Ok(balances)
}

/// What `xietong report --format json` makes of a ledger's file.
///
/// # Errors
/// A file that cannot be read.
pub fn ledger_report(path: &Path) -> std::io::Result<serde_json::Value> {
    let mut tally = ReportTally::default();
    ledger_file::read(path, |entry| {
        if let LedgerEntry::Request(request) = entry {
            tally.add(&request, &TimeZone::UTC);
        }
    })?;
    Ok(tally.json())
}

/// One line of each kind, with every member, as a gateway writes it to a ledger's file.
pub fn ledger_lines() -> String {
    let key = || BalanceKey { client: "team-a".into(), period: "2026-12-01".into() };
    let entries = [
        LedgerEntry::Open { epoch: 3, time: time() },
        LedgerEntry::Lease { key: key(), amount: 781_250_000 },
        LedgerEntry::Back { key: key(), amount: 250_000_000 },
        LedgerEntry::Balance { key: key(), balance: Balance { leased: 531_250_000, spent: 420_000 } },
        LedgerEntry::Request(Box::new(full(key()))),
        LedgerEntry::Request(Box::new(bare())),
    ];
    let mut lines = Vec::new();
    for (number, entry) in (0..).zip(&entries) {
        line::write_with(&mut lines, number, |out| match entry {
            LedgerEntry::Request(request) => {
                out.extend_from_slice(ledger_file::REQUEST);
                request.write(out);
                out.push(b'}');
            }
            // Plain data, which serialises.
            entry => drop(serde_json::to_writer(out, entry)),
        });
    }
    String::from_utf8(lines).unwrap_or_default()
}

fn time() -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(1_796_083_200_123).unwrap_or_default()
}

/// A request with every member.
fn full(key: BalanceKey) -> UsageRecord<'static> {
    let attempt = AttemptRecord {
        model: "small".into(),
        result: "confidence".into(),
        input: 20,
        cached: 7,
        written: 5,
        written_hour: 3,
        output: 11,
        reasoning: 2,
        estimated: true,
        cost: Some(120_000),
        wasted: Some("escalated".into()),
        chance: Some(0.25),
        beside: true,
    };
    let scores = RecordedScores {
        difficulty: 0.5,
        gain: -0.25,
        familiarity: 0.75,
        suffices: [0.25, 0.5, 0.75, 1.0],
        chars: 14,
        features: vec![0.0, 1.5].into(),
    };
    UsageRecord {
        time: time(),
        id: "req-1".into(),
        client: Arc::clone(&key.client).to_string().into(),
        route: "auto".into(),
        model: "large \"quoted\"".into(),
        top: Some("large".into()),
        call: "chat".into(),
        plan: Some("cascade".into()),
        reason: Some("easy".into()),
        scores: Some(scores),
        draw: Some(0x6000_0000_0000_0000),
        stream: true,
        attempts: vec![attempt],
        answered_by: Some(0),
        baseline: Some(300_000),
        currency: "CNY".into(),
        first_token: Some(0.125),
        total: 1.5,
        status: 200,
        error: Some("upstream_truncated".into()),
        outcome: "cut".into(),
        paid: Some(BudgetDebit { key, amount: 420_000 }),
    }
}

/// A request with no member that it need not have.
fn bare() -> UsageRecord<'static> {
    let attempt = AttemptRecord {
        model: "small".into(),
        result: "ok".into(),
        input: 20,
        cached: 0,
        written: 0,
        written_hour: 0,
        output: 5,
        reasoning: 0,
        estimated: false,
        cost: None,
        wasted: None,
        chance: None,
        beside: false,
    };
    UsageRecord {
        time: time(),
        id: "req-2".into(),
        client: "-".into(),
        route: "-".into(),
        model: "small".into(),
        top: None,
        call: "embeddings".into(),
        plan: None,
        reason: None,
        scores: None,
        draw: None,
        stream: false,
        attempts: vec![attempt],
        answered_by: None,
        baseline: None,
        currency: "CNY".into(),
        first_token: None,
        total: 0.5,
        status: 200,
        error: None,
        outcome: "complete".into(),
        paid: None,
    }
}
