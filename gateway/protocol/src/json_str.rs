//! JSON strings.

use std::borrow::Cow;

/// A string as it is written between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonStr<'a> {
    pub(super) raw: &'a str,
    pub(super) escaped: bool,
    /// Where it begins, after its quote.
    pub(super) at: usize,
}

impl<'a> JsonStr<'a> {
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
pub(super) fn hex(text: &str, at: usize) -> Option<u32> {
    let digits = text.as_bytes().get(at..at + 4)?;
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_say_what_they_mean() {
        let check = |raw: &str, says: &str| {
            let text = JsonStr { raw, escaped: raw.contains('\\'), at: 0 };
            assert_eq!(text.cow(), says);
            assert!(text.is(says) && !text.is("something else"));
        };
        check("", "");
        check("你好", "你好");
        check(r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t");
        check(r"a\u4f60\u597Db", "a你好b");
        check(r"\ud83d\ude00 \uD83D\uDE00!", "😀 😀!");
        check(r"\u0000\uffff\ue000", "\u{0}\u{ffff}\u{e000}");
        check(r"\\u0041", r"\u0041");
    }
}
