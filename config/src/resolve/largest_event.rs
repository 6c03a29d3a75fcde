//! How much of a model's stream may come in one event.

use super::ResolveReport;
use crate::scalars::ByteSize;

/// Bytes of the largest event of a stream: a picture of 10 MB is 13.4 in base64.
const LARGEST_EVENT: usize = 16 << 20;

/// Bytes of the largest event of a stream that is taken.
pub(super) fn largest_event(file: Option<ByteSize>, path: &str, report: &mut ResolveReport) -> usize {
    const LEAST: u64 = 64 << 10;
    const MOST: u64 = 1 << 30;
    let Some(ByteSize(size)) = file else { return LARGEST_EVENT };
    if !(LEAST..=MOST).contains(&size) {
        report.fault(path, "must be from 64KiB to 1GiB");
    }
    size.min(MOST) as usize
}
