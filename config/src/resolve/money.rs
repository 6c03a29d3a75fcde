//! Currencies and prices, turned into the currency of accounts.

use std::collections::BTreeMap;

use router_policies::{Currency, Money};

use super::ResolveReport;
use crate::problems::key_path;
use crate::scalars::CurrencyCode;
use crate::suggest::hint;

/// What other currencies are worth in the currency of accounts.
pub(crate) struct ExchangeRates {
    pub(crate) currency: Currency,
    rates: BTreeMap<Currency, f64>,
}

impl ExchangeRates {
    pub(crate) fn new(
        currency: Option<CurrencyCode>,
        exchange: &BTreeMap<String, f64>,
        report: &mut ResolveReport,
    ) -> Self {
        let currency = currency.map_or_else(default_currency, |code| code.0);
        let mut rates = BTreeMap::from([(currency, 1.0)]);
        for (code, &rate) in exchange {
            let path = key_path("exchange", code);
            match code.parse::<CurrencyCode>() {
                Err(fault) => report.fault(&path, fault.to_string()),
                Ok(_) if !(rate > 0.0 && rate <= 1e9) => {
                    report.fault(&path, format!("must be above 0: what one {code} is worth in {currency}"));
                }
                Ok(CurrencyCode(other)) if other == currency => {
                    if rate != 1.0 {
                        report.fault(&path, format!("{code} is the currency of accounts itself"));
                    }
                }
                Ok(CurrencyCode(other)) => drop(rates.insert(other, rate)),
            }
        }
        Self { currency, rates }
    }

    /// The amount in the currency of accounts.
    ///
    /// # Errors
    /// When the other currency has no rate, or the amount no room.
    pub(crate) fn convert(&self, amount: f64, from: Currency) -> Result<Money, ConversionError> {
        let Some(rate) = self.rates.get(&from) else {
            let hint = hint(from.code(), self.rates.keys().map(Currency::code));
            return Err(ConversionError::NoRate { from, currency: self.currency, hint });
        };
        Money::from_units(amount * rate).ok_or(ConversionError::TooLarge)
    }
}

/// Why an amount cannot be had in the currency of accounts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConversionError {
    /// `exchange` does not name its currency.
    #[error(
        "the price is in {from} and accounts are in {currency}: say under `exchange` what one {from} is worth, such as \
         `exchange: {{{from}: 7.1}}`, or set `currency: {from}`{hint}"
    )]
    NoRate {
        /// The currency of the price.
        from: Currency,
        /// That of accounts.
        currency: Currency,
        /// A currency that may have been meant, or nothing.
        hint: String,
    },
    /// More than accounts can hold.
    #[error("is too large")]
    TooLarge,
}

/// The currency of accounts unless another is named.
pub(crate) fn default_currency() -> Currency {
    Currency::new("CNY").unwrap_or_else(|| unreachable!("three capital letters"))
}
