//! Plays a script on a connection, and notices when the peer leaves.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::WriteHalf;

use super::script::{Script, Step};
use super::seen::{End, Seen};
use crate::http1::Connection;

/// Plays the script to its end, or until the peer leaves.
pub(super) async fn play(connection: &mut Connection, script: Script, seen: &Seen) -> End {
    let (mut reader, mut writer) = connection.socket.split();
    let unread = &mut connection.unread;
    let peer_leaves = async { while matches!(reader.read_buf(unread).await, Ok(1..)) {} };
    let end = tokio::select! {
        biased;
        end = perform(&mut writer, script, seen) => end.unwrap_or(End::PeerLeft),
        () = peer_leaves => End::PeerLeft,
    };
    seen.ended(end);
    end
}

async fn perform(writer: &mut WriteHalf<'_>, script: Script, seen: &Seen) -> io::Result<End> {
    for step in script.steps {
        match step {
            Step::Say(bytes) => say(writer, &bytes, seen).await?,
            Step::Chunk(bytes) => say(writer, &chunk(&bytes), seen).await?,
            Step::Bill(billed) => seen.bill(billed),
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::Stall => std::future::pending().await,
            Step::Drip(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    say(writer, &[byte], seen).await?;
                }
            }
            Step::Flood(bytes) => loop {
                say(writer, &bytes, seen).await?;
            },
            Step::Close => return Ok(End::Hung),
            Step::Reset => {
                writer.as_ref().set_zero_linger()?;
                return Ok(End::Hung);
            }
        }
    }
    Ok(End::Said)
}

async fn say(writer: &mut WriteHalf<'_>, mut bytes: &[u8], seen: &Seen) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = writer.write(bytes).await?;
        seen.sent(written);
        bytes = &bytes[written..];
    }
    // A peer in the same thread gets the chance to see these bytes apart from the next ones.
    tokio::task::yield_now().await;
    Ok(())
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
