//! The name of one request, in headers, logs and draws.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use crate::head;
use crate::protocol::client::Vendor;

/// The longest id that a client may give.
const LONGEST: usize = 128;

/// An id of visible ASCII; the client's own where it gave a valid one.
#[derive(Debug, Clone)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The client's `x-request-id` if it is 1 to 128 letters, digits or `-_.:`; otherwise a new one.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let given = headers.get(head::REQUEST_ID).and_then(|value| value.to_str().ok());
        match given {
            Some(id) if is_valid(id) => Self(id.into()),
            _ => Self::new(),
        }
    }

    /// A new id, unique in this process and, with 64 random bits, elsewhere.
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let random = RandomState::new().hash_one(count);
        let mut id = *b"req-000000000000000000000000";
        write_hex(&mut id[4..20], random);
        write_hex(&mut id[20..], count & 0xffff_ffff);
        Self(std::str::from_utf8(&id).unwrap_or_default().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a header's value.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
    }

    /// Writes it as this vendor's clients look for it.
    pub fn write(&self, vendor: Vendor, headers: &mut HeaderMap) {
        headers.insert(head::REQUEST_ID, self.header());
        if vendor == Vendor::Anthropic {
            headers.insert(head::ANTHROPIC_REQUEST_ID, self.header());
        }
    }

    /// A number in 0..1 that depends on nothing but the id: the same request draws the same again.
    pub fn draw(&self) -> f64 {
        Self::draw_of(&self.0)
    }

    /// The draw of an id that was recorded.
    pub fn draw_of(id: &str) -> f64 {
        let digest = Sha256::digest(id.as_bytes());
        let mut word = [0u8; 8];
        word.copy_from_slice(&digest[..8]);
        // 53 bits fill a double's mantissa.
        (u64::from_be_bytes(word) >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the last digits of a number, as many as there is room for.
pub fn write_hex(digits: &mut [u8], number: u64) {
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(left & 0xf) as usize];
        left >>= 4;
    }
}

fn is_valid(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_id_is_kept_and_any_other_replaced() {
        let check = |given: &[u8], kept: bool| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_bytes(given).unwrap());
            let id = RequestId::from_headers(&headers);
            assert_eq!(id.as_str().as_bytes() == given, kept, "{given:?}");
        };
        check(b"abc-123_x.y:z", true);
        check(&[b'a'; 128], true);
        check(&[b'a'; 129], false);
        check(b"a b", false);
        check("名".as_bytes(), false);
        check(b"", false);
    }

    #[test]
    fn a_new_id_is_one_that_is_kept() {
        let (one, other) = (RequestId::new(), RequestId::new());
        for id in [&one, &other] {
            let digits = id.as_str().strip_prefix("req-").unwrap();
            assert!(digits.len() == 24 && u64::from_str_radix(&digits[..16], 16).unwrap() > 0, "{digits}");
            assert!(is_valid(id.as_str()));
        }
        let count = |id: &RequestId| u64::from_str_radix(&id.as_str()[20..], 16).unwrap();
        assert!(count(&other) > count(&one));
    }

    #[test]
    fn draws_are_uniform_and_repeatable() {
        let mean = (0..2000).map(|n| RequestId(format!("r{n}").into()).draw()).sum::<f64>() / 2000.0;
        assert!((0.47..0.53).contains(&mean), "{mean}");
        assert_eq!(RequestId("x".into()).draw(), RequestId("x".into()).draw());
    }
}
