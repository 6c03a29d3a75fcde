//! Whether the embedded model starves the relay: how long requests take that only pass through, while the engine writes a
//! long answer with one thread, beside the same while it rests. Gateway, clients and upstream share two cores.
//!
//! usage: `decoding XIETONG WEIGHTS [ROUNDS] [SECONDS]`, where XIETONG has the engine
//!
//! Each round (5) asks 200 times a second, whatever has become of the requests before, for SECONDS (10) each: the
//! upstream itself and through the gateway, at rest and while the engine writes. The table goes to standard output.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a program that prints a table")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use end_to_end::gateway::chat;
use end_to_end::openai::ask_stream;
use end_to_end::speed::bodies::Kind;
use end_to_end::speed::contender::{Way, await_listener, free};
use end_to_end::speed::load::{self, Asking};
use end_to_end::speed::process::{Running, stay_on};
use end_to_end::speed::table::{median, shown};
use end_to_end::speed::upstream;
use end_to_end::wire;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, spawn_blocking};

/// Where all of it runs.
const CORES: &str = "0,1";
/// Requests a second, and connections for them.
const RATE: u32 = 200;
const CONNECTIONS: usize = 16;
const SHARES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [xietong, weights, rest @ ..] = &arguments[..] else {
        eprintln!("usage: decoding XIETONG WEIGHTS [ROUNDS] [SECONDS]");
        std::process::exit(2);
    };
    let number =
        |at: usize, default| rest.get(at).map_or(default, |it: &String| it.parse().expect("a number"));
    let (rounds, time) = (number(0, 5.0) as usize, Duration::from_secs_f64(number(1, 10.0)));
    stay_on(CORES);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    let upstream = listener.local_addr().expect("it is bound");
    tokio::spawn(upstream::serve(listener));
    let address = free();
    let file = std::env::temp_dir().join(format!("xietong-decoding-{}.yaml", std::process::id()));
    std::fs::write(&file, configuration(address, upstream, Path::new(weights))).expect("there is room");
    let gateway = Running::start(CORES, xietong, &["serve", "--config", &file.to_string_lossy()]);
    await_listener(address);
    measure(upstream, address, rounds, time).await;
    drop(gateway);
    let _ = std::fs::remove_file(&file);
}

fn configuration(listen: SocketAddr, upstream: SocketAddr, weights: &Path) -> String {
    let weights = weights.canonicalize().expect("a file of weights");
    format!(
        "listen: {listen}\nadmin: {}\nstate: none\nmodels:\n  \
         - {{name: tiny, provider: embedded, weights: '{}', threads: 1}}\n  \
         - {{name: whole, provider: openai, model: whole, base_url: 'http://{upstream}/v1', \
         api_key: sk-upstream, price: {{input: 1, output: 2}}}}\n\
         routes:\n  - {{name: auto, ladder: [tiny, whole], policy: {{kind: fixed, model: whole}}}}\n",
        free(),
        weights.display()
    )
}

async fn measure(upstream: SocketAddr, gateway: SocketAddr, rounds: usize, time: Duration) {
    let asking = |way: Way, address| {
        let request = Kind::Whole.request(&way.model(Kind::Whole));
        Arc::new(Asking { address, request, due: way.due(Kind::Whole) })
    };
    let ways = [("direct", asking(Way::Direct, upstream)), ("by name", asking(Way::Name, gateway))];
    // By way, then at rest and while it writes, then by share.
    let mut figures = [const { [const { [const { Vec::new() }; 2] }; 2] }; 2];
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut rows = [[[0.0; 2]; 2]; 2];
        for (way, (_, asking)) in ways.iter().enumerate() {
            rows[way][0] = took(asking, time).await;
        }
        let writing = Writing::start(gateway).await;
        let pace = writing.pace(tokio::time::sleep(time / 2)).await.1;
        let (row, direct_pace) = writing.pace(took(&ways[0].1, time)).await;
        rows[0][1] = row;
        let (row, named_pace) = writing.pace(took(&ways[1].1, time)).await;
        rows[1][1] = row;
        writing.stop().await;
        eprintln!(
            "round {round} of {rounds}: {rows:.0?} µs; tokens/s {pace:.1}, {direct_pace:.1}, {named_pace:.1}"
        );
        // The first round opens connections and fills caches.
        if round > 0 {
            alone.push(pace);
            beside.push(named_pace);
            for (at, value) in rows.as_flattened().as_flattened().iter().enumerate() {
                figures[at / 4][at / 2 % 2][at % 2].push(*value);
            }
        }
    }
    print_table(&ways.map(|(name, _)| name), &figures);
    println!(
        "\nTokens a second: {} alone, {} beside requests by name",
        shown(median(&alone)),
        shown(median(&beside))
    );
}

/// Microseconds by [`SHARES`].
async fn took(asking: &Arc<Asking>, time: Duration) -> [f64; 2] {
    let asking = Arc::clone(asking);
    let asked = move || load::open(&asking, RATE, CONNECTIONS, time);
    let mut took = spawn_blocking(asked).await.expect("every answer is right");
    took.sort();
    SHARES.map(|(_, share)| took[((took.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e6)
}

fn print_table(ways: &[&str; 2], figures: &[[[Vec<f64>; 2]; 2]; 2]) {
    println!("| Way | | At rest, µs | While it writes, µs | Ratio, round by round |");
    println!("| --- | --- | ---: | ---: | ---: |");
    for (way, [rest, writing]) in ways.iter().zip(figures) {
        for (share, (rest, writing)) in SHARES.iter().zip(rest.iter().zip(writing)) {
            let mut ratios: Vec<f64> = writing.iter().zip(rest).map(|(own, rest)| own / rest).collect();
            ratios.sort_by(f64::total_cmp);
            let (low, high) = (ratios.first().copied(), ratios.last().copied());
            println!(
                "| {way} | {} | {} | {} | {:.2}, {:.2} to {:.2} |",
                share.0,
                shown(median(rest)),
                shown(median(writing)),
                median(&ratios),
                low.unwrap_or_default(),
                high.unwrap_or_default()
            );
        }
    }
}

/// A client that reads answers of the embedded model, one after another.
struct Writing {
    tokens: Arc<AtomicUsize>,
    reader: JoinHandle<()>,
}

impl Writing {
    /// Returns with the first token.
    async fn start(gateway: SocketAddr) -> Self {
        let mut request = ask_stream("tiny", "Tell me a very long story about a river.");
        request["max_tokens"] = 3500.into();
        // What would end the answer is banned.
        request["logit_bias"] = serde_json::json!({"0": -100, "2": -100});
        let request = chat(&[], &request);
        let tokens = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&tokens);
        let reader = tokio::spawn(async move {
            loop {
                let mut answer = wire::open(gateway, &request).await;
                assert_eq!(answer.status(), 200);
                while answer.event().await.is_some() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        while tokens.load(Ordering::Relaxed) < 2 {
            assert!(!reader.is_finished(), "the embedded model does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { tokens, reader }
    }

    /// Tokens a second while something else is done.
    async fn pace<T>(&self, meanwhile: impl Future<Output = T>) -> (T, f64) {
        let (before, begun) = (self.tokens.load(Ordering::Relaxed), Instant::now());
        let done = meanwhile.await;
        let written = self.tokens.load(Ordering::Relaxed) - before;
        assert!(written > 0 && !self.reader.is_finished(), "the embedded model does not write");
        (done, written as f64 / begun.elapsed().as_secs_f64())
    }

    /// Leaves, and gives the engine the time for the token in hand.
    async fn stop(self) {
        self.reader.abort();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
