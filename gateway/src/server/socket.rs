//! A client's socket: what hyper reads and writes, and how we see that the client is gone.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::refused_head::HeadWatch;

/// Whether a short read says that a socket is empty.
const DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A socket that breaks off a peer which does not read for too long.
pub(super) struct ClientSocket {
    stream: Arc<TcpStream>,
    /// How long a write may wait for the peer.
    stall: Duration,
    /// There while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
    /// Sees heads that hyper refuses.
    heads: Arc<HeadWatch>,
}

impl ClientSocket {
    pub(super) fn new(stream: Arc<TcpStream>, stall: Duration, heads: Arc<HeadWatch>) -> Self {
        Self { stream, stall, patience: None, heads }
    }

    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        while self.stream.poll_write_ready(cx)?.is_ready() {
            match write(&self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.patience = None;
                    return Poll::Ready(written);
                }
            }
        }
        let stall = self.stall;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(patience.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Waits until the peer has closed its side, or reset the connection. hyper would see that by reading on, which it does
/// not while bytes of a further request lie in its buffer; so we ask the socket itself.
///
/// A peer that only says that it will send no more, and would read on, counts as gone as well: from here the two look
/// the same, an answer that nobody reads costs money, and no client of such an API does it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) async fn left(stream: &TcpStream) {
    // Urgent data are not watched for, so what ends this wait is that the peer's side is closed.
    let _ = stream.ready(Interest::PRIORITY).await;
}

/// As above, where only asking again and again tells.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) async fn left(stream: &TcpStream) {
    use futures_util::FutureExt;
    loop {
        if stream
            .ready(Interest::READABLE)
            .now_or_never()
            .is_some_and(|ready| ready.map_or(true, |it| it.is_read_closed()))
        {
            return;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            let room = buf.remaining();
            let mut read = None;
            // A socket that gave less than there was room for is empty, which the next read need not find out (epoll(7),
            // question 9). tokio hears so by a read that would block.
            let tried = self.stream.try_io(Interest::READABLE, || {
                let length = self.stream.try_read_buf(buf)?;
                read = Some(length);
                let drained = DRAINS && (1..room).contains(&length);
                if drained { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match (read, tried) {
                (Some(length), _) => {
                    let read = buf.filled();
                    self.heads.read(&read[read.len() - length..]);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, tried) => return Poll::Ready(tried),
            }
        }
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_written(cx, |stream| stream.try_write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs
            && self.heads.keeps_back(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        self.poll_written(cx, |stream| stream.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.heads.has_refused() {
            // The answer is still to come.
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(socket2::SockRef::from(&*self.stream).shutdown(Shutdown::Write))
    }
}
