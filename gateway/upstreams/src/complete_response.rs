//! A response read from bytes in memory as from a connection, for tests and fuzzing.

use bytes::BytesMut;
use http::HeaderMap;

use super::http1::{BodyEvent, ResponseHead};

/// What was read of a connection up to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompleteResponse {
    /// The status.
    pub status: u16,
    /// Without those that speak of the connection or of the length.
    pub headers: HeaderMap,
    /// The body, without what frames it.
    pub body: Vec<u8>,
    /// Whether another request may follow on the connection.
    pub stays_open: bool,
    /// What came after the body.
    pub rest: Vec<u8>,
}

impl CompleteResponse {
    /// Reads what comes in pieces of `size` bytes, at least one, and then ends; `None` where that is no complete response.
    pub fn read(bytes: &[u8], size: usize) -> Option<Self> {
        let mut pieces = bytes.chunks(size);
        let mut came = BytesMut::new();
        let head = loop {
            match ResponseHead::take(&mut came).ok()? {
                Some(head) => break head,
                None => came.extend_from_slice(pieces.next()?),
            }
        };
        let (mut framing, mut body) = (head.framing, Vec::new());
        loop {
            match framing.take(&mut came).ok()? {
                BodyEvent::Piece(piece) => body.extend_from_slice(&piece),
                BodyEvent::End => break,
                BodyEvent::Wanting => match pieces.next() {
                    Some(piece) => came.extend_from_slice(piece),
                    None if framing.ends_with_connection() => break,
                    None => return None,
                },
            }
        }
        pieces.for_each(|piece| came.extend_from_slice(piece));
        let status = head.status.as_u16();
        Some(Self { status, headers: head.headers, body, stays_open: head.stays_open, rest: came.to_vec() })
    }
}
