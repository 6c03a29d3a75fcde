use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::chunk::ChunkKind;
use super::super::super::completion::NotAnAnswer;
use super::super::tests::{chat, complaints, decoded, encoded, gathered, refused, survives_odd_pieces, told};
use super::super::{EffortStyle, EncodedRequest, UpstreamApi};

const OURS: UpstreamApi = UpstreamApi::Gemini;

fn body(messages: &Value, fields: &Value) -> Value {
    encoded(OURS, &chat(messages, fields), &told(true))
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

#[test]
fn messages_are_put_into_other_words() {
    let call = |id: &str, signature: Option<&str>| {
        let mut call = json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"巴黎\"}"}});
        if let Some(signature) = signature {
            call["extra_content"] = json!({"google": {"thought_signature": signature}});
        }
        call
    };
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "看"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            {"type": "image_url", "image_url": "https://h/a.JPG?x=1"},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
        ]},
        {"role": "assistant", "content": "", "tool_calls": [call("a", Some("sig")), call("b", None)],
         "thinking_blocks": [{"type": "thinking", "thinking": "x", "signature": "y"}]},
        {"role": "tool", "tool_call_id": "a", "content": "{\"sun\":true}"},
        {"role": "tool", "tool_call_id": "b", "content": "rain"},
    ]);
    let sent = body(&messages, &json!({}));
    let function = |id: &str| json!({"id": id, "name": "weather", "args": {"city": "巴黎"}});
    let response = |id: &str, response: Value| json!({"functionResponse": {"id": id, "name": "weather", "response": response}});
    assert_eq!(
        sent,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [
                    {"text": "看"},
                    {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                    {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://h/a.JPG?x=1"}},
                    {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
                    {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
                ]},
                {"role": "model", "parts": [
                    {"functionCall": function("a"), "thoughtSignature": "sig"}, {"functionCall": function("b")},
                ]},
                {"role": "user", "parts": [response("a", json!({"sun": true})), response("b", json!({"result": "rain"}))]},
            ],
            "generationConfig": {},
        })
    );
    // Calls that another model made are not signed: newer models are told so, older ones need no signature.
    let foreign = json!([messages[1], {"role": "assistant", "tool_calls": [call("a", None)]}]);
    let signature = |effort: EffortStyle| {
        let sent = encoded(OURS, &chat(&foreign, &json!({})), &EncodedRequest { effort, ..told(false) });
        sent["contents"][1]["parts"][0]["thoughtSignature"].clone()
    };
    assert_eq!(signature(EffortStyle::Word), "skip_thought_signature_validator");
    assert_eq!(signature(EffortStyle::Tokens), Value::Null);
    let stray = json!([{"role": "tool", "tool_call_id": "z", "content": "x"}]);
    refused(OURS, &stray, &json!({}), "messages.tool_call_id");
}

#[test]
fn fields_are_put_into_other_words() {
    let config = |fields: Value, expected: Value| {
        assert_eq!(body(&user("x"), &fields)["generationConfig"], expected, "{fields}");
    };
    config(
        json!({"temperature": 1.5, "top_p": 0.9, "top_k": 5, "n": 2, "seed": 7, "presence_penalty": 1, "frequency_penalty": -1,
            "stop": "END", "max_completion_tokens": 9}),
        json!({"temperature": 1.5, "topP": 0.9, "topK": 5, "candidateCount": 2, "seed": 7, "presencePenalty": 1,
            "frequencyPenalty": -1, "stopSequences": ["END"], "maxOutputTokens": 9}),
    );
    config(
        json!({"response_format": {"type": "json_object"}}),
        json!({"responseMimeType": "application/json"}),
    );
    let schema = json!({"type": "object", "properties": {"a": {"type": ["integer", "null"]}}});
    config(
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}),
        json!({"responseMimeType": "application/json", "responseJsonSchema": schema}),
    );
    config(json!({"reasoning_effort": "none"}), json!({"thinkingConfig": {"thinkingLevel": "minimal"}}));
    config(
        json!({"reasoning_effort": "xhigh"}),
        json!({"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": true}}),
    );
    let tokens = |effort: &str, expected: Value| {
        let told = EncodedRequest { effort: EffortStyle::Tokens, ..told(false) };
        let sent = encoded(OURS, &chat(&user("x"), &json!({"reasoning_effort": effort})), &told);
        assert_eq!(sent["generationConfig"]["thinkingConfig"], expected, "{effort}");
    };
    tokens("none", json!({"thinkingBudget": 0}));
    // One that always thinks is not told to stop, which it would refuse.
    let pro = EncodedRequest { effort: EffortStyle::Tokens, model: "gemini-2.5-pro", ..told(false) };
    let sent = encoded(OURS, &chat(&user("x"), &json!({"reasoning_effort": "none"})), &pro);
    assert_eq!(sent["generationConfig"]["thinkingConfig"], json!({"thinkingBudget": 128}));
    tokens("medium", json!({"thinkingBudget": 8192, "includeThoughts": true}));
}

