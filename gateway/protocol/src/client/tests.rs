//! What holds for every dialect, whatever is said.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::aggregate::ResponseAggregator;
use super::super::chunk::read_chunk;
use super::super::sse::SseParser;
use super::super::usage::FinalUsage;
use super::super::write::DONE;
use super::*;

/// What one stretch of an answer says.
#[derive(Debug, Clone)]
enum Stretch {
    Reasoning(Vec<String>),
    Text(Vec<String>),
    /// A tool, its arguments, and what comes between their pieces.
    Call(String, Vec<String>, Option<Box<Stretch>>),
}

/// How an upstream numbers the calls of an answer.
#[derive(Debug, Clone, Copy)]
enum Numbering {
    Counted,
    Zero,
    Left,
}

impl Stretch {
    fn deltas(&self, calls: &mut usize, numbering: Numbering) -> Vec<Value> {
        let said = |name: &str, pieces: &[String]| {
            pieces.iter().map(|piece| json!({ name: piece })).collect::<Vec<_>>()
        };
        match self {
            Self::Reasoning(pieces) => said("reasoning_content", pieces),
            Self::Text(pieces) => said("content", pieces),
            Self::Call(name, values, between) => {
                let number = *calls;
                *calls += 1;
                let call = |mut call: Value| {
                    match numbering {
                        Numbering::Counted => call["index"] = number.into(),
                        Numbering::Zero => call["index"] = 0.into(),
                        Numbering::Left => {}
                    }
                    json!({"tool_calls": [call]})
                };
                let arguments = json!({ "v": values }).to_string();
                let head = json!({"id": format!("c{number}"), "type": "function", "function": {"name": name, "arguments": ""}});
                let pieces =
                    arguments.split_inclusive(',').map(|piece| json!({"function": {"arguments": piece}}));
                let mut all: Vec<Value> = std::iter::once(head).chain(pieces).map(call).collect();
                let between = between.iter().flat_map(|stretch| stretch.deltas(calls, numbering));
                let at = all.len() / 2;
                all.splice(at..at, between);
                all
            }
        }
    }
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let texts = || vec("\\PC{0,8}", 0..4);
    prop_oneof![
        texts().prop_map(Stretch::Reasoning),
        texts().prop_map(Stretch::Text),
        ("[a-z_]{1,9}", texts(), texts(), 0..4u8).prop_map(|(name, values, between, kind)| {
            let between = match kind {
                0 => Some(Stretch::Reasoning(between)),
                1 => Some(Stretch::Text(between)),
                2 => Some(Stretch::Text(vec!["\n".into()])),
                _ => None,
            };
            Stretch::Call(name, values, between.map(Box::new))
        }),
    ]
}

/// The same answer as a stream's events and as a whole.
fn answer(stretches: &[Stretch], numbering: Numbering) -> (Bytes, Bytes) {
    let (mut events, mut gather, mut calls) = (BytesMut::new(), ResponseAggregator::new(), 0);
    let deltas = stretches.iter().flat_map(|stretch| stretch.deltas(&mut calls, numbering));
    let deltas: Vec<_> = std::iter::once(json!({"role": "assistant", "content": ""})).chain(deltas).collect();
    let finish = if calls > 0 { "tool_calls" } else { "stop" };
    let chunk = |delta: Value, finish: Value| json!({"id": "x", "created": 7, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let mut chunks: Vec<_> = deltas.into_iter().map(|delta| chunk(delta, Value::Null)).collect();
    chunks.push(chunk(json!({}), finish.into()));
    chunks.push(json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "cost": 0.5}}));
    for chunk in chunks {
        let event = Bytes::from(format!("data: {chunk}\n\n"));
        events.extend_from_slice(&event);
        let mut splitter = SseParser::new();
        splitter.feed(event);
        gather.see(&read_chunk(splitter.next().unwrap().unwrap())).unwrap();
    }
    events.extend_from_slice(DONE);
    (events.freeze(), gather.whole(&FinalUsage::default()))
}

const MESSAGES: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
const RESPONSES: &str = r#"{"model":"m","input":"hi"}"#;

