//! Values that are written as a text with a form of their own: durations, sizes, addresses, currencies, secrets.
//!
//! Each type reads itself from the text (`FromStr`, whose error never repeats the text) and names
//! its form in the JSON Schema, by which the shape check finds it again.

use std::net::SocketAddr;
use std::str::FromStr;

use router_policies::Currency;
pub(crate) use router_policies::human_duration::HumanDuration;

use crate::Secret;
use crate::calendar::{CalendarDay, DayOff, DayRange, HourRange, ZoneName};
use crate::scalar_error::ScalarError;

/// A number of bytes: `512B`, `64KiB`, `32MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let wrong = || ScalarError::Size;
        let (number, unit) = split(text.trim(), |c| c.is_ascii_digit());
        let scale: u64 = match unit.trim() {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(scale).map(Self).ok_or_else(wrong)
    }
}

/// Writes a size so that [`ByteSize`] reads it back.
pub(crate) fn write_size(bytes: u64) -> String {
    match bytes {
        0 => "0B".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

/// An IP address with a port; `localhost` is 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketAddress(pub(crate) SocketAddr);

impl FromStr for SocketAddress {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let text = text.trim();
        let numeric = text
            .strip_prefix("localhost:")
            .map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        numeric.parse().map(Self).map_err(|_| ScalarError::Address)
    }
}

/// An ISO 4217 currency code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CurrencyCode(pub(crate) Currency);

impl FromStr for CurrencyCode {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let code = Currency::new(text.trim()).map(Self);
        code.ok_or(ScalarError::Currency)
    }
}

/// A key or password. Line ends, spaces and byte-order marks around it are no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretText(pub(crate) Secret);

impl FromStr for SecretText {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
        if trimmed.is_empty() {
            return Err(ScalarError::EmptySecret);
        }
        if !trimmed.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
            return Err(ScalarError::UnprintableSecret);
        }
        Ok(Self(Secret::new(trimmed)))
    }
}

/// Splits off the leading characters of a kind.
fn split(text: &str, of: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

/// Makes serde read the type from its text, and names its form in the schema.
macro_rules! written {
    ($($type:ident, $format:literal, $pattern:expr, [$($example:literal),+];)+) => {
        $(
            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }

            impl schemars::JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    $format.into()
                }
                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    let mut schema = schemars::json_schema!({ "type": "string", "format": $format, "examples": [$($example),+] });
                    if let Some(pattern) = pattern($format) {
                        schema.insert("pattern".to_owned(), pattern.into());
                    }
                    schema
                }
            }
        )+

        /// What the schema says that texts of this form look like.
        fn pattern(format: &str) -> Option<&'static str> {
            match format {
                $($format => $pattern,)+
                _ => None,
            }
        }

        /// What is wrong with a text of this form; `None` when nothing is, or the form is not one of ours.
        pub(crate) fn fault(format: &str, text: &str) -> Option<String> {
            match format {
                "duration" => text.parse::<HumanDuration>().err().map(|why| why.to_string()),
                $($format => text.parse::<$type>().err().map(|why| why.to_string()),)+
                _ => None,
            }
        }
    };
}

/// The form that the schema gives secrets.
pub(crate) const SECRET: &str = "secret";