#[test]
fn tools_are_put_into_other_words() {
    let tools = |strict: bool| {
        json!([{"type": "function", "function": {"name": "f", "description": "d", "strict": strict,
            "parameters": {"type": "object"}}}])
    };
    let check = |strict: bool, choice: Value, expected: Value| {
        let sent = body(&user("x"), &json!({"tools": tools(strict), "tool_choice": choice}));
        let declared = json!([{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]);
        assert_eq!(sent["tools"], json!([{"functionDeclarations": declared}]));
        assert_eq!(sent["toolConfig"]["functionCallingConfig"], expected, "{choice}");
    };
    check(false, Value::Null, Value::Null);
    check(true, Value::Null, json!({"mode": "VALIDATED"}));
    check(false, json!("auto"), json!({"mode": "AUTO"}));
    check(true, json!("none"), json!({"mode": "NONE"}));
    check(false, json!("required"), json!({"mode": "ANY"}));
    let named = json!({"type": "function", "function": {"name": "f"}});
    check(false, named, json!({"mode": "ANY", "allowedFunctionNames": ["f"]}));
    let fields = json!({"tools": tools(false), "parallel_tool_calls": false});
    refused(OURS, &user("x"), &fields, "parallel_tool_calls");
}

/// A part of an answer, in the shape that Google documents.
fn part(parts: &Value, finish: Option<&str>, thoughts: u64, said: u64) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({
        "candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1",
        "usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": said,
            "thoughtsTokenCount": thoughts, "totalTokenCount": 100 + thoughts + said},
    })
}

fn stream(parts: &[Value]) -> Vec<String> {
    parts.iter().map(|part| format!("data: {part}\r\n\r\n")).collect()
}

fn parts() -> [Value; 4] {
    [
        part(&json!([{"text": "let me see", "thought": true}]), None, 9, 0),
        part(&json!([{"text": "Hello "}]), None, 9, 2),
        part(
            &json!([{"text": "世界"}, {"functionCall": {"name": "weather", "args": {"city": "巴黎"}}, "thoughtSignature": "sig=="}]),
            None,
            9,
            5,
        ),
        part(&json!([{"text": ""}]), Some("STOP"), 9, 6),
    ]
}

fn expected() -> Value {
    json!({
        "id": "r1", "object": "chat.completion", "created": 7, "model": "gemini-x",
        "choices": [{"index": 0, "logprobs": null, "finish_reason": "tool_calls", "message": {
            "role": "assistant", "content": "Hello 世界", "refusal": null, "reasoning_content": "let me see",
            "tool_calls": [{"id": "call_r1_0", "type": "function",
                "function": {"name": "weather", "arguments": "{\"city\":\"巴黎\"}"},
                "extra_content": {"google": {"thought_signature": "sig=="}}}],
        }}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 15, "total_tokens": 115,
            "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens_details": {"reasoning_tokens": 9}},
    })
}

#[test]
fn a_stream_is_put_into_our_words() {
    let sent = stream(&parts()).concat();
    for size in [1, 11, sent.len()] {
        assert_eq!(gathered(&decoded(OURS, false, sent.as_bytes(), size)).unwrap(), expected());
    }
    // What was used so far is known before the end, for who leaves early.
    let chunks = decoded(OURS, false, stream(&parts()[..2]).concat().as_bytes(), 99);
    let ChunkKind::Piece(last) = &chunks.last().unwrap().what else { panic!() };
    let usage = last.usage.unwrap().usage();
    assert_eq!((usage.input, usage.cached_input, usage.reasoning, usage.output), (60, 40, 9, 2));
    assert_eq!(gathered(&chunks), None);
}

#[test]
fn a_whole_answer_is_put_into_our_words() {
    let all: Vec<Value> = parts()
        .iter()
        .flat_map(|part| part["candidates"][0]["content"]["parts"].as_array().unwrap().clone())
        .collect();
    let body = part(&Value::Array(all), Some("STOP"), 9, 6).to_string();
    let whole = OURS.whole(body.into(), false, 7).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(whole.bytes()).unwrap(), expected());
    let finish = |reason: &str| {
        let body = part(&json!([{"text": "x"}]), Some(reason), 0, 1).to_string();
        let whole = OURS.whole(body.into(), false, 7).ok()?;
        let value: Value = serde_json::from_slice(whole.bytes()).unwrap();
        Some(value["choices"][0]["finish_reason"].as_str()?.to_owned())
    };
    for (reason, word) in [
        ("STOP", Some("stop")),
        ("MAX_TOKENS", Some("length")),
        ("SAFETY", Some("content_filter")),
        ("RECITATION", Some("content_filter")),
        ("PROHIBITED_CONTENT", Some("content_filter")),
        ("IMAGE_PROHIBITED_CONTENT", Some("content_filter")),
        ("SOMETHING_NEW", Some("length")),
        ("OTHER", None),
        ("NO_IMAGE", None),
        ("TOO_MANY_TOOL_CALLS", None),
        ("MISSING_THOUGHT_SIGNATURE", None),
        ("MALFORMED_FUNCTION_CALL", None),
    ] {
        assert_eq!(finish(reason).as_deref(), word, "{reason}");
    }
    assert!(matches!(OURS.whole("{}".into(), false, 7), Err(NotAnAnswer::NoChoices)));
    assert!(matches!(OURS.whole("x".into(), false, 7), Err(NotAnAnswer::NotJson(_))));
}

