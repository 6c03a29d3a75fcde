//! When an upstream wants to be asked again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// Who says it: the upstream itself, or the provider behind LiteLLM's proxy, which hands on a provider's headers so.
const PREFIXES: [&str; 2] = ["", "llm_provider-"];

/// How long to wait: `retry-after-ms`, else `retry-after` in seconds (with a fraction, too) or as an HTTP date; else the same
/// behind `llm_provider-`. The first valid value counts; negative ones and past dates are zero. The caller bounds it.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    PREFIXES.into_iter().find_map(|prefix| {
        let name = |name: &str| format!("{prefix}{name}");
        let texts = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        let exact = texts(name("retry-after-ms")).find_map(|text| seconds(text, 1e-3));
        exact.or_else(|| {
            texts(name("retry-after")).find_map(|text| seconds(text, 1.0).or_else(|| date(text, now)))
        })
    })
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let text = text.trim();
    // Rust also reads "inf", "nan" and exponents, which no server means.
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+')) {
        return None;
    }
    let amount = text.parse::<f64>().ok()? * unit;
    Some(Duration::try_from_secs_f64(amount.max(0.0)).unwrap_or(Duration::MAX))
}

fn date(text: &str, now: SystemTime) -> Option<Duration> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saying_it_is_read() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let check = |headers: &[(&'static str, &str)], expected: Option<u64>| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(retry_after(&map, now), expected.map(Duration::from_millis), "{headers:?}");
        };
        let after = |value: &str, expected: Option<u64>| check(&[("retry-after", value)], expected);
        check(&[], None);
        after("0", Some(0));
        after("3", Some(3_000));
        after(" 1.5 ", Some(1_500));
        after("-1", Some(0));
        after("1000000000", Some(1_000_000_000_000));
        after("Wed, 21 Oct 2026 07:28:09 GMT", Some(9_000));
        after("Wed, 21 Oct 2026 07:00:00 GMT", Some(0));
        for garbage in ["", "soon", "inf", "NaN", "1e3", "3s", "1.2.3", "--1"] {
            after(garbage, None);
        }
        check(&[("retry-after", "soon"), ("retry-after", "2")], Some(2_000));
        check(&[("retry-after", "2"), ("retry-after", "9")], Some(2_000));
        check(&[("retry-after", "2"), ("retry-after-ms", "250")], Some(250));
        check(&[("retry-after", "2"), ("retry-after-ms", "x")], Some(2_000));
        check(&[("llm_provider-retry-after", "7")], Some(7_000));
        check(&[("llm_provider-retry-after-ms", "70")], Some(70));
        check(&[("llm_provider-retry-after", "7"), ("retry-after", "2")], Some(2_000));
        check(&[("llm_provider-retry-after", "7"), ("retry-after", "soon")], Some(7_000));
        let mut huge = HeaderMap::new();
        huge.insert("retry-after", "9".repeat(400).parse().unwrap());
        assert_eq!(retry_after(&huge, now), Some(Duration::MAX));
    }
}
