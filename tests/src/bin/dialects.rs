//! What it costs to speak another dialect than the upstream's: the same answer as a chat and in each dialect, through the
//! gateway, in turn, in one run; and how many requests and events are converted in a second on one thread. The table goes
//! to standard error; standard output has the log.
//!
//! usage: `dialects [ROUNDS]`, 2000 rounds unless told

#![allow(clippy::print_stderr, reason = "a program that prints a table")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use end_to_end::http1::Connection;
use end_to_end::repertoire::hundred;
use end_to_end::scripted::{Request, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::{self, Live};
use protocol::client::ApiEndpoint;
use serde_json::{Value, json};

/// Rounds before anything counts: connections open, caches fill, the allocator settles.
const WARM_UP: usize = 100;
const PROMPT: &str = "Explain in two sentences why the sky is blue, for a child of ten. 请用中文再说一遍。";
/// How long conversions are counted for.
const COUNTED: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(2000, |rounds| rounds.parse().expect("a number of rounds"));
    let upstream = Scripted::start(only_chats).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    eprintln!("{rounds} rounds, one request at a time, by the model's name; µs\n");
    eprintln!("{:26} {:>10} {:>6} {:>12} {:>6}", "", "first byte", "ratio", "100 chunks", "ratio");
    let mut clients = Vec::new();
    for (dialect, path, body) in asked() {
        clients.push(Client::new(path, gateway.data, &streamed(&body), dialect).await);
    }
    for round in 0..WARM_UP + rounds {
        // Whoever goes first in a round finds colder caches: each does in turn.
        clients.rotate_left(1);
        for client in &mut clients {
            client.ask(round >= WARM_UP).await;
        }
    }
    report(&mut clients);
    eprintln!("\n{:26} {:>12} {:>12}", "a second, on one thread", "requests", "events");
    for (dialect, path, body) in asked() {
        eprintln!("{path:26} {:12.0} {:12.0}", requests(dialect, &body), events(dialect, &body));
    }
}

fn only_chats(request: &Request) -> end_to_end::scripted::Script {
    use end_to_end::scripted::Choose;
    match request.path() {
        "/v1/chat/completions" => hundred().choose(request),
        _ => end_to_end::openai::error(404, "no_such_path"),
    }
}

/// The same question in every dialect.
fn asked() -> Vec<(ApiEndpoint, &'static str, Value)> {
    let messages = json!([{"role": "user", "content": PROMPT}]);
    vec![
        (ApiEndpoint::Chat, "/v1/chat/completions", json!({"model": "small", "messages": messages})),
        (
            ApiEndpoint::Messages,
            "/v1/messages",
            json!({"model": "small", "max_tokens": 200, "messages": messages}),
        ),
        (ApiEndpoint::Responses, "/v1/responses", json!({"model": "small", "input": PROMPT})),
        (ApiEndpoint::Completions, "/v1/completions", json!({"model": "small", "prompt": PROMPT})),
    ]
}

fn streamed(body: &Value) -> Value {
    let mut body = body.clone();
    body["stream"] = true.into();
    body
}

/// One dialect, with its times.
struct Client {
    path: &'static str,
    is_chat: bool,
    request: Vec<u8>,
    connection: Option<Connection>,
    first: Vec<Duration>,
    all: Vec<Duration>,
}

impl Client {
    async fn new(path: &'static str, address: SocketAddr, body: &Value, dialect: ApiEndpoint) -> Self {
        let connection = Some(Connection::open(address).await.expect("somebody listens"));
        let request = wire::request("POST", path, &[], body.to_string().as_bytes());
        Self {
            path,
            is_chat: dialect == ApiEndpoint::Chat,
            request,
            connection,
            first: Vec::new(),
            all: Vec::new(),
        }
    }

    async fn ask(&mut self, counts: bool) {
        let mut connection = self.connection.take().expect("it is given back");
        let started = Instant::now();
        connection.send(&self.request).await.expect("the peer reads");
        let mut live = Live::on(connection).await.expect("the peer answers");
        live.piece().await.expect("a piece");
        let first = started.elapsed();
        let (answer, connection) = live.rest_and_connection().await;
        let all = started.elapsed();
        assert!(answer.status() == 200 && answer.complete, "{}", answer.text());
        self.connection = Some(connection);
        if counts {
            self.first.push(first);
            self.all.push(all);
        }
    }
}

fn report(clients: &mut [Client]) {
    clients.sort_by_key(|client| !client.is_chat);
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e6
    };
    let mut chat = None;
    for client in clients {
        let (first, all) = (median(&mut client.first), median(&mut client.all));
        let (of_first, of_all) = *chat.get_or_insert((first, all));
        let label = client.path;
        eprintln!("{label:26} {first:10.0} {:6.2} {all:12.0} {:6.2}", first / of_first, all / of_all);
    }
}

/// Requests that are read in a second.
fn requests(dialect: ApiEndpoint, body: &Value) -> f64 {
    let body = body.to_string();
    let (started, mut count) = (Instant::now(), 0u32);
    while started.elapsed() < COUNTED {
        for _ in 0..100 {
            dialect.read(body.clone().into(), "r").map(drop).unwrap_or_else(|why| panic!("{}", why.message));
        }
        count += 100;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// Events that are told in a second.
fn events(dialect: ApiEndpoint, body: &Value) -> f64 {
    let event = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\"model\":\"m-1\",\
                 \"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    let event = bytes::Bytes::from_static(event.as_bytes());
    let (started, mut count) = (Instant::now(), 0u32);
    while started.elapsed() < COUNTED {
        let request = dialect.read(body.to_string().into(), "r");
        let mut encoder = request.unwrap_or_else(|why| panic!("{}", why.message)).encoder;
        for _ in 0..1000 {
            assert!(!encoder.events(event.clone()).is_empty());
        }
        count += 1000;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}
