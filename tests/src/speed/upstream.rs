//! The fastest upstream that is still one: it reads a request to its end and answers by the model that is named in it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::bodies::{CHUNKS, END, WHOLE, event};
use crate::http1::find;

/// Between two chunks of a slow stream.
pub const PAUSE: Duration = Duration::from_secs(5);

/// Answers for ever.
pub async fn serve(listener: TcpListener) {
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{WHOLE}",
        WHOLE.len()
    );
    let answers: &'static Answers = Box::leak(Box::new(Answers {
        whole: whole.into_bytes(),
        events: (0..CHUNKS).map(|at| chunk(&event(at))).collect(),
        end: (String::from_utf8_lossy(&chunk(END)).into_owned() + "0\r\n\r\n").into_bytes(),
    }));
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        tokio::spawn(async move {
            // A peer that closes has had what it wanted.
            let _ = converse(socket, answers).await;
        });
    }
}

struct Answers {
    whole: Vec<u8>,
    events: Vec<Vec<u8>>,
    end: Vec<u8>,
}

const STREAM_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn converse(mut socket: TcpStream, answers: &Answers) -> std::io::Result<()> {
    let mut unread = Vec::with_capacity(4096);
    loop {
        let Some(length) = request(&mut socket, &mut unread).await? else { return Ok(()) };
        let model = model(&unread[..length]).map(<[u8]>::to_vec);
        unread.drain(..length);
        match model.as_deref() {
            Some(b"whole") => socket.write_all(&answers.whole).await?,
            Some(b"hundred") => {
                socket.write_all(STREAM_HEAD).await?;
                for event in &answers.events {
                    socket.write_all(event).await?;
                }
                socket.write_all(&answers.end).await?;
            }
            Some(b"slow") => {
                socket.write_all(STREAM_HEAD).await?;
                for event in answers.events.iter().cycle() {
                    socket.write_all(event).await?;
                    sleep(PAUSE).await;
                }
            }
            _ => socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await?,
        }
    }
}

/// The length of the next request, head and body, once it is all there.
async fn request(socket: &mut TcpStream, unread: &mut Vec<u8>) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(end) = find(unread, b"\r\n\r\n") {
            let length = end + 4 + length_in(&unread[..end]);
            while unread.len() < length {
                if socket.read_buf(unread).await? == 0 {
                    return Ok(None);
                }
            }
            return Ok(Some(length));
        }
        if socket.read_buf(unread).await? == 0 {
            return Ok(None);
        }
    }
}

/// What a head says of the length of its body.
pub(super) fn length_in(head: &[u8]) -> usize {
    let line = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(b"content-length:".len())?;
        name.eq_ignore_ascii_case(b"content-length:").then_some(value)
    });
    line.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok()).unwrap_or_default()
}

fn model(request: &[u8]) -> Option<&[u8]> {
    let name = b"\"model\":\"";
    let rest = &request[find(request, name)? + name.len()..];
    rest.split(|&byte| byte == b'"').next()
}

/// In HTTP's chunked coding.
fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}
