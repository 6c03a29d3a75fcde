//! Sockets to requests: accept, HTTP/1.1 and HTTP/2 with their limits, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::body::Body;

/// After this pause a failed accept (no file descriptors left, say) is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Request head: bytes and headers.
const LARGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 100;
/// HTTP/2: streams on one connection, and bytes that one connection may make us hold.
const STREAMS: u32 = 256;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const SEND_BUFFER: usize = 64 << 10;

/// Limits of one port.
#[derive(Debug, Clone, Copy)]
pub struct PortLimits {
    /// Until the first byte, and until the head of each request is there.
    pub head: Duration,
    /// Connections at once.
    pub connections: usize,
    /// How long requests may go on once the port is closing.
    pub grace: Duration,
}

/// Answers requests of a port until `shutdown`, then finishes those under way within the grace period.
pub async fn serve<F, A>(
    listener: TcpListener,
    limits: PortLimits,
    shutdown: impl Future<Output = ()> + Send,
    answer: F,
) where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections));
    let http = http(limits.head);
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, place)) = accepted else { continue };
        let (http, answer, watcher) = (http.clone(), answer.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _place = place;
            // The protocol is told apart by the first bytes, which hyper-util awaits without a limit of its own.
            if !matches!(timeout(limits.head, stream.readable()).await, Ok(Ok(()))) {
                return;
            }
            let connection = http.serve_connection(TokioIo::new(stream), service_fn(answer)).into_owned();
            // A connection's error is the peer's: there is nobody left to tell.
            let _ = watcher.watch(connection).await;
        });
    }
    drop(listener);
    let _ = timeout(limits.grace, graceful.shutdown()).await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // A place first: connections beyond the limit wait in the kernel's queue.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Without it a peer on keep-alive waits 40 ms for what Nagle's algorithm holds back.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(_) => {
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn http(head: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(LARGEST_HEAD as u32)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Binds a port.
///
/// # Errors
/// With the address in words.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}")))
}
