//! A pull parser over JSON text (RFC 8259) that copies nothing.
//!
//! Whoever pulls decides what to look at: each closure that [`Cursor::members`] or [`Cursor::elements`] calls must
//! take exactly one value from the cursor, by [`Cursor::skip`] if by nothing else. Whatever was passed over has been
//! checked.

use super::json_error::{JsonError, JsonErrorKind, MAX_DEPTH};
use super::json_str::{JsonStr, hex};

/// A kind of value, known from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl ValueKind {
    /// With its article, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::Array => "an array",
            Self::String => "a string",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::Null => "null",
        }
    }
}

/// A place in a JSON text.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a text.
    pub(super) fn over(text: &'a str) -> Self {
        Self::within(text, 0)
    }

    /// Somewhere in a text that was checked before.
    pub(super) fn within(text: &'a str, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// All of the text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The bytes from the start of the text to here.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over white space and looks at the first byte of the next value.
    pub(super) fn kind(&mut self) -> Result<ValueKind, JsonError> {
        match self.peek()? {
            b'"' => Ok(ValueKind::String),
            b'{' => Ok(ValueKind::Object),
            b'[' => Ok(ValueKind::Array),
            b't' | b'f' => Ok(ValueKind::Bool),
            b'n' => Ok(ValueKind::Null),
            b'-' | b'0'..=b'9' => Ok(ValueKind::Number),
            b'+' | b'.' | b'N' | b'I' => Err(self.fault(JsonErrorKind::Number)),
            _ => Err(self.fault(JsonErrorKind::Expected("a value"))),
        }
    }

    /// Takes a value, whatever it is, as it is written.
    pub(super) fn skip(&mut self) -> Result<&'a str, JsonError> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            ValueKind::Object => self.members(|cursor, _| cursor.skip().map(drop))?,
            ValueKind::Array => self.elements(|cursor, _| cursor.skip().map(drop))?,
            ValueKind::String => drop(self.string()?),
            ValueKind::Number => self.number()?,
            ValueKind::Bool if self.text.as_bytes()[start] == b't' => self.word("true")?,
            ValueKind::Bool => self.word("false")?,
            ValueKind::Null => self.word("null")?,
        }
        Ok(&self.text[start..self.at])
    }

    /// Takes an object, giving each member's name; the closure takes its value.
    pub(super) fn members<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, JsonStr<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{', "an object")?;
        if self.peek()? == b'}' {
            return self.close();
        }
        loop {
            if self.peek()? != b'"' {
                return Err(self.fault(JsonErrorKind::Expected("a name in quotes")).into());
            }
            let name = self.string()?;
            if self.peek()? != b':' {
                return Err(self.fault(JsonErrorKind::Expected("a ':'")).into());
            }
            self.at += 1;
            each(self, name)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => return self.close(),
                _ => return Err(self.fault(JsonErrorKind::Expected("a ',' or '}'")).into()),
            }
        }
    }

    /// Takes an array, giving each element's place in it; the closure takes the element.
    pub(super) fn elements<E: From<JsonError>>(
        &mut self,
        mut each: impl FnMut(&mut Self, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'[', "an array")?;
        if self.peek()? == b']' {
            return self.close();
        }
        for index in 0.. {
            each(self, index)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.fault(JsonErrorKind::Expected("a ',' or ']'")).into()),
            }
        }
        self.close()
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Result<JsonStr<'a>, JsonError> {
        if self.peek()? != b'"' {
            return Err(self.fault(JsonErrorKind::Expected("a string")));
        }
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut escaped = false;
        self.at = start;
        loop {
            self.at += plain(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.pass_escape()?;
                }
                Some(_) => return Err(self.fault(JsonErrorKind::Control)),
                None => return Err(self.fault(JsonErrorKind::Truncated)),
            }
        }
        self.at += 1;
        Ok(JsonStr { raw: &self.text[start..self.at - 1], escaped, at: start })
    }

    /// Passes over white space to the end of the text.
    pub(super) fn end(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(self.fault(JsonErrorKind::Trailing)),
        }
    }

    /// A fault here.
    pub(super) fn fault(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { kind, at: self.at }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Result<u8, JsonError> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(self.fault(if bytes.iter().all(u8::is_ascii_whitespace) {
            JsonErrorKind::Empty
        } else {
            JsonErrorKind::Truncated
        }))
    }

    fn open(&mut self, bracket: u8, what: &'static str) -> Result<(), JsonError> {
        if self.peek()? != bracket {
            return Err(self.fault(JsonErrorKind::Expected(what)));
        }
        if self.depth == MAX_DEPTH {
            return Err(self.fault(JsonErrorKind::Depth));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn close<E>(&mut self) -> Result<(), E> {
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn word(&mut self, word: &'static str) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        let truncated = word.as_bytes().starts_with(rest);
        Err(self.fault(if truncated { JsonErrorKind::Truncated } else { JsonErrorKind::Expected("a value") }))
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.at += usize::from(self.byte() == b'-');
        let zero = self.byte() == b'0';
        let whole = self.digits();
        let fraction = self.byte() != b'.' || {
            self.at += 1;
            self.digits() > 0
        };
        let exponent = !matches!(self.byte(), b'e' | b'E') || {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), b'+' | b'-'));
            self.digits() > 0
        };
        if whole == 0 || (zero && whole > 1) || !fraction || !exponent {
            return Err(JsonError { kind: JsonErrorKind::Number, at: start });
        }
        Ok(())
    }

    /// The byte here, 0 at the end.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    fn pass_escape(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += match rest.get(1) {
            None => return Err(JsonError { kind: JsonErrorKind::Truncated, at: self.text.len() }),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => self.unicode_escape()?,
            Some(_) => return Err(self.fault(JsonErrorKind::Escape)),
        };
        Ok(())
    }

    /// How many bytes the `\u` escape here takes: 6, or 12 for a surrogate pair.
    fn unicode_escape(&self) -> Result<usize, JsonError> {
        let Some(first) = hex(self.text, self.at + 2) else {
            return Err(self.fault(JsonErrorKind::Escape));
        };
        match first {
            0xdc00..=0xdfff => Err(self.fault(JsonErrorKind::Surrogate)),
            0xd800..=0xdbff => {
                let pair = self.text.as_bytes().get(self.at + 6..self.at + 8) == Some(b"\\u");
                match hex(self.text, self.at + 8) {
                    Some(0xdc00..=0xdfff) if pair => Ok(12),
                    _ => Err(self.fault(JsonErrorKind::Surrogate)),
                }
            }
            _ => Ok(6),
        }
    }
}

