//! A pull parser over JSON text (RFC 8259) that copies nothing, and what can be wrong with such a text.
//!
//! Whoever pulls decides what to look at: each closure that [`Cursor::members`] or [`Cursor::elements`] calls must
//! take exactly one value from the cursor, by [`Cursor::skip`] if by nothing else. Whatever was passed over has been
//! checked.

use std::borrow::Cow;
use std::fmt;

/// Levels of arrays and objects that a text may have.
pub(super) const MAX_DEPTH: usize = 128;

/// What is wrong with a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where, as a byte offset from the start of the text.
    pub at: usize,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing but white space.
    Empty,
    /// Starts with a byte order mark.
    ByteOrderMark,
    /// Not UTF-8.
    Utf8,
    /// Ends in the middle.
    Truncated,
    /// This was needed here.
    Expected(&'static str),
    /// A number that JSON does not have, such as `01`, `NaN` or `.5`.
    Number,
    /// An escape that JSON does not have.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// A control character that is not escaped, inside a string.
    Control,
    /// Nested deeper than 128 levels.
    Depth,
    /// Two members of one object have this name (shortened and escaped).
    DuplicateKey(String),
    /// Valid, but no object.
    NotAnObject,
    /// Something follows the value.
    Trailing,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Empty => f.write_str("it is empty"),
            FaultKind::ByteOrderMark => f.write_str("it starts with a byte order mark"),
            FaultKind::Utf8 => write!(f, "it is not UTF-8 from byte {} on", self.at),
            FaultKind::Truncated => write!(f, "it ends in the middle, at byte {}", self.at),
            FaultKind::Expected(what) => write!(f, "{what} was expected at byte {}", self.at),
            FaultKind::Number => write!(f, "what is at byte {} is no JSON number", self.at),
            FaultKind::Escape => write!(f, "what is at byte {} is no JSON escape", self.at),
            FaultKind::Surrogate => write!(f, "half of a surrogate pair is at byte {}", self.at),
            FaultKind::Control => {
                write!(f, "a control character at byte {}, inside a string, is not escaped", self.at)
            }
            FaultKind::Depth => {
                write!(f, "it is nested deeper than {MAX_DEPTH} levels at byte {}", self.at)
            }
            FaultKind::DuplicateKey(name) => {
                write!(f, "two members are named \"{name}\", the second at byte {}", self.at)
            }
            FaultKind::NotAnObject => f.write_str("it is not an object"),
            FaultKind::Trailing => write!(f, "something follows its end at byte {}", self.at),
        }
    }
}

impl std::error::Error for Fault {}

/// A foreign text for a message of ours: shortened to at most 64 characters, with everything escaped that could be
/// mistaken for something else.
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let escaped = c.escape_debug();
        if out.chars().count() + escaped.len() > 61 {
            out.push_str("...");
            break;
        }
        out.extend(escaped);
    }
    out
}

/// A kind of value, known from its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
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

/// A string as it is written between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<'a> {
    pub(super) raw: &'a str,
    pub(super) escaped: bool,
    /// Where it begins, after its quote.
    pub(super) at: usize,
}

impl<'a> Text<'a> {
    /// What it says.
    pub(super) fn cow(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether it says this.
    pub(super) fn is(self, word: &str) -> bool {
        if self.escaped { self.cow() == word } else { self.raw == word }
    }
}

/// What a checked string with escapes says.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (c, length) = escape(&rest[at..]);
        out.push(c);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    out
}

/// The character of the checked escape at the start of this text, and how many bytes it takes.
fn escape(text: &str) -> (char, usize) {
    let plain = match text.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => {
            let first = hex(text, 2).unwrap_or_default();
            if let Some(c) = char::from_u32(first) {
                return (c, 6);
            }
            let pair = 0x10000 + ((first & 0x3ff) << 10) + (hex(text, 8).unwrap_or_default() & 0x3ff);
            return (char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
        }
        Some(other) => char::from(*other),
        None => char::REPLACEMENT_CHARACTER,
    };
    (plain, 2)
}

