//! Clients: closed loops for what a request costs, open loops for how long it takes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::upstream::length_in;
use crate::http1::find;

/// What is asked, of whom, and what must come back.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The proxy's address.
    pub address: SocketAddr,
    /// Head and body.
    pub request: Vec<u8>,
    /// The body of the answer that is due, to the last byte.
    pub due: Vec<u8>,
}

/// Asks over so many connections, each again as soon as it is answered, for so long. How many answers came, all of them
/// right to the last byte.
///
/// # Panics
/// On an answer that is not what the upstream said.
pub async fn closed(asking: &Arc<Asking>, connections: usize, time: Duration) -> usize {
    let end = Instant::now() + time;
    let ask = |asking: Arc<Asking>| async move {
        let mut socket = tokio::net::TcpStream::connect(asking.address).await.expect("it listens");
        socket.set_nodelay(true).expect("a TCP socket");
        let (mut answer, mut count) = (Answer::default(), 0);
        while Instant::now() < end {
            one(&asking, &mut socket, &mut answer).await;
            count += 1;
        }
        count
    };
    let tasks: Vec<_> = (0..connections).map(|_| tokio::spawn(ask(Arc::clone(asking)))).collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.expect("every answer is right");
    }
    count
}

/// Keeps this thread, which must be the runtime's only one, from sleeping until the task is aborted: whenever there is nothing
/// else to do, it looks once more for what has come.
pub fn stay_awake() -> tokio::task::JoinHandle<()> {
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    })
}

/// Asks so many times over one connection.
///
/// # Panics
/// On an answer that is not what the upstream said.
pub async fn some(asking: &Asking, requests: usize) {
    let mut socket = tokio::net::TcpStream::connect(asking.address).await.expect("it listens");
    socket.set_nodelay(true).expect("a TCP socket");
    let mut answer = Answer::default();
    for _ in 0..requests {
        one(asking, &mut socket, &mut answer).await;
    }
}

async fn one(asking: &Asking, socket: &mut tokio::net::TcpStream, answer: &mut Answer) {
    socket.write_all(&asking.request).await.expect("it reads");
    while !answer.is_whole() {
        assert!(socket.read_buf(&mut answer.came).await.expect("it answers") > 0, "it has closed");
    }
    answer.check(&asking.due);
}

/// Asks at a fixed rate, whatever has become of the requests before, and says how long each answer took from the time
/// that its request was due: what waits for a slow one counts as slow (no coordinated omission).
///
/// # Panics
/// On an answer that is not what the upstream said.
pub fn open(asking: &Arc<Asking>, per_second: u32, connections: usize, time: Duration) -> Vec<Duration> {
    let next = Arc::new(AtomicUsize::new(0));
    let (start, gap) = (Instant::now() + Duration::from_millis(50), Duration::from_secs(1) / per_second);
    let total = (time.as_secs_f64() * f64::from(per_second)) as usize;
    let client = || {
        let (asking, next) = (Arc::clone(asking), Arc::clone(&next));
        std::thread::spawn(move || {
            let mut socket = TcpStream::connect(asking.address).expect("it listens");
            socket.set_nodelay(true).expect("a TCP socket");
            let (mut answer, mut took) = (Answer::default(), Vec::new());
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= total {
                    return took;
                }
                let due = start + gap * at as u32;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                socket.write_all(&asking.request).expect("it reads");
                while !answer.is_whole() {
                    answer.read(&mut socket).expect("it answers");
                }
                took.push(due.elapsed());
                answer.check(&asking.due);
            }
        })
    };
    let clients: Vec<_> = (0..connections).map(|_| client()).collect();
    clients.into_iter().flat_map(|client| client.join().expect("every answer is right")).collect()
}

/// An answer as it comes in.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) came: Vec<u8>,
    /// Where its body begins, and how that ends, once known.
    body: Option<(usize, Ends)>,
}

#[derive(Debug, Clone, Copy)]
enum Ends {
    At(usize),
    WithChunk,
}

impl Answer {
    fn read(&mut self, from: &mut TcpStream) -> io::Result<()> {
        let mut piece = [0; 16 << 10];
        match from.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.came.extend_from_slice(&piece[..length]);
                Ok(())
            }
        }
    }

    /// Whether it is all here.
    pub(super) fn is_whole(&mut self) -> bool {
        if self.body.is_none() {
            let Some(end) = find(&self.came, b"\r\n\r\n") else { return false };
            let head = &self.came[..end];
            let chunked = find(head, b"hunked").is_some();
            let ends = if chunked { Ends::WithChunk } else { Ends::At(end + 4 + length_in(head)) };
            self.body = Some((end + 4, ends));
        }
        match self.body {
            Some((_, Ends::At(end))) => self.came.len() >= end,
            // No text of these answers looks like it.
            Some((_, Ends::WithChunk)) => self.came.ends_with(b"\r\n0\r\n\r\n"),
            None => false,
        }
    }

    /// Holds it against what the upstream says, byte for byte, and makes room for the next.
    fn check(&mut self, due: &[u8]) {
        let (start, ends) = self.body.take().expect("it is whole");
        let head = String::from_utf8_lossy(&self.came[..start]);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let body = &self.came[start..];
        let right = match ends {
            Ends::At(_) => body == due,
            Ends::WithChunk => is_chunked(body, due),
        };
        assert!(right, "not as the upstream said it: {}", String::from_utf8_lossy(body));
        self.came.clear();
    }
}

/// Whether a body in the chunked coding is `due`.
fn is_chunked(mut body: &[u8], mut due: &[u8]) -> bool {
    loop {
        let Some(line) = find(body, b"\r\n") else { return false };
        let size =
            std::str::from_utf8(&body[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else { return false };
        if size == 0 {
            return due.is_empty();
        }
        let Some(data) = body.get(line + 2..line + 2 + size) else { return false };
        let Some(rest) = due.strip_prefix(data) else { return false };
        (due, body) = (rest, &body[line + 2 + size + 2..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_seen() {
        let check = |body: &[u8], right| assert_eq!(is_chunked(body, b"hello"), right, "{body:?}");
        check(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", true);
        check(b"5\r\nhello\r\n0\r\n\r\n", true);
        check(b"5\r\nhallo\r\n0\r\n\r\n", false);
        check(b"4\r\nhell\r\n0\r\n\r\n", false);
        check(b"6\r\nhelloo\r\n0\r\n\r\n", false);
        check(b"x\r\n", false);
    }

    #[test]
    fn an_answer_is_whole_when_its_last_byte_is_here() {
        let check = |came: &[u8], whole| {
            let mut answer = Answer { came: came.to_vec(), body: None };
            assert_eq!(answer.is_whole(), whole, "{}", String::from_utf8_lossy(came));
        };
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true);
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", false);
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", false);
        check(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\n\r\n", true);
        check(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\n", false);
    }
}
