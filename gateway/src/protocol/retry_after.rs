//! When an upstream wants to be asked again.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// How long to wait, from `retry-after-ms`, else `retry-after` in seconds (with a fraction, too) or as an HTTP date. The first
/// valid value counts; negative ones and past dates are zero. The caller bounds it.
pub fn retry_after(_headers: &HeaderMap, _now: SystemTime) -> Option<Duration> {
    unimplemented!()
}
