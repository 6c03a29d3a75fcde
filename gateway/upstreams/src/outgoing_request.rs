//! A request as it leaves over a connection of our own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// A request on its way.
pub(super) struct OutgoingRequest {
    /// The head, and a small body.
    pub(super) head: Vec<u8>,
    /// A large body.
    pub(super) body: Bytes,
    /// Bytes that have left.
    pub(super) sent: usize,
}

impl OutgoingRequest {
    /// Whether all of it has left.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.head.len() + self.body.len()
    }

    /// Sends what is left.
    pub(super) fn poll_send(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_sent() {
            let left = match self.head.get(self.sent..) {
                Some(head) if !head.is_empty() => head,
                _ => &self.body[self.sent - self.head.len()..],
            };
            match ready!(Pin::new(&mut *stream).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        Poll::Ready(Ok(()))
    }
}
