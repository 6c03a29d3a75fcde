//! What the tests of all dialects need.

use std::sync::LazyLock;

use gateway_config::{ModelTakes, OutputLimitField, ThinkingConfig, ThinkingHistory};
use serde_json::{Value, json};

use super::super::aggregate::ResponseAggregator;
use super::super::chunk::ChunkKind;
use super::super::sse::SseParser;
use super::super::usage::FinalUsage;
use super::*;

/// A chat with these messages and these further fields.
pub(super) fn chat(messages: &Value, fields: &Value) -> ChatRequest {
    let mut chat = json!({"model": "auto", "messages": messages});
    chat.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ChatRequest::parse(Bytes::from(chat.to_string())).unwrap()
}

/// What an upstream is told of a model that thinks by words.
pub(super) fn told(stream: bool) -> EncodedRequest<'static> {
    EncodedRequest {
        model: "m",
        stream,
        logprobs: false,
        longest: None,
        limit: "max_tokens",
        most: 4096,
        effort: EffortStyle::Word,
        thoughts: true,
        speech: ProviderQuirks {
            limit: OutputLimitField::AsWritten,
            thinking: &PLAIN,
            prefix: None,
            takes: &ALL,
        },
    }
}

/// Of a model that takes everything.
pub(super) static ALL: LazyLock<ModelTakes> = LazyLock::new(ModelTakes::default);

/// Told by `reasoning_effort` alone.
const PLAIN: ThinkingConfig = ThinkingConfig {
    switch: None,
    always: false,
    efforts: None,
    budget: false,
    history: ThinkingHistory::Kept,
};

/// The request in a dialect's words.
pub(super) fn encoded(dialect: UpstreamApi, chat: &ChatRequest, told: &EncodedRequest<'_>) -> Value {
    serde_json::from_slice(&dialect.encode(chat, told).unwrap()).unwrap()
}

/// Holds that a dialect has no words for a chat, and which field that is said of.
pub(super) fn refused(dialect: UpstreamApi, messages: &Value, fields: &Value, param: &str) {
    let bad = dialect.takes(&chat(messages, fields), EffortStyle::Word, &ALL).expect_err(param);
    assert_eq!(bad.param.as_deref(), Some(param), "{messages} {fields}: {}", bad.message);
    assert!(bad.message.ends_with('.') && bad.code.is_some());
}

/// The chunks that a stream of these bytes makes, which come in pieces of this size.
pub(super) fn decoded(dialect: UpstreamApi, native: bool, stream: &[u8], size: usize) -> Vec<ResponseChunk> {
    let (mut splitter, mut decoder, mut chunks) =
        (SseParser::new(), dialect.decoder(native, 7), VecDeque::new());
    for piece in stream.chunks(size.max(1)) {
        splitter.feed(Bytes::copy_from_slice(piece));
        while let Some(event) = splitter.next() {
            decoder.take(event.unwrap(), &mut chunks);
        }
    }
    if let Some(event) = splitter.finish() {
        decoder.take(event, &mut chunks);
    }
    decoder.end(&mut chunks);
    chunks.into()
}

/// The whole answer that chunks add up to; `None` where they do not end well.
pub(super) fn gathered(chunks: &[ResponseChunk]) -> Option<Value> {
    let mut gather = ResponseAggregator::new();
    chunks.iter().for_each(|chunk| gather.see(chunk).unwrap());
    let ended = chunks.last().is_some_and(|chunk| chunk.what == ChunkKind::Done);
    ended.then(|| serde_json::from_slice(&gather.whole(&FinalUsage::default())).unwrap())
}

/// The errors among chunks.
pub(super) fn complaints(chunks: &[ResponseChunk]) -> Vec<ProviderError> {
    let errors = chunks.iter().filter_map(|chunk| match &chunk.what {
        ChunkKind::Error(complaint) => Some(complaint.clone()),
        _ => None,
    });
    errors.collect()
}

/// Who says nothing has no turn, as long as the conversation ends as it did.
#[test]
fn blank_texts_change_no_conversation() {
    let user = |text: &str| json!({"role": "user", "content": text});
    let assistant = |text: &str| json!({"role": "assistant", "content": text});
    let system = json!({"role": "system", "content": "s"});
    let parts = json!({"role": "user", "content": [{"type": "text", "text": " "}]});
    let named = json!({"role": "user", "name": "ann", "content": " "});
    for (dialect, list) in [(UpstreamApi::Anthropic, "messages"), (UpstreamApi::Gemini, "contents")] {
        let check = |messages: Value, expected: &[&str]| {
            let sent = encoded(dialect, &chat(&messages, &json!({})), &told(false));
            let roles = sent[list].as_array().unwrap().iter().map(|turn| {
                let said = turn.get("content").or(turn.get("parts")).unwrap();
                assert!(!said.as_array().unwrap().is_empty(), "{messages}");
                if turn["role"] == "user" { "user" } else { "assistant" }
            });
            assert_eq!(roles.collect::<Vec<_>>(), expected, "{messages}");
        };
        check(json!([user("x"), assistant("b"), user("y")]), &["user", "assistant", "user"]);
        check(json!([user("x"), assistant(" "), user("y")]), &["user"]);
        check(json!([user("x"), user(" ")]), &["user"]);
        check(json!([user("x"), assistant("b")]), &["user", "assistant"]);
        check(json!([user("x"), assistant(" ")]), &["user"]);
        check(json!([user(" "), assistant("b"), user("y")]), &["assistant", "user"]);
        check(json!([system, user(" ")]), &["user"]);
        for lost in [
            json!([user("x"), assistant("b"), user(" ")]),
            json!([user("x"), assistant("b"), parts]),
            json!([user("x"), assistant("b"), named]),
            json!([user("x"), assistant("b"), user(""), assistant("\n")]),
            json!([user(" ")]),
            json!([parts]),
            json!([{"role": "system", "content": ""}, user(" ")]),
        ] {
            refused(dialect, &lost, &json!({}), "messages");
        }
    }
}

