//! Days on which a provider charges as on a Sunday.

use jiff::civil::{Date, date};

/// Days off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HolidayCalendar(pub Vec<Date>);

impl HolidayCalendar {
    /// Whether this day is one.
    pub fn contains(&self, day: Date) -> bool {
        self.0.contains(&day)
    }

    /// The public holidays of the People's Republic of China as far as they are known; see [`PRC`].
    pub fn prc() -> Self {
        let days = PRC.iter().flat_map(|&(first, count)| {
            // Sound by construction: the table's days are far from the calendar's ends.
            std::iter::successors(Some(first), |day| day.tomorrow().ok()).take(count)
        });
        Self(days.collect())
    }
}

/// Where the days of [`PRC`] come from.
pub const PRC_SOURCE: &str = "2026: General Office of the State Council, 4 November 2025 \
    (gov.cn/zhengce/zhengceku/202511/content_7047091.htm); 2027: the statutory days of the Regulation on Public Holidays \
    as amended on 10 November 2024 alone, because the notice with the exchanged days was not at hand on 24 November 2026";

/// Public holidays of the People's Republic of China: first day and number of days. The source is [`PRC_SOURCE`]. Of
/// 2027 the bridging days are missing, so that they count as working days: an account can only come out too high.
pub const PRC: &[(Date, usize)] = &[
    (date(2026, 1, 1), 3),
    (date(2026, 2, 15), 9),
    (date(2026, 4, 4), 3),
    (date(2026, 5, 1), 5),
    (date(2026, 6, 19), 3),
    (date(2026, 9, 25), 3),
    (date(2026, 10, 1), 7),
    (date(2027, 1, 1), 1),
    // New Year's Eve of the lunar calendar to the third day of its first month.
    (date(2027, 2, 5), 4),
    (date(2027, 4, 5), 1),
    (date(2027, 5, 1), 2),
    (date(2027, 6, 9), 1),
    (date(2027, 9, 15), 1),
    (date(2027, 10, 1), 3),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_days_of_the_notice() {
        let holidays = HolidayCalendar::prc();
        let count = |year| holidays.0.iter().filter(|day| day.year() == year).count();
        assert_eq!((count(2026), count(2027)), (33, 13));
        for (year, month, day, off) in [
            (2026, 1, 4, false),
            (2026, 2, 23, true),
            (2026, 2, 24, false),
            (2026, 10, 7, true),
            (2026, 10, 8, false),
        ] {
            assert_eq!(holidays.contains(date(year, month, day)), off, "{year}-{month}-{day}");
        }
    }
}
