//! What a person may write of prices: by the token or the hour, by the prompt's length, by day and hour.

use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::written::CurrencyCode;

/// What a model costs: `hour`, or `input` and `output` per million tokens.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PriceFile {
    /// What an hour of the machine costs; charged for the time it was busy.
    #[schemars(range(min = 0))]
    pub(crate) hour: Option<f64>,
    /// A million prompt tokens.
    #[schemars(range(min = 0))]
    pub(crate) input: Option<f64>,
    /// A million prompt tokens read from the provider's cache. Default: as `input`.
    #[schemars(range(min = 0))]
    pub(crate) cached_input: Option<f64>,
    /// A million prompt tokens written to the provider's cache (of five minutes, if it has several). Default: as `input`.
    #[schemars(range(min = 0))]
    pub(crate) cache_write: Option<f64>,
    /// A million prompt tokens written to a cache of an hour. Default: as `cache_write`.
    #[schemars(range(min = 0))]
    pub(crate) cache_write_hour: Option<f64>,
    /// A million tokens of the answer, reasoning included.
    #[schemars(range(min = 0))]
    pub(crate) output: Option<f64>,
    /// Default: the currency of accounts.
    pub(crate) currency: Option<CurrencyCode>,
    /// Other prices for long prompts; each is for the whole request.
    pub(crate) tiers: Vec<TierFile>,
    /// Hours with other prices; the first that is open counts.
    pub(crate) windows: Vec<WindowFile>,
    /// Where days begin and hours are read, such as `Asia/Shanghai`. Default `UTC`.
    pub(crate) zone: Option<ZoneName>,
    /// The first day on which the price holds, such as `2026-12-01`. Default: from ever.
    pub(crate) from: Option<Day>,
    /// The last day on which it holds, for promotions. Default: for ever.
    pub(crate) until: Option<Day>,
    /// Prices of other days, each with `from` or `until`, such as a rise to come or a promotion; the last that holds counts.
    pub(crate) changes: Vec<PriceFile>,
}

/// Other prices for long prompts. What is left out is as in the price itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["above"]))]
pub(crate) struct TierFile {
    /// For prompts of more tokens than this.
    #[schemars(range(min = 1))]
    pub(crate) above: Option<u64>,
    /// A million prompt tokens.
    #[schemars(range(min = 0))]
    pub(crate) input: Option<f64>,
    /// A million prompt tokens read from the cache.
    #[schemars(range(min = 0))]
    pub(crate) cached_input: Option<f64>,
    /// A million prompt tokens written to the cache.
    #[schemars(range(min = 0))]
    pub(crate) cache_write: Option<f64>,
    /// A million prompt tokens written to a cache of an hour.
    #[schemars(range(min = 0))]
    pub(crate) cache_write_hour: Option<f64>,
    /// A million tokens of the answer.
    #[schemars(range(min = 0))]
    pub(crate) output: Option<f64>,
}

/// Hours with other prices. What is left out is as in the price itself; its tiers do not hold then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WindowFile {
    /// Days of the week, such as `[mon-fri]`. Default: all.
    pub(crate) days: Vec<DayRange>,
    /// Hours of the day, such as `["09:00-12:00", "14:00-18:00"]`. Default: all.
    pub(crate) hours: Vec<HourRange>,
    /// Days on which the window stays shut: dates, and `prc` for the public holidays of China as far as they are known.
    pub(crate) except: Vec<DayOff>,
    /// A million prompt tokens.
    #[schemars(range(min = 0))]
    pub(crate) input: Option<f64>,
    /// A million prompt tokens read from the cache.
    #[schemars(range(min = 0))]
    pub(crate) cached_input: Option<f64>,
    /// A million prompt tokens written to the cache.
    #[schemars(range(min = 0))]
    pub(crate) cache_write: Option<f64>,
    /// A million prompt tokens written to a cache of an hour.
    #[schemars(range(min = 0))]
    pub(crate) cache_write_hour: Option<f64>,
    /// A million tokens of the answer.
    #[schemars(range(min = 0))]
    pub(crate) output: Option<f64>,
}

