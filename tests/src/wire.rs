//! A client that says any bytes and shows all that comes back.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::time::Instant;

use crate::http1::{Connection, Framing, Head};
use crate::sse::{self, Event};

/// A complete request with a JSON body, in bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        head += "content-type: application/json\r\n";
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends bytes on a new connection and reads one answer to its end.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    open(address, bytes).await.rest().await
}

/// Sends bytes on a new connection and reads the head of the answer.
pub async fn open(address: SocketAddr, bytes: &[u8]) -> Live {
    let mut connection = Connection::open(address).await.expect("the gateway accepts connections");
    connection.send(bytes).await.expect("the gateway reads");
    Live::on(connection).await.expect("the gateway answers")
}

/// An answer whose body is still to come.
#[derive(Debug)]
pub struct Live {
    /// Status line and headers.
    pub head: Head,
    /// When the head was there.
    pub at: Instant,
    connection: Connection,
    framing: Framing,
    body: Vec<u8>,
    events_taken: usize,
}

impl Live {
    /// Reads the head of the next answer on a connection; `None` when the peer closes instead.
    pub async fn on(mut connection: Connection) -> Option<Self> {
        let head = connection.head().await.ok().flatten()?;
        let framing = head.answer_framing();
        Some(Self { head, at: Instant::now(), connection, framing, body: Vec::new(), events_taken: 0 })
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        status(&self.head)
    }

    /// The next piece of the body; `None` at its end, be it orderly or not.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        let piece = self.connection.piece(&mut self.framing).await.ok().flatten()?;
        self.body.extend_from_slice(&piece);
        Some(piece)
    }

    /// The next event of a stream; `None` when there is no further one.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = sse::events(&self.body).into_iter().nth(self.events_taken) {
                self.events_taken += 1;
                return Some(event);
            }
            self.piece().await?;
        }
    }

    /// Reads to the end.
    pub async fn rest(self) -> Answer {
        self.rest_and_connection().await.0
    }

    /// Reads to the end, and gives the connection back for the next request.
    pub async fn rest_and_connection(mut self) -> (Answer, Connection) {
        let complete = loop {
            match self.connection.piece(&mut self.framing).await {
                Ok(Some(piece)) => self.body.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let ended = Instant::now();
        (Answer { head: self.head, body: self.body, complete, began: self.at, ended }, self.connection)
    }

    /// Leaves in an orderly way.
    pub fn leave(self) {}

    /// Leaves with a reset.
    pub fn reset(self) {
        self.connection.reset();
    }

    /// Stays connected, unread.
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

/// An answer as it was received.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status line and headers.
    pub head: Head,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says it does.
    pub complete: bool,
    /// When the head was there.
    pub began: Instant,
    /// When the body had ended.
    pub ended: Instant,
}

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        status(&self.head)
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why} in {}", self.text()))
    }

    /// The events of a stream.
    pub fn events(&self) -> Vec<Event> {
        sse::events(&self.body)
    }

    /// The chunks of a stream: its events without the marker.
    pub fn chunks(&self) -> Vec<Value> {
        self.events().iter().filter(|event| event.data != "[DONE]").map(Event::json).collect()
    }

    /// Whether the stream says that it is complete.
    pub fn has_done(&self) -> bool {
        self.events().iter().any(|event| event.data == "[DONE]")
    }

    /// The error event of a stream, or the error of a whole answer.
    pub fn error(&self) -> Option<Value> {
        let error = |value: Value| value.get("error").filter(|error| !error.is_null()).cloned();
        if self.is_stream() { self.chunks().into_iter().find_map(error) } else { error(self.json()) }
    }

    /// The text of the answer, whole or streamed.
    pub fn content(&self) -> String {
        let text = |part: &Value| part["content"].as_str().unwrap_or_default().to_owned();
        if !self.is_stream() {
            return text(&self.json()["choices"][0]["message"]);
        }
        self.chunks().iter().map(|chunk| text(&chunk["choices"][0]["delta"])).collect()
    }

    /// The usage of the answer, whole or streamed: the last that is told.
    pub fn usage(&self) -> Value {
        let objects = if self.is_stream() { self.chunks() } else { vec![self.json()] };
        let told = objects.iter().rev().map(|object| &object["usage"]).find(|usage| !usage.is_null());
        told.cloned().unwrap_or(Value::Null)
    }

    fn is_stream(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }
}

fn status(head: &Head) -> u16 {
    let status = head.line.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("no status line: {:?}", head.line))
}
