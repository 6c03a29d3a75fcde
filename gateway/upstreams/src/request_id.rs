//! The name of one request in headers and logs, and its random number.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};
use router_policies::RequestDraw;
use sha2::{Digest, Sha256};

use crate::header_names;
use protocol::client::ClientVendor;

/// The longest id that a client may give.
const LONGEST: usize = 128;

/// A name of visible ASCII, the client's own where it gave a valid one; and a random number, which is always the gateway's:
/// a client that could choose it would choose its model with it.
#[derive(Debug, Clone)]
pub struct RequestId {
    name: Arc<str>,
    draw: RequestDraw,
}

impl RequestId {
    /// The client's `x-request-id` if it is 1 to 128 letters, digits or `-_.:`; otherwise a new one.
    #[inline]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let given = headers.get(header_names::REQUEST_ID).and_then(|value| value.to_str().ok());
        match given {
            Some(id) if is_valid(id) => {
                Self { name: id.into(), draw: RequestDraw::from_random(random(count())) }
            }
            _ => Self::new(),
        }
    }

    /// A new id, unique in this process and, with 64 random bits, elsewhere.
    #[inline]
    pub fn new() -> Self {
        let count = count();
        let random = random(count);
        let mut id = *b"req-000000000000000000000000";
        write_hex(&mut id[4..20], random);
        write_hex(&mut id[20..], count & 0xffff_ffff);
        let name = std::str::from_utf8(&id).unwrap_or_default().into();
        Self { name, draw: RequestDraw::from_random(random) }
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// As a header's value.
    #[inline]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.name).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
    }

    /// Writes it as this vendor's clients look for it.
    #[inline]
    pub fn write(&self, vendor: ClientVendor, headers: &mut HeaderMap) {
        headers.insert(header_names::REQUEST_ID, self.header());
        if vendor == ClientVendor::Anthropic {
            headers.insert(header_names::ANTHROPIC_REQUEST_ID, self.header());
        }
    }

    /// The random number by which chances are taken for this request. It follows from no header.
    #[inline]
    pub fn draw(&self) -> RequestDraw {
        self.draw
    }

    /// The random number of a request that was recorded by a version that derived it from the name and did not record it.
    #[inline]
    pub fn draw_from_name(name: &str) -> RequestDraw {
        let digest = Sha256::digest(name.as_bytes());
        let mut word = [0u8; 8];
        word.copy_from_slice(&digest[..8]);
        RequestDraw::from_random(u64::from_be_bytes(word))
    }
}

/// Another number with each call in this process.
fn count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// 64 bits that nobody outside of this process can foresee, another set for each number.
fn random(count: u64) -> u64 {
    RandomState::new().hash_one(count)
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the last digits of a number, as many as there is room for.
#[inline]
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
    use router_policies::DrawPurpose;

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
    fn the_name_that_a_client_gives_does_not_choose_the_draw() {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("always-the-same"));
        let draw = || RequestId::from_headers(&headers).draw().uniform(DrawPurpose::QualityWeight);
        let draws: Vec<f64> = (0..2000).map(|_| draw()).collect();
        let below = draws.iter().filter(|draw| **draw < 0.25).count();
        assert!((400..600).contains(&below), "{below} of 2000 in the first quarter");
        let mean = draws.iter().sum::<f64>() / 2000.0;
        assert!((0.47..0.53).contains(&mean), "{mean}");
        let ours = (0..2000).filter(|_| RequestId::new().draw().uniform(DrawPurpose::QualityWeight) < 0.25);
        assert!((400..600).contains(&ours.count()));
    }

    #[test]
    fn a_request_keeps_its_draw() {
        let id = RequestId::new();
        assert_eq!(id.clone().draw(), id.draw());
        assert_ne!(RequestId::new().draw(), id.draw());
    }

    #[test]
    fn names_of_older_records_draw_what_they_drew() {
        // The first eight bytes of the name's SHA-256.
        let draw = RequestId::draw_from_name("abc");
        assert_eq!(draw, RequestDraw::from_random(0xba78_16bf_8f01_cfea));
    }
}
