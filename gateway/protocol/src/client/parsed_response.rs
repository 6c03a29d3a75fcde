//! What an answer of the canonical dialect says, a chunk or a whole one, as far as other dialects can tell it.
//! Lenient: what is not of the usual kind says nothing.

use router_policies::Usage;

use super::super::answer_texts::{AnswerText, is_of_thoughts, take_texts};
use super::super::finish_reason::FinishReason;
use super::super::json_error::JsonError;
use super::super::scan::{Cursor, ValueKind, text_of};
use super::super::usage::ReportedUsage;

/// A piece of an answer, or all of it.
#[derive(Debug, Default)]
pub(super) struct ParsedResponse {
    pub(super) id: String,
    /// What it is by its own account.
    pub(super) object: String,
    /// What type it is of, where that is no chat's answer: messages, and events of messages and responses, say.
    pub(super) kind: String,
    pub(super) model: String,
    pub(super) created: u64,
    pub(super) choices: Vec<ChoiceDelta>,
    pub(super) usage: Option<UsageCounts>,
    /// The number of an event of a response, and the response in it as it is written.
    pub(super) number: Option<u64>,
    pub(super) response: Option<String>,
}

/// What one choice says.
#[derive(Debug, Default)]
pub(super) struct ChoiceDelta {
    pub(super) index: u64,
    pub(super) reasoning: String,
    pub(super) text: String,
    pub(super) refusal: String,
    pub(super) calls: Vec<ToolCallDelta>,
    pub(super) finish: Option<FinishReason>,
    /// The stop text that ended it, where the upstream says so (vLLM, SGLang).
    pub(super) stop: Option<String>,
    /// As they are written.
    pub(super) logprobs: Option<String>,
}

/// A call of a tool, or a piece of one; what a piece does not have is empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ToolCallDelta {
    /// The number that the upstream gives it, and its place in the list.
    pub(super) index: Option<u64>,
    pub(super) place: u64,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// What the client is told of tokens and cost.
