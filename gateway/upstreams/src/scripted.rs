//! A transport that follows a script, to test whoever asks models without a socket and on a paused clock.
//!
//! All above the transport is as in the gateway: what a request is encoded to, statuses and bodies that become errors,
//! streams that are decoded, time limits, breakers and the choice among endpoints.
//!
//! ```ignore
//! let script = Script::default();
//! script.then(Reply::refused());                                         // no connection
//! script.then(Reply::status(429).header("retry-after", "2").body("{}")); // a rate limit
//! script.then(Reply::events(&[CHUNK, "data: [DONE]\n\n"]));              // a stream
//! script.then(Reply::events(&[CHUNK]).wait(SECOND).cut());               // one that breaks off after a second
//! script.then(Reply::never());                                           // silence, until the time limit
//! let pool = script.pool(&model);
//! // … dispatch to the pool …
//! assert_eq!(script.requests()[0].json()["model"], "m");
//! ```
//!
//! Each request takes the next reply; one that finds none is refused a connection. A pool of several endpoints has a script
//! for each: [`EndpointPool::over`] with a transport for each address.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gateway_config::ModelConfig;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use reqwest::Url;
use tokio::time::sleep;

use super::transport::{Fetching, RequestHeaders, ResponseBody, Sending, Transport};
use super::{Endpoint, EndpointPool, Observer, PoolHooks, Probe};
use crate::attempt_error::{AttemptError, AttemptErrorKind, FailureCause, TransportPhase};

/// What an endpoint does, request after request, and what it was asked. Clones are the same script.
#[derive(Clone, Default)]
pub struct ScriptedTransport(Arc<Mutex<ScriptState>>);

#[derive(Default)]
struct ScriptState {
    replies: VecDeque<ScriptedReply>,
    requests: Vec<SentRequest>,
}

/// A request as it was sent.
#[derive(Debug, Clone)]
pub struct SentRequest {
    /// Where to.
    pub url: Url,
    /// The body.
    pub body: Bytes,
}

impl SentRequest {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl ScriptedTransport {
    /// The next request that has no reply yet gets this one.
    pub fn then(&self, reply: ScriptedReply) -> &Self {
        self.state().replies.push_back(reply);
        self
    }

    /// What was sent so far.
    pub fn requests(&self) -> Vec<SentRequest> {
        self.state().requests.clone()
    }

    /// Replies that no request has taken.
    pub fn left(&self) -> usize {
        self.state().replies.len()
    }

    /// A pool of this remote model, whose endpoints all follow this script; nobody hears of them.
    ///
    /// # Panics
    /// For a model that is embedded, or has an address that is none.
    pub fn pool(&self, model: &Arc<ModelConfig>) -> Arc<EndpointPool> {
        let pool = EndpointPool::over(model, &|_, _| Arc::new(self.clone()), &PoolHooks::none());
        Arc::new(pool.unwrap_or_else(|fault| panic!("{fault}")))
    }

    fn state(&self) -> MutexGuard<'_, ScriptState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes back for one request.
#[derive(Debug, Clone)]
pub struct ScriptedReply {
    head: ScriptedHead,
    steps: Vec<ScriptedStep>,
    headers: Vec<(HeaderName, HeaderValue)>,
    delay: Duration,
}

#[derive(Debug, Clone)]
enum ScriptedHead {
    Status(StatusCode),
    Failed(AttemptErrorKind, FailureCause),
    Never,
}

#[derive(Debug, Clone)]
enum ScriptedStep {
    Bytes(Bytes),
    Wait(Duration),
    Cut,
    Silence,
}

impl ScriptedReply {
    fn new(head: ScriptedHead) -> Self {
        Self { head, steps: Vec::new(), headers: Vec::new(), delay: Duration::ZERO }
    }

    /// No connection: the endpoint cannot have looked at the request.
    pub fn refused() -> Self {
        let cause = FailureCause::new(TransportPhase::Connect, "Connection refused (os error 111)");
        Self::new(ScriptedHead::Failed(AttemptErrorKind::ConnectFailed, cause))
    }

    /// The endpoint says that it has not looked at the request, as HTTP/2 has it.
    pub fn turned_away() -> Self {
        Self::new(ScriptedHead::Failed(
            AttemptErrorKind::RefusedStream,
            FailureCause::new(TransportPhase::Read, "refused stream"),
        ))
    }

