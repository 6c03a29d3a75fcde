//! Why a request is refused before anything is sent.

use std::borrow::Cow;

use super::scan::{Fault, FaultKind};

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

impl From<Fault> for BadRequest {
    fn from(fault: Fault) -> Self {
        let code = match fault.kind {
            FaultKind::Depth => "invalid_json_depth",
            FaultKind::DuplicateKey(_) => "duplicate_key",
            _ => "invalid_json",
        };
        Self { message: fault.to_string(), param: None, code: Some(code) }
    }
}
