//! Xietong beside nginx, in one run: what a request, a chunk and a stream cost, and what they take. The proxies have one
//! core, clients and upstream another; what a request costs is counted while those never sleep, and once more while they do.
//! Needs two cores, `taskset` and nginx.
//!
//! usage: `speed XIETONG NGINX [ROUNDS] [SECONDS] [FOLDER] [PART]`
//!
//! Every way is measured in turn, ROUNDS times (5) for SECONDS each (1). The table goes to standard output, and with the
//! bars as SVG into FOLDER, if there is one. With a PART, only what has that word in its title is measured: `slow`, `16 KB`.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints a table")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use end_to_end::speed::bodies::{CHUNKS, Kind};
use end_to_end::speed::contender::{Proxies, Way};
use end_to_end::speed::process::{Running, stay_on};
use end_to_end::speed::table::{Figure, markdown};
use end_to_end::speed::{drawing, load, slow, upstream};
use tokio::net::TcpListener;

/// Connections of a closed loop.
const CONNECTIONS: usize = 32;
/// Requests a second of an open loop, and connections for it.
const RATE: u32 = 2000;
const OPEN_CONNECTIONS: usize = 48;
/// Slow streams at once.
const STREAMS: [usize; 2] = [500, 5000];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|it| it == "upstream") {
        return upstream().await;
    }
    let [xietong, nginx, rest @ ..] = &arguments[..] else {
        eprintln!("usage: speed XIETONG NGINX [ROUNDS] [SECONDS] [FOLDER] [PART]");
        std::process::exit(2);
    };
    let number =
        |at: usize, default| rest.get(at).map_or(default, |it: &String| it.parse().expect("a number"));
    let (rounds, time) = (number(0, 5.0) as usize, Duration::from_secs_f64(number(1, 1.0)));
    let part = rest.get(3).map_or("", String::as_str);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(cores > 1, "it takes a core for the proxies and another for clients and upstream");
    stay_on(0);
    let folder = std::env::temp_dir().join(format!("xietong-speed-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room for files");
    let start = |address| Proxies::start(cores - 1, Some(nginx), xietong, address, &folder);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(upstream::serve(listener));
    let proxies = start(address);
    let awake = load::stay_awake();
    let mut figures = awake_all_the_time(&proxies, rounds, time, part).await;
    awake.abort();
    drop(proxies);

    let own = std::env::current_exe().expect("it is running");
    let mut models = Running::start_heard(0, &own.to_string_lossy(), &["upstream"]);
    let mut line = String::new();
    BufReader::new(models.heard()).read_line(&mut line).expect("it says its address");
    let proxies = start(line.trim().parse().expect("an address"));
    figures.extend(asleep_in_between(&proxies, rounds, time, part).await);
    drop(proxies);
    let _ = std::fs::remove_dir_all(&folder);

    let table = markdown(&figures);
    println!("{table}");
    if let Some(folder) = rest.get(2).map(PathBuf::from) {
        std::fs::create_dir_all(&folder).expect("a folder for the results");
        std::fs::write(folder.join("speed.md"), table).expect("it takes the table");
        std::fs::write(folder.join("speed.svg"), drawing::svg(&figures)).expect("it takes the drawing");
    }
}

async fn upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    println!("{}", listener.local_addr().expect("it is bound"));
    upstream::serve(listener).await;
}

/// With clients and upstream that never sleep. A proxy that writes to who sleeps on this machine has to wake them, which over a
/// network is nobody's work, and the more of it the longer the proxy takes; here nobody has to be woken.
async fn awake_all_the_time(proxies: &Proxies, rounds: usize, time: Duration, part: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (kind, what) in [
        (Kind::Whole, "whole answer"),
        (Kind::Long, "whole answer to 16 KB"),
        (Kind::Hundred, "stream of 100 chunks"),
    ] {
        if what.contains(part) {
            figures.extend(closed(proxies, kind, what, rounds, time).await);
        }
    }
    figures
}

/// With clients and upstream that sleep until something comes.
async fn asleep_in_between(proxies: &Proxies, rounds: usize, time: Duration, part: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    let what = "whole answer, and waking who waits";
    if what.contains(part) {
        figures.extend(closed(proxies, Kind::Whole, what, rounds, time).await);
    }
    let what = format!("whole answer, {RATE} a second");
    if what.contains(part) {
        figures.extend(open(proxies, &what, rounds, time * 2).await);
    }
    for count in STREAMS {
        let what = format!("{count} slow streams");
        if what.contains(part) {
            figures.extend(many(proxies, &what, count).await);
        }
    }
    figures
}

/// Processor time for a request, and requests a second of a core that does nothing else.
async fn closed(proxies: &Proxies, kind: Kind, what: &str, rounds: usize, time: Duration) -> Vec<Figure> {
    let mut used = Figure::new(what, "CPU µs per request");
    let mut capacity = Figure::new(what, "requests per second per core");
    let mut chunk = Figure::new(what, "CPU µs per chunk");
    for round in 0..=rounds {
        for way in Way::ALL {
            let (asking, process) = (proxies.asking(way, kind), proxies.process(way).expect("a proxy"));
            let before = process.processor_time();
            let count = load::closed(&asking, CONNECTIONS, time).await;
            let each = (process.processor_time() - before) as f64 / 1e3 / count as f64;
            // The first round opens connections and fills caches.
            if round > 0 {
                used.add(way, each);
                capacity.add(way, 1e6 / each);
                chunk.add(way, each / CHUNKS as f64);
            }
        }
        eprintln!("{what}: round {round} of {rounds}");
    }
    if kind == Kind::Hundred { vec![used, chunk] } else { vec![used, capacity] }
}

/// How long requests take at a fixed rate, and how much longer than those that go to the upstream itself.
async fn open(proxies: &Proxies, what: &str, rounds: usize, time: Duration) -> Vec<Figure> {
    let shares = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
    let mut taken = shares.map(|(share, _)| Figure::new(what, &format!("{share} µs")));
    let mut added = shares.map(|(share, _)| Figure::new(what, &format!("added {share} µs")));
    for round in 0..=rounds {
        let mut direct = [0.0; 3];
        for way in std::iter::once(Way::Direct).chain(Way::ALL) {
            let asking = proxies.asking(way, Kind::Whole);
            let asked = move || load::open(&asking, RATE, OPEN_CONNECTIONS, time);
            let mut took = tokio::task::spawn_blocking(asked).await.expect("every answer is right");
            took.sort();
            let at =
                |share: f64| took[((took.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6;
            for (place, (_, share)) in shares.into_iter().enumerate() {
                if way == Way::Direct {
                    direct[place] = at(share);
                } else if round > 0 {
                    added[place].add(way, at(share) - direct[place]);
                }
                if round > 0 {
                    taken[place].add(way, at(share));
                }
            }
        }
        eprintln!("{what}: round {round} of {rounds}");
    }
    taken.into_iter().chain(added).collect()
}

/// What each of many slow streams keeps.
async fn many(proxies: &Proxies, what: &str, count: usize) -> Vec<Figure> {
    let mut memory = Figure::new(what, "KiB per stream");
    let mut chunk = Figure::new(what, "CPU µs per chunk");
    for way in [Way::Nginx, Way::Name, Way::AutoAccounts] {
        let asking = proxies.asking(way, Kind::Slow);
        let process = proxies.process(way).expect("a proxy");
        let cost = slow::streams(&asking, count, process).await;
        memory.add(way, cost.memory / 1024.0);
        chunk.add(way, cost.chunk / 1e3);
        eprintln!("{what}: {}", way.words());
    }
    vec![memory, chunk]
}
