//! An endpoint of the OpenAI dialect: the one place where bytes leave for a provider.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use gateway_config::{Model, Remote, Secret, Timeouts};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::{Client, Response, Url, redirect};
use tokio::time::{Instant, timeout_at};
use tower::util::BoxCloneSyncService;

use super::events::Events;
use super::{Answer, AnswerBody, Ask, Upstream};
use crate::protocol::{self, Whole};
use crate::setback::{Happened, Setback};

/// The largest whole answer that is read, in bytes.
const LARGEST_ANSWER: usize = 64 << 20;
/// How much of a provider's error is read, in bytes, and for how long.
const LARGEST_ERROR: usize = 64 << 10;
const ERROR_TIME: Duration = Duration::from_secs(2);
/// Idle connections kept for the next request to a model.
const IDLE_CONNECTIONS: usize = 256;
/// Headers of an upstream's answer that clients may see. All others could name accounts or hosts.
const SHOWN: [&str; 3] = ["openai-processing-ms", "openai-version", "retry-after"];

/// One service for each endpoint of a model, by its id.
///
/// # Errors
/// In words for the operator, without a key.
pub(super) fn upstreams(
    model: &Arc<Model>,
    remote: &Remote,
    proxy: Option<&Secret>,
) -> Result<Vec<(String, Upstream)>, String> {
    let client =
        client(&model.timeouts, proxy).map_err(|e| format!("model `{}`: no HTTP client: {e}", model.name))?;
    remote
        .endpoints
        .iter()
        .map(|endpoint| {
            let fault = |what: &str| format!("endpoint `{}`: {what}", endpoint.id);
            let url = format!("{}/chat/completions", endpoint.base_url);
            let address = Address {
                client: client.clone(),
                url: Url::parse(&url).map_err(|e| fault(&format!("`{url}`: {e}")))?,
                headers: headers(endpoint).map_err(|what| fault(&what))?,
                secret: endpoint.api_key.as_ref().map(|key| key.reveal().to_owned()),
                model: remote.model.clone(),
                timeouts: model.timeouts,
            };
            let address = Arc::new(address);
            let service = tower::service_fn(move |ask: Ask| Arc::clone(&address).ask(ask));
            Ok((endpoint.id.clone(), BoxCloneSyncService::new(service)))
        })
        .collect()
}

fn client(timeouts: &Timeouts, proxy: Option<&Secret>) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .connect_timeout(timeouts.connect)
        // A redirect could carry a key or a prompt to another host.
        .redirect(redirect::Policy::none())
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        .user_agent(concat!("xietong/", env!("CARGO_PKG_VERSION")));
    match proxy {
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.reveal())?).build(),
        // Not from the environment: a proxy sees prompts, so it is named in the configuration or not used.
        None => builder.no_proxy().build(),
    }
}

fn headers(endpoint: &gateway_config::Endpoint) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = &endpoint.api_key {
        let bearer = secret_value(&format!("Bearer {}", key.reveal()))
            .ok_or("the API key has characters that no header can carry")?;
        headers.insert(header::AUTHORIZATION, bearer);
    }
    for (name, value) in &endpoint.headers {
        let fault = || format!("header `{name}` cannot be sent");
        let name: HeaderName = name.parse().map_err(|_| fault())?;
        headers.insert(name, secret_value(value.reveal()).ok_or_else(fault)?);
    }
    Ok(headers)
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Where to ask, and how.
struct Address {
    client: Client,
    url: Url,
    headers: HeaderMap,
    secret: Option<String>,
    model: String,
    timeouts: Timeouts,
}

impl Address {
    async fn ask(self: Arc<Self>, ask: Ask) -> Result<Answer, Setback> {
        let began = Instant::now();
        let total = began + self.timeouts.total;
        let head = if ask.stream { total.min(began + self.timeouts.first_token) } else { total };
        let late = if head == total { Happened::Overran } else { Happened::Silent };
        let sent = self.request(&ask).send();
        let response = match timeout_at(head, sent).await {
            Err(_) => return Err(Setback::new(late)),
            Ok(Err(error)) => return Err(Setback::new(broken(&error))),
            Ok(Ok(response)) => response,
        };
        if response.status() != http::StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let headers = shown(response.headers());
        let body = if ask.stream {
            self.stream(response, began, total).await?
        } else {
            AnswerBody::Whole(self.whole(response, total).await?)
        };
        Ok(Answer { body, headers })
    }

    fn request(&self, ask: &Ask) -> reqwest::RequestBuilder {
        let accept = if ask.stream { "text/event-stream" } else { "application/json" };
        self.client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .headers(ask.trace.clone())
            .header(header::ACCEPT, accept)
            .header("x-request-id", ask.id.header())
            .body(ask.chat.encode(&self.model, ask.stream))
    }

    async fn stream(
        &self,
        response: Response,
        began: Instant,
        total: Instant,
    ) -> Result<AnswerBody, Setback> {
        if is(&response, "text/event-stream") {
            let events = Events::new(response.bytes_stream(), &self.timeouts, began);
            return Ok(AnswerBody::Stream(Box::pin(events)));
        }
        // A whole answer where a stream was asked for, or an error that calls itself 200.
        let body = read(response, LARGEST_ANSWER, total).await?;
        match Whole::parse(body) {
            Ok(whole) => Ok(AnswerBody::Whole(whole)),
            Err(_) => Err(Setback::new(Happened::Faulty(200))),
        }
    }

    async fn whole(&self, response: Response, total: Instant) -> Result<Whole, Setback> {
        let body = read(response, LARGEST_ANSWER, total).await?;
        Whole::parse(body).map_err(|_| Setback::new(Happened::Faulty(200)))
    }

    async fn refusal(&self, response: Response) -> Setback {
        let status = response.status().as_u16();
        let retry_after = protocol::retry_after(response.headers(), SystemTime::now());
        let body = read(response, LARGEST_ERROR, Instant::now() + ERROR_TIME).await.unwrap_or_default();
        // Some providers quote the key that they refuse.
        let complaint =
            protocol::read_error(status, &body).without(self.secret.as_deref().unwrap_or_default());
        Setback::from_status(status, complaint, retry_after)
    }
}

fn is(response: &Response, kind: &str) -> bool {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        value.trim_start().get(..kind.len()).is_some_and(|it| it.eq_ignore_ascii_case(kind))
    })
}

/// The whole body, of at most `limit` bytes, by `deadline`.
async fn read(mut response: Response, limit: usize, deadline: Instant) -> Result<Bytes, Setback> {
    let mut body = BytesMut::new();
    loop {
        match timeout_at(deadline, response.chunk()).await {
            Err(_) => return Err(Setback::new(Happened::Overran)),
            Ok(Err(_)) => return Err(Setback::new(Happened::Cut)),
            Ok(Ok(None)) => return Ok(body.freeze()),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > limit => {
                return Err(Setback::new(Happened::Faulty(200)));
            }
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
        }
    }
}

/// Whether a failed request can have reached the provider.
fn broken(error: &reqwest::Error) -> Happened {
    if error.is_connect() || error.is_builder() { Happened::Unreachable } else { Happened::Cut }
}

fn shown(headers: &HeaderMap) -> HeaderMap {
    let mut shown: HeaderMap = SHOWN
        .iter()
        .filter_map(|name| Some((HeaderName::from_static(name), headers.get(*name)?.clone())))
        .collect();
    if let Some(id) = headers.get("x-request-id") {
        shown.insert("x-upstream-request-id", id.clone());
    }
    shown
}
