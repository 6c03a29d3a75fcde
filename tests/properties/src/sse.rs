use bytes::Bytes;
use protocol::{LineTooLong, SseEvent, SseParser};

use crate::cut::cut;

/// However a stream is cut, its events are the same, and together they are its bytes; what one of them is on its own is
/// what it is among the others.
pub fn event_stream(input: &[u8]) {
    let (whole, pieces) = cut(input);
    let events = events(SseParser::new(), std::slice::from_ref(&whole));
    assert_eq!(events, self::events(SseParser::new(), &pieces));
    let (events, failed) = events;
    assert!(!failed, "no line of these is too long");
    let raw: Vec<u8> = events.iter().flat_map(|event| event.raw.clone()).collect();
    assert!(raw.starts_with(&whole[..whole.len().min(raw.len())]), "every byte of an event is kept");
    for event in &events {
        assert!(event.comment || !event.data.is_empty() || event.event.is_some() || !event.raw.is_empty());
    }
    // A bound on lines is kept, and ends the stream at the same event however it is cut.
    let short = || SseParser::with_cap(16);
    assert_eq!(self::events(short(), std::slice::from_ref(&whole)), self::events(short(), &pieces));
}

/// The events of these pieces, and whether a line was too long.
fn events(mut splitter: SseParser, pieces: &[Bytes]) -> (Vec<SseEvent>, bool) {
    let (mut events, mut failed) = (Vec::new(), false);
    for piece in pieces {
        splitter.feed(piece.clone());
        while let Some(event) = splitter.next() {
            match event {
                Ok(event) => events.push(event),
                Err(LineTooLong { .. }) => failed = true,
            }
        }
    }
    events.extend(splitter.finish());
    (events, failed)
}
