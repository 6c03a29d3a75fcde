//! What users, dashboards, scripts and stored data go by stays as it is: names are held to golden files, the pages of
//! `docs/reference` to the code, and what was written by earlier gateways is read still.
//!
//! Where one of these fails: an addition that is meant is written down by `make reference`; a name that left comes back.

use std::io::Write;
use std::sync::{Arc, Mutex};

use end_to_end::collector::Collector;
use end_to_end::gateway::Gateway;
use end_to_end::ledger::Place;
use end_to_end::openai::{self, Reply};
use end_to_end::redis::Redis;
use end_to_end::reference::golden::{file, hold, hold_frozen, hold_page};
use end_to_end::reference::queries::{self, Matcher};
use end_to_end::reference::{pages, tables};
use end_to_end::scripted::{Script, Scripted, in_turn};
use end_to_end::setup::Setup;
use gateway::reference;
use router_policies::Policy;
use router_policies::guard::RejectReason;
use serde_json::{Value, json};

const KEY: (&str, &str) = ("authorization", "Bearer team-a-key-0123456789");

#[test]
fn metrics_labels_and_their_words_stay() {
    hold("metrics.txt", &tables::metrics());
}

#[test]
fn error_codes_and_statuses_stay() {
    hold("errors.txt", &tables::errors());
}

#[test]
fn headers_stay() {
    hold("headers.txt", &tables::headers());
}

#[test]
fn commands_options_and_exit_codes_stay() {
    hold("commands.txt", &tables::commands());
}

#[test]
fn configuration_keys_stay() {
    hold("configuration.txt", &tables::configuration());
}

#[test]
fn members_of_log_lines_stay() {
    hold("log.txt", &tables::log_fields());
}

#[test]
fn lines_of_the_ledger_stay() {
    hold("ledger-lines.txt", &reference::ledger_lines());
    let mut found = Vec::new();
    for line in reference::ledger_lines().lines() {
        let json = line.splitn(3, ' ').nth(2).expect("a checksum, a number and JSON");
        members(&serde_json::from_str(json).expect("the third part is JSON"), "", &mut found);
    }
    found.retain(|name| name.contains('.'));
    found.sort();
    found.dedup();
    let mut described: Vec<_> =
        reference::LEDGER_MEMBERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    described.sort();
    assert_eq!(found, described, "LEDGER_MEMBERS describes the members of lines");
}

/// A rule or a panel that asks for a word which no gateway says is silent for ever; one that lists the reasons of guards and
/// forgets one counts too few.
#[test]
fn rules_and_panels_name_words_that_there_are() {
    let mut guards = 0;
    for matcher in queries::matchers() {
        let Matcher { place, metric, label, words } = matcher;
        let known = tables::values(&metric, &label);
        for word in &words {
            assert!(
                known.contains(word.as_str()) || known.contains("*"),
                "{place}: {metric}{{{label}=~{word:?}}}"
            );
        }
        if label == "reason"
            && words.len() > 1
            && words.iter().any(|word| word == RejectReason::Confidence.word())
        {
            let mut words = words;
            let mut all = RejectReason::ALL.map(|doubt| doubt.word().to_owned()).to_vec();
            words.sort();
            all.sort();
            assert_eq!(words, all, "{place} lists every reason of a guard");
            guards += 1;
        }
    }
    assert!(guards >= 4, "the share of escalations is in two rules, a panel and what is made of them");
}

#[test]
fn scripts_in_redis_stay() {
    hold("redis-scripts.lua", &tables::redis_scripts());
}

/// A configuration that is read and shown again names every key of every policy as it does today.
#[test]
fn policies_are_written_as_they_were() {
    let text = include_str!("../golden/policies.json");
    let policies: Vec<Policy> = serde_json::from_str(text).expect("every policy is read");
    let mut written = serde_json::to_string_pretty(&policies).expect("policies serialise");
    written.push('\n');
    hold("policies.json", &written);
    let kinds: Vec<_> = policies.iter().map(|policy| json!(policy)["kind"].to_string()).collect();
    let schema = gateway_config::schema();
    for kind in schema["$defs"]["Policy"]["oneOf"].as_array().expect("kinds") {
        let kind = &kind["properties"]["kind"];
        let is_there = |word: &Value| kinds.contains(&word.to_string());
        let older_and_better = kind["enum"].as_array().into_iter().flatten();
        assert!(older_and_better.chain([&kind["const"]]).any(is_there), "policies.json lacks {kind}");
    }
}

#[test]
fn pages_are_up_to_date() {
    hold_page("metrics.md", &pages::metrics());
    hold_page("errors.md", &pages::errors());
    hold_page("headers.md", &pages::headers());
    hold_page("commands.md", &pages::commands());
    hold_page("configuration.md", &pages::configuration());
    hold_page("log.md", &pages::log());
    hold_page("ledger.md", &pages::ledger());
    hold_page("takes.md", &pages::takes());
}

