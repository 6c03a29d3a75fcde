//! Which bytes a client gets of a stream, and when.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gateway_config::ModelConfig;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::*;
use crate::dispatch::AnswerReader;
use crate::pricing::UsageBound;
use crate::record::RecordedCall;
use crate::scripted::{ScriptedGateway, UpstreamScript};
use protocol::client::ResponseEncoder;
use protocol::{SseParser, read_chunk};
use upstreams::Chunks;
use upstreams::request_id::RequestId;

const YAML: &str = "
models: [{name: m, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, price: {input: 0, output: 1000000}}]
clients: [{name: a, key: key-of-a-01234567890, budget: {amount: 5000, per: month}}]
";
const HELLO: &str = "data: {\"id\":\"c\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const STOP: &str =
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// What the upstream does next.
enum Next {
    /// These bytes come, as one event or several.
    Comes(&'static str),
    /// Nothing comes for so long.
    Waits(Duration),
    /// It breaks off.
    Breaks(AttemptErrorKind),
}
use Next::{Breaks, Comes, Waits};

use upstreams::attempt_error::AttemptErrorKind;

fn chunks(parts: Vec<Next>) -> Chunks {
    let each = stream::iter(parts).then(|part| async move {
        match part {
            Comes(bytes) => {
                let mut splitter = SseParser::default();
                splitter.feed(Bytes::from_static(bytes.as_bytes()));
                let mut events = Vec::new();
                while let Some(event) = splitter.next() {
                    events.push(Ok(read_chunk(event.unwrap())));
                }
                events
            }
            Waits(time) => {
                sleep(time).await;
                Vec::new()
            }
            Breaks(what) => vec![Err(AttemptError::new(what))],
        }
    });
    Box::pin(each.flat_map(stream::iter))
}

/// A relay under way, and the gateway that it belongs to.
struct Relayed {
    scripted: ScriptedGateway,
    relay: AnswerRelay,
}

/// How the answer is asked for.
#[derive(Clone, Copy)]
struct Asked {
    include_usage: bool,
    choices: u64,
    /// Tokens of an answer, where its client has a budget.
    budget: Option<u64>,
}

const PLAIN: Asked = Asked { include_usage: false, choices: 1, budget: None };

async fn relay(asked: Asked, parts: Vec<Next>) -> Relayed {
    let scripted = ScriptedGateway::new(YAML, [("m", vec![UpstreamScript::text("unused", 1)])]);
    let gateway = &scripted.gateway;
    let snapshot = gateway.snapshot();
    let model: Arc<ModelConfig> = Arc::clone(&snapshot.config.models[0]);
    let endpoint_guard = snapshot.pool(&model).unwrap().select(|_| false).unwrap();
    let (id, now) = (RequestId::new(), Instant::now());
    let mut account = gateway.account(&snapshot, id, RecordedCall::Chat, now, &http::HeaderMap::new());
    account.bound(UsageBound {
        prompt: 9,
        answer: asked.budget.or(Some(100)),
        choices: asked.choices,
        ..UsageBound::default()
    });
    if asked.budget.is_some() {
        let quota = snapshot.quota(&snapshot.config.clients[0]).unwrap();
        account.reserve(quota, std::slice::from_ref(&model), Timestamp::now()).await.unwrap();
    }
    let attempt = account.begin(&model, endpoint_guard.endpoint_id());
    account.commit(attempt);
    account.head_sent(200);
    let reader = AnswerReader::new(chunks(parts), asked.choices);
    let options = RelayOptions {
        include_usage: asked.include_usage,
        encoder: ResponseEncoder::as_it_is(),
        heartbeat: Duration::from_secs(5),
        shutdown_deadline: gateway.telemetry.shutdown_deadline.listener(),
    };
    let relay = AnswerRelay::started(
        StartedStream { attempt, reader, endpoint_guard, resume: None },
        account,
        options,
    );
    Relayed { scripted, relay }
}

impl Relayed {
    /// The next bytes for the client.
    async fn next(&mut self) -> Option<String> {
        let bytes = poll_fn(|cx| Pin::new(&mut self.relay).poll_bytes(cx)).await?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// All of them.
    async fn rest(&mut self) -> String {
        let mut all = String::new();
        while let Some(bytes) = self.next().await {
            all.push_str(&bytes);
        }
        all
    }
}

/// What the upstream said stays as it came, whatever it is; of the markers of success its own.
#[tokio::test(start_paused = true)]
async fn bytes_are_relayed_as_they_came() {
    let check = async |name: &str, parts: Vec<&'static str>, expected: &str| {
        let mut relayed = relay(PLAIN, parts.into_iter().map(Comes).collect()).await;
        assert_eq!(relayed.rest().await, expected, "{name}");
        assert_eq!(relayed.scripted.outcome(), "complete", "{name}");
    };
    check("as usual", vec![HELLO, STOP, DONE], &[HELLO, STOP, DONE].concat()).await;
    let odd = "id: 7\nevent: chunk\ndata: { \"choices\" : [ {\"delta\":{\"content\":\"\\u00e9\"}} ], \"x\": [1] }\n\n";
    check("fields and spaces that we do not know", vec![odd, STOP, DONE], &[odd, STOP, DONE].concat()).await;
    let (crlf, marker) =
        ("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n", "data: [DONE]\r\n\r\n");
    check("other line ends", vec![crlf, STOP, marker], &[crlf, STOP, marker].concat()).await;
    check(
        "a marker without a space",
        vec![HELLO, STOP, "data:[DONE]\n\n"],
        &[HELLO, STOP, "data:[DONE]\n\n"].concat(),
    )
    .await;
    check("no marker", vec![HELLO, STOP], &[HELLO, STOP, DONE].concat()).await;
    check("no reason", vec![HELLO, DONE], &[HELLO, DONE].concat()).await;
    check(
        "comments",
        vec![": one\n\n", HELLO, ": two\n\n", STOP, DONE],
        &[": one\n\n", HELLO, ": two\n\n", STOP, DONE].concat(),
    )
    .await;
    check(
        "what is no JSON behind the end is left out",
        vec![HELLO, STOP, "data: {\n\n", DONE],
        &[HELLO, STOP, DONE].concat(),
    )
    .await;
    check(
        "usage that was not asked for is left out",
        vec![HELLO, STOP, USAGE, DONE],
        &[HELLO, STOP, DONE].concat(),
    )
    .await;
}

/// The upstream's own usage, with what it cost; an estimate where there is none.
#[tokio::test(start_paused = true)]
async fn a_client_that_asks_for_the_usage_gets_it_once_and_last() {
    let asked = Asked { include_usage: true, ..PLAIN };
    let check = async |name: &str, parts: Vec<&'static str>, output: u64, cost: f64, estimated: bool| {
        let all = relay(asked, parts.into_iter().map(Comes).collect()).await.rest().await;
        let events: Vec<&str> = all.split("\n\n").filter(|event| !event.is_empty()).collect();
        let [.., usage, "data: [DONE]"] = &events[..] else { panic!("{name}: {all}") };
        assert_eq!(all.matches("\"usage\"").count(), 1, "{name}: {all}");
        let event: serde_json::Value = serde_json::from_str(usage.strip_prefix("data: ").unwrap()).unwrap();
        let usage = &event["usage"];
        assert_eq!(usage["completion_tokens"], output, "{name}: {usage}");
        assert_eq!(usage["cost"].as_f64(), Some(cost), "{name}: {usage}");
        assert_eq!(usage["estimated"].as_bool().unwrap_or_default(), estimated, "{name}: {usage}");
        assert_eq!(event["choices"], serde_json::json!([]), "{name}: {event}");
    };
    check("its own", vec![HELLO, STOP, USAGE, DONE], 3, 3.0, false).await;
    check(
        "twice: the last one",
        vec![
            HELLO,
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}\n\n",
            STOP,
            USAGE,
            DONE,
        ],
        3,
        3.0,
        false,
    )
    .await;
    // One token by estimate, which is raised by half.
    check("none", vec![HELLO, STOP, DONE], 1, 2.0, true).await;
}

