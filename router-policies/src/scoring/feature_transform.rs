//! How a scorer looks at features: grams weighed by rarity, readable features through random cosines.

use std::sync::OnceLock;

use crate::scoring::bytes::{ByteReader, ByteWriter};
use crate::scoring::features::{COUNT, Features, HashedGram, SLOTS};
use crate::scoring::numbers::{cos, exp, wide};
use crate::scoring::random::SplitMix64;

/// How many random cosines stand for the readable features. They approximate a Gaussian kernel (Rahimi and Recht,
/// 2007), so that a linear fit on them is a smooth fit on the features.
pub const WAVES: usize = 256;
/// Numbers a dense part has: a constant and the waves.
pub const DENSE: usize = WAVES + 1;
/// The weight of the readable features against the grams in the kernel.
const READABLE_WEIGHT: f32 = 1.0;
/// Standardised features are held within this many deviations, so that no odd prompt runs away.
const REACH: f32 = 4.0;

/// A prompt as a scorer sees it: a sparse part of unit length and a dense part.
#[derive(Debug, Clone, Default)]
pub struct FeatureVector {
    /// Slots of the grams, each with its weight; the squares add up to 1.
    pub grams: Vec<(u16, f32)>,
    /// A constant and the waves.
    pub dense: Vec<f32>,
}

/// What is usual of the readable features among some prompts.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Standardizer {
    mean: Vec<f32>,
    /// One over the deviation; 0 for what does not vary.
    scale: Vec<f32>,
    /// The angles of the waves for a prompt that has none of the features, once they were asked for. Every lens has the
    /// same waves.
    #[serde(skip)]
    plain: OnceLock<Box<[f32; WAVES]>>,
}

impl PartialEq for Standardizer {
    fn eq(&self, other: &Self) -> bool {
        (&self.mean, &self.scale) == (&other.mean, &other.scale)
    }
}

impl Standardizer {
    /// Learns it.
    pub fn fit<'a>(prompts: impl Iterator<Item = &'a Features>) -> Self {
        let mut count = 0u32;
        let mut sums = [(0.0f64, 0.0f64); COUNT];
        for features in prompts {
            count += 1;
            for (sum, &value) in sums.iter_mut().zip(&features.readable) {
                sum.0 += f64::from(value);
                sum.1 += f64::from(value) * f64::from(value);
            }
        }
        let all = f64::from(count.max(1));
        let mean = sums.iter().map(|(sum, _)| (sum / all) as f32).collect();
        let scale = sums.iter().map(|(sum, squares)| {
            let deviation = (squares / all - (sum / all) * (sum / all)).max(0.0).sqrt();
            if deviation > 1e-3 { (1.0 / deviation) as f32 } else { 0.0 }
        });
        Self::new(mean, scale.collect())
    }

    fn new(mean: Vec<f32>, scale: Vec<f32>) -> Self {
        Self { mean, scale, plain: OnceLock::new() }
    }

    /// By how much more than usual a prompt has of a feature, in deviations.
    #[inline(always)]
    fn deviation(&self, feature: usize, value: f32) -> f32 {
        ((value - self.mean[feature]) * self.scale[feature]).clamp(-REACH, REACH)
    }

    /// Whether it has as many numbers as there are features.
    pub fn fits(&self) -> bool {
        self.mean.len() == COUNT && self.scale.len() == COUNT
    }

    /// As bytes.
    pub fn write(&self, to: &mut ByteWriter) {
        to.floats(&self.mean);
        to.floats(&self.scale);
    }

    /// From bytes.
    pub fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self::new(from.floats(COUNT)?, from.floats(COUNT)?))
    }
}

/// How rare each slot's grams are, and the random waves.
#[derive(Debug, Clone)]
pub struct FeatureTransform {
    /// Inverse document frequency in sixteenths.
    rarity: Vec<u8>,
    /// What each feature turns the waves by, and where they begin.
    directions: Vec<[f32; WAVES]>,
    phases: [f32; WAVES],
}

