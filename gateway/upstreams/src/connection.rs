//! Connections to an endpoint in plain HTTP/1.1: a model on the same machine or network. Each is driven by whoever waits
//! for its answer, and nothing is handed from task to task.
//!
//! They are of our own because of what a client for everything costs here. Measured beside nginx (`make speed`,
//! `make instructions`), reqwest's pool and tasks took as long as all of the gateway's own work. hyper's connection,
//! driven from here, still took an eighth of the instructions of a request and two thirds of the memory of a slow stream:
//! a queue, a buffer to write and one to read for as long as the answer lasts. Whatever has TLS, HTTP/2 or a proxy goes
//! through reqwest.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, Response, Uri, header};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use super::http1::{BodyEvent, Framing, MalformedResponse, ResponseHead, write_header};
use super::outgoing_request::OutgoingRequest;
use super::transport::RequestHeaders;
use crate::attempt_error::{AttemptError, AttemptErrorKind, FailureCause, TransportPhase};

/// Connections that are kept for the next request, and for how long.
const MOST_IDLE: usize = 256;
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// So long before its peer would close a connection no request is sent over it: the two would meet on the way.
const MARGIN: Duration = Duration::from_secs(1);
/// How often those that nobody wanted are looked through.
const SWEEP: Duration = Duration::from_secs(15);
/// A buffer's room when something comes, in bytes: at first, and within what bounds it follows what does come. A stream that
/// waits for its next chunk keeps the least.
const FIRST_ROOM: usize = 8 << 10;
const LEAST_ROOM: usize = 4 << 10;
const LARGEST_ROOM: usize = 128 << 10;
/// Where so much is left, it is enough.
const ROOM_ENOUGH: usize = 2 << 10;
/// A body of so many bytes goes along with the head.
const SMALL_BODY: usize = 16 << 10;

/// The connections to one endpoint.
pub(super) struct ConnectionPool {
    uri: Uri,
    /// What the head of every request says after its first line.
    common: Vec<u8>,
    /// Headers of the configuration that a request may have of its own.
    replaceable: HeaderMap,
    connector: HttpConnector,
    patience: Duration,
    idle: Mutex<Vec<IdleConnection>>,
    /// Whether somebody looks through them.
    swept: AtomicBool,
}

struct IdleConnection {
    line: UpstreamConnection,
    until: Instant,
}

impl IdleConnection {
    fn is_usable(&self, now: Instant) -> bool {
        now < self.until && self.line.is_quiet()
    }
}

