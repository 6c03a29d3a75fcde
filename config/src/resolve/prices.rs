//! Prices: from what was written to what holds when.

use jiff::tz::TimeZone;
use router_policies::money::{
    HolidayCalendar, HoursOfDay, PriceTier, TariffTerm, TariffWindow, TieredRates, TokenRates, WeekdaySet,
};
use router_policies::{Currency, Money, Price, Tariff};

use super::{ExchangeRates, ResolveReport};
use crate::calendar::DayOff;
use crate::price::{PriceFile, TierFile, WindowFile};
use crate::problems::{item_path, key_path};

/// A price with its changes; what is wrong with it is reported at `path` or below.
pub(super) fn tariff(
    rates: &ExchangeRates,
    file: &PriceFile,
    path: &str,
    report: &mut ResolveReport,
) -> Option<Tariff> {
    if report.is_invalid(path) {
        return None;
    }
    let mut terms = vec![term(rates, file, path, report)];
    for (number, change) in file.changes.iter().enumerate() {
        let path = item_path(&key_path(path, "changes"), number);
        if report.is_invalid(&path) {
            return None;
        }
        if change.from.is_none() && change.until.is_none() {
            report.fault(&path, "says neither `from` nor `until`: then it would replace the price itself");
        }
        if !change.changes.is_empty() {
            report.fault(&key_path(&path, "changes"), "a change has no changes of its own");
        }
        // What goes without saying is as in the price itself.
        let change = PriceFile {
            currency: change.currency.or(file.currency),
            zone: change.zone.clone().or_else(|| file.zone.clone()),
            ..change.clone()
        };
        terms.push(term(rates, &change, &path, report));
    }
    terms.into_iter().collect::<Option<_>>().map(Tariff::new)
}

fn term(
    rates: &ExchangeRates,
    file: &PriceFile,
    path: &str,
    report: &mut ResolveReport,
) -> Option<TariffTerm> {
    if let (Some(from), Some(until)) = (file.from, file.until)
        && until.0 < from.0
    {
        report.fault(&key_path(path, "until"), "is before `from`");
    }
    let some_token = [file.input, file.cached_input, file.cache_write, file.cache_write_hour, file.output]
        .iter()
        .any(Option::is_some);
    if file.hour.is_some() && (some_token || !file.tiers.is_empty()) {
        report.fault(path, "is either `per_hour` or by `input` and `output` tokens, not both");
        return None;
    }
    let mut converted =
        PriceConverter { rates, from: file.currency.map_or(rates.currency, |code| code.0), report };
    let (price, windows) = match (file.hour, file.input, file.output) {
        (Some(hour), ..) => {
            if !file.windows.is_empty() {
                converted.report.fault(&key_path(path, "windows"), "belong to prices by the token");
            }
            (Price::Hour(converted.money(hour, path)?), Vec::new())
        }
        (None, Some(input), Some(output)) => converted.by_token(file, input, output, path)?,
        (None, input, output) => {
            let missing = match (input, output) {
                (None, None) => "names no price: it has `per_hour`, or `input` and `output`",
                (None, _) => "lacks `input`",
                _ => "lacks `output`",
            };
            converted.report.fault(path, missing);
            return None;
        }
    };
    let zone = file.zone.as_ref().map_or(TimeZone::UTC, |zone| zone.0.clone());
    Some(TariffTerm {
        from: file.from.map(|day| day.0),
        until: file.until.map(|day| day.0),
        zone,
        price,
        windows,
    })
}

/// What a million tokens of each kind cost, as written.
#[derive(Clone, Copy, Default)]
struct WrittenRates {
    input: Option<f64>,
    cached_input: Option<f64>,
    cache_write: Option<f64>,
    cache_write_hour: Option<f64>,
    output: Option<f64>,
}

impl WrittenRates {
    /// What is left out here is as in `base`.
    fn over(self, base: Self) -> Self {
        Self {
            input: self.input.or(base.input),
            cached_input: self.cached_input.or(base.cached_input),
            cache_write: self.cache_write.or(base.cache_write),
            cache_write_hour: self.cache_write_hour.or(base.cache_write_hour),
            output: self.output.or(base.output),
        }
    }
}

macro_rules! written {
    ($file:expr) => {{
        let file = $file;
        WrittenRates {
            input: file.input,
            cached_input: file.cached_input,
            cache_write: file.cache_write,
            cache_write_hour: file.cache_write_hour,
            output: file.output,
        }
    }};
}

/// Amounts on their way into the currency of accounts.
struct PriceConverter<'a> {
    rates: &'a ExchangeRates,
    from: Currency,
    report: &'a mut ResolveReport,
}

impl PriceConverter<'_> {
    fn money(&mut self, amount: f64, path: &str) -> Option<Money> {
        match self.rates.convert(amount, self.from) {
            Ok(money) => Some(money),
            Err(fault) => {
                self.report.fault(path, fault.to_string());
                None
            }
        }
    }

    fn by_token(
        &mut self,
        file: &PriceFile,
        input: f64,
        output: f64,
        path: &str,
    ) -> Option<(Price, Vec<TariffWindow>)> {
        let written = WrittenRates { input: Some(input), output: Some(output), ..written!(file) };
        let base = self.token_rates(written, path)?;
        let price = Price::Tokens(TieredRates { base, higher: self.tiers(&file.tiers, written, path)? });
        let windows = file.windows.iter().enumerate().map(|(number, window)| {
            let path = item_path(&key_path(path, "windows"), number);
            self.window(window, written, &path)
        });
        Some((price, windows.collect::<Option<_>>()?))
    }

    fn token_rates(&mut self, written: WrittenRates, path: &str) -> Option<TokenRates> {
        let input = self.money(written.input?, path)?;
        let output = self.money(written.output?, path)?;
        let mut or =
            |amount: Option<f64>, default| amount.map_or(Some(default), |amount| self.money(amount, path));
        let cached_input = or(written.cached_input, input)?;
        let cache_write = or(written.cache_write, input)?;
        let cache_write_hour = or(written.cache_write_hour, cache_write)?;
        Some(TokenRates { input, cached_input, cache_write, cache_write_hour, output })
    }

    fn tiers(&mut self, files: &[TierFile], base: WrittenRates, path: &str) -> Option<Vec<PriceTier>> {
        let mut tiers: Vec<PriceTier> = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let path = item_path(&key_path(path, "tiers"), number);
            let tier =
                PriceTier { above: file.above?, rates: self.token_rates(written!(file).over(base), &path)? };
            if tiers.last().is_some_and(|last| last.above >= tier.above) {
                self.report.fault(&key_path(&path, "above"), "must be more than in the tier before");
            }
            tiers.push(tier);
        }
        Some(tiers)
    }

    fn window(&mut self, file: &WindowFile, base: WrittenRates, path: &str) -> Option<TariffWindow> {
        if self.report.is_invalid(path) {
            return None;
        }
        let base = self.token_rates(written!(file).over(base), path)?;
        let mut except = HolidayCalendar::default();
        for day in &file.except {
            match day {
                DayOff::Prc => except.0.extend(HolidayCalendar::prc().0),
                DayOff::Day(day) => except.0.push(*day),
            }
        }
        let hours = file.hours.iter().map(|hours| HoursOfDay { from: hours.from, to: hours.to });
        Some(TariffWindow {
            days: if file.days.is_empty() {
                WeekdaySet::ALL
            } else {
                WeekdaySet::new(file.days.iter().flat_map(|range| range.0.iter().copied()))
            },
            except,
            hours: hours.collect(),
            price: Price::Tokens(TieredRates { base, higher: Vec::new() }),
        })
    }
}
