//! A request in the words of its client.

use super::super::json::Object;
use super::Dialect;

/// A client's own words, for an upstream that speaks the same dialect: what a chat cannot say reaches it unchanged.
#[derive(Debug, Clone)]
pub struct Native {
    dialect: Dialect,
    body: Object,
}

impl Native {
    pub(super) fn new(dialect: Dialect, body: Object) -> Self {
        Self { dialect, body }
    }

    /// What it is written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The body as it came.
    pub fn body(&self) -> &Object {
        &self.body
    }
}
