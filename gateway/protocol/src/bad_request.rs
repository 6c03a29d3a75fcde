//! Why a request is refused before anything is sent.

use std::borrow::Cow;

use super::json_error::{JsonError, JsonErrorKind};

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
    /// Every code: when a client gets it, and what the client can do. The answer is always 400.
    pub const CODES: [(&str, &str, &str); 17] = [
        ("invalid_json", "The body is not JSON, or not an object.", "Send valid JSON."),
        (
            "invalid_json_depth",
            "Arrays and objects of the body are nested too deeply.",
            "Send a flatter body.",
        ),
        ("duplicate_key", "A key stands twice in an object of the body.", "Send each key once."),
        ("missing_required_parameter", "A required parameter is missing.", "Send it; `param` names it."),
        ("invalid_type", "A parameter has the wrong JSON type.", "Send the type that the message names."),
        (
            "invalid_value",
            "A parameter has a value that it cannot have.",
            "Send a value that the message allows.",
        ),
        ("empty_array", "A list that must not be empty is empty.", "Send at least one element."),
        ("array_above_max_length", "A list is longer than it may be.", "Send fewer elements."),
        ("string_above_max_length", "A text is longer than it may be.", "Send a shorter text."),
        ("integer_below_min_value", "A number is smaller than it may be.", "Send a number in the range."),
        ("integer_above_max_value", "A number is larger than it may be.", "Send a number in the range."),
        ("number_below_min_value", "A number is smaller than it may be.", "Send a number in the range."),
        ("number_above_max_value", "A number is larger than it may be.", "Send a number in the range."),
        (
            "unsupported_value",
            "A parameter has a value that the gateway or the model cannot serve.",
            "Send another value, or ask for another model.",
        ),
        (
            "unsupported_parameter",
            "A parameter cannot be told to the model in its dialect.",
            "Leave it out, or ask for a model that speaks the request's dialect.",
        ),
        (
            "unknown_tier",
            "`x-xietong-min-tier` or `x-xietong-max-tier` names no model of the route.",
            "Name a model of the route.",
        ),
        (
            "invalid_request",
            "The request cannot be used; the message says why.",
            "Change what the message names.",
        ),
    ];

    /// About one field.
    pub(super) fn new(param: impl Into<Cow<'static, str>>, code: &'static str, message: String) -> Self {
        debug_assert!(Self::CODES.iter().any(|(known, ..)| *known == code), "{code} is missing in CODES");
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

impl From<JsonError> for BadRequest {
    fn from(fault: JsonError) -> Self {
        let code = match fault.kind {
            JsonErrorKind::Depth => "invalid_json_depth",
            JsonErrorKind::DuplicateKey(_) => "duplicate_key",
            _ => "invalid_json",
        };
        let message = format!("The request body cannot be used: {fault}.");
        Self { message, param: None, code: Some(code) }
    }
}
