//! What the scorer would say of its training prompts, had it not seen them: heads foretold by fits without them.
//! A user's labelled rows may be among those; without this, calibration would trust what was learned by heart.

use crate::scoring::bytes::{ByteReader, ByteWriter};
use crate::scoring::features::Features;

/// Heads are kept in steps of 1/4096, within ±8.
const STEPS: f64 = 4096.0;

/// Heads by prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HoldOutIndex(Vec<(u32, [i16; 4])>);

impl HoldOutIndex {
    /// What a prompt is found by.
    pub fn key(features: &Features) -> u32 {
        features
            .grams
            .iter()
            .fold(features.chars as u32, |key, gram| (key.rotate_left(7) ^ gram.0).wrapping_mul(0x9e37_79b1))
    }

    /// Adds a prompt's heads.
    pub fn add(&mut self, key: u32, heads: [f64; 4]) {
        self.0.push((key, heads.map(|head| (head * STEPS).round() as i16)));
    }

    /// Sorts what was added; needed once before recalling.
    pub fn settle(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by_key(|entry| entry.0);
    }

    /// A prompt's heads, if it was trained on.
    pub fn recall(&self, features: &Features) -> Option<[f64; 4]> {
        let found = self.0.binary_search_by_key(&Self::key(features), |entry| entry.0).ok()?;
        Some(self.0[found].1.map(|head| f64::from(head) / STEPS))
    }

    /// As bytes.
    pub fn write(&self, to: &mut ByteWriter) {
        to.number(self.0.len() as u32);
        for (key, heads) in &self.0 {
            to.number(*key);
            heads.iter().for_each(|head| to.bytes(&head.to_le_bytes()));
        }
    }

    /// From bytes.
    pub fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let count = from.number()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let key = from.number()?;
            let bytes = from.bytes(8)?;
            let head = |at: usize| i16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]);
            entries.push((key, [head(0), head(1), head(2), head(3)]));
        }
        Some(Self(entries))
    }
}
