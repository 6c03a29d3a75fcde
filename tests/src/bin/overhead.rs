//! What the gateway adds: the same requests to a scripted upstream directly and through the gateway, in turn, in one
//! run, each over a connection that is kept alive. The table goes to standard error; standard output has the log.
//!
//! usage: `overhead [ROUNDS]`, 2000 rounds unless told

#![allow(clippy::print_stderr, reason = "a program that prints a table")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use end_to_end::gateway::chat;
use end_to_end::http1::Connection;
use end_to_end::openai::{ask, ask_stream};
use end_to_end::repertoire::hundred;
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use end_to_end::wire::Live;
use serde_json::Value;

/// Rounds before anything counts: connections open, caches fill, the allocator settles.
const WARM_UP: usize = 100;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(2000, |rounds| rounds.parse().expect("a number of rounds"));
    let upstream = Scripted::start(hundred()).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .policy("{kind: threshold, at: 0.5}")
        .start()
        .await;
    eprintln!("{rounds} rounds, one request at a time; µs\n");
    eprintln!("{:28} {:>8} {:>8} {:>8} {:>12}", "", "median", "p99", "ratio", "added/chunk");
    for (kind, body) in [("whole", ask as fn(&str, &str) -> Value), ("100 chunks", ask_stream)] {
        let paths = [
            ("direct", upstream.address, body("small", PROMPT)),
            ("gateway, by name", gateway.data, body("small", PROMPT)),
            ("gateway, auto", gateway.data, body("auto", PROMPT)),
        ];
        let mut clients = Vec::new();
        for (name, address, body) in paths {
            clients.push(Client::new(name, address, &body).await);
        }
        for round in 0..WARM_UP + rounds {
            // Whoever goes first in a round finds colder caches: each does in turn.
            clients.rotate_left(1);
            for client in &mut clients {
                client.ask(round >= WARM_UP).await;
            }
        }
        report(kind, &mut clients);
    }
}

const PROMPT: &str = "Explain in two sentences why the sky is blue, for a child of ten. 请用中文再说一遍。";

/// One way to the upstream, with its times.
struct Client {
    name: &'static str,
    request: Vec<u8>,
    connection: Option<Connection>,
    took: Vec<Duration>,
}

impl Client {
    async fn new(name: &'static str, address: SocketAddr, body: &Value) -> Self {
        let connection = Connection::open(address).await.expect("somebody listens");
        Self { name, request: chat(&[], body), connection: Some(connection), took: Vec::new() }
    }

    async fn ask(&mut self, counts: bool) {
        let mut connection = self.connection.take().expect("it is given back");
        let started = Instant::now();
        connection.send(&self.request).await.expect("the peer reads");
        let live = Live::on(connection).await.expect("the peer answers");
        let (answer, connection) = live.rest_and_connection().await;
        let took = started.elapsed();
        assert!(answer.status() == 200 && answer.complete, "{}", answer.text());
        self.connection = Some(connection);
        if counts {
            self.took.push(took);
        }
    }
}

fn report(kind: &str, clients: &mut [Client]) {
    clients.sort_by_key(|client| client.name);
    clients.iter_mut().for_each(|client| client.took.sort());
    let at = |client: &Client, share: f64| {
        let last = client.took.len() - 1;
        client.took[(last as f64 * share).round() as usize].as_secs_f64() * 1e6
    };
    let direct = at(&clients[0], 0.5);
    for client in &*clients {
        let (median, p99) = (at(client, 0.5), at(client, 0.99));
        let added = if kind == "whole" { String::new() } else { format!("{:.2}", (median - direct) / 100.0) };
        let label = format!("{kind}, {}", client.name);
        eprintln!("{label:28} {median:8.0} {p99:8.0} {:8.2} {added:>12}", median / direct);
    }
}