#[test]
fn no_stream_that_breaks_off_looks_whole() {
    let events = stream(&parts());
    for count in 0..events.len() {
        assert_eq!(gathered(&decoded(OURS, false, events[..count].concat().as_bytes(), 64)), None, "{count}");
    }
    let error =
        json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let sent = events[..2].concat() + &format!("data: {error}\n\n");
    let chunks = decoded(OURS, false, sent.as_bytes(), 5);
    assert_eq!(complaints(&chunks)[0].message, "The model is overloaded.");
    assert_eq!(gathered(&chunks), None);
    for reason in ["MALFORMED_FUNCTION_CALL", "SOMETHING_NEW"] {
        let failed = stream(&[part(&json!([]), Some(reason), 0, 0)]).concat();
        let chunks = decoded(OURS, false, failed.as_bytes(), 5);
        assert_eq!((complaints(&chunks).len(), gathered(&chunks)), (1, None), "{reason}");
    }
    // What said something is an answer, if not a complete one.
    let said = [part(&json!([{"text": "x"}]), None, 0, 1), part(&json!([]), Some("SOMETHING_NEW"), 0, 1)];
    for said in [&said[..], &[part(&json!([{"text": "x"}]), Some("SOMETHING_NEW"), 0, 1)]] {
        let answer = gathered(&decoded(OURS, false, stream(said).concat().as_bytes(), 5)).unwrap();
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
    }
}

/// A prompt that was blocked is the client's to change.
#[test]
fn a_blocked_prompt_is_a_content_policy() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}, "modelVersion": "gemini-x"});
    let Err(NotAnAnswer::Complaint(whole)) = OURS.whole(Bytes::from(blocked.to_string()), false, 7) else {
        panic!()
    };
    let streamed = complaints(&decoded(OURS, false, format!("data: {blocked}\n\n").as_bytes(), 9));
    for complaint in [&whole, &streamed[0]] {
        assert!(complaint.is_content_policy() && complaint.status == Some(400));
        assert_eq!(complaint.message, "The provider blocked the prompt (PROHIBITED_CONTENT).");
    }
}

#[test]
fn errors_say_what_they_mean() {
    let check = |status: u16, word: &str, details: Value, meant: u16, wait: Option<u64>| {
        let error = json!({"error": {"code": status, "message": "No.", "status": word, "details": details}});
        for body in [error.to_string(), format!("[{error}]")] {
            let complaint = OURS.error(status, body.as_bytes());
            assert_eq!((complaint.status, &*complaint.message), (Some(meant), "No."), "{body}");
            assert_eq!(OURS.wait(body.as_bytes()), wait.map(Duration::from_millis), "{body}");
        }
    };
    let info =
        |reason: &str| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]);
    let retry = json!([
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"},
    ]);
    check(400, "INVALID_ARGUMENT", info("API_KEY_INVALID"), 401, None);
    check(400, "FAILED_PRECONDITION", json!([]), 403, None);
    check(400, "INVALID_ARGUMENT", json!([]), 400, None);
    check(429, "RESOURCE_EXHAUSTED", retry, 429, Some(1500));
    check(503, "UNAVAILABLE", Value::Null, 503, None);
    let long = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."}});
    assert!(OURS.error(400, long.to_string().as_bytes()).is_context_length());
}

proptest! {
    #[test]
    fn texts_survive(texts in prop::collection::vec("\\PC{1,12}", 1..6), size in 1usize..200) {
        let mut parts: Vec<Value> = texts.iter().map(|text| part(&json!([{"text": text}]), None, 0, 1)).collect();
        parts.push(part(&json!([]), Some("STOP"), 0, 7));
        let whole = gathered(&decoded(OURS, false, stream(&parts).concat().as_bytes(), size)).unwrap();
        prop_assert_eq!(whole["choices"][0]["message"]["content"].as_str().unwrap(), texts.concat());
    }
}

#[test]
fn no_stream_makes_it_panic() {
    survives_odd_pieces(OURS, &stream(&parts()));
}