/// How many bytes from the start are no quote, backslash or control character: eight at a time, by the usual trick
/// of borrowing into the top bit of each byte, which is exact for the lowest byte that matches.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let (eights, rest) = bytes.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quote | backslash | control) & TOPS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let stops = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    eights.len() * 8 + rest.iter().position(stops).unwrap_or(rest.len())
}

/// Whether these bytes can stand in a JSON string as they are, and mean themselves.
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    plain(bytes) == bytes.len()
}

/// The text of these bytes, if it may be JSON at all.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError { kind: JsonErrorKind::ByteOrderMark, at: 0 });
    }
    std::str::from_utf8(bytes)
        .map_err(|error| JsonError { kind: JsonErrorKind::Utf8, at: error.valid_up_to() })
}

#[cfg(test)]
mod tests {
    use super::super::json_error::quoted;
    use super::*;

    fn whole(text: &[u8]) -> Result<(), JsonError> {
        let mut cursor = Cursor::over(text_of(text)?);
        cursor.skip()?;
        cursor.end()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let check = |text: &[u8], kind: JsonErrorKind, at: usize| {
            assert_eq!(whole(text), Err(JsonError { kind, at }), "{}", String::from_utf8_lossy(text));
        };
        check(b"", JsonErrorKind::Empty, 0);
        check(b" \n\t ", JsonErrorKind::Empty, 4);
        check(b"\xef\xbb\xbf{}", JsonErrorKind::ByteOrderMark, 0);
        check(b"{\"a\":\"\xc0\xaf\"}", JsonErrorKind::Utf8, 6);
        check(b"{\"a\":1", JsonErrorKind::Truncated, 6);
        check(b"\"abc", JsonErrorKind::Truncated, 4);
        check(b"\"abc\\", JsonErrorKind::Truncated, 5);
        check(b"tru", JsonErrorKind::Truncated, 0);
        check(b"trux", JsonErrorKind::Expected("a value"), 0);
        check(b"{a:1}", JsonErrorKind::Expected("a name in quotes"), 1);
        check(b"{\"a\" 1}", JsonErrorKind::Expected("a ':'"), 5);
        check(b"{\"a\":1 \"b\":2}", JsonErrorKind::Expected("a ',' or '}'"), 7);
        check(b"{\"a\":1,}", JsonErrorKind::Expected("a name in quotes"), 7);
        check(b"[1 2]", JsonErrorKind::Expected("a ',' or ']'"), 3);
        check(b"[1,]", JsonErrorKind::Expected("a value"), 3);
        for number in
            ["01", "-", "1.", ".5", "+1", "1e", "1e+", "NaN", "Infinity", "-Infinity", "-01", "1.e3"]
        {
            check(number.as_bytes(), JsonErrorKind::Number, 0);
        }
        check(br#""\x""#, JsonErrorKind::Escape, 1);
        check(br#""\u12g4""#, JsonErrorKind::Escape, 1);
        check(br#""\u+123""#, JsonErrorKind::Escape, 1);
        check(br#""\ud800""#, JsonErrorKind::Surrogate, 1);
        check(br#""\udc00""#, JsonErrorKind::Surrogate, 1);
        check(br#""\udfff""#, JsonErrorKind::Surrogate, 1);
        check(br#""\udbff\ue000""#, JsonErrorKind::Surrogate, 1);
        check(br#""\ud800\ud800""#, JsonErrorKind::Surrogate, 1);
        check(br#""\ud800xxdc00""#, JsonErrorKind::Surrogate, 1);
        check(b"\"a\nb\"", JsonErrorKind::Control, 2);
        check(b"{} {}", JsonErrorKind::Trailing, 3);
        check(b"1x", JsonErrorKind::Trailing, 1);
    }

    #[test]
    fn depth_is_bounded_and_the_stack_with_it() {
        let nested = |levels: usize| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        assert_eq!(whole(&nested(128)), Ok(()));
        assert_eq!(whole(&nested(129)), Err(JsonError { kind: JsonErrorKind::Depth, at: 128 }));
        assert_eq!(whole(&b"[".repeat(1_000_000)), Err(JsonError { kind: JsonErrorKind::Depth, at: 128 }));
        assert_eq!(
            whole(&b"{\"a\":".repeat(100_000)),
            Err(JsonError { kind: JsonErrorKind::Depth, at: 640 })
        );
    }

    #[test]
    fn numbers_that_no_machine_holds_are_json() {
        for number in ["1e400", "-0", "1e-400", "123456789012345678901234567890", "0.10", "1E+2", "-0.0e-0"] {
            assert_eq!(whole(number.as_bytes()), Ok(()), "{number}");
        }
    }

    #[test]
    fn messages_never_echo_much() {
        let long = "x".repeat(10_000);
        let text = format!(r#"{{"{long}":1,"{long}":2}}"#);
        let fault = super::super::json::RawObject::skim(text.into()).unwrap_err();
        assert!(fault.to_string().len() < 140, "{fault}");
        assert_eq!(quoted("a\r\n\u{202e}\u{0}b"), r"a\r\n\u{202e}\0b");
        assert!(quoted(&"\u{202e}".repeat(1000)).chars().count() <= 64);
    }

    #[test]
    fn the_fast_scan_stops_where_the_slow_one_does() {
        let stops = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        for byte in 0..=255u8 {
            for place in 0..20 {
                let mut text = vec![b'a'; 20];
                text[place] = byte;
                assert_eq!(plain(&text), if stops(byte) { place } else { 20 }, "{byte} at {place}");
                // What follows a match must not hide it, nor what is before it feign one.
                text.iter_mut().skip(place + 1).for_each(|byte| *byte = b'"');
                let expected = if stops(byte) { place } else { (place + 1).min(20) };
                assert_eq!(plain(&text), expected, "{byte} at {place} before quotes");
            }
        }
    }
}