/// A day, such as `2026-12-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(pub(crate) Date);

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| "write a day as year, month and day, such as `2026-12-01`".to_owned();
        text.trim().parse().map(Self).map_err(wrong)
    }
}

/// A day of the week or several in a row: `sun`, `mon-fri`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DayRange(pub(crate) Vec<Weekday>);

impl FromStr for DayRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const NAMES: [(&str, Weekday); 7] = [
            ("mon", Weekday::Monday),
            ("tue", Weekday::Tuesday),
            ("wed", Weekday::Wednesday),
            ("thu", Weekday::Thursday),
            ("fri", Weekday::Friday),
            ("sat", Weekday::Saturday),
            ("sun", Weekday::Sunday),
        ];
        let one = |name: &str| NAMES.iter().find(|(known, _)| *known == name.trim()).map(|(_, day)| *day);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (Some(first), Some(last)) = (one(first), one(last)) else {
            return Err(
                "write a day of the week as `mon`, `tue`, … `sun`, or several as `mon-fri`".to_owned()
            );
        };
        let mut days = vec![first];
        days.extend(first.cycle_forward().skip(1).take(first.until(last) as usize));
        Ok(Self(days))
    }
}

/// A span of a day: `09:00-12:00`; `24:00` is its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HourRange {
    pub(crate) from: Time,
    /// `None`: midnight.
    pub(crate) to: Option<Time>,
}

impl FromStr for HourRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "write hours as `09:00-12:00`, the end later than the beginning; a span over midnight is two: \
             `22:00-24:00` and `00:00-06:00`"
                .to_owned()
        };
        let (from, to) = text.trim().split_once('-').ok_or_else(wrong)?;
        let (from, to): (Time, _) = (from.trim().parse().map_err(|_| wrong())?, to.trim());
        let to: Option<Time> = match to {
            "24:00" => None,
            to => Some(to.parse().map_err(|_| wrong())?),
        };
        if to.is_some_and(|to| to <= from) {
            return Err(wrong());
        }
        Ok(Self { from, to })
    }
}

/// A date, or `prc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayOff {
    /// The public holidays of China.
    Prc,
    /// This day.
    Day(Date),
}

impl FromStr for DayOff {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "prc" => Ok(Self::Prc),
            text => {
                text.parse::<Day>().map(|day| Self::Day(day.0)).map_err(|fault| format!("{fault}, or `prc`"))
            }
        }
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneName(pub(crate) jiff::tz::TimeZone);

impl FromStr for ZoneName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| "write a time zone by its IANA name, such as `Asia/Shanghai` or `UTC`".to_owned();
        // The bundled database, so that a configuration means the same on every machine.
        jiff::tz::TimeZoneDatabase::bundled().get(text.trim()).map(Self).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_days_hours_and_zones() {
        let days = |text: &str, count: Option<usize>| {
            assert_eq!(text.parse::<DayRange>().ok().map(|days| days.0.len()), count, "{text}");
        };
        days("mon-fri", Some(5));
        days("sat", Some(1));
        days("fri-mon", Some(4));
        days("mon-mon", Some(1));
        days("monday", None);
        let hours = |text: &str, right: bool| assert_eq!(text.parse::<HourRange>().is_ok(), right, "{text}");
        hours("09:00-12:00", true);
        hours("22:00-24:00", true);
        hours("22:00-06:00", false);
        hours("9-12", false);
        hours("09:00", false);
        assert_eq!("prc".parse(), Ok(DayOff::Prc));
        assert!("2026-02-30".parse::<DayOff>().is_err());
        assert!("Asia/Shanghai".parse::<ZoneName>().is_ok());
        assert!("Beijing".parse::<ZoneName>().is_err());
    }
}