    /// The connection breaks before a response, after the request was sent.
    pub fn broken() -> Self {
        let cause = FailureCause::new(TransportPhase::Read, "Connection reset by peer (os error 104)");
        Self::new(ScriptedHead::Failed(AttemptErrorKind::ConnectionLost, cause))
    }

    /// Nothing, ever.
    pub fn never() -> Self {
        Self::new(ScriptedHead::Never)
    }

    /// A response of this status with no body yet, in JSON.
    ///
    /// # Panics
    /// For a number that is no status.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or_else(|fault| panic!("{status}: {fault}"));
        Self::new(ScriptedHead::Status(status)).header("content-type", "application/json")
    }

    /// A whole answer: status 200 with this JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::status(200).body(body)
    }

    /// A stream: status 200 with these events, each in a piece of its own.
    pub fn events(events: &[&str]) -> Self {
        let reply =
            Self::new(ScriptedHead::Status(StatusCode::OK)).header("content-type", "text/event-stream");
        events.iter().fold(reply, |reply, event| reply.body(event.to_string()))
    }

    /// With this header.
    ///
    /// # Panics
    /// For what can be no header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = value.parse().unwrap_or_else(|fault| panic!("{value}: {fault}"));
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// The head comes so much later.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Then these bytes.
    pub fn body(self, bytes: impl Into<Bytes>) -> Self {
        self.step(ScriptedStep::Bytes(bytes.into()))
    }

    /// Then nothing for so long.
    pub fn wait(self, pause: Duration) -> Self {
        self.step(ScriptedStep::Wait(pause))
    }

    /// Then the connection breaks.
    pub fn cut(self) -> Self {
        self.step(ScriptedStep::Cut)
    }

    /// Then nothing more, though the connection stays open.
    pub fn silence(self) -> Self {
        self.step(ScriptedStep::Silence)
    }

    fn step(mut self, step: ScriptedStep) -> Self {
        self.steps.push(step);
        self
    }

    async fn send(self) -> Result<Response<ResponseBody>, AttemptError> {
        sleep(self.delay).await;
        let status = match self.head {
            ScriptedHead::Status(status) => status,
            ScriptedHead::Failed(what, cause) => return Err(AttemptError::caused(what, cause)),
            ScriptedHead::Never => pending().await,
        };
        let pieces = stream::iter(self.steps).then(|step| async {
            match step {
                ScriptedStep::Bytes(bytes) => Some(Ok(bytes)),
                ScriptedStep::Wait(pause) => {
                    sleep(pause).await;
                    None
                }
                ScriptedStep::Cut => Some(Err(FailureCause::new(
                    TransportPhase::Read,
                    "Connection reset by peer (os error 104)",
                ))),
                ScriptedStep::Silence => pending().await,
            }
        });
        let body: ResponseBody = Box::pin(pieces.filter_map(std::future::ready));
        let mut response = Response::new(body);
        *response.status_mut() = status;
        for (name, value) in self.headers {
            // The last content type counts.
            if name == header::CONTENT_TYPE {
                response.headers_mut().remove(&name);
            }
            response.headers_mut().append(name, value);
        }
        Ok(response)
    }
}

impl Transport for ScriptedTransport {
    fn post<'a>(&'a self, url: &'a Url, _: &'a RequestHeaders<'a>, body: Bytes) -> Sending<'a> {
        let mut state = self.state();
        state.requests.push(SentRequest { url: url.clone(), body });
        let reply = state.replies.pop_front().unwrap_or_else(ScriptedReply::refused);
        Box::pin(reply.send())
    }

    /// What costs nothing is always answered.
    fn check<'a>(&'a self, _: &'a Url) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(std::future::ready(true))
    }

    /// It says nothing of itself.
    fn fetch<'a>(&'a self, _: &'a Url, _: Option<Bytes>) -> Fetching<'a> {
        Box::pin(std::future::ready(Some(Bytes::new())))
    }
}

/// Hears of endpoints and does nothing; takes every mute one for well.
struct IgnoringObserver;

impl Observer for IgnoringObserver {
    fn added(&self, _: &Endpoint) {}
    fn ejected(&self, _: &Endpoint, _: &AttemptError) {}
    fn recovered(&self, _: &Endpoint) {}
    fn learned(&self, _: &Endpoint) {}
}

impl Probe for IgnoringObserver {
    fn answers(&self, _: Arc<Endpoint>) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }
}

