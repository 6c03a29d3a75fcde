//! Our own chunks and whole answers, as an upstream of another dialect says them.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::super::chunk::{ChunkInfo, ChunkKind, ResponseChunk};
use super::super::finish_reason::FinishReason;
use super::super::sse::SseEvent;
use super::super::usage::ReportedUsage;
use super::object_writer::{ObjectWriter, list, object, one};

/// Who speaks: what every chunk of one answer has in common.
#[derive(Debug, Default)]
pub(super) struct ChunkEncoder {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
}

/// Tokens as the provider counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct EncodedUsage {
    /// The whole prompt.
    pub(super) prompt: u64,
    /// Of it, read from a cache.
    pub(super) cached: u64,
    /// Of it, written to a cache of five minutes, and to one of an hour.
    pub(super) written: u64,
    pub(super) written_hour: u64,
    /// The whole answer.
    pub(super) completion: u64,
    /// Of it, thoughts.
    pub(super) thoughts: u64,
    /// Of the prompt, and of the answer, sound.
    pub(super) audio: (u64, u64),
    /// Searches of the web that the provider made.
    pub(super) searches: u64,
    /// On which terms it was given, in the provider's words: tier, speed, region.
    pub(super) terms: [Option<TermWord>; 3],
}

/// A word of a provider's, of at most so many bytes; of longer ones the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TermWord([u8; 16]);

impl TermWord {
    /// Of letters, digits, hyphens and underscores; a word with anything else in it is none that has a price.
    pub(super) fn of(word: &str) -> Self {
        let mut bytes = [0; 16];
        let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let word = if plain && !word.is_empty() { word } else { "unknown" };
        bytes.iter_mut().zip(word.bytes()).for_each(|(to, from)| *to = from);
        Self(bytes)
    }

    fn text(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

/// A call of a tool, whole.
#[derive(Debug, Default)]
pub(super) struct ToolCallState {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) signature: Option<String>,
}

/// What one choice of a whole answer says.
#[derive(Debug, Default)]
pub(super) struct EncodedMessage {
    pub(super) content: String,
    pub(super) reasoning: String,
    /// Signed thoughts, each JSON.
    pub(super) thoughts: Vec<String>,
    pub(super) calls: Vec<ToolCallState>,
}

impl ChunkEncoder {
    /// A chunk that adds to one choice; `delta` writes what.
    pub(super) fn says(
        &self,
        index: u64,
        finish: Option<FinishReason>,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
    ) -> ResponseChunk {
        self.chunk(|out| {
            one(out, |out| {
                object(out, |choice| {
                    choice.raw("index", &index.to_string());
                    choice.nested("delta", |out| object(out, delta));
                    choice.raw("logprobs", "null");
                    match finish {
                        Some(finish) => choice.text("finish_reason", finish.word()),
                        None => choice.raw("finish_reason", "null"),
                    }
                });
            });
        })
    }

    /// The chunk with the token counts.
    pub(super) fn counted(&self, counts: &EncodedUsage) -> ResponseChunk {
        let mut out = self.begin();
        let mut members = ObjectWriter::begin(&mut out);
        self.head(&mut members, "chat.completion.chunk");
        members.raw("choices", "[]");
        members.nested("usage", |out| counts.write(out));
        members.end();
        finished(out)
    }

    /// A `chat.completion`.
    pub(super) fn whole(
        &self,
        choices: &[(EncodedMessage, FinishReason)],
        counts: Option<&EncodedUsage>,
    ) -> Bytes {
        let mut out = Vec::with_capacity(1024);
        object(&mut out, |members| {
            self.head(members, "chat.completion");
            members.nested("choices", |out| {
                list(out, choices.iter().enumerate(), |out, (index, (message, finish))| {
                    object(out, |choice| {
                        choice.raw("index", &index.to_string());
                        choice.nested("message", |out| object(out, |it| message.write(it)));
                        choice.raw("logprobs", "null");
                        choice.text("finish_reason", finish.word());
                    });
                });
            });
            if let Some(counts) = counts {
                members.nested("usage", |out| counts.write(out));
            }
        });
        out.into()
    }

    fn chunk(&self, choices: impl FnOnce(&mut Vec<u8>)) -> ResponseChunk {
        let mut out = self.begin();
        let mut members = ObjectWriter::begin(&mut out);
        self.head(&mut members, "chat.completion.chunk");
        members.nested("choices", choices);
        members.end();
        finished(out)
    }

    fn begin(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.id.len() + self.model.len());
        out.extend_from_slice(DATA);
        out
    }

    fn head(&self, members: &mut ObjectWriter<'_>, kind: &str) {
        members.text("id", &self.id);
        members.text("object", kind);
        members.raw("created", &self.created.to_string());
        members.text("model", &self.model);
    }
}

/// A piece of a tool call in a delta: the first has a name, and perhaps what Google wants back; all may have arguments.
pub(super) fn calls(
    delta: &mut ObjectWriter<'_>,
    number: u64,
    first: Option<&ToolCallState>,
    arguments: &str,
) {
    delta.nested("tool_calls", |out| {
        one(out, |out| {
            object(out, |call| {
                call.raw("index", &number.to_string());
                match first {
                    Some(first) => first.write(call, arguments),
                    None => call.nested("function", |out| object(out, |it| it.text("arguments", arguments))),
                }
            });
        });
    });
}

impl ToolCallState {
    fn write(&self, call: &mut ObjectWriter<'_>, arguments: &str) {
        call.text("id", &self.id);
        call.text("type", "function");
        call.nested("function", |out| {
            object(out, |function| {
                function.text("name", &self.name);
                function.text("arguments", arguments);
            });
        });
        if let Some(signature) = &self.signature {
            call.nested("extra_content", |out| {
                object(out, |extra| {
                    extra.nested("google", |out| object(out, |it| it.text("thought_signature", signature)));
                });
            });
        }
    }
}

