//! E-mail addresses, as they are in use (a part of RFC 5322).

/// Bytes of the longest part before the sign, and of the longest domain (RFC 5321).
const LOCAL: usize = 64;
const DOMAIN: usize = 255;

/// Whether the `@` at this byte is the sign of an address. Looks no further than an address can reach.
pub(super) fn is_email(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let of_local = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-".contains(byte);
    let local = bytes[..at].iter().rev().take(LOCAL + 1).take_while(of_local).count();
    let of_domain = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let domain = bytes[at + 1..].iter().take(DOMAIN + 1).take_while(of_domain).count();
    if !(1..=LOCAL).contains(&local) || domain > DOMAIN || bytes[at - local] == b'.' || bytes[at - 1] == b'.'
    {
        return false;
    }
    is_domain(&text[at + 1..at + 1 + domain])
}

/// Two labels or more, the last of letters: `lodash@4.17.21` is a version.
fn is_domain(text: &str) -> bool {
    // A full stop may end the sentence.
    let mut labels = text.trim_end_matches('.').split('.').rev();
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let last = labels.next().unwrap_or_default();
    let top = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    top && labels.clone().next().is_some() && labels.all(label)
}
