//! What dependencies say of connections reaches the log where it is asked for, and no secret with it.

use std::process::Command;

use bytes::Bytes;
use end_to_end::collector::Collector;
use end_to_end::gateway::{Gateway, chat};
use end_to_end::h2_upstream::{Act, H2Upstream};
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use end_to_end::wire;
use serde_json::Value;
use tokio::net::TcpStream;

/// Says to this test's own program that it is the one whose log is read: a process has one log for dependencies.
const INSIDE: &str = "XIETONG_TEST_DIAGNOSTICS";
/// Is in every secret of the process inside, and in the prompt and the answer.
const CANARY: &str = "canary";
const CLIENT_KEY: &str = "client-key-canary-0123456789";

#[tokio::test]
async fn everything_that_is_said_of_connections_has_no_secret_in_it() {
    if std::env::var(INSIDE).is_ok() {
        return inside().await;
    }
    let mut inside = Command::new(std::env::current_exe().expect("the test's program"));
    inside
        .args([
            "--exact",
            "--nocapture",
            "diagnostics::everything_that_is_said_of_connections_has_no_secret_in_it",
        ])
        .env(INSIDE, "yes");
    let run = tokio::task::spawn_blocking(move || inside.output().expect("it runs")).await.expect("no panic");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{}", String::from_utf8_lossy(&run.stderr));
    let notes: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["level"].is_string())
        .collect();
    for target in ["h2::", "hyper_util::", "rustls::", "reqwest::"] {
        let heard = |level| {
            notes.iter().any(|note| {
                note["level"] == level && note["target"].as_str().is_some_and(|it| it.starts_with(target))
            })
        };
        assert!(heard("trace") || heard("debug"), "nothing of {target} in {} notes", notes.len());
    }
    for form in [CANARY.to_owned(), quoted_bytes(CANARY), base64_of_proxy_password()] {
        let leaks: Vec<&str> = said.lines().filter(|line| line.contains(&form)).take(5).collect();
        assert!(leaks.is_empty(), "{form}: {leaks:#?}");
    }
}

/// How a text looks among bytes that are shown as numbers.
fn quoted_bytes(text: &str) -> String {
    let numbers: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    numbers.join(", ")
}

/// How a proxy is told its user and password.
fn base64_of_proxy_password() -> String {
    "dXNlcjpjYW5hcnk".to_owned()
}

/// A gateway that writes all that anyone says, between clients and upstreams over HTTP/1.1 and HTTP/2, with and without TLS
/// and a proxy, with keys everywhere.
async fn inside() {
    let answer = Reply::text("an answer with a canary");
    let plain = Scripted::start(answer.clone()).await;
    let body = answer.stream(true).chunks_joined();
    let secured =
        H2Upstream::start(move |_| vec![Act::Head("text/event-stream"), Act::Data(body.clone()), Act::End])
            .await;
    let collector = Collector::start().await;
    let telemetry = collector.line(", headers: {authorization: \"Bearer otlp-canary\"}");
    let clients = format!("clients: [{{name: team, key: {CLIENT_KEY}}}]");
    let setup = |small: &str| Setup::ladder(small, &plain.base_url()).top("log: json").top(&clients);
    let everything = ::gateway::LogOutput::new(std::io::stdout(), "trace".parse().expect("a filter"));
    let yaml = setup(&secured.base_url()).model("small", &secured.trust()).top(&telemetry).yaml();
    let gateway = Gateway::start_with_log(&yaml, everything.process_wide()).await;
    ask_in_every_way(&gateway).await;
    drop(gateway);

    // A proxy that answers by itself, as one in front of plain HTTP may.
    let proxy = format!("proxy: \"http://user:canary@{}\"", plain.address);
    let yaml = setup("http://upstream.invalid/v1").top(&proxy).yaml();
    let gateway = Gateway::start(&yaml).await;
    ask_in_every_way(&gateway).await;
}

async fn ask_in_every_way(gateway: &Gateway) {
    let authorization = format!("Bearer {CLIENT_KEY}");
    for model in ["small", "large", "auto"] {
        let body = openai::ask_stream(model, "a prompt with a canary");
        let answer = wire::exchange(gateway.data, &chat(&[("authorization", &authorization)], &body)).await;
        assert_eq!(answer.status(), 200, "{model}: {}", answer.text());
        let wrong =
            wire::exchange(gateway.data, &chat(&[("authorization", "Bearer wrong-canary")], &body)).await;
        assert_eq!(wrong.status(), 401);
        over_http2(gateway, &authorization, &body).await;
    }
}

async fn over_http2(gateway: &Gateway, authorization: &str, body: &Value) {
    let socket = TcpStream::connect(gateway.data).await.expect("connected");
    let (client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("http://{}/v1/chat/completions", gateway.data))
        .header("content-type", "application/json")
        .header("authorization", authorization)
        .body(())
        .expect("a request");
    let mut client = client.ready().await.expect("ready");
    let (response, mut sending) = client.send_request(request, false).expect("sent");
    sending.send_data(Bytes::from(body.to_string()), true).expect("sent");
    let response = response.await.expect("answered");
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.expect("whole").len());
    }
    connection.abort();
}
