//! Currencies and prices, turned into the currency of accounts.

use std::collections::BTreeMap;

use router_policies::{Currency, Money};

use super::Report;
use crate::nearest::hint;
use crate::problems::key_path;
use crate::written::CurrencyCode;

/// What other currencies are worth in the currency of accounts.
pub(crate) struct Rates {
    pub(crate) currency: Currency,
    rates: BTreeMap<Currency, f64>,
}

impl Rates {
    pub(crate) fn new(
        currency: Option<CurrencyCode>,
        exchange: &BTreeMap<String, f64>,
        report: &mut Report,
    ) -> Self {
        let currency = currency.map_or_else(yuan, |code| code.0);
        let mut rates = BTreeMap::from([(currency, 1.0)]);
        for (code, &rate) in exchange {
            let path = key_path("exchange", code);
            match code.parse::<CurrencyCode>() {
                Err(fault) => report.fault(&path, fault),
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

    /// The amount in the currency of accounts, or a sentence why that cannot be had.
    pub(crate) fn convert(&self, amount: f64, from: Currency) -> Result<Money, String> {
        let Some(rate) = self.rates.get(&from) else {
            let known = self.rates.keys().map(Currency::code);
            let hint = hint(from.code(), known);
            return Err(format!(
                "the price is in {from} and accounts are in {}: say under `exchange` what one {from} is worth, such as \
                 `exchange: {{{from}: 7.1}}`, or set `currency: {from}`{hint}",
                self.currency
            ));
        };
        Money::from_units(amount * rate).ok_or_else(|| "is too large".to_owned())
    }
}

/// The currency of accounts unless another is named.
pub(crate) fn yuan() -> Currency {
    Currency::new("CNY").unwrap_or_else(|| unreachable!("three capital letters"))
}
