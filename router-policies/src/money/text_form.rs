//! Days, hours and zones as people write them: `mon-fri`, `09:00-18:00`, `Asia/Shanghai`.

use std::borrow::Cow;

use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{HoursOfDay, WeekdaySet};
use crate::form_error::FormError;

/// A value with the text that it was read from, by which it is shown again.
#[derive(Debug, Clone, PartialEq)]
pub struct TextOf<T> {
    text: String,
    /// What it means.
    pub means: T,
}

/// What can be read from a text of a known form.
pub trait TextForm: Sized {
    /// The name of the form in the JSON Schema.
    const NAME: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// A sentence on how to write it.
    fn read(text: &str) -> Result<Self, FormError>;
}

impl TextForm for WeekdaySet {
    const NAME: &'static str = "weekdays";

    fn read(text: &str) -> Result<Self, FormError> {
        weekdays(text).map(Self::new)
    }
}

impl TextForm for HoursOfDay {
    const NAME: &'static str = "hours";

    fn read(text: &str) -> Result<Self, FormError> {
        let wrong = || FormError::Hours;
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

impl TextForm for TimeZone {
    const NAME: &'static str = "time-zone";

    fn read(text: &str) -> Result<Self, FormError> {
        // The bundled database, so that a configuration means the same on every machine.
        TimeZoneDatabase::bundled().get(text.trim()).map_err(|_| FormError::TimeZone)
    }
}

/// A day of the week or several in a row: `sun`, `mon-fri`.
///
/// # Errors
/// A sentence on how to write it.
pub fn weekdays(text: &str) -> Result<Vec<Weekday>, FormError> {
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
        return Err(FormError::Weekdays);
    };
    let mut days = vec![first];
    days.extend(first.cycle_forward().skip(1).take(first.until(last) as usize));
    Ok(days)
}

impl<T> serde::Serialize for TextOf<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T: TextForm> serde::Deserialize<'de> for TextOf<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        let means = T::read(&text).map_err(serde::de::Error::custom)?;
        Ok(Self { text, means })
    }
}

impl<T: TextForm> schemars::JsonSchema for TextOf<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": T::NAME })
    }
}
