//! Many slow streams at once, and what each keeps in memory.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::bodies::event;
use super::load::Asking;
use super::process::Running;
use super::upstream::PAUSE;

/// How many streams are begun at the same time.
const AT_ONCE: usize = 64;

/// What one of so many slow streams costs a proxy.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Bytes of memory that are no file's.
    pub memory: f64,
    /// Nanoseconds of a processor for a chunk.
    pub chunk: f64,
}

/// Opens the streams, and waits until each has brought three chunks.
///
/// # Panics
/// Where one is refused or does not go on.
pub async fn streams(asking: &Arc<Asking>, count: usize, proxy: &Running) -> Cost {
    let before = proxy.memory();
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        let many: Vec<_> =
            (0..AT_ONCE.min(count - open.len())).map(|_| tokio::spawn(begin(Arc::clone(asking)))).collect();
        for one in many {
            open.push(one.await.expect("it begins"));
        }
    }
    let started = proxy.processor_time();
    sleep(PAUSE * 2).await;
    let used = proxy.processor_time() - started;
    let memory = (proxy.memory() as f64 - before as f64) / count as f64;
    for stream in &mut open {
        let mut came = [0; 16 << 10];
        let length = stream.try_read(&mut came).expect("more has come meanwhile");
        let text = String::from_utf8_lossy(&came[..length]);
        assert!(text.contains(event(1).trim_end()), "the second chunk is due: {text}");
    }
    Cost { memory, chunk: used as f64 / (2 * count) as f64 }
}

/// A stream whose first chunk is here.
async fn begin(asking: Arc<Asking>) -> TcpStream {
    let mut socket = TcpStream::connect(asking.address).await.expect("it listens");
    socket.write_all(&asking.request).await.expect("it reads");
    let (mut came, first) = (Vec::new(), event(0));
    while !String::from_utf8_lossy(&came).contains(first.trim_end()) {
        assert!(
            socket.read_buf(&mut came).await.expect("it answers") > 0,
            "{}",
            String::from_utf8_lossy(&came)
        );
    }
    socket
}
