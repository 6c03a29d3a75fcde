//! What other providers' turns leave in a conversation that came in Anthropic's words: thoughts that nobody signed or that
//! another provider signed, calls without thoughts, ids of other forms.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::super::call_ids::{CallIdForm, CallIds, is_plain};
use super::super::super::json::{RawObject, string};

/// What is to be changed in a request; `None`: nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HistoryEdits {
    /// Its messages.
    pub(super) messages: Option<Vec<u8>>,
    /// `thinking`, switched off.
    pub(super) thinking: Option<&'static [u8]>,
    /// What is to be edited out of its context, without thoughts. Empty: the field is to go.
    pub(super) context: Option<Vec<u8>>,
}

/// Thinking that is switched off.
const OFF: &[u8] = br#"{"type":"disabled"}"#;

#[derive(Deserialize)]
struct HistoryMessage<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct HistoryBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_use_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
}

/// Where the tools' loop stands that a conversation ends with.
#[derive(Debug, Default)]
struct ToolLoop {
    /// Whether the conversation ends with what tools gave back.
    open: bool,
    /// Whether its first message begins with thoughts.
    thought: bool,
    /// Whether any message of the assistant is in it.
    begun: bool,
}

/// What is to be changed in a request; `thoughts`: whether any thought may stay.
pub(super) fn edits(request: &RawObject, thoughts: bool) -> HistoryEdits {
    let Some(messages) = request.get("messages") else { return HistoryEdits::default() };
    let thinks = request.get("thinking").is_some_and(is_enabled);
    let has_thoughts = memmem::find(messages, br#"thinking""#).is_some();
    let asks = has_thoughts || (thinks && has_results(messages)) || !ids_are_plain(messages);
    if !asks {
        return HistoryEdits::default();
    }
    let Ok(list) = serde_json::from_slice::<Vec<&RawValue>>(messages) else { return HistoryEdits::default() };
    let mut history = History { ids: CallIds::new(CallIdForm::Plain), last: ToolLoop::default(), thoughts };
    let (mut told, mut changed) = (Vec::with_capacity(list.len()), false);
    for raw in list {
        let message = history.message(raw);
        changed |= !matches!(message, Some(Cow::Borrowed(_)));
        told.extend(message);
    }
    let thoughtless = history.last.open && history.last.begun && !history.last.thought;
    let off = thinks && (thoughtless || !thoughts);
    HistoryEdits {
        messages: changed.then(|| format!("[{}]", told.join(",")).into_bytes()),
        thinking: off.then_some(OFF),
        context: off.then(|| request.get("context_management").and_then(without_thoughts)).flatten(),
    }
}

struct History {
    ids: CallIds,
    last: ToolLoop,
    thoughts: bool,
}

impl History {
    /// A message as it is told; `None`: nothing is left of it.
    fn message<'a>(&mut self, raw: &'a RawValue) -> Option<Cow<'a, str>> {
        let Ok(message) = serde_json::from_str::<HistoryMessage<'_>>(raw.get()) else {
            return Some(raw.get().into());
        };
        let assistant = message.role == "assistant";
        if assistant {
            self.ids.turn();
        }
        let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(message.content.get()) else {
            self.step(assistant, None, false);
            return Some(raw.get().into());
        };
        let (mut told, mut changed) = (Vec::with_capacity(blocks.len()), false);
        let (mut first, mut results) = (None, false);
        for raw in blocks {
            let Ok(block) = serde_json::from_str::<HistoryBlock<'_>>(raw.get()) else {
                told.push(Cow::Borrowed(raw.get()));
                continue;
            };
            let kept = self.block(&block, raw.get());
            changed |= !matches!(kept, Some(Cow::Borrowed(_)));
            if kept.is_some() {
                first.get_or_insert_with(|| block.kind.ends_with("thinking"));
                results |= block.kind == "tool_result";
            }
            told.extend(kept);
        }
        self.step(assistant, first, results);
        if told.is_empty() && changed {
            return None;
        }
        if !changed {
            return Some(raw.get().into());
        }
        let content = format!("[{}]", told.join(","));
        let object = RawObject::skim(raw.get().to_owned().into()).ok()?;
        String::from_utf8(object.edited(&[("content", Some(content.as_bytes()))]).into()).ok().map(Cow::Owned)
    }

    fn block<'a>(&mut self, block: &HistoryBlock<'_>, raw: &'a str) -> Option<Cow<'a, str>> {
        let edited = |name: &str, id: String, was: &str| {
            if id == was {
                return Some(Cow::Borrowed(raw));
            }
            let object = RawObject::skim(raw.to_owned().into()).ok()?;
            String::from_utf8(object.edited(&[(name, Some(string(&id).as_bytes()))]).into())
                .ok()
                .map(Cow::Owned)
        };
        match &*block.kind {
            "thinking" | "redacted_thinking" if !self.thoughts => None,
            // The gateway put it into these words for another provider's model.
            "thinking" if block.signature.as_deref().is_none_or(str::is_empty) => None,
            "tool_use" => {
                let id = block.id.as_deref().unwrap_or_default();
                edited("id", self.ids.called(id), id)
            }
            "tool_result" => {
                let id = block.tool_use_id.as_deref().unwrap_or_default();
                edited("tool_use_id", self.ids.answered(id), id)
            }
            _ => Some(raw.into()),
        }
    }

    /// A message was told: whether it begins with a thought, and whether tools gave back anything in it.
    fn step(&mut self, assistant: bool, thought: Option<bool>, results: bool) {
        if assistant {
            if !self.last.begun {
                (self.last.begun, self.last.thought) = (true, thought == Some(true));
            }
            self.last.open = false;
        } else if results {
            self.last.open = true;
        } else {
            self.last = ToolLoop::default();
        }
    }
}

/// Whether a model is told to think in so many tokens: such a one refuses to go on from calls without its own thoughts
/// before them (platform.claude.com/docs/en/build-with-claude/extended-thinking).
pub(super) fn is_enabled(thinking: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ThinkingMode<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    serde_json::from_slice::<ThinkingMode<'_>>(thinking).is_ok_and(|mode| mode.kind == "enabled")
}

fn has_results(messages: &[u8]) -> bool {
    memmem::find(messages, br#""tool_use_id""#).is_some()
}

/// Whether every id that tools answered to is of Anthropic's form, and none comes twice.
fn ids_are_plain(messages: &[u8]) -> bool {
    let mut ids = Vec::new();
    for at in memmem::find_iter(messages, br#""tool_use_id""#) {
        let rest = messages[at + br#""tool_use_id""#.len()..].trim_ascii_start();
        let id = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start).and_then(|it| it.strip_prefix(b"\""));
        let Some(id) = id.and_then(|id| Some(&id[..memchr::memchr(b'"', id)?])) else { return false };
        if !std::str::from_utf8(id).is_ok_and(is_plain) {
            return false;
        }
        ids.push(id);
    }
    ids.sort_unstable();
    ids.windows(2).all(|two| two[0] != two[1])
}

/// What is to be edited out of a context, but for thoughts: where a model does not think, Anthropic refuses to take them out.
fn without_thoughts(context: &[u8]) -> Option<Vec<u8>> {
    let mut context: Value = serde_json::from_slice(context).ok()?;
    let edits = context.get_mut("edits")?.as_array_mut()?;
    let before = edits.len();
    edits.retain(|edit| !edit["type"].as_str().is_some_and(|kind| kind.starts_with("clear_thinking")));
    match edits.len() {
        0 => Some(Vec::new()),
        now if now == before => None,
        _ => Some(context.to_string().into_bytes()),
    }
}
