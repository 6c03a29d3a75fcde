//! What a model costs at one moment.

use std::time::Duration;

use super::{Money, Usage};

/// What a million tokens of each kind cost, in the account currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRates {
    /// Prompt tokens that no cache had a part in.
    pub input: Money,
    /// Prompt tokens read from the provider's cache; `input` where the provider has no such price.
    pub cached_input: Money,
    /// Prompt tokens written to a cache of five minutes, or to the provider's only one; `input` where writing is free.
    pub cache_write: Money,
    /// Prompt tokens written to a cache of an hour; `cache_write` where the provider has no such price.
    pub cache_write_hour: Money,
    /// Tokens of the answer, reasoning included.
    pub output: Money,
}

/// Rates from a length of the prompt on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceTier {
    /// The rates hold for prompts of more tokens than this.
    pub above: u64,
    /// The whole request is charged by them.
    pub rates: TokenRates,
}

/// Rates by the length of the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TieredRates {
    /// For prompts that no tier names.
    pub base: TokenRates,
    /// By rising length.
    pub higher: Vec<PriceTier>,
}

/// What a model costs, in the account currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Price {
    /// By the token.
    Tokens(TieredRates),
    /// By the time a machine of our own was busy: what an hour of it costs.
    Hour(Money),
}

impl TokenRates {
    /// Where only these three are known; writing to a cache costs what `input` costs.
    pub fn new(input: Money, cached_input: Money, output: Money) -> Self {
        Self { input, cached_input, cache_write: input, cache_write_hour: input, output }
    }

    /// What this usage costs, rounded half up once at the end.
    pub fn cost(&self, usage: &Usage) -> Money {
        let parts = [
            (usage.input, self.input),
            (usage.cached_input, self.cached_input),
            (usage.cache_write, self.cache_write),
            (usage.cache_write_hour, self.cache_write_hour),
            (usage.output.saturating_add(usage.reasoning), self.output),
        ];
        let sum = parts.iter().fold(0i128, |sum, (tokens, price)| {
            sum.saturating_add(i128::from(*tokens).saturating_mul(i128::from(price.0)))
        });
        rounded(sum, 1_000_000)
    }

    /// What so many prompt tokens and answer tokens cost at most, whatever part a cache has in it.
    fn most(&self, prompt: u64, answer: u64) -> Money {
        let kinds = [self.input, self.cached_input, self.cache_write, self.cache_write_hour];
        let dearest = kinds.into_iter().max().unwrap_or(self.input);
        let usage = Usage { input: prompt, output: answer, ..Usage::default() };
        Self { input: dearest, ..*self }.cost(&usage)
    }
}

impl TieredRates {
    /// The rates for a prompt of so many tokens.
    pub fn of(&self, prompt: u64) -> &TokenRates {
        self.higher.iter().rev().find(|tier| prompt > tier.above).map_or(&self.base, |tier| &tier.rates)
    }
}

impl Price {
    /// By the token, whatever the prompt's length; each argument is what a million tokens of that kind cost.
    pub fn tokens(input: Money, cached_input: Money, output: Money) -> Self {
        Self::Tokens(TieredRates { base: TokenRates::new(input, cached_input, output), higher: Vec::new() })
    }

    /// What this usage costs. `busy` is the model's share of a machine's time, which only an hourly price looks at.
    pub fn cost(&self, usage: &Usage, busy: Duration) -> Money {
        match self {
            Self::Tokens(tiers) => tiers.of(usage.prompt()).cost(usage),
            Self::Hour(hour) => {
                let nanos = i128::try_from(busy.as_nanos()).unwrap_or(i128::MAX);
                rounded(nanos.saturating_mul(i128::from(hour.0)), 3_600_000_000_000)
            }
        }
    }

    /// What an attempt costs at most: a prompt and an answer of up to so many tokens, a machine busy for up to `busy`.
    pub fn most(&self, prompt: u64, answer: u64, busy: Duration) -> Money {
        match self {
            // A shorter prompt can be the dearer one where a higher tier is cheaper.
            Self::Tokens(tiers) => {
                let reached = tiers.higher.iter().filter(|tier| prompt > tier.above);
                let each = reached.map(|tier| tier.rates.most(prompt, answer));
                each.chain([tiers.base.most(prompt, answer)]).max().unwrap_or_default()
            }
            Self::Hour(_) => self.cost(&Usage::default(), busy),
        }
    }
}

