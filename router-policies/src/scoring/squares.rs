//! Small fits: least squares on a handful of numbers, and the logistic curve through scores.

use crate::scoring::numbers::logistic;

/// The coefficients with the least squared error of `target ≈ Σ coefficient · number`, each drawn to its prior by its
/// penalty; a tiny one is there always, so that there is one answer.
pub fn least_squares<const N: usize>(
    rows: impl Iterator<Item = ([f64; N], f64)>,
    prior: [f64; N],
    penalties: [f64; N],
) -> [f64; N] {
    let mut matrix = [[0.0; N]; N];
    let mut vector = [0.0; N];
    for (numbers, target) in rows {
        let target = target - numbers.iter().zip(prior).map(|(number, weight)| number * weight).sum::<f64>();
        for one in 0..N {
            vector[one] += numbers[one] * target;
            for other in 0..N {
                matrix[one][other] += numbers[one] * numbers[other];
            }
        }
    }
    for (at, row) in matrix.iter_mut().enumerate() {
        row[at] += penalties[at].max(1e-9);
    }
    let found = solve(matrix, vector);
    std::array::from_fn(|at| prior[at] + found[at])
}

/// Gaussian elimination with pivots.
fn solve<const N: usize>(mut matrix: [[f64; N]; N], mut vector: [f64; N]) -> [f64; N] {
    for at in 0..N {
        let pivot = (at..N)
            .max_by(|&one, &other| matrix[one][at].abs().total_cmp(&matrix[other][at].abs()))
            .unwrap_or(at);
        matrix.swap(at, pivot);
        vector.swap(at, pivot);
        for row in at + 1..N {
            let factor = matrix[row][at] / matrix[at][at];
            let pivot = matrix[at];
            for (number, above) in matrix[row].iter_mut().zip(pivot).skip(at) {
                *number -= factor * above;
            }
            vector[row] -= factor * vector[at];
        }
    }
    for at in (0..N).rev() {
        let known: f64 = (at + 1..N).map(|column| matrix[at][column] * vector[column]).sum();
        vector[at] = (vector[at] - known) / matrix[at][at];
    }
    vector
}

/// Intercept and slopes of the logistic curve with the greatest likelihood (Platt, 1999), targets in 0..=1, by
/// Newton's method. `penalty` draws the slopes, not the intercept, towards `prior`.
pub fn logistic_curve<const N: usize>(rows: &[([f64; N], f64)], prior: [f64; N], penalty: f64) -> [f64; N] {
    let mut curve = prior;
    for _ in 0..25 {
        let mut matrix = [[0.0; N]; N];
        let mut slope = [0.0; N];
        for (numbers, target) in rows {
            let value: f64 = numbers.iter().zip(&curve).map(|(number, weight)| number * weight).sum();
            let chance = logistic(value);
            let curvature = (chance * (1.0 - chance)).max(1e-4);
            for one in 0..N {
                slope[one] += (target - chance) * numbers[one];
                for other in 0..N {
                    matrix[one][other] += curvature * numbers[one] * numbers[other];
                }
            }
        }
        for at in 0..N {
            let penalty = if at == 0 { 1e-3 } else { penalty.max(1e-6) };
            matrix[at][at] += penalty;
            slope[at] -= penalty * (curve[at] - prior[at]);
        }
        let step = solve(matrix, slope);
        let longest = step.iter().fold(0.0f64, |most, part| most.max(part.abs()));
        let held = if longest > 2.0 { 2.0 / longest } else { 1.0 };
        for (weight, part) in curve.iter_mut().zip(step) {
            *weight += held * part;
        }
        if longest < 1e-9 {
            break;
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::random::SplitMix64;

    #[test]
    fn recovers_a_plane() {
        let rows = (0..50).map(|at| {
            let (x, y) = (f64::from(at % 7), f64::from(at % 5));
            ([1.0, x, y], 3.0 - 2.0 * x + 0.5 * y)
        });
        let found = least_squares(rows, [0.0; 3], [0.0; 3]);
        assert!(
            found.iter().zip([3.0, -2.0, 0.5]).all(|(one, other)| (one - other).abs() < 1e-6),
            "{found:?}"
        );
        assert_eq!(least_squares(std::iter::empty(), [0.0, 2.0], [1.0; 2]), [0.0, 2.0]);
    }

    #[test]
    fn recovers_a_logistic_curve() {
        let mut draws = SplitMix64(3);
        let rows: Vec<_> = (0..20_000)
            .map(|_| {
                let x = draws.normal();
                let truth = logistic(0.5 + 2.0 * x);
                ([1.0, x], f64::from(u8::from(draws.uniform() < truth)))
            })
            .collect();
        let [base, slope] = logistic_curve(&rows, [0.0, 1.0], 1.0);
        assert!((base - 0.5).abs() < 0.1 && (slope - 2.0).abs() < 0.15, "{base} {slope}");
    }

    #[test]
    fn all_of_one_kind_stays_finite() {
        let rows = vec![([1.0, 0.3], 1.0); 100];
        assert!(logistic_curve(&rows, [0.0, 1.0], 1.0).iter().all(|weight| weight.is_finite()));
    }
}
