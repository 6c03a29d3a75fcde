use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::account::RequestAccount;
use crate::dispatch::{AnswerReader, StartedStream};
use crate::gateway::Gateway;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::record::RecordedCall;
use crate::relay::{AnswerRelay, RelayOptions};
use crate::telemetry::Telemetry;
use protocol::client::ResponseEncoder;
use protocol::{ChatRequest, SseParser, read_chunk};

const MODELS: &str = r"
models: [{name: m, provider: openai, endpoints: [{base_url: 'http://127.0.0.1:1/v1', api_key: k}], model: m}]
";

const EVENT: &str = r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hello"}}]}

"#;

fn gateway() -> Arc<Gateway> {
    gateway_with(MODELS)
}

fn gateway_with(yaml: &str) -> Arc<Gateway> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = gateway_config::from_str(yaml, None, &|_| None).unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let log = Log::to_stdout(metrics.log_dropped.with_label_values::<&str>(&[]));
    let ledger = ledger::Ledger::open(&config, log.notes()).unwrap();
    let telemetry = Telemetry {
        metrics,
        log,
        machine_time: Arc::default(),
        ledger,
        shutdown_deadline: ShutdownDeadline::default(),
    };
    Arc::new(Gateway::new(config, telemetry).unwrap())
}

fn account(gateway: &Gateway, id: RequestId, stream: bool) -> Box<RequestAccount> {
    let mut account =
        gateway.account(&gateway.snapshot(), id, RecordedCall::Chat, Instant::now(), &HeaderMap::new());
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"Hello"}}],"stream":{stream}}}"#);
    account.read(&ChatRequest::parse(Bytes::from(body)).unwrap());
    account
}

fn options(gateway: &Gateway) -> RelayOptions {
    RelayOptions {
        include_usage: false,
        encoder: ResponseEncoder::as_it_is(),
        heartbeat: Duration::from_millis(20),
        shutdown_deadline: gateway.telemetry.shutdown_deadline.listener(),
    }
}

/// An answer whose first token is here, and after which the next piece is a panic.
fn started(gateway: &Gateway, mut account: Box<RequestAccount>) -> AnswerRelay {
    let model = gateway.snapshot().config.models[0].clone();
    let endpoint_guard = gateway.snapshot().pool(&model).unwrap().select(|_| false).unwrap();
    let attempt = account.begin(&model, endpoint_guard.endpoint_id());
    account.commit(attempt);
    account.head_sent(200);
    let mut events = SseParser::default();
    events.feed(Bytes::from_static(EVENT.as_bytes()));
    let held = vec![read_chunk(events.next().unwrap().unwrap())];
    let mut reader = AnswerReader::new(Box::pin(stream::poll_fn(|_| panic!("a fault of the test"))), 1);
    reader.begin_again(held);
    AnswerRelay::started(
        StartedStream { attempt, reader, endpoint_guard, resume: None },
        account,
        options(gateway),
    )
}

