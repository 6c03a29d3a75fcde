//! Linear functions in a byte a weight, several side by side so that a prompt reads each cache line once.

use crate::scoring::bytes::{ByteReader, ByteWriter};
use crate::scoring::feature_transform::{DENSE, FeatureVector};
use crate::scoring::features::SLOTS;
use crate::scoring::numbers::wide;
use crate::scoring::ridge::LinearHead;

/// Several linear functions of a [`FeatureVector`].
#[derive(Debug, Clone, PartialEq)]
pub struct StackedHeads {
    heads: usize,
    /// Bytes from one slot to the next: the heads, and zeros up to a width that a register holds.
    stride: usize,
    /// What the square of 127 stands for, a head.
    scales: Vec<f32>,
    /// Signed square roots: small weights, which are many, keep their precision. Heads of a slot side by side, slots
    /// [`stride`](Self::stride) apart.
    grams: Vec<i8>,
    /// Heads of a number side by side, numbers [`stride`](Self::stride) apart.
    dense: Vec<f32>,
}

/// The most heads that one pack may have.
pub const MOST: usize = 16;

impl StackedHeads {
    /// Packs up to [`MOST`] functions; what goes beyond is left out.
    pub fn new(linears: &[LinearHead]) -> Self {
        let linears = &linears[..linears.len().min(MOST)];
        let heads = linears.len();
        let largest =
            |linear: &LinearHead| linear.grams.iter().fold(1e-12f32, |most, weight| most.max(weight.abs()));
        let scales: Vec<f32> = linears.iter().map(|linear| largest(linear) / (127.0 * 127.0)).collect();
        let stride = stride(heads);
        let mut grams = vec![0; SLOTS * stride];
        let mut dense = vec![0.0; DENSE * stride];
        for (head, linear) in linears.iter().enumerate() {
            for (slot, &weight) in linear.grams.iter().enumerate() {
                let root = (weight.abs() / scales[head]).sqrt().round().min(127.0);
                grams[slot * stride + head] = root.copysign(weight) as i8;
            }
            for (at, &weight) in linear.dense.iter().enumerate() {
                dense[at * stride + head] = weight;
            }
        }
        Self { heads, stride, scales, grams, dense }
    }

    /// Each function's value for a prompt; those beyond the last are 0.
    pub fn values(&self, sight: &FeatureVector) -> [f64; MOST] {
        wide(
            #[inline(always)]
            || match self.stride {
                4 => self.sums::<4>(sight),
                8 => self.sums::<8>(sight),
                12 => self.sums::<12>(sight),
                _ => self.sums::<MOST>(sight),
            },
        )
    }

    /// The width is known here, so that heads are added side by side.
    #[inline(always)]
    fn sums<const STRIDE: usize>(&self, sight: &FeatureVector) -> [f64; MOST] {
        let (slots, _) = self.grams.as_chunks::<STRIDE>();
        let mut sums = [0.0f32; STRIDE];
        for &(slot, weight) in &sight.grams {
            let roots = &slots[usize::from(slot)];
            let squares = roots.map(|root| i16::from(root) * i16::from(root).abs());
            sums = std::array::from_fn(|head| sums[head] + weight * f32::from(squares[head]));
        }
        for (sum, scale) in sums.iter_mut().zip(&self.scales) {
            *sum *= scale;
        }
        let (dense, _) = self.dense.as_chunks::<STRIDE>();
        for (&number, weights) in sight.dense.iter().zip(dense) {
            sums = std::array::from_fn(|head| sums[head] + number * weights[head]);
        }
        std::array::from_fn(|head| sums.get(head).copied().map_or(0.0, f64::from))
    }

    /// As bytes.
    pub fn write(&self, to: &mut ByteWriter) {
        to.number(self.heads as u32);
        to.floats(&self.scales);
        let slots = self.grams.chunks_exact(self.stride);
        to.signed(&slots.flat_map(|slot| &slot[..self.heads]).copied().collect::<Vec<_>>());
        let dense = self.dense.chunks_exact(self.stride);
        to.floats(&dense.flat_map(|number| &number[..self.heads]).copied().collect::<Vec<_>>());
    }

    /// From bytes.
    pub fn read(from: &mut ByteReader<'_>) -> Option<Self> {
        let heads = from.number()? as usize;
        if heads > MOST {
            return None;
        }
        let scales = from.floats(heads)?;
        let side_by_side = from.signed(SLOTS * heads)?;
        let stride = stride(heads);
        let mut grams = vec![0; SLOTS * stride];
        for (slot, roots) in grams.chunks_exact_mut(stride).zip(side_by_side.chunks_exact(heads.max(1))) {
            slot[..heads].copy_from_slice(roots);
        }
        let side_by_side = from.floats(DENSE * heads)?;
        let mut dense = vec![0.0; DENSE * stride];
        for (number, weights) in dense.chunks_exact_mut(stride).zip(side_by_side.chunks_exact(heads.max(1))) {
            number[..heads].copy_from_slice(weights);
        }
        Some(Self { heads, stride, scales, grams, dense })
    }
}

/// The width for so many heads.
fn stride(heads: usize) -> usize {
    match heads {
        0..=4 => 4,
        5..=8 => 8,
        9..=12 => 12,
        _ => MOST,
    }
}