/// Rounded half up, at the ends of the range where it does not fit.
fn rounded(amount: i128, per: i128) -> Money {
    Money(i64::try_from(amount.saturating_add(per / 2) / per).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(units: f64) -> Money {
        Money::from_units(units).unwrap()
    }

    #[test]
    fn tokens_cost_what_the_list_says() {
        let price = Price::tokens(money(2.0), money(0.04), money(8.0));
        let check = |input, cached_input, output, reasoning, nanos| {
            let usage = Usage { input, cached_input, output, reasoning, ..Usage::default() };
            assert_eq!(price.cost(&usage, Duration::from_secs(9)), Money(nanos), "{usage:?}");
        };
        check(1_000_000, 0, 0, 0, 2_000_000_000);
        check(0, 1_000_000, 0, 0, 40_000_000);
        check(0, 0, 500_000, 500_000, 8_000_000_000);
        check(1, 1, 1, 0, 10_040);
        check(u64::MAX, u64::MAX, u64::MAX, u64::MAX, i64::MAX);
    }

    #[test]
    fn writing_to_a_cache_has_prices_of_its_own() {
        let rates = TokenRates {
            cache_write: money(5.0),
            cache_write_hour: money(8.0),
            ..TokenRates::new(money(4.0), money(0.4), money(20.0))
        };
        let usage = Usage { input: 10, cache_write: 100, cache_write_hour: 1000, ..Usage::default() };
        assert_eq!(usage.prompt(), 1110);
        assert_eq!(rates.cost(&usage), Money(10 * 4_000 + 100 * 5_000 + 1000 * 8_000));
    }

    #[test]
    fn the_whole_request_is_charged_at_its_tier() {
        let rates = |input: f64, output: f64| TokenRates::new(money(input), money(input), money(output));
        let higher = [(32_000, 4.0, 16.0), (128_000, 7.0, 28.0)]
            .map(|(above, input, output)| PriceTier { above, rates: rates(input, output) });
        let price = Price::Tokens(TieredRates { base: rates(2.5, 10.0), higher: higher.to_vec() });
        let check = |input: u64, nanos| {
            let usage = Usage { input, output: 10, ..Usage::default() };
            assert_eq!(price.cost(&usage, Duration::ZERO), Money(nanos), "{input}");
        };
        check(32_000, 32_000 * 2_500 + 10 * 10_000);
        check(32_001, 32_001 * 4_000 + 10 * 16_000);
        check(128_001, 128_001 * 7_000 + 10 * 28_000);
    }

    #[test]
    fn nothing_costs_more_than_the_most() {
        use proptest::prelude::*;
        let rates = |n: [i64; 5]| TokenRates {
            input: Money(n[0]),
            cached_input: Money(n[1]),
            cache_write: Money(n[2]),
            cache_write_hour: Money(n[3]),
            output: Money(n[4]),
        };
        let amounts = || proptest::array::uniform5(0..100_000_000_000i64);
        proptest!(|(base in amounts(), high in amounts(), above in 0..5000u64, kinds in proptest::array::uniform6(0..2000u64),
                    less in proptest::array::uniform6(0.0..1.0f64))| {
            let price = Price::Tokens(TieredRates { base: rates(base), higher: vec![PriceTier { above, rates: rates(high) }] });
            let usage = |n: [u64; 6]| Usage {
                input: n[0], cached_input: n[1], cache_write: n[2], cache_write_hour: n[3], output: n[4], reasoning: n[5],
                estimated: false,
            };
            let bound = usage(kinds);
            let most = price.most(bound.prompt(), bound.completion(), Duration::ZERO);
            let mut used = kinds;
            for (tokens, share) in used.iter_mut().zip(less) {
                *tokens = (*tokens as f64 * share) as u64;
            }
            prop_assert!(price.cost(&usage(used), Duration::ZERO) <= most);
            prop_assert!(price.cost(&bound, Duration::ZERO) <= most);
        });
    }

    #[test]
    fn a_machine_costs_by_the_time_it_was_busy() {
        let price = Price::Hour(money(3.6));
        assert_eq!(price.cost(&Usage::default(), Duration::from_millis(500)), Money(500_000));
        assert_eq!(price.cost(&Usage::default(), Duration::MAX), Money(i64::MAX));
        assert_eq!(price.most(1, 1, Duration::from_secs(1)), Money(1_000_000));
    }
}
