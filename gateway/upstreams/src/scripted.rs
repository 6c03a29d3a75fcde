//! A transport that follows a script, to test whoever asks models without a socket and on a paused clock.
//!
//! All above the transport is as in the gateway: what a request is encoded to, statuses and bodies that become setbacks,
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
//! for each: [`Pool::over`] with a transport for each address.

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

use super::transport::{Own, ResponseBody, Sending, Transport};
use super::{Endpoint, Observer, Pool, PoolHooks, Probe};
use crate::setback::{Cause, Happened, Phase, Setback};

/// What an endpoint does, request after request, and what it was asked. Clones are the same script.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    replies: VecDeque<Reply>,
    requests: Vec<Sent>,
}

/// A request as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Where to.
    pub url: Url,
    /// The body.
    pub body: Bytes,
}

impl Sent {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Script {
    /// The next request that has no reply yet gets this one.
    pub fn then(&self, reply: Reply) -> &Self {
        self.state().replies.push_back(reply);
        self
    }

    /// What was sent so far.
    pub fn requests(&self) -> Vec<Sent> {
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
    pub fn pool(&self, model: &Arc<ModelConfig>) -> Arc<Pool> {
        let pool = Pool::over(model, &|_, _| Arc::new(self.clone()), &PoolHooks::none());
        Arc::new(pool.unwrap_or_else(|fault| panic!("{fault}")))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes back for one request.
#[derive(Debug, Clone)]
pub struct Reply {
    head: Head,
    steps: Vec<Step>,
    headers: Vec<(HeaderName, HeaderValue)>,
    delay: Duration,
}

#[derive(Debug, Clone)]
enum Head {
    Status(StatusCode),
    Failed(Happened, Cause),
    Never,
}

#[derive(Debug, Clone)]
enum Step {
    Bytes(Bytes),
    Wait(Duration),
    Cut,
    Silence,
}

impl Reply {
    fn new(head: Head) -> Self {
        Self { head, steps: Vec::new(), headers: Vec::new(), delay: Duration::ZERO }
    }

    /// No connection: the endpoint cannot have looked at the request.
    pub fn refused() -> Self {
        let cause = Cause::new(Phase::Connect, "Connection refused (os error 111)");
        Self::new(Head::Failed(Happened::Unreachable, cause))
    }

    /// The endpoint says that it has not looked at the request, as HTTP/2 has it.
    pub fn turned_away() -> Self {
        Self::new(Head::Failed(Happened::TurnedAway, Cause::new(Phase::Read, "refused stream")))
    }

    /// The connection breaks before a response, after the request was sent.
    pub fn broken() -> Self {
        let cause = Cause::new(Phase::Read, "Connection reset by peer (os error 104)");
        Self::new(Head::Failed(Happened::Cut, cause))
    }

    /// Nothing, ever.
    pub fn never() -> Self {
        Self::new(Head::Never)
    }

    /// A response of this status with no body yet, in JSON.
    ///
    /// # Panics
    /// For a number that is no status.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or_else(|fault| panic!("{status}: {fault}"));
        Self::new(Head::Status(status)).header("content-type", "application/json")
    }

    /// A whole answer: status 200 with this JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::status(200).body(body)
    }

    /// A stream: status 200 with these events, each in a piece of its own.
    pub fn events(events: &[&str]) -> Self {
        let reply = Self::new(Head::Status(StatusCode::OK)).header("content-type", "text/event-stream");
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
        self.step(Step::Bytes(bytes.into()))
    }

    /// Then nothing for so long.
    pub fn wait(self, pause: Duration) -> Self {
        self.step(Step::Wait(pause))
    }

    /// Then the connection breaks.
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// Then nothing more, though the connection stays open.
    pub fn silence(self) -> Self {
        self.step(Step::Silence)
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    async fn send(self) -> Result<Response<ResponseBody>, Setback> {
        sleep(self.delay).await;
        let status = match self.head {
            Head::Status(status) => status,
            Head::Failed(what, cause) => return Err(Setback::caused(what, cause)),
            Head::Never => pending().await,
        };
        let pieces = stream::iter(self.steps).then(|step| async {
            match step {
                Step::Bytes(bytes) => Some(Ok(bytes)),
                Step::Wait(pause) => {
                    sleep(pause).await;
                    None
                }
                Step::Cut => Some(Err(Cause::new(Phase::Read, "Connection reset by peer (os error 104)"))),
                Step::Silence => pending().await,
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

impl Transport for Script {
    fn post<'a>(&'a self, url: &'a Url, _: &'a Own<'a>, body: Bytes) -> Sending<'a> {
        let mut state = self.state();
        state.requests.push(Sent { url: url.clone(), body });
        let reply = state.replies.pop_front().unwrap_or_else(Reply::refused);
        Box::pin(reply.send())
    }

    /// What costs nothing is always answered.
    fn check<'a>(&'a self, _: &'a Url) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(std::future::ready(true))
    }
}

/// Hears of endpoints and does nothing; takes every mute one for well.
struct Nobody;

impl Observer for Nobody {
    fn added(&self, _: &Endpoint) {}
    fn ejected(&self, _: &Endpoint, _: &Setback) {}
    fn recovered(&self, _: &Endpoint) {}
}

impl Probe for Nobody {
    fn answers(&self, _: Arc<Endpoint>) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }
}

impl PoolHooks {
    /// Nobody hears of endpoints, and every mute one is taken for well.
    pub fn none() -> Self {
        Self { observer: Arc::new(Nobody), probe: Arc::new(Nobody) }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::{AnswerBody, Ask};
    use super::*;
    use crate::request_id::RequestId;
    use protocol::{Chat, What};

    const CHUNK: &str = "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
        \"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";

    fn model() -> Arc<ModelConfig> {
        let yaml = "models: [{name: m, provider: openai, base_url: 'http://h', model: up, \
                    timeouts: {first_token: 10s, idle: 5s, total: 60s}}]";
        let config = gateway_config::from_str(yaml, None, &|_| None);
        Arc::clone(&config.unwrap_or_else(|problems| panic!("{problems}")).models[0])
    }

    /// Tokens that came, how the answer ended, and after how many seconds.
    async fn heard(reply: Reply) -> (usize, Option<Setback>, u64) {
        let script = Script::default();
        script.then(reply);
        let pool = script.pool(&model());
        let body =
            Bytes::from_static(br#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}"#);
        let ask = Ask {
            chat: Arc::new(Chat::parse(body).unwrap()),
            stream: true,
            logprobs: false,
            longest: None,
            on_behalf: "".into(),
            id: RequestId::new(),
            trace: HeaderMap::new(),
        };
        let began = tokio::time::Instant::now();
        let mut tokens = 0;
        let end = match pool.pick(|_| false).unwrap().ask(ask).await {
            Err(setback) => Some(setback),
            Ok(answer) => {
                let AnswerBody::Stream(mut chunks) = answer.body else { panic!("a whole answer") };
                loop {
                    match chunks.next().await {
                        None => break None,
                        Some(Err(setback)) => break Some(setback),
                        Some(Ok(chunk)) => tokens += usize::from(matches!(chunk.what, What::Piece(_))),
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
        let check =
            async |reply: Reply, tokens: usize, end: Option<Happened>, phase: Option<Phase>, after: u64| {
                let said = format!("{reply:?}");
                let (heard, setback, seconds) = heard(reply).await;
                let found = setback.as_ref().map(|setback| setback.what);
                assert_eq!((heard, found, seconds), (tokens, end, after), "{said}");
                let cause = setback.and_then(|setback| setback.cause).map(|cause| cause.phase);
                assert_eq!(cause, phase, "{said}");
            };
        let (done, second) = ("data: [DONE]\n\n", Duration::from_secs(1));
        check(Reply::events(&[CHUNK, CHUNK, done]).after(second), 2, None, None, 1).await;
        let whole = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,
            "message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
        check(Reply::json(whole), 2, None, None, 0).await;
        check(Reply::refused(), 0, Some(Happened::Unreachable), Some(Phase::Connect), 0).await;
        check(Reply::turned_away(), 0, Some(Happened::TurnedAway), Some(Phase::Read), 0).await;
        check(Reply::broken(), 0, Some(Happened::Cut), Some(Phase::Read), 0).await;
        check(Reply::never(), 0, Some(Happened::Silent), None, 10).await;
        check(Reply::status(429).body("{}"), 0, Some(Happened::RateLimited), None, 0).await;
        check(Reply::status(401).body("{}"), 0, Some(Happened::Faulty(401)), None, 0).await;
        check(Reply::events(&[CHUNK]).wait(second).cut(), 1, Some(Happened::Cut), Some(Phase::Read), 1).await;
        check(Reply::events(&[CHUNK]).silence(), 1, Some(Happened::Stalled), None, 5).await;
    }
}