impl PoolHooks {
    /// Nobody hears of endpoints, and every mute one is taken for well.
    pub fn none() -> Self {
        Self { observer: Arc::new(IgnoringObserver), probe: Arc::new(IgnoringObserver) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::{AnswerBody, UpstreamRequest};
    use super::*;
    use crate::request_id::RequestId;
    use protocol::{ChatRequest, ChunkKind};

    const CHUNK: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";

    fn model() -> Arc<ModelConfig> {
        let yaml = "models: [{name: m, provider: openai, base_url: 'http://h', model: up, \
                    timeouts: {first_token: 10s, idle: 5s, total: 60s}}]";
        let config = gateway_config::from_str(yaml, None, &|_| None);
        Arc::clone(&config.unwrap_or_else(|problems| panic!("{problems}")).models[0])
    }

    /// Tokens that came, how the answer ended, and after how many seconds.
    async fn heard(reply: ScriptedReply) -> (usize, Option<AttemptError>, u64) {
        let script = ScriptedTransport::default();
        script.then(reply);
        let pool = script.pool(&model());
        let body =
            Bytes::from_static(br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#);
        let ask = UpstreamRequest {
            chat: Arc::new(ChatRequest::parse(body).unwrap()),
            stream: true,
            logprobs: false,
            longest: None,
            on_behalf: "".into(),
            patience: Default::default(),
            id: RequestId::new(),
            trace: HeaderMap::new(),
        };
        let began = tokio::time::Instant::now();
        let mut tokens = 0;
        let end = match pool.select(|_| false).unwrap().ask(ask).await {
            Err(error) => Some(error),
            Ok(answer) => {
                let AnswerBody::Stream(mut chunks) = answer.body else { panic!("a whole answer") };
                loop {
                    match chunks.next().await {
                        None => break None,
                        Some(Err(error)) => break Some(error),
                        Some(Ok(chunk)) => tokens += usize::from(matches!(chunk.what, ChunkKind::Piece(_))),
                    }
                }
            }
        };
        assert_eq!(script.left(), 0);
        let sent = &script.requests()[0];
        assert_eq!((sent.url.as_str(), &sent.json()["model"]), ("http://h/chat/completions", &"up".into()));
        (tokens, end, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_is_heard_as_an_endpoint_would_be() {
        let check = async |reply: ScriptedReply,
                           tokens: usize,
                           end: Option<AttemptErrorKind>,
                           phase: Option<TransportPhase>,
                           after: u64| {
            let said = format!("{reply:?}");
            let (heard, error, seconds) = heard(reply).await;
            let found = error.as_ref().map(|error| error.what);
            assert_eq!((heard, found, seconds), (tokens, end, after), "{said}");
            let cause = error.and_then(|error| error.cause).map(|cause| cause.phase);
            assert_eq!(cause, phase, "{said}");
        };
        let (done, second) = ("data: [DONE]\n\n", Duration::from_secs(1));
        check(ScriptedReply::events(&[CHUNK, CHUNK, done]).after(second), 2, None, None, 1).await;
        let whole = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
            "message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
        check(ScriptedReply::json(whole), 2, None, None, 0).await;
        check(
            ScriptedReply::refused(),
            0,
            Some(AttemptErrorKind::ConnectFailed),
            Some(TransportPhase::Connect),
            0,
        )
        .await;
        check(
            ScriptedReply::turned_away(),
            0,
            Some(AttemptErrorKind::RefusedStream),
            Some(TransportPhase::Read),
            0,
        )
        .await;
        check(
            ScriptedReply::broken(),
            0,
            Some(AttemptErrorKind::ConnectionLost),
            Some(TransportPhase::Read),
            0,
        )
        .await;
        check(ScriptedReply::never(), 0, Some(AttemptErrorKind::FirstTokenTimeout), None, 10).await;
        check(ScriptedReply::status(429).body("{}"), 0, Some(AttemptErrorKind::RateLimited), None, 0).await;
        check(ScriptedReply::status(401).body("{}"), 0, Some(AttemptErrorKind::BadResponse(401)), None, 0)
            .await;
        check(
            ScriptedReply::events(&[CHUNK]).wait(second).cut(),
            1,
            Some(AttemptErrorKind::ConnectionLost),
            Some(TransportPhase::Read),
            1,
        )
        .await;
        check(ScriptedReply::events(&[CHUNK]).silence(), 1, Some(AttemptErrorKind::IdleTimeout), None, 5)
            .await;
    }
}
