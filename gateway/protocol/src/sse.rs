//! Event-stream framing (WHATWG HTML, section 9.2), incremental and byte exact.
//!
//! However the stream is cut into pieces, the same events come out, and their raw bytes one after the other are the
//! stream. An event that lies within one piece is a slice of it.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::json::RawObject;

/// The longest line, in bytes, where nothing else is said: a chunk of an answer has a few hundred.
const LINE: usize = 1 << 20;
/// Room for the events that come in several pieces, in bytes, which is kept for the next one. What a picture needed is not.
const ROOM_KEPT: usize = 16 << 10;
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
pub struct SseEvent {
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

impl SseEvent {
    /// Whether an event whose data are no object says nothing, so that nothing is lost with it: a sign of life with a text of
    /// its own, or an empty value.
    pub(super) fn is_idle(&self) -> bool {
        const ALIVE: [&[u8]; 4] = [b"ping", b"heartbeat", b"keepalive", b"keep-alive"];
        let is_alive = |word: &[u8]| ALIVE.iter().any(|alive| word.eq_ignore_ascii_case(alive));
        let data = self.data.trim_ascii();
        self.event.as_deref().is_some_and(is_alive)
            || matches!(data, b"null" | b"\"\"" | b"[]")
            || is_alive(data)
    }

