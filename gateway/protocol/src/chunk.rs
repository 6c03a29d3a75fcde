//! One piece of a streamed answer of the OpenAI dialect.

use std::ops::Range;

use bytes::Bytes;
use router_policies::money::ServiceTier;

use super::answer_texts::{AnswerText, is_of_thoughts, take_texts};
use super::estimate::{least, weight};
use super::finish_reason::FinishReason;
use super::json::{MemberSpans, RawObject};
use super::json_error::JsonError;
use super::json_str::JsonStr;
use super::provider_error::ProviderError;
use super::scan::{Cursor, ValueKind, text_of};
use super::sse::SseEvent;
use super::usage::ReportedUsage;

/// What the gateway must know of a chunk, or of a whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChunkInfo {
    /// Characters of content, reasoning, refusal and tool call arguments, over all choices.
    pub text: usize,
    /// The same text in thousandths of a token, estimated; add them up over a stream.
    pub weight: u64,
    /// Tokens that the same text has at least.
    pub least: u64,
    /// Whether it carries any text, a tool call, a picture or a sound: a first token. A chunk that only says `role` does not.
    pub begins: bool,
    /// Whether it says that the model thinks, in words or without.
    pub thinks: bool,
    /// Why an answer ended; of several choices the gravest, or the last.
    pub finish: Option<FinishReason>,
    /// How many choices ended with this chunk.
    pub finished: u32,
    /// Token counts, if it has any.
    pub usage: Option<ReportedUsage>,
    /// Where its text lies in the data, still escaped, if all that it says is the `content` of one choice.
    pub content: Option<Range<usize>>,
    /// Whether `choices` is empty or missing.
    pub choices_empty: bool,
    /// Whether there is an `error`, or MiniMax' `base_resp` with a status.
    pub(super) failed: bool,
    /// How many texts and calls it has.
    said: u32,
}

/// What a chunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkKind {
    /// A piece of the answer.
    Piece(ChunkInfo),
    /// The marker of success, `[DONE]`.
    Done,
    /// The upstream failed in the middle.
    Error(ProviderError),
    /// A comment or a blank line, without data; or another API's event that says only that the model is at work, with its data.
    KeepAlive,
    /// An event of another dialect that says nothing in ours. Only a client of that dialect gets it.
    NativeOnly,
    /// Neither JSON object nor marker.
    Malformed,
}

/// A chunk with the bytes that it came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseChunk {
    /// The bytes of the whole event.
    pub raw: Bytes,
    /// Its data.
    pub data: Bytes,
    /// What it is.
    pub what: ChunkKind,
    /// Where the client speaks the upstream's dialect, and that is not OpenAI's: what the client gets in place of
    /// `raw`, byte for byte. Empty where an event makes several chunks, from the second on.
    pub native: Option<Bytes>,
}

/// Reads an event in one pass, copying nothing.
pub fn read_chunk(event: SseEvent) -> ResponseChunk {
    let what = if event.comment {
        if event.is_torn() { ChunkKind::of_torn(&event.raw) } else { ChunkKind::KeepAlive }
    } else if event.data.trim_ascii() == b"[DONE]" {
        ChunkKind::Done
    } else if event.event.as_ref().is_some_and(|event| &event[..] == b"error") {
        ChunkKind::Error(ProviderError::read(None, &event.data))
    } else {
        match ChunkInfo::read(&event.data) {
            // An error has any of several shapes; an end that is a failure is one of them.
            Ok(piece) => piece.complaint(&event.data).map_or(ChunkKind::Piece(piece), ChunkKind::Error),
            Err(_) if event.is_idle() => ChunkKind::NativeOnly,
            Err(_) => ChunkKind::Malformed,
        }
    };
    let SseEvent { raw, data, .. } = event;
    ResponseChunk { raw, data, what, native: None }
}

