//! Hashed words and word pairs (Chinese: characters, pairs and triples of them).

use std::cell::RefCell;

use super::tokens::{TextToken, TextTokenKind, pair};

/// How many slots the weights of a scorer have for grams.
pub const SLOTS: usize = 1 << 16;

/// The hash of a word or of neighbouring words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedGram(pub u32);

impl HashedGram {
    /// Its slot among the weights, below [`SLOTS`].
    pub fn slot(self) -> usize {
        (self.0 >> 16) as usize
    }
}

/// The grams of a text, each slot once, in the order of first appearance.
pub(super) fn grams(tokens: &[TextToken]) -> Vec<HashedGram> {
    thread_local! {
        /// Which slots were seen, a bit each: all zero again when a text has been read, so that not everything need be
        /// wiped for a short one.
        static SEEN: RefCell<[u64; SLOTS / 64]> = const { RefCell::new([0; SLOTS / 64]) };
    }
    SEEN.with_borrow_mut(|seen| {
        let grams = new_grams(tokens, seen);
        grams.iter().for_each(|gram| seen[gram.slot() / 64] = 0);
        grams
    })
}

fn new_grams(tokens: &[TextToken], seen: &mut [u64; SLOTS / 64]) -> Vec<HashedGram> {
    // Three at most a token. Whether a gram is new cannot be guessed, so each is written, and the next one over it where
    // it was not.
    let mut grams = vec![HashedGram(0); tokens.len() * 3 + 1];
    let mut count = 0;
    let mut add = |hash: u64| {
        let gram = HashedGram((mixed(hash) >> 32) as u32);
        let (word, bit) = (gram.slot() / 64, gram.slot() % 64);
        grams[count] = gram;
        count += usize::from(seen[word] >> bit & 1 == 0);
        seen[word] |= 1 << bit;
    };
    for (at, token) in tokens.iter().enumerate() {
        add(token.hash);
        let Some(next) = tokens.get(at + 1) else { continue };
        let two = pair(token.hash, next.hash);
        add(two);
        let Some(third) = tokens.get(at + 2) else { continue };
        if [token, next, third].iter().all(|token| token.kind == TextTokenKind::Ideograph) {
            add(pair(two, third.hash));
        }
    }
    grams.truncate(count);
    grams
}

/// Spreads the bits; the last step of splitmix64.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn count(text: &str) -> usize {
        grams(&tokens(&text.chars().collect::<Vec<_>>())).len()
    }

    #[test]
    fn words_pairs_and_triples_of_ideographs() {
        assert_eq!(count("one"), 1);
        assert_eq!(count("one two"), 3);
        assert_eq!(count("one two three"), 5);
        assert_eq!(count("求证明"), 6);
        assert_eq!(count("one one one one"), 2);
        assert_eq!(count(""), 0);
    }

    #[test]
    fn hashes_stay_as_they_are_for_the_sake_of_shipped_weights() {
        let found = grams(&tokens(&"prove 它".chars().collect::<Vec<_>>()));
        assert_eq!(found.iter().map(|gram| gram.0).collect::<Vec<_>>(), PINNED);
    }

    const PINNED: [u32; 3] = [1218511944, 1575212765, 761968892];
}
