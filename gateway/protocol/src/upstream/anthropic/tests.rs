use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::chunk::ChunkKind;
use super::super::super::client;
use super::super::super::completion::NotAnAnswer;
use super::super::tests::{
    ALL, chat, complaints, decoded, encoded, gathered, refused, survives_odd_pieces, told,
};
use super::super::{EffortStyle, EncodedRequest, UpstreamApi};

const OURS: UpstreamApi = UpstreamApi::Anthropic;

/// What a request comes to, without what every one has.
fn body(messages: &Value, fields: &Value) -> Value {
    let mut body = encoded(OURS, &chat(messages, fields), &told(false));
    for (key, value) in [("model", json!("m")), ("max_tokens", json!(4096))] {
        if body[key] == value {
            body.as_object_mut().unwrap().remove(key);
        }
    }
    body
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

#[test]
fn messages_are_put_into_other_words() {
    let check =
        |messages: Value, expected: Value| assert_eq!(body(&messages, &json!({})), expected, "{messages}");
    let text = |text: &str| json!({"type": "text", "text": text});
    check(user("你好\n\""), json!({"messages": [{"role": "user", "content": [text("你好\n\"")]}]}));
    // What is told beforehand, two users in a row, who they are, and an empty text.
    check(
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "Ann", "content": "a"},
            {"role": "user", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "assistant", "content": "c", "refusal": null},
            {"role": "developer", "content": [{"type": "text", "text": "In Chinese."}]},
            {"role": "user", "content": "d"},
        ]),
        json!({
            "system": [text("Be brief."), text("In Chinese.")],
            "messages": [
                {"role": "user", "content": [
                    text("Ann: a"),
                    {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                ]},
                {"role": "assistant", "content": [text("c")]},
                {"role": "user", "content": [text("d")]},
            ],
        }),
    );
    check(
        json!([{"role": "system", "content": "Say hi."}]),
        json!({"messages": [{"role": "user", "content": [text("Say hi.")]}]}),
    );
    // An answer that was begun may not end in white space.
    check(
        json!([{"role": "user", "content": "count"}, {"role": "assistant", "content": "one, \n"}]),
        json!({"messages": [{"role": "user", "content": [text("count")]}, {"role": "assistant", "content": [text("one,")]}]}),
    );
}

#[test]
fn attachments_are_put_into_other_words() {
    let part = |part: Value| {
        let sent = body(&json!([{"role": "user", "content": [part]}]), &json!({}));
        sent["messages"][0]["content"][0].clone()
    };
    assert_eq!(
        part(
            json!({"type": "image_url", "image_url": {"url": "data:image/PNG;base64,iVBO", "detail": "low"}})
        ),
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}})
    );
    assert_eq!(
        part(json!({"type": "image_url", "image_url": {"url": "https://h/a.jpg"}})),
        json!({"type": "image", "source": {"type": "url", "url": "https://h/a.jpg"}})
    );
    assert_eq!(
        part(
            json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}})
        ),
        json!({"type": "document", "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}})
    );
    let cannot =
        |part: Value| refused(OURS, &json!([{"role": "user", "content": [part]}]), &json!({}), "messages");
    cannot(json!({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}));
    cannot(json!({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}));
    cannot(json!({"type": "file", "file": {"file_data": "data:text/csv;base64,YSxi", "filename": "a.csv"}}));
}

