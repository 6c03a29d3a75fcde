//! Sockets to requests: accept, HTTP/1.1 and HTTP/2 with their limits, and an orderly end.
//!
//! A port closes in three steps, so that nothing that was accepted is lost:
//!
//! 1. It still accepts, for as long as load balancers need to notice that we are not ready; each answer asks its client
//!    to close the connection.
//! 2. It accepts no more; requests under way are finished, idle connections closed.
//! 3. At the end of the grace period the shutdown deadline expires: what is left is broken off with an error.

mod connection;
mod refused_head;
mod socket;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::connection::{ServerState, converse};
pub use self::refused_head::{RefuseHead, RefusedHead};
use crate::body::GatewayBody;
use crate::shutdown_deadline::ShutdownDeadline;
use upstreams::request_id::RequestId;

/// After this pause a failed accept (no file descriptors left, say) is tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 64 << 10;
/// HTTP/2: streams on one connection, and bytes that one connection may make us hold.
const STREAMS: u32 = 256;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const SEND_BUFFER: usize = 64 << 10;
/// How long a load balancer may take to notice that we are not ready: Kubernetes asks every few seconds.
const NOTICE: Duration = Duration::from_secs(5);
/// On the loopback interface nobody balances loads; clients with a connection get so long to send their next request.
const LOCAL_NOTICE: Duration = Duration::from_secs(1);
/// Time for the last words once the shutdown deadline has expired.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Limits of one port.
#[derive(Debug, Clone, Copy)]
pub struct PortLimits {
    /// Until the head of the first request is there, and of each further one from its first byte.
    pub head: Duration,
    /// Connections at once.
    pub connections: usize,
    /// How long requests may go on once the port is closing.
    pub grace: Duration,
    /// How long a client may leave us waiting to write to it.
    pub stall: Duration,
}

/// Connections that wait in the kernel's queue of a shared port; as many as tokio allows any other.
#[cfg(target_os = "linux")]
const BACKLOG: u32 = 1024;

/// Answers requests of a port until `shutdown`, then closes it within the grace period, at whose end `shutdown_deadline`
/// expires.
///
/// A head that cannot be read is answered by `refuse`. A panic in `answer` is a fault of this build: its request gets a 500, and no other notices.
pub async fn serve<F, A>(
    listener: TcpListener,
    limits: PortLimits,
    shutdown: impl Future<Output = ()> + Send,
    shutdown_deadline: ShutdownDeadline,
    (answer, refuse): (F, RefuseHead),
) where
    F: Fn(Request<Incoming>, RequestId) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
{
    let (http, leaving) = (http(limits.head), AtomicBool::new(false));
    let http1 = http.clone().http1_only();
    let port = Arc::new(ServerState {
        http,
        http1,
        limits,
        leaving,
        closing: watch::Sender::new(false),
        answer,
        refuse,
    });
    let mut door = ConnectionAcceptor {
        listener,
        places: Arc::new(Semaphore::new(limits.connections)),
        inside: JoinSet::new(),
    };
    tokio::select! {
        () = door.keep_open(&port) => {}
        () = shutdown => {}
    }
    let end = Instant::now() + limits.grace;
    port.leaving.store(true, Ordering::Relaxed);
    door.give_notice(&port, end).await;
    let mut inside = door.close(&port);
    let _ = port.closing.send(true);
    if tokio::time::timeout_at(end, empty(&mut inside)).await.is_err() {
        shutdown_deadline.expire();
        let _ = timeout(LAST_WORDS, empty(&mut inside)).await;
    }
    inside.shutdown().await;
}

/// A listener, and the connections that came in through it.
struct ConnectionAcceptor {
    listener: TcpListener,
    places: Arc<Semaphore>,
    inside: JoinSet<()>,
}

impl ConnectionAcceptor {
    /// Lets connections in, and never ends.
    async fn keep_open<F, A>(&mut self, port: &Arc<ServerState<F>>)
    where
        F: Fn(Request<Incoming>, RequestId) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
    {
        loop {
            tokio::select! {
                accepted = accept(&self.listener, &self.places) => self.admit(port, accepted),
                Some(_) = self.inside.join_next() => {}
            }
        }
    }

    /// Goes on until load balancers have noticed; where there is none, until nobody is inside.
    async fn give_notice<F, A>(&mut self, port: &Arc<ServerState<F>>, end: Instant)
    where
        F: Fn(Request<Incoming>, RequestId) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
    {
        let local = self.listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let noticed =
            end.min(Instant::now() + if local { LOCAL_NOTICE } else { NOTICE.min(port.limits.grace / 5) });
        loop {
            while self.inside.try_join_next().is_some() {}
            if local && self.inside.is_empty() {
                return;
            }
            tokio::select! {
                accepted = accept(&self.listener, &self.places) => self.admit(port, accepted),
                Some(_) = self.inside.join_next() => {}
                () = sleep_until(noticed) => return,
            }
        }
    }

    /// Lets in whom the kernel has let in already, and nobody else.
    fn close<F, A>(mut self, port: &Arc<ServerState<F>>) -> JoinSet<()>
    where
        F: Fn(Request<Incoming>, RequestId) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
    {
        while let Some(Some(accepted)) = accept(&self.listener, &self.places).now_or_never() {
            self.admit(port, Some(accepted));
        }
        self.inside
    }

    fn admit<F, A>(&mut self, port: &Arc<ServerState<F>>, accepted: Option<(TcpStream, OwnedSemaphorePermit)>)
    where
        F: Fn(Request<Incoming>, RequestId) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Response<GatewayBody>, Infallible>> + Send + 'static,
    {
        let Some((stream, place)) = accepted else { return };
        let port = Arc::clone(port);
        self.inside.spawn(async move {
            converse(port, stream).await;
            drop(place);
        });
    }
}

async fn empty(inside: &mut JoinSet<()>) {
    while inside.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
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
        // And of at most 100 headers, as it is: told so, hyper takes memory for that many with every request.
        .max_buf_size(LARGEST_HEAD);
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
    TcpListener::bind(address).await.map_err(|e| cannot_listen(address, &e))
}

/// Binds a port that another process may have bound in the same way, and which it may hand over by closing it: the kernel
/// gives each new connection to one of the two. Processes of one user only (`SO_REUSEPORT`).
///
/// # Errors
/// With the address in words; also where somebody has bound it by [`bind`], or the system cannot share ports.
pub async fn bind_shared(address: SocketAddr) -> io::Result<TcpListener> {
    shared(address).map_err(|e| cannot_listen(address, &e))
}

#[cfg(target_os = "linux")]
fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    use tokio::net::TcpSocket;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Elsewhere the flag of this name lets the last one take all connections, or lets strangers in.
#[cfg(not(target_os = "linux"))]
fn shared(_: SocketAddr) -> io::Result<TcpListener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux can share a port between two gateways"))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
}