impl ConnectionPool {
    /// To the host of this address, which begins with `http:`, with these headers in each request; `None` where it has no
    /// host that a header can name.
    pub(super) fn to(url: &Url, headers: &HeaderMap, patience: Duration) -> Option<Arc<Self>> {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str()?);
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience));
        let (mut common, mut replaceable) = (Vec::new(), HeaderMap::new());
        write_header(&mut common, &header::HOST, host.as_bytes());
        for (name, value) in headers {
            if RequestHeaders::may_have(name) {
                replaceable.insert(name, value.clone());
            } else {
                write_header(&mut common, name, value.as_bytes());
            }
        }
        Some(Arc::new(Self {
            uri: format!("http://{host}/").parse().ok()?,
            common,
            replaceable,
            connector,
            patience,
            idle: Mutex::default(),
            swept: AtomicBool::new(false),
        }))
    }

    /// Posts a body to an address of the endpoint, over a connection that is at hand or a new one.
    ///
    /// # Errors
    /// [`AttemptErrorKind::ConnectFailed`] where nothing can have been looked at, otherwise [`AttemptErrorKind::ConnectionLost`].
    pub(super) async fn post(
        self: &Arc<Self>,
        url: &Url,
        own: &RequestHeaders<'_>,
        body: Bytes,
    ) -> Result<Response<BuiltinBody>, AttemptError> {
        let mut letter = self.letter(url, own, body);
        loop {
            let (mut line, used) = match self.at_hand() {
                Some(line) => (line, true),
                None => (self.connect().await?, false),
            };
            match line.ask(&mut letter).await {
                Ok(head) => return Ok(self.answer(head, line, letter)),
                // The peer closed the connection while nobody used it: not a byte of the request has left.
                Err(_) if letter.sent == 0 && used => {}
                Err(cause) if letter.sent == 0 => {
                    return Err(AttemptError::caused(AttemptErrorKind::ConnectFailed, cause));
                }
                Err(cause) => return Err(AttemptError::caused(AttemptErrorKind::ConnectionLost, cause)),
            }
        }
    }

    fn letter(&self, url: &Url, own: &RequestHeaders<'_>, mut body: Bytes) -> OutgoingRequest {
        let small = if body.len() <= SMALL_BODY { body.split_off(0) } else { Bytes::new() };
        let mut head = Vec::with_capacity(url.as_str().len() + self.common.len() + small.len() + 256);
        head.extend_from_slice(b"POST ");
        head.extend_from_slice(url.path().as_bytes());
        if let Some(query) = url.query() {
            head.push(b'?');
            head.extend_from_slice(query.as_bytes());
        }
        head.extend_from_slice(b" HTTP/1.1\r\n");
        head.extend_from_slice(&self.common);
        own.each(|name, value| write_header(&mut head, name, value));
        for (name, value) in &self.replaceable {
            if !own.has(name) {
                write_header(&mut head, name, value.as_bytes());
            }
        }
        let length = small.len() + body.len();
        write_header(&mut head, &header::CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes());
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(&small);
        OutgoingRequest { head, body, sent: 0 }
    }

    fn answer(
        self: &Arc<Self>,
        head: ResponseHead,
        mut line: UpstreamConnection,
        letter: OutgoingRequest,
    ) -> Response<BuiltinBody> {
        line.kept = head.kept.or(line.kept);
        // Who answers before it has read the request may close the connection at any time.
        let home = if head.stays_open && letter.is_sent() { Arc::downgrade(self) } else { Weak::new() };
        let unsent = (!letter.is_sent()).then(|| Box::new(letter));
        let mut response =
            Response::new(BuiltinBody { framing: head.framing, line: Some(line), unsent, home });
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }

    /// A connection that the peer has not closed, as far as is known here.
    fn at_hand(&self) -> Option<UpstreamConnection> {
        let now = Instant::now();
        loop {
            let idle = self.idle().pop()?;
            if idle.is_usable(now) {
                return Some(idle.line);
            }
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<UpstreamConnection, AttemptError> {
        let connecting = self.connector.clone().oneshot(self.uri.clone());
        match timeout(self.patience, connecting).await {
            Ok(Ok(io)) => Ok(UpstreamConnection {
                stream: io.into_inner(),
                came: BytesMut::new(),
                room: FIRST_ROOM,
                kept: None,
            }),
            Ok(Err(error)) => {
                // The connector tells in words alone what kind of connecting failed.
                let phase = if error.to_string() == "dns error" {
                    TransportPhase::Dns
                } else {
                    TransportPhase::Connect
                };
                Err(AttemptError::caused(AttemptErrorKind::ConnectFailed, FailureCause::of(phase, &error)))
            }
            Err(late) => Err(AttemptError::caused(
                AttemptErrorKind::ConnectFailed,
                FailureCause::of(TransportPhase::Connect, &late),
            )),
        }
    }

    fn keep(self: &Arc<Self>, line: UpstreamConnection) {
        let mut idle = self.idle();
        if !self.swept.swap(true, Ordering::Relaxed) {
            #[expect(clippy::disallowed_methods, reason = "ends with what it sweeps")]
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        if idle.len() < MOST_IDLE {
            let kept = line.kept.map_or(LONGEST_IDLE, |kept| kept.saturating_sub(MARGIN).min(LONGEST_IDLE));
            idle.push(IdleConnection { line, until: Instant::now() + kept });
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<IdleConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that nobody wanted, until there are none.
async fn sweep(lines: Weak<ConnectionPool>) {
    loop {
        sleep(SWEEP).await;
        let Some(lines) = lines.upgrade() else { return };
        let now = Instant::now();
        let mut idle = lines.idle();
        idle.retain(|idle| idle.is_usable(now));
        if idle.is_empty() {
            // Still under the lock: whoever brings the next one sees it.
            return lines.swept.store(false, Ordering::Relaxed);
        }
    }
}

/// A connection.
struct UpstreamConnection {
    stream: TcpStream,
    /// What came and was not looked at.
    came: BytesMut,
    /// Room for what comes next, in bytes.
    room: usize,
    /// How long the peer keeps it while it is idle, where it has said so.
    kept: Option<Duration>,
}

impl UpstreamConnection {
    /// Sends a request, and reads up to the body of its answer.
    async fn ask(&mut self, letter: &mut OutgoingRequest) -> Result<ResponseHead, FailureCause> {
        let mut refused = None;
        std::future::poll_fn(|cx| {
            // Some answer before they have read all, and close their ear: the answer counts.
            if refused.is_none()
                && let Poll::Ready(Err(error)) = letter.poll_send(&mut self.stream, cx)
            {
                let cause = FailureCause::of(TransportPhase::Write, &error);
                if letter.sent == 0 {
                    return Poll::Ready(Err(cause));
                }
                refused = Some(cause);
            }
            loop {
                if let Some(head) = ResponseHead::take(&mut self.came).map_err(|_| no_answer())? {
                    return Poll::Ready(Ok(head));
                }
                match ready!(self.poll_read(cx)) {
                    Ok(1..) => {}
                    Ok(0) => return Poll::Ready(Err(refused.take().unwrap_or_else(early_end))),
                    Err(error) => {
                        let cause = || FailureCause::of(TransportPhase::Read, &error);
                        return Poll::Ready(Err(refused.take().unwrap_or_else(cause)));
                    }
                }
            }
        })
        .await
    }

    /// Reads what is here.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Nobody makes room for what has not come.
        ready!(self.stream.poll_read_ready(cx))?;
        if self.came.capacity() - self.came.len() < ROOM_ENOUGH {
            self.came.reserve(self.room);
        }
        let left = self.came.capacity() - self.came.len();
        let read = ready!(pin!(self.stream.read_buf(&mut self.came)).poll(cx))?;
        if read == left {
            self.room = (2 * self.room).min(LARGEST_ROOM);
        } else if 4 * read < self.room {
            self.room = (self.room / 2).max(LEAST_ROOM);
        }
        Poll::Ready(Ok(read))
    }

    /// Gives up a buffer of more than `most` bytes with nothing in it.
    fn release(&mut self, most: usize) {
        if self.came.is_empty() && self.came.capacity() > most {
            self.came = BytesMut::new();
        }
    }

    /// Whether nothing has come that nobody asked for, such as an end.
    fn is_quiet(&self) -> bool {
        let nothing = self.stream.try_read(&mut [0]);
        self.came.is_empty() && matches!(nothing, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Makes it ready to be kept: without a large buffer, and without waking anyone.
    fn rest(&mut self) {
        self.release(FIRST_ROOM);
        let _ = self.stream.poll_read_ready(&mut Context::from_waker(Waker::noop()));
    }
}

/// The body of an answer. At its end the connection goes back; dropped before, it is closed.
pub(super) struct BuiltinBody {
    framing: Framing,
    line: Option<UpstreamConnection>,
    /// What is left of a request whose answer has begun before its end.
    unsent: Option<Box<OutgoingRequest>>,
    /// Where the connection goes; nowhere if it cannot be used again.
    home: Weak<ConnectionPool>,
}

impl BuiltinBody {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FailureCause>>> {
        let Some(line) = &mut self.line else { return Poll::Ready(None) };
        if let Some(letter) = &mut self.unsent
            && letter.poll_send(&mut line.stream, cx).is_ready()
        {
            self.unsent = None;
        }
        let cause = loop {
            match self.framing.take(&mut line.came) {
                Ok(BodyEvent::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
                Ok(BodyEvent::End) => {
                    self.give_back();
                    return Poll::Ready(None);
                }
                Ok(BodyEvent::Wanting) => {}
                Err(MalformedResponse) => break no_answer(),
            }
            match line.poll_read(cx) {
                Poll::Pending => {
                    line.release(LEAST_ROOM);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) if self.framing.ends_with_connection() => {
                    self.line = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(Ok(0)) => break early_end(),
                Poll::Ready(Err(error)) => break FailureCause::of(TransportPhase::Read, &error),
            }
        };
        self.line = None;
        Poll::Ready(Some(Err(cause)))
    }

    fn give_back(&mut self) {
        let (Some(mut line), Some(home)) = (self.line.take(), self.home.upgrade()) else { return };
        // More than was asked for: it says nothing that could be understood.
        if line.came.is_empty() {
            line.rest();
            if line.is_quiet() {
                home.keep(line);
            }
        }
    }
}

impl Stream for BuiltinBody {
    type Item = Result<Bytes, FailureCause>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

fn early_end() -> FailureCause {
    FailureCause::new(TransportPhase::Read, "the connection ended before the answer did")
}

fn no_answer() -> FailureCause {
    FailureCause::new(TransportPhase::Read, "what came is no HTTP/1.1")
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use http::{HeaderName, HeaderValue};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::task::yield_now;

    use super::*;
    use crate::header_names;
    use crate::request_id::RequestId;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A peer, and how it is reached.
    struct Site {
        listener: TcpListener,
        url: Url,
        lines: Arc<ConnectionPool>,
    }

    impl Site {
        async fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url: Url = format!("http://{}/v1/x", listener.local_addr().unwrap()).parse().unwrap();
            let lines = ConnectionPool::to(&url, &HeaderMap::new(), PATIENCE).unwrap();
            Self { listener, url, lines }
        }

        fn asked(&self) -> tokio::task::JoinHandle<Result<String, Option<AttemptErrorKind>>> {
            self.asked_with(Bytes::from_static(b"{}"))
        }

        /// Waits until what a peer did to an idle connection has come here.
        async fn hears_of_it(&self) {
            assert_eq!(self.lines.idle().len(), 1);
            let heard = async {
                while self.lines.idle()[0].line.is_quiet() {
                    yield_now().await;
                }
            };
            timeout(PATIENCE, heard).await.expect("the kernel tells of it");
        }

        /// The body of the answer; an error without a word of what happened where it broke off.
        fn asked_with(
            &self,
            body: Bytes,
        ) -> tokio::task::JoinHandle<Result<String, Option<AttemptErrorKind>>> {
            let (lines, url) = (Arc::clone(&self.lines), self.url.clone());
            tokio::spawn(async move {
                let mut response = post(&lines, &url, body).await.map_err(Some)?;
                let mut body = Vec::new();
                while let Some(piece) = response.body_mut().next().await {
                    body.extend_from_slice(&piece.map_err(|_| None)?);
                }
                Ok(String::from_utf8(body).unwrap())
            })
        }
    }

    async fn post(
        lines: &Arc<ConnectionPool>,
        url: &Url,
        body: Bytes,
    ) -> Result<Response<BuiltinBody>, AttemptErrorKind> {
        let own =
            RequestHeaders { accept: "application/json", id: &RequestId::new(), trace: HeaderMap::new() };
        lines.post(url, &own, body).await.map_err(|error| error.what)
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

    const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

    #[test]
    fn a_request_has_its_own_headers_and_those_of_the_configuration() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("authorization", "Bearer k"), ("accept", "*/*"), ("anthropic-beta", "a,b")] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let url: Url = "http://[::1]:8000/a%20b/c?api-version=1".parse().unwrap();
        let lines = ConnectionPool::to(&url, &headers, PATIENCE).unwrap();
        let (id, mut trace) = (RequestId::new(), HeaderMap::new());
        let letter = |trace: &HeaderMap| {
            let own = RequestHeaders { accept: "text/event-stream", id: &id, trace: trace.clone() };
            String::from_utf8(lines.letter(&url, &own, Bytes::from_static(b"{}")).head).unwrap()
        };
        let begin = "POST /a%20b/c?api-version=1 HTTP/1.1\r\nhost: [::1]:8000\r\nauthorization: Bearer k\r\n";
        let own = format!("accept: text/event-stream\r\nx-request-id: {}\r\n", id.as_str());
        assert_eq!(
            letter(&trace),
            format!("{begin}{own}anthropic-beta: a,b\r\ncontent-length: 2\r\n\r\n{{}}")
        );
        trace.insert(header_names::ANTHROPIC_BETA, HeaderValue::from_static("c"));
        assert_eq!(letter(&trace), format!("{begin}{own}anthropic-beta: c\r\ncontent-length: 2\r\n\r\n{{}}"));
    }

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let site = Site::new().await;
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let asked = site.asked();
        let (mut peer, _) = site.listener.accept().await.unwrap();
        answer(&mut peer, HELLO).await;
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
        for (sent, expected) in [(chunked, "hi"), (HELLO, "hello")] {
            let asked = site.asked();
            answer(&mut peer, sent).await;
            assert_eq!(asked.await.unwrap().unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn one_that_the_peer_has_closed_or_will_close_is_not() {
        let site = Site::new().await;
        let answers = [
            (HELLO, true),
            ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", false),
            // More than was asked for.
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n", false),
        ];
        for (sent, closes) in answers {
            let asked = site.asked();
            let (mut peer, _) = site.listener.accept().await.unwrap();
            answer(&mut peer, sent).await;
            assert_eq!(asked.await.unwrap().unwrap(), "hello");
            assert_eq!(site.lines.idle().len(), usize::from(closes), "{sent}");
            if closes {
                drop(peer);
                site.hears_of_it().await;
            }
        }
    }

    #[tokio::test]
    async fn what_comes_unasked_is_not_the_next_answer() {
        let site = Site::new().await;
        let asked = site.asked();
        let (mut peer, _) = site.listener.accept().await.unwrap();
        answer(&mut peer, HELLO).await;
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad").await.unwrap();
        site.hears_of_it().await;
        let asked = site.asked();
        let (mut peer, _) = site.listener.accept().await.unwrap();
        answer(&mut peer, HELLO).await;
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
    }

    #[tokio::test]
    async fn one_that_the_peer_is_about_to_close_is_not_used() {
        for (kept, used_again) in [("timeout=1", false), ("timeout=5, max=100", true), ("max=100", true)] {
            let site = Site::new().await;
            let asked = site.asked();
            let (mut peer, _) = site.listener.accept().await.unwrap();
            answer(
                &mut peer,
                &format!("HTTP/1.1 200 OK\r\nkeep-alive: {kept}\r\ncontent-length: 5\r\n\r\nhello"),
            )
            .await;
            assert_eq!(asked.await.unwrap().unwrap(), "hello");
            assert_eq!(site.lines.at_hand().is_some(), used_again, "{kept}");
        }
    }

    #[tokio::test]
    async fn a_body_lasts_as_long_as_its_connection_where_it_says_so() {
        let site = Site::new().await;
        let asked = site.asked();
        let (mut peer, _) = site.listener.accept().await.unwrap();
        answer(&mut peer, "HTTP/1.1 200 OK\r\n\r\nup to ").await;
        peer.write_all(b"the end").await.unwrap();
        drop(peer);
        assert_eq!(asked.await.unwrap().unwrap(), "up to the end");
        assert!(site.lines.idle().is_empty());
    }

    #[tokio::test]
    async fn an_answer_that_is_dropped_closes_its_connection() {
        let site = Site::new().await;
        let (lines, url) = (Arc::clone(&site.lines), site.url.clone());
        let asked = tokio::spawn(async move { post(&lines, &url, Bytes::from_static(b"{}")).await });
        let (mut peer, _) = site.listener.accept().await.unwrap();
        answer(&mut peer, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello").await;
        let mut response = asked.await.unwrap().unwrap();
        assert_eq!(response.body_mut().next().await.unwrap().unwrap(), "hello");
        drop(response);
        let mut rest = Vec::new();
        // A reset is as good as an end.
        let _ = peer.read_to_end(&mut rest).await;
        assert!(rest.is_empty() && site.lines.idle().is_empty());
    }

    #[tokio::test]
    async fn what_cannot_have_been_looked_at_is_told_apart() {
        let Site { listener, url, lines } = Site::new().await;
        let asked = tokio::spawn({
            let (lines, url) = (Arc::clone(&lines), url.clone());
            async move { post(&lines, &url, Bytes::from_static(b"{}")).await.map(drop) }
        });
        let (mut peer, _) = listener.accept().await.unwrap();
        answer(&mut peer, "").await;
        drop(peer);
        assert_eq!(asked.await.unwrap(), Err(AttemptErrorKind::ConnectionLost));
        drop(listener);
        let refused = post(&lines, &url, Bytes::from_static(b"{}")).await.map(drop);
        assert_eq!(refused, Err(AttemptErrorKind::ConnectFailed));
    }

    #[tokio::test]
    async fn what_was_being_done_when_a_connection_failed_is_told() {
        /// Reads so much of a request, and closes the connection, which resets it where something is left unread.
        async fn failed(length: usize, read: usize) -> Option<TransportPhase> {
            let Site { listener, url, lines } = Site::new().await;
            let own =
                RequestHeaders { accept: "application/json", id: &RequestId::new(), trace: HeaderMap::new() };
            let peer = async {
                let (mut peer, _) = listener.accept().await.unwrap();
                peer.read_exact(&mut vec![0; read]).await.unwrap();
            };
            let posted = lines.post(&url, &own, vec![b'x'; length].into());
            let error = tokio::join!(posted, peer).0.map(drop).unwrap_err();
            assert_eq!(error.what, AttemptErrorKind::ConnectionLost);
            Some(error.cause?.phase)
        }
        // More than the kernel takes of a request that nobody reads.
        assert_eq!(failed(64 << 20, 100).await, Some(TransportPhase::Write));
        assert_eq!(failed(100, 100).await, Some(TransportPhase::Read));
    }

    #[tokio::test]
    async fn a_body_that_ends_too_early_is_an_error() {
        for sent in [
            "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello",
        ] {
            let site = Site::new().await;
            let asked = site.asked();
            let (mut peer, _) = site.listener.accept().await.unwrap();
            answer(&mut peer, sent).await;
            drop(peer);
            assert_eq!(asked.await.unwrap(), Err(None), "{sent}");
            assert!(site.lines.idle().is_empty());
        }
    }

    #[tokio::test]
    async fn an_answer_counts_though_the_request_was_not_read() {
        let site = Site::new().await;
        let asked = site.asked_with(Bytes::from(vec![b'x'; 64 << 20]));
        let (mut peer, _) = site.listener.accept().await.unwrap();
        let mut first = [0; 100];
        peer.read_exact(&mut first).await.unwrap();
        peer.write_all(HELLO.as_bytes()).await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
        assert!(site.lines.idle().is_empty());
    }

    #[tokio::test]
    async fn a_request_is_sent_to_its_end_though_its_answer_has_begun() {
        let site = Site::new().await;
        let length = 16 << 20;
        let asked = site.asked_with(Bytes::from(vec![b'x'; length]));
        let (mut peer, _) = site.listener.accept().await.unwrap();
        let mut came = vec![0; 100];
        peer.read_exact(&mut came).await.unwrap();
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await.unwrap();
        let end = |came: &[u8]| came.windows(4).position(|it| it == b"\r\n\r\n").map(|at| at + 4 + length);
        while end(&came[..came.len().min(1000)]).is_none_or(|end| came.len() < end) {
            assert!(peer.read_buf(&mut came).await.unwrap() > 0);
        }
        peer.write_all(b"lo").await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
    }

    #[tokio::test]
    async fn a_large_body_arrives_as_it_is() {
        let site = Site::new().await;
        let body: Vec<u8> = (0..5_000_000u32).map(|n| (n % 251) as u8).collect();
        let asked = site.asked_with(body.clone().into());
        let (mut peer, _) = site.listener.accept().await.unwrap();
        let mut came = Vec::new();
        while came.len() < body.len() || !came.ends_with(&body[body.len() - 100..]) {
            assert!(peer.read_buf(&mut came).await.unwrap() > 0);
        }
        assert!(came.ends_with(&body));
        peer.write_all(HELLO.as_bytes()).await.unwrap();
        assert_eq!(asked.await.unwrap().unwrap(), "hello");
    }
}
