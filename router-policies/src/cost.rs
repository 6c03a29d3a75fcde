//! Money, prices and token counts. All arithmetic is in whole nano-units and saturates; nothing here is a float
//! once it has been read.

use std::fmt;
use std::time::Duration;

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
        let digits = format!("{rest:09}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// What a model costs, in the account currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Price {
    /// By the token. Each field is what a million tokens of that kind cost.
    Tokens {
        /// Prompt tokens that were not read from the provider's cache.
        input: Money,
        /// Prompt tokens read from the provider's cache; `input` where the provider has no such price.
        cached_input: Money,
        /// Tokens of the answer, reasoning included.
        output: Money,
    },
    /// By the time a machine of our own was busy: what an hour of it costs.
    Hour(Money),
}

impl Price {
    /// What this usage costs, rounded half up once at the end. `busy` is how long the model worked on it, which only
    /// an hourly price looks at.
    pub fn cost(&self, usage: &Usage, busy: Duration) -> Money {
        let (amount, per) = match self {
            Self::Tokens { input, cached_input, output } => {
                let parts = [
                    (usage.input, input),
                    (usage.cached_input, cached_input),
                    (usage.output.saturating_add(usage.reasoning), output),
                ];
                let sum = parts.iter().fold(0i128, |sum, (tokens, price)| {
                    sum.saturating_add(i128::from(*tokens).saturating_mul(i128::from(price.0)))
                });
                (sum, 1_000_000)
            }
            Self::Hour(price) => {
                let nanos = i128::try_from(busy.as_nanos()).unwrap_or(i128::MAX);
                (nanos.saturating_mul(i128::from(price.0)), 3_600_000_000_000)
            }
        };
        Money(i64::try_from(amount.saturating_add(per / 2) / per).unwrap_or(i64::MAX))
    }
}

/// Tokens by kind; the kinds are disjoint and add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Prompt tokens not read from a cache.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached_input: u64,
    /// Tokens of the answer, without reasoning.
    pub output: u64,
    /// Reasoning tokens, billed as output.
    pub reasoning: u64,
    /// Whether any of these was estimated rather than reported.
    pub estimated: bool,
}

impl Usage {
    /// All prompt tokens.
    pub fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cached_input)
    }

    /// All tokens of the answer.
    pub fn completion(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// Both.
    pub fn total(&self) -> u64 {
        self.prompt().saturating_add(self.completion())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(units: f64) -> Money {
        Money::from_units(units).unwrap()
    }

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

    #[test]
    fn tokens_cost_what_the_list_says() {
        let price = Price::Tokens { input: money(2.0), cached_input: money(0.04), output: money(8.0) };
        let check = |input, cached_input, output, reasoning, nanos| {
            let usage = Usage { input, cached_input, output, reasoning, estimated: false };
            assert_eq!(price.cost(&usage, Duration::from_secs(9)), Money(nanos), "{usage:?}");
        };
        check(1_000_000, 0, 0, 0, 2_000_000_000);
        check(0, 1_000_000, 0, 0, 40_000_000);
        check(0, 0, 500_000, 500_000, 8_000_000_000);
        check(1, 1, 1, 0, 10_040);
        check(u64::MAX, u64::MAX, u64::MAX, u64::MAX, i64::MAX);
    }

    #[test]
    fn a_machine_costs_by_the_time_it_was_busy() {
        let price = Price::Hour(money(3.6));
        assert_eq!(price.cost(&Usage::default(), Duration::from_millis(500)), Money(500_000));
        assert_eq!(price.cost(&Usage::default(), Duration::MAX), Money(i64::MAX));
    }
}
