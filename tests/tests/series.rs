//! However odd and many the names are that clients make up, Prometheus is given no series more.

use std::collections::BTreeSet;

use end_to_end::gateway::{Gateway, chat};
use end_to_end::http1::Connection;
use end_to_end::metrics::Series;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use end_to_end::wire::{self, Live};

/// Names that are made up, each once: models, users, keys and values of metadata, paths, headers. A request has four on average.
const NAMES: usize = 100_000;
const CONNECTIONS: usize = 4;
/// So many requests have one of each kind.
const KINDS: usize = 12;

/// A name that no other request has, in one of several shapes that labels might stumble over.
fn odd(number: usize, what: &str) -> String {
    match number % 5 {
        0 => format!("{what}-{number}"),
        1 => format!("模型-{what}-{number}"),
        2 => format!("{what}\"{number}\"}} 1"),
        3 => format!("{what}\n{number}\\"),
        _ => format!("{what}/../{number}?a=b#c"),
    }
}

/// One request of each kind in turn: unknown models, users, paths, methods, keys and headers.
fn request(number: usize) -> Vec<u8> {
    let mut body = openai::ask(&odd(number, "model"), "Hi");
    body["user"] = odd(number, "user").into();
    body["metadata"] = serde_json::json!({ odd(number, "key"): odd(number, "value") });
    let plain = format!("{number}-odd");
    let headers =
        [("x-client-request-id", plain.as_str()), ("openai-organization", &plain), ("user-agent", &plain)];
    match number % KINDS {
        // Answered, so that the whole way of a request is gone.
        0 => {
            body["model"] = if number.is_multiple_of(2) { "auto" } else { "large" }.into();
            chat(&headers, &body)
        }
        1 | 2 => wire::request("GET", &format!("/v1/{number}/models"), &headers, b""),
        3 => wire::request("POST", &format!("/{number}"), &headers, body.to_string().as_bytes()),
        4 => wire::request(&format!("M{number}"), "/v1/chat/completions", &headers, b""),
        5 => wire::request("GET", &format!("/v1/models/model-{number}"), &headers, b""),
        6 => wire::request("POST", &format!("/v1/chat/completions?q={number}"), &headers, b"{"),
        _ => chat(&headers, &body),
    }
}

/// Sends its share of the numbers, one after the other, on a connection that it keeps while that can be.
async fn ask(gateway: std::net::SocketAddr, numbers: impl Iterator<Item = usize>) {
    let mut kept: Option<Connection> = None;
    for number in numbers {
        let mut connection = match kept.take().filter(|kept| !kept.is_stale()) {
            Some(connection) => connection,
            None => Connection::open(gateway).await.expect("it listens"),
        };
        connection.send(request(number)).await.expect("it reads");
        let live = Live::on(connection).await.unwrap_or_else(|| panic!("no answer to request {number}"));
        let (answer, connection) = live.rest_and_connection().await;
        assert!(answer.complete, "request {number}: {}", answer.text());
        let closes = answer.header("connection").is_some_and(|word| word == "close");
        kept = (!closes).then_some(connection);
    }
}

/// Every series by its name and labels.
async fn series(gateway: &Gateway) -> BTreeSet<String> {
    let told = |series: &Series| format!("{} {:?}", series.name, series.labels);
    gateway.settled().await.series.iter().map(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_made_up_add_no_series() {
    let reply = Reply::text("yes").whole();
    let (small, large) = (Scripted::start(reply.clone()).await, Scripted::start(reply).await);
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
    // The first of each kind may bring series of its own: those with its outcome, say.
    ask(gateway.data, 0..2 * KINDS).await;
    let before = series(&gateway).await;
    let requests = NAMES / 4;
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let numbers =
                (2 * KINDS..2 * KINDS + requests).filter(move |number| number % CONNECTIONS == client);
            tokio::spawn(ask(gateway.data, numbers))
        })
        .collect();
    for client in clients {
        client.await.expect("no panic");
    }
    let after = series(&gateway).await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(
        new.is_empty() && after.len() == before.len(),
        "{} more: {:?}",
        new.len(),
        &new[..new.len().min(5)]
    );
    assert!(gateway.metrics().await.sum("xietong_requests_total", &[]) >= (requests / 2) as f64);
}