#[test]
fn tools_are_put_into_other_words() {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}});
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "sig"});
    let sent = body(
        &json!([
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": null, "thinking_blocks": [thought], "reasoning_content": "hm",
             "tool_calls": [call("a", r#"{"city":"巴黎"}"#), call("b", "")]},
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "rain"}]},
            {"role": "user", "content": "And?"},
        ]),
        &json!({
            "tools": [
                {"type": "function", "function": {"name": "weather", "description": "Tells it.", "strict": true,
                    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}},
                {"type": "function", "function": {"name": "time"}, "cache_control": {"type": "ephemeral"}},
            ],
            "parallel_tool_calls": false,
        }),
    );
    let result = |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": text}]});
    assert_eq!(
        sent["messages"][1]["content"],
        json!([
            thought,
            {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "巴黎"}},
            {"type": "tool_use", "id": "b", "name": "weather", "input": {}},
        ])
    );
    assert_eq!(
        sent["messages"][2],
        json!({"role": "user", "content": [result("a", "sunny"), result("b", "rain"), {"type": "text", "text": "And?"}]})
    );
    assert_eq!(
        sent["tools"],
        json!([
            {"name": "weather", "description": "Tells it.", "strict": true,
             "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
            {"name": "time", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}},
        ])
    );
    assert_eq!(sent["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    let choice = |choice: Value, expected: Value| {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let sent = body(&user("x"), &json!({"tools": tools, "tool_choice": choice}));
        assert_eq!(sent["tool_choice"], expected);
    };
    choice(json!("auto"), json!({"type": "auto"}));
    choice(json!("none"), json!({"type": "none"}));
    choice(json!("required"), json!({"type": "any"}));
    choice(json!({"type": "function", "function": {"name": "f"}}), json!({"type": "tool", "name": "f"}));
}

#[test]
fn sampling_is_put_into_other_words() {
    let check = |fields: Value, expected: Value| {
        let mut sent = body(&user("x"), &fields);
        sent.as_object_mut().unwrap().remove("messages");
        assert_eq!(sent, expected, "{fields}");
    };
    check(json!({"max_tokens": 7}), json!({"max_tokens": 7}));
    check(json!({"max_completion_tokens": 9, "stream": false}), json!({"max_tokens": 9}));
    check(
        json!({"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop": ["a", "", "b"], "user": "u-1"}),
        json!({"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["a", "b"], "metadata": {"user_id": "u-1"}}),
    );
    let schema =
        json!({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false});
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": schema}});
    check(
        json!({"response_format": format, "reasoning_effort": "high"}),
        json!({"thinking": {"type": "adaptive"},
            "output_config": {"format": {"type": "json_schema", "schema": schema}, "effort": "high"}}),
    );
    check(json!({"reasoning_effort": "none"}), json!({"thinking": {"type": "disabled"}}));
    let own = json!({"type": "enabled", "budget_tokens": 2000});
    check(json!({"thinking": own, "reasoning_effort": "low"}), json!({"thinking": own}));
    let no = |fields: Value, param: &str| refused(OURS, &user("x"), &fields, param);
    no(json!({"response_format": {"type": "json_object"}}), "response_format.type");
    no(json!({"n": 2}), "n");
    no(json!({"seed": 7}), "seed");
    no(json!({"frequency_penalty": 0.5}), "frequency_penalty");
    no(json!({"temperature": 1.5}), "temperature");
}

/// Older models are told how many tokens to think, fewer than the answer may have, and not at all in the middle of
/// calls whose thoughts are lost.
#[test]
fn older_models_think_by_tokens() {
    let check = |messages: &Value, fields: Value, thinking: Value| {
        let told = EncodedRequest { effort: EffortStyle::Tokens, stream: true, ..told(true) };
        let sent = encoded(OURS, &chat(messages, &fields), &told);
        assert_eq!((&sent["thinking"], &sent["stream"]), (&thinking, &json!(true)), "{fields}");
        assert!(sent["output_config"].is_null());
    };
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    check(&user("x"), json!({"reasoning_effort": "low"}), budget(2048));
    // Half of what may be written is left for the answer.
    check(&user("x"), json!({"reasoning_effort": "high"}), budget(2048));
    check(&user("x"), json!({"reasoning_effort": "high", "max_tokens": 8000}), budget(4000));
    check(&user("x"), json!({"reasoning_effort": "low", "max_tokens": 2047}), json!({"type": "disabled"}));
    check(&user("x"), json!({"reasoning_effort": "high", "max_tokens": 50_000}), budget(24_576));
    check(&user("x"), json!({"reasoning_effort": "low", "max_tokens": 1024}), json!({"type": "disabled"}));
    check(&user("x"), json!({}), Value::Null);
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let lost = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "7"},
    ]);
    check(&lost, json!({"reasoning_effort": "low"}), json!({"type": "disabled"}));
}

