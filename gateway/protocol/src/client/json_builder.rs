//! JSON objects of our own, member by member. Values that a client wrote are copied as they are written.

use super::super::json::string;

/// An object under way.
pub(super) struct JsonBuilder(String);

impl JsonBuilder {
    /// Without members.
    pub(super) fn new() -> Self {
        Self("{".to_owned())
    }

    /// That says of what type it is.
    pub(super) fn of_type(kind: &str) -> Self {
        Self::new().text("type", kind)
    }

    /// Adds a member whose value is written already. Names of ours need no escapes.
    pub(super) fn raw(mut self, name: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(value);
        self
    }

    /// Adds a text.
    pub(super) fn text(self, name: &str, text: &str) -> Self {
        self.raw(name, &string(text))
    }

    /// Adds a number.
    pub(super) fn number(self, name: &str, number: u64) -> Self {
        self.raw(name, &number.to_string())
    }

    /// Adds a member if there is one.
    pub(super) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.raw(name, value),
            None => self,
        }
    }

    /// Adds a member, `null` if there is none.
    pub(super) fn or_null(self, name: &str, value: Option<&str>) -> Self {
        self.raw(name, value.unwrap_or("null"))
    }

    /// The text.
    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An array of values that are written already.
pub(super) fn array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(item.as_ref());
    }
    out.push(']');
    out
}
