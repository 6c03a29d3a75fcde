//! Days, hours and time zones as they are written, for prices and budgets.

use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use router_policies::money::HoursOfDay;
use router_policies::money::text_form::{self, TextForm};

use crate::scalar_error::ScalarError;

/// A day, such as `2026-12-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CalendarDay(pub(crate) Date);

impl FromStr for CalendarDay {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        text.trim().parse().map(Self).map_err(|_| ScalarError::Day)
    }
}

/// A day of the week or several in a row: `sun`, `mon-fri`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DayRange(pub(crate) Vec<Weekday>);

impl FromStr for DayRange {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        Ok(Self(text_form::weekdays(text)?))
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
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        let HoursOfDay { from, to } = HoursOfDay::read(text)?;
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
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        match text.trim() {
            "prc" => Ok(Self::Prc),
            text => text.parse::<CalendarDay>().map(|day| Self::Day(day.0)).map_err(|_| ScalarError::DayOff),
        }
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneName(pub(crate) jiff::tz::TimeZone);

impl FromStr for ZoneName {
    type Err = ScalarError;

    fn from_str(text: &str) -> Result<Self, ScalarError> {
        Ok(Self(jiff::tz::TimeZone::read(text)?))
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
