//! The ledger against a model of itself, against damaged files, and against a disk that fails.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_config::{BudgetPeriodLength, ClientBudget, ClientLimits, EmbeddedStateConfig, KeyHash};
use proptest::prelude::*;
use router_policies::Money;

use super::balance::{Balance, BalanceKey};
use super::budget_lease::{BudgetRefusal, Reservation};
use super::ledger_file::{self, RetentionPolicy};
use super::line::LedgerEntry;
use super::testing::mortal;
use super::usage_record::BudgetDebit;
use super::*;

/// A folder of its own for each test, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("xietong-ledger-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("xietong.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn client(name: &str, amount: i64, per: BudgetPeriodLength) -> ClientConfig {
    ClientConfig {
        name: name.to_owned(),
        key: KeyHash([0; 32]),
        routes: None,
        local_only: false,
        hints: false,
        budget: Some(ClientBudget { amount: Money(amount), per }),
        limits: ClientLimits::default(),
    }
}

fn record(paid: Option<BudgetDebit>) -> UsageRecord<'static> {
    UsageRecord {
        time: Timestamp::now(),
        id: "req-1".into(),
        client: "a".into(),
        route: "auto".into(),
        model: "large".into(),
        top: Some("large".into()),
        call: "chat".into(),
        plan: Some("ask".into()),
        reason: Some("hard".into()),
        scores: None,
        draw: None,
        stream: false,
        attempts: Vec::new(),
        answered_by: None,
        baseline: None,
        currency: "CNY".into(),
        first_token: None,
        total: 0.1,
        status: 200,
        error: None,
        outcome: "complete".into(),
        paid,
    }
}

fn note(file: &mut LedgerFile, record: &UsageRecord<'_>) {
    file.write_request(record.time, &serde_json::to_vec(record).unwrap());
}

fn key(client: &str, period: &str) -> BalanceKey {
    BalanceKey { client: client.into(), period: period.into() }
}

impl Ledger {
    fn at(path: &std::path::Path) -> Result<Arc<Self>, LedgerFileError> {
        let opened = LedgerFile::open(path, Timestamp::now())?;
        let state =
            EmbeddedStateConfig { keep: Duration::from_secs(86_400), ..EmbeddedStateConfig::at(path) };
        Ok(Self::in_file(opened, &state, &Dispatch::none())?)
    }
}

async fn reserve(ledger: &Ledger, quota: &ClientQuota, amount: i64) -> Result<Reservation, BudgetRefusal> {
    quota
        .reserve(ledger.leases(), Money(amount), Timestamp::now())
        .await
        .map(|reservation| reservation.expect("a client with a budget"))
}

fn balances(path: &std::path::Path) -> HashMap<BalanceKey, Balance> {
    let opened = LedgerFile::open(path, Timestamp::now()).unwrap();
    opened.balances.iter().map(|(key, balance)| (key.clone(), *balance)).collect()
}

#[tokio::test]
async fn a_budget_is_spent_to_its_end_and_not_beyond() {
    for kept in [false, true] {
        let folder = Folder::new();
        let ledger =
            if kept { Ledger::at(&folder.file()).unwrap() } else { Arc::new(Ledger::without_memory()) };
        let quota = ledger.quota(&client("a", 1000, BudgetPeriodLength::Month), &TimeZone::UTC);
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(reserve(&ledger, &quota, 100).await.unwrap());
        }
        assert_eq!(reserve(&ledger, &quota, 1).await.unwrap_err(), BudgetRefusal::Spent, "kept: {kept}");
        // Half of it comes back, and less than that is there again.
        let paid = held.pop().unwrap().settle(Money(50));
        assert_eq!(paid.amount, 50);
        ledger.record(record(Some(paid)));
        assert_eq!(reserve(&ledger, &quota, 51).await.unwrap_err(), BudgetRefusal::Spent);
        drop(reserve(&ledger, &quota, 50).await.unwrap());
        drop(reserve(&ledger, &quota, 50).await.unwrap());
        drop(held);
        drop(reserve(&ledger, &quota, 950).await.unwrap());
        ledger.stop();
    }
}

