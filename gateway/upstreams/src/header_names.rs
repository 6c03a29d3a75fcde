//! Names of headers that are none of HTTP's own. As constants they are read once, when the program is built.

use std::fmt::{self, Display, Write};

use http::{HeaderMap, HeaderName, HeaderValue};

macro_rules! names {
    ($($constant:ident = $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: HeaderName = HeaderName::from_static($name);
        )*

        /// All of them.
        pub const NAMES: [HeaderName; <[&str]>::len(&[$($name),*])] = [$($constant),*];
    };
}

names! {
    REQUEST_ID = "x-request-id";
    ANTHROPIC_REQUEST_ID = "request-id";
    UPSTREAM_REQUEST_ID = "x-upstream-request-id";
    API_KEY = "x-api-key";
    AZURE_API_KEY = "api-key";
    ANTHROPIC_VERSION = "anthropic-version";
    ANTHROPIC_BETA = "anthropic-beta";
    TRACEPARENT = "traceparent";
    TRACESTATE = "tracestate";
    OPENAI_PROCESSING = "openai-processing-ms";
    OPENAI_VERSION = "openai-version";
    SESSION = "x-session-id";
    LOCALITY = "x-xietong-locality";
    ROUTE = "x-xietong-route";
    MIN_TIER = "x-xietong-min-tier";
    MAX_TIER = "x-xietong-max-tier";
    ACCOUNT = "x-xietong-account";
    MODEL = "x-xietong-model";
    PLAN = "x-xietong-plan";
    REASON = "x-xietong-reason";
    DIFFICULTY = "x-xietong-difficulty";
    WHY = "x-xietong-why";
    ATTEMPTS = "x-xietong-attempts";
    DEGRADED = "x-xietong-degraded";
    COST = "x-xietong-cost";
    LEFT_OUT = "x-xietong-left-out";
    LIMIT_REQUESTS = "x-ratelimit-limit-requests";
    REMAINING_REQUESTS = "x-ratelimit-remaining-requests";
    RESET_REQUESTS = "x-ratelimit-reset-requests";
    LIMIT_TOKENS = "x-ratelimit-limit-tokens";
    REMAINING_TOKENS = "x-ratelimit-remaining-tokens";
    RESET_TOKENS = "x-ratelimit-reset-tokens";
    SHOULD_RETRY = "x-should-retry";
}

/// Puts these names in front of those that a header has already.
pub fn prepend(headers: &mut HeaderMap, name: HeaderName, names: &[&str]) {
    if !names.is_empty() {
        let before = headers.get(&name).and_then(|before| before.to_str().ok());
        let all: Vec<&str> = names.iter().copied().chain(before).collect();
        insert(headers, name, all.join(", "));
    }
}

/// Adds a name or number of the configuration; one that no header can carry is left out.
#[inline]
pub fn insert(headers: &mut HeaderMap, name: HeaderName, value: impl TryInto<HeaderValue>) {
    if let Ok(value) = value.try_into() {
        headers.insert(name, value);
    }
}

/// Adds a number or a word of ours. One of more than 48 bytes is left out.
#[inline]
pub fn insert_short(headers: &mut HeaderMap, name: HeaderName, value: impl Display) {
    let mut short = ShortValue { bytes: [0; SHORT], length: 0 };
    if write!(short, "{value}").is_ok() {
        insert(headers, name, &short.bytes[..short.length]);
    }
}

const SHORT: usize = 48;

/// A text that needs no memory of its own.
struct ShortValue {
    bytes: [u8; SHORT],
    length: usize,
}

impl Write for ShortValue {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_written_and_what_is_not_left_out() {
        let mut headers = HeaderMap::new();
        insert_short(&mut headers, COST, format_args!("{}.{:02}", 3, 7));
        insert_short(&mut headers, MODEL, "x".repeat(SHORT));
        insert_short(&mut headers, PLAN, "x".repeat(SHORT + 1));
        assert_eq!(
            (&headers[COST], headers[MODEL].len(), headers.get(PLAN)),
            (&HeaderValue::from_static("3.07"), SHORT, None)
        );
    }
}
