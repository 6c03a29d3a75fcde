//! A gateway for tests, whose upstreams say what a script says and open no socket: everything between a request's bytes and
//! an answer's bytes is the real thing.

mod engine;

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;

use crate::body::GatewayBody;
use crate::gateway::Gateway;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::pipeline;
use crate::record::RecordedCall;
use crate::shutdown_deadline::ShutdownDeadline;
use crate::telemetry::Telemetry;
pub use engine::ScriptedEngine;
use ledger::Ledger;
use protocol::client::ApiEndpoint;
use protocol::{ChunkKind, CompletionBody, ProviderError, ResponseChunk, SseParser, read_chunk};
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};
use upstreams::queue_patience::QueueForecast;
use upstreams::request_id::RequestId;
use upstreams::{AnswerBody, Chunks, Upstream, UpstreamRequest, UpstreamResponse};

/// What an upstream does with one request.
#[derive(Debug, Clone)]
pub enum UpstreamScript {
    /// Fails after so long, before any byte of an answer.
    Fails(Duration, AttemptError),
    /// Answers so; as one object where a whole answer is asked for.
    Says(Vec<ScriptedPart>),
}

/// A part of an answer.
#[derive(Debug, Clone)]
pub enum ScriptedPart {
    /// Some text.
    Text(&'static str),
    /// Why the answer ended.
    Finish(&'static str),
    /// Tokens of the prompt and of the answer.
    Usage(u64, u64),
    /// The marker of success.
    Done,
    /// An event, as it is written after `data: `.
    Event(&'static str),
    /// Silence.
    Wait(Duration),
    /// The end of the attempt.
    Breaks(AttemptErrorKind),
}
use ScriptedPart::{Breaks, Done, Event, Finish, Text, Usage, Wait};

impl UpstreamScript {
    /// A whole answer of so many tokens.
    pub fn text(text: &'static str, tokens: u64) -> Self {
        Self::Says(vec![Text(text), Finish("stop"), Usage(10, tokens), Done])
    }

    /// Fails at once.
    pub fn fails(what: AttemptErrorKind) -> Self {
        Self::Fails(Duration::ZERO, AttemptError::new(what))
    }

    /// Fails with a status, and says why.
    pub fn status(status: u16, code: &str) -> Self {
        let complaint = ProviderError {
            status: Some(status),
            code: Some(code.to_owned()),
            message: "The provider's words.".to_owned(),
            ..ProviderError::default()
        };
        Self::Fails(Duration::ZERO, AttemptError::from_status(status, complaint, None))
    }

    /// Says so much, and breaks then.
    pub fn breaks(text: &'static str, what: AttemptErrorKind) -> Self {
        Self::Says(vec![Text(text), Breaks(what)])
    }

    /// Does the same after a silence.
    pub fn after(self, silence: Duration) -> Self {
        match self {
            Self::Fails(wait, error) => Self::Fails(wait + silence, error),
            Self::Says(mut parts) => {
                parts.insert(0, Wait(silence));
                Self::Says(parts)
            }
        }
    }
}

/// An upstream that replies in turn, the last reply again and again. Each request is noted in `asked` by the model's name.
fn upstream(model: &str, replies: Vec<UpstreamScript>, asked: Arc<Mutex<Vec<String>>>) -> Upstream {
    let replies = Arc::new(Mutex::new(VecDeque::from(replies)));
    let model: Arc<str> = model.into();
    BoxCloneSyncService::new(tower::service_fn(move |ask: UpstreamRequest| {
        asked.lock().unwrap().push(model.to_string());
        let mut replies = replies.lock().unwrap();
        let reply = if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() };
        answer(ask.stream, reply.expect("a script has at least one reply"))
    }))
}

async fn answer(stream: bool, reply: UpstreamScript) -> Result<UpstreamResponse, AttemptError> {
    let body = match reply {
        UpstreamScript::Fails(wait, error) => {
            sleep(wait).await;
            return Err(error);
        }
        UpstreamScript::Says(parts) if stream => AnswerBody::Stream(streamed(parts)),
        UpstreamScript::Says(parts) => AnswerBody::Whole(Box::new(whole(parts).await?)),
    };
    Ok(UpstreamResponse { body, headers: HeaderMap::new() })
}

fn streamed(parts: Vec<ScriptedPart>) -> Chunks {
    Box::pin(unfold(VecDeque::from(parts), |mut parts| async move {
        loop {
            match parts.pop_front()? {
                Wait(silence) => sleep(silence).await,
                // Nothing follows on it.
                Breaks(what) => return Some((Err(AttemptError::new(what)), VecDeque::new())),
                part => return Some((Ok(chunk(&data(&part))), parts)),
            }
        }
    }))
}

/// The same as one object; where the answer breaks, there is none.
async fn whole(parts: Vec<ScriptedPart>) -> Result<CompletionBody, AttemptError> {
    let (mut text, mut finish, mut usage) = (String::new(), Value::Null, Value::Null);
    for part in parts {
        match part {
            Text(more) => text.push_str(more),
            Finish(reason) => finish = reason.into(),
            Usage(prompt, completion) => usage = tokens(prompt, completion),
            Wait(silence) => sleep(silence).await,
            Breaks(what) => return Err(AttemptError::new(what)),
            Event(event) => {
                if let ChunkKind::Error(complaint) = chunk(event).what {
                    return Err(AttemptError::in_band(&complaint));
                }
            }
            Done => {}
        }
    }
    let message = json!({"role": "assistant", "content": text});
    let mut body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}]});
    if !usage.is_null() {
        body["usage"] = usage;
    }
    Ok(CompletionBody::parse(Bytes::from(body.to_string())).expect("an answer"))
}