#[tokio::test]
async fn what_was_spent_outlives_a_restart_and_what_was_not_comes_back() {
    let folder = Folder::new();
    let month = client("a", 1000, BudgetPeriodLength::Month);
    for round in 0..3 {
        let ledger = Ledger::at(&folder.file()).unwrap();
        let quota = ledger.quota(&month, &TimeZone::UTC);
        assert_eq!(
            reserve(&ledger, &quota, 1001 - round * 300).await.unwrap_err(),
            BudgetRefusal::Spent,
            "{round}"
        );
        let paid = reserve(&ledger, &quota, 1000 - round * 300).await.unwrap().settle(Money(300));
        ledger.record(record(Some(paid)));
        ledger.stop();
    }
    let all: Vec<Balance> = balances(&folder.file()).into_values().collect();
    assert_eq!(all, [Balance { leased: 900, spent: 900 }]);
}

#[test]
fn what_a_crash_leaves_open_counts_as_spent() {
    let folder = Folder::new();
    let opened = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
    let (mut file, day) = (opened.file, key("a", "2026-11-24"));
    file.write(&LedgerEntry::Lease { key: day.clone(), amount: 500 });
    note(&mut file, &record(Some(BudgetDebit { key: day.clone(), amount: 120 })));
    file.sync().unwrap();
    note(&mut file, &record(Some(BudgetDebit { key: day.clone(), amount: 7 })));
    drop(file);
    assert_eq!(balances(&folder.file())[&day], Balance { leased: 500, spent: 500 });
    // Swept once, not again.
    assert_eq!(balances(&folder.file())[&day], Balance { leased: 500, spent: 500 });
}

#[test]
fn one_process_at_a_time() {
    let folder = Folder::new();
    let first = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
    let second = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap_err();
    assert!(matches!(second, LedgerFileError::Taken { .. }), "{second}");
    drop(first);
    LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let missing = std::env::temp_dir().join("xietong-no-such-folder/xietong.db");
    let why = LedgerFile::open(&missing, Timestamp::now()).unwrap_err().to_string();
    assert!(why.contains("xietong-no-such-folder/xietong.db: No such file"), "{why}");
}

/// A file of leases and requests, closed in order.
fn written(folder: &Folder, lines: i64) -> Vec<u8> {
    let mut file = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap().file;
    for amount in 0..lines {
        file.write(&LedgerEntry::Lease { key: key("a", "2026-11-24"), amount });
        note(&mut file, &record(Some(BudgetDebit { key: key("a", "2026-11-24"), amount })));
    }
    file.sync().unwrap();
    drop(file);
    std::fs::read(folder.file()).unwrap()
}

#[test]
fn a_torn_end_is_cut_off() {
    let folder = Folder::new();
    let whole = written(&folder, 3);
    let last_line = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    let zeroes = [&whole[..], &[0; 4096]].concat();
    let garbage = [&whole[..], b"\xff\xfe no ledger\nat all\n"].concat();
    for torn in [&whole[..last_line + 1], &whole[..whole.len() - 1], &zeroes, &garbage] {
        std::fs::write(folder.file(), torn).unwrap();
        let opened = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
        assert!(opened.notes.iter().any(|note| note.contains("cut off")), "{:?}", opened.notes);
        drop(opened);
        // Nothing is left of it, and what follows is sound.
        let again = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
        assert!(again.notes.is_empty(), "{:?}", again.notes);
    }
}

#[test]
fn damage_in_the_middle_is_refused_with_the_way_out() {
    let folder = Folder::new();
    let whole = written(&folder, 5);
    let middle = whole.len() / 2;
    let mut flipped = whole.clone();
    flipped[middle] ^= 4;
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    let missing = [&lines[..3], &lines[4..]].concat().concat();
    for damaged in [flipped, missing] {
        std::fs::write(folder.file(), &damaged).unwrap();
        let why = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap_err();
        assert!(
            matches!(why, LedgerFileError::Damaged { .. }) && why.to_string().contains("xietong salvage"),
            "{why}"
        );
        let saved = folder.0.join("saved.db");
        let (kept, _) = ledger_file::salvage(&folder.file(), &saved).unwrap();
        assert_eq!(kept, lines.len() as u64 - 1);
        LedgerFile::open(&saved, Timestamp::now()).unwrap();
        std::fs::remove_file(&saved).unwrap();
        std::fs::remove_file(saved.with_extension("db.lock")).unwrap();
    }
    let nothing = folder.0.join("nothing.db");
    ledger_file::salvage(&folder.0.join("missing.db"), &nothing).unwrap_err();
    assert!(!nothing.exists(), "an empty file stands in the way of the next try");
}

