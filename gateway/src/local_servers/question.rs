//! One question to a server on this machine, within a bounded time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// How long a server on this machine may take to accept and answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// The longest list of models that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The JSON of a successful answer to `GET path`; `None` for whatever is no such server.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<Value> {
    let deadline = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    // HTTP/1.0, so that the answer comes in one piece and the connection ends with it.
    let head = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\naccept: application/json\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let answer = read(&mut stream, deadline);
    let (head, body) = split(&answer)?;
    let status = head.split_whitespace().nth(1)?;
    (status == "200").then(|| serde_json::from_slice(body).ok())?
}

/// What is sent until the end of the answer, the deadline, or more than any list has.
fn read(stream: &mut TcpStream, deadline: Instant) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return answer;
        }
        match stream.read(&mut piece) {
            // A server that keeps the connection open ends the reading by its silence.
            Ok(0) | Err(_) => return answer,
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
        if answer.len() > LONGEST || is_whole(&answer) {
            return answer;
        }
    }
}

/// Whether the body is as long as the head says.
fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

fn split(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end)?;
    Some((std::str::from_utf8(head).ok()?, body.get(4..)?))
}
