//! The headers by which OpenAI tells a client what is left of its rate limits.

use http::HeaderMap;
use ledger::rate_limiter::RateLimitStatus;

use upstreams::header_names::{self, insert_short};

/// Adds them for each limit that the client has.
pub fn write(rate_limits: &RateLimitStatus, headers: &mut HeaderMap) {
    let requests =
        [header_names::LIMIT_REQUESTS, header_names::REMAINING_REQUESTS, header_names::RESET_REQUESTS];
    let tokens = [header_names::LIMIT_TOKENS, header_names::REMAINING_TOKENS, header_names::RESET_TOKENS];
    for (names, left) in [(requests, rate_limits.requests), (tokens, rate_limits.tokens)] {
        let Some(left) = left else { continue };
        let [limit, remaining, reset] = names;
        headers.insert(limit, left.limit.into());
        headers.insert(remaining, left.remaining.into());
        insert_short(headers, reset, left.reset_text());
    }
}
