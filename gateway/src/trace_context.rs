//! Whose trace a request belongs to: W3C Trace Context, level 1 (www.w3.org/TR/trace-context-1).

use http::{HeaderMap, HeaderValue};

use upstreams::header_names;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;
/// The flags that are known: sampled, and that the trace's id is random (level 2).
const KNOWN: u8 = 3;
/// What one attempt's span is apart from the next: 2^64 divided by the golden ratio, which spreads multiples evenly
/// (Knuth, The Art of Computer Programming, volume 3, section 6.4).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not 0.
    pub trace: u128,
    /// The span; not 0.
    pub span: u64,
    /// Of the flags those that are known.
    pub flags: u8,
}

impl TraceContext {
    /// The beginning of a trace that is recorded.
    pub fn begin(trace: u128, span: u64) -> Self {
        Self { trace, span, flags: SAMPLED }
    }

    /// The caller's, from `traceparent`; `None` where there is none, several, or one that is malformed.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header_names::TRACEPARENT).iter();
        let only = values.next()?;
        if values.next().is_some() { None } else { Self::parse(only.as_bytes()) }
    }

    /// `version-trace-span-flags` in hexadecimal digits of small letters; of later versions what they begin with.
    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(55)?;
        let version = hex(&known[..2])? as u8;
        let ends = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|next| *next == b'-') };
        if version == 0xff || !ends || [2, 35, 52].iter().any(|&dash| known[dash] != b'-') {
            return None;
        }
        let (trace, span) = (hex(&known[3..35])?, hex(&known[36..52])? as u64);
        let flags = hex(&known[53..])? as u8 & KNOWN;
        (trace != 0 && span != 0).then_some(Self { trace, span, flags })
    }

    /// Whether it is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The span of an attempt below this one; the same each time it is asked for.
    pub fn attempt(&self, number: usize) -> u64 {
        self.span.wrapping_add(STEP.wrapping_mul(number as u64 + 1)).max(1)
    }

    /// As `traceparent`.
    pub fn header(&self) -> HeaderValue {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags);
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn hex(digits: &[u8]) -> Option<u128> {
    let small = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    u128::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| small)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_context_is_read_or_passed_over() {
        let check = |text: &str, sampled: Option<bool>| {
            let found = TraceContext::parse(text.as_bytes());
            assert_eq!(found.map(|it| it.is_sampled()), sampled, "{text:?}");
        };
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some(true));
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", Some(false));
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", Some(true));
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", Some(false));
        // A later version may say more; this one may not.
        check("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", Some(true));
        check("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01what", None);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what", None);
        check("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        check("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", None);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None);
        check("00-0af7651916cd43dd8448eb211c80319c+b7ad6b7169203331-01", None);
        check("00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", None);
        check("", None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-01";
        let context = TraceContext::parse(text.as_bytes()).unwrap();
        assert_eq!(context.header(), text);
        assert_eq!(TraceContext { flags: KNOWN, ..context }.header().as_bytes().last(), Some(&b'3'));
    }

    #[test]
    fn of_two_callers_none_is_believed() {
        let mut headers = HeaderMap::new();
        let header = TraceContext::begin(7, 8).header();
        headers.append("traceparent", header.clone());
        assert_eq!(TraceContext::of(&headers), Some(TraceContext::begin(7, 8)));
        headers.append("traceparent", header);
        assert_eq!(TraceContext::of(&headers), None);
    }

    #[test]
    fn attempts_have_spans_of_their_own() {
        let context = TraceContext::begin(1, u64::MAX);
        let mut spans: Vec<u64> = (0..100).map(|number| context.attempt(number)).collect();
        spans.push(context.span);
        spans.sort_unstable();
        spans.dedup();
        assert_eq!((spans.len(), spans[0] != 0), (101, true));
    }
}
