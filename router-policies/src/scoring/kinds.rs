//! Which of the kinds of question that models sat an exam in a prompt is, for the models' cards.
//!
//! A linear classifier over hashed words and the numbers that the prior's level goes by, fitted on the exam's questions;
//! prompts of no such kind are a kind of their own, [`ELSEWHERE`].

use std::sync::OnceLock;

use super::bytes::{ByteReader, ByteWriter};
use super::feature_transform::FeatureVector;
use super::features::Features;
use super::numbers::{exp, wide};
use super::ridge::LinearHead;
use super::scorers::prior::{INPUTS, fitted::FITTED, inputs};

/// How many kinds of question there are.
pub const KINDS: usize = 49;
/// The place of prompts that are of none of the kinds.
pub const ELSEWHERE: usize = KINDS;
/// All shares: of the kinds, and of none of them.
pub const SHARES: usize = KINDS + 1;

/// The kinds, in order.
pub const KIND_NAMES: [&str; KINDS] = [
    "arithmetic",
    "call",
    "call_text",
    "chat",
    "code_meaning",
    "code_output",
    "dates",
    "en_to_zh",
    "entailment",
    "extract",
    "fables",
    "fact_check",
    "facts",
    "implicature",
    "intent",
    "language_sense",
    "letters",
    "logic",
    "math_hard",
    "physics",
    "puzzle",
    "sentiment",
    "slots",
    "spam",
    "sql",
    "strategy",
    "text_edit",
    "triage",
    "truthful",
    "units",
    "word_problem",
    "word_problem_easy",
    "word_sense",
    "zh_arith",
    "zh_call",
    "zh_idiom",
    "zh_json",
    "zh_law",
    "zh_law_multi",
    "zh_logic",
    "zh_poetry",
    "zh_quiz",
    "zh_script",
    "zh_sentiment",
    "zh_slots",
    "zh_to_en",
    "zh_topic",
    "zh_true_false",
    "zh_xiehouyu",
];

/// Buckets that grams are hashed into.
const BUCKETS: usize = 1 << 12;
/// Slots of grams to a bucket, as a shift.
const SHIFT: u32 = 4;
/// Numbers beside the grams: a constant and the prior's.
const NUMBERS: usize = INPUTS + 1;
/// The weight of the constant and of each number against all grams together.
const CONSTANT: f32 = 0.3;
const NUMBER: f32 = 0.2;
/// How sharply kinds are told apart: heads are near 0 or 1.
const SHARPNESS: f64 = 8.0;

/// Tells kinds apart.
#[derive(Debug, Clone, PartialEq)]
pub struct KindClassifier {
    /// What a step of a weight stands for, by kind.
    steps: Vec<f32>,
    /// By bucket, then by kind.
    grams: Vec<i8>,
    /// By number, then by kind.
    numbers: Vec<f32>,
}

/// A prompt as the classifier sees it, from what a scorer's lens shows: for fits.
pub fn sight(seen: &FeatureVector, features: &Features) -> FeatureVector {
    FeatureVector {
        grams: seen.grams.iter().map(|&(slot, weight)| (slot >> SHIFT, weight)).collect(),
        dense: numbers(features).to_vec(),
    }
}

fn numbers(features: &Features) -> [f32; NUMBERS] {
    let inputs = inputs(features);
    std::array::from_fn(|at| match at.checked_sub(1) {
        None => CONSTANT,
        Some(at) => NUMBER * (inputs[at] - FITTED.numbers[at].1) as f32,
    })
}

impl KindClassifier {
    /// Packs a linear function for each kind, and one for none.
    pub fn new(linears: &[LinearHead; SHARES]) -> Self {
        let step = |linear: &LinearHead| {
            let most = linear.grams[..BUCKETS].iter().fold(1e-9f32, |most, weight| most.max(weight.abs()));
            most / 127.0
        };
        let steps: Vec<f32> = linears.iter().map(step).collect();
        let packed = |bucket: usize| {
            let weights = linears.iter().zip(&steps);
            weights.map(move |(linear, step)| (linear.grams[bucket] / step).round() as i8)
        };
        Self {
            grams: (0..BUCKETS).flat_map(packed).collect(),
            numbers: (0..NUMBERS).flat_map(|at| linears.iter().map(move |linear| linear.dense[at])).collect(),
            steps,
        }
    }

