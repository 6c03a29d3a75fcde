//! The spans of time for which budgets are given.

use std::sync::Arc;

use gateway_config::BudgetPeriodLength;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// One hour, day or month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetPeriod {
    /// Its name, such as `2026-11-24`; names of a kind sort by time.
    pub id: Arc<str>,
    /// The first moment.
    pub begins: Timestamp,
    /// The first moment after it.
    pub ends: Timestamp,
}

impl BudgetPeriod {
    /// The hour, day or month around a moment, as calendars in `zone` have it.
    #[inline]
    pub fn around(when: Timestamp, per: BudgetPeriodLength, zone: &TimeZone) -> Self {
        Self::find(when, per, zone).unwrap_or_else(|_| Self::of_hour(when))
    }

    /// The window of this name; `None` for what is none of this kind.
    pub fn named(id: &str, per: BudgetPeriodLength, zone: &TimeZone) -> Option<Self> {
        let within = match per {
            BudgetPeriodLength::Hour => format!("{}:00:00Z", id.strip_suffix('Z')?).parse().ok()?,
            BudgetPeriodLength::Day => {
                id.parse::<civil::Date>().ok()?.at(12, 0, 0, 0).to_zoned(zone.clone()).ok()?.timestamp()
            }
            BudgetPeriodLength::Month => {
                format!("{id}-15").parse::<civil::Date>().ok()?.to_zoned(zone.clone()).ok()?.timestamp()
            }
        };
        Some(Self::around(within, per, zone)).filter(|window| &*window.id == id)
    }

    fn find(when: Timestamp, per: BudgetPeriodLength, zone: &TimeZone) -> Result<Self, jiff::Error> {
        let day = zone.to_datetime(when).date();
        let at = |day: civil::Date| Ok::<_, jiff::Error>(day.to_zoned(zone.clone())?.timestamp());
        Ok(match per {
            BudgetPeriodLength::Hour => Self::of_hour(when),
            BudgetPeriodLength::Day => Self {
                id: day.strftime("%Y-%m-%d").to_string().into(),
                begins: at(day)?,
                ends: at(day.tomorrow()?)?,
            },
            BudgetPeriodLength::Month => Self {
                id: day.strftime("%Y-%m").to_string().into(),
                begins: at(day.first_of_month())?,
                ends: at(day.last_of_month().tomorrow()?)?,
            },
        })
    }

    /// Hours are those of UTC, so that none comes twice when clocks are put back.
    fn of_hour(when: Timestamp) -> Self {
        let seconds = when.as_second().div_euclid(3600) * 3600;
        let begins = Timestamp::from_second(seconds).unwrap_or(when);
        let ends = begins.checked_add(jiff::SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        Self { id: begins.strftime("%Y-%m-%dT%HZ").to_string().into(), begins, ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_place() {
        let check = |when: &str, per, zone: &str, expected: (&str, &str, &str)| {
            let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
            let window = BudgetPeriod::around(when.parse().unwrap(), per, &zone);
            assert_eq!(BudgetPeriod::named(&window.id, per, &zone).as_ref(), Some(&window));
            let got = (&*window.id, window.begins.to_string(), window.ends.to_string());
            assert_eq!((got.0, got.1.as_str(), got.2.as_str()), expected, "{when}");
        };
        let day = BudgetPeriodLength::Day;
        check(
            "2026-11-24T15:59:59Z",
            day,
            "Asia/Shanghai",
            ("2026-11-24", "2026-11-23T16:00:00Z", "2026-11-24T16:00:00Z"),
        );
        check(
            "2026-11-24T16:00:00Z",
            day,
            "Asia/Shanghai",
            ("2026-11-25", "2026-11-24T16:00:00Z", "2026-11-25T16:00:00Z"),
        );
        // A day of 25 hours.
        check(
            "2026-11-01T12:00:00Z",
            day,
            "America/New_York",
            ("2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        );
        check(
            "2026-12-31T23:59:59Z",
            BudgetPeriodLength::Month,
            "UTC",
            ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        );
        // The two hours between one and two o'clock are two.
        check(
            "2026-11-01T05:30:00Z",
            BudgetPeriodLength::Hour,
            "America/New_York",
            ("2026-11-01T05Z", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z"),
        );
    }
}
