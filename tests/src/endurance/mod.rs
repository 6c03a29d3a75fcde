//! Measurements that take seconds to minutes, for the `endurance` program.

#![allow(clippy::print_stderr, reason = "they print figures")]

pub mod attempts;
pub mod cancellation;
pub mod recovery;
pub mod restarts;
pub mod slow_readers;

use std::time::Duration;

/// The value below which this share of the times lies; `times` is sorted by this.
fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    let at = (times.len() as f64 * share) as usize;
    times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}
