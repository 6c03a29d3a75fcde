//! When an upstream wants to be asked again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// How long to wait: `retry-after-ms`, else `retry-after` in seconds (with a fraction, too) or as an HTTP date. The
/// first valid value counts; negative ones and past dates are zero. The caller bounds it.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let texts = |name| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let exact = texts("retry-after-ms").find_map(|text| seconds(text, 1e-3));
    exact.or_else(|| texts("retry-after").find_map(|text| seconds(text, 1.0).or_else(|| date(text, now))))
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