fn data(part: &ScriptedPart) -> String {
    let choice = |delta: Value, finish: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        .to_string()
    };
    match part {
        Text(text) => choice(json!({"content": text}), Value::Null),
        Finish(reason) => choice(json!({}), (*reason).into()),
        Usage(prompt, completion) => {
            json!({"id": "c", "choices": [], "usage": tokens(*prompt, *completion)}).to_string()
        }
        Done => "[DONE]".to_owned(),
        Event(event) => (*event).to_owned(),
        Wait(_) | Breaks(_) => unreachable!("these say nothing"),
    }
}

fn tokens(prompt: u64, completion: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// A chunk with these data.
pub fn chunk(data: &str) -> ResponseChunk {
    let mut splitter = SseParser::default();
    splitter.feed(Bytes::from(format!("data: {data}\n\n")));
    read_chunk(splitter.next().expect("an event").expect("one that is not too long"))
}

/// What a client hears.
#[derive(Debug)]
pub struct ClientResponse {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl ClientResponse {
    /// In short: the status, the text, and how the answer ends: `.` where it is whole, else the error's code.
    pub fn summary(&self) -> String {
        let streamed = self.header("content-type") == Some("text/event-stream");
        if !streamed {
            let body: Value = serde_json::from_str(&self.body).expect("JSON");
            return match body["error"]["code"].as_str() {
                Some(code) => format!("{} {code}", self.status),
                None => format!("{} {}.", self.status, text(&body["choices"][0]["message"])),
            };
        }
        let (mut said, mut end) = (String::new(), " and no end".to_owned());
        for data in self.body.lines().filter_map(|line| line.strip_prefix("data: ")) {
            assert_eq!(end, " and no end", "something follows on the end: {}", self.body);
            if data == "[DONE]" {
                end = ".".to_owned();
                continue;
            }
            let event: Value = serde_json::from_str(data).expect("JSON");
            match event["error"]["code"].as_str() {
                Some(code) => end = format!("… {code}"),
                None => said.push_str(&text(&event["choices"][0]["delta"])),
            }
        }
        format!("{} {said}{end}", self.status)
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

fn text(message: &Value) -> String {
    message["content"].as_str().unwrap_or_default().to_owned()
}

/// Where the log is written, for a test to read.
#[derive(Clone, Default)]
struct WrittenLog(Arc<Mutex<Vec<u8>>>);

impl Write for WrittenLog {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A gateway with scripted upstreams.
pub struct ScriptedGateway {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    asked: Arc<Mutex<Vec<String>>>,
    written: WrittenLog,
}

impl ScriptedGateway {
    /// With this configuration, in which models have any address, and what the upstreams of each model say.
    pub fn new<'a>(yaml: &str, scripts: impl IntoIterator<Item = (&'a str, Vec<UpstreamScript>)>) -> Self {
        Self::with_engines(yaml, scripts, [])
    }

    /// The same, and these models are engines in this process.
    pub fn with_engines<'a>(
        yaml: &str,
        scripts: impl IntoIterator<Item = (&'a str, Vec<UpstreamScript>)>,
        engines: impl IntoIterator<Item = (&'a str, ScriptedEngine)>,
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = gateway_config::from_str(&format!("log: json\n{yaml}"), None, &|_| None)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let (written, asked) = (WrittenLog::default(), Arc::<Mutex<Vec<String>>>::default());
        let metrics = Arc::new(Metrics::new().unwrap());
        let log = Log::to(written.clone(), metrics.log_dropped.with_label_values::<&str>(&[]));
        let ledger = Ledger::open(&config, log.notes()).unwrap();
        let telemetry = Telemetry {
            metrics,
            log,
            machine_time: Arc::default(),
            ledger,
            shutdown_deadline: ShutdownDeadline::default(),
        };
        let scripts = scripts
            .into_iter()
            .map(|(model, replies)| (model.to_owned(), (upstream(model, replies, Arc::clone(&asked)), None)));
        let engines = engines.into_iter().map(|(model, engine)| {
            let forecast: Arc<dyn QueueForecast> = Arc::new(engine.clone());
            (model.to_owned(), (engine.upstream(model, Arc::clone(&asked)), Some(forecast)))
        });
        let upstreams: HashMap<String, (Upstream, _)> = scripts.chain(engines).collect();
        let gateway = Arc::new(Gateway::with_upstreams(config, telemetry, &upstreams));
        Self { gateway, asked, written }
    }

    /// Begins to answer a chat.
    pub async fn begin(&self, body: &Value, headers: &[(&'static str, &str)]) -> Response<GatewayBody> {
        let mut request =
            Request::post("/v1/chat/completions").header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).unwrap();
        let (gateway, snapshot) = (Arc::clone(&self.gateway), self.gateway.snapshot());
        let (id, now) = (RequestId::new(), Instant::now());
        let account = gateway.account(&snapshot, id, RecordedCall::Chat, now, request.headers());
        pipeline::answer(gateway, snapshot, request, account, ApiEndpoint::Chat).await
    }

    /// Answers a chat to its end.
    pub async fn ask(&self, body: &Value) -> ClientResponse {
        self.ask_with(body, &[]).await
    }

    /// The same, with these headers.
    pub async fn ask_with(&self, body: &Value, headers: &[(&'static str, &str)]) -> ClientResponse {
        let (head, body) = self.begin(body, headers).await.into_parts();
        let body = body.collect().await.expect("a body cannot fail").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        ClientResponse { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// Whom requests have gone to so far, in their order.
    pub fn asked(&self) -> String {
        self.asked.lock().unwrap().join(" ")
    }

    /// The lines of the log for requests that have ended.
    pub fn records(&self) -> Vec<Value> {
        self.gateway.telemetry.log.flush();
        let text = String::from_utf8(self.written.0.lock().unwrap().clone()).expect("text");
        // Notes for the operator stand among them.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("outcome").is_some()).collect()
    }

    /// What the attempts of the request that ended last came to and cost: `server_error 0, ok 50`.
    pub fn charged(&self) -> String {
        let records = self.records();
        let last = records.last().expect("a request has ended");
        let attempts = last["attempts"].as_array().expect("attempts").iter();
        let each = attempts.map(|attempt| {
            let cost = attempt["cost"].as_f64().expect("a price");
            format!("{} {}", attempt["result"].as_str().unwrap_or_default(), cost.round())
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// How the request that ended last did.
    pub fn outcome(&self) -> String {
        self.records().last().expect("a request has ended")["outcome"].as_str().unwrap_or_default().to_owned()
    }

    /// Has a model answered often enough for one of its requests to be hedged.
    pub fn earn_a_hedge(&self, model: &str) {
        let snapshot = self.gateway.snapshot();
        let pool = snapshot.pool(snapshot.config.model(model).expect("a model")).expect("its pool");
        (0..20).for_each(|_| pool.record_arrival());
    }
}