/// The data of the events that a stream is told in, its bytes cut anywhere.
fn told(dialect: ApiEndpoint, request: &str, events: &Bytes, cut: usize) -> Vec<Value> {
    let mut encoder = dialect.read(Bytes::copy_from_slice(request.as_bytes()), "r").unwrap().encoder;
    let cut = cut.min(events.len());
    let mut out = encoder.events(events.slice(..cut)).to_vec();
    out.extend_from_slice(&encoder.events(events.slice(cut..)));
    let text = String::from_utf8(out).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn whole(dialect: ApiEndpoint, request: &str, answer: &Bytes) -> Value {
    let mut encoder = dialect.read(Bytes::copy_from_slice(request.as_bytes()), "r").unwrap().encoder;
    serde_json::from_slice(&encoder.whole(answer.clone()).unwrap()).unwrap()
}

/// Thoughts, texts and calls.
type SortedAnswer = (String, String, Vec<(String, Value)>);

/// Thoughts, texts and calls of a message's blocks or a response's items.
fn sorted(parts: &[Value]) -> SortedAnswer {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all = (String::new(), String::new(), Vec::new());
    for part in parts {
        assert!(part.get("name").is_none_or(|name| name != ""), "{part}");
        match part["type"].as_str().unwrap() {
            "thinking" => all.0 += &text(&part["thinking"]),
            "text" => all.1 += &text(&part["text"]),
            "reasoning" => all.0 += &text(&part["content"][0]["text"]),
            "message" => all.1 += &text(&part["content"][0]["text"]),
            "tool_use" => all.2.push((text(&part["name"]), part["input"].clone())),
            "function_call" => {
                let arguments = serde_json::from_str(part["arguments"].as_str().unwrap()).unwrap();
                all.2.push((text(&part["name"]), arguments));
            }
            other => panic!("{other}"),
        }
    }
    // White space behind the last call is told by none.
    all.1.truncate(all.1.trim_end().len());
    all
}

/// A message's blocks from its events.
fn blocks(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut inputs: Vec<String> = Vec::new();
    for event in events {
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!(event["index"], blocks.len());
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                assert_eq!(event["index"], blocks.len() - 1, "one block at a time");
                let (block, input) = (blocks.last_mut().unwrap(), inputs.last_mut().unwrap());
                for name in ["text", "thinking"] {
                    if let Some(more) = event["delta"][name].as_str() {
                        block[name] = format!("{}{more}", block[name].as_str().unwrap()).into();
                    }
                }
                input.push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs).filter(|(_, input)| !input.is_empty()) {
        block["input"] = serde_json::from_str(&input).unwrap();
    }
    blocks
}

/// An upstream's answer, as the message and the response that its client is told, streamed and whole: thoughts, texts, and
/// calls with their ids.
fn all_forms(deltas: &[Value]) -> Vec<SortedAnswer> {
    let (mut events, mut gather) = (BytesMut::new(), ResponseAggregator::new());
    for delta in deltas {
        let chunk = json!({"id": "x", "created": 7, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let event = Bytes::from(format!("data: {chunk}\n\n"));
        events.extend_from_slice(&event);
        let mut splitter = SseParser::new();
        splitter.feed(event);
        gather.see(&read_chunk(splitter.next().unwrap().unwrap())).unwrap();
    }
    events.extend_from_slice(DONE);
    let (events, gathered) = (events.freeze(), gather.whole(&FinalUsage::default()));
    let streamed = told(ApiEndpoint::Responses, RESPONSES, &events, 0);
    vec![
        sorted(&blocks(&told(ApiEndpoint::Messages, MESSAGES, &events, 0))),
        sorted(whole(ApiEndpoint::Messages, MESSAGES, &gathered)["content"].as_array().unwrap()),
        sorted(streamed.last().unwrap()["response"]["output"].as_array().unwrap()),
        sorted(whole(ApiEndpoint::Responses, RESPONSES, &gathered)["output"].as_array().unwrap()),
    ]
}

#[test]
fn thoughts_are_told_wherever_an_upstream_writes_them() {
    let thinking =
        |text: &str| json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]});
    let details = |text: &str| json!([{"type": "reasoning.text", "text": text, "index": 0}]);
    let answer = json!({"content": "4"});
    for thoughts in [
        [json!({"reasoning_content": "h"}), json!({"reasoning_content": "m"})],
        [json!({"reasoning": "h"}), json!({"reasoning": "m"})],
        [json!({"reasoning_text": "h"}), json!({"reasoning_text": "m"})],
        [
            json!({"reasoning_content": "h", "reasoning": "h"}),
            json!({"reasoning_content": "m", "reasoning": "m"}),
        ],
        [thinking("h"), thinking("m")],
        [
            json!({"content": "", "reasoning_details": details("h")}),
            json!({"reasoning_details": details("m")}),
        ],
        [
            json!({"reasoning": "h", "reasoning_details": details("h")}),
            json!({"reasoning": "m", "reasoning_details": details("m")}),
        ],
    ] {
        let [first, second] = thoughts;
        for form in all_forms(&[first.clone(), second, answer.clone()]) {
            assert_eq!(form, ("hm".into(), "4".into(), Vec::new()), "{first}");
        }
    }
    // Within one list, and sealed ones, which nobody can be told.
    let both = json!({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "4"}]});
    let sealed = json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]});
    for form in all_forms(&[sealed, both]) {
        assert_eq!(form, ("hm".into(), "4".into(), Vec::new()));
    }
}

