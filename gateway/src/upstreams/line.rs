//! Connections to an endpoint in plain HTTP/1.1: a model on the same machine or network. Each is driven by the task of the
//! request that has it, so that nothing is handed from task to task; measured beside nginx (`make speed`), that is a
//! large part of what a general client costs.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use crate::setback::Happened;

/// Connections that are kept for the next request, and for how long.
const MOST_IDLE: usize = 256;
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// How often those that nobody wanted are looked through.
const SWEEP: Duration = Duration::from_secs(15);
/// Bytes of a head, and of a body at a time, that one connection may hold.
const LARGEST_BUFFER: usize = 128 << 10;

/// The connections to one endpoint.
pub(super) struct Lines {
    uri: Uri,
    host: HeaderValue,
    connector: HttpConnector,
    patience: Duration,
    idle: Mutex<Vec<Idle>>,
    /// Whether somebody looks through them.
    swept: AtomicBool,
}

struct Idle {
    line: Line,
    since: Instant,
}

/// A connection.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
}

impl Lines {
    /// To the host of this address, which begins with `http:`; `None` where it has no host that a header can name.
    pub(super) fn to(url: &Url, patience: Duration) -> Option<Arc<Self>> {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str()?);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience));
        Some(Arc::new(Self {
            uri: format!("http://{host}/").parse().ok()?,
            host: host.parse().ok()?,
            connector,
            patience,
            idle: Mutex::default(),
            swept: AtomicBool::new(false),
        }))
    }

    /// Sends a request to a path of the endpoint, over a connection that is at hand or a new one.
    ///
    /// # Errors
    /// [`Happened::Unreachable`] where nothing can have been looked at, otherwise [`Happened::Cut`].
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Flow>, Happened> {
        request.headers_mut().insert(header::HOST, self.host.clone());
        loop {
            let (mut line, used) = match self.at_hand() {
                Some(line) => (line, true),
                None => (self.connect().await?, false),
            };
            match line.ask(request).await {
                Ok(response) => {
                    let (head, incoming) = response.into_parts();
                    let flow = Flow { incoming, line: Some(line), home: Arc::downgrade(self) };
                    return Ok(Response::from_parts(head, flow));
                }
                // The peer closed the connection while nobody used it: not a byte of the request has left.
                Err(Some(unsent)) if used => request = unsent,
                Err(Some(_)) => return Err(Happened::Unreachable),
                Err(None) => return Err(Happened::Cut),
            }
        }
    }

    /// A connection that the peer has not closed, as far as is known here.
    fn at_hand(&self) -> Option<Line> {
        let now = Instant::now();
        loop {
            let Idle { mut line, since } = self.idle().pop()?;
            if now.duration_since(since) < LONGEST_IDLE && line.is_ready() {
                return Some(line);
            }
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<Line, Happened> {
        let connecting = async {
            let io = self.connector.clone().oneshot(self.uri.clone()).await.ok()?;
            Builder::new().max_buf_size(LARGEST_BUFFER).handshake(io).await.ok()
        };
        let made = timeout(self.patience, connecting).await;
        let (sender, connection) = made.ok().flatten().ok_or(Happened::Unreachable)?;
        Ok(Line { sender, driver: Driver(Some(Box::pin(connection))) })
    }

    fn keep(self: &Arc<Self>, line: Line) {
        let mut idle = self.idle();
        if !self.swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        if idle.len() < MOST_IDLE {
            idle.push(Idle { line, since: Instant::now() });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that nobody wanted, until there are none.
async fn sweep(lines: Weak<Lines>) {
    loop {
        sleep(SWEEP).await;
        let Some(lines) = lines.upgrade() else { return };
        let now = Instant::now();
        let mut idle = lines.idle();
        idle.retain_mut(|idle| now.duration_since(idle.since) < LONGEST_IDLE && idle.line.is_ready());
        if idle.is_empty() {
            // Still under the lock: whoever brings the next one sees it.
            return lines.swept.store(false, Ordering::Relaxed);
        }
    }
}

impl Line {
    /// The request, where nothing of it has left, and otherwise `None`, on an error.
    async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Option<Request<Full<Bytes>>>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            // The request goes to the connection, which must be driven before there can be an answer.
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            self.driver.drive(cx);
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|mut error| error.take_message())
    }

    /// Whether it can take another request. Whoever was to be woken by it is so no more.
    fn is_ready(&mut self) -> bool {
        self.driver.drive(&mut Context::from_waker(Waker::noop()));
        self.sender.is_ready()
    }
}

/// What reads and writes; `None` once it has ended.
struct Driver(Option<Pin<Box<Wired>>>);

type Wired = Connection<TokioIo<TcpStream>, Full<Bytes>>;

impl Driver {
    fn drive(&mut self, cx: &mut Context<'_>) {
        // An error of the connection is told to whoever waits for the answer.
        if self.0.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
            self.0 = None;
        }
    }
}

/// The body of an answer. At its end the connection goes back; dropped before, it is closed.
pub(super) struct Flow {
    incoming: Incoming,
    line: Option<Line>,
    home: Weak<Lines>,
}

impl Flow {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Flow {
    type Item = Result<Bytes, hyper::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let mut next = this.poll_frame(cx);
        if let (Poll::Pending, Some(line)) = (&next, &mut this.line) {
            line.driver.drive(cx);
            next = this.poll_frame(cx);
        }
        if let Poll::Ready(None) = &next
            && let (Some(mut line), Some(home)) = (this.line.take(), this.home.upgrade())
            && line.is_ready()
        {
            home.keep(line);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn request() -> Request<Full<Bytes>> {
        Request::post("/v1/x").body(Full::new(Bytes::from_static(b"{}"))).unwrap()
    }

    async fn listen() -> (TcpListener, Arc<Lines>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let lines = Lines::to(&url.parse().unwrap(), PATIENCE).unwrap();
        (listener, lines)
    }

    /// Reads a request, head and body, and answers it.
    async fn answer(peer: &mut TcpStream, answer: &str) -> String {
        let mut came = Vec::new();
        while !came.ends_with(b"\r\n\r\n{}") {
            assert!(peer.read_buf(&mut came).await.unwrap() > 0, "{}", String::from_utf8_lossy(&came));
        }
        peer.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(came).unwrap()
    }

    async fn body(flow: &mut Flow) -> Result<String, hyper::Error> {
        let mut body = Vec::new();
        while let Some(piece) = flow.next().await {
            body.extend_from_slice(&piece?);
        }
        Ok(String::from_utf8(body).unwrap())
    }

    const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let (listener, lines) = listen().await;
        let peer = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            let first = answer(&mut peer, HELLO).await;
            answer(&mut peer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
                .await;
            answer(&mut peer, HELLO).await;
            first
        });
        for expected in ["hello", "hi", "hello"] {
            let mut response = lines.send(request()).await.unwrap();
            assert_eq!(body(response.body_mut()).await.unwrap(), expected);
        }
        let first = peer.await.unwrap();
        assert!(first.starts_with("POST /v1/x HTTP/1.1\r\n"), "{first}");
        assert!(first.contains(&format!("host: {}\r\n", lines.host.to_str().unwrap())), "{first}");
    }

    #[tokio::test]
    async fn one_that_the_peer_has_closed_is_not() {
        let (listener, lines) = listen().await;
        for _ in 0..3 {
            let lines = Arc::clone(&lines);
            let asked =
                tokio::spawn(async move { body(lines.send(request()).await.unwrap().body_mut()).await });
            let (mut peer, _) = listener.accept().await.unwrap();
            answer(&mut peer, HELLO).await;
            assert_eq!(asked.await.unwrap().unwrap(), "hello");
            // The peer's end is closed here, and the reactor hears of it before the next request.
            drop(peer);
            sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_dropped_closes_its_connection() {
        let (listener, lines) = listen().await;
        let peer = tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            answer(&mut peer, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await;
            let mut rest = Vec::new();
            // A reset is as good as an end.
            let _ = peer.read_to_end(&mut rest).await;
            rest
        });
        let mut response = lines.send(request()).await.unwrap();
        assert_eq!(response.body_mut().next().await.unwrap().unwrap(), "hello");
        drop(response);
        assert!(peer.await.unwrap().is_empty());
        assert!(lines.idle().is_empty());
    }

    #[tokio::test]
    async fn what_cannot_have_been_looked_at_is_told_apart() {
        let (listener, lines) = listen().await;
        let asked = tokio::spawn({
            let lines = Arc::clone(&lines);
            async move { lines.send(request()).await.map(drop) }
        });
        let (mut peer, _) = listener.accept().await.unwrap();
        answer(&mut peer, "").await;
        drop(peer);
        assert_eq!(asked.await.unwrap(), Err(Happened::Cut));
        drop(listener);
        assert_eq!(lines.send(request()).await.map(drop), Err(Happened::Unreachable));
    }

    #[tokio::test]
    async fn a_body_that_ends_too_early_is_an_error() {
        let (listener, lines) = listen().await;
        tokio::spawn(async move {
            let (mut peer, _) = listener.accept().await.unwrap();
            answer(&mut peer, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await;
        });
        let mut response = lines.send(request()).await.unwrap();
        assert!(body(response.body_mut()).await.is_err());
        assert!(lines.idle().is_empty());
    }
}
