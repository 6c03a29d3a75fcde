//! A chat in the words of other providers' APIs, each made once: whoever fits a request to its models asks for them, and
//! whoever sends it asks again.

use std::sync::OnceLock;

use super::bad_request::BadRequest;
use super::json::RawObject;

/// A request in another dialect, but for what is told of the model at the end.
#[derive(Debug, Clone)]
pub(super) struct ConvertedChat {
    pub(super) object: RawObject,
    /// `reasoning_effort`.
    pub(super) effort: Option<String>,
    /// Its last turn calls tools, and says nothing of what the model thought before that.
    pub(super) thoughtless: bool,
}

/// A conversion, or what the dialect has no words for, once somebody has asked for it.
pub(super) type ConversionSlot = OnceLock<Result<ConvertedChat, BadRequest>>;

/// The conversions of one chat, empty at first.
#[derive(Debug, Clone, Default)]
pub(super) struct ConversionCache {
    /// For Anthropic's API.
    pub(super) anthropic: ConversionSlot,
    /// For Google's, told by a word how hard to think.
    pub(super) gemini_by_word: ConversionSlot,
    /// For Google's, told by a number of tokens.
    pub(super) gemini_by_tokens: ConversionSlot,
}