#[test]
fn lines_that_stand_there_twice_count_once() {
    let folder = Folder::new();
    let whole = written(&folder, 3);
    std::fs::write(folder.file(), [&whole[..], &whole[..]].concat()).unwrap();
    assert_eq!(balances(&folder.file())[&key("a", "2026-11-24")].spent, 3);
}

#[test]
fn an_older_copy_is_noticed() {
    let folder = Folder::new();
    let copy = written(&folder, 1);
    drop(LedgerFile::open(&folder.file(), Timestamp::now()).unwrap());
    std::fs::write(folder.file(), copy).unwrap();
    let opened = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
    assert!(opened.notes.iter().any(|note| note.contains("older copy")), "{:?}", opened.notes);
}

#[test]
fn old_requests_go_and_balances_stay() {
    let folder = Folder::new();
    let mut opened = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
    let (month, now) = (key("a", "2999-01"), Timestamp::now());
    for age in (0..100).rev() {
        let time = now - jiff::SignedDuration::from_hours(age);
        note(
            &mut opened.file,
            &UsageRecord { time, ..record(Some(BudgetDebit { key: month.clone(), amount: 1 })) },
        );
        opened.balances.spend(&month, 1);
        opened.balances.lease(&month, 1);
    }
    opened.file.write(&LedgerEntry::Lease { key: month.clone(), amount: 100 });
    opened.file.sync().unwrap();
    let before = opened.file.size();
    let keep = RetentionPolicy { since: now - jiff::SignedDuration::from_mins(10 * 60 - 1), bytes: 1 << 20 };
    opened.file.compact(&opened.balances, now, &keep).unwrap();
    assert!(opened.file.size() < before / 5);
    note(&mut opened.file, &record(Some(BudgetDebit { key: month.clone(), amount: 1 })));
    opened.file.sync().unwrap();
    drop(opened);
    let mut requests = 0;
    assert_eq!(
        ledger_file::read(&folder.file(), |entry| requests +=
            u32::from(matches!(entry, LedgerEntry::Request(_))))
        .unwrap(),
        0
    );
    assert_eq!(requests, 11);
    // What the compacted requests paid is in the balance, and not counted again.
    assert_eq!(balances(&folder.file())[&month].spent, 101);
}

#[tokio::test]
async fn a_disk_that_fails_stops_spending_until_it_works_again() {
    let folder = Folder::new();
    let mut opened = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap();
    opened.file.break_disk(Some(folder.file()));
    let state =
        EmbeddedStateConfig { keep: Duration::from_secs(86_400), ..EmbeddedStateConfig::at(folder.file()) };
    let ledger = Ledger::in_file(opened, &state, &Dispatch::none()).unwrap();
    let quota = ledger.quota(&client("a", 1000, BudgetPeriodLength::Month), &TimeZone::UTC);
    assert_eq!(reserve(&ledger, &quota, 100).await.unwrap_err(), BudgetRefusal::Unavailable);
    assert!(!ledger.is_up());
    ledger.record(record(None));
    assert!(!ledger.flush());
    // Free again: the writer tries by itself, and loses nothing that it was given meanwhile.
    std::fs::remove_file(folder.file().with_extension("full")).unwrap();
    while !ledger.is_up() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(reserve(&ledger, &quota, 1000).await.unwrap());
    ledger.stop();
    let mut requests = 0;
    ledger_file::read(&folder.file(), |entry| {
        requests += u32::from(matches!(entry, LedgerEntry::Request(_)))
    })
    .unwrap();
    assert_eq!(requests, 1);
}

/// X-16. Nobody waits for a writer that a panic has ended, and nothing is spent that would not be written down.
#[tokio::test]
async fn a_clerk_that_dies_is_noticed_and_ends_all_spending() {
    for shared in [false, true] {
        let ledger = mortal(shared);
        let quota = ledger.quota(&client("a", 1000, BudgetPeriodLength::Month), &TimeZone::UTC);
        assert!(ledger.is_alive() && ledger.may_spend());
        assert_eq!(reserve(&ledger, &quota, 100).await.unwrap_err(), BudgetRefusal::Unavailable);
        while ledger.is_alive() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(!ledger.is_up() && !ledger.may_spend() && !ledger.flush());
        // Neither does whoever comes later wait, nor the end of the process.
        assert_eq!(reserve(&ledger, &quota, 100).await.unwrap_err(), BudgetRefusal::Unavailable);
        ledger.record(record(None));
        ledger.stop();
    }
}

