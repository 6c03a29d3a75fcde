//! Heads that hyper cannot read. It answers such a one by itself, with a status and no body, before anybody is asked; the gateway
//! keeps that back, and answers in its own words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Answers a head that cannot be read: a whole response, with which the connection ends.
pub type RefuseHead = Arc<dyn Fn(&RefusedHead) -> Vec<u8> + Send + Sync>;

/// How long what a client still sends is read, so that the kernel does not take the answer back; and how much of it, in reads.
const LAST_READS: (Duration, usize) = (Duration::from_millis(500), 64);
/// Bytes of hyper's own answer at most.
const LONGEST_REFUSAL: usize = 160;

/// A head that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedHead {
    /// 400, 414 or 431.
    pub status: u16,
    /// What is wrong with it, as a sentence for the client.
    pub why: &'static str,
    /// Whether it begins like a request of Anthropic's API.
    pub anthropic: bool,
}

/// What a connection's socket has seen of such a head.
#[derive(Debug, Default)]
pub(super) struct HeadWatch {
    /// The first bytes of what was read last: where a request begins, most often.
    first: [AtomicU64; 3],
    /// The status of hyper's own answer; 0: there was none.
    status: AtomicU16,
}

impl HeadWatch {
    /// Takes note of bytes that were read.
    #[inline]
    pub(super) fn read(&self, bytes: &[u8]) {
        for (word, piece) in self.first.iter().zip(bytes.chunks(8)) {
            let mut first = [0; 8];
            first[..piece.len()].copy_from_slice(piece);
            word.store(u64::from_le_bytes(first), Ordering::Relaxed);
        }
    }

    /// Whether bytes that are to be written are hyper's own refusal, which is kept back then.
    #[inline]
    pub(super) fn keeps_back(&self, bytes: &[u8]) -> bool {
        let refused =
            bytes.starts_with(b"HTTP/1.") && bytes.get(8..10) == Some(b" 4") && is_hypers_own(bytes);
        if refused {
            let status = std::str::from_utf8(&bytes[9..12]).ok().and_then(|digits| digits.parse().ok());
            self.status.store(status.unwrap_or(400), Ordering::Relaxed);
        }
        refused
    }

    /// Whether hyper has refused a head.
    #[inline]
    pub(super) fn has_refused(&self) -> bool {
        self.status.load(Ordering::Relaxed) != 0
    }

    /// The head that hyper has refused, and its reason for it.
    pub(super) fn refused(&self, error: &str) -> Option<RefusedHead> {
        let status = self.status.load(Ordering::Relaxed);
        let words = self.first.each_ref().map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        let anthropic = words.as_flattened().starts_with(b"POST /v1/messages");
        (status != 0).then(|| RefusedHead { status, why: reason(status, error), anthropic })
    }
}

/// All answers of the gateway's have a body and the request's name; hyper's own has neither.
#[cold]
fn is_hypers_own(bytes: &[u8]) -> bool {
    let has = |name: &[u8]| bytes.windows(name.len()).any(|it| it == name);
    let whole = bytes.len() <= LONGEST_REFUSAL && bytes.ends_with(b"\r\n\r\n");
    whole && has(b"content-length: 0\r\n") && !has(b"x-request-id")
}

/// What is wrong, by the words of hyper's error.
fn reason(status: u16, error: &str) -> &'static str {
    let is = |words: &str| error.contains(words);
    match status {
        414 => "The target of the request is too long.",
        431 => "The head of the request has more than 64 KiB, or more than 100 headers.",
        _ if is("content-length") => "The header `Content-Length` of the request is no single number.",
        _ if is("transfer-encoding") => {
            "The header `Transfer-Encoding` of the request must be `chunked`: other codings are not known here."
        }
        _ if is("header") => {
            "A header of the request cannot be read. A header has a name, a colon and a value in one line, and is not folded."
        }
        _ if is("URI") => {
            "The target of the request cannot be read: other signs than those of a URL are written as %XX."
        }
        _ if is("method") => "The method of the request cannot be read.",
        _ => {
            "The first line of the request is not `METHOD TARGET HTTP/1.1`: a blank in the target is written as %20."
        }
    }
}

/// Writes the last answer of a connection, and reads for a moment what its client still sends.
pub(super) async fn say_last(stream: &TcpStream, answer: &[u8], stall: Duration) {
    let mut left = answer;
    let written = timeout(stall, async {
        while !left.is_empty() {
            stream.writable().await?;
            match stream.try_write(left) {
                Ok(count) => left = left.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write)
    });
    if !matches!(written.await, Ok(Ok(()))) {
        return;
    }
    let (time, reads) = LAST_READS;
    let mut piece = [0; 4096];
    let _ = timeout(time, async {
        for _ in 0..reads {
            let _ = stream.ready(Interest::READABLE).await;
            match stream.try_read(&mut piece) {
                Ok(0) => return,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_refusals_are_kept_back() {
        let check = |bytes: &str, expected: Option<u16>| {
            let watch = HeadWatch::default();
            watch.read(b"POST /v1/messages?beta=true HTTP/1.1\r\n");
            let kept = watch.keeps_back(bytes.as_bytes());
            assert_eq!((kept, watch.has_refused()), (expected.is_some(), expected.is_some()), "{bytes}");
            let refused = watch.refused("invalid HTTP header parsed");
            assert_eq!(
                refused.map(|head| (head.status, head.anthropic)),
                expected.map(|status| (status, true))
            );
        };
        let date = "date: Tue, 01 Dec 2026 12:00:00 GMT";
        check(
            &format!("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n{date}\r\n\r\n"),
            Some(400),
        );
        check(
            &format!("HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n{date}\r\n\r\n"),
            Some(431),
        );
        check(
            &format!("HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\ncontent-length: 0\r\n{date}\r\n\r\n"),
            None,
        );
        check("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}", None);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None);
        check("data: HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", None);
        for bytes in ["", "H", "HTTP/1.1", "HTTP/1.1 4"] {
            check(bytes, None);
        }
    }

    #[test]
    fn what_was_read_before_is_not_taken_for_the_head() {
        let watch = HeadWatch::default();
        watch.read(b"POST /v1/messages HTTP/1.1\r\n");
        watch.read(b"POST /v1/chat/completions HTTP/1.1\r\n");
        assert!(!watch.refused("").is_some_and(|head| head.anthropic));
        watch.keeps_back(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        assert!(!watch.refused("").unwrap().anthropic);
    }
}
