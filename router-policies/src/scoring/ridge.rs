//! Ridge regression on sparse and dense features, by conjugate gradients. Same rows, same bits.

use crate::scoring::feature_transform::{DENSE, FeatureVector};
use crate::scoring::features::SLOTS;

/// Rounds of conjugate gradients. The fits here are strongly regularised, so they settle long before.
const ROUNDS: usize = 40;
/// Where the rounds stop: the squared residual against the first.
const ENOUGH: f64 = 1e-7;

/// A linear function of a [`FeatureVector`].
#[derive(Debug, Clone)]
pub struct LinearHead {
    /// A weight for each slot of grams.
    pub grams: Vec<f32>,
    /// A weight for each dense number.
    pub dense: Vec<f32>,
}

impl LinearHead {
    /// Its value for a prompt.
    pub fn value(&self, sight: &FeatureVector) -> f64 {
        let grams: f32 =
            sight.grams.iter().map(|&(slot, weight)| self.grams[usize::from(slot)] * weight).sum();
        let dense: f32 = sight.dense.iter().zip(&self.dense).map(|(number, weight)| number * weight).sum();
        f64::from(grams) + f64::from(dense)
    }
}

/// One row of a fit with several targets.
#[derive(Debug, Clone, Copy)]
pub struct RidgeRow<'a, const T: usize> {
    /// The prompt.
    pub sight: &'a FeatureVector,
    /// What is to be foretold.
    pub targets: [f64; T],
    /// How much the row counts.
    pub weight: f64,
}

/// For each target the linear function with the least weighted squared error plus `penalty` times the squared
/// weights.
pub fn fit<const T: usize>(rows: &[RidgeRow<'_, T>], penalty: f64) -> [LinearHead; T] {
    let mut solution = RidgeVector::zero();
    let mut residual = RidgeVector::zero();
    for row in rows {
        residual.add(row.sight, row.targets.map(|target| target * row.weight));
    }
    let mut direction = residual.clone();
    let mut square = residual.dot(&residual);
    let stop = square.map(|square| square * ENOUGH);
    for _ in 0..ROUNDS {
        if square.iter().zip(stop).all(|(square, stop)| *square <= stop) {
            break;
        }
        let mut image = RidgeVector::zero();
        for row in rows {
            image.add(row.sight, direction.value(row.sight).map(|value| value * row.weight));
        }
        image.add_scaled(&direction, [penalty; T]);
        let step = ratio(square, direction.dot(&image));
        solution.add_scaled(&direction, step);
        residual.add_scaled(&image, step.map(|step| -step));
        let next = residual.dot(&residual);
        direction.turn(&residual, ratio(next, square));
        square = next;
    }
    std::array::from_fn(|target| solution.linear(target))
}

/// Quotients; where nothing is left to divide by, the target is solved and stays.
fn ratio<const T: usize>(over: [f64; T], under: [f64; T]) -> [f64; T] {
    std::array::from_fn(|at| if under[at] > 0.0 { over[at] / under[at] } else { 0.0 })
}

#[derive(Clone)]
struct RidgeVector<const T: usize>(Vec<[f64; T]>);

impl<const T: usize> RidgeVector<T> {
    fn zero() -> Self {
        Self(vec![[0.0; T]; SLOTS + DENSE])
    }

    fn value(&self, sight: &FeatureVector) -> [f64; T] {
        let mut sums = [0.0; T];
        for (at, number) in numbers(sight) {
            for (sum, weight) in sums.iter_mut().zip(&self.0[at]) {
                *sum += number * weight;
            }
        }
        sums
    }

    fn add(&mut self, sight: &FeatureVector, scale: [f64; T]) {
        for (at, number) in numbers(sight) {
            for (sum, scale) in self.0[at].iter_mut().zip(&scale) {
                *sum += number * scale;
            }
        }
    }

    fn add_scaled(&mut self, other: &Self, scale: [f64; T]) {
        for (sums, others) in self.0.iter_mut().zip(&other.0) {
            for at in 0..T {
                sums[at] += scale[at] * others[at];
            }
        }
    }

    /// Scales itself and adds the other.
    fn turn(&mut self, other: &Self, scale: [f64; T]) {
        for (sums, others) in self.0.iter_mut().zip(&other.0) {
            for at in 0..T {
                sums[at] = scale[at] * sums[at] + others[at];
            }
        }
    }

    fn dot(&self, other: &Self) -> [f64; T] {
        let mut sums = [0.0; T];
        for (one, other) in self.0.iter().zip(&other.0) {
            for at in 0..T {
                sums[at] += one[at] * other[at];
            }
        }
        sums
    }

    fn linear(&self, target: usize) -> LinearHead {
        let mut grams: Vec<f32> = self.0.iter().map(|weights| weights[target] as f32).collect();
        let dense = grams.split_off(SLOTS);
        LinearHead { grams, dense }
    }
}

/// The numbers of a sight with their places: grams first.
fn numbers(sight: &FeatureVector) -> impl Iterator<Item = (usize, f64)> + '_ {
    let grams = sight.grams.iter().map(|&(slot, weight)| (usize::from(slot), f64::from(weight)));
    grams.chain(sight.dense.iter().enumerate().map(|(at, &number)| (SLOTS + at, f64::from(number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(slot: u16) -> FeatureVector {
        FeatureVector { grams: vec![(slot, 1.0)], dense: vec![0.0; DENSE] }
    }

    #[test]
    fn agrees_with_the_closed_form() {
        // One gram each, nothing dense: w = Σy / (n + penalty).
        let sights = [sight(1), sight(1), sight(9)];
        let targets = [[1.0, 0.0], [2.0, 0.0], [-4.0, 0.0]];
        let rows: Vec<_> = sights
            .iter()
            .zip(targets)
            .map(|(sight, targets)| RidgeRow { sight, targets, weight: 1.0 })
            .collect();
        let [linear, nothing] = fit(&rows, 1.0);
        assert!((linear.grams[1] - 1.0).abs() < 1e-6 && (linear.grams[9] + 2.0).abs() < 1e-6);
        assert!((linear.value(&sights[2]) + 2.0).abs() < 1e-6);
        assert_eq!(nothing.value(&sights[0]), 0.0);
        assert_eq!(fit::<1>(&[], 1.0)[0].value(&sights[0]), 0.0);
    }
}
