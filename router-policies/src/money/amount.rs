//! Currencies, and amounts in whole nano-units.

use std::fmt;

/// An ISO 4217 currency code, such as `CNY`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Three capital ASCII letters; anything else is `None`.
    pub fn new(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Self(code))
    }

    /// The three letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in nano-units (10⁻⁹) of the account currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Money(pub i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    const UNIT: f64 = 1e9;

    /// From a decimal amount, rounded to the nearest nano-unit. `None` unless finite and within ±9.2 × 10⁹ units.
    pub fn from_units(amount: f64) -> Option<Self> {
        let nanos = (amount * Self::UNIT).round();
        (nanos.is_finite() && nanos.abs() < i64::MAX as f64).then_some(Self(nanos as i64))
    }

    /// As a decimal amount, for reports and JSON numbers.
    pub fn units(self) -> f64 {
        self.0 as f64 / Self::UNIT
    }

    /// The sum, stopping at the ends of the range.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, stopping at the ends of the range.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// A plain decimal without exponent and without trailing zeros: `0.00042`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut digits = [b'0'; 9];
        let mut left = rest;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        if nanos == rest {
            f.write_str(sign)?;
            f.write_str("0.")?;
        } else {
            write!(f, "{sign}{whole}.")?;
        }
        f.write_str(digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_a_plain_decimal() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (420_000, "0.00042"),
            (-1_500_000_000, "-1.5"),
            (12_000_000_000, "12"),
            (i64::MIN, "-9223372036.854775808"),
        ] {
            assert_eq!(Money(nanos).to_string(), text);
        }
        assert_eq!(Money::from_units(f64::NAN), None);
        assert_eq!(Money::from_units(1e12), None);
    }
}