impl ChunkKind {
    /// What is left of an event: an error that came as a whole body, without the framing of a stream, is one all the same.
    fn of_torn(raw: &[u8]) -> Self {
        let bare = ChunkInfo::read(raw.trim_ascii()).ok().and_then(|piece| piece.complaint(raw.trim_ascii()));
        bare.map_or(Self::Malformed, Self::Error)
    }
}

impl ResponseChunk {
    /// Whether it shows that the model is at work: it says something in the upstream's own words, if not to the reader. A
    /// comment does not: a proxy before a model that hangs writes those too.
    #[inline]
    pub fn is_sign_of_life(&self) -> bool {
        match self.what {
            ChunkKind::Piece(_) | ChunkKind::NativeOnly => true,
            ChunkKind::KeepAlive => !self.data.is_empty(),
            ChunkKind::Done | ChunkKind::Error(_) | ChunkKind::Malformed => false,
        }
    }

    /// The bytes without a `usage` that is not null. `None`: the chunk was there for the usage only (it has no choices),
    /// and is swallowed.
    pub fn without_usage(self) -> Option<Bytes> {
        let ChunkKind::Piece(ChunkInfo { usage: Some(_), choices_empty, .. }) = &self.what else {
            return Some(self.raw);
        };
        if *choices_empty {
            return None;
        }
        let Ok(object) = RawObject::skim(self.data.clone()) else { return Some(self.raw) };
        if object.get("usage").is_none_or(|usage| usage == b"null") {
            return Some(self.raw);
        }
        let data = object.edited(&[("usage", None)]);
        Some(replaced(&self.raw, &self.data, &data))
    }
}

/// The raw bytes of an event with other data. Where the data are a slice of the raw bytes, the rest stays; where they
/// were several lines, the event is written anew: white space between the parts of a JSON text does not matter.
pub(super) fn replaced(raw: &Bytes, old: &Bytes, new: &[u8]) -> Bytes {
    let at = (old.as_ptr() as usize).checked_sub(raw.as_ptr() as usize);
    match at.filter(|at| at + old.len() <= raw.len()) {
        Some(at) => [&raw[..at], new, &raw[at + old.len()..]].concat().into(),
        None => {
            let line: Vec<u8> = new.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
            [b"data: ", &line[..], b"\n\n"].concat().into()
        }
    }
}

/// A piece that is being read.
struct ParsedChunk {
    piece: ChunkInfo,
    /// The usage that a choice has.
    second: Option<ReportedUsage>,
    /// How soon the upstream worked.
    tier: Option<ServiceTier>,
}

impl Default for ParsedChunk {
    fn default() -> Self {
        Self { piece: ChunkInfo { choices_empty: true, ..ChunkInfo::default() }, second: None, tier: None }
    }
}

impl ParsedChunk {
    /// Takes the value of a member.
    fn member(&mut self, cursor: &mut Cursor<'_>, name: &JsonStr<'_>) -> Result<(), JsonError> {
        match name.raw {
            "choices" => self.piece.choices(cursor, &mut self.second)?,
            "usage" => self.piece.usage = ReportedUsage::read(cursor)?,
            "error" => self.piece.failed |= truthy(cursor.skip()?),
            "service_tier" if cursor.kind()? == ValueKind::String => {
                self.tier = Some(ServiceTier::of(&cursor.string()?.cow()));
            }
            "base_resp" => self.piece.base(cursor)?,
            _ => drop(cursor.skip()?),
        }
        Ok(())
    }

    fn read(self) -> ChunkInfo {
        let Self { mut piece, second, tier } = self;
        piece.usage = piece.usage.or(second);
        if let Some(usage) = &mut piece.usage {
            usage.extras.tier = usage.extras.tier.or(tier);
        }
        let alone = |content: &Range<usize>| piece.said == 1 && !content.is_empty();
        piece.content = piece.content.take().filter(alone);
        piece
    }
}

