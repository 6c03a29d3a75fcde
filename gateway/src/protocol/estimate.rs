//! Tokens of a text without a tokenizer.

/// An estimate of a text's tokens, never 0 for a non-empty text.
pub fn tokens(text: &str) -> u64 {
    in_tokens(weight(text))
}

/// The same in thousandths of a token. Additive: the weight of a text is the sum over its pieces, but for spaces at the
/// joints. Never 0 for a non-empty text.
pub fn weight(text: &str) -> u64 {
    weight_of(text.as_bytes())
}

/// Thousandths of a token as whole tokens, never 0 for any weight.
pub fn in_tokens(weight: u64) -> u64 {
    if weight == 0 { 0 } else { ((weight + 500) / 1000).max(1) }
}

/// The weight of a text that is known to be UTF-8.
pub(super) fn weight_of(text: &[u8]) -> u64 {
    text.iter().map(|byte| u64::from(WEIGHTS[usize::from(*byte)])).sum()
}

const WEIGHTS: [u16; 256] = [250; 256];
