//! Why a text is not of the form that its key asks for.

use std::fmt;

/// Why a text is not of its form. Each is shown as a sentence on how to write it, and none repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// Not a [`crate::human_duration::HumanDuration`].
    Duration,
    /// A duration of more than 366 days.
    TooLong,
    /// Not the name of a day of the week, or of several in a row.
    Weekdays,
    /// Not a span of one day.
    Hours,
    /// Not a time zone of the IANA database.
    TimeZone,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duration => {
                "write a duration as a number with its unit (ms, s, m, h or d), such as `250ms` or `10s`"
            }
            Self::TooLong => "a duration is at most 366 days",
            Self::Weekdays => "write a day of the week as `mon`, `tue`, … `sun`, or several as `mon-fri`",
            Self::Hours => {
                "write hours as `09:00-12:00`, the end later than the beginning; a span over midnight is two: \
                 `22:00-24:00` and `00:00-06:00`"
            }
            Self::TimeZone => "write a time zone by its IANA name, such as `Asia/Shanghai` or `UTC`",
        })
    }
}

impl std::error::Error for FormError {}
