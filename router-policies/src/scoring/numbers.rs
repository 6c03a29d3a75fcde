//! Elementary functions that give the same bits on every machine. The standard library's come from the platform's
//! C library, whose last bits differ; these use only operations that IEEE 754 rounds correctly.

/// Runs loops with the widest registers that this machine has. Nothing is fused or reordered, so the bits are the same on
/// every machine; the closure and what it calls must be inlined.
#[inline(always)]
pub fn wide<T>(loops: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(loops)
}

/// The natural logarithm of a finite positive number, within 1e-12 of the truth; 0 for anything else.
pub fn ln(x: f64) -> f64 {
    if !(x.is_finite() && x >= f64::MIN_POSITIVE) {
        return 0.0;
    }
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)); |s| < 0.172, so eight terms reach 1e-14.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..8).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

/// The exponential, within 1e-12 relative of the truth for |x| ≤ 700; beyond that it stays at the end of the range.
pub fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return 0.0;
    }
    let x = x.clamp(-700.0, 700.0);
    let power = (x / std::f64::consts::LN_2).round();
    let rest = x - power * std::f64::consts::LN_2;
    let series = (1..=13).rev().fold(1.0, |sum, term| 1.0 + sum * rest / f64::from(term));
    series * f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// The cosine of an angle within ±1e4, within 2e-6 of the truth.
#[inline(always)]
pub fn cos(x: f32) -> f32 {
    // Quarter-wave reduction: x = quadrant · π/2 + rest, |rest| ≤ π/4. Whole quadrants fit exactly for such x.
    // Adding this rounds to a whole number, half to even, and leaves that number in the last bits: no call and no branch,
    // so that many cosines are taken side by side.
    const WHOLE: f64 = 1.5 * (1u64 << 52) as f64;
    const HALF_PI: f64 = std::f64::consts::FRAC_PI_2;
    let shifted = f64::from(x) * std::f64::consts::FRAC_2_PI + WHOLE;
    let quadrant = shifted - WHOLE;
    let rest = (f64::from(x) - quadrant * HALF_PI) as f32;
    let square = rest * rest;
    let cosine =
        1.0 + square * (-0.5 + square * (1.0 / 24.0 + square * (-1.0 / 720.0 + square * (1.0 / 40320.0))));
    let sine = rest * (1.0 + square * (-1.0 / 6.0 + square * (1.0 / 120.0 + square * (-1.0 / 5040.0))));
    // Quadrants 0 to 3 have cosine, -sine, -cosine, sine.
    let quadrant = shifted.to_bits() as u32;
    let value = if quadrant & 1 == 0 { cosine } else { sine };
    f32::from_bits(value.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 30))
}

/// The logistic function, in 0..=1.
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// The inverse of [`logistic`], with its argument held within 1e-6 of 0 and 1.
pub fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    ln(p / (1.0 - p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform() {
        for step in 1..20_000 {
            let x = f64::from(step) * 0.037;
            assert!((ln(x) - x.ln()).abs() < 1e-12, "ln {x}");
            let y = x - 370.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-12, "exp {y}");
        }
        for step in -20_000..20_000_i16 {
            let x = f32::from(step) * 0.013;
            assert!((f64::from(cos(x)) - f64::from(x).cos()).abs() < 2e-6, "cos {x}");
        }
        assert_eq!([cos(0.0), cos(-0.0)], [1.0, 1.0]);
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(logistic(0.0), 0.5);
    }

    #[test]
    fn stays_in_range() {
        assert_eq!(ln(0.0), 0.0);
        assert_eq!(ln(-1.0), 0.0);
        assert_eq!(ln(f64::NAN), 0.0);
        assert_eq!(exp(f64::NAN), 0.0);
        assert!(exp(1e300).is_finite());
        assert!((logit(logistic(3.5)) - 3.5).abs() < 1e-9);
        assert!(logit(0.0).is_finite() && logit(1.0).is_finite());
    }
}
