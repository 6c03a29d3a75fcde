//! Folds a stream into one whole answer.

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::call_pieces::{CallPiece, CallPieces};
use super::chunk::{ChunkKind, ResponseChunk};
use super::finish_reason::FinishReason;
use super::json::string;
use super::usage::FinalUsage;

/// Choices of an answer, and tool calls of a choice. Nothing is ever allocated by an index.
const MOST: u64 = 128;
/// Bytes of all chunks together.
const LONGEST: usize = 64 << 20;

/// Why a stream cannot be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// An index of a choice or a tool call beyond 127.
    #[error("an index of {0} in the answer")]
    Index(u64),
    /// More than 64 MiB.
    #[error("an answer longer than {0} bytes")]
    TooLong(usize),
    /// A chunk that is not of the shape of a chunk.
    #[error("a chunk of an unknown shape")]
    Shape,
}

/// An answer under way.
#[derive(Debug, Clone, Default)]
pub struct ResponseAggregator {
    /// What the chunks say of the whole: id, created, model and what the gateway does not know; the last word counts.
    head: Map<String, Value>,
    choices: Vec<GatheredChoice>,
    bytes: usize,
    /// Whether it was ended before its upstream did.
    cut: bool,
}

#[derive(Debug, Clone)]
struct GatheredChoice {
    index: u64,
    message: Map<String, Value>,
    content: GatheredContent,
    calls: Vec<Map<String, Value>>,
    pieces: CallPieces,
    /// Whether every piece of a call had a number.
    numbered: bool,
    logprobs: Option<Map<String, Value>>,
    finish: Value,
}

impl ResponseAggregator {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends what has not ended, as long as allowed.
    pub fn cut_short(&mut self) {
        self.cut = true;
        for choice in self.choices.iter_mut().filter(|choice| choice.finish.is_null()) {
            choice.finish = FinishReason::Length.word().into();
        }
    }

    /// Whether it was ended before its upstream did.
    #[inline]
    pub fn is_cut_short(&self) -> bool {
        self.cut
    }

