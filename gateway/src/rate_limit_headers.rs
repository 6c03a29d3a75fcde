//! The headers by which OpenAI tells a client what is left of its rate limits.

use http::HeaderMap;
use ledger::limits::RateLimitStatus;

use crate::head::{self, insert_short};

/// Adds them for each limit that the client has.
pub fn write(quota: &RateLimitStatus, headers: &mut HeaderMap) {
    let requests = [head::LIMIT_REQUESTS, head::REMAINING_REQUESTS, head::RESET_REQUESTS];
    let tokens = [head::LIMIT_TOKENS, head::REMAINING_TOKENS, head::RESET_TOKENS];
    for (names, left) in [(requests, quota.requests), (tokens, quota.tokens)] {
        let Some(left) = left else { continue };
        let [limit, remaining, reset] = names;
        headers.insert(limit, left.limit.into());
        headers.insert(remaining, left.remaining.into());
        insert_short(headers, reset, left.reset_text());
    }
}