impl ChunkInfo {
    /// What went wrong, where this is no piece of an answer: it has an error, in whichever shape, or it ends in a failure.
    /// What it tells of tokens is kept. `data`: what it was read from.
    pub(super) fn complaint(&self, data: &[u8]) -> Option<ProviderError> {
        let complaint = if self.failed {
            ProviderError::read(None, data)
        } else if self.finish == Some(FinishReason::Failed) {
            ProviderError::of_end(data)
        } else if self.choices_empty && self.usage.is_none() {
            return ProviderError::nameless(data);
        } else {
            return None;
        };
        Some(ProviderError { usage: self.usage.map(Box::new).or(complaint.usage), ..complaint })
    }

    /// Whether it ends an answer for a reason that nobody knows.
    pub fn is_unknown_end(&self) -> bool {
        self.finish == Some(FinishReason::Other)
    }

    /// Reads a chunk, or a whole answer, which has `message` where a chunk has `delta`.
    pub(super) fn read(data: &[u8]) -> Result<Self, JsonError> {
        let mut cursor = Cursor::over(text_of(data)?);
        let mut reading = ParsedChunk::default();
        cursor.members(|cursor, name| reading.member(cursor, &name))?;
        cursor.end()?;
        Ok(reading.read())
    }

    /// The same, and where its members lie.
    pub(super) fn read_placed(data: &[u8]) -> Result<(Self, MemberSpans), JsonError> {
        let mut reading = ParsedChunk::default();
        let places = MemberSpans::found(text_of(data)?, |cursor, name| reading.member(cursor, name))?;
        Ok((reading.read(), places))
    }

