//! Kills a gateway again and again in the midst of its work, and looks at what is left: no record that was in the file
//! may be gone, and no budget overrun.
//!
//! usage: `crashes PATH_OF_XIETONG [KILLS]`, 200 kills unless told

#![allow(clippy::print_stderr, reason = "a program that prints figures")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use end_to_end::gateway::chat;
use end_to_end::ledger::{Place, requests};
use end_to_end::openai::{Reply, ask};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

const KEY: &str = "team-a-key-0123456789";
/// Kills for one ledger; then the next begins with a new one.
const A_LEDGER: usize = 25;
/// Nano-units: 16 answers of 20 tokens at once, thousands of times; what crashes strand is a small part of it each.
const BUDGET: i64 = 3_000_000_000;

#[tokio::main]
async fn main() {
    // Clients whose connection breaks off panic, as they should elsewhere.
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() == Some("main") {
            say(panic);
        }
    }));
    let mut arguments = std::env::args().skip(1);
    let binary = PathBuf::from(arguments.next().expect("the path of xietong"));
    let kills: usize = arguments.next().map_or(200, |kills| kills.parse().expect("a number"));
    let mut sum = Sum::default();
    while sum.kills < kills {
        sum.one_ledger(&binary, A_LEDGER.min(kills - sum.kills)).await;
    }
    eprintln!("{sum:#?}");
    std::process::exit(if sum.lost == 0 && sum.overrun == 0 && sum.unswept == 0 { 0 } else { 1 });
}

#[derive(Debug, Default)]
#[allow(dead_code, reason = "they are printed")]
struct Sum {
    kills: usize,
    /// Answers that clients got.
    answered: usize,
    /// Requests that were refused for the budget.
    refused: usize,
    /// Records in the files at the end.
    records: usize,
    /// Records that were in the file when the gateway was killed, and not after the next start.
    lost: usize,
    /// Ledgers whose upstream billed more than the budget, or more than counts as spent.
    overrun: usize,
    /// Ledgers in which something was still lent out after a start and an orderly end.
    unswept: usize,
    /// The most that a ledger's crashes stranded: spent beside what the upstream billed, in thousandths of the budget
    /// and per crash.
    stranded_per_mille: i64,
}

impl Sum {
    async fn one_ledger(&mut self, binary: &Path, kills: usize) {
        let place = Place::new();
        let slow =
            Script::default().pause(Duration::from_millis(3)).then(Reply::text(&"word ".repeat(20)).whole());
        let upstream = Scripted::start(slow).await;
        let config = place.file().with_extension("yaml");
        let client = format!("clients: [{{name: team-a, key: {KEY}, budget: {{amount: 3, per: month}}}}]");
        let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&client).top(&place.line());
        std::fs::write(&config, setup.yaml()).expect("a place to write");
        let mut before = HashSet::new();
        for _ in 0..kills {
            let mut gateway = Running::start(binary, &config).await;
            self.lost += missing(&before, &place);
            self.ask_until_killed(&mut gateway).await;
            before = ids(&place);
            self.kills += 1;
        }
        Running::start(binary, &config).await.stop().await;
        self.lost += missing(&before, &place);
        self.records += place.requests().len();
        let billed = upstream.billed();
        let truth = i64::try_from(billed.input * 10_000 + billed.output * 30_000).expect("small numbers");
        let (leased, spent) = balance(&place.file());
        self.overrun += usize::from(truth > BUDGET || truth > spent);
        self.unswept += usize::from(leased != spent);
        let stranded = (spent - truth) * 1000 / BUDGET / i64::try_from(kills).expect("few kills");
        self.stranded_per_mille = self.stranded_per_mille.max(stranded);
    }

    /// Sixteen clients ask without a pause until the gateway is gone, at a random instant.
    async fn ask_until_killed(&mut self, gateway: &mut Running) {
        let mut body = ask("large", "Count");
        body["max_tokens"] = json!(20);
        let key = format!("Bearer {KEY}");
        let (answered, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..16 {
            let (address, body, key) = (gateway.address, body.clone(), key.clone());
            let (answered, refused) = (Arc::clone(&answered), Arc::clone(&refused));
            clients.spawn(async move {
                loop {
                    let request = chat(&[("authorization", &key)], &body);
                    let status = wire::exchange(address, &request).await.status();
                    let counted = if status == 200 { &answered } else { &refused };
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tokio::time::sleep(Duration::from_micros(random() % 120_000)).await;
        gateway.child.start_kill().expect("it can be killed");
        gateway.child.wait().await.expect("it ends");
        clients.shutdown().await;
        self.answered += answered.load(Ordering::Relaxed);
        self.refused += refused.load(Ordering::Relaxed);
    }
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    /// Starts the program and waits until it answers.
    async fn start(binary: &Path, config: &Path) -> Self {
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("xietong starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        loop {
            let line = lines.next_line().await.expect("a line").expect("xietong says where it answers");
            if let Some(rest) = line.strip_prefix("answering on http://") {
                let address = rest.split('/').next().expect("an address").parse().expect("an address");
                tokio::spawn(
                    async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} },
                );
                return Self { child, address };
            }
        }
    }

    /// Ends it in order.
    async fn stop(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill can be run");
        assert!(told.success());
        self.child.wait().await.expect("it ends");
    }
}

fn ids(place: &Place) -> HashSet<String> {
    let id = |request: &serde_json::Value| request["id"].as_str().expect("an id").to_owned();
    requests(&place.file()).iter().map(id).collect()
}

fn missing(before: &HashSet<String>, place: &Place) -> usize {
    let now = ids(place);
    before.iter().filter(|id| !now.contains(*id)).count()
}

/// What is lent out and spent, as the lines add up to.
fn balance(file: &Path) -> (i64, i64) {
    let (mut leased, mut spent) = (0, 0);
    for line in std::fs::read_to_string(file).expect("the ledger is there").lines() {
        let json: serde_json::Value =
            serde_json::from_str(line.splitn(3, ' ').nth(2).expect("three parts")).expect("JSON");
        let amount = |value: &serde_json::Value| value.as_i64().expect("an amount");
        if let Some(lease) = json.get("lease") {
            leased += amount(&lease["amount"]);
        } else if let Some(back) = json.get("back") {
            leased -= amount(&back["amount"]);
        } else if let Some(balance) = json.get("balance") {
            (leased, spent) = (amount(&balance["leased"]), amount(&balance["spent"]));
        } else if let Some(paid) = json["request"].get("paid") {
            spent += amount(&paid["amount"]);
        }
    }
    (leased, spent)
}

/// Anything: the clock's nanoseconds, stirred.
fn random() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
    let mut state = u64::try_from(now % u128::from(u64::MAX)).expect("in range");
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}
