//! What a scripted upstream saw of one request, and what it did with it.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Billed;
use crate::http1::Head;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request line and headers.
    pub head: Head,
    /// Empty for an upstream that reads heads only.
    pub body: Vec<u8>,
}

impl Request {
    /// `POST`, for instance.
    pub fn method(&self) -> &str {
        self.head.line.split(' ').next().unwrap_or_default()
    }

    /// The path with its query.
    pub fn path(&self) -> &str {
        self.head.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The model asked for.
    pub fn model(&self) -> String {
        self.json()["model"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether a stream is asked for.
    pub fn asks_stream(&self) -> bool {
        self.json()["stream"] == Value::Bool(true)
    }

    /// Whether a stream's usage is asked for.
    pub fn asks_usage(&self) -> bool {
        self.json()["stream_options"]["include_usage"] == Value::Bool(true)
    }
}

/// The record of one request. It goes on while the script is played.
#[derive(Debug)]
pub struct Seen {
    /// What was asked.
    pub request: Request,
    /// When the request was complete.
    pub at: Instant,
    progress: watch::Sender<Progress>,
}

/// How far a script has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Bytes handed to the socket.
    pub sent: u64,
    /// What the provider would ask to be paid for.
    pub billed: Billed,
    /// How and when it ended.
    pub end: Option<(End, Instant)>,
}

/// How the playing of a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was said, and the connection stays.
    Said,
    /// The peer closed or reset the connection before everything was said.
    PeerLeft,
    /// The script closed or reset the connection.
    Hung,
}

impl Seen {
    pub(super) fn new(request: Request) -> Arc<Self> {
        let progress = watch::Sender::new(Progress::default());
        Arc::new(Self { request, at: Instant::now(), progress })
    }

    /// How far the script has come.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits for the end of the script, and says how and when it came.
    pub async fn end(&self) -> (End, Instant) {
        let mut progress = self.progress.subscribe();
        let ended = progress.wait_for(|progress| progress.end.is_some()).await;
        ended.expect("the sender lives as long as self").end.expect("waited for")
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.progress.send_modify(|progress| progress.sent += bytes as u64);
    }

    pub(super) fn bill(&self, billed: Billed) {
        self.progress.send_modify(|progress| progress.billed += billed);
    }

    pub(super) fn ended(&self, end: End) {
        self.progress.send_modify(|progress| progress.end = Some((end, Instant::now())));
    }
}
