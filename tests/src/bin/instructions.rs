//! How many instructions the gateway takes for a request and for a chunk, counted by valgrind, which no noise of a machine
//! disturbs; and whether that is within the budget.
//!
//! usage: `instructions XIETONG BUDGET BUILD`
//!
//! BUDGET is a JSON file with the most for each thing that is counted, for each BUILD: `optimised` for a release, and
//! `dev`, whose counts are of no other use than to tell a change that costs. The program is run twice for each, with few and
//! with many requests, so that what it takes to start and stop falls out of the difference.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use end_to_end::speed::bodies::{CHUNKS, Kind};
use end_to_end::speed::contender::{Way, free, xietong_file};
use end_to_end::speed::load::{Asking, some};
use end_to_end::speed::upstream;
use tokio::net::TcpListener;

/// Requests of the two runs.
const FEW: usize = 40;
const MANY: usize = 240;
/// A program under valgrind takes fifty times as long to start.
const PATIENCE: Duration = Duration::from_secs(60);

const COUNTED: [(&str, Way, Kind, usize); 4] = [
    ("request by name", Way::Name, Kind::Whole, 1),
    ("request by route", Way::Auto, Kind::Whole, 1),
    ("request of 16 KB by route", Way::Auto, Kind::Long, 1),
    ("chunk", Way::Name, Kind::Hundred, CHUNKS),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [xietong, budget, build] = &arguments[..] else {
        eprintln!("usage: instructions XIETONG BUDGET BUILD");
        return ExitCode::from(2);
    };
    let budget = std::fs::read_to_string(budget).expect("a file with the budget");
    let budget: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_str(&budget).expect("names and numbers for each build");
    let budget = budget.get(build).unwrap_or_else(|| panic!("no budget for the build: {build}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(upstream::serve(listener));
    let mut within = true;
    for (what, way, kind, parts) in COUNTED {
        let few = count(xietong, address, way, kind, FEW).await;
        let many = count(xietong, address, way, kind, MANY).await;
        let each = many.saturating_sub(few) / ((MANY - FEW) * parts) as u64;
        let most = *budget.get(what).unwrap_or_else(|| panic!("no budget for: {what}"));
        let word = if each <= most { "" } else { "  OVER" };
        println!("{what:28} {each:>9} of {most:>9}{word}");
        within &= each <= most;
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Instructions of a gateway that answers so many requests, from its start to its end.
async fn count(xietong: &str, upstream: SocketAddr, way: Way, kind: Kind, requests: usize) -> u64 {
    let folder = std::env::temp_dir().join(format!("xietong-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room for files");
    let (address, file) = (free(), folder.join("xietong.yaml"));
    std::fs::write(&file, xietong_file(address, free(), upstream, "state: none\n"))
        .expect("the folder takes files");
    let mut process = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", xietong, "serve", "--config"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("valgrind (Debian: valgrind) is needed");
    await_listener(address, &mut process).await;
    some(
        &Arc::new(Asking { address, request: kind.request(&way.model(kind)), due: way.due(kind) }),
        requests,
    )
    .await;
    let ended = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    assert!(ended.is_ok_and(|status| status.success()), "it is there to be ended");
    let mut said = String::new();
    let mut pipe = process.stderr.take().expect("it was asked for");
    tokio::task::spawn_blocking(move || pipe.read_to_string(&mut said).map(|_| said))
        .await
        .ok()
        .and_then(Result::ok)
        .and_then(|said| {
            let _ = process.wait();
            let line = said.lines().find_map(|line| line.split("Collected : ").nth(1))?;
            line.trim().parse().ok()
        })
        .expect("valgrind says how many it has collected")
}

async fn await_listener(address: SocketAddr, process: &mut Child) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(tokio::time::Instant::now() < end, "nobody listens on {address}");
        assert!(process.try_wait().is_ok_and(|ended| ended.is_none()), "it has ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
