//! How much a client may ask: requests and tokens in any minute, and requests at once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_config::ClientLimits;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// A client's requests and tokens of the last minute. The window slides: no minute, wherever it begins, has more than
/// the limit.
#[derive(Debug, Default)]
pub struct RateLimiter(Mutex<WindowState>);

#[derive(Debug, Default)]
struct WindowState {
    requests: VecDeque<Instant>,
    tokens: VecDeque<(Instant, u64)>,
    /// Of all entries of `tokens`.
    sum: u64,
    /// How many entries of `tokens` are gone, so that those that are left can be found by number.
    gone: u64,
    under_way: u64,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitExceeded {
    /// Requests in a minute.
    Requests(u64),
    /// Tokens in a minute.
    Tokens(u64),
    /// This request alone has more tokens than a minute allows; holds the limit and what it asks for.
    TooLarge(u64, u64),
    /// Requests at once.
    Concurrent(u64),
}

/// A request's place. It is given back when it is dropped.
#[derive(Debug)]
pub struct RequestPermit {
    gate: Arc<RateLimiter>,
    /// The number of its entry of tokens.
    entry: Option<u64>,
    /// What a client is told of its limits.
    pub rate_limits: RateLimitStatus,
}

/// What is left of a client's limits after a request was let in or turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimitStatus {
    /// Of requests in a minute.
    pub requests: Option<RemainingQuota>,
    /// Of tokens in a minute.
    pub tokens: Option<RemainingQuota>,
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemainingQuota {
    /// The limit.
    pub limit: u64,
    /// What is left of it now.
    pub remaining: u64,
    /// When all of it is there again, if nothing is asked until then.
    pub reset: Duration,
}

impl RateLimiter {
    /// Lets a request in that may take so many tokens, or says what is against it, how long to wait, and what is left.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(
        self: &Arc<Self>,
        limits: &ClientLimits,
        tokens: u64,
        now: Instant,
    ) -> Result<RequestPermit, (LimitExceeded, Duration, RateLimitStatus)> {
        let mut seen = self.seen();
        seen.forget(now);
        if let Some((exceeded, wait)) = seen.against(limits, tokens, now) {
            return Err((exceeded, wait, seen.rate_limits(limits, now)));
        }
        seen.under_way += 1;
        if limits.requests_per_minute.is_some() {
            seen.requests.push_back(now);
        }
        let number = limits.tokens_per_minute.map(|_| {
            seen.tokens.push_back((now, tokens));
            seen.sum = seen.sum.saturating_add(tokens);
            seen.gone + seen.tokens.len() as u64 - 1
        });
        let rate_limits = seen.rate_limits(limits, now);
        drop(seen);
        Ok(RequestPermit { gate: Arc::clone(self), entry: number, rate_limits })
    }

    fn seen(&self) -> MutexGuard<'_, WindowState> {
        // Held for a handful of steps, none of which can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WindowState {
    fn forget(&mut self, now: Instant) {
        let is_old = |at: Instant| now.saturating_duration_since(at) >= MINUTE;
        while self.requests.front().is_some_and(|&at| is_old(at)) {
            self.requests.pop_front();
        }
        while let Some(&(at, tokens)) = self.tokens.front()
            && is_old(at)
        {
            self.tokens.pop_front();
            self.sum = self.sum.saturating_sub(tokens);
            self.gone += 1;
        }
    }

    fn against(&self, limits: &ClientLimits, tokens: u64, now: Instant) -> Option<(LimitExceeded, Duration)> {
        let until_gone = |at: Instant| (at + MINUTE).saturating_duration_since(now);
        if let Some(limit) = limits.concurrent
            && self.under_way >= limit
        {
            return Some((LimitExceeded::Concurrent(limit), Duration::from_secs(1)));
        }
        if let Some(limit) = limits.requests_per_minute
            && self.requests.len() as u64 >= limit
        {
            let last_to_go = self.requests.len() - usize::try_from(limit).unwrap_or(usize::MAX);
            let wait = self.requests.get(last_to_go).map_or(MINUTE, |&at| until_gone(at));
            return Some((LimitExceeded::Requests(limit), wait));
        }
        let limit = limits.tokens_per_minute?;
        if tokens > limit {
            return Some((LimitExceeded::TooLarge(limit, tokens), MINUTE));
        }
        let mut excess = self.sum.saturating_add(tokens).saturating_sub(limit);
        if excess == 0 {
            return None;
        }
        let mut wait = MINUTE;
        for &(at, tokens) in &self.tokens {
            wait = until_gone(at);
            excess = excess.saturating_sub(tokens);
            if excess == 0 {
                break;
            }
        }
        Some((LimitExceeded::Tokens(limit), wait))
    }