impl FeatureTransform {
    /// Learns from prompts how rare grams are.
    pub fn fit<'a>(prompts: impl Iterator<Item = &'a Features>) -> Self {
        let mut documents = vec![0u32; SLOTS];
        let mut count = 0u32;
        for features in prompts {
            count += 1;
            for gram in &features.grams {
                documents[gram.slot()] += 1;
            }
        }
        let rarity = |&seen: &u32| {
            let idf = 1.0 + crate::scoring::numbers::ln((1.0 + f64::from(count)) / (1.0 + f64::from(seen)));
            (idf * 16.0).round().clamp(1.0, 255.0) as u8
        };
        Self::new(documents.iter().map(rarity).collect())
    }

    fn new(rarity: Vec<u8>) -> Self {
        let mut draws = SplitMix64(0x5851_f42d_4c95_7f2d);
        // A Gaussian kernel of width √COUNT: directions with variance 1/COUNT.
        let spread = 1.0 / (COUNT as f64).sqrt();
        let mut directions = vec![[0.0; WAVES]; COUNT];
        directions.as_flattened_mut().fill_with(|| (draws.normal() * spread) as f32);
        let mut phases = [0.0; WAVES];
        phases.fill_with(|| (draws.uniform() * std::f64::consts::TAU) as f32);
        Self { rarity, directions, phases }
    }

    /// The share of the prompts learned from in which the grams of a slot stand; never 0.
    pub fn commonness(&self, slot: usize) -> f64 {
        exp(1.0 - f64::from(self.rarity[slot]) / 16.0)
    }

    /// Looks at a prompt.
    pub fn see(&self, features: &Features, gauge: &Standardizer) -> FeatureVector {
        let weight = |slot: usize| f32::from(self.rarity[slot]) / 16.0;
        let weigh = |gram: &HashedGram| (gram.slot() as u16, weight(gram.slot()));
        let mut grams: Vec<(u16, f32)> = features.grams.iter().map(weigh).collect();
        let square: f32 = grams.iter().map(|(_, weight)| weight * weight).sum();
        let norm = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
        grams.iter_mut().for_each(|(_, weight)| *weight *= norm);
        let mut sight = FeatureVector { grams, dense: Vec::with_capacity(DENSE) };
        self.regauge(&mut sight, features, gauge);
        sight
    }

    /// Sees the readable features by another gauge.
    pub fn regauge(&self, sight: &mut FeatureVector, features: &Features, gauge: &Standardizer) {
        sight.dense.resize(DENSE, 0.0);
        let Some((constant, waves)) = sight.dense.split_first_mut() else { return };
        *constant = 1.0;
        let Some(waves) = waves.first_chunk_mut::<WAVES>() else { return };
        *waves = **gauge.plain.get_or_init(|| Box::new(self.plain(gauge)));
        // Each wave is a sum in the same order however wide the registers are, so that the bits are the same.
        wide(
            #[inline(always)]
            || self.wave(waves, features, gauge),
        );
    }

    /// The angles of a prompt that has none of the features.
    fn plain(&self, gauge: &Standardizer) -> [f32; WAVES] {
        let mut angles = self.phases;
        for (feature, directions) in self.directions.iter().enumerate() {
            let by = gauge.deviation(feature, 0.0);
            angles.iter_mut().zip(directions).for_each(|(angle, direction)| *angle += by * direction);
        }
        angles
    }

    /// From the angles of a plain prompt to the waves of this one: it has few of the features, and only they turn anything.
    #[inline(always)]
    fn wave(&self, waves: &mut [f32; WAVES], features: &Features, gauge: &Standardizer) {
        // What is beyond the last turns by nothing.
        let mut turns = [(0.0, &self.directions[0]); COUNT];
        let mut count = 0;
        for (feature, &value) in features.readable.iter().enumerate() {
            if value != 0.0 {
                let by = gauge.deviation(feature, value) - gauge.deviation(feature, 0.0);
                turns[count] = (by, &self.directions[feature]);
                count += 1;
            }
        }
        // Four at a time: a wave is loaded and stored once for them.
        const { assert!(COUNT.is_multiple_of(4), "a feature would be left out") };
        let (fours, _) = turns.as_chunks::<4>();
        for [a, b, c, d] in &fours[..count.div_ceil(4)] {
            for (at, wave) in waves.iter_mut().enumerate() {
                *wave = *wave + a.0 * a.1[at] + b.0 * b.1[at] + c.0 * c.1[at] + d.0 * d.1[at];
            }
        }
        let height = (2.0 * READABLE_WEIGHT / WAVES as f32).sqrt();
        for wave in waves {
            *wave = cos(*wave) * height;
        }
    }

    /// As bytes, for shipping.
    pub fn write(&self, to: &mut ByteWriter) {
        to.bytes(&self.rarity);
    }

    /// From bytes.
    pub fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        Some(Self::new(from.bytes(SLOTS)?.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::features::Prompt;

    #[test]
    fn waves_are_the_cosines_of_all_features_together() {
        let texts = [
            "",
            "hi",
            "Prove that √2 is irrational.",
            "请写一首关于春天的诗。",
            "```rust\nfn main() {}\n```\nWhy? A) x B) y",
        ];
        let prompts = texts.map(|text| Features::of(&Prompt::from_text(text)));
        let lens = FeatureTransform::new(vec![16; SLOTS]);
        let height = (2.0 / WAVES as f64).sqrt();
        for gauge in
            [Standardizer::fit(prompts.iter()), Standardizer::new(vec![0.5; COUNT], vec![40.0; COUNT])]
        {
            for features in &prompts {
                let sight = lens.see(features, &gauge);
                for (at, wave) in sight.dense[1..].iter().enumerate() {
                    let turned = (0..COUNT).map(|feature| {
                        let value = gauge.deviation(feature, features.readable[feature]);
                        f64::from(value) * f64::from(lens.directions[feature][at])
                    });
                    let angle = f64::from(lens.phases[at]) + turned.sum::<f64>();
                    let off = (f64::from(*wave) - angle.cos() * height).abs();
                    assert!(off < 1e-5 * height, "wave {at} is off by {off}");
                }
            }
        }
    }
}