/// What breaks off ends in an error event, and without the marker of success.
#[tokio::test(start_paused = true)]
async fn what_breaks_off_is_told() {
    let check = async |name: &str, parts: Vec<Next>| {
        let mut relayed = relay(PLAIN, parts).await;
        let all = relayed.rest().await;
        assert!(all.starts_with(HELLO) && !all.contains("[DONE]"), "{name}: {all}");
        let last = all.trim_end().rsplit("data: ").next().unwrap();
        let error: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(error["error"]["code"], "upstream_truncated", "{name}: {all}");
        assert_eq!(relayed.scripted.outcome(), "cut", "{name}");
    };
    check("an end", vec![Comes(HELLO)]).await;
    check("lost", vec![Comes(HELLO), Breaks(AttemptErrorKind::ConnectionLost)]).await;
    check("silent", vec![Comes(HELLO), Breaks(AttemptErrorKind::IdleTimeout)]).await;
    check(
        "an error",
        vec![Comes(HELLO), Comes("data: {\"error\":{\"message\":\"Oops.\",\"code\":\"secret\"}}\n\n")],
    )
    .await;
    check("half an event", vec![Comes(HELLO), Comes("data: {\"choices\":[")]).await;
}

/// A silence is filled with comments, counted from what was said last.
#[tokio::test(start_paused = true)]
async fn a_silence_is_filled_with_heartbeats() {
    let seconds = Duration::from_secs;
    let parts =
        vec![Comes(HELLO), Waits(seconds(12)), Comes(HELLO), Waits(seconds(4)), Comes(STOP), Comes(DONE)];
    let mut relayed = relay(PLAIN, parts).await;
    let (began, mut heard) = (Instant::now(), Vec::new());
    while let Some(bytes) = relayed.next().await {
        heard.push((began.elapsed().as_secs(), bytes));
    }
    let beat = ": keep-alive\n\n";
    let last = [STOP, DONE].concat();
    let expected = [(0, HELLO), (5, beat), (10, beat), (12, HELLO), (16, &last)];
    let expected: Vec<_> = expected.into_iter().map(|(at, bytes)| (at, bytes.to_owned())).collect();
    // What comes at the same time may come in one piece or in two.
    let joined = heard.into_iter().fold(Vec::<(u64, String)>::new(), |mut all, (at, bytes)| {
        match all.last_mut() {
            Some((last, before)) if *last == at => before.push_str(&bytes),
            _ => all.push((at, bytes)),
        }
        all
    });
    assert_eq!(joined, expected);
}