/// Log lines that a test looks at afterwards.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The names of an object's members, and of those in its objects and lists behind a dot; what a client said is not looked
/// into.
fn members(value: &Value, before: &str, into: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = format!("{before}{name}");
        if !["prompt", "answer", "fields"].contains(&name.as_str()) {
            members(value, &format!("{name}."), into);
            value.as_array().into_iter().flatten().for_each(|it| members(it, &format!("{name}."), into));
        }
        into.push(name);
    }
}

#[tokio::test]
async fn log_lines_have_the_members_that_are_described() {
    let scripts = [openai::error(503, "busy"), Reply::text("one two").whole()];
    let small = Scripted::start(in_turn(scripts)).await;
    let (large, log) = (Scripted::start(Reply::text("three")).await, Kept::default());
    let collector = Collector::start().await;
    let yaml = Setup::ladder(&small.base_url(), &large.base_url())
        .add("gone", &["http://127.0.0.1:1/v1"], "retries: 0")
        .route("record: content")
        .top("log: json")
        .top(&collector.line(""))
        .model("small", "retries: 0")
        .yaml();
    let gateway = Gateway::start_with_log(&yaml, log.clone().into()).await;
    gateway.ask(&openai::ask("auto", "Count")).await;
    gateway.ask(&openai::ask("auto", "Count")).await;
    // One that cannot be reached.
    gateway.ask(&openai::ask("gone", "Count")).await;
    // A note of the operator's.
    gateway.post_admin("/reload", &json!({})).await;
    gateway.stop().await;
    let text = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    // The note of a reload has none; others do.
    let mut found = vec!["fields".to_owned()];
    for line in text.lines() {
        members(&serde_json::from_str(line).expect("a line of JSON"), "", &mut found);
    }
    found.sort();
    found.dedup();
    let mut described: Vec<_> = reference::LOG_FIELDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    described.sort();
    assert_eq!(found, described, "log/fields.rs describes the members of log lines");
}

/// A ledger of an earlier gateway, in a place of its own.
fn earlier() -> Place {
    let place = Place::new();
    std::fs::copy(file("ledger-2026-12.db"), place.file()).expect("the golden ledger is there");
    place
}

/// A ledger that a gateway of December 2026 wrote, with every kind of line, means what it meant.
#[test]
fn a_ledger_of_december_2026_has_the_same_balances_and_figures() {
    let place = earlier();
    let report = reference::ledger_report(&place.file()).expect("it is read");
    let mut report = serde_json::to_value(&report).expect("figures");
    // Builds with the engine keep the order of members; what they are called counts, not where they stand.
    report.sort_all_objects();
    let mut report = serde_json::to_string_pretty(&report).expect("figures");
    report.push('\n');
    hold_frozen("ledger-2026-12.report.json", &report);
    let balances = reference::ledger_balances(&place.file()).expect("it is opened");
    let lines = balances
        .iter()
        .map(|(client, period, leased, spent)| format!("{client} {period} leased {leased} spent {spent}\n"));
    hold_frozen("ledger-2026-12.balances.txt", &lines.collect::<String>());
}

/// A gateway goes on with it.
#[tokio::test]
async fn a_gateway_goes_on_with_a_ledger_of_december_2026() {
    let (place, upstream) = (earlier(), Scripted::start(Reply::text("one two")).await);
    let before = place.requests().len();
    let gateway = served(&upstream, &place.line()).start().await;
    assert_eq!(gateway.ask_with(&[KEY], &openai::ask("auto", "Count")).await.status(), 200);
    gateway.stop().await;
    assert_eq!(place.requests().len(), before + 1);
}

/// Two clients with budgets.
fn served(upstream: &Scripted, state: &str) -> Setup {
    Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .top(
            "clients: [{name: team-a, key: team-a-key-0123456789, budget: {amount: 1, per: day}}, {name: team-b, key: \
             team-b-key-0123456789, budget: {amount: 20, per: month}}]",
        )
        .top(state)
}

