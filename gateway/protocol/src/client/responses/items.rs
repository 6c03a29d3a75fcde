//! The items of an answer.

use super::super::super::call_ids;
use super::super::answer_order::SpokenText;
use super::super::json_builder::{JsonBuilder, array};

/// A piece of content of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemPart {
    /// Of reasoning.
    Reasoning,
    /// Of an answer.
    Text,
    /// Of a refusal.
    Refusal,
}

impl ItemPart {
    /// That has a text of this kind.
    pub(super) fn of(kind: SpokenText) -> Self {
        match kind {
            SpokenText::Reasoning => Self::Reasoning,
            SpokenText::Text => Self::Text,
            SpokenText::Refusal => Self::Refusal,
        }
    }

    /// The event that adds to it, without `response.` and `.delta`.
    pub(super) fn event(self) -> &'static str {
        match self {
            Self::Reasoning => "reasoning_text",
            Self::Text => "output_text",
            Self::Refusal => "refusal",
        }
    }

    /// The member that has its text, in the part and in the event at its end.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Reasoning | Self::Text => "text",
            Self::Refusal => "refusal",
        }
    }

    /// The letters that its item's id begins with.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Self::Reasoning => "rs",
            Self::Text | Self::Refusal => "msg",
        }
    }

    /// With this text, and how probable its tokens were, as written.
    pub(super) fn written(self, text: &str, odds: &str) -> String {
        let part = JsonBuilder::of_type(self.event()).text(self.member(), text);
        match self {
            Self::Text => part.raw("annotations", "[]").raw("logprobs", odds).end(),
            Self::Reasoning | Self::Refusal => part.end(),
        }
    }

    /// An item that has this text, with how probable its tokens were; none if it has only begun.
    pub(super) fn item(self, id: &str, status: &str, text: Option<(&str, &str)>) -> String {
        let content = array(text.map(|(text, odds)| self.written(text, odds)));
        let item = JsonBuilder::new().text("id", id);
        match self {
            Self::Reasoning => item
                .text("type", "reasoning")
                .raw("summary", "[]")
                .raw("content", &content)
                .raw("encrypted_content", "null")
                .text("status", status),
            Self::Text | Self::Refusal => item
                .text("type", "message")
                .text("status", status)
                .text("role", "assistant")
                .raw("content", &content),
        }
        .end()
    }
}

/// A call of a function.
pub(super) fn call(id: &str, status: &str, call_id: &str, name: &str, arguments: &str) -> String {
    JsonBuilder::new()
        .text("id", id)
        .text("type", "function_call")
        .text("status", status)
        .text("call_id", call_id)
        .text("name", name)
        .text("arguments", arguments)
        .end()
}

/// The id of an item: no two of a conversation have the same.
pub(super) fn id(prefix: &str, request: &str, at: usize) -> String {
    format!("{prefix}_{request}_{at}")
}

/// What the result of a call is filed under: by the upstream, or by us where it gave none.
pub(super) fn call_id(given: &str, request: &str, at: usize) -> String {
    let own = || call_ids::plain(&id("call", request, at)).into_owned();
    if given.is_empty() { own() } else { call_ids::plain(given).into_owned() }
}

/// How probable the tokens of a piece were, as a list; empty where a chat's answer does not say.
pub(super) fn odds(said: Option<&str>) -> String {
    #[derive(serde::Deserialize)]
    struct ItemLogprobs<'a> {
        #[serde(borrow)]
        content: Option<Vec<&'a serde_json::value::RawValue>>,
    }
    let odds = said.and_then(|said| serde_json::from_str::<ItemLogprobs<'_>>(said).ok()?.content);
    array(odds.unwrap_or_default().iter().map(|token| token.get()))
}
