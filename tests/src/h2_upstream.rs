//! An upstream that speaks HTTP/2 over TLS and does what it is told, frame by frame (RFC 9113).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as Turns, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificate::Certificate;

/// Error codes (section 7).
pub mod code {
    /// An orderly end.
    pub const NO_ERROR: u32 = 0x0;
    /// The server's own fault.
    pub const INTERNAL_ERROR: u32 = 0x2;
    /// The stream was not looked at.
    pub const REFUSED_STREAM: u32 = 0x7;
    /// The peer asks too much.
    pub const ENHANCE_YOUR_CALM: u32 = 0xb;
}

/// One thing that it does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends the head of a 200 with this content type.
    Head(&'static str),
    /// Sends bytes of the body.
    Data(Vec<u8>),
    /// Ends the answer.
    End,
    /// Ends the stream with a code.
    Reset(u32),
    /// Says that no stream after this one is looked at, and that the connection ends.
    GoAway(u32, u32),
    /// Waits.
    Pause(Duration),
    /// Waits until this many requests have come over the connection.
    Gather(usize),
    /// Lets the connection go, without a word.
    Hang,
    /// Says nothing more.
    Stall,
}

/// A request that has come.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The connection's number, from 0.
    pub connection: usize,
    /// The stream's identifier: 1, 3, 5 …
    pub stream: u32,
    /// Whether a stream of events is asked for.
    pub streamed: bool,
}

type Choose = dyn Fn(Arrival) -> Vec<Act> + Send + Sync;

/// The upstream. It stops when it is dropped.
#[derive(Debug)]
pub struct H2Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    certificate: Certificate,
    listening: JoinHandle<()>,
}

impl H2Upstream {
    /// Listens on a free port of the loopback interface.
    pub async fn start(choose: impl Fn(Arrival) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let certificate = Certificate::new();
        let acceptor = TlsAcceptor::from(Arc::new(certificate.server("h2")));
        let arrivals = Arc::default();
        let choose: Arc<Choose> = Arc::new(choose);
        let listening = tokio::spawn(accept(listener, acceptor, choose, Arc::clone(&arrivals)));
        Self { address, arrivals, certificate, listening }
    }

    /// What to write as `base_url`.
    pub fn base_url(&self) -> String {
        format!("https://{}/v1", self.address)
    }

    /// The line of the configuration by which a model trusts it.
    pub fn trust(&self) -> String {
        format!("ca_file: \"{}\"", self.certificate.authority().display())
    }

    /// Every request for an answer so far.
    pub fn seen(&self) -> Vec<Arrival> {
        self.arrivals.lock().expect("no holder of this lock panics").clone()
    }
}

impl Drop for H2Upstream {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    choose: Arc<Choose>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
) {
    let count = AtomicUsize::new(0);
    // The set ends every connection together with this task.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let (acceptor, choose, arrivals) = (acceptor.clone(), Arc::clone(&choose), Arc::clone(&arrivals));
        let _ = socket.set_nodelay(true);
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(socket).await {
                converse(stream, number, &choose, &arrivals).await;
            }
        });
    }
}

type Writer = Arc<Turns<WriteHalf<TlsStream<TcpStream>>>>;

/// Reads frames, and plays what is chosen for each request that is whole.
async fn converse(
    stream: TlsStream<TcpStream>,
    connection: usize,
    choose: &Arc<Choose>,
    arrivals: &Mutex<Vec<Arrival>>,
) {
    let (mut reader, writer) = tokio::io::split(stream);
    let writer: Writer = Arc::new(Turns::new(writer));
    let mut preface = [0; 24];
    if reader.read_exact(&mut preface).await.is_err() || !preface.starts_with(b"PRI * HTTP/2.0") {
        return;
    }
    let (count, counted) = watch::channel(0);
    let (hang, mut hung) = watch::channel(false);
    send(&writer, kind::SETTINGS, 0, 0, &[]).await;
    let (mut bodies, mut plays) = (HashMap::<u32, Vec<u8>>::new(), JoinSet::new());
    loop {
        let frame = tokio::select! {
            frame = frame(&mut reader) => frame,
            _ = hung.changed() => return,
        };
        let Some(Frame { kind, flags, stream, payload }) = frame else { return };
        match kind {
            kind::SETTINGS if flags & flag::ACK == 0 => send(&writer, kind, flag::ACK, 0, &[]).await,
            kind::PING if flags & flag::ACK == 0 => send(&writer, kind, flag::ACK, 0, &payload).await,
            kind::DATA => bodies.entry(stream).or_default().extend_from_slice(&payload),
            _ => {}
        }
        if !matches!(kind, kind::DATA | kind::HEADERS) || flags & flag::END_STREAM == 0 {
            continue;
        }
        let body = bodies.remove(&stream).unwrap_or_default();
        if body.is_empty() {
            // Whoever asks whether it answers at all gets an answer.
            send(&writer, kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &[0x8d]).await;
            continue;
        }
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let arrival = Arrival { connection, stream, streamed: json["stream"] == true };
        arrivals.lock().expect("no holder of this lock panics").push(arrival);
        count.send_modify(|count| *count += 1);
        let (writer, counted, hang) = (Arc::clone(&writer), counted.clone(), hang.clone());
        plays.spawn(play(choose(arrival), stream, writer, counted, hang));
    }
}

async fn play(
    acts: Vec<Act>,
    stream: u32,
    writer: Writer,
    mut counted: watch::Receiver<usize>,
    hang: watch::Sender<bool>,
) {
    for act in acts {
        match act {
            Act::Head(content_type) => {
                // `:status: 200`, and content-type by its place in the static table (RFC 7541, appendix A).
                let mut block = vec![0x88, 0x0f, 0x10, content_type.len() as u8];
                block.extend_from_slice(content_type.as_bytes());
                send(&writer, kind::HEADERS, flag::END_HEADERS, stream, &block).await;
            }
            Act::Data(bytes) => send(&writer, kind::DATA, 0, stream, &bytes).await,
            Act::End => send(&writer, kind::DATA, flag::END_STREAM, stream, &[]).await,
            Act::Reset(code) => send(&writer, kind::RST_STREAM, 0, stream, &code.to_be_bytes()).await,
            Act::GoAway(last, code) => {
                let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
                send(&writer, kind::GOAWAY, 0, 0, &payload).await;
            }
            Act::Pause(time) => tokio::time::sleep(time).await,
            Act::Gather(requests) => drop(counted.wait_for(|count| *count >= requests).await),
            Act::Hang => drop(hang.send(true)),
            Act::Stall => std::future::pending().await,
        }
    }
}

/// Kinds of frames (section 6).
mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
}

mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

async fn frame(reader: &mut ReadHalf<TlsStream<TcpStream>>) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    reader.read_exact(&mut payload).await.ok()?;
    Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1), payload })
}

/// A peer that is gone is told no more.
async fn send(writer: &Writer, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![a, b, c, kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    let mut writer = writer.lock().await;
    if writer.write_all(&bytes).await.is_ok() {
        let _ = writer.flush().await;
    }
}
