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
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyDataStream, Full};
use reqwest::{Certificate, Client, Url, redirect};

use super::line::{self, Lines};
use crate::setback::Happened;

/// Idle connections kept for the next request to a model.
const IDLE_CONNECTIONS: usize = 256;
/// How this gateway calls itself.
const USER_AGENT: &str = concat!("xietong/", env!("CARGO_PKG_VERSION"));

/// A way to send requests to an endpoint.
pub(super) enum Wire {
    /// Connections of our own.
    Lines(Arc<Lines>),
    /// A client for everything else.
    Client(Client),
}

impl Wire {
    /// To the endpoint at this address; `client` is what reaches any.
    pub(super) fn to(url: &Url, client: &Client, proxy: Option<&Secret>, timeouts: &Timeouts) -> Self {
        // The client makes a header of credentials in an address.
        let plain = url.scheme() == "http" && url.username().is_empty() && proxy.is_none();
        match plain.then(|| Lines::to(url, timeouts.connect)).flatten() {
            Some(lines) => Self::Lines(lines),
            None => Self::Client(client.clone()),
        }
    }

    /// Sends a body, and waits for the answer's head.
    ///
    /// # Errors
    /// What happened, and with it whether the request can have reached the provider.
    pub(super) async fn post(
        &self,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Flow>, Happened> {
        match self {
            Self::Lines(lines) => {
                headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
                let mut request =
                    Request::post(path(url)).body(Full::new(body)).map_err(|_| Happened::Unreachable)?;
                *request.headers_mut() = headers;
                lines.send(request).await.map(|response| response.map(Flow::Line))
            }
            Self::Client(client) => {
                let sent = client.post(url.clone()).headers(headers).body(body).send().await;
                let response: Response<reqwest::Body> = sent.map_err(|error| broken(&error))?.into();
                Ok(response.map(|body| Flow::Client(BodyDataStream::new(body))))
            }
        }
    }
}

/// An address without its host.
fn path(url: &Url) -> Uri {
    let uri: Result<Uri, _> = match url.query() {
        Some(query) => format!("{}?{query}", url.path()).parse(),
        None => url.path().parse(),
    };
    uri.unwrap_or_else(|_| Uri::from_static("/"))
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
            Self::Line(flow) => Pin::new(flow).poll_next(cx).map_err(|_| BrokeOff),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_query() {
        let check = |url: &str, expected: &str| assert_eq!(path(&url.parse().unwrap()), expected, "{url}");
        check("http://h:1/v1/chat/completions", "/v1/chat/completions");
        check("http://h/v1/x?api-version=2024-10-21", "/v1/x?api-version=2024-10-21");
        check("http://h", "/");
        check("http://[::1]:8000/a%20b/c", "/a%20b/c");
    }
}