#[derive(Debug, Default, Clone)]
pub(super) struct UsageCounts {
    pub(super) tokens: Usage,
    /// Members of ours as they are written: cost, estimated, resumed.
    pub(super) marks: Vec<(&'static str, String)>,
}

/// The members of a usage object that are ours.
const MARKS: [&str; 3] = ["cost", "estimated", "resumed"];

impl ParsedResponse {
    /// Reads a chunk's data, or a whole answer.
    pub(super) fn read(data: &[u8]) -> Result<Self, JsonError> {
        let mut cursor = Cursor::over(text_of(data)?);
        let mut parsed = Self::default();
        cursor.members(|cursor, name| {
            match name.raw {
                "id" => parsed.id = text(cursor)?,
                "object" => parsed.object = text(cursor)?,
                "type" => parsed.kind = text(cursor)?,
                "model" => parsed.model = text(cursor)?,
                "created" => parsed.created = number(cursor)?.unwrap_or_default(),
                "sequence_number" => parsed.number = number(cursor)?,
                "response" => parsed.response = Some(cursor.skip()?.to_owned()),
                "usage" => parsed.usage = UsageCounts::read(cursor.skip()?)?,
                "choices" if cursor.kind()? == ValueKind::Array => cursor.elements(|cursor, _| {
                    parsed.choices.extend(ChoiceDelta::read(cursor)?);
                    Ok::<_, JsonError>(())
                })?,
                _ => drop(cursor.skip()?),
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(parsed)
    }

    /// The first choice: dialects but the chat's have one answer.
    pub(super) fn first(&mut self) -> Option<ChoiceDelta> {
        let at = self.choices.iter().position(|choice| choice.index == 0)?;
        Some(self.choices.swap_remove(at))
    }
}

impl ChoiceDelta {
    fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(|_| None);
        }
        let mut said = Self::default();
        cursor.members(|cursor, name| {
            match name.raw {
                "index" => said.index = number(cursor)?.unwrap_or_default(),
                "delta" | "message" => said.message(cursor)?,
                "text" => said.text.push_str(&text(cursor)?),
                "logprobs" => {
                    let raw = cursor.skip()?;
                    said.logprobs = (raw != "null").then(|| raw.to_owned());
                }
                "finish_reason" => {
                    let word = text(cursor)?;
                    said.finish = (!word.is_empty()).then(|| FinishReason::of(&word));
                }
                "stop_reason" | "matched_stop" => {
                    said.stop = Some(text(cursor)?).filter(|stop| !stop.is_empty()).or(said.stop.take());
                }
                _ => drop(cursor.skip()?),
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(Some(said))
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        cursor.members(|cursor, name| {
            match name.raw {
                "content" => self.content(cursor)?,
                "refusal" => self.refusal.push_str(&text(cursor)?),
                "tool_calls" if cursor.kind()? == ValueKind::Array => cursor.elements(|cursor, at| {
                    self.calls.extend(ToolCallDelta::read(cursor, at as u64)?);
                    Ok::<_, JsonError>(())
                })?,
                "function_call" => self.calls.extend(ToolCallDelta::of_function(cursor)?),
                // Some say the same under several names.
                name if is_of_thoughts(name) && self.reasoning.is_empty() => {
                    let reasoning = &mut self.reasoning;
                    take_texts(cursor, AnswerText::Thought, &mut |kind, text| {
                        if kind == AnswerText::Thought {
                            reasoning.push_str(&text.cow());
                        }
                    })?;
                }
                _ => drop(cursor.skip()?),
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(())
    }

    /// What it answers. White space beside calls says nothing, and no provider takes a text of nothing else back.
    pub(super) fn told_text(&self) -> &str {
        if self.calls.is_empty() || !self.text.trim().is_empty() { &self.text } else { "" }
    }

    /// A text, or parts, some of which may be thoughts.
    fn content(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        take_texts(cursor, AnswerText::Said, &mut |kind, text| match kind {
            AnswerText::Said => self.text.push_str(&text.cow()),
            AnswerText::Thought => self.reasoning.push_str(&text.cow()),
            AnswerText::Sealed => {}
        })
    }
}

impl ToolCallDelta {
    /// `at` is its place, for who gives no index.
    fn read(cursor: &mut Cursor<'_>, at: u64) -> Result<Option<Self>, JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(|_| None);
        }
        let mut call = Self { place: at, ..Self::default() };
        cursor.members(|cursor, name| {
            match name.raw {
                "index" => call.index = number(cursor)?,
                "id" => call.id = text(cursor)?,
                "function" => call.function(cursor)?,
                _ => drop(cursor.skip()?),
            }
            Ok::<_, JsonError>(())
        })?;
        Ok(Some(call))
    }

    /// The call of before there were tools.
    fn of_function(cursor: &mut Cursor<'_>) -> Result<Option<Self>, JsonError> {
        let mut call = Self::default();
        call.function(cursor)?;
        Ok((call != Self::default()).then_some(call))
    }

    fn function(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        cursor.members(|cursor, name| {
            match name.raw {
                "name" => self.name = text(cursor)?,
                // Some give the object itself, not its text.
                "arguments" if cursor.kind()? == ValueKind::Object => {
                    self.arguments = cursor.skip()?.to_owned()
                }
                "arguments" => self.arguments = text(cursor)?,
                _ => drop(cursor.skip()?),
            }
            Ok::<_, JsonError>(())
        })
    }
}

impl UsageCounts {
    fn read(raw: &str) -> Result<Option<Self>, JsonError> {
        let Some(reported) = ReportedUsage::read(&mut Cursor::over(raw))? else { return Ok(None) };
        let mut marks = Vec::new();
        Cursor::over(raw).members(|cursor, name| {
            let value = cursor.skip()?;
            let mark = MARKS.into_iter().find(|mark| name.is(mark)).filter(|_| value != "null");
            marks.extend(mark.map(|mark| (mark, value.to_owned())));
            Ok::<_, JsonError>(())
        })?;
        Ok(Some(Self { tokens: reported.usage(), marks }))
    }
}

/// What a string says, or the texts of parts; nothing for anything else.
fn text(cursor: &mut Cursor<'_>) -> Result<String, JsonError> {
    let mut all = String::new();
    take_texts(cursor, AnswerText::Said, &mut |_, text| all.push_str(&text.cow()))?;
    Ok(all)
}

fn number(cursor: &mut Cursor<'_>) -> Result<Option<u64>, JsonError> {
    Ok(cursor.skip()?.parse().ok())
}
