//! The messages of a chat request.

use std::ops::Range;

use gateway_config::{FeatureSet, RequestFeature};
use router_policies::PromptRole;

use super::attachments::AttachmentCounts;
use super::bad_request::BadRequest;
use super::estimate::weight;
use super::fields::refuse_second;
use super::json_error::quoted;
use super::json_str::JsonStr;
use super::scan::{Cursor, ValueKind};
use super::value::wrong_type;

const MOST_MESSAGES: usize = 10_000;
const MOST_PARTS: usize = 1_000;
/// Bytes up to which a text is looked at for whether it says anything.
const MOST_BLANK: usize = 64;

/// Where a piece of text lies in the body.
#[derive(Debug, Clone)]
pub(super) struct TextSpan {
    at: Range<usize>,
    escaped: bool,
}

impl TextSpan {
    fn of(text: JsonStr<'_>) -> Self {
        Self { at: text.at..text.at + text.raw.len(), escaped: text.escaped }
    }

    /// Whether there is nothing but white space in it, in the text that it lies in.
    fn is_blank(&self, text: &str) -> bool {
        let first = text.as_bytes().get(self.at.start).filter(|_| !self.at.is_empty());
        let says = first.is_some_and(|byte| byte.is_ascii_graphic() && *byte != b'\\');
        !says && self.at.len() <= MOST_BLANK && self.text(text.as_bytes()).cow().trim().is_empty()
    }

    /// The text there.
    pub(super) fn text<'a>(&self, body: &'a [u8]) -> JsonStr<'a> {
        let raw = std::str::from_utf8(&body[self.at.clone()]).unwrap_or_default();
        JsonStr { raw, escaped: self.escaped, at: self.at.start }
    }
}

/// One message: who speaks, and which of the spans are its text.
#[derive(Debug, Clone)]
pub(super) struct MessageOutline {
    /// All of it in the body.
    pub(super) at: Range<usize>,
    pub(super) role: PromptRole,
    pub(super) texts: Range<usize>,
    /// It has nothing but white space, of a person or an assistant.
    pub(super) blank: bool,
}

/// All messages.
#[derive(Debug, Clone, Default)]
pub(super) struct MessageList {
    pub(super) list: Vec<MessageOutline>,
    /// Their texts, in order.
    pub(super) spans: Vec<TextSpan>,
    /// What they carry beside text.
    pub(super) attachments: AttachmentCounts,
    /// Whether tools were called or have answered.
    pub(super) tools: bool,
    /// What is neither text nor attachment (names, tool calls, reasoning), in thousandths of a token.
    pub(super) rest: u64,
    /// What some models do not take.
    pub(super) features: FeatureSet,
}

impl MessageList {
    /// Reads them from a text that was checked before; `at` is where their value begins.
    pub(super) fn read(text: &str, at: usize) -> Result<Self, BadRequest> {
        let mut cursor = Cursor::within(text, at);
        match cursor.kind()? {
            ValueKind::Array => {}
            kind => return Err(wrong_type("messages".into(), "an array", kind)),
        }
        let mut messages = Self::default();
        cursor.elements(|cursor, index| {
            if index == MOST_MESSAGES {
                let message = format!("'messages' may have at most {MOST_MESSAGES} elements.");
                return Err(BadRequest::new("messages", "array_above_max_length", message));
            }
            messages.message(cursor, index)
        })?;
        if messages.list.is_empty() {
            let message = "'messages' is empty: it must have at least one message.".into();
            return Err(BadRequest::new("messages", "empty_array", message));
        }
        Ok(messages)
    }

    fn message(&mut self, cursor: &mut Cursor<'_>, index: usize) -> Result<(), BadRequest> {
        let place = |field: &str| format!("messages[{index}]{field}");
        match cursor.kind()? {
            ValueKind::Object => {}
            kind => return Err(wrong_type(place(""), "an object", kind)),
        }
        let (first, begins, attached) = (self.spans.len(), cursor.at(), self.attachments.count());
        let mut role = None;
        let mut content = None;
        let mut acts = false;
        cursor.members(|cursor, name| match &*name.cow() {
            "role" => {
                refuse_second(role.is_some(), name)?;
                role = Some(speaker(cursor, &place)?);
                Ok::<_, BadRequest>(())
            }
            "content" => {
                refuse_second(content.is_some(), name)?;
                content = Some(self.content(cursor, &place)?);
                Ok(())
            }
            field => {
                acts |= self.aside(cursor, field)?;
                Ok(())
            }
        })?;
        let (role, word) = role.ok_or_else(|| BadRequest::missing(place(".role")))?;
        self.tools |= role == PromptRole::Tool;
        if content != Some(true) && !acts && word != "function" {
            return Err(match content {
                None => BadRequest::missing(place(".content")),
                Some(_) => wrong_type(place(".content"), "a string or an array of parts", ValueKind::Null),
            });
        }
        let texts = first..self.spans.len();
        let blank = matches!(role, PromptRole::User | PromptRole::Assistant)
            && !acts
            && self.attachments.count() == attached
            && self.spans[texts.clone()].iter().all(|span| span.is_blank(cursor.text()));
        self.note(role, &word, blank);
        self.list.push(MessageOutline { at: begins..cursor.at(), role, texts, blank });
        Ok(())
    }

