//! One piece of a streamed answer of the OpenAI dialect.

use bytes::Bytes;

use super::complaint::Complaint;
use super::estimate::weight;
use super::fault::Fault;
use super::json::Object;
use super::scan::{Cursor, Kind, text_of};
use super::sse::Event;
use super::text::Text;
use super::usage::Reported;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It was done, or met a stop text.
    Stop,
    /// It was as long as allowed.
    Length,
    /// Tools are to be called (`tool_calls`, `function_call`).
    ToolCalls,
    /// A filter stepped in.
    ContentFilter,
    /// A word that OpenAI does not have.
    Other,
}

impl Finish {
    /// From the API's word.
    pub fn of(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            _ => Self::Other,
        }
    }

    /// The API's word; `stop` for one that OpenAI does not have.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop | Self::Other => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// What the gateway must know of a chunk, or of a whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// Characters of content, reasoning, refusal and tool call arguments, over all choices.
    pub text: usize,
    /// The same text in thousandths of a token, estimated; add them up over a stream.
    pub weight: u64,
    /// Whether it carries any text or a tool call: a first token. A chunk that only says `role` does not.
    pub begins: bool,
    /// Why an answer ended; of several choices the last.
    pub finish: Option<Finish>,
    /// How many choices ended with this chunk.
    pub finished: u32,
    /// Token counts, if it has any.
    pub usage: Option<Reported>,
    /// Whether `choices` is empty or missing.
    pub choices_empty: bool,
    /// Whether there is an `error`, or MiniMax' `base_resp` with a status.
    pub(super) failed: bool,
}

/// What a chunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A piece of the answer.
    Piece(Piece),
    /// The marker of success, `[DONE]`.
    Done,
    /// The upstream failed in the middle.
    Error(Complaint),
    /// A comment or a blank line.
    KeepAlive,
    /// Neither JSON object nor marker.
    Malformed,
}

/// A chunk with the bytes that it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes of the whole event.
    pub raw: Bytes,
    /// Its data.
    pub data: Bytes,
    /// What it is.
    pub what: What,
}

/// Reads an event in one pass, copying nothing.
pub fn read_chunk(event: Event) -> Chunk {
    let Event { raw, data, event, comment } = event;
    let what = if comment {
        What::KeepAlive
    } else if data.trim_ascii() == b"[DONE]" {
        What::Done
    } else if event.is_some_and(|event| &event[..] == b"error") {
        What::Error(Complaint::read(None, &data))
    } else {
        match Piece::read(&data) {
            Ok(piece) if piece.failed => What::Error(Complaint::read(None, &data)),
            Ok(piece) => What::Piece(piece),
            Err(_) => What::Malformed,
        }
    };
    Chunk { raw, data, what }
}

impl Chunk {
    /// The bytes without a `usage` that is not null. `None`: the chunk was there for the usage only (it has no choices),
    /// and is swallowed.
    pub fn without_usage(self) -> Option<Bytes> {
        let What::Piece(Piece { usage: Some(_), choices_empty, .. }) = &self.what else {
            return Some(self.raw);
        };
        if *choices_empty {
            return None;
        }
        let Ok(object) = Object::skim(self.data.clone()) else { return Some(self.raw) };
        if object.get("usage").is_none_or(|usage| usage == b"null") {
            return Some(self.raw);
        }
        let data = object.edited(&[("usage", None)]);
        Some(replaced(&self.raw, &self.data, &data))
    }
}

/// The raw bytes of an event with other data. Where the data are a slice of the raw bytes, the rest stays; where they
/// were several lines, the event is written anew: white space between the parts of a JSON text does not matter.
fn replaced(raw: &Bytes, old: &Bytes, new: &[u8]) -> Bytes {
    let at = (old.as_ptr() as usize).checked_sub(raw.as_ptr() as usize);
    match at.filter(|at| at + old.len() <= raw.len()) {
        Some(at) => [&raw[..at], new, &raw[at + old.len()..]].concat().into(),
        None => {
            let line: Vec<u8> = new.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
            [b"data: ", &line[..], b"\n\n"].concat().into()
        }
    }
}

