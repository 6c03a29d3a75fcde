//! Linear functions in a byte a weight, several side by side so that a prompt reads each cache line once.

use super::bytes::{Reader, Writer};
use super::lens::{DENSE, Sight};
use crate::features::SLOTS;
use crate::ridge::Linear;

/// Several linear functions of a [`Sight`].
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    heads: usize,
    /// What the square of 127 stands for, a head.
    scales: Vec<f32>,
    /// Signed square roots: small weights, which are many, keep their precision. Heads of a slot side by side.
    grams: Vec<i8>,
    /// Heads of a number side by side.
    dense: Vec<f32>,
}

/// The most heads that one pack may have.
pub const MOST: usize = 16;

impl Packed {
    /// Packs up to [`MOST`] functions; what goes beyond is left out.
    pub fn new(linears: &[Linear]) -> Self {
        let linears = &linears[..linears.len().min(MOST)];
        let heads = linears.len();
        let largest =
            |linear: &Linear| linear.grams.iter().fold(1e-12f32, |most, weight| most.max(weight.abs()));
        let scales: Vec<f32> = linears.iter().map(|linear| largest(linear) / (127.0 * 127.0)).collect();
        let mut grams = vec![0; SLOTS * heads];
        let mut dense = vec![0.0; DENSE * heads];
        for (head, linear) in linears.iter().enumerate() {
            for (slot, &weight) in linear.grams.iter().enumerate() {
                let root = (weight.abs() / scales[head]).sqrt().round().min(127.0);
                grams[slot * heads + head] = root.copysign(weight) as i8;
            }
            for (at, &weight) in linear.dense.iter().enumerate() {
                dense[at * heads + head] = weight;
            }
        }
        Self { heads, scales, grams, dense }
    }

    /// Each function's value for a prompt; those beyond the last are 0.
    pub fn values(&self, sight: &Sight) -> [f64; MOST] {
        let heads = self.heads;
        let mut sums = [0.0f32; MOST];
        for &(slot, weight) in &sight.grams {
            let at = usize::from(slot) * heads;
            for (sum, &root) in sums.iter_mut().zip(&self.grams[at..at + heads]) {
                *sum += weight * f32::from(i16::from(root) * i16::from(root).abs());
            }
        }
        for (sum, scale) in sums.iter_mut().zip(&self.scales) {
            *sum *= scale;
        }
        for (&number, weights) in sight.dense.iter().zip(self.dense.chunks_exact(heads.max(1))) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += number * weight;
            }
        }
        sums.map(f64::from)
    }

    /// As bytes.
    pub fn write(&self, to: &mut Writer) {
        to.number(self.heads as u32);
        to.floats(&self.scales);
        to.signed(&self.grams);
        to.floats(&self.dense);
    }

    /// From bytes.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        let heads = from.number()? as usize;
        if heads > MOST {
            return None;
        }
        let scales = from.floats(heads)?;
        let grams = from.signed(SLOTS * heads)?;
        let dense = from.floats(DENSE * heads)?;
        Some(Self { heads, scales, grams, dense })
    }
}