impl EncodedMessage {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.content.is_empty()
            && self.reasoning.is_empty()
            && self.thoughts.is_empty()
            && self.calls.is_empty()
    }

    fn write(&self, message: &mut ObjectWriter<'_>) {
        message.text("role", "assistant");
        if self.content.is_empty() && !self.calls.is_empty() {
            message.raw("content", "null");
        } else {
            message.text("content", &self.content);
        }
        if !self.reasoning.is_empty() {
            message.text("reasoning_content", &self.reasoning);
        }
        if !self.thoughts.is_empty() {
            message.nested("thinking_blocks", |out| {
                list(out, &self.thoughts, |out, block| out.extend_from_slice(block.as_bytes()));
            });
        }
        message.raw("refusal", "null");
        if !self.calls.is_empty() {
            message.nested("tool_calls", |out| {
                list(out, &self.calls, |out, call| object(out, |it| call.write(it, &call.arguments)));
            });
        }
    }
}

impl EncodedUsage {
    fn write(&self, out: &mut Vec<u8>) {
        let total = self.prompt.saturating_add(self.completion);
        object(out, |usage| {
            usage.raw("prompt_tokens", &self.prompt.to_string());
            usage.raw("completion_tokens", &self.completion.to_string());
            usage.raw("total_tokens", &total.to_string());
            usage.nested("prompt_tokens_details", |out| {
                object(out, |details| {
                    details.raw("cached_tokens", &self.cached.to_string());
                    if self.audio.0 > 0 {
                        details.raw("audio_tokens", &self.audio.0.to_string());
                    }
                    let written = self.written.saturating_add(self.written_hour);
                    if written > 0 {
                        details.raw("cache_creation_input_tokens", &written.to_string());
                        details.nested("cache_creation", |out| {
                            object(out, |kinds| {
                                kinds.raw("ephemeral_5m_input_tokens", &self.written.to_string());
                                kinds.raw("ephemeral_1h_input_tokens", &self.written_hour.to_string());
                            });
                        });
                    }
                });
            });
            let of_answer = [("reasoning_tokens", self.thoughts), ("audio_tokens", self.audio.1)];
            if of_answer.iter().any(|(_, count)| *count > 0) {
                usage.nested("completion_tokens_details", |out| {
                    object(out, |details| {
                        for (name, count) in of_answer.into_iter().filter(|(_, count)| *count > 0) {
                            details.raw(name, &count.to_string());
                        }
                    });
                });
            }
            if self.searches > 0 {
                usage.nested("server_tool_use", |out| {
                    object(out, |tools| tools.raw("web_search_requests", &self.searches.to_string()));
                });
            }
            for (name, word) in ["service_tier", "speed", "inference_geo"].into_iter().zip(&self.terms) {
                if let Some(word) = word {
                    usage.text(name, word.text());
                }
            }
        });
    }

    /// As an error tells them.
    pub(super) fn told(&self) -> Option<Box<ReportedUsage>> {
        self.reported().map(Box::new)
    }

    /// As a piece of an answer tells them.
    pub(super) fn reported(&self) -> Option<ReportedUsage> {
        let mut out = Vec::new();
        self.write(&mut out);
        ReportedUsage::of(std::str::from_utf8(&out).ok()?)
    }
}

const DATA: &[u8] = b"data: ";

/// What is written becomes a chunk.
fn finished(mut out: Vec<u8>) -> ResponseChunk {
    out.extend_from_slice(b"\n\n");
    let raw = Bytes::from(out);
    let data = raw.slice(DATA.len()..raw.len() - 2);
    let what = ChunkInfo::read(&data).map_or(ChunkKind::Malformed, ChunkKind::Piece);
    ResponseChunk { raw, data, what, native: None }
}

/// The marker of success.
pub(super) fn done() -> ResponseChunk {
    let raw = Bytes::from_static(super::super::write::DONE);
    let data = raw.slice(DATA.len()..raw.len() - 2);
    ResponseChunk { raw, data, what: ChunkKind::Done, native: None }
}

/// A sign of life.
pub(super) fn alive() -> ResponseChunk {
    let raw = Bytes::from_static(b": keep-alive\n\n");
    ResponseChunk { raw, data: Bytes::new(), what: ChunkKind::KeepAlive, native: None }
}

/// An event without data: a sign of life, or what a fault has left of one.
pub(super) fn without_data(event: &SseEvent) -> ResponseChunk {
    if event.is_torn() { malformed() } else { alive() }
}

/// Hands an event on as it came: with the first of the chunks from `before` on, or with one that says nothing; those
/// after it carry nothing.
pub(super) fn carry(raw: Bytes, before: usize, chunks: &mut VecDeque<ResponseChunk>) {
    if chunks.len() == before {
        chunks.push_back(aside());
    }
    let mut raw = Some(raw);
    for chunk in chunks.iter_mut().skip(before) {
        chunk.native = Some(raw.take().unwrap_or_default());
    }
}

/// A chunk that says nothing in our words.
pub(super) fn aside() -> ResponseChunk {
    ResponseChunk { raw: Bytes::new(), data: Bytes::new(), what: ChunkKind::NativeOnly, native: None }
}

/// An event that is none of the dialect.
pub(super) fn malformed() -> ResponseChunk {
    ResponseChunk { raw: Bytes::new(), data: Bytes::new(), what: ChunkKind::Malformed, native: None }
}

/// Raw JSON of at most 128 levels with every object's names read; `None` for more.
pub(super) fn shallow(raw: &RawValue) -> Option<&str> {
    let mut cursor = super::super::scan::Cursor::over(raw.get());
    cursor.skip().ok()?;
    Some(raw.get())
}
