//! One field of a request: what it must be, and what to say when it is not.

use super::bad_request::BadRequest;
use super::json_error::quoted;
use super::scan::{Cursor, ValueKind};

/// A field's name and its value as it is written, in a text that was checked before. `null` is as good as nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldValue<'a> {
    pub(super) name: &'static str,
    pub(super) raw: &'a str,
}

impl<'a> FieldValue<'a> {
    /// True or false.
    pub(super) fn boolean(self) -> Result<Option<bool>, BadRequest> {
        match self.kind()? {
            ValueKind::Bool => Ok(Some(self.raw == "true")),
            ValueKind::Null => Ok(None),
            kind => Err(self.not("a boolean", kind)),
        }
    }

    /// A whole number from `least` to `most`.
    pub(super) fn integer(self, least: i64, most: i64) -> Result<Option<i64>, BadRequest> {
        match self.kind()? {
            ValueKind::Null => Ok(None),
            ValueKind::Number if self.raw.contains(['.', 'e', 'E']) => {
                let what = format!("expected an integer, but got {}", quoted(self.raw));
                Err(self.wrong("invalid_type", "type", &what))
            }
            ValueKind::Number => match self.raw.parse::<i64>().ok() {
                Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
                number if number.map_or(self.raw.starts_with('-'), |number| number < least) => {
                    Err(self.outside("integer_below_min_value", &format!("at least {least}")))
                }
                _ => Err(self.outside("integer_above_max_value", &format!("at most {most}"))),
            },
            kind => Err(self.not("an integer", kind)),
        }
    }

    /// A number from `least` to `most`.
    pub(super) fn number(self, least: f64, most: f64) -> Result<Option<f64>, BadRequest> {
        match self.kind()? {
            ValueKind::Null => Ok(None),
            ValueKind::Number => match self.raw.parse::<f64>() {
                Ok(number) if number < least => {
                    Err(self.outside("number_below_min_value", &format!("at least {least}")))
                }
                Ok(number) if number <= most => Ok(Some(number)),
                _ => Err(self.outside("number_above_max_value", &format!("at most {most}"))),
            },
            kind => Err(self.not("a number", kind)),
        }
    }

    /// How many elements an array has: at most `most`, each one of `kinds` if any are given.
    pub(super) fn array(self, most: usize, kinds: &[ValueKind]) -> Result<Option<usize>, BadRequest> {
        match self.kind()? {
            ValueKind::Null => return Ok(None),
            ValueKind::Array => {}
            kind => return Err(self.not("an array", kind)),
        }
        let mut count = 0;
        Cursor::over(self.raw).elements(|cursor, index| {
            if index == most {
                return Err(self.long("array_above_max_length", &format!("{most} elements")));
            }
            let kind = cursor.kind()?;
            if !kinds.is_empty() && !kinds.contains(&kind) {
                let param = format!("{}[{index}]", self.name);
                let message = format!(
                    "Invalid type for '{param}': expected {}, but got {}.",
                    kinds[0].name(),
                    kind.name()
                );
                return Err(BadRequest::new(param, "invalid_type", message));
            }
            count += 1;
            cursor.skip()?;
            Ok(())
        })?;
        Ok(Some(count))
    }

    /// What kind of value it is.
    pub(super) fn kind(self) -> Result<ValueKind, BadRequest> {
        Ok(Cursor::over(self.raw).kind()?)
    }

    /// It is not what was expected.
    pub(super) fn not(self, expected: &str, kind: ValueKind) -> BadRequest {
        self.wrong("invalid_type", "type", &format!("expected {expected}, but got {}", kind.name()))
    }

    /// It has more than it may.
    pub(super) fn long(self, code: &'static str, most: &str) -> BadRequest {
        self.wrong(code, "value", &format!("it may have at most {most}"))
    }

    fn outside(self, code: &'static str, bound: &str) -> BadRequest {
        self.wrong(code, "value", &format!("it must be {bound}"))
    }

    fn wrong(self, code: &'static str, what: &str, why: &str) -> BadRequest {
        BadRequest::new(self.name, code, format!("Invalid {what} for '{}': {why}.", self.name))
    }
}

/// A value of the wrong type, somewhere in the messages.
pub(super) fn wrong_type(place: String, expected: &str, kind: ValueKind) -> BadRequest {
    let message = format!("Invalid type for '{place}': expected {expected}, but got {}.", kind.name());
    BadRequest::new(place, "invalid_type", message)
}