/// What the model does with a ledger.
#[derive(Debug, Clone)]
enum Step {
    Reserve(usize, i64),
    Settle(usize, f64),
    Drop(usize),
    Restart,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2usize, 1..400i64).prop_map(|(client, amount)| Step::Reserve(client, amount)),
        5 => (0..8usize, 0.0..1.0f64).prop_map(|(at, share)| Step::Settle(at, share)),
        2 => (0..8usize).prop_map(Step::Drop),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens: no client spends more than its budget, nothing that was acknowledged is lost, and without a
    /// crash nothing is refused that the budget covers.
    #[test]
    fn the_ledger_agrees_with_a_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps))?;
    }
}

async fn follow(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut run = Run::new();
    for step in steps {
        match step {
            Step::Reserve(who, amount) => run.reserve(who, amount).await?,
            Step::Settle(at, share) if !run.held.is_empty() => run.settle(at, share),
            Step::Drop(at) if !run.held.is_empty() => {
                let (who, reservation) = run.take(at);
                run.reserved[who] -= reservation.amount().0;
            }
            Step::Restart => run.restart(false),
            Step::Crash => run.restart(true),
            Step::Settle(..) | Step::Drop(_) => {}
        }
    }
    run.end()
}

const LIMIT: i64 = 1000;
const NAMES: [&str; 2] = ["a", "b"];

/// A ledger, and the model that it must agree with.
struct Run {
    folder: Folder,
    clients: [ClientConfig; 2],
    ledger: Option<Arc<Ledger>>,
    held: Vec<(usize, Reservation)>,
    spent: [i64; 2],
    reserved: [i64; 2],
    crashed: bool,
}

impl Run {
    fn new() -> Self {
        let folder = Folder::new();
        let clients = NAMES.map(|name| client(name, LIMIT, BudgetPeriodLength::Month));
        let ledger = Some(Ledger::at(&folder.file()).unwrap());
        Self { folder, clients, ledger, held: Vec::new(), spent: [0; 2], reserved: [0; 2], crashed: false }
    }

    fn ledger(&self) -> &Arc<Ledger> {
        self.ledger.as_ref().unwrap()
    }

    async fn reserve(&mut self, who: usize, amount: i64) -> Result<(), TestCaseError> {
        let quota = self.ledger().quota(&self.clients[who], &TimeZone::UTC);
        let fits = self.spent[who] + self.reserved[who] + amount <= LIMIT;
        let state = format!("{amount} for {who} beside {:?} and {:?}", self.spent, self.reserved);
        match quota.reserve(self.ledger().leases(), Money(amount), Timestamp::now()).await {
            Ok(reservation) => {
                prop_assert!(fits, "{state}");
                self.held.push((who, reservation.unwrap()));
                self.reserved[who] += amount;
            }
            Err(refusal) => {
                prop_assert_eq!(refusal, BudgetRefusal::Spent);
                prop_assert!(!fits || self.crashed, "{state}");
            }
        }
        Ok(())
    }

    fn take(&mut self, at: usize) -> (usize, Reservation) {
        self.held.remove(at % self.held.len())
    }

    fn settle(&mut self, at: usize, share: f64) {
        let (who, reservation) = self.take(at);
        let amount = reservation.amount().0;
        let cost = (amount as f64 * share) as i64;
        self.ledger().record(record(Some(reservation.settle(Money(cost)))));
        self.reserved[who] -= amount;
        self.spent[who] += cost;
    }

    /// Ends the ledger and begins anew; after a crash with the file as it was at that instant, which is what a dead
    /// process leaves.
    fn restart(&mut self, crash: bool) {
        let left = crash.then(|| {
            assert!(self.ledger().flush());
            std::fs::read(self.folder.file()).unwrap()
        });
        self.stop();
        if let Some(left) = left {
            std::fs::write(self.folder.file(), left).unwrap();
        }
        self.crashed |= crash;
        self.reserved = [0; 2];
        self.ledger = Some(Ledger::at(&self.folder.file()).unwrap());
    }

    fn stop(&mut self) {
        self.held.clear();
        if let Some(ledger) = self.ledger.take() {
            ledger.stop();
        }
    }

