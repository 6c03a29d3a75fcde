//! How an endpoint is reached: over connections of our own where it speaks plain HTTP, by reqwest where there is TLS,
//! HTTP/2 or a proxy.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use gateway_config::{Authority, Secret, Timeouts};
use http::{HeaderMap, HeaderName, Response, header};
use http_body_util::BodyDataStream;
use reqwest::{Certificate, Client, Url, redirect};

use super::line::{self, Lines};
use crate::head;
use crate::request_id::RequestId;
use crate::setback::Happened;

/// Idle connections kept for the next request to a model.
const IDLE_CONNECTIONS: usize = 256;
/// How this gateway calls itself.
pub(super) const USER_AGENT: &str = concat!("xietong/", env!("CARGO_PKG_VERSION"));

/// A way to send requests to an endpoint.
pub(super) enum Wire {
    /// Connections of our own.
    Lines(Arc<Lines>),
    /// A client for everything else.
    Client(Client, HeaderMap),
}

impl Wire {
    /// To the endpoint at this address, with these headers in each request; `client` is what reaches any.
    pub(super) fn to(
        url: &Url,
        headers: &HeaderMap,
        client: &Client,
        proxy: Option<&Secret>,
        timeouts: &Timeouts,
    ) -> Self {
        // The client makes a header of credentials in an address.
        let plain = url.scheme() == "http" && url.username().is_empty() && proxy.is_none();
        match plain.then(|| Lines::to(url, headers, timeouts.connect)).flatten() {
            Some(lines) => Self::Lines(lines),
            None => Self::Client(client.clone(), headers.clone()),
        }
    }

    /// Sends a body, and waits for the answer's head.
    ///
    /// # Errors
    /// What happened, and with it whether the request can have reached the provider.
    pub(super) async fn post(
        &self,
        url: &Url,
        own: &Own<'_>,
        body: Bytes,
    ) -> Result<Response<Flow>, Happened> {
        match self {
            Self::Lines(lines) => lines.post(url, own, body).await.map(|response| response.map(Flow::Line)),
            Self::Client(client, headers) => {
                let mut headers = headers.clone();
                own.each(|name, value| {
                    head::insert(&mut headers, name.clone(), value);
                });
                let sent = client.post(url.clone()).headers(headers).body(body).send().await;
                let response: Response<reqwest::Body> = sent.map_err(|error| broken(&error))?.into();
                Ok(response.map(|body| Flow::Client(BodyDataStream::new(body))))
            }
        }
    }
}

/// Headers that a request has of its own; they count before those of the configuration.
pub(super) struct Own<'a> {
    pub(super) accept: &'static str,
    pub(super) id: &'a RequestId,
    /// `traceparent`, `tracestate` and `anthropic-beta`, where it has them.
    pub(super) trace: HeaderMap,
}

impl Own<'_> {
    /// Whether a request may have this one.
    pub(super) fn may_have(name: &HeaderName) -> bool {
        const NAMES: [HeaderName; 5] =
            [header::ACCEPT, head::REQUEST_ID, head::TRACEPARENT, head::TRACESTATE, head::ANTHROPIC_BETA];
        NAMES.contains(name)
    }

    /// Whether this one has it.
    pub(super) fn has(&self, name: &HeaderName) -> bool {
        [header::ACCEPT, head::REQUEST_ID].contains(name) || self.trace.contains_key(name)
    }

    /// Hands over each.
    pub(super) fn each(&self, mut take: impl FnMut(&HeaderName, &[u8])) {
        take(&header::ACCEPT, self.accept.as_bytes());
        take(&head::REQUEST_ID, self.id.as_str().as_bytes());
        for (name, value) in &self.trace {
            debug_assert!(Self::may_have(name), "{name}");
            take(name, value.as_bytes());
        }
    }
}

/// The body of an answer as it comes.
pub(super) enum Flow {
    /// Over a connection of our own.
    Line(line::Flow),
    /// From the client.
    Client(BodyDataStream<reqwest::Body>),
}

/// An answer that broke off.
#[derive(Debug)]
pub(super) struct BrokeOff;

impl Stream for Flow {
    type Item = Result<Bytes, BrokeOff>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::Line(flow) => Pin::new(flow).poll_next(cx),
            Self::Client(body) => Pin::new(body).poll_next(cx).map_err(|_| BrokeOff),
        }
    }
}

/// A client for the endpoints of a model.
///
/// # Errors
/// A proxy or certificate that cannot be used.
pub(super) fn client(
    timeouts: &Timeouts,
    proxy: Option<&Secret>,
    authority: Option<&Authority>,
) -> Result<Client, reqwest::Error> {
    let authorities = authority.map(|authority| Certificate::from_pem_bundle(&authority.pem)).transpose()?;
    let builder = Client::builder()
        .connect_timeout(timeouts.connect)
        // A redirect could carry a key or a prompt to another host.
        .redirect(redirect::Policy::none())
        // Who asks again, and how often, is decided where the retry budget and the accounts are.
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        .tls_certs_merge(authorities.into_iter().flatten())
        .user_agent(USER_AGENT);
    match proxy {
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.reveal())?).build(),
        // Not from the environment: a proxy sees prompts, so it is named in the configuration or not used.
        None => builder.no_proxy().build(),
    }
}

/// Whether a failed request can have reached the provider.
fn broken(error: &reqwest::Error) -> Happened {
    match error {
        error if error.is_connect() || error.is_builder() => Happened::Unreachable,
        error if turned_away(error) => Happened::TurnedAway,
        _ => Happened::Cut,
    }
}

/// HTTP/2 has two words for a request that was not looked at: a stream that is refused, and the end of a connection that
/// names an earlier stream as the last (RFC 9113, sections 8.7 and 6.8). `h2` gives the second to those streams alone.
fn turned_away(error: &reqwest::Error) -> bool {
    std::iter::successors(error.source(), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<h2::Error>())
        .any(|error| {
            error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
        })
}