/// Writes the golden ledger, once: where one is, it stays as it is.
#[tokio::test]
async fn a_golden_ledger_is_written_where_there_is_none() {
    if file("ledger-2026-12.db").exists() {
        return;
    }
    let place = Place::new();
    let good = Reply::text("one two three four").input(40, 10);
    let scripts = [
        good.stream(true),
        good.whole(),
        openai::error(503, "busy"),
        openai::error(503, "busy"),
        Reply::text("I don't know.").whole(),
        good.stream(true).until_chunk(2).close(),
        Script::default().bill_input(20).stall(),
        Reply::text("").whole(),
    ];
    let small = Scripted::start(in_turn(scripts)).await;
    let large = Scripted::start(Reply::text("five six").input(30, 0).thinking("Well.")).await;
    let setup = || {
        Setup::ladder(&small.base_url(), &large.base_url())
            .every_model("timeouts: {first_token: 1s, idle: 1s, total: 3s}")
            .policy("{kind: cascade, policy: {kind: threshold, at: 0.9}, hold: all}")
            .top(
                "clients: [{name: team-a, key: team-a-key-0123456789, budget: {amount: 1, per: day}}, {name: team-b, key: \
                 team-b-key-0123456789, budget: {amount: 20, per: month}}]",
            )
            .top(&place.line())
    };
    let other = ("authorization", "Bearer team-b-key-0123456789");
    let gateway = setup().start().await;
    for (at, key) in [KEY, other, KEY, other, KEY, KEY, KEY].into_iter().enumerate() {
        let body =
            if at % 2 == 0 { openai::ask_stream("auto", "Count") } else { openai::ask("auto", "Count") };
        gateway.ask_with(&[key], &body).await;
    }
    gateway.ask_with(&[other], &openai::ask("large", "Count")).await;
    gateway.settled().await;
    gateway.stop().await;
    // As after a crash: what was lent at the end did not come back, so that the next start writes a balance.
    let text = std::fs::read_to_string(place.file()).expect("it is text");
    let kept: Vec<_> = text.lines().collect();
    let last = kept.iter().rposition(|line| !line.contains("{\"back\":")).expect("there are others");
    std::fs::write(place.file(), kept[..=last].join("\n") + "\n").expect("it can be written");
    let gateway = setup().start().await;
    gateway.ask_with(&[KEY], &openai::ask("large", "Count")).await;
    gateway.settled().await;
    gateway.stop().await;
    let text = std::fs::read_to_string(place.file()).expect("it is text");
    for kind in ["open", "lease", "back", "balance", "request"] {
        assert!(text.contains(&format!(" {{\"{kind}\":")), "no line of kind {kind}");
    }
    std::fs::copy(place.file(), file("ledger-2026-12.db")).expect("it can be copied");
}

/// The elements of a list that Redis answers with.
async fn list(redis: &Redis, command: &str) -> Vec<String> {
    let head = redis.say(command).await;
    let count: usize = head.strip_prefix('*').and_then(|count| count.parse().ok()).expect("a list");
    let lines = redis.lines(command, 1 + 2 * count).await;
    lines.into_iter().skip(1).filter(|line| !line.starts_with(['$', ':'])).collect()
}

/// Numbers, periods and names of gateways and batches differ from run to run.
fn without_what_differs(text: &str) -> String {
    let digits =
        |part: &str| !part.is_empty() && part.chars().all(|sign| sign.is_ascii_digit() || sign == '-');
    let name = |part: &str| part.len() == 16 && part.chars().all(|sign| sign.is_ascii_hexdigit());
    let parts = text.split(':').map(|part| match part {
        part if name(part) => "GATEWAY",
        part if digits(part) => "N",
        part => part,
    });
    parts.collect::<Vec<_>>().join(":")
}

/// What two budgets and two requests leave in Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_redis_stay() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = Scripted::start(Reply::text("one two")).await;
    let gateway = served(&upstream, &redis.line()).start().await;
    for key in [KEY, ("authorization", "Bearer team-b-key-0123456789")] {
        assert_eq!(gateway.ask_with(&[key], &openai::ask("large", "Count")).await.status(), 200);
    }
    gateway.settled().await;
    gateway.stop().await;
    let mut lines = Vec::new();
    for key in list(&redis, "KEYS *").await {
        let kind = redis.say(&format!("TYPE {key}")).await.replace('+', "");
        let shown = without_what_differs(&key);
        lines.push(format!("{shown}: {kind}"));
        if kind == "hash" {
            let fields = list(&redis, &format!("HKEYS {key}")).await;
            lines.extend(
                fields.iter().map(|field| format!("{shown}: {kind}: {}", without_what_differs(field))),
            );
        }
        if kind == "stream" {
            let entry = redis.lines(&format!("XRANGE {key} - + COUNT 1"), 9).await;
            let (field, request) = (&entry[6], &entry[8]);
            let mut found = Vec::new();
            members(&serde_json::from_str(request).expect("a request"), "", &mut found);
            lines.extend(found.into_iter().map(|member| format!("{shown}: {kind}: {field}: {member}")));
        }
    }
    lines.sort();
    lines.dedup();
    hold("redis-keys.txt", &(lines.join("\n") + "\n"));
}

/// What another gateway of December 2026 was lent is not lent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_in_redis_of_december_2026_is_gone_on_with() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = Scripted::start(Reply::text("one two")).await;
    let gateway = served(&upstream, &redis.line()).start().await;
    // The day may change between the two: then both days have it.
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    for day in [now, now.tomorrow().expect("time goes on")] {
        let key = format!("xietong:budget:{day}:team-a");
        redis.say(&format!("HSET {key} count 7 leased 600000000 of:0123456789abcdef 600000000")).await;
    }
    assert_eq!(gateway.ask_with(&[KEY], &openai::ask("large", "Count")).await.status(), 200);
    let remaining = gateway.settled().await.sum("xietong_budget_remaining", &[("client", "team-a")]);
    assert!((0.39..0.4).contains(&remaining), "{remaining}");
}