/// What every other dialect cannot say.
#[test]
fn what_nobody_else_can_say_is_refused() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    for dialect in [UpstreamApi::Anthropic, UpstreamApi::Gemini] {
        let check = |fields: Value, param: &str| refused(dialect, &hi, &fields, param);
        check(json!({"logit_bias": {"50256": -100}}), "logit_bias");
        check(json!({"logprobs": true}), "logprobs");
        check(json!({"store": true}), "store");
        check(json!({"service_tier": "flex"}), "service_tier");
        check(json!({"prediction": {"type": "content", "content": "x"}}), "prediction");
        check(json!({"web_search_options": {"search_context_size": "low"}}), "web_search_options");
        check(json!({"modalities": ["text", "audio"]}), "modalities");
        check(json!({"verbosity": "low"}), "verbosity");
        check(json!({"unheard_of": 1}), "unheard_of");
        check(json!({"tools": [{"type": "custom", "custom": {"name": "x"}}]}), "tools[0].type");
        check(json!({"functions": [{"name": "f"}]}), "functions");
        check(json!({"tool_choice": {"type": "allowed_tools"}}), "tool_choice");
        check(json!({"response_format": {"type": "regex", "pattern": "x"}}), "response_format.type");
        let said = |messages: Value, param: &str| refused(dialect, &messages, &json!({}), param);
        said(json!([{"role": "function", "name": "f", "content": "7"}]), "messages[0].function_call");
        let called = |arguments: &str| {
            let function = json!({"name": "f", "arguments": arguments});
            json!([{"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": function}]}])
        };
        for arguments in ["7", "{", "[1]", &"[".repeat(300)] {
            said(called(arguments), "messages[0].tool_calls[0].function.arguments");
        }
        let image = |url: &str| json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
        for url in ["file:///etc/passwd", "data:image/png,raw", "data:image/png;base64", "pictures/a.png"] {
            said(image(url), "messages[0].content[0]");
        }
    }
}

/// What says nothing, or says only who asks, is no reason to refuse.
#[test]
fn what_says_nothing_is_let_through() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    let fields = json!({
        "n": 1, "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "logprobs": false, "seed": null,
        "store": false, "service_tier": "auto", "modalities": ["text"], "verbosity": "medium", "metadata": {"a": "b"},
        "prompt_cache_key": "x", "safety_identifier": "y", "tools": [], "stop": null, "top_k": null,
        "response_format": {"type": "text"}, "parallel_tool_calls": true,
    });
    for dialect in [UpstreamApi::Anthropic, UpstreamApi::Gemini] {
        dialect.takes(&chat(&hi, &fields), EffortStyle::Word, &ALL).unwrap();
    }
}

/// A stream in which each piece of each event's data is replaced by what it is not, one at a time. However such a stream is
/// cut, it says the same; and a good part of them says an answer, so that more is reached than the way out.
pub(super) fn survives_odd_pieces(api: UpstreamApi, events: &[String]) {
    const ODD: [&str; 7] = ["null", "-5", "1e9", "\"x\"", "[]", "{}", "[{\"a\":[null]}]"];
    let (mut all, mut answers) = (0, 0);
    for (at, event) in events.iter().enumerate() {
        let (head, data) = event.split_once("data: ").unwrap();
        let data: Value = serde_json::from_str(data.trim_end()).unwrap();
        for place in places(&data) {
            for odd in ODD {
                let mut data = data.clone();
                *data.pointer_mut(&place).unwrap() = serde_json::from_str(odd).unwrap();
                let mut events = events.to_vec();
                events[at] = format!("{head}data: {data}\n\n");
                let stream = events.concat();
                let chunks = decoded(api, false, stream.as_bytes(), stream.len());
                assert_eq!(chunks, decoded(api, false, stream.as_bytes(), 7), "{stream}");
                all += 1;
                answers += usize::from(gathered(&chunks).is_some());
            }
        }
    }
    assert!(answers > all / 4 && answers < all, "{answers} of {all}");
}

/// Pointers to a value and to everything within it.
fn places(value: &Value) -> Vec<String> {
    let within: Vec<(String, &Value)> = match value {
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        _ => Vec::new(),
    };
    let deeper = within
        .into_iter()
        .flat_map(|(name, value)| places(value).into_iter().map(move |rest| format!("/{name}{rest}")));
    std::iter::once(String::new()).chain(deeper).collect()
}
