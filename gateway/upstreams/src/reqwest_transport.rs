//! Requests by reqwest: what has TLS, HTTP/2 or a proxy, and everything where the gateway's own HTTP/1.1 client is off.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gateway_config::{AttemptTimeouts, CertificateAuthority, Secret};
use http::{HeaderMap, Response, header};
use http_body_util::BodyDataStream;
use reqwest::{Certificate, Client, Url, redirect};

use super::transport::{Fetching, RequestHeaders, ResponseBody, Sending, Transport, USER_AGENT};
use crate::attempt_error::{AttemptError, AttemptErrorKind, FailureCause, TransportPhase};
use crate::header_names;

/// Idle connections kept for the next request to a model.
const IDLE_CONNECTIONS: usize = 256;
/// How long an endpoint may take to show that it answers.
const CHECK_TIME: Duration = Duration::from_secs(5);
/// Bytes of an answer to what costs nothing: a list of models.
const LARGEST_FETCH: usize = 1 << 20;

/// Sends by a client that knows every kind of endpoint.
pub(super) struct ReqwestTransport {
    client: Client,
    /// Of each request.
    headers: HeaderMap,
}

impl ReqwestTransport {
    /// With these headers in each request.
    pub(super) fn new(client: &Client, headers: &HeaderMap) -> Self {
        Self { client: client.clone(), headers: headers.clone() }
    }
}

impl Transport for ReqwestTransport {
    fn post<'a>(&'a self, url: &'a Url, own: &'a RequestHeaders<'a>, body: Bytes) -> Sending<'a> {
        Box::pin(async move {
            let mut headers = self.headers.clone();
            own.each(|name, value| {
                header_names::insert(&mut headers, name.clone(), value);
            });
            let sent = self.client.post(url.clone()).headers(headers).body(body).send().await;
            let response: Response<reqwest::Body> = sent.map_err(|error| broken(&error))?.into();
            Ok(response.map(|body| {
                let pieces = BodyDataStream::new(body);
                Box::pin(
                    pieces.map(|piece| piece.map_err(|error| FailureCause::of(TransportPhase::Read, &error))),
                ) as ResponseBody
            }))
        })
    }

    fn check<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        let asked = self.client.get(url.clone()).headers(self.headers.clone()).timeout(CHECK_TIME);
        Box::pin(async move { asked.send().await.is_ok() })
    }

    fn fetch<'a>(&'a self, url: &'a Url, body: Option<Bytes>) -> Fetching<'a> {
        let asked = match body {
            Some(body) => self.client.post(url.clone()).body(body),
            None => self.client.get(url.clone()),
        };
        // The next question comes in minutes.
        let asked =
            asked.headers(self.headers.clone()).header(header::CONNECTION, "close").timeout(CHECK_TIME);
        Box::pin(async move {
            let mut answer = asked.send().await.ok()?;
            let mut body = BytesMut::new();
            match answer.status() {
                http::StatusCode::OK => {}
                http::StatusCode::SERVICE_UNAVAILABLE => return None,
                _ => return Some(Bytes::new()),
            }
            while let Some(piece) = answer.chunk().await.ok()? {
                body.extend_from_slice(&piece);
                if body.len() > LARGEST_FETCH {
                    return Some(Bytes::new());
                }
            }
            Some(body.freeze())
        })
    }
}

/// A client for the endpoints of a model.
///
/// # Errors
/// A proxy or certificate that cannot be used.
pub(super) fn client(
    timeouts: &AttemptTimeouts,
    proxy: Option<&Secret>,
    authority: Option<&CertificateAuthority>,
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

/// What became of a failed request, and with it whether it can have reached the provider.
fn broken(error: &reqwest::Error) -> AttemptError {
    let what = match error {
        error if error.is_connect() || error.is_builder() => AttemptErrorKind::ConnectFailed,
        error if turned_away(error) => AttemptErrorKind::RefusedStream,
        _ => AttemptErrorKind::ConnectionLost,
    };
    AttemptError::caused(what, FailureCause::of(phase(error), error))
}

/// What was being done. The client tells in words alone what kind of connecting failed.
fn phase(error: &reqwest::Error) -> TransportPhase {
    let mut causes = causes(error);
    if !error.is_connect() {
        let cannot_write = |error: &&(dyn Error + 'static)| {
            error
                .downcast_ref::<std::io::Error>()
                .is_some_and(|it| it.kind() == std::io::ErrorKind::BrokenPipe)
        };
        return if causes.any(|error| cannot_write(&error)) {
            TransportPhase::Write
        } else {
            TransportPhase::Read
        };
    }
    causes.find_map(connecting).unwrap_or(TransportPhase::Connect)
}

fn connecting(error: &(dyn Error + 'static)) -> Option<TransportPhase> {
    if is_of_tls(error) {
        return Some(TransportPhase::Tls);
    }
    match error.to_string() {
        words if words == "dns error" => Some(TransportPhase::Dns),
        words if words.starts_with("tls ") => Some(TransportPhase::Tls),
        _ => None,
    }
}

/// Whether it is rustls' own. Errors of the system may hold one within another, of which their sources say nothing.
fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let within = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || within.is_some_and(|within| is_of_tls(within))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

/// HTTP/2 has two words for a request that was not looked at: a stream that is refused, and the end of a connection that
/// names an earlier stream as the last (RFC 9113, sections 8.7 and 6.8). `h2` gives the second to those streams alone.
fn turned_away(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|error| error.downcast_ref::<h2::Error>()).any(|error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    })
}
