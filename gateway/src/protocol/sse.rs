//! Event-stream framing (WHATWG HTML, section 9.2), incremental and byte exact.
//!
//! However the stream is cut into pieces, the same events come out, and their raw bytes one after the other are the
//! stream. An event that lies within one piece is a slice of it.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::json::Object;

/// The longest line, in bytes: a chunk of an answer has a few hundred.
const LINE: usize = 1 << 20;
/// An event may have this many times the bytes of the longest line.
const LINES: usize = 4;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line went on beyond its bound, or an event beyond four times that. Nothing more comes of that stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the event stream is longer than {cap} bytes")]
pub struct LineTooLong {
    /// The bound in bytes.
    pub cap: usize,
}

/// One event with the bytes that it came as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Everything from the end of the last event to the blank line that ends this one, included. A blank line with
    /// nothing before it is an event of its own.
    pub raw: Bytes,
    /// The values of its `data` lines, joined with a newline where there are several.
    pub data: Bytes,
    /// The value of its last `event` line.
    pub event: Option<Bytes>,
    /// Whether it carries no data: a comment, a blank line, a field without meaning for us.
    pub comment: bool,
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct Splitter {
    /// The beginning of an event, from pieces before.
    held: BytesMut,
    /// The last piece, from the end of the last event on.
    fed: Bytes,
    /// How much of `fed` has been looked at.
    seen: usize,
    /// Bytes of the line under way.
    line: usize,
    /// The last line ended with a CR: an LF that follows belongs to it. Whether that line was blank.
    carriage: Option<bool>,
    /// Nothing has come yet: there may be a byte order mark.
    fresh: bool,
    cap: usize,
    broken: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::with_cap(LINE)
    }
}

impl Splitter {
    /// For lines of at most 1 MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// For lines of at most so many bytes.
    pub fn with_cap(cap: usize) -> Self {
        Self {
            held: BytesMut::new(),
            fed: Bytes::new(),
            seen: 0,
            line: 0,
            carriage: None,
            fresh: true,
            cap,
            broken: false,
        }
    }

    /// Takes what came next. Call [`Splitter::next`] until it gives `None` before the next one, else bytes are copied.
    pub fn feed(&mut self, bytes: Bytes) {
        if self.broken {
            return;
        }
        if self.fed.is_empty() {
            self.fed = bytes;
        } else {
            self.fed = [&self.fed[..], &bytes[..]].concat().into();
        }
    }

    /// The next whole event, if it has come. `None` is no end: it goes on with what is fed next.
    #[expect(clippy::should_implement_trait, reason = "an iterator would be over after None")]
    pub fn next(&mut self) -> Option<Result<Event, LineTooLong>> {
        if self.broken {
            return None;
        }
        loop {
            let blank = match self.line_end() {
                Ok(Some(blank)) => blank,
                Ok(None) => return None,
                Err(error) => {
                    *self = Self { broken: true, ..Self::with_cap(self.cap) };
                    return Some(Err(error));
                }
            };
            if blank {
                let raw = self.cut();
                return Some(Ok(self.event(raw)));
            }
        }
    }

    /// What the end of the stream leaves over, once [`Splitter::next`] gives `None`: an event without its blank line
    /// counts if its data are whole, that is a JSON object or `[DONE]`; its raw bytes are completed.
    pub fn finish(&mut self) -> Option<Event> {
        self.seen = self.fed.len();
        let carriage = self.carriage.take();
        let unfinished = carriage.is_some() || self.line > 0;
        self.line = 0;
        let raw = self.cut();
        if raw.is_empty() || self.broken {
            return None;
        }
        if carriage == Some(true) {
            return Some(self.event(raw));
        }
        // After a CR the first newline only completes its line.
        let ending: &[u8] = if unfinished { b"\n\n" } else { b"\n" };
        let event = self.event([&raw[..], ending].concat().into());
        let whole = &event.data[..] == b"[DONE]" || Object::skim(event.data.clone()).is_ok();
        (whole && !event.comment).then_some(event)
    }

    /// Goes to the end of the line under way, and says whether the line was blank. `None`: the end has not come; what
    /// has come is held.
    fn line_end(&mut self) -> Result<Option<bool>, LineTooLong> {
        while let Some(byte) = self.fed.get(self.seen) {
            if let Some(blank) = self.carriage.take() {
                self.seen += usize::from(*byte == b'\n');
                return Ok(Some(blank));
            }
            let rest = &self.fed[self.seen..];
            let end = memchr2(b'\n', b'\r', rest);
            self.line += end.unwrap_or(rest.len());
            self.seen += end.map_or(rest.len(), |end| end + 1);
            if self.line > self.cap || self.held.len() + self.seen > self.cap.saturating_mul(LINES) {
                return Err(LineTooLong { cap: self.cap });
            }
            if end.is_some() {
                let blank = std::mem::take(&mut self.line) == 0;
                if self.fed[self.seen - 1] == b'\n' {
                    return Ok(Some(blank));
                }
                self.carriage = Some(blank);
            }
        }
        self.held.extend_from_slice(&self.fed);
        self.fed = Bytes::new();
        self.seen = 0;
        Ok(None)
    }

    /// Everything looked at since the last event.
    fn cut(&mut self) -> Bytes {
        let seen = self.fed.split_to(std::mem::take(&mut self.seen));
        if self.held.is_empty() {
            return seen;
        }
        self.held.extend_from_slice(&seen);
        self.held.split().freeze()
    }

    /// Reads the lines of an event.
    fn event(&mut self, raw: Bytes) -> Event {
        let mut rest = &raw[..];
        if std::mem::take(&mut self.fresh) {
            rest = rest.strip_prefix(BYTE_ORDER_MARK).unwrap_or(rest);
        }
        let (mut first, mut joined, mut event) = (None, None::<Vec<u8>>, None);
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            match (field(line), first) {
                ((b"data", value), None) => first = Some(value),
                ((b"data", value), Some(before)) => {
                    let joined = joined.get_or_insert_with(|| before.to_vec());
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                }
                ((b"event", value), _) => event = Some(raw.slice_ref(value)),
                _ => {}
            }
        }
        let data = match (joined, first) {
            (Some(joined), _) => joined.into(),
            (None, Some(value)) => raw.slice_ref(value),
            (None, None) => Bytes::new(),
        };
        let comment = data.is_empty();
        Event { data, event, comment, raw }
    }
}

/// A line's name and value, parted by a colon and one space that may be missing.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
        None => (line, b""),
    }
}