/// Four hexadecimal digits.
fn hex(text: &str, at: usize) -> Option<u32> {
    let digits = text.as_bytes().get(at..at + 4)?;
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
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

    /// The bytes from the start of the text to here.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over white space and looks at the first byte of the next value.
    pub(super) fn kind(&mut self) -> Result<Kind, Fault> {
        match self.peek()? {
            b'"' => Ok(Kind::String),
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::Array),
            b't' | b'f' => Ok(Kind::Bool),
            b'n' => Ok(Kind::Null),
            b'-' | b'0'..=b'9' => Ok(Kind::Number),
            b'+' | b'.' | b'N' | b'I' => Err(self.fault(FaultKind::Number)),
            _ => Err(self.fault(FaultKind::Expected("a value"))),
        }
    }

    /// Takes a value, whatever it is, as it is written.
    pub(super) fn skip(&mut self) -> Result<&'a str, Fault> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            Kind::Object => self.members(|cursor, _| cursor.skip().map(drop))?,
            Kind::Array => self.elements(|cursor, _| cursor.skip().map(drop))?,
            Kind::String => drop(self.string()?),
            Kind::Number => self.number()?,
            Kind::Bool if self.text.as_bytes()[start] == b't' => self.word("true")?,
            Kind::Bool => self.word("false")?,
            Kind::Null => self.word("null")?,
        }
        Ok(&self.text[start..self.at])
    }

    /// Takes an object, giving each member's name; the closure takes its value.
    pub(super) fn members<E: From<Fault>>(
        &mut self,
        mut each: impl FnMut(&mut Self, Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(b'{', "an object")?;
        if self.peek()? == b'}' {
            return self.close();
        }
        loop {
            if self.peek()? != b'"' {
                return Err(self.fault(FaultKind::Expected("a name in quotes")).into());
            }
            let name = self.string()?;
            if self.peek()? != b':' {
                return Err(self.fault(FaultKind::Expected("a ':'")).into());
            }
            self.at += 1;
            each(self, name)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => return self.close(),
                _ => return Err(self.fault(FaultKind::Expected("a ',' or '}'")).into()),
            }
        }
    }

    /// Takes an array, giving each element's place in it; the closure takes the element.
    pub(super) fn elements<E: From<Fault>>(
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
                _ => return Err(self.fault(FaultKind::Expected("a ',' or ']'")).into()),
            }
        }
        self.close()
    }

    /// Takes a string.
    pub(super) fn string(&mut self) -> Result<Text<'a>, Fault> {
        if self.peek()? != b'"' {
            return Err(self.fault(FaultKind::Expected("a string")));
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
                Some(_) => return Err(self.fault(FaultKind::Control)),
                None => return Err(self.fault(FaultKind::Truncated)),
            }
        }
        self.at += 1;
        Ok(Text { raw: &self.text[start..self.at - 1], escaped, at: start })
    }

    /// Passes over white space to the end of the text.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(self.fault(FaultKind::Trailing)),
        }
    }

    /// A fault here.
    pub(super) fn fault(&self, kind: FaultKind) -> Fault {
        Fault { kind, at: self.at }
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Result<u8, Fault> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(self.fault(if bytes.iter().all(u8::is_ascii_whitespace) {
            FaultKind::Empty
        } else {
            FaultKind::Truncated
        }))
    }

    fn open(&mut self, bracket: u8, what: &'static str) -> Result<(), Fault> {
        if self.peek()? != bracket {
            return Err(self.fault(FaultKind::Expected(what)));
        }
        if self.depth == MAX_DEPTH {
            return Err(self.fault(FaultKind::Depth));
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

    fn word(&mut self, word: &'static str) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        let truncated = word.as_bytes().starts_with(rest);
        Err(self.fault(if truncated { FaultKind::Truncated } else { FaultKind::Expected("a value") }))
    }

    fn number(&mut self) -> Result<(), Fault> {
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
            return Err(Fault { kind: FaultKind::Number, at: start });
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

    fn pass_escape(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += match rest.get(1) {
            None => return Err(Fault { kind: FaultKind::Truncated, at: self.text.len() }),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => self.unicode_escape()?,
            Some(_) => return Err(self.fault(FaultKind::Escape)),
        };
        Ok(())
    }

    /// How many bytes the `\u` escape here takes: 6, or 12 for a surrogate pair.
    fn unicode_escape(&self) -> Result<usize, Fault> {
        let Some(first) = hex(self.text, self.at + 2) else {
            return Err(self.fault(FaultKind::Escape));
        };
        match first {
            0xdc00..=0xdfff => Err(self.fault(FaultKind::Surrogate)),
            0xd800..=0xdbff => {
                let pair = self.text.as_bytes().get(self.at + 6..self.at + 8) == Some(b"\\u");
                match hex(self.text, self.at + 8) {
                    Some(0xdc00..=0xdfff) if pair => Ok(12),
                    _ => Err(self.fault(FaultKind::Surrogate)),
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

/// The text of these bytes, if it may be JSON at all.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Fault { kind: FaultKind::ByteOrderMark, at: 0 });
    }
    std::str::from_utf8(bytes).map_err(|error| Fault { kind: FaultKind::Utf8, at: error.valid_up_to() })
}