async fn handle(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Response<GatewayBody>, Infallible> {
    let path = request.uri().path().to_owned();
    let account = account(&gateway, id, path.starts_with("/stream"));
    let relay = match path.as_str() {
        "/whole" => panic!("a fault of the test"),
        "/stream-waiting" => {
            let waiting = Box::pin(async move {
                sleep(Duration::from_millis(50)).await;
                let account = account;
                panic!("a fault of the test with {}", account.record().status)
            });
            AnswerRelay::waiting(waiting, options(&gateway))
        }
        "/stream-begun" => started(&gateway, account),
        _ => {
            sleep(Duration::from_millis(100)).await;
            account.close_complete();
            return Ok(Response::new(GatewayBody::full("fine")));
        }
    };
    Ok(Response::new(GatewayBody::Stream(Box::pin(relay))))
}

async fn port(gateway: &Arc<Gateway>) -> (SocketAddr, JoinHandle<()>) {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let second = Duration::from_secs(1);
    let limits = PortLimits { head: second, connections: 10, grace: second, stall: second };
    let gateway = Arc::clone(gateway);
    let answer = move |request: Request<Incoming>, id| {
        // Before there is a future at all.
        assert!(request.uri().path() != "/at-once", "a fault of the test");
        handle(Arc::clone(&gateway), request, id)
    };
    (
        address,
        tokio::spawn(serve(
            listener,
            limits,
            std::future::pending(),
            ShutdownDeadline::default(),
            (answer, Arc::new(|_: &RefusedHead| Vec::new())),
        )),
    )
}

/// Asks for a path on a connection that is kept, then for one that is well.
async fn ask(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let requests = format!(
        "GET {path} HTTP/1.1\r\nhost: h\r\nx-request-id: a-name\r\n\r\n\
         GET /well HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(requests.as_bytes()).await.unwrap();
    let mut answers = String::new();
    connection.read_to_string(&mut answers).await.unwrap();
    answers
}

/// How often requests ended so, once none is under way.
fn ended(gateway: &Gateway, outcome: &str) -> usize {
    let text = gateway.metrics_text();
    assert!(
        !text.lines().any(|line| line.starts_with("xietong_in_flight") && !line.ends_with(" 0")),
        "{text}"
    );
    let outcome = format!("outcome=\"{outcome}\"");
    let requests =
        text.lines().filter(|line| line.starts_with("xietong_requests_total") && line.contains(&outcome));
    requests.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum()
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_goes_on() {
    let gateway = gateway();
    let (address, _port) = port(&gateway).await;
    for (path, failed) in [("/at-once", 0), ("/whole", 1)] {
        let answers = ask(address, path).await;
        assert!(answers.starts_with("HTTP/1.1 500 "), "{answers}");
        for part in ["x-request-id: a-name\r\n", "\"code\":\"internal_error\"", "\"type\":\"server_error\""] {
            assert!(answers.contains(part), "{part} in {answers}");
        }
        assert!(answers.contains("HTTP/1.1 200 ") && answers.ends_with("fine"), "{answers}");
        assert_eq!(ended(&gateway, "failed"), failed, "the account is settled");
    }
}

#[tokio::test]
async fn a_panic_in_a_body_is_an_error_event() {
    let gateway = gateway();
    let (address, _port) = port(&gateway).await;
    for (path, first, outcome) in
        [("/stream-waiting", ": keep-alive", "failed"), ("/stream-begun", "\"Hello\"", "cut")]
    {
        let answers = ask(address, path).await;
        assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains(first), "{answers}");
        assert!(answers.contains("internal_error") && !answers.contains("[DONE]"), "{answers}");
        assert!(answers.ends_with("fine"), "the connection goes on: {answers}");
        assert_eq!(ended(&gateway, outcome), 1, "{}", gateway.metrics_text());
    }
}

#[tokio::test]
async fn other_streams_of_the_connection_are_unharmed() {
    let gateway = gateway();
    let (address, _port) = port(&gateway).await;
    let (mut client, connection) =
        h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let mut asked = Vec::new();
    for path in ["/well", "/whole", "/at-once", "/stream-waiting", "/stream-begun", "/well"] {
        client = client.ready().await.unwrap();
        let request = Request::builder().uri(format!("http://h{path}")).body(()).unwrap();
        asked.push((path, client.send_request(request, true).unwrap().0));
    }
    for (path, answer) in asked {
        let answer = answer.await.unwrap();
        let (status, mut body, mut text) = (answer.status().as_u16(), answer.into_body(), Vec::new());
        while let Some(piece) = body.data().await {
            text.extend_from_slice(&piece.unwrap());
        }
        let text = String::from_utf8(text).unwrap();
        let expected = if matches!(path, "/whole" | "/at-once") { 500 } else { 200 };
        assert_eq!(status, expected, "{path}: {text}");
        assert_eq!(text.contains("internal_error"), path != "/well", "{path}: {text}");
    }
}

const PAID: &str = "
models: [{name: m, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, price: {input: 0, output: 1}, max_output: 1000}]
clients: [{name: a, key: key-of-a-01234567890, budget: {amount: 1, per: month}}]
";

/// A panic in any stage, be it the scorer or the relay, settles what was set aside: nothing before a model is asked, and
/// the bound where it may have worked.
#[tokio::test]
async fn a_panic_settles_what_was_set_aside() {
    let gateway = gateway_with(PAID);
    let snapshot = gateway.snapshot();
    let (model, client) = (Arc::clone(&snapshot.config.models[0]), Arc::clone(&snapshot.config.clients[0]));
    for (asked, left) in [(false, 1_000_000_000), (true, 999_000_000)] {
        let mut account = account(&gateway, RequestId::default(), false);
        account.bound(crate::pricing::UsageBound { choices: 1, ..Default::default() });
        let quota = Arc::clone(snapshot.quota(&client).unwrap());
        let (model, gateway) = (Arc::clone(&model), Arc::clone(&gateway));
        let remaining = move |quota: &ledger::client_quota::ClientQuota| {
            quota.remaining(gateway.telemetry.ledger.leases()).unwrap().0
        };
        let working = tokio::spawn({
            let (quota, remaining) = (Arc::clone(&quota), remaining.clone());
            async move {
                account.reserve(&quota, std::slice::from_ref(&model), jiff::Timestamp::now()).await.unwrap();
                if asked {
                    account.cover(&model).await.unwrap();
                    let _ = account.begin(&model, &"m-0".into());
                }
                assert_eq!(remaining(&quota), 999_000_000);
                panic!("a fault of the test");
            }
        });
        assert!(working.await.unwrap_err().is_panic());
        assert_eq!(remaining(&quota), left);
    }
}