    /// What a message has that some models do not take; it is not in the list yet.
    fn note(&mut self, role: PromptRole, word: &str, blank: bool) {
        if role == PromptRole::System {
            let leads = self.list.last().is_none_or(|last| last.role == PromptRole::System)
                && !self.features.has(RequestFeature::LaterSystem);
            if !leads {
                self.features.insert(RequestFeature::LaterSystem);
            } else if !self.list.is_empty() {
                self.features.insert(RequestFeature::SeveralSystems);
            }
            if word == "developer" {
                self.features.insert(RequestFeature::DeveloperRole);
            }
        }
        if blank {
            self.features.insert(RequestFeature::BlankTexts);
        }
    }

    /// Whether there is any content; `null` is none.
    fn content(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: &impl Fn(&str) -> String,
    ) -> Result<bool, BadRequest> {
        match cursor.kind()? {
            ValueKind::String => self.spans.push(TextSpan::of(cursor.string()?)),
            ValueKind::Null => {
                cursor.skip()?;
                return Ok(false);
            }
            ValueKind::Array => {
                let mut count = 0;
                cursor.elements(|cursor, index| {
                    count += 1;
                    if count > MOST_PARTS {
                        let message = format!("'{}' may have at most {MOST_PARTS} parts.", place(".content"));
                        return Err(BadRequest::new(place(".content"), "array_above_max_length", message));
                    }
                    self.part(cursor, &|field| place(&format!(".content[{index}]{field}")))
                })?;
                if count == 0 {
                    let message =
                        format!("'{}' is empty: it must have at least one part.", place(".content"));
                    return Err(BadRequest::new(place(".content"), "empty_array", message));
                }
            }
            kind => return Err(wrong_type(place(".content"), "a string or an array of parts", kind)),
        }
        Ok(true)
    }

    fn part(&mut self, cursor: &mut Cursor<'_>, place: &dyn Fn(&str) -> String) -> Result<(), BadRequest> {
        match cursor.kind()? {
            ValueKind::Object => {}
            kind => return Err(wrong_type(place(""), "an object", kind)),
        }
        self.attachments.begin();
        let mut kind = None;
        let mut body = None;
        cursor.members(|cursor, name| {
            let field = name.cow();
            if field == "type" {
                refuse_second(kind.is_some(), name)?;
                kind = Some(string(cursor, || place(".type"))?.cow());
            } else if matches!(&*field, "text" | "refusal") {
                refuse_second(body.is_some(), name)?;
                body = Some(string(cursor, || place(&format!(".{field}")))?);
            } else {
                self.attachments.see(&field, cursor.skip()?, place)?;
            }
            Ok::<_, BadRequest>(())
        })?;
        let kind = kind.ok_or_else(|| BadRequest::missing(place(".type")))?;
        match &*kind {
            "text" | "refusal" => {
                let text = body.ok_or_else(|| BadRequest::missing(place(&format!(".{kind}"))))?;
                self.spans.push(TextSpan::of(text));
                Ok(())
            }
            other => self.attachments.take(other, place),
        }
    }

    /// A field beside role and content: what it weighs, and whether it stands in for content.
    fn aside(&mut self, cursor: &mut Cursor<'_>, field: &str) -> Result<bool, BadRequest> {
        let raw = cursor.skip()?;
        if raw == "null" || raw == "[]" {
            return Ok(false);
        }
        match field {
            "tool_calls" | "function_call" => {
                self.tools = true;
                self.rest += weight(raw);
                Ok(true)
            }
            // What was said aloud before: who hears nothing does not know it.
            "audio" => {
                self.attachments.sounds += 1;
                self.rest += weight(raw);
                Ok(true)
            }
            "refusal" | "reasoning_content" | "reasoning" => {
                self.rest += weight(raw);
                Ok(true)
            }
            "name" | "tool_call_id" => {
                self.rest += weight(raw);
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}

fn speaker<'a>(
    cursor: &mut Cursor<'a>,
    place: &impl Fn(&str) -> String,
) -> Result<(PromptRole, std::borrow::Cow<'a, str>), BadRequest> {
    let word = string(cursor, || place(".role"))?.cow();
    let role = match &*word {
        "system" | "developer" => PromptRole::System,
        "user" => PromptRole::User,
        "assistant" => PromptRole::Assistant,
        "tool" | "function" => PromptRole::Tool,
        other => {
            let why = format!(
                "\"{}\" is not one of 'system', 'developer', 'user', 'assistant', 'tool' and 'function'",
                quoted(other)
            );
            return Err(BadRequest::value(place(".role"), why));
        }
    };
    Ok((role, word))
}

fn string<'a>(cursor: &mut Cursor<'a>, place: impl Fn() -> String) -> Result<JsonStr<'a>, BadRequest> {
    match cursor.kind()? {
        ValueKind::String => Ok(cursor.string()?),
        kind => Err(wrong_type(place(), "a string", kind)),
    }
}
