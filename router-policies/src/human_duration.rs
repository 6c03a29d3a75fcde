//! A length of time as people write it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::form_error::FormError;

/// A length of time: whole or decimal numbers with units, such as `250ms`, `10s`, `1m30s`; at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanDuration(pub Duration);

impl FromStr for HumanDuration {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let mut rest = text.trim();
        let mut seconds = 0.0;
        if rest.is_empty() {
            return Err(FormError::Duration);
        }
        while !rest.is_empty() {
            let (number, unit);
            (number, rest) = split(rest, |c| c.is_ascii_digit() || c == '.');
            (unit, rest) = split(rest, |c| c.is_ascii_alphabetic());
            let scale = match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return Err(FormError::Duration),
            };
            seconds += number.parse::<f64>().map_err(|_| FormError::Duration)? * scale;
        }
        match Duration::try_from_secs_f64(seconds) {
            // Milliseconds are the finest unit; rounding keeps `0.1s` from becoming 100.000001 ms.
            Ok(time) if time <= Duration::from_secs(366 * 86_400) => {
                Ok(Self(Duration::from_millis((time.as_secs_f64() * 1000.0).round() as u64)))
            }
            _ => Err(FormError::TooLong),
        }
    }
}

/// So that it reads back: `250ms`, `90s`, `10m`.
impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match () {
            () if millis == 0 => f.write_str("0s"),
            () if millis.is_multiple_of(60_000) => write!(f, "{}m", millis / 60_000),
            () if millis.is_multiple_of(1000) => write!(f, "{}s", millis / 1000),
            () => write!(f, "{millis}ms"),
        }
    }
}

impl serde::Serialize for HumanDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for HumanDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // A variable of the environment may stand for the whole or a part of the text.
        schemars::json_schema!({
            "type": "string",
            "format": "duration",
            "examples": ["250ms", "10s", "5m"],
            "pattern": r"\$\{|^\s*([0-9.]+(ms|s|m|h|d))+\s*$",
        })
    }
}

/// Splits off the leading characters of a kind.
fn split(text: &str, of: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        let check = |text: &str, millis: Option<u64>| {
            let got = text.parse::<HumanDuration>().ok().map(|span| span.0);
            assert_eq!(got, millis.map(Duration::from_millis), "{text}");
        };
        check("250ms", Some(250));
        check(" 10s ", Some(10_000));
        check("1.5s", Some(1_500));
        check("0.1s", Some(100));
        check("1m30s", Some(90_000));
        check("10m", Some(600_000));
        check("0s", Some(0));
        for wrong in
            ["", "10", "s", "10 s", "10x", "-1s", "1e3s", "1..2s", "400d", "9999999999999999999999d", "∞"]
        {
            check(wrong, None);
        }
    }

    proptest::proptest! {
        #[test]
        fn reads_back_what_was_written(millis in 0u64..30_000_000_000) {
            let span = HumanDuration(Duration::from_millis(millis));
            proptest::prop_assert_eq!(span.to_string().parse::<HumanDuration>(), Ok(span));
        }
    }
}