/// Ids of calls are told in a form that every provider takes, and come back as what they were.
#[test]
fn ids_of_calls_are_mapped_both_ways() {
    let pattern = |id: &str| id.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-'));
    for id in ["functions.bash:0", "call_1", "a b", "你好"] {
        let call = |id: &str| json!({"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        let answer = json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"tool_calls": [call(id)]}}]});
        let events =
            format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call(id)]}}]}));
        let (whole_answer, events) =
            (Bytes::from(answer.to_string()), Bytes::from(events + "data: [DONE]\n\n"));
        let message = whole(ApiEndpoint::Messages, MESSAGES, &whole_answer);
        let streamed = blocks(&told(ApiEndpoint::Messages, MESSAGES, &events, 0));
        let as_told = message["content"][0]["id"].as_str().unwrap();
        assert!(pattern(as_told), "{as_told}");
        assert_eq!(streamed[0]["id"], as_told);
        let response = whole(ApiEndpoint::Responses, RESPONSES, &whole_answer);
        let streamed = told(ApiEndpoint::Responses, RESPONSES, &events, 0);
        let item = &response["output"][0]["call_id"];
        assert_eq!(
            (item, &streamed.last().unwrap()["response"]["output"][0]["call_id"]),
            (&json!(as_told), item)
        );
        let message = json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": as_told, "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": as_told, "content": "y"}]}]});
        let response = json!({"model": "m", "input": [{"role": "user", "content": "x"},
            {"type": "function_call", "call_id": as_told, "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": as_told, "output": "y"}]});
        for (dialect, body) in [(ApiEndpoint::Messages, message), (ApiEndpoint::Responses, response)] {
            let sent = read(dialect, &body).unwrap().chat.encode("m", false, &Default::default());
            let sent: Value = serde_json::from_slice(&sent).unwrap();
            let back = (&sent["messages"][1]["tool_calls"][0]["id"], &sent["messages"][2]["tool_call_id"]);
            assert_eq!(back, (&json!(id), &json!(id)), "{dialect:?}");
        }
    }
}

/// A chat's texts, message by message.
fn texts(request: &ClientRequest) -> Vec<String> {
    request.chat.prompt().turns.into_iter().map(|turn| turn.text.into_owned()).collect()
}

fn read(dialect: ApiEndpoint, body: &Value) -> Result<ClientRequest, BadRequest> {
    dialect.read(body.to_string().into(), "r")
}

