//! A model's prices over time: from which day each holds, and at which hours another takes its place.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use super::{HolidayCalendar, Price};

/// A model's prices, each for its days.
#[derive(Debug, Clone, PartialEq)]
pub struct Tariff {
    /// Where several hold on a day, the last one counts.
    terms: Vec<TariffTerm>,
}

/// A price for some days.
#[derive(Debug, Clone, PartialEq)]
pub struct TariffTerm {
    /// The first day; `None`: from ever.
    pub from: Option<Date>,
    /// The last day, of a promotion; `None`: for ever.
    pub until: Option<Date>,
    /// Where days begin and hours are read.
    pub zone: TimeZone,
    /// Outside all windows.
    pub price: Price,
    /// The first that is open counts.
    pub windows: Vec<TariffWindow>,
}

/// Hours with a price of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct TariffWindow {
    /// On which days of the week.
    pub days: WeekdaySet,
    /// Days on which the window stays shut.
    pub except: HolidayCalendar,
    /// At which hours; none: all day.
    pub hours: Vec<HoursOfDay>,
    /// What holds then.
    pub price: Price,
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekdaySet(u8);

/// A span of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoursOfDay {
    /// The first moment.
    pub from: Time,
    /// The first moment after it; `None`: midnight.
    pub to: Option<Time>,
}

impl Tariff {
    /// Prices by days; where several hold on a day, the last one counts.
    pub fn new(terms: Vec<TariffTerm>) -> Self {
        Self { terms }
    }

    /// The same price at all times.
    pub fn constant(price: Price) -> Self {
        let always = TariffTerm { from: None, until: None, zone: TimeZone::UTC, price, windows: Vec::new() };
        Self { terms: vec![always] }
    }

    /// All terms.
    pub fn terms(&self) -> &[TariffTerm] {
        &self.terms
    }

    /// Whether a machine's time is charged, at any time.
    pub fn is_by_hour(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.price, Price::Hour(_)))
    }

    /// The price at a moment; `None` where none holds: then the cost is unknown.
    pub fn at(&self, when: Timestamp) -> Option<&Price> {
        self.terms.iter().rev().find_map(|term| term.at(when))
    }
}

impl TariffTerm {
    fn at(&self, when: Timestamp) -> Option<&Price> {
        // Most prices hold at all times, and then nobody needs to know what time it is there.
        if self.from.is_none() && self.until.is_none() && self.windows.is_empty() {
            return Some(&self.price);
        }
        let there = self.zone.to_datetime(when);
        let day = there.date();
        let holds = self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until);
        let open = |window: &&TariffWindow| window.is_open(day, there.time());
        holds.then(|| self.windows.iter().find(open).map_or(&self.price, |window| &window.price))
    }
}

impl TariffWindow {
    fn is_open(&self, day: Date, time: Time) -> bool {
        self.days.contains(day.weekday())
            && !self.except.contains(day)
            && (self.hours.is_empty() || self.hours.iter().any(|hours| hours.contains(time)))
    }
}

impl HoursOfDay {
    /// Whether this time lies in the span.
    pub fn contains(&self, time: Time) -> bool {
        self.from <= time && self.to.is_none_or(|to| time < to)
    }
}

impl WeekdaySet {
    /// All seven.
    pub const ALL: Self = Self(0b111_1111);

    /// Just these.
    pub fn new(days: impl IntoIterator<Item = Weekday>) -> Self {
        Self(days.into_iter().fold(0, |set, day| set | 1 << day.to_monday_zero_offset()))
    }

    /// Their names in three letters, from `mon` on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        NAMES.into_iter().enumerate().filter(move |(day, _)| self.0 & 1 << day != 0).map(|(_, name)| name)
    }

    /// Whether this is one of them.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & 1 << day.to_monday_zero_offset() != 0
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use jiff::tz::offset;

    use super::*;
    use crate::money::Money;

    fn price(input: i64) -> Price {
        Price::tokens(Money(input), Money(input), Money(input))
    }

    fn deepseek() -> Tariff {
        let hours = |from, to| HoursOfDay { from: time(from, 0, 0, 0), to: Some(time(to, 0, 0, 0)) };
        let weekdays =
            [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
        let peak = TariffWindow {
            days: WeekdaySet::new(weekdays),
            except: HolidayCalendar::prc(),
            hours: vec![hours(9, 12), hours(14, 18)],
            price: price(2),
        };
        let zone = TimeZone::fixed(offset(8));
        Tariff::new(vec![TariffTerm { from: None, until: None, zone, price: price(1), windows: vec![peak] }])
    }

    #[test]
    fn peak_hours_are_those_of_the_place() {
        let tariff = deepseek();
        let check = |utc: &str, input| {
            assert_eq!(tariff.at(utc.parse().unwrap()), Some(&price(input)), "{utc}");
        };
        // A Tuesday.
        check("2026-11-24T00:59:59.999Z", 1);
        check("2026-11-24T01:00:00Z", 2);
        check("2026-11-24T03:59:59Z", 2);
        check("2026-11-24T04:00:00Z", 1);
        check("2026-11-24T06:00:00Z", 2);
        check("2026-11-24T09:59:59Z", 2);
        check("2026-11-24T10:00:00Z", 1);
        // Sunday in London is Monday in Beijing, and a Saturday is none of the days even where people work on it.
        check("2026-11-22T23:00:00Z", 1);
        check("2026-11-23T01:00:00Z", 2);
        check("2026-10-10T02:00:00Z", 1);
        // A Thursday of the national holidays, and the first one after them.
        check("2026-10-01T02:00:00Z", 1);
        check("2026-10-08T02:00:00Z", 2);
    }

    #[test]
    fn each_day_has_its_price() {
        let term = |from, until, input| TariffTerm {
            from,
            until,
            zone: TimeZone::UTC,
            price: price(input),
            windows: Vec::new(),
        };
        let tariff = Tariff::new(vec![
            term(Some(date(2026, 1, 1)), None, 10),
            term(Some(date(2026, 7, 1)), None, 8),
            term(Some(date(2026, 8, 1)), Some(date(2026, 8, 31)), 4),
        ]);
        let check = |day: &str, input: Option<i64>| {
            let when = format!("{day}T12:00:00Z").parse().unwrap();
            assert_eq!(tariff.at(when), input.map(price).as_ref(), "{day}");
        };
        check("2025-12-31", None);
        check("2026-01-01", Some(10));
        check("2026-07-31", Some(8));
        check("2026-08-31", Some(4));
        check("2026-09-01", Some(8));
    }
}