    fn end(mut self) -> Result<(), TestCaseError> {
        self.stop();
        let mut booked = HashMap::<String, i64>::new();
        ledger_file::read(&self.folder.file(), |entry| {
            if let LedgerEntry::Request(record) = entry
                && let Some(paid) = record.paid
            {
                *booked.entry(paid.key.client.to_string()).or_default() += paid.amount;
            }
        })
        .unwrap();
        for (who, name) in NAMES.into_iter().enumerate() {
            prop_assert_eq!(booked.get(name).copied().unwrap_or(0), self.spent[who]);
        }
        for balance in balances(&self.folder.file()).values() {
            prop_assert!(balance.spent <= LIMIT && balance.leased <= LIMIT, "{balance:?}");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_at_once_get_what_there_is_and_no_more() {
    for kept in [false, true] {
        for at_once in [64usize, 1024] {
            let folder = Folder::new();
            let ledger =
                if kept { Ledger::at(&folder.file()).unwrap() } else { Arc::new(Ledger::without_memory()) };
            // A budget for ten.
            let quota = ledger.quota(&client("a", 1009, BudgetPeriodLength::Month), &TimeZone::UTC);
            let tasks: Vec<_> = (0..at_once)
                .map(|_| {
                    let (ledger, quota) = (Arc::clone(&ledger), Arc::clone(&quota));
                    tokio::spawn(async move { reserve(&ledger, &quota, 100).await.ok() })
                })
                .collect();
            let mut held = Vec::new();
            for task in tasks {
                held.extend(task.await.unwrap());
            }
            assert_eq!(held.len(), 10, "{at_once} at once, kept: {kept}");
            drop(held);
            drop(reserve(&ledger, &quota, 1009).await.unwrap());
            ledger.stop();
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_put_back_gives_no_budget_twice() {
    let folder = Folder::new();
    let future = Timestamp::now() + jiff::SignedDuration::from_hours(30);
    let tomorrow = budget_period::BudgetPeriod::around(future, BudgetPeriodLength::Day, &TimeZone::UTC);
    let mut file = LedgerFile::open(&folder.file(), Timestamp::now()).unwrap().file;
    file.write(&LedgerEntry::Lease { key: key("a", &tomorrow.id), amount: 900 });
    file.sync().unwrap();
    drop(file);
    let ledger = Ledger::at(&folder.file()).unwrap();
    let quota = ledger.quota(&client("a", 1000, BudgetPeriodLength::Day), &TimeZone::UTC);
    assert_eq!(reserve(&ledger, &quota, 101).await.unwrap_err(), BudgetRefusal::Spent);
    drop(reserve(&ledger, &quota, 100).await.unwrap());
    ledger.stop();
}

#[test]
fn files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    drop(LedgerFile::open(&folder.file(), Timestamp::now()).unwrap());
    assert_eq!(std::fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let mut text = String::new();
    std::fs::File::open(folder.file()).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains(r#"{"open":{"epoch":1"#), "{text}");
    let mut file = std::fs::OpenOptions::new().append(true).open(folder.file()).unwrap();
    file.write_all(b"torn").unwrap();
}

/// What the way of a request through its account adds: limits, reservation, settlement and the record, in a ledger on
/// disk. `make accounting`.
#[test]
#[ignore = "a measurement"]
fn what_accounting_costs_a_request() {
    const ROUNDS: u32 = 100_000;
    let folder = Folder::new();
    let ledger = Ledger::at(&folder.file()).unwrap();
    for threads in [1u32, 4] {
        let began = std::time::Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let ledger = &ledger;
                scope.spawn(move || {
                    let limits = ClientLimits {
                        requests_per_minute: Some(u64::MAX >> 1),
                        tokens_per_minute: Some(u64::MAX >> 1),
                        concurrent: Some(1000),
                    };
                    let client = client(&format!("c{thread}"), i64::MAX >> 8, BudgetPeriodLength::Month);
                    let quota = ledger.quota(&ClientConfig { limits, ..client }, &TimeZone::UTC);
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    let record = record(None);
                    for _ in 0..ROUNDS / threads {
                        let mut place = quota.admit(1000, tokio::time::Instant::now()).unwrap();
                        let reservation = runtime
                            .block_on(quota.reserve(ledger.leases(), Money(1000), Timestamp::now()))
                            .unwrap()
                            .unwrap();
                        place.used(500);
                        let paid = reservation.settle(Money(500));
                        ledger.record(UsageRecord { paid: Some(paid), ..record.clone() });
                    }
                });
            }
        });
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
        let mut line = String::new();
        std::fmt::Write::write_fmt(&mut line, format_args!("{threads} threads: {each:.2} µs a request\n"))
            .unwrap();
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert!(ledger.flush());
    }
    ledger.stop();
}