    /// Whether an event without data has lost them: a line that is no comment and no field of the standard's has an object's
    /// brace in it, as what is left of `data: {…}` after a fault. Only asked of what has no data.
    pub(super) fn is_torn(&self) -> bool {
        let lines = self.raw.split(|byte| matches!(byte, b'\n' | b'\r'));
        lines.filter(|line| !line.starts_with(b":")).any(|line| {
            let known = matches!(field(line).0, b"data" | b"event" | b"id" | b"retry");
            !known && memchr::memchr(b'{', line).is_some()
        })
    }
}

/// Cuts a byte stream into events.
#[derive(Debug)]
pub struct SseParser {
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

impl Default for SseParser {
    fn default() -> Self {
        Self::with_cap(LINE)
    }
}

impl SseParser {
    /// For lines of at most 1 MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// For lines of any length: of events that are here already, which somebody else has bounded.
    pub fn unbounded() -> Self {
        Self::with_cap(usize::MAX)
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

    /// Takes what came next. Call [`SseParser::next`] until it gives `None` before the next one, else bytes are copied.
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
    pub fn next(&mut self) -> Option<Result<SseEvent, LineTooLong>> {
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

    /// What the end of the stream leaves over, once [`SseParser::next`] gives `None`: an event without its blank line
    /// counts if its data are whole, that is a JSON object or `[DONE]`; its raw bytes are completed.
    pub fn finish(&mut self) -> Option<SseEvent> {
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
        let whole = &event.data[..] == b"[DONE]" || RawObject::skim(event.data.clone()).is_ok();
        // A whole body in place of a stream may be an error.
        let bare = event.comment && event.is_torn() && RawObject::skim(event.raw.clone()).is_ok();
        ((whole && !event.comment) || bare).then_some(event)
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
        if self.held.capacity() > ROOM_KEPT {
            return std::mem::take(&mut self.held).freeze();
        }
        self.held.split().freeze()
    }

    /// Reads the lines of an event.
    fn event(&mut self, raw: Bytes) -> SseEvent {
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
        SseEvent { data, event, comment, raw }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All events of a stream that comes in these pieces, and what its end leaves over.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<SseEvent>, Option<SseEvent>) {
        let mut splitter = SseParser::new();
        let mut events = Vec::new();
        for piece in pieces {
            splitter.feed(Bytes::copy_from_slice(piece));
            while let Some(event) = splitter.next() {
                events.push(event.unwrap());
            }
        }
        let rest = splitter.finish();
        (events, rest)
    }

    /// What the standard says of a whole stream: data and event type of each event that has data.
    fn by_the_book(stream: &[u8]) -> Vec<(String, Option<String>)> {
        let text = String::from_utf8_lossy(stream);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
        let (mut events, mut data, mut kind) = (Vec::new(), String::new(), None);
        let Some((lines, _unfinished)) = text.rsplit_once('\n') else { return events };
        for line in lines.split('\n') {
            if line.is_empty() {
                let said = data.strip_suffix('\n').unwrap_or(&data).to_owned();
                if !said.is_empty() {
                    events.push((said, kind.take()));
                }
                data.clear();
                kind = None;
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "data" => data += &format!("{value}\n"),
                "event" => kind = Some(value.to_owned()),
                _ => {}
            }
        }
        events
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let check = |stream: &str, expected: &[&str]| {
            let (events, _) = split([stream.as_bytes()]);
            let data: Vec<_> =
                events.iter().filter(|event| !event.comment).map(|event| &event.data[..]).collect();
            assert_eq!(data, expected.iter().map(|data| data.as_bytes()).collect::<Vec<_>>(), "{stream:?}");
            let raws: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
            assert!(stream.as_bytes().starts_with(&raws));
        };
        check("data: a\n\ndata:b\r\n\r\ndata: c\r\rdata: d\n\r\n", &["a", "b", "c", "d"]);
        check("\u{feff}data: a\n\n", &["a"]);
        check("\u{feff}\ndata: a\n\n", &["a"]);
        check(": keep-alive\n\n\n\ndata: a\n\n", &["a"]);
        check("id: 1\nretry: 10\ndata: a\ndata: b\ndata\ndata: c\n\n", &["a\nb\n\nc"]);
        check("data\n\ndata:\n\ndata:  x\n\n", &[" x"]);
        check("data: 你好🙂\n\ndata: a: b\n\n", &["你好🙂", "a: b"]);
        check("data: a\ndata: unfinished", &[]);
        check("", &[]);
    }

    #[test]
    fn event_types_are_kept() {
        let (events, _) = split([&b"event: error\ndata: x\n\nevent:a\nevent: b\n\n"[..]]);
        assert_eq!(events[0].event.as_deref(), Some(&b"error"[..]));
        assert_eq!((events[1].event.as_deref(), events[1].comment), (Some(&b"b"[..]), true));
    }

    #[test]
    fn an_event_in_one_piece_is_a_slice_of_it() {
        let piece = Bytes::from_static(b"data: one\n\ndata: two\r\n\r\n");
        let mut splitter = SseParser::new();
        splitter.feed(piece.clone());
        for at in [0, 11] {
            let event = splitter.next().unwrap().unwrap();
            assert_eq!(event.raw.as_ptr(), piece[at..].as_ptr());
            assert_eq!(event.data.as_ptr(), piece[at + 6..].as_ptr());
        }
        assert_eq!(splitter.next(), None);
    }

    #[test]
    fn what_an_end_leaves_over_counts_only_if_whole() {
        let check = |stream: &str, raw: Option<&str>| {
            let (_, rest) = split([stream.as_bytes()]);
            assert_eq!(
                rest.map(|event| event.raw),
                raw.map(|raw| Bytes::copy_from_slice(raw.as_bytes())),
                "{stream:?}"
            );
        };
        check("data: a\n\ndata: [DONE]", Some("data: [DONE]\n\n"));
        check("data: [DONE]\n", Some("data: [DONE]\n\n"));
        check("data: [DONE]\r", Some("data: [DONE]\r\n\n"));
        check("data: [DONE]\r\n", Some("data: [DONE]\r\n\n"));
        check("data: {\"a\":1}", Some("data: {\"a\":1}\n\n"));
        check("data: x\r\r", Some("data: x\r\r"));
        check("data: {\"a\":1", None);
        check("data: {\"a\":1}\ndata: {", None);
        check("data: tex", None);
        check(": comment", None);
        check("data: a\n\n", None);
    }

    #[test]
    fn long_lines_and_endless_events_end_it() {
        for piece in [&b"data: aaaaaaa"[..], b"data: aaa\n"] {
            let mut splitter = SseParser::with_cap(100);
            let mut fed = 0;
            let error = loop {
                splitter.feed(Bytes::copy_from_slice(piece));
                fed += piece.len();
                match splitter.next() {
                    Some(Err(error)) => break error,
                    Some(Ok(event)) => panic!("{event:?}"),
                    None => assert!(fed < 500),
                }
            };
            assert_eq!(error, LineTooLong { cap: 100 });
            splitter.feed(Bytes::from_static(b"data: x\n\n"));
            assert_eq!((splitter.next(), splitter.finish()), (None, None));
        }
        let mut splitter = SseParser::with_cap(100);
        splitter.feed(Bytes::from(b"data: x\n\n".repeat(1000)));
        assert_eq!(std::iter::from_fn(|| splitter.next()).flatten().count(), 1000);
    }

    #[test]
    fn the_room_of_a_large_event_is_given_back() {
        let mut splitter = SseParser::with_cap(1 << 24);
        splitter.feed(Bytes::from_static(b"data: small\n"));
        assert_eq!(splitter.next(), None);
        assert!(splitter.held.capacity() > 0);
        for _ in 0..1000 {
            splitter.feed(Bytes::from(vec![b'a'; 10_000]));
            assert_eq!(splitter.next(), None);
        }
        splitter.feed(Bytes::from_static(b"\n\ndata: next"));
        assert!(splitter.next().unwrap().unwrap().raw.len() > 10_000_000);
        assert_eq!(splitter.next(), None);
        assert!(splitter.held.capacity() < 1000, "{}", splitter.held.capacity());
    }

    fn any_stream() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just("data: {\"a\":\"你好，世界🙂\"}"),
            Just("data:x"),
            Just("data"),
            Just("data: [DONE]"),
            Just(""),
            Just(""),
            Just(": keep-alive"),
            Just("event: error"),
            Just("id"),
            Just("retry: 3"),
            Just("\u{feff}data: y"),
        ];
        let end = prop_oneof![Just("\n"), Just("\r"), Just("\r\n")];
        let lines = prop::collection::vec((line, end), 0..12);
        (any::<bool>(), lines, 0..3usize).prop_map(|(mark, lines, cut)| {
            let mut stream = if mark { "\u{feff}".to_owned() } else { String::new() };
            stream.extend(lines.iter().flat_map(|(line, end)| [*line, *end]));
            let mut stream = stream.into_bytes();
            stream.truncate(stream.len().saturating_sub(cut));
            stream
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_split_gives_the_same_events(stream in any_stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..9)) {
            let whole = split([&stream[..]]);
            let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            prop_assert_eq!(&split(at.windows(2).map(|pair| &stream[pair[0]..pair[1]])), &whole);
            prop_assert_eq!(&split(stream.chunks(1)), &whole);
        }

        #[test]
        fn nothing_is_lost_and_the_standard_is_kept(stream in any_stream()) {
            let (events, rest) = split([&stream[..]]);
            let raws: Vec<u8> = events.iter().flat_map(|event| event.raw.to_vec()).collect();
            prop_assert!(stream.starts_with(&raws));
            if let Some(rest) = &rest {
                let left = &stream[raws.len()..];
                prop_assert!(rest.raw.starts_with(left) && rest.raw[left.len()..].iter().all(|byte| *byte == b'\n'));
            }
            // A CR at the very end may be half of a CRLF; the standard waits for it, and so do we, until the end.
            let ended = rest.filter(|rest| raws.len() + rest.raw.len() == stream.len());
            let read: Vec<_> = events.iter().chain(&ended).filter(|event| !event.comment).map(|event| {
                let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                (text(&event.data), event.event.as_ref().map(text))
            }).collect();
            prop_assert_eq!(read, by_the_book(&stream));
        }
    }
}