    /// The chance that a prompt is of each kind, and last of none; a scorer's lens has looked at it.
    pub fn shares(&self, seen: &FeatureVector, features: &Features) -> [f64; SHARES] {
        let mut sums = wide(
            #[inline(always)]
            || self.sums(seen, features),
        );
        let most = sums.iter().copied().fold(f32::MIN, f32::max);
        sums.iter_mut().for_each(|sum| *sum -= most);
        let mut shares = sums.map(|sum| exp(SHARPNESS * f64::from(sum)));
        let all: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= all);
        shares
    }

    #[inline(always)]
    fn sums(&self, seen: &FeatureVector, features: &Features) -> [f32; SHARES] {
        let (buckets, _) = self.grams.as_chunks::<SHARES>();
        let mut sums = [0.0f32; SHARES];
        for &(slot, weight) in &seen.grams {
            let steps = &buckets[usize::from(slot >> SHIFT)];
            for (sum, step) in sums.iter_mut().zip(steps) {
                *sum += weight * f32::from(*step);
            }
        }
        for (sum, step) in sums.iter_mut().zip(&self.steps) {
            *sum *= step;
        }
        let (rows, _) = self.numbers.as_chunks::<SHARES>();
        for (number, row) in numbers(features).iter().zip(rows) {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += number * weight;
            }
        }
        sums
    }

    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut to = ByteWriter::default();
        to.floats(&self.steps);
        to.signed(&self.grams);
        to.floats(&self.numbers);
        to.0
    }

    /// From bytes; nothing where they are of another length.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = ByteReader(bytes);
        let read = Self {
            steps: from.floats(SHARES)?,
            grams: from.signed(BUCKETS * SHARES)?,
            numbers: from.floats(NUMBERS * SHARES)?,
        };
        from.0.is_empty().then_some(read)
    }
}

/// The classifier that ships with the product; its weights are read once.
pub fn default_kinds() -> &'static KindClassifier {
    static SHIPPED: OnceLock<KindClassifier> = OnceLock::new();
    SHIPPED.get_or_init(|| match KindClassifier::read(include_bytes!("kinds.bin")) {
        Some(shipped) => shipped,
        // A test reads these very bytes.
        None => unreachable!("kinds.bin is of another length"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::features::Prompt;
    use super::super::scorers::default_scorer;
    use super::*;

    #[test]
    fn the_shipped_weights_are_read_and_small() {
        let bytes = include_bytes!("kinds.bin");
        assert!(bytes.len() < 300_000, "{}", bytes.len());
        assert_eq!(default_kinds().write(), bytes);
    }

    #[track_caller]
    fn check(text: &str, kind: &str) {
        let features = Features::of(&Prompt::from_text(text));
        let shares = default_kinds().shares(&default_scorer().view(&features).sight, &features);
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
        let most = (0..SHARES).max_by(|one, other| shares[*one].total_cmp(&shares[*other])).expect("a share");
        assert_eq!(KIND_NAMES.get(most).copied().unwrap_or("elsewhere"), kind, "{text}");
    }

    #[test]
    fn kinds_are_told_apart() {
        check("Convert 7 miles to kilometres. Only the number.", "units");
        check("这条评论是正面还是负面？只回答“正面”或“负面”。评论：服务太差了，再也不来。", "zh_sentiment");
        check("SMS: You have won a prize, call now!\nIs it spam or ham? Answer with one word.", "spam");
        check("Write a long fantasy story about a dragon who learns to cook for a village.", "elsewhere");
    }
}