    fn rate_limits(&self, limits: &ClientLimits, now: Instant) -> RateLimitStatus {
        let left = |limit: Option<u64>, used: u64, last: Option<Instant>| {
            limit.map(|limit| RemainingQuota {
                limit,
                remaining: limit.saturating_sub(used),
                reset: last.map_or(Duration::ZERO, |at| (at + MINUTE).saturating_duration_since(now)),
            })
        };
        let last_tokens = self.tokens.back().map(|&(at, _)| at);
        RateLimitStatus {
            requests: left(
                limits.requests_per_minute,
                self.requests.len() as u64,
                self.requests.back().copied(),
            ),
            tokens: left(limits.tokens_per_minute, self.sum, last_tokens),
        }
    }
}

impl RequestPermit {
    /// The request is over and took so many tokens: the rest of its bound is free for others.
    #[inline]
    pub fn used(&mut self, tokens: u64) {
        let Some(number) = self.entry.take() else { return };
        let mut seen = self.gate.seen();
        let at = number.checked_sub(seen.gone).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| seen.tokens.get_mut(at)) {
            let bound = std::mem::replace(&mut entry.1, tokens);
            seen.sum = seen.sum.saturating_sub(bound).saturating_add(tokens);
        }
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let mut seen = self.gate.seen();
        seen.under_way = seen.under_way.saturating_sub(1);
    }
}

impl LimitExceeded {
    /// What the client is told.
    pub fn words(&self, client: &str, wait: Duration) -> String {
        let again = format!("Try again in {}.", QuotaText(wait));
        match self {
            Self::Requests(limit) => {
                format!("Client `{client}` has used its limit of {limit} requests per minute. {again}")
            }
            Self::Tokens(limit) => {
                format!("Client `{client}` has used its limit of {limit} tokens per minute. {again}")
            }
            Self::TooLarge(limit, asked) => format!(
                "This request may take {asked} tokens, which is more than the limit of client `{client}`, {limit} tokens \
                 per minute. Ask for a shorter answer with `max_tokens`, or send a shorter prompt."
            ),
            Self::Concurrent(limit) => {
                format!("Client `{client}` has its limit of {limit} requests under way at once. {again}")
            }
        }
    }
}

impl RemainingQuota {
    /// When all of it is there again, as OpenAI writes it in headers: `120ms`, `1.5s`, `6m0s`.
    #[inline]
    pub fn reset_text(&self) -> impl fmt::Display + use<> {
        QuotaText(self.reset)
    }
}

/// A time as OpenAI writes it in these headers: `120ms`, `1.5s`, `6m0s`.
struct QuotaText(Duration);

impl fmt::Display for QuotaText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0.as_secs(), self.0.subsec_millis());
        match (seconds, millis / 100, millis / 10 % 10) {
            (0, ..) => write!(f, "{millis}ms"),
            (1..60, 0, 0) => write!(f, "{seconds}s"),
            (1..60, tenths, 0) => write!(f, "{seconds}.{tenths}s"),
            (1..60, tenths, hundredths) => write!(f, "{seconds}.{tenths}{hundredths}s"),
            (60.., ..) => write!(f, "{}m{}s", seconds / 60, seconds % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_writes_them() {
        let check =
            |millis, text: &str| assert_eq!(QuotaText(Duration::from_millis(millis)).to_string(), text);
        for (millis, text) in
            [(0, "0ms"), (999, "999ms"), (1000, "1s"), (1059, "1.05s"), (1500, "1.5s"), (59_999, "59.99s")]
        {
            check(millis, text);
        }
        check(60_000, "1m0s");
        check(3_725_900, "62m5s");
    }
}