// A variable may stand for the whole or a part of a text, so patterns let `${` pass.
written! {
    ByteSize, "size", Some(r"\$\{|^\s*[0-9]+\s*(B|KiB|MiB|GiB)\s*$"), ["64KiB", "32MiB"];
    SocketAddress, "address", Some(r"\$\{|:[0-9]+\s*$"), ["127.0.0.1:8080"];
    CurrencyCode, "currency", Some(r"\$\{|^\s*[A-Z]{3}\s*$"), ["CNY", "USD"];
    SecretText, "secret", None, ["${API_KEY}"];
    CalendarDay, "day", Some(r"\$\{|^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$"), ["2026-12-01"];
    DayRange, "weekdays", Some(r"\$\{|^\s*(mon|tue|wed|thu|fri|sat|sun)"), ["mon-fri", "sat"];
    HourRange, "hours", Some(r"\$\{|^\s*[0-9]{2}:[0-9]{2}\s*-\s*[0-9]{2}:[0-9]{2}\s*$"), ["09:00-12:00"];
    DayOff, "day-off", Some(r"\$\{|^\s*(prc|[0-9]{4}-[0-9]{2}-[0-9]{2})\s*$"), ["prc", "2027-02-09"];
    ZoneName, "time-zone", None, ["Asia/Shanghai", "UTC"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes() {
        let check = |text: &str, bytes: Option<u64>| {
            assert_eq!(text.parse::<ByteSize>().ok().map(|size| size.0), bytes, "{text}");
        };
        check("512B", Some(512));
        check("64KiB", Some(65_536));
        check("32 MiB", Some(32 << 20));
        check("1GiB", Some(1 << 30));
        for wrong in ["", "64", "64KB", "1.5MiB", "-1B", "99999999999GiB"] {
            check(wrong, None);
        }
    }

    #[test]
    fn secrets_lose_what_surrounds_them() {
        let check = |text: &str, expected: Option<&str>| {
            let got = text.parse::<SecretText>().ok();
            assert_eq!(got.as_ref().map(|hidden| hidden.0.reveal()), expected, "{text:?}");
        };
        check("sk-1", Some("sk-1"));
        check("\u{feff}sk-1\r\n", Some("sk-1"));
        check("\tsk-1 \n\n", Some("sk-1"));
        check("a b", Some("a b"));
        for wrong in ["", " \n", "\u{feff}", "sk\n-1", "sk\r-1", "ключ", "a\u{0}b"] {
            check(wrong, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn sizes_read_back_what_was_written(bytes: u64) {
            proptest::prop_assert_eq!(write_size(bytes).parse::<ByteSize>(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn any_text_is_read_as_its_pattern_says(text: String, format in 0..FORMS.len()) {
            agrees_with_its_pattern(format, &text);
        }

        /// One that is right, with a character put in somewhere.
        #[test]
        fn what_is_nearly_right_is_read_as_its_pattern_says(
            format in 0..FORMS.len(),
            right in 0usize..4,
            at: proptest::sample::Index,
            sign: char,
        ) {
            let (_, texts) = FORMS[format];
            let right = texts[right % texts.len()];
            proptest::prop_assert!(agrees_with_its_pattern(format, right), "{}", right);
            let mut text: Vec<char> = right.chars().collect();
            text.insert(at.index(text.len() + 1), sign);
            agrees_with_its_pattern(format, &text.into_iter().collect::<String>());
        }
    }

    /// The forms, and texts of each that are right.
    const FORMS: [(&str, &[&str]); 9] = [
        ("size", &["512B", " 32 MiB", "1GiB"]),
        ("address", &["127.0.0.1:8080", "[::1]:80", "localhost:1", "0.0.0.0:0 "]),
        ("currency", &["CNY", " USD "]),
        ("secret", &["sk-1", "a b"]),
        ("day", &["2026-12-01", " 2024-02-29"]),
        ("weekdays", &["mon-fri", "sat", " sun"]),
        ("hours", &["09:00-12:00", "22:00 - 24:00"]),
        ("day-off", &["prc", "2027-02-09"]),
        ("time-zone", &["Asia/Shanghai", "UTC"]),
    ];

    /// Whether the text is read. What the schema turns down is not: an editor that follows it may mark what is refused, and
    /// never marks what is right.
    fn agrees_with_its_pattern(format: usize, text: &str) -> bool {
        let (format, _) = FORMS[format];
        let read = fault(format, text).is_none();
        if let Some(pattern) = pattern(format) {
            assert!(!read || regex::Regex::new(pattern).unwrap().is_match(text), "{format}: {text:?}");
        }
        read
    }
}
