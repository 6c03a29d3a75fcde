//! One client's connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::PortLimits;
use super::refused_head::{HeadWatch, RefuseHead, say_last};
use super::socket::{ClientSocket, left};
use crate::body::GatewayBody;
use crate::endpoint;
use crate::error::ApiError;
use crate::error_response::error_response;
use upstreams::request_id::RequestId;

/// How long a client that came in last may take to send its request.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// What a connection in HTTP/2 begins with (RFC 9113, section 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// What all connections of a port share.
pub(super) struct ServerState<F> {
    pub(super) http: Builder<TokioExecutor>,
    /// For who speaks HTTP/1 beyond doubt.
    pub(super) http1: Builder<TokioExecutor>,
    pub(super) limits: PortLimits,
    /// The port will close: answers ask their clients to connect anew, elsewhere.
    pub(super) leaving: AtomicBool,
    /// Idle connections close, the others after the request that is under way.
    pub(super) closing: watch::Sender<bool>,
    pub(super) answer: F,
    pub(super) refuse: RefuseHead,
}

/// Answers the requests of a connection until it ends, or until the client is gone: then whatever is under way for it is
/// dropped, and with it its upstream connections.
pub(super) async fn converse<F, A>(port: Arc<ServerState<F>>, stream: TcpStream)
where
    F: Fn(Request<Incoming>, RequestId) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
{
    let stream = Arc::new(stream);
    let (mut first_head, mut closing) = (pin!(sleep(port.limits.head)), Some(port.closing.subscribe()));
    let http = loop {
        tokio::select! {
            biased;
            http1 = begins_http1(&stream) => break if http1 { &port.http1 } else { &port.http },
            () = first_head.as_mut() => return,
            () = closed(&mut closing), if closing.is_some() => {
                closing = None;
                first_head.as_mut().reset(Instant::now() + LAST_REQUEST);
            }
        }
    };
    let heads = Arc::new(HeadWatch::default());
    let io = TokioIo::new(ClientSocket::new(Arc::clone(&stream), port.limits.stall, Arc::clone(&heads)));
    let asked = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        answer(Arc::clone(&port), request)
    });
    let (mut connection, mut awaiting) = (pin!(http.serve_connection(io, service)), true);
    let ended = loop {
        tokio::select! {
            biased;
            // A connection's error is the peer's: there is nobody left to tell, but for who sent a head that cannot be read.
            ended = connection.as_mut() => break ended,
            () = left(&stream) => return,
            // hyper limits the time of a head only once it knows which protocol this is.
            () = first_head.as_mut(), if awaiting => {
                awaiting = false;
                if !asked.load(Ordering::Relaxed) {
                    return;
                }
                if closing.is_none() {
                    connection.as_mut().graceful_shutdown();
                }
            }
            () = closed(&mut closing), if closing.is_some() => {
                closing = None;
                if asked.load(Ordering::Relaxed) {
                    connection.as_mut().graceful_shutdown();
                } else {
                    // The kernel let it in before the port closed: its request may be on its way.
                    awaiting = true;
                    first_head.as_mut().reset(Instant::now() + LAST_REQUEST);
                }
            }
        }
    };
    if let Some(head) = ended.err().and_then(|error| heads.refused(&error.to_string())) {
        // Its own place: few connections end so, and all would keep the room for it.
        Box::pin(say_last(&stream, &(port.refuse)(&head), port.limits.stall)).await;
    }
}

/// Looks at what comes first, and leaves it there. Where it is found out by reading, what was read stands in the way of the
/// rest, and the connection keeps a buffer of twice the size.
async fn begins_http1(stream: &TcpStream) -> bool {
    let mut first = [0; 4];
    match stream.peek(&mut first).await {
        Ok(length) => !HTTP2.starts_with(&first[..length]),
        Err(_) => false,
    }
}

async fn closed(closing: &mut Option<watch::Receiver<bool>>) {
    if let Some(closing) = closing {
        let _ = closing.wait_for(|closing| *closing).await;
    }
}

async fn answer<F, A>(
    port: Arc<ServerState<F>>,
    request: Request<Incoming>,
) -> Result<Response<GatewayBody>, Infallible>
where
    F: Fn(Request<Incoming>, RequestId) -> A,
    A: Future<Output = Result<Response<GatewayBody>, Infallible>>,
{
    let version = request.version();
    let id = RequestId::from_headers(request.headers());
    let vendor = endpoint::vendor(request.uri().path(), request.headers());
    // The handler is called within the future, so that a panic of either is caught.
    let answered = AssertUnwindSafe(async { (port.answer)(request, id.clone()).await }).catch_unwind().await;
    // Whatever the request held is dropped: what it shares with others is whole at every step.
    let mut response = match answered {
        Ok(response) => response?,
        Err(_) => error_response(&ApiError::Internal, vendor, &id),
    };
    if port.leaving.load(Ordering::Relaxed) && version <= Version::HTTP_11 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
