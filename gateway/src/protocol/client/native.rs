//! A request in the words of its client.

use super::super::json::Object;
use super::super::refusal::BadRequest;
use super::Dialect;

/// A client's own words, for an upstream that speaks the same dialect: what a chat cannot say reaches it unchanged.
#[derive(Debug, Clone)]
pub struct Native {
    dialect: Dialect,
    body: Object,
    cannot: Option<BadRequest>,
}

impl Native {
    pub(super) fn new(dialect: Dialect, body: Object, cannot: Option<BadRequest>) -> Self {
        Self { dialect, body, cannot }
    }

    /// What it is written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The body as it came.
    pub fn body(&self) -> &Object {
        &self.body
    }

    /// Why it can only be answered by an upstream that speaks the dialect, if so: there is no chat that says the same.
    pub fn cannot_be_a_chat(&self) -> Option<&BadRequest> {
        self.cannot.as_ref()
    }
}
