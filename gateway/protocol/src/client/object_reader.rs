//! The members of an object that is being read: each is taken once, and what nobody took is refused by name.

use std::borrow::Cow;

use super::super::bad_request::BadRequest;
use super::super::json::{MemberSpans, RawObject};
use super::super::scan::{Cursor, ValueKind};
use super::super::value::wrong_type;
use super::DroppedFields;

/// Elements of an array.
const MOST_ELEMENTS: usize = 10_000;

/// An object's members that nobody has taken yet. `null` is as good as nothing.
#[derive(Debug)]
pub(super) struct ObjectReader<'a> {
    /// Where the object is, such as `messages[3]`; empty at the top.
    place: String,
    rest: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> ObjectReader<'a> {
    /// Of a whole body.
    pub(super) fn of_body(body: &'a RawObject) -> Result<Self, BadRequest> {
        let text = std::str::from_utf8(body.bytes()).unwrap_or_default();
        Self::of(text, String::new())
    }

    /// Of a value that must be an object.
    pub(super) fn of(raw: &'a str, place: String) -> Result<Self, BadRequest> {
        match Cursor::over(raw).kind()? {
            ValueKind::Object => {}
            kind => return Err(wrong_type(place, "an object", kind)),
        }
        let places = MemberSpans::of(raw)?;
        let members = places.iter(raw).map(|(name, range)| (name, &raw[range]));
        Ok(Self { place, rest: members.filter(|(_, value)| *value != "null").collect() })
    }

    /// Where a member is.
    pub(super) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    /// Takes a value as it is written.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a str> {
        let at = self.rest.iter().position(|(known, _)| known == name)?;
        Some(self.rest.remove(at).1)
    }

    /// Takes a value that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<&'a str, BadRequest> {
        self.take(name).ok_or_else(|| BadRequest::missing(self.place(name)))
    }

    /// Takes a string as it is written, with its quotes.
    pub(super) fn quoted(&mut self, name: &str) -> Result<Option<&'a str>, BadRequest> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        match kind(raw)? {
            ValueKind::String => Ok(Some(raw)),
            kind => Err(wrong_type(self.place(name), "a string", kind)),
        }
    }

    /// Takes a string as it is written, with its quotes; it must be there.
    pub(super) fn need_quoted(&mut self, name: &str) -> Result<&'a str, BadRequest> {
        self.quoted(name)?.ok_or_else(|| BadRequest::missing(self.place(name)))
    }

    /// Takes what a string says.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Cow<'a, str>>, BadRequest> {
        self.quoted(name)?.map(said).transpose()
    }

    /// Takes what a string says; it must be there.
    pub(super) fn need_text(&mut self, name: &str) -> Result<Cow<'a, str>, BadRequest> {
        said(self.need_quoted(name)?)
    }

    /// Takes true or false.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, BadRequest> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        match kind(raw)? {
            ValueKind::Bool => Ok(Some(raw == "true")),
            kind => Err(wrong_type(self.place(name), "a boolean", kind)),
        }
    }

    /// Takes the members of an object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, BadRequest> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        Self::of(raw, self.place(name)).map(Some)
    }

    /// Takes the elements of an array, each with its place.
    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<(String, &'a str)>>, BadRequest> {
        let Some(raw) = self.take(name) else { return Ok(None) };
        elements(raw, &self.place(name)).map(Some)
    }

    /// Takes what no answer depends on.
    pub(super) fn leave_out(&mut self, names: &[&'static str], dropped: &mut DroppedFields) {
        for name in names {
            if self.take(name).is_some() {
                dropped.note(name);
            }
        }
    }

    /// Refuses a member, if it is there, and says why.
    pub(super) fn refuse(&mut self, name: &str, why: &str) -> Result<(), BadRequest> {
        match self.take(name) {
            Some(_) => Err(BadRequest::new(
                self.place(name),
                "unsupported_parameter",
                format!("'{}' is not supported by this gateway: {why}.", self.place(name)),
            )),
            None => Ok(()),
        }
    }

    /// Every member that nobody has taken, in the order in which they came.
    pub(super) fn others(&mut self) -> Vec<(Cow<'a, str>, &'a str)> {
        std::mem::take(&mut self.rest)
    }

    /// Refuses what nobody has taken: it would have to be dropped.
    pub(super) fn finish(self) -> Result<(), BadRequest> {
        let Some((name, _)) = self.rest.first() else { return Ok(()) };
        let place = self.place(&super::super::json_error::quoted(name));
        let message = format!("'{place}' is not supported by this gateway: it would have no effect.");
        Err(BadRequest::new(place, "unsupported_parameter", message))
    }
}

/// The elements of an array, each with its place.
pub(super) fn elements<'a>(raw: &'a str, place: &str) -> Result<Vec<(String, &'a str)>, BadRequest> {
    match kind(raw)? {
        ValueKind::Array => {}
        kind => return Err(wrong_type(place.to_owned(), "an array", kind)),
    }
    let mut list = Vec::new();
    Cursor::over(raw).elements(|cursor, index| {
        if index == MOST_ELEMENTS {
            let message = format!("'{place}' may have at most {MOST_ELEMENTS} elements.");
            return Err(BadRequest::new(place.to_owned(), "array_above_max_length", message));
        }
        list.push((format!("{place}[{index}]"), cursor.skip()?));
        Ok::<_, BadRequest>(())
    })?;
    Ok(list)
}

/// What kind of value it is.
pub(super) fn kind(raw: &str) -> Result<ValueKind, BadRequest> {
    Ok(Cursor::over(raw).kind()?)
}

/// What a string says.
pub(super) fn said(quoted: &str) -> Result<Cow<'_, str>, BadRequest> {
    Ok(Cursor::over(quoted).string()?.cow())
}

/// A string as it is written, without its quotes.
pub(super) fn inside(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}