impl Piece {
    /// Reads a chunk, or a whole answer, which has `message` where a chunk has `delta`.
    pub(super) fn read(data: &[u8]) -> Result<Self, Fault> {
        let mut cursor = Cursor::over(text_of(data)?);
        let mut piece = Self { choices_empty: true, ..Self::default() };
        let mut second = None;
        cursor.members(|cursor, name| match name.raw {
            "choices" => piece.choices(cursor, &mut second),
            "usage" => {
                piece.usage = Reported::read(cursor)?;
                Ok(())
            }
            "error" => {
                piece.failed |= truthy(cursor.skip()?);
                Ok(())
            }
            "base_resp" => piece.base(cursor),
            _ => cursor.skip().map(drop),
        })?;
        cursor.end()?;
        piece.usage = piece.usage.or(second);
        Ok(piece)
    }

    fn choices(&mut self, cursor: &mut Cursor<'_>, usage: &mut Option<Reported>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(drop);
        }
        cursor.elements(|cursor, _| {
            self.choices_empty = false;
            if cursor.kind()? != Kind::Object {
                return cursor.skip().map(drop);
            }
            cursor.members(|cursor, name| match name.raw {
                "delta" | "message" => self.message(cursor),
                "text" => self.said(cursor),
                // Moonshot's place for it.
                "usage" => {
                    *usage = Reported::read(cursor)?;
                    Ok(())
                }
                "finish_reason" if cursor.kind()? == Kind::String => {
                    let word = cursor.string()?;
                    // Some say "" where others say null.
                    if !word.raw.is_empty() {
                        self.finish = Some(Finish::of(&word.cow()));
                        self.finished += 1;
                    }
                    Ok(())
                }
                _ => cursor.skip().map(drop),
            })
        })
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        cursor.members(|cursor, name| match name.raw {
            "content" | "reasoning_content" | "reasoning" | "refusal" => self.said(cursor),
            "tool_calls" => self.calls(cursor),
            "function_call" => self.call(cursor),
            _ => cursor.skip().map(drop),
        })
    }

    /// Text of the answer: a string, or the `text` of parts.
    fn said(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        match cursor.kind()? {
            Kind::String => {
                self.count(cursor.string()?);
                Ok(())
            }
            Kind::Array => cursor.elements(|cursor, _| {
                if cursor.kind()? != Kind::Object {
                    return cursor.skip().map(drop);
                }
                cursor.members(|cursor, name| match name.raw {
                    "text" if cursor.kind()? == Kind::String => {
                        self.count(cursor.string()?);
                        Ok(())
                    }
                    _ => cursor.skip().map(drop),
                })
            }),
            _ => cursor.skip().map(drop),
        }
    }

    fn calls(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Array {
            return cursor.skip().map(drop);
        }
        cursor.elements(|cursor, _| {
            if cursor.kind()? != Kind::Object {
                return cursor.skip().map(drop);
            }
            self.begins = true;
            cursor.members(|cursor, name| match name.raw {
                "function" | "custom" => self.call(cursor),
                _ => cursor.skip().map(drop),
            })
        })
    }

    fn call(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        self.begins = true;
        cursor.members(|cursor, name| match name.raw {
            "name" | "arguments" | "input" => self.said(cursor),
            _ => cursor.skip().map(drop),
        })
    }

    fn count(&mut self, text: Text<'_>) {
        let text = text.cow();
        self.begins |= !text.is_empty();
        self.text += text.chars().count();
        self.weight += weight(&text);
    }

    /// MiniMax says in `base_resp.status_code` that a 200 is an error.
    fn base(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        if cursor.kind()? != Kind::Object {
            return cursor.skip().map(drop);
        }
        cursor.members(|cursor, name| {
            let raw = cursor.skip()?;
            self.failed |= name.raw == "status_code" && truthy(raw);
            Ok(())
        })
    }
}

/// As the SDKs see it: an empty `error` is none.
fn truthy(raw: &str) -> bool {
    !matches!(raw, "null" | "false" | "0" | "\"\"" | "{}" | "[]")
}