    /// Adds a chunk. Others than pieces change nothing.
    pub fn see(&mut self, chunk: &ResponseChunk) -> Result<(), AggregateError> {
        if !matches!(chunk.what, ChunkKind::Piece(_)) {
            return Ok(());
        }
        self.bytes += chunk.data.len();
        if self.bytes > LONGEST {
            return Err(AggregateError::TooLong(LONGEST));
        }
        let chunk: Map<String, Value> =
            serde_json::from_slice(&chunk.data).map_err(|_| AggregateError::Shape)?;
        for (key, value) in chunk {
            match (key.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    for choice in choices {
                        self.choice(choice)?;
                    }
                }
                ("choices" | "object", _) | (_, Value::Null) => {}
                (_, value) => drop(self.head.insert(key, value)),
            }
        }
        Ok(())
    }

    /// The whole answer, a `chat.completion`, its choices in the order of their indices.
    pub fn whole(&self, usage: &FinalUsage) -> Bytes {
        let mut choices: Vec<_> = self.choices.iter().collect();
        choices.sort_by_key(|choice| choice.index);
        let choices: Vec<_> = choices.into_iter().map(GatheredChoice::whole).collect();
        let own = self.head.get("usage").map(Value::to_string);
        let usage = usage.object(own.as_deref().map(str::as_bytes));
        let mut out = String::from("{");
        let rest = self.head.iter().filter(|(key, _)| *key != "usage" && *key != "id");
        for (key, value) in self.head.get_key_value("id").into_iter().chain(rest) {
            out.push_str(&format!("{}:{value},", string(key)));
        }
        let usage = String::from_utf8_lossy(&usage);
        let choices = Value::Array(choices);
        out.push_str(&format!(r#""object":"chat.completion","choices":{choices},"usage":{usage}}}"#));
        out.into()
    }

    fn choice(&mut self, choice: Value) -> Result<(), AggregateError> {
        let Value::Object(mut choice) = choice else { return Err(AggregateError::Shape) };
        let index = index(&choice)?;
        let at = self.choices.iter().position(|known| known.index == index);
        let at = at.unwrap_or_else(|| {
            self.choices.push(GatheredChoice::new(index));
            self.choices.len() - 1
        });
        let known = &mut self.choices[at];
        match choice.remove("delta") {
            Some(Value::Object(delta)) => known.add(delta)?,
            None | Some(Value::Null) => {}
            Some(_) => return Err(AggregateError::Shape),
        }
        // A completion's piece.
        if let Some(text @ Value::String(_)) = choice.remove("text") {
            known.add(Map::from_iter([("content".to_owned(), text)]))?;
        }
        if let Some(Value::Object(logprobs)) = choice.remove("logprobs") {
            merge(known.logprobs.get_or_insert_default(), logprobs);
        }
        if let Some(Value::String(finish)) = choice.remove("finish_reason")
            && !finish.is_empty()
        {
            known.finish = Value::String(finish);
        }
        Ok(())
    }
}

impl GatheredChoice {
    fn new(index: u64) -> Self {
        Self {
            index,
            message: Map::new(),
            content: GatheredContent::default(),
            calls: Vec::new(),
            pieces: CallPieces::default(),
            numbered: true,
            logprobs: None,
            finish: Value::Null,
        }
    }

    fn add(&mut self, mut delta: Map<String, Value>) -> Result<(), AggregateError> {
        delta.remove("role");
        if let Some(Value::Array(calls)) = delta.remove("tool_calls") {
            for (place, call) in (0..).zip(calls) {
                self.call(place, call)?;
            }
        }
        if let Some(content) = delta.remove("content") {
            self.content.add(content);
        }
        if let Some(Value::Object(sound)) = delta.remove("audio") {
            self.sound(sound);
        }
        merge(&mut self.message, delta);
        Ok(())
    }

    /// A piece of the sound: its id is the same in each, and each piece of its data may be padded as if it were the last.
    fn sound(&mut self, mut sound: Map<String, Value>) {
        let known = self.message.entry("audio").or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(known) = known else { return };
        if known.contains_key("id") {
            sound.remove("id");
        }
        if let (Some(Value::String(old)), Some(Value::String(new))) =
            (known.get_mut("data"), sound.get("data"))
            && old.ends_with('=')
            && let (Ok(mut bytes), Ok(more)) = (BASE64.decode(old.as_bytes()), BASE64.decode(new.as_bytes()))
        {
            bytes.extend_from_slice(&more);
            *old = BASE64.encode(&bytes);
            sound.remove("data");
        }
        merge(known, sound);
    }

    /// A piece of a tool call: the first has id, type and name, the others go on with its arguments.
    fn call(&mut self, place: u64, call: Value) -> Result<(), AggregateError> {
        let Value::Object(mut call) = call else { return Err(AggregateError::Shape) };
        index(&call)?;
        let number = call.remove("index").and_then(|index| index.as_u64());
        self.numbered &= number.is_some();
        as_text(&mut call);
        let said = |outer: Option<&Value>, name: &str| {
            outer.and_then(|it| it.get(name)?.as_str()).unwrap_or_default().to_owned()
        };
        let id = call.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let what = call.get("function").or_else(|| call.get("custom"));
        let (name, arguments) = (said(what, "name"), said(what, "arguments"));
        let piece = CallPiece { index: number, place, id: &id, name: &name, arguments: &arguments };
        let placed = self.pieces.take(piece).ok_or(AggregateError::Index(MOST))?;
        let Some(known) = self.calls.get_mut(placed.number) else {
            self.calls.push(call);
            return Ok(());
        };
        for key in ["id", "type"] {
            if known.get(key).and_then(Value::as_str).is_some_and(|it| !it.is_empty()) {
                call.remove(key);
            }
        }
        for key in ["function", "custom"] {
            if let Some(Value::Object(what)) = call.get_mut(key) {
                what.insert("name".into(), placed.name.into());
            }
        }
        merge(known, call);
        Ok(())
    }

    fn whole(&self) -> Value {
        let mut message = self.message.clone();
        message.insert("role".into(), "assistant".into());
        message.insert("content".into(), self.content.whole());
        message.entry("refusal").or_insert(Value::Null);
        if !self.calls.is_empty() {
            let mut order: Vec<usize> = (0..self.calls.len()).collect();
            if self.numbered {
                order.sort_by_key(|number| self.pieces.index(*number));
            }
            let calls = order.into_iter().map(|number| Value::Object(self.calls[number].clone())).collect();
            message.insert("tool_calls".into(), Value::Array(calls));
        }
        json!({"index": self.index, "message": message, "logprobs": self.logprobs, "finish_reason": self.finish})
    }
}

/// What a message says: a text, or parts where the upstream writes parts (Mistral, for what its models think).
#[derive(Debug, Clone, Default)]
struct GatheredContent {
    /// `None`: nothing but null so far.
    text: Option<String>,
    /// All of it, once there was a part that is no text.
    parts: Vec<Value>,
}

impl GatheredContent {
    fn add(&mut self, content: Value) {
        match content {
            Value::String(text) => self.add_text(&text),
            Value::Array(parts) => parts.into_iter().for_each(|part| self.add_part(part)),
            _ => {}
        }
    }

    fn add_text(&mut self, text: &str) {
        self.text.get_or_insert_default().push_str(text);
        if !self.parts.is_empty() && !text.is_empty() {
            grow(&mut self.parts, json!({"type": "text", "text": text}));
        }
    }

    fn add_part(&mut self, part: Value) {
        let text = part.get("text").and_then(Value::as_str).filter(|_| part["type"] == "text");
        if let Some(text) = text {
            return self.add_text(text);
        }
        let before = self.text.as_deref().filter(|text| !text.is_empty() && self.parts.is_empty());
        self.parts.extend(before.map(|text| json!({"type": "text", "text": text})));
        grow(&mut self.parts, part);
    }

    fn whole(&self) -> Value {
        match &self.text {
            _ if !self.parts.is_empty() => Value::Array(self.parts.clone()),
            Some(text) => text.as_str().into(),
            None => Value::Null,
        }
    }
}

/// Adds a part to a list: one that goes on with the last grows it.
fn grow(parts: &mut Vec<Value>, part: Value) {
    let Some(last) = parts.last_mut().filter(|last| goes_on(last, &part)) else { return parts.push(part) };
    let (Value::Object(last), Value::Object(mut part)) = (last, part) else { return };
    part.remove("type");
    match (last.get_mut("thinking"), part.remove("thinking")) {
        (Some(Value::Array(thoughts)), Some(Value::Array(more))) => {
            more.into_iter().for_each(|more| grow(thoughts, more));
        }
        (_, Some(more)) => merge(last, Map::from_iter([("thinking".to_owned(), more)])),
        (_, None) => {}
    }
    merge(last, part);
}

fn goes_on(last: &Value, part: &Value) -> bool {
    let in_pieces = matches!(part["type"].as_str(), Some("text" | "thinking"));
    in_pieces && last["type"] == part["type"] && last.get("signature").is_none_or(Value::is_null)
}

/// Some write arguments as the object that they are, not as its text.
fn as_text(call: &mut Map<String, Value>) {
    let arguments = call.get_mut("function").and_then(|function| function.get_mut("arguments"));
    if let Some(arguments @ Value::Object(_)) = arguments {
        *arguments = Value::String(arguments.to_string());
    }
}

fn index(object: &Map<String, Value>) -> Result<u64, AggregateError> {
    match object.get("index") {
        None | Some(Value::Null) => Ok(0),
        Some(index) => match index.as_u64() {
            Some(index) if index < MOST => Ok(index),
            Some(index) => Err(AggregateError::Index(index)),
            None => Err(AggregateError::Shape),
        },
    }
}

/// Adds the pieces of a message: texts and lists grow, objects are merged, anything else is replaced, null changes
/// nothing.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, new) in from {
        match (into.get_mut(&key), new) {
            (Some(_), Value::Null) => {}
            (Some(Value::String(old)), Value::String(new)) => old.push_str(&new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new),
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (Some(old), new) => *old = new,
            (None, new) => drop(into.insert(key, new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::read_chunk;
    use super::super::completion::CompletionBody;
    use super::super::sse::SseParser;
    use super::*;

    fn gather(chunks: &[Value]) -> Result<Value, AggregateError> {
        let mut gather = ResponseAggregator::new();
        for chunk in chunks {
            let mut splitter = SseParser::new();
            splitter.feed(Bytes::from(format!("data: {chunk}\n\n")));
            gather.see(&read_chunk(splitter.next().unwrap().unwrap()))?;
        }
        let whole = gather.whole(&FinalUsage::default());
        Ok(serde_json::from_slice(&whole).unwrap())
    }

    fn delta(delta: Value) -> Value {
        json!({"id": "1", "object": "chat.completion.chunk", "created": 7, "model": "m",
               "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    #[test]
    fn pieces_become_a_whole() {
        let whole = gather(&[
            delta(json!({"role": "assistant", "content": ""})),
            delta(json!({"reasoning_content": "h"})),
            delta(json!({"reasoning_content": "m"})),
            json!({"choices": [{"index": 0, "delta": {"content": "你"}, "logprobs": {"content": [{"token": "你"}], "refusal": null}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "好", "role": "assistant"}, "logprobs": {"content": [{"token": "好"}]}}]}),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "system_fingerprint": "fp"}),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "x": 1}}),
        ])
        .unwrap();
        let expected = json!({
            "id": "1", "object": "chat.completion", "created": 7, "model": "m", "system_fingerprint": "fp",
            "choices": [{
                "index": 0, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "你好", "reasoning_content": "hm", "refusal": null},
                "logprobs": {"content": [{"token": "你"}, {"token": "好"}], "refusal": null},
            }],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "x": 1},
        });
        assert_eq!(whole, expected);
        assert!(CompletionBody::parse(Bytes::from(whole.to_string())).is_ok());
    }

    #[test]
    fn tool_calls_are_joined_by_index() {
        let call = |index: u64, call: Value| {
            let mut call = call;
            call["index"] = json!(index);
            delta(json!({"tool_calls": [call]}))
        };
        let whole = gather(&[
            delta(json!({"role": "assistant", "content": null})),
            call(1, json!({"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}})),
            call(0, json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\""}})),
            call(0, json!({"id": "a", "type": "function", "function": {"arguments": ":1}"}})),
            call(1, json!({"id": null, "function": {"name": null, "arguments": "{}"}})),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        ])
        .unwrap();
        let message = json!({"role": "assistant", "content": null, "refusal": null, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ]});
        assert_eq!(whole["choices"][0]["message"], message);
        assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    }

    #[test]
    fn calls_are_told_apart_without_an_index() {
        let call = |id: Value, name: &str, arguments: Value| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        let (alpha, beta) =
            (call("a".into(), "alpha", "{\"x\":1}".into()), call("b".into(), "beta", "{}".into()));
        let numbered = |mut call: Value, index: u64| {
            call["index"] = index.into();
            call
        };
        let expected = json!([alpha, beta]);
        let check = |lists: &[Value]| {
            let chunks: Vec<_> = lists.iter().map(|list| delta(json!({"tool_calls": list}))).collect();
            let whole = gather(&chunks).unwrap();
            assert_eq!(whole["choices"][0]["message"]["tool_calls"], expected, "{lists:?}");
        };
        check(&[json!([alpha]), json!([beta])]);
        check(&[json!([alpha, beta])]);
        check(&[json!([numbered(alpha.clone(), 0)]), json!([numbered(beta.clone(), 0)])]);
        check(&[json!([numbered(alpha.clone(), 0), numbered(beta.clone(), 0)])]);
        check(&[json!([numbered(beta.clone(), 1)]), json!([numbered(alpha.clone(), 0)])]);
        // Names that come again or late, arguments that are an object.
        let more = |call: Value| json!([{"index": 0, "function": call}]);
        let begun = numbered(call("a".into(), "alpha", "{\"x\"".into()), 0);
        let last = json!([numbered(call("b".into(), "beta", json!({})), 0)]);
        check(&[json!([begun]), more(json!({"name": "alpha", "arguments": ":1}"})), last.clone()]);
        let nameless = numbered(call("a".into(), "", "{\"x\"".into()), 0);
        check(&[json!([nameless]), more(json!({"name": "alpha", "arguments": ":1}"})), last]);
        let many: Vec<Value> =
            (0..129).map(|number| call(number.to_string().into(), "f", "{}".into())).collect();
        assert_eq!(gather(&[delta(json!({"tool_calls": many}))]), Err(AggregateError::Index(128)));
    }

    #[test]
    fn thoughts_that_are_parts_of_the_content_stay_so() {
        let thinking = |text: &str| json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]});
        let text = |text: &str| json!({"type": "text", "text": text});
        let check = |pieces: &[Value], expected: Value| {
            let chunks: Vec<_> = pieces.iter().map(|piece| delta(json!({"content": piece}))).collect();
            assert_eq!(gather(&chunks).unwrap()["choices"][0]["message"]["content"], expected, "{pieces:?}");
        };
        check(
            &["".into(), json!([thinking("h")]), json!([thinking("m")]), json!([text("4")]), "2".into()],
            json!([thinking("hm"), text("42")]),
        );
        check(&["a".into(), json!([thinking("h"), text("b")])], json!([text("a"), thinking("h"), text("b")]));
        check(&["a".into(), json!([text("b")]), "c".into()], "abc".into());
        check(&[Value::Null], Value::Null);
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}});
        check(&[json!([image, image])], json!([image, image]));
    }

    #[test]
    fn choices_come_in_order_and_indices_are_bounded() {
        let choice =
            |index: Value, text: &str| json!({"choices": [{"index": index, "delta": {"content": text}}]});
        let whole = gather(&[choice(json!(1), "b"), choice(json!(0), "a"), choice(json!(1), "c")]).unwrap();
        let said = |at: usize| whole["choices"][at]["message"]["content"].clone();
        assert_eq!((said(0), said(1)), (json!("a"), json!("bc")));
        assert_eq!(gather(&[choice(json!(1_000_000_000), "x")]), Err(AggregateError::Index(1_000_000_000)));
        assert_eq!(gather(&[choice(json!(-1), "x")]), Err(AggregateError::Shape));
        let call = delta(json!({"tool_calls": [{"index": 128, "function": {}}]}));
        assert_eq!(gather(&[call]), Err(AggregateError::Index(128)));
        assert_eq!(gather(&[json!({"choices": [7]})]), Err(AggregateError::Shape));
    }
}
