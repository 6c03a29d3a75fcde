//! Why a request is refused before anything is sent.

use std::borrow::Cow;

use super::fault::{Fault, FaultKind};

/// A request that is the client's mistake: a 400 in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// A sentence for a person.
    pub message: String,
    /// Which field, such as `messages[3].content`.
    pub param: Option<Cow<'static, str>>,
    /// A word for programs, such as `invalid_type`.
    pub code: Option<&'static str>,
}

impl BadRequest {
    /// About one field.
    pub(super) fn new(param: impl Into<Cow<'static, str>>, code: &'static str, message: String) -> Self {
        Self { message, param: Some(param.into()), code: Some(code) }
    }

    /// A field has a value that it cannot have; `why` follows its name.
    pub(super) fn value(param: impl Into<Cow<'static, str>>, why: impl std::fmt::Display) -> Self {
        let param = param.into();
        let message = format!("Invalid value for '{param}': {why}.");
        Self::new(param, "invalid_value", message)
    }

    /// A field that is needed is not there.
    pub(super) fn missing(param: impl Into<Cow<'static, str>>) -> Self {
        let param = param.into();
        let message = format!("The required parameter '{param}' is missing.");
        Self::new(param, "missing_required_parameter", message)
    }
}

impl From<Fault> for BadRequest {
    fn from(fault: Fault) -> Self {
        let code = match fault.kind {
            FaultKind::Depth => "invalid_json_depth",
            FaultKind::DuplicateKey(_) => "duplicate_key",
            _ => "invalid_json",
        };
        let message = format!("The request body cannot be used: {fault}.");
        Self { message, param: None, code: Some(code) }
    }
}
