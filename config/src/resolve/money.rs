//! Currencies and prices, turned into the currency of accounts.

use std::collections::BTreeMap;

use router_policies::{Currency, Money, Price};

use super::Report;
use crate::file::PriceFile;
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
    fn convert(&self, amount: f64, from: Currency) -> Result<Money, String> {
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

    /// A price; what is wrong with it is reported at `path` or below.
    pub(crate) fn price(&self, file: &PriceFile, path: &str, report: &mut Report) -> Option<Price> {
        let by_token = [("input", file.input), ("cached_input", file.cached_input), ("output", file.output)];
        let some_token = by_token.iter().any(|(_, price)| price.is_some());
        if report.spoilt(path) {
            return None;
        }
        if file.hour.is_some() && some_token {
            report.fault(path, "is either by the `hour` or by `input` and `output` tokens, not both");
            return None;
        }
        let from = file.currency.map_or(self.currency, |code| code.0);
        let mut money = |amount: f64| match self.convert(amount, from) {
            Ok(money) => Some(money),
            Err(fault) => {
                report.fault(path, fault);
                None
            }
        };
        match (file.hour, file.input, file.output) {
            (Some(hour), ..) => money(hour).map(Price::Hour),
            (None, Some(input), Some(output)) => {
                let (input, output) = (money(input)?, money(output)?);
                let cached_input = file.cached_input.map_or(Some(input), money)?;
                Some(Price::Tokens { input, cached_input, output })
            }
            (None, input, output) => {
                let missing = match (input, output) {
                    (None, None) => "names no price: it has `hour`, or `input` and `output`",
                    (None, _) => "lacks `input`",
                    _ => "lacks `output`",
                };
                report.fault(path, missing);
                None
            }
        }
    }
}

/// The currency of accounts unless another is named.
pub(crate) fn yuan() -> Currency {
    Currency::new("CNY").unwrap_or_else(|| unreachable!("three capital letters"))
}
