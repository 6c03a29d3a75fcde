//! HTTP/1.1 by hand, for both ends of a test: every byte can be said and seen, the wrong ones too.
//!
//! Lenient where it reads, silent about what it sends: judging is the tests' work.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A socket and the bytes that were read from it and not yet used.
#[derive(Debug)]
pub struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) unread: Vec<u8>,
}

impl Connection {
    /// Takes a socket; what is written leaves at once.
    pub fn new(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("a TCP socket takes TCP_NODELAY");
        Self { socket, unread: Vec::new() }
    }

    /// Opens a connection.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(TcpStream::connect(address).await?))
    }

    /// Whether the peer has closed, or said what nobody asked for: then no pool of connections uses it again.
    pub fn is_stale(&self) -> bool {
        let mut piece = [0; 1];
        let nothing_came = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        !self.socket.try_read(&mut piece).is_err_and(nothing_came)
    }

    /// Reads what is there, into `piece`; 0 when the peer has closed.
    pub async fn read_some(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        self.socket.read(piece).await
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.write_all(bytes.as_ref()).await
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub async fn finish_sending(&mut self) -> io::Result<()> {
        self.socket.shutdown().await
    }

    /// Ends the connection with a reset instead of an orderly close.
    pub fn reset(self) {
        self.socket.set_zero_linger().expect("a TCP socket takes SO_LINGER");
    }

    /// The next head, or nothing when the peer closed before its first byte.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head = self.unread.drain(..end + 4).collect::<Vec<_>>();
                return Head::parse(&head).map(Some);
            }
            if self.fill().await? == 0 {
                return if self.unread.is_empty() { Ok(None) } else { Err(cut("within a head")) };
            }
        }
    }

    /// The next piece of a body; `None` when it is complete, an error when it was cut.
    ///
    /// Chunked bodies come chunk by chunk, the others as the socket gives them.
    pub async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Vec<u8>>> {
        match framing {
            Framing::Over => Ok(None),
            Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                if self.unread.is_empty() && self.fill().await? == 0 {
                    return Err(cut("before the stated length"));
                }
                let take = self.unread.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= take as u64;
                Ok(Some(self.unread.drain(..take).collect()))
            }
            Framing::UntilClose => {
                if self.unread.is_empty() && self.fill().await? == 0 {
                    *framing = Framing::Over;
                    return Ok(None);
                }
                Ok(Some(std::mem::take(&mut self.unread)))
            }
            Framing::Chunked => {
                let chunk = self.chunk().await?;
                if chunk.is_empty() {
                    *framing = Framing::Over;
                    return Ok(None);
                }
                Ok(Some(chunk))
            }
        }
    }

    /// A whole body.
    pub async fn body(&mut self, mut framing: Framing) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut framing).await? {
            body.extend(piece);
        }
        Ok(body)
    }

    /// Waits until the peer has closed or reset the connection, keeping what it still says.
    pub async fn closed(&mut self) {
        while matches!(self.fill().await, Ok(1..)) {}
    }

    /// One chunk; empty for the last one, with its trailer.
    async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = self.line().await?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("chunk size {size:?}")))?;
        if size == 0 {
            while !self.line().await?.is_empty() {}
            return Ok(Vec::new());
        }
        while self.unread.len() < size + 2 {
            if self.fill().await? == 0 {
                return Err(cut("within a chunk"));
            }
        }
        let chunk = self.unread.drain(..size).collect();
        self.unread.drain(..2);
        Ok(chunk)
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line = self.unread.drain(..end + 2).collect::<Vec<_>>();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill().await? == 0 {
                return Err(cut("within the chunked coding"));
            }
        }
    }

    /// Reads what is there, and says how much it was; 0 when the peer has closed.
    async fn fill(&mut self) -> io::Result<usize> {
        self.socket.read_buf(&mut self.unread).await
    }
}

/// A request's or an answer's first line and headers.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The first line without its end.
    pub line: String,
    /// In order, as they came.
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        let headers = headers.collect::<Option<_>>();
        headers
            .map(|headers| Self { line, headers })
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a header without a colon"))
    }

    /// The first value of a header; its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How a request's body ends.
    pub fn request_framing(&self) -> Framing {
        self.stated_framing().unwrap_or(Framing::Over)
    }

    /// How an answer's body ends.
    pub fn answer_framing(&self) -> Framing {
        let bodiless = self.line.contains(" 204 ") || self.line.contains(" 304 ");
        if bodiless { Framing::Over } else { self.stated_framing().unwrap_or(Framing::UntilClose) }
    }

    fn stated_framing(&self) -> Option<Framing> {
        if self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Some(Framing::Chunked);
        }
        self.header("content-length").and_then(|length| length.parse().ok()).map(Framing::Length)
    }
}

/// How the end of a body is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// By an empty chunk.
    Chunked,
    /// By the end of the connection.
    UntilClose,
    /// It has ended.
    Over,
}

/// Where the first occurrence of `needle` begins.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

fn cut(place: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the peer closed {place}"))
}