/// Puts a member into the object at this place.
fn with(mut body: Value, place: &[&str], name: &str) -> Value {
    let mut at = &mut body;
    for step in place {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[*step],
        };
    }
    at[name] = json!({"of": "nobody"});
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_stream_says_what_the_whole_says(
        stretches in vec(stretch(), 0..6),
        numbering in prop_oneof![Just(Numbering::Counted), Just(Numbering::Zero), Just(Numbering::Left)],
        cut in any::<prop::sample::Index>(),
    ) {
        let (events, whole_answer) = answer(&stretches, numbering);
        let cut = cut.index(events.len());
        let streamed = told(ApiEndpoint::Messages, MESSAGES, &events, cut);
        let message = whole(ApiEndpoint::Messages, MESSAGES, &whole_answer);
        prop_assert_eq!(sorted(&blocks(&streamed)), sorted(message["content"].as_array().unwrap()));
        prop_assert_eq!(&streamed[streamed.len() - 2]["delta"]["stop_reason"], &message["stop_reason"]);
        prop_assert_eq!(&streamed[streamed.len() - 1]["type"], "message_stop");

        let streamed = told(ApiEndpoint::Responses, RESPONSES, &events, cut);
        let response = whole(ApiEndpoint::Responses, RESPONSES, &whole_answer);
        let last = &streamed[streamed.len() - 1];
        prop_assert_eq!(&last["type"], "response.completed");
        let output = |response: &Value| sorted(response["output"].as_array().unwrap());
        prop_assert_eq!(output(&last["response"]), output(&response));
        for (number, event) in streamed.iter().enumerate() {
            prop_assert_eq!(&event["sequence_number"], number);
        }
    }

    #[test]
    fn every_text_arrives_as_it_was(one in "\\PC{1,30}", two in "\\PC{1,30}", three in "[\\PC\n\"\\\\]{1,30}") {
        let message = read(ApiEndpoint::Messages, &json!({"model": "m", "max_tokens": 9, "system": one, "messages": [
            {"role": "user", "content": [{"type": "text", "text": two}]},
            {"role": "assistant", "content": [{"type": "text", "text": three}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": one}]}]})).unwrap();
        prop_assert_eq!(texts(&message), vec![one.clone(), two.clone(), three.clone(), one.clone()]);
        let response = read(ApiEndpoint::Responses, &json!({"model": "m", "instructions": one, "input": [
            {"role": "user", "content": [{"type": "input_text", "text": two}]},
            {"role": "assistant", "content": three},
            {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "t", "output": one}]})).unwrap();
        prop_assert_eq!(texts(&response), vec![one.clone(), two.clone(), three.clone(), one.clone()]);
        let completion = read(ApiEndpoint::Completions, &json!({"model": "m", "prompt": three})).unwrap();
        prop_assert_eq!(texts(&completion), vec![three]);
    }

    #[test]
    fn what_is_unknown_is_refused_by_name_or_reaches_the_upstream(name in "x_[a-z\"\\\\好]{0,9}") {
        let message = json!({"model": "m", "max_tokens": 9, "tools": [{"name": "f", "input_schema": {}}], "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]});
        let response = json!({"model": "m", "text": {}, "reasoning": {}, "tools": [{"type": "function", "name": "f"}], "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "x"}]},
            {"type": "function_call", "call_id": "t", "name": "f", "arguments": "{}"}]});
        let places: [(ApiEndpoint, &Value, &[&str]); 11] = [
            (ApiEndpoint::Messages, &message, &[]),
            (ApiEndpoint::Messages, &message, &["tools", "0"]),
            (ApiEndpoint::Messages, &message, &["messages", "0"]),
            (ApiEndpoint::Messages, &message, &["messages", "0", "content", "0"]),
            (ApiEndpoint::Messages, &message, &["messages", "1", "content", "0"]),
            (ApiEndpoint::Messages, &message, &["messages", "2", "content", "0"]),
            (ApiEndpoint::Responses, &response, &[]),
            (ApiEndpoint::Responses, &response, &["text"]),
            (ApiEndpoint::Responses, &response, &["tools", "0"]),
            (ApiEndpoint::Responses, &response, &["input", "0", "content", "0"]),
            (ApiEndpoint::Responses, &response, &["input", "1"]),
        ];
        for (dialect, body, place) in places {
            prop_assert!(read(dialect, body).is_ok(), "{} {:?}", body, read(dialect, body).err());
            let why = match read(dialect, &with(body.clone(), place, &name)) {
                Err(why) => Some(why),
                // Kept for who speaks the dialect, and refused to all others.
                Ok(request) => request.chat.native().unwrap().cannot_be_a_chat().cloned(),
            };
            let Some(why) = why else {
                return Err(TestCaseError::fail(format!("{place:?} {name}")));
            };
            prop_assert!(why.param.unwrap().contains(&*super::super::json_error::quoted(&name)));
        }
        let completion = with(json!({"model": "m", "prompt": "x"}), &[], &name);
        let request = read(ApiEndpoint::Completions, &completion).unwrap();
        for sent in [
            request.chat.encode("u", false, &Default::default()),
            request.chat.native().unwrap().encode("u", false, None, &[]),
        ] {
            let sent: Map<String, Value> = serde_json::from_slice(&sent).unwrap();
            prop_assert_eq!(&sent[&name], &completion[&name]);
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[\\PC]{0,80}") {
        for (dialect, ..) in FIELDS {
            if let Err(why) = dialect.read(text.clone().into(), "r") {
                prop_assert!(!why.message.is_empty());
            }
        }
    }
}

/// Each kind of request: one that is read, a field of it, and values of that field that are read.
const FIELDS: [(ApiEndpoint, &str, &str, &[&str]); 20] = [
    (ApiEndpoint::Chat, CHAT, "messages", &[r#"[{"role":"user","content":[{"type":"text","text":"x"}]}]"#]),
    (ApiEndpoint::Chat, CHAT, "tools", &[r#"[{"type":"function","function":{"name":"f"}}]"#]),
    (ApiEndpoint::Chat, CHAT, "stop", &[r#""x""#, r#"["x","y"]"#]),
    (ApiEndpoint::Chat, CHAT, "response_format", &[r#"{"type":"json_object"}"#, r#"{"type":"text"}"#]),
    (ApiEndpoint::Chat, CHAT, "metadata", &[r#"{"a":"b"}"#]),
    (
        ApiEndpoint::Messages,
        MESSAGES,
        "messages",
        &[r#"[{"role":"user","content":[{"type":"text","text":"x"}]}]"#],
    ),
    (ApiEndpoint::Messages, MESSAGES, "system", &[r#""x""#, r#"[{"type":"text","text":"x"}]"#]),
    (ApiEndpoint::Messages, MESSAGES, "tools", &[r#"[{"name":"f","input_schema":{"type":"object"}}]"#]),
    (ApiEndpoint::Messages, MESSAGES, "tool_choice", &[r#"{"type":"auto"}"#, r#"{"type":"none"}"#]),
    (ApiEndpoint::Messages, MESSAGES, "metadata", &[r#"{"user_id":"u"}"#]),
    (ApiEndpoint::Messages, MESSAGES, "stop_sequences", &[r#"["x"]"#]),
    (
        ApiEndpoint::Responses,
        RESPONSES,
        "input",
        &[r#""x""#, r#"[{"role":"user","content":[{"type":"input_text","text":"x"}]}]"#],
    ),
    (ApiEndpoint::Responses, RESPONSES, "instructions", &[r#""x""#]),
    (ApiEndpoint::Responses, RESPONSES, "tools", &[r#"[{"type":"function","name":"f"}]"#]),
    (ApiEndpoint::Responses, RESPONSES, "tool_choice", &[r#""auto""#]),
    (ApiEndpoint::Responses, RESPONSES, "text", &[r#"{"format":{"type":"text"}}"#]),
    (ApiEndpoint::Completions, COMPLETION, "prompt", &[r#""x""#, r#"["x"]"#]),
    (ApiEndpoint::Completions, COMPLETION, "stop", &[r#""x""#]),
    (ApiEndpoint::Embeddings, EMBEDDINGS, "input", &[r#""x""#, r#"["x","y"]"#]),
    (ApiEndpoint::Embeddings, EMBEDDINGS, "encoding_format", &[r#""float""#, r#""base64""#]),
];
const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
const COMPLETION: &str = r#"{"model":"m","prompt":"x"}"#;
const EMBEDDINGS: &str = r#"{"model":"m","input":"x"}"#;

/// The reader of every field is reached: what is right is read, what is nearly right is read or refused by the name of what
/// is wrong in it, and some of both comes of each.
#[test]
fn nothing_makes_a_reader_panic() {
    // What stands in place of a piece of a value.
    const ODD: [&str; 9] = ["null", "7", "\"x\"", "[]", "{}", "[null]", "{\"a\":1}", "-1e9", "\"\\u0000\""];
    for (dialect, base, field, right) in FIELDS {
        let base: Map<String, Value> = serde_json::from_str(base).unwrap();
        let with = |value: &str| {
            let mut body = base.clone();
            body.insert(field.to_owned(), serde_json::from_str(value).unwrap());
            read(dialect, &Value::Object(body))
        };
        let mut refused = 0;
        for right in right {
            assert!(with(right).is_ok(), "{dialect:?} {field} {right}: {:?}", with(right).err());
            // Every piece of a right value that is a value itself, replaced.
            for at in places(&serde_json::from_str(right).unwrap()) {
                for odd in ODD {
                    let mut value: Value = serde_json::from_str(right).unwrap();
                    *value.pointer_mut(&at).unwrap() = serde_json::from_str(odd).unwrap();
                    if let Err(why) = with(&value.to_string()) {
                        assert!(!why.message.is_empty(), "{dialect:?} {field} {value}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(refused > 0, "{dialect:?} {field}: whatever stands there is taken");
    }
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