/// A client of this very dialect: every byte but those of the model's name is its own.
#[test]
fn what_came_in_these_words_goes_on_as_it_came() {
    let came = r#"{ "model":"auto","unheard_of":[1, 2],"max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],"stream":true}"#;
    let body = Bytes::from_static(came.as_bytes());
    let chat = client::ApiEndpoint::Messages.read(body, "id").unwrap().chat;
    OURS.takes(&chat, EffortStyle::Word, &ALL).unwrap();
    let sent = OURS.encode(&chat, &told(true)).unwrap();
    assert_eq!(std::str::from_utf8(&sent).unwrap(), came.replace("\"auto\"", "\"m\""));
    let whole = OURS.encode(&chat, &told(false)).unwrap();
    assert!(whole.ends_with(br#""stream":false}"#));
    // For another dialect it is converted like any other.
    assert!(UpstreamApi::Gemini.takes(&chat, EffortStyle::Word, &ALL).is_ok());
}

/// What a conversation in these words is sent as, with thinking of so many tokens where `thinks`.
fn sent_on(messages: &Value, thinks: bool, thoughts: bool) -> Value {
    let mut body = json!({"model": "auto", "max_tokens": 5, "messages": messages});
    if thinks {
        body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
        let edits = json!([{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}]);
        body["context_management"] = json!({ "edits": edits });
    }
    let chat = client::ApiEndpoint::Messages.read(body.to_string().into(), "id").unwrap().chat;
    let sent = OURS.encode(&chat, &EncodedRequest { thoughts, ..told(false) }).unwrap();
    serde_json::from_slice(&sent).unwrap()
}

fn speaker(role: &str, content: &[&Value]) -> Value {
    json!({"role": role, "content": content})
}

/// What other providers' turns leave behind is put right, and nothing else is touched.
#[test]
fn turns_of_others_are_made_ready() {
    let go = json!({"role": "user", "content": "Go."});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "bash", "input": {"b": 1, "a": 2}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    let signed = json!({"type": "thinking", "thinking": "hm", "signature": "EqQB"});
    let unsigned = json!({"type": "thinking", "thinking": "hm", "signature": ""});
    let hidden = json!({"type": "redacted_thinking", "data": "x"});
    let check =
        |assistant: &[&Value], back: &[&Value], left: &[&Value], returned: &[&Value], thinks: bool| {
            let conversation = |said: &[&Value], back: &[&Value]| {
                let said = (!said.is_empty()).then(|| speaker("assistant", said));
                let all: Vec<Value> =
                    [go.clone()].into_iter().chain(said).chain([speaker("user", back)]).collect();
                Value::from(all)
            };
            let given = conversation(assistant, back);
            let sent = sent_on(&given, true, true);
            assert_eq!(sent["messages"], conversation(left, returned), "{given}");
            let kind = if thinks { "enabled" } else { "disabled" };
            assert_eq!(sent["thinking"]["type"], kind, "{given}");
            let edits = sent["context_management"]["edits"].as_array().unwrap().len();
            assert_eq!(
                edits,
                if thinks { 2 } else { 1 },
                "thoughts are taken out of a context only while it thinks"
            );
            assert_eq!(sent_on(&given, false, true)["thinking"], Value::Null, "{given}");
        };
    let (a, kimi, told) = (call("a"), call("functions.bash:0"), call("toolu_x-functions-2ebash-3a0"));
    let (of_a, of_kimi, of_told) =
        (result("a"), result("functions.bash:0"), result("toolu_x-functions-2ebash-3a0"));
    check(&[&signed, &a], &[&of_a], &[&signed, &a], &[&of_a], true);
    check(&[&hidden, &a], &[&of_a], &[&hidden, &a], &[&of_a], true);
    check(&[&signed, &kimi], &[&of_kimi], &[&signed, &told], &[&of_told], true);
    check(&[&a], &[&of_a], &[&a], &[&of_a], false);
    check(&[&unsigned, &a], &[&of_a], &[&a], &[&of_a], false);
    check(
        &[&unsigned],
        &[&json!({"type": "text", "text": "x"})],
        &[],
        &[&json!({"type": "text", "text": "x"})],
        true,
    );
}

#[test]
fn a_conversation_in_these_words_goes_on() {
    let go = json!({"role": "user", "content": "Go."});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "bash", "input": {}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    let signed = json!({"type": "thinking", "thinking": "hm", "signature": "EqQB"});
    let hidden = json!({"type": "redacted_thinking", "data": "x"});
    let (a, of_a) = (call("a"), result("a"));
    // A person has had the word since: earlier thoughts are not asked for.
    let text = json!({"type": "text", "text": "x"});
    let later = json!([
        go,
        speaker("assistant", &[&a]),
        speaker("user", &[&of_a]),
        speaker("assistant", &[&text]),
        go
    ]);
    assert_eq!(sent_on(&later, true, true)["thinking"]["type"], "enabled");
    // Only the first message of a loop of tools must begin with a thought.
    let long = json!([
        go,
        speaker("assistant", &[&signed, &a]),
        speaker("user", &[&of_a]),
        speaker("assistant", &[&call("b")]),
        speaker("user", &[&result("b")])
    ]);
    assert_eq!(sent_on(&long, true, true)["thinking"]["type"], "enabled");
    // Ids that come again, with their results.
    let again = json!([
        go,
        speaker("assistant", &[&a]),
        speaker("user", &[&of_a]),
        speaker("assistant", &[&a]),
        speaker("user", &[&of_a])
    ]);
    let sent = sent_on(&again, false, true);
    let second = &sent["messages"][3]["content"][0]["id"];
    assert_eq!(&sent["messages"][4]["content"][0]["tool_use_id"], second);
    assert_ne!(second, "a");
    // Without any thought, where signatures were refused.
    let sent = sent_on(
        &json!([go, speaker("assistant", &[&signed, &hidden, &a]), speaker("user", &[&of_a])]),
        true,
        false,
    );
    assert_eq!(sent["messages"][1]["content"], json!([a]));
    assert_eq!(sent["thinking"]["type"], "disabled");
}

#[test]
fn complaints_about_thoughts_are_known() {
    let check = |status: u16, message: &str, expected: bool| {
        let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
        let complaint = OURS.error(status, body.to_string().as_bytes());
        assert_eq!(OURS.is_about_thoughts(&complaint), expected, "{message}");
        assert!(!UpstreamApi::OpenAi.is_about_thoughts(&complaint));
    };
    check(400, "messages.1.content.0: Invalid `signature` in `thinking` block", true);
    check(
        400,
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
        true,
    );
    check(500, "messages.1.content.0: Invalid `signature` in `thinking` block", false);
    check(400, "thinking.budget_tokens: Input should be greater than or equal to 1024", false);
    check(400, "messages: at least one message is required", false);
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// A stream of a thought, a text, and a call of a tool, in the shape that Anthropic documents.
fn stream(text: &[&str], arguments: &[&str]) -> Vec<String> {
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta =
        |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [],
            "model": "claude-x", "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 10,
            "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50, "output_tokens": 1,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}}}}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        json!({"type": "ping"}),
        delta(0, json!({"type": "thinking_delta", "thinking": "let me "})),
        delta(0, json!({"type": "thinking_delta", "thinking": "see"})),
        delta(0, json!({"type": "signature_delta", "signature": "EqQB=="})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
    ];
    events.extend(text.iter().map(|text| delta(1, json!({"type": "text_delta", "text": text}))));
    events.push(stop(1));
    events.push(start(2, json!({"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}})));
    events.extend(
        arguments.iter().map(|text| delta(2, json!({"type": "input_json_delta", "partial_json": text}))),
    );
    events.push(stop(2));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
        "usage": {"output_tokens": 15}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(event).collect()
}

fn expected(text: &str, arguments: &str) -> Value {
    json!({
        "id": "msg_1", "object": "chat.completion", "created": 7, "model": "claude-x",
        "choices": [{"index": 0, "logprobs": null, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": text, "refusal": null, "reasoning_content": "let me see",
            "thinking_blocks": [{"type": "thinking", "thinking": "let me see", "signature": "EqQB=="}],
            "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}],
        }}],
        "usage": {"prompt_tokens": 160, "completion_tokens": 15, "total_tokens": 175, "prompt_tokens_details": {
            "cached_tokens": 100, "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}}},
    })
}

#[test]
fn a_stream_is_put_into_our_words() {
    let sent = stream(&["Hel", "lo 世界"], &["", r#"{"city": "#, r#""巴黎"}"#]).concat();
    let chunks = decoded(OURS, false, sent.as_bytes(), sent.len());
    assert_eq!(gathered(&chunks).unwrap(), expected("Hello 世界", r#"{"city": "巴黎"}"#));
    assert!(chunks.iter().any(|chunk| chunk.what == ChunkKind::KeepAlive), "a ping is a sign of life");
    let usage = chunks.iter().rev().find_map(|chunk| match &chunk.what {
        ChunkKind::Piece(piece) => piece.usage,
        _ => None,
    });
    let usage = usage.unwrap().usage();
    assert_eq!(
        (usage.input, usage.cached_input, usage.cache_write, usage.cache_write_hour),
        (10, 100, 20, 30)
    );
    // A call without arguments has an empty object.
    let bare = stream(&["x"], &[""]).concat();
    assert_eq!(gathered(&decoded(OURS, false, bare.as_bytes(), 9)).unwrap(), expected("x", "{}"));
}

/// Each piece goes to its own block, however the blocks stand among each other and whichever events an upstream leaves out.
#[test]
fn each_piece_of_a_call_goes_to_its_block() {
    let start = |index: Value, name: &str| {
        let block = json!({"type": "tool_use", "id": format!("id_{name}"), "name": name, "input": {}});
        json!({"type": "content_block_start", "index": index, "content_block": block})
    };
    let other = |index: u64, kind: &str| json!({"type": "content_block_start", "index": index, "content_block": {"type": kind, "text": "", "id": "s", "name": "web_search", "input": {}}});
    let delta = |index: Value, text: &str| json!({"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": text}});
    let stop = |index: Value| json!({"type": "content_block_stop", "index": index});
    let no = || Value::Null;
    let (zero, one) = (|| json!(0), || json!(1));
    let check = |events: Vec<Value>, expected: &[(&str, &str)]| {
        let begin =
            json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "content": []}});
        let ends = [
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
            json!({"type": "message_stop"}),
        ];
        let sent: String = std::iter::once(&begin).chain(&events).chain(&ends).map(event).collect();
        let chunks = decoded(OURS, false, sent.as_bytes(), sent.len());
        let answer = gathered(&chunks).unwrap();
        let calls = answer["choices"][0]["message"]["tool_calls"].as_array().unwrap();
        let calls: Vec<(&str, &str)> = calls
            .iter()
            .map(|call| &call["function"])
            .map(|it| (it["name"].as_str().unwrap(), it["arguments"].as_str().unwrap()))
            .collect();
        assert_eq!(calls, expected, "{sent}");
        let last = chunks.iter().rposition(|chunk| matches!(&chunk.what, ChunkKind::Piece(_))).unwrap();
        assert!(chunks[last].data.windows(10).any(|it| it == b"tool_calls"), "it ends last: {sent}");
    };
    let both = [("f", r#"{"a":1}"#), ("g", r#"{"b":2}"#)];
    // One within the other, and one after the other.
    let (f, g) = (|| start(zero(), "f"), || start(one(), "g"));
    let (whole, rest) = (|| delta(one(), r#"{"b":2}"#), || delta(zero(), "1}"));
    let begun = || delta(zero(), r#"{"a":"#);
    check(vec![f(), g(), begun(), whole(), rest(), stop(zero()), stop(one())], &both);
    check(vec![f(), begun(), g(), whole(), stop(one()), rest(), stop(zero())], &both);
    check(vec![f(), begun(), rest(), stop(zero()), g(), whole(), stop(one())], &both);
    // No block is told to have ended, or not the first.
    check(vec![f(), g(), begun(), whole(), rest()], &both);
    check(vec![f(), g(), whole(), stop(one())], &[("f", "{}"), ("g", r#"{"b":2}"#)]);
    check(vec![f(), g(), stop(one()), stop(zero())], &[("f", "{}"), ("g", "{}")]);
    check(vec![f(), g()], &[("f", "{}"), ("g", "{}")]);
    // A text and a tool of the provider's own, which have no part in the calls.
    check(vec![other(1, "text"), f(), begun(), stop(one()), rest(), stop(zero())], &both[..1]);
    let searched =
        vec![f(), other(1, "server_tool_use"), begun(), whole(), stop(one()), rest(), stop(zero())];
    check(searched, &both[..1]);
    // Numbers that are left out, all alike, or another block's.
    for index in [no(), zero()] {
        let (f, g) = (start(index.clone(), "f"), start(index.clone(), "g"));
        let (first, second) = (delta(index.clone(), r#"{"a":1}"#), delta(index.clone(), r#"{"b":2}"#));
        let end = stop(index);
        check(vec![f.clone(), first.clone(), end.clone(), g.clone(), second.clone(), end.clone()], &both);
        check(vec![f.clone(), first, g.clone(), second], &both);
        check(vec![f, end.clone(), g, end], &[("f", "{}"), ("g", "{}")]);
    }
    check(vec![start(json!(5), "f"), begun(), rest(), stop(zero())], &both[..1]);
}

/// The number of blocks under way is bounded; beyond it the answer is none.
#[test]
fn blocks_under_way_have_a_bound() {
    let start = |index: u64| json!({"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": "a", "name": "f"}});
    let check = |count: u64, expected: bool| {
        let sent: String = (0..count).map(|index| event(&start(u64::MAX - index))).collect();
        let chunks = decoded(OURS, false, sent.as_bytes(), sent.len());
        assert_eq!(chunks.iter().any(|chunk| chunk.what == ChunkKind::Malformed), expected, "{count}");
    };
    check(128, false);
    check(129, true);
}

#[test]
fn a_whole_answer_is_put_into_our_words() {
    let mut body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "let me see", "signature": "EqQB=="},
            {"type": "text", "text": "Hello "}, {"type": "text", "text": "世界"},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "巴黎"}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 15, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30}},
    });
    let raw = Bytes::from(body.to_string());
    let whole = OURS.whole(raw.clone(), true, 7).unwrap();
    let value: Value = serde_json::from_slice(whole.bytes()).unwrap();
    assert_eq!(value, expected("Hello 世界", r#"{"city":"巴黎"}"#));
    assert_eq!(whole.native(), Some(&raw));
    for (reason, word) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
    ] {
        body["stop_reason"] = reason.into();
        let whole = OURS.whole(Bytes::from(body.to_string()), false, 7).unwrap();
        let value: Value = serde_json::from_slice(whole.bytes()).unwrap();
        assert_eq!((&value["choices"][0]["finish_reason"], whole.native()), (&json!(word), None), "{reason}");
    }
    body["stop_reason"] = "terminated".into();
    let failed = OURS.whole(Bytes::from(body.to_string()), false, 7);
    assert!(
        matches!(&failed, Err(NotAnAnswer::Complaint(it)) if it.code.as_deref() == Some("terminated") && it.usage.is_some()),
        "{failed:?}"
    );
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}).to_string();
    assert!(
        matches!(OURS.whole(error.into(), false, 7), Err(NotAnAnswer::Complaint(it)) if it.message == "Overloaded")
    );
    assert!(matches!(OURS.whole("{}".into(), false, 7), Err(NotAnAnswer::NoChoices)));
    assert!(matches!(OURS.whole("<html>".into(), false, 7), Err(NotAnAnswer::NotJson(_))));
}

/// Only `message_stop` makes a stream whole.
#[test]
fn no_stream_that_breaks_off_looks_whole() {
    let events = stream(&["a", "b"], &["{}"]);
    for count in 0..events.len() {
        let sent = events[..count].concat();
        assert_eq!(gathered(&decoded(OURS, false, sent.as_bytes(), 64)), None, "after {count} events");
    }
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let sent = events[..9].concat() + &event(&error);
    let chunks = decoded(OURS, false, sent.as_bytes(), 1);
    let complaints = complaints(&chunks);
    assert_eq!((complaints.len(), complaints[0].kind.as_deref()), (1, Some("overloaded_error")));
    assert_eq!(gathered(&chunks), None);
}

/// How an answer ends by its reason, streamed and whole alike; `None`: it failed.
#[test]
fn an_end_that_nobody_knows_is_no_whole_answer() {
    let check = |blocks: Value, reason: Value, expected: Option<&str>| {
        let message = json!({"id": "msg_1", "model": "claude-x", "content": blocks, "stop_reason": reason});
        let word = |answer: &Value| answer["choices"][0]["finish_reason"].as_str().map(str::to_owned);
        let whole = OURS.whole(message.to_string().into(), false, 7).ok();
        let whole = whole.and_then(|it| word(&serde_json::from_slice(it.bytes()).unwrap()));
        assert_eq!(whole.as_deref(), expected, "{message}");
        let mut events =
            vec![json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x"}})];
        for block in blocks.as_array().unwrap() {
            events.push(json!({"type": "content_block_start", "index": 0, "content_block": block}));
            events.push(json!({"type": "content_block_stop", "index": 0}));
        }
        events.push(
            json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}),
        );
        events.push(json!({"type": "message_stop"}));
        let sent: String = events.iter().map(event).collect();
        for native in [false, true] {
            let chunks = decoded(OURS, native, sent.as_bytes(), 50);
            let failed = complaints(&chunks);
            assert_eq!(failed.len(), usize::from(expected.is_none()), "{message}");
            assert!(failed.iter().all(|failed| failed.usage.is_some()), "{message}");
            if failed.is_empty() {
                assert_eq!(word(&gathered(&chunks).unwrap()).as_deref(), expected, "{message}");
            }
        }
    };
    let text = || json!([{"type": "text", "text": "x"}]);
    let call = json!([{"type": "tool_use", "id": "a", "name": "f", "input": {}}]);
    let thought = json!([{"type": "thinking", "thinking": "x", "signature": "s"}]);
    check(text(), json!("end_turn"), Some("stop"));
    check(json!([]), json!("end_turn"), Some("stop"));
    check(json!([]), json!("error"), None);
    for unknown in [json!("weird"), json!(""), Value::Null] {
        check(json!([]), unknown.clone(), None);
        check(json!([{"type": "text", "text": ""}]), unknown.clone(), None);
        check(text(), unknown.clone(), Some("length"));
        check(thought.clone(), unknown.clone(), Some("length"));
        check(call.clone(), unknown, Some("length"));
    }
}

/// A client of the same dialect gets the bytes that came, each of them once, whatever the chunks are.
#[test]
fn the_bytes_that_came_are_kept_for_who_wants_them() {
    let sent = stream(&["a", "b"], &[r#"{"x":"#, "1}"]).concat()
        + "event: unheard_of\ndata: {\"type\":\"unheard_of\"}\n\n";
    for size in [1, 7, 1000, sent.len()] {
        let chunks = decoded(OURS, true, sent.as_bytes(), size);
        let native: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.native.clone().unwrap()).collect();
        assert_eq!(String::from_utf8(native).unwrap(), sent);
        assert_eq!(gathered(&chunks[..chunks.len() - 1]).unwrap(), expected("ab", r#"{"x":1}"#));
    }
}

#[test]
fn errors_say_what_they_mean() {
    let check = |status: u16, kind: &str, message: &str, meant: u16| {
        let body =
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
        let complaint = OURS.error(status, body.to_string().as_bytes());
        assert_eq!(complaint.status, Some(meant), "{message}");
        assert_eq!((complaint.kind.as_deref(), &*complaint.message), (Some(kind), message));
        complaint
    };
    check(529, "overloaded_error", "Overloaded", 529);
    check(401, "authentication_error", "invalid x-api-key", 401);
    check(400, "invalid_request_error", "messages: at least one message is required", 400);
    let poor = "Your credit balance is too low to access the Anthropic API.";
    assert!(check(400, "invalid_request_error", poor, 402).is_balance());
    let long = "prompt is too long: 210000 tokens > 200000 maximum";
    assert!(check(400, "invalid_request_error", long, 400).is_context_length());
    assert!(check(413, "request_too_large", "Request exceeds the maximum size", 413).is_context_length());
}

proptest! {
    /// However it is cut, a stream says what the whole answer would.
    #[test]
    fn texts_and_arguments_survive(
        texts in prop::collection::vec("\\PC{1,12}", 1..6), key in "\\PC{0,8}", size in 1usize..200,
    ) {
        let arguments = json!({key: 1}).to_string();
        let at = (1..arguments.len()).find(|at| arguments.is_char_boundary(*at)).unwrap();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let sent = stream(&texts, &[&arguments[..at], &arguments[at..]]).concat();
        let whole = gathered(&decoded(OURS, false, sent.as_bytes(), size)).unwrap();
        prop_assert_eq!(whole, expected(&texts.concat(), &arguments));
    }

    /// Whatever people say, in whichever order, is in the request, in its order, and nobody speaks twice in a row.
    #[test]
    fn no_word_is_lost(said in prop::collection::vec((0usize..3, "\\PC{0,10}[a-z]\\PC{0,9}"), 1..12)) {
        let messages: Vec<Value> = said
            .iter()
            .map(|(role, text)| json!({"role": (["system", "user", "assistant"][*role]), "content": text}))
            .collect();
        let sent = body(&Value::Array(messages), &json!({}));
        let turns = sent["messages"].as_array().unwrap();
        prop_assert!(turns.windows(2).all(|pair| pair[0]["role"] != pair[1]["role"]));
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|it| it["text"].as_str().unwrap().to_owned()).collect()
        };
        let told = texts(&sent["system"]);
        let spoken: Vec<String> = turns.iter().flat_map(|turn| texts(&turn["content"])).collect();
        let pick = |system: bool| said.iter().filter(move |(role, _)| (*role == 0) == system).map(|(_, text)| text);
        if pick(false).count() == 0 {
            prop_assert_eq!(spoken, pick(true).cloned().collect::<Vec<_>>());
        } else {
            prop_assert_eq!(told, pick(true).cloned().collect::<Vec<_>>());
            let trimmed = |texts: Vec<String>| texts.iter().map(|it| it.trim_end().to_owned()).collect::<Vec<_>>();
            prop_assert_eq!(trimmed(spoken), trimmed(pick(false).cloned().collect()));
        }
    }
}

#[test]
fn no_stream_makes_it_panic() {
    survives_odd_pieces(OURS, &stream(&["Hel", "lo 世界"], &["{\"a\"", ": 1}"]));
}
