use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{ApiEndpoint, ClientRequest};

/// A request with these fields beside the least that one has.
fn read(fields: &str) -> ClientRequest {
    let comma = if fields.is_empty() { "" } else { "," };
    let text = format!(
        r#"{{"model":"auto","max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]{comma}{fields}}}"#
    );
    ApiEndpoint::Messages.read(Bytes::from(text.clone()), "r").unwrap_or_else(|why| panic!("{text}: {why:?}"))
}

/// The chat for messages with these.
fn chat(messages: &str) -> Value {
    let text = format!(r#"{{"model":"auto","max_tokens":9,"messages":{messages}}}"#);
    let request =
        ApiEndpoint::Messages.read(text.clone().into(), "r").unwrap_or_else(|why| panic!("{text}: {why:?}"));
    let body = request.chat.encode("m", false, &Default::default());
    serde_json::from_slice::<Value>(&body).unwrap()["messages"].clone()
}

fn sent(request: &ClientRequest) -> String {
    let body = request.chat.encode("m", request.chat.stream(), &Default::default());
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn fields() {
    let check = |given: &str, expected: &str, dropped: &[&str]| {
        let request = read(given);
        let plain = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":9"#;
        let comma = if expected.is_empty() { "" } else { "," };
        assert_eq!(sent(&request), format!("{plain}{comma}{expected}}}"), "{given}");
        assert_eq!(request.dropped, dropped, "{given}");
    };
    check("", "", &[]);
    check(r#""metadata":null,"stop_sequences":[],"top_p":0.5"#, r#""top_p":0.5,"stop":[]"#, &[]);
    // Whatever is copied is copied as it is written.
    check(
        r#""tools":[{"name":"f\u006f","input_schema":{"z":1, "a":1e400}}]"#,
        r#""tools":[{"type":"function","function":{"name":"f\u006f","parameters":{"z":1, "a":1e400}}}]"#,
        &[],
    );
    let tool = r#""tools":[{"name":"f","input_schema":{}}]"#;
    let function = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{},"type":"object"}}}]"#;
    for (choice, word) in [("auto", "auto"), ("any", "required"), ("none", "none")] {
        let given = format!(r#"{tool},"tool_choice":{{"type":"{choice}"}}"#);
        check(&given, &format!(r#"{function},"tool_choice":"{word}""#), &[]);
    }
    check(
        &format!(r#"{tool},"tool_choice":{{"type":"tool","name":"f"}}"#),
        &format!(r#"{function},"tool_choice":{{"type":"function","function":{{"name":"f"}}}}"#),
        &[],
    );
    for (budget, effort) in [(1024, "low"), (4096, "medium"), (30000, "high")] {
        let given = format!(r#""thinking":{{"type":"enabled","budget_tokens":{budget}}}"#);
        check(&given, &format!(r#""reasoning_effort":"{effort}""#), &[]);
    }
    check(
        r#""thinking":{"type":"adaptive"},"output_config":{"effort":"max"}"#,
        r#""reasoning_effort":"max""#,
        &[],
    );
    check(r#""thinking":{"type":"disabled"}"#, r#""reasoning_effort":"none""#, &["thinking"]);
    check(
        r#""output_config":{"format":{"type":"json_schema","schema":{"b":1,"a":2}}}"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"b":1,"a":2},"strict":true}}"#,
        &[],
    );
    check(
        r#""context_management":{"edits":[]},"service_tier":"auto""#,
        "",
        &["service_tier", "context_management"],
    );
    check(r#""metadata":{"user_id":"u"}"#, r#""user":"u""#, &[]);
    check(&format!(r#""metadata":{{"user_id":"{}"}}"#, "u".repeat(65)), "", &["metadata"]);
}

#[test]
fn system_prompts() {
    let check = |system: &str, expected: Value| {
        let request = read(&format!(r#""system":{system}"#));
        let sent: Value = serde_json::from_str(&sent(&request)).unwrap();
        let first = &sent["messages"][0];
        assert_eq!(
            if first["role"] == "system" { &first["content"] } else { &Value::Null },
            &expected,
            "{system}"
        );
    };
    check(r#""Be \"brief\".""#, json!("Be \"brief\"."));
    check(r#""""#, Value::Null);
    check("[]", Value::Null);
    check(r#"[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]"#, json!("a"));
    check(r#"[{"type":"text","text":"a\n"},{"type":"text","text":"好"}]"#, json!("a\n\n\n好"));
}

#[test]
fn blocks() {
    let user = |content: Value| json!({"role": "user", "content": content});
    let check = |messages: Value, expected: Value| {
        assert_eq!(chat(&messages.to_string()), expected, "{messages}");
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    check(json!([user(json!([text("a")]))]), json!([user(json!("a"))]));
    check(json!([user(json!([text("a"), text("b")]))]), json!([user(json!([text("a"), text("b")]))]));
    let url = json!({"type": "image", "source": {"type": "url", "url": "https://x/y.png"}});
    let seen = json!({"type": "image_url", "image_url": {"url": "https://x/y.png"}});
    check(json!([user(json!([url]))]), json!([user(json!([seen]))]));
    let pdf = json!({"type": "document", "title": "t", "context": "c",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}});
    let file =
        json!({"type": "file", "file": {"filename": "t", "file_data": "data:application/pdf;base64,AA=="}});
    check(json!([user(json!([pdf]))]), json!([user(json!([text("c"), file]))]));
    let plain =
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}});
    check(json!([user(json!([plain]))]), json!([user(json!("d"))]));
    // What tools gave back comes first, and what is no text follows as a person's.
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [text("r"), url]});
    let tool = json!({"role": "tool", "tool_call_id": "t", "content": "r"});
    check(json!([user(json!([text("a"), result]))]), json!([tool, user(json!([text("a"), seen]))]));
    let nothing = json!({"type": "tool_result", "tool_use_id": "t"});
    check(json!([user(json!([nothing]))]), json!([{"role": "tool", "tool_call_id": "t", "content": ""}]));
    let assistant = |content: Value| json!({"role": "assistant", "content": content});
    check(json!([assistant(json!([text("a"), text("b")]))]), json!([assistant(json!("ab"))]));
    check(
        json!([assistant(
            json!([{"type": "redacted_thinking", "data": "x"}, {"type": "tool_use", "id": "t", "name": "f"}])
        )]),
        json!([{"role": "assistant", "content": null, "tool_calls": [
            {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]),
    );
}

/// An upstream that speaks the dialect can be told what the client wrote, byte for byte.
#[test]
fn the_clients_own_words_are_kept() {
    let request = read(r#""cache_control":{"type":"ephemeral"}"#);
    let native = request.chat.native().unwrap();
    assert_eq!(native.endpoint(), ApiEndpoint::Messages);
    assert_eq!(native.body().get("cache_control").unwrap(), br#"{"type":"ephemeral"}"#);
}

#[test]
fn calls_without_json_are_told_so() {
    let told = |arguments: &str| {
        let answer = json!({"choices": [{"index": 0, "finish_reason": "stop", "message": {"tool_calls": [
            {"function": {"name": "f", "arguments": arguments}}]}}]});
        let whole = read("").encoder.whole(answer.to_string().into()).unwrap();
        let message: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(
            (&message["stop_reason"], &message["content"][0]["id"]),
            (&json!("tool_use"), &json!("toolu_msg_r_0"))
        );
        message["content"][0]["input"].clone()
    };
    assert_eq!(told(r#"{"a":1}"#), json!({"a": 1}));
    assert_eq!(told(" "), json!({}));
    assert_eq!(told(r#"{"a":"#), json!({"INVALID_JSON": "{\"a\":"}));
    assert_eq!(told("7"), json!({"INVALID_JSON": "7"}));
}

/// What a limit of tokens has cut ends where it was cut: with the members that had arrived.
#[test]
fn a_call_that_was_cut_has_what_arrived() {
    let check = |arguments: &str, expected: Value| {
        let answer = json!({"choices": [{"index": 0, "finish_reason": "length", "message": {"tool_calls": [
            {"function": {"name": "f", "arguments": arguments}}]}}]});
        let whole = read("").encoder.whole(answer.to_string().into()).unwrap();
        let message: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(message["stop_reason"], "max_tokens");
        assert_eq!(message["content"][0]["input"], expected, "{arguments}");
    };
    for begun in [
        "",
        "{",
        r#"{"a"#,
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        r#"{"a":"x\"#,
        r#"{"a":{"b":1"#,
        "7",
        "}",
        "[",
    ] {
        check(begun, json!({}));
    }
    check(r#"{"a":1}"#, json!({"a": 1}));
    check(r#"{"a":1,"#, json!({"a": 1}));
    check(r#"{"a": "x, \"y\": {""#, json!({"a": "x, \"y\": {"}));
    check(r#"{"a": [1, {"b": 2}], "c": [3"#, json!({"a": [1, {"b": 2}]}));
    check(r#"{"a": "é", "b": {"c": ",:"}"#, json!({"a": "é", "b": {"c": ",:"}}));
}

#[test]
fn a_stop_text_that_was_met_is_named() {
    let answer = json!({"choices": [{"index": 0, "finish_reason": "stop", "stop_reason": "END", "message": {"content": "x"}}]});
    let whole = read("").encoder.whole(answer.to_string().into()).unwrap();
    let message: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(
        (&message["stop_reason"], &message["stop_sequence"]),
        (&json!("stop_sequence"), &json!("END"))
    );
}

/// What is wrong with the chat that it comes to is told by the client's own names of fields.
#[test]
fn a_field_at_fault_is_called_what_the_client_calls_it() {
    let stops: Vec<_> = (0..17).map(|number| number.to_string()).collect();
    let body = json!({"model": "m", "max_tokens": 9, "stop_sequences": stops,
        "messages": [{"role": "user", "content": "hi"}]});
    let why = ApiEndpoint::Messages.read(body.to_string().into(), "r").err().expect("too many");
    assert_eq!(why.param.as_deref(), Some("stop_sequences"));
    assert!(why.message.contains("'stop_sequences'"), "{}", why.message);
}