    fn choices(
        &mut self,
        cursor: &mut Cursor<'_>,
        usage: &mut Option<ReportedUsage>,
    ) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Array {
            return cursor.skip().map(drop);
        }
        cursor.elements(|cursor, _| {
            self.choices_empty = false;
            if cursor.kind()? != ValueKind::Object {
                return cursor.skip().map(drop);
            }
            cursor.members(|cursor, name| match name.raw {
                "delta" | "message" => self.message(cursor),
                // A completion's.
                "text" => self.content(cursor),
                // Moonshot's place for it.
                "usage" => {
                    *usage = ReportedUsage::read(cursor)?;
                    Ok(())
                }
                "finish_reason" if cursor.kind()? == ValueKind::String => {
                    let word = cursor.string()?;
                    // Some say "" where others say null.
                    if !word.raw.is_empty() {
                        let finish = FinishReason::of(&word.cow());
                        self.finish = Some(self.finish.map_or(finish, |before| before.then(finish)));
                        self.finished += 1;
                    }
                    Ok(())
                }
                _ => cursor.skip().map(drop),
            })
        })
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        // Some say the same thought under several names.
        let mut thought = false;
        cursor.members(|cursor, name| match name.raw {
            "content" => self.content(cursor),
            "refusal" => self.said(cursor),
            "tool_calls" => self.calls(cursor),
            "function_call" => self.call(cursor),
            "images" | "audio" => self.shown(cursor),
            "thinking_blocks" => self.sealed(cursor),
            name if is_of_thoughts(name) && !thought => {
                let before = self.said;
                self.texts(cursor, AnswerText::Thought)?;
                thought = self.said > before;
                Ok(())
            }
            _ => cursor.skip().map(drop),
        })
    }

    /// Pictures and sound, which have no text.
    fn shown(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        let raw = cursor.skip()?;
        if !matches!(raw, "null" | "[]" | "{}" | "\"\"") {
            self.begins = true;
            self.said += 1;
        }
        Ok(())
    }

    /// The text of the answer proper.
    fn content(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::String {
            return self.said(cursor);
        }
        let text = cursor.string()?;
        self.content = Some(text.at..text.at + text.raw.len());
        self.count(text);
        Ok(())
    }

    /// Text of the answer: a string, or parts.
    fn said(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        self.texts(cursor, AnswerText::Said)
    }

    fn texts(&mut self, cursor: &mut Cursor<'_>, kind: AnswerText) -> Result<(), JsonError> {
        take_texts(cursor, kind, &mut |kind, text| {
            if kind == AnswerText::Sealed {
                return self.seal(text);
            }
            self.thinks |= kind == AnswerText::Thought && !text.raw.is_empty();
            self.count(text);
        })
    }

    /// Thoughts as Anthropic wants them back: what they say was said before, in words.
    fn sealed(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        take_texts(cursor, AnswerText::Thought, &mut |_, text| self.seal(text))
    }

    /// A thought that has no words for us.
    fn seal(&mut self, text: JsonStr<'_>) {
        self.thinks = true;
        self.begins |= !text.raw.is_empty();
        self.said += u32::from(!text.raw.is_empty());
    }

    fn calls(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Array {
            return cursor.skip().map(drop);
        }
        cursor.elements(|cursor, _| {
            if cursor.kind()? != ValueKind::Object {
                return cursor.skip().map(drop);
            }
            self.begins = true;
            self.said += 1;
            cursor.members(|cursor, name| match name.raw {
                "function" | "custom" => self.call(cursor),
                _ => cursor.skip().map(drop),
            })
        })
    }

    fn call(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
            return cursor.skip().map(drop);
        }
        self.begins = true;
        self.said += 1;
        cursor.members(|cursor, name| match name.raw {
            "name" | "arguments" | "input" => self.said(cursor),
            _ => cursor.skip().map(drop),
        })
    }

    fn count(&mut self, text: JsonStr<'_>) {
        self.add(&text.cow());
    }

    /// Adds a text of the answer.
    pub(super) fn add(&mut self, text: &str) {
        self.begins |= !text.is_empty();
        self.said += u32::from(!text.is_empty());
        self.text += text.chars().count();
        self.weight += weight(text);
        self.least += least(text);
    }

    /// MiniMax says in `base_resp.status_code` that a 200 is an error.
    fn base(&mut self, cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
        if cursor.kind()? != ValueKind::Object {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::chunk_reader::ChunkReader;
    use super::super::sse::SseParser;
    use super::*;

    /// A stream of chunks that are alike and of others in between.
    fn events() -> impl Strategy<Value = Vec<String>> {
        let text = prop_oneof![
            "[a-zA-Z ,.你好é]{0,8}",
            Just("\\n".to_owned()),
            Just("\",\"x\":\"".to_owned()),
            Just("\"},\"finish_reason\":\"stop".to_owned()),
            Just("\u{1}".to_owned()),
            Just("\\".to_owned()),
        ];
        let shape = prop_oneof![
            8 => Just(r#"{"id":"1","choices":[{"index":0,"delta":{"content":"@"},"finish_reason":null}]}"#),
            1 => Just(r#"{"id":"1","choices":[{"index":0,"delta":{"content":"@"},"finish_reason":"stop"}]}"#),
            1 => Just(r#"{"id":"1","choices":[{"index":0,"delta":{"content":"@"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#),
            1 => Just(r#"{"choices":[{"delta":{"content":"@","reasoning":"@"}}]}"#),
            1 => Just(r#"{"choices":[{"delta":{"content":"@"}},{"delta":{"content":"@"}}]}"#),
            1 => Just(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}@"#),
            1 => Just("[DONE]"),
        ];
        proptest::collection::vec((shape, text).prop_map(|(shape, text)| shape.replace('@', &text)), 1..12)
    }

    proptest! {
        #[test]
        fn a_chunk_is_read_the_same_whatever_came_before(events in events()) {
            let mut reader = ChunkReader::default();
            for event in events {
                let data = Bytes::from(event);
                let event = SseEvent { raw: data.clone(), data, ..SseEvent::default() };
                prop_assert_eq!(reader.read(event.clone()), read_chunk(event));
            }
        }
    }

    #[test]
    fn what_follows_a_like_chunk_is_read_by_its_text() {
        let event = |text: &str| {
            let data = Bytes::from(format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#));
            SseEvent { raw: data.clone(), data, ..SseEvent::default() }
        };
        let mut reader = ChunkReader::default();
        assert!(reader.alike(&event("one")).is_none());
        reader.read(event("one"));
        assert!(reader.alike(&event(" two")).is_some());
        assert!(reader.alike(&event("")).is_none() && reader.alike(&event("a\\n")).is_none());
        let named = SseEvent { event: Some(Bytes::from_static(b"error")), ..event("three") };
        assert!(reader.alike(&named).is_none());
    }

    fn chunk(data: &str) -> ResponseChunk {
        let mut splitter = SseParser::new();
        splitter.feed(Bytes::from(format!("data: {data}\n\n")));
        read_chunk(splitter.next().unwrap().unwrap())
    }

    fn piece(data: &str) -> ChunkInfo {
        match chunk(data).what {
            ChunkKind::Piece(piece) => piece,
            other => panic!("{data}: {other:?}"),
        }
    }

    fn delta(delta: &str) -> ChunkInfo {
        piece(&format!(r#"{{"id":"x","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#))
    }

    #[test]
    fn first_tokens_are_told_from_preludes() {
        let check = |given: &str, text: usize, begins: bool| {
            let piece = delta(given);
            assert_eq!((piece.text, piece.begins, piece.weight > 0), (text, begins, text > 0), "{given}");
        };
        check("{}", 0, false);
        check("null", 0, false);
        check(r#"{"role":"assistant"}"#, 0, false);
        check(r#"{"role":"assistant","content":""}"#, 0, false);
        check(r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":null}"#, 0, false);
        check(r#"{"content":"你好🙂"}"#, 3, true);
        check(r#"{"content":"\u4f60\ud83d\ude00\n"}"#, 3, true);
        check(r#"{"content":[{"type":"text","text":"ab"}]}"#, 2, true);
        check(r#"{"reasoning_content":"hm"}"#, 2, true);
        check(r#"{"reasoning":"hm"}"#, 2, true);
        check(r#"{"reasoning_content":"hm","reasoning":"hm"}"#, 2, true);
        check(r#"{"reasoning":"","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#, 2, true);
        check(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"c2VhbGVk"}]}"#, 0, true);
        check(r#"{"thinking_blocks":[{"type":"redacted_thinking","data":"c2VhbGVk"}]}"#, 0, true);
        check(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#, 2, true);
        check(r#"{"content":[{"type":"thinking","thinking":[]}]}"#, 0, false);
        check(r#"{"thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"s"}]}"#, 0, true);
        check(r#"{"refusal":"no"}"#, 2, true);
        check(
            r#"{"tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":""}}]}"#,
            1,
            true,
        );
        check(r#"{"tool_calls":[{"index":1000000000,"function":{"arguments":"{\"a\""}}]}"#, 4, true);
        check(r#"{"tool_calls":[{"index":0}]}"#, 0, true);
        check(r#"{"function_call":{"name":"f","arguments":"{}"}}"#, 3, true);
    }

    #[test]
    fn what_says_that_the_model_thinks_is_a_sign_of_life() {
        let check = |given: &str, thinks: bool| assert_eq!(delta(given).thinks, thinks, "{given}");
        for thought in ["reasoning_content", "reasoning", "reasoning_text", "thinking"] {
            check(&format!(r#"{{"{thought}":"hm"}}"#), true);
            check(&format!(r#"{{"{thought}":""}}"#), false);
            check(&format!(r#"{{"{thought}":null}}"#), false);
        }
        check(r#"{"role":"assistant","content":"hm"}"#, false);
        check(r#"{"content":[{"type":"text","text":"hm"}]}"#, false);
        check(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#, true);
        check(r#"{"content":[{"type":"thinking","thinking":[]}]}"#, true);
        check(r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"c2VhbGVk"}]}"#, true);
        check(r#"{"thinking_blocks":[{"type":"thinking","thinking":"","signature":"s"}]}"#, true);
        check(r#"{"tool_calls":[{"index":0}]}"#, false);
    }

    #[test]
    fn a_lone_content_is_found_in_the_data() {
        let check = |given: &str, expected: Option<&str>| {
            let chunk = chunk(&format!(r#"{{"id":"x","choices":[{{"index":0,"delta":{given}}}]}}"#));
            let ChunkKind::Piece(piece) = &chunk.what else { panic!("{given}") };
            let found = piece.content.clone().map(|range| std::str::from_utf8(&chunk.data[range]).unwrap());
            assert_eq!(found, expected, "{given}");
        };
        check(r#"{"role":"assistant","content":"你好"}"#, Some("你好"));
        check(r#"{"content":"a\n\u4f60","reasoning_content":null}"#, Some(r"a\n\u4f60"));
        check(r#"{"content":"a\n","refusal":""}"#, Some(r"a\n"));
        check(r#"{"role":"assistant","content":""}"#, None);
        check(r#"{"content":"a","reasoning_content":"b"}"#, None);
        check(r#"{"content":[{"type":"text","text":"ab"}]}"#, None);
        check(r#"{"content":"a","tool_calls":[{"index":0}]}"#, None);
        check("{}", None);
    }

    #[test]
    fn ends_are_found() {
        let end = |word: &str| {
            piece(&format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":{word}}}]}}"#)).finish
        };
        for (word, finish) in [
            ("null", None),
            ("\"\"", None),
            ("\"stop\"", Some(FinishReason::Stop)),
            ("\"length\"", Some(FinishReason::Length)),
            ("\"tool_calls\"", Some(FinishReason::ToolCalls)),
            ("\"function_call\"", Some(FinishReason::ToolCalls)),
            ("\"content_filter\"", Some(FinishReason::ContentFilter)),
            ("\"eos\"", Some(FinishReason::Stop)),
            ("\"because\"", Some(FinishReason::Other)),
        ] {
            assert_eq!(end(word), finish, "{word}");
        }
        let two = piece(r#"{"choices":[{"finish_reason":"stop"},{"index":1,"finish_reason":"length"}]}"#);
        assert_eq!((two.finish, two.finished), (Some(FinishReason::Length), 2));
    }

    #[test]
    fn other_chunks_are_told_apart() {
        let check = |data: &str, what: ChunkKind| assert_eq!(chunk(data).what, what, "{data}");
        check("[DONE]", ChunkKind::Done);
        check("  [DONE] ", ChunkKind::Done);
        check("{\"choices\":[", ChunkKind::Malformed);
        check("hello", ChunkKind::Malformed);
        for idle in ["null", "[]", "\"\"", "ping", "Keep-Alive"] {
            check(idle, ChunkKind::NativeOnly);
        }
        check("{} x", ChunkKind::Malformed);
        for data in [
            r#"{"error":{"message":"overloaded","code":"slow_down"}}"#,
            r#"{"choices":[],"error":"overloaded"}"#,
            r#"{"base_resp":{"status_code":1013,"status_msg":"overloaded"}}"#,
            r#"{"code":"Throttling","message":"overloaded","request_id":"r"}"#,
            r#"{"object":"error","message":"overloaded","code":50301}"#,
        ] {
            let ChunkKind::Error(complaint) = chunk(data).what else { panic!("{data}") };
            assert_eq!((complaint.status, &*complaint.message), (None, "overloaded"));
        }
        for data in [
            r#"{"error":null,"choices":[]}"#,
            r#"{"error":{},"base_resp":{"status_code":0}}"#,
            r#"{"choices":[],"code":0,"message":"success"}"#,
            r#"{"id":"x","object":"chat.completion.chunk","choices":[],"prompt_filter_results":[]}"#,
        ] {
            assert!(piece(data).choices_empty, "{data}");
        }
        let mut splitter = SseParser::new();
        splitter.feed(Bytes::from_static(b": keep-alive\n\nevent: error\ndata: {\"message\":\"gone\"}\n\n"));
        assert_eq!(read_chunk(splitter.next().unwrap().unwrap()).what, ChunkKind::KeepAlive);
        let ChunkKind::Error(complaint) = read_chunk(splitter.next().unwrap().unwrap()).what else {
            panic!()
        };
        assert_eq!(complaint.message, "gone");
    }

    #[test]
    fn an_end_that_is_a_failure_is_an_error_with_its_tokens() {
        let usage = r#""usage":{"prompt_tokens":5,"completion_tokens":7}"#;
        for word in ["error", "insufficient_system_resource", "network_error", "abort"] {
            let data =
                format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{word}"}}],{usage}}}"#);
            let ChunkKind::Error(complaint) = chunk(&data).what else { panic!("{data}") };
            assert_eq!(complaint.code.as_deref(), Some(word));
            assert_eq!(complaint.usage.and_then(|usage| usage.completion), Some(7));
        }
        let both = r#"{"choices":[{"index":0,"finish_reason":"error"},{"index":1,"finish_reason":"stop"}]}"#;
        assert!(matches!(chunk(both).what, ChunkKind::Error(_)));
        let told = r#"{"error":{"message":"gone","code":502},"choices":[{"finish_reason":"error"}]}"#;
        assert!(matches!(chunk(told).what, ChunkKind::Error(complaint) if complaint.message == "gone"));
    }

    #[test]
    fn what_a_fault_has_left_of_an_event_is_no_comment() {
        let read = |text: &'static str| {
            let mut splitter = SseParser::new();
            splitter.feed(Bytes::from_static(text.as_bytes()));
            read_chunk(splitter.next().unwrap().unwrap()).what
        };
        for torn in ["ta: {\"choices\":[]}\n\n", "{\"choices\":[]}\n\n", "ices\":[{\"delta\":{}}]}\n\n"] {
            assert_eq!(read(torn), ChunkKind::Malformed, "{torn}");
        }
        for fine in [": {}\n\n", "\n", "id: {1}\n\n", "retry: 3\n\n", "x-field: 1\n\n"] {
            assert_eq!(read(fine), ChunkKind::KeepAlive, "{fine}");
        }
    }

    #[test]
    fn usage_is_found_in_every_place() {
        let usage = r#""usage":{"prompt_tokens":5,"completion_tokens":7}"#;
        for data in [
            format!(r#"{{"choices":[],{usage}}}"#),
            format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],{usage}}}"#),
            format!(r#"{{"choices":[{{"delta":{{}},{usage}}}]}}"#),
            format!("{{{usage}}}"),
        ] {
            let reported = piece(&data).usage.unwrap();
            assert_eq!((reported.prompt, reported.completion), (Some(5), Some(7)), "{data}");
        }
        assert_eq!(piece(r#"{"choices":[],"usage":null}"#).usage, None);
        assert_eq!(piece(r#"{"choices":[],"usage":{}}"#).usage, None);
    }

    #[test]
    fn usage_is_taken_out_for_who_did_not_ask() {
        let check = |raw: &'static str, expected: Option<&'static str>| {
            let mut splitter = SseParser::new();
            splitter.feed(Bytes::from_static(raw.as_bytes()));
            let chunk = read_chunk(splitter.next().unwrap().unwrap());
            assert_eq!(
                chunk.without_usage(),
                expected.map(|text| Bytes::from_static(text.as_bytes())),
                "{raw}"
            );
        };
        check("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n", None);
        check("data: {\"usage\":{\"prompt_tokens\":1}}\n\n", None);
        let kept = "data: {\"choices\":[],\"usage\":null}\n\n";
        check(kept, Some(kept));
        let azure = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
        check(azure, Some(azure));
        check(
            "id: 7\r\ndata: {\"choices\":[{}], \"usage\":{\"prompt_tokens\":1}, \"x\":1}\r\n\r\n",
            Some("id: 7\r\ndata: {\"choices\":[{}], \"x\":1}\r\n\r\n"),
        );
        check(
            ": {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}\ndata: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}\n\n",
            Some(": {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1}}\ndata: {\"choices\":[{}]}\n\n"),
        );
        check(
            "data: {\"choices\":[{}],\ndata: \"usage\":{\"prompt_tokens\":1},\ndata: \"x\":1}\n\n",
            Some("data: {\"choices\":[{}], \"x\":1}\n\n"),
        );
        let done = "data: [DONE]\n\n";
        check(done, Some(done));
    }

    /// Any values where a chunk has its members: mostly objects, with what is no chunk at all among them.
    fn any_data() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("1e9".to_owned()),
            Just("-5".to_owned()),
            Just("[]".to_owned()),
            Just("{}".to_owned()),
            Just("\"\"".to_owned()),
            Just("\"stop\"".to_owned()),
            Just("\"\\ud800\"".to_owned()),
            Just("{\"prompt_tokens\":3,\"completion_tokens\":2}".to_owned()),
        ];
        let value = leaf.prop_recursive(5, 40, 4, |inner| {
            let name = proptest::sample::select(vec![
                "choices",
                "delta",
                "message",
                "content",
                "usage",
                "error",
                "finish_reason",
                "tool_calls",
                "a",
            ]);
            let members = proptest::collection::btree_map(name, inner.clone(), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            });
            let list =
                proptest::collection::vec(inner, 0..3).prop_map(|list| format!("[{}]", list.join(",")));
            prop_oneof![3 => members, 1 => list]
        });
        let broken = "(\\{|\\}|\\[|\\]|:|,|\"(choices|delta|usage|error|a)\"|null|1e9){0,40}";
        prop_oneof![9 => value, 1 => broken]
    }

    proptest! {
        /// A chunk is what a reader of JSON makes of it, and without its usage it says all else as before.
        #[test]
        fn any_data_are_read_as_json(data in any_data()) {
            let chunk = chunk(&data);
            let value = serde_json::from_str::<Value>(&data).ok().filter(Value::is_object);
            let piece = match &chunk.what {
                ChunkKind::Piece(piece) => piece.clone(),
                ChunkKind::Error(_) => {
                    prop_assert!(value.is_some_and(|value| !value["error"].is_null()), "{}", data);
                    return Ok(());
                }
                // A lone surrogate is no text, though it passes where nothing is made of it.
                ChunkKind::Malformed => {
                    prop_assert!(value.is_none() || data.contains("\\ud800"), "{}", data);
                    return Ok(());
                }
                ChunkKind::KeepAlive if data.is_empty() => return Ok(()),
                ChunkKind::NativeOnly if value.is_none() => return Ok(()),
                other => panic!("{data}: {other:?}"),
            };
            let Some(mut value) = value else { panic!("{data}: {piece:?}") };
            let choices = value["choices"].as_array().map_or(0, Vec::len);
            prop_assert_eq!(piece.choices_empty, choices == 0, "{}", data);
            let told = chunk.without_usage();
            if piece.usage.is_some() && piece.choices_empty {
                prop_assert_eq!(told, None);
                return Ok(());
            }
            let told = told.expect("what has choices is told");
            let told = std::str::from_utf8(&told).expect("text").trim().strip_prefix("data: ").expect("an event");
            let told: Value = serde_json::from_str(told).expect("JSON");
            // A choice's own stays, and so does none at all.
            if piece.usage.is_some() && !value["usage"].is_null() {
                value.as_object_mut().expect("it is one").remove("usage");
            }
            prop_assert_eq!(told, value, "{}", data);
        }
    }
}
