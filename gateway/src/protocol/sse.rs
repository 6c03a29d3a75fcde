//! Event-stream framing (WHATWG HTML, section 9.2), incremental and byte exact.

use bytes::{Bytes, BytesMut};

/// The longest line: a chunk of an answer is a few hundred bytes.
const LINE: usize = 1 << 20;

/// A line went on beyond the bound (or an event beyond four times the bound). Nothing more comes of that stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the event stream is longer than {cap} bytes")]
pub struct LineTooLong {
    /// The bound in bytes.
    pub cap: usize,
}

/// One event with the bytes that it came as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Everything from the end of the last event to the blank line that ends this one, included.
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
    held: BytesMut,
    fed: Bytes,
    cap: usize,
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
        Self { held: BytesMut::new(), fed: Bytes::new(), cap }
    }

    /// Takes what came next. Call [`Splitter::next`] until it gives `None` before the next one, else bytes are copied.
    pub fn feed(&mut self, bytes: Bytes) {
        self.fed = bytes;
    }

    /// The next whole event, if it has come.
    #[expect(clippy::should_implement_trait, reason = "it goes on after None")]
    pub fn next(&mut self) -> Option<Result<Event, LineTooLong>> {
        unimplemented!("{} {}", self.held.len(), self.cap)
    }

    /// What the end of the stream leaves over: an event without its blank line counts if its data are whole, that is a JSON
    /// object or `[DONE]`; its raw bytes are completed.
    pub fn finish(&mut self) -> Option<Event> {
        unimplemented!()
    }
}