/// What is here already goes in one piece, so long as it is small.
#[tokio::test(start_paused = true)]
async fn what_comes_together_goes_together() {
    let parts = (0..300).map(|_| Comes(HELLO)).chain([Comes(STOP), Comes(DONE)]).collect();
    let mut relayed = relay(PLAIN, parts).await;
    let mut pieces = Vec::new();
    while let Some(bytes) = relayed.next().await {
        pieces.push(bytes.len());
    }
    let all = 300 * HELLO.len() + STOP.len() + DONE.len();
    assert_eq!(pieces.iter().sum::<usize>(), all);
    assert!(pieces.len() <= all / (8 << 10) + 2, "{pieces:?}");
    assert!(pieces.iter().all(|&piece| piece <= (8 << 10) + HELLO.len()), "{pieces:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_says_so() {
    let mut relayed = relay(PLAIN, vec![Comes(HELLO), Waits(Duration::from_secs(3600)), Comes(STOP)]).await;
    assert_eq!(relayed.next().await.as_deref(), Some(HELLO));
    let shutdown_deadline = relayed.scripted.gateway.telemetry.shutdown_deadline.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        shutdown_deadline.expire();
    });
    let began = Instant::now();
    let last = relayed.rest().await;
    assert!(last.contains("\"shutting_down\"") && !last.contains("[DONE]"), "{last}");
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(relayed.scripted.outcome(), "cut");
}

/// Where a budget counts on it, an answer that is longer than its upstream was told ends as if it had kept to that.
#[tokio::test(start_paused = true)]
async fn an_answer_beyond_its_budget_is_ended() {
    const COUNTED: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":11}}\n\n";
    let check = async |name: &str, choices: u64, parts: Vec<&'static str>, ended: &[u64]| {
        let asked = Asked { budget: Some(10 / choices), choices, ..PLAIN };
        let mut relayed = relay(asked, parts.into_iter().map(Comes).collect()).await;
        let all = relayed.rest().await;
        assert!(all.ends_with(DONE), "{name}: {all}");
        let events = all
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line.strip_prefix("data: ")?).ok());
        let ends = events.filter(|event| event["choices"][0]["finish_reason"] == "length");
        let ends: Vec<u64> = ends.filter_map(|event| event["choices"][0]["index"].as_u64()).collect();
        assert_eq!(ends, ended, "{name}: {all}");
        assert_eq!(relayed.scripted.outcome(), "complete", "{name}");
        let charged = relayed.scripted.charged();
        assert_eq!(
            charged.split(' ').next(),
            Some(if ended.is_empty() { "ok" } else { "overlong" }),
            "{name}"
        );
    };
    check("longer", 1, vec![HELLO, COUNTED, HELLO, STOP, DONE], &[0]).await;
    check("longer, and no end", 1, vec![HELLO, COUNTED], &[0]).await;
    check("within it", 1, vec![HELLO, STOP, USAGE, DONE], &[]).await;
    check("one of two has ended", 2, vec![HELLO, STOP, COUNTED, HELLO], &[1]).await;
}
