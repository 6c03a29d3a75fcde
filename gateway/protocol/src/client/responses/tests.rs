use serde_json::{Value, json};

use super::super::ApiEndpoint;

/// The chat for a response to these items.
fn chat(input: &Value) -> Value {
    let body = json!({"model": "auto", "input": input});
    let request = ApiEndpoint::Responses.read(body.to_string().into(), "r");
    let request = request.unwrap_or_else(|why| panic!("{input}: {why:?}"));
    let body = request.chat.encode("m", false, &Default::default());
    serde_json::from_slice::<Value>(&body).unwrap()["messages"].clone()
}

/// A chat's tools give texts: what else a tool gave back follows as a person's message, behind all results.
#[test]
fn pictures_and_files_that_tools_gave_back_follow() {
    let check = |input: Value, expected: Value| assert_eq!(chat(&input), expected, "{input}");
    let user = |content: Value| json!({"role": "user", "content": content});
    let call =
        |id: &str| json!({"type": "function_call", "call_id": id, "name": "view_image", "arguments": "{}"});
    let called = |ids: &[&str]| {
        let call = |id: &&str| json!({"id": id, "type": "function", "function": {"name": "view_image", "arguments": "{}"}});
        json!({"role": "assistant", "content": null, "tool_calls": ids.iter().map(call).collect::<Vec<_>>()})
    };
    let output =
        |id: &str, output: Value| json!({"type": "function_call_output", "call_id": id, "output": output});
    let tool = |id: &str, content: &str| json!({"role": "tool", "tool_call_id": id, "content": content});
    let text = |text: &str| json!({"type": "input_text", "text": text});
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="});
    let seen = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}});
    let file =
        json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="});
    let read = json!({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}});
    let follows = super::super::FOLLOWS;
    check(
        json!([call("a"), output("a", json!([text("a.png"), image]))]),
        json!([called(&["a"]), tool("a", "a.png"), user(json!([seen]))]),
    );
    check(
        json!([
            call("a"),
            call("b"),
            output("a", json!([image])),
            output("b", json!([text("x"), text("y"), file]))
        ]),
        json!([called(&["a", "b"]), tool("a", follows), tool("b", "x\ny"), user(json!([seen, read]))]),
    );
    // With what a person says next, and before what the assistant does next.
    let shown = json!([seen, {"type": "text", "text": "See?"}]);
    check(
        json!([call("a"), output("a", json!([image])), {"role": "user", "content": "See?"}]),
        json!([called(&["a"]), tool("a", follows), user(shown.clone())]),
    );
    check(
        json!([call("a"), output("a", json!([image])), {"role": "user", "content": [text("See?"), image]}]),
        json!([
            called(&["a"]),
            tool("a", follows),
            user(json!([seen, {"type": "text", "text": "See?"}, seen]))
        ]),
    );
    for next in [
        call("b"),
        json!({"role": "assistant", "content": "x"}),
        json!({"role": "developer", "content": "x"}),
    ] {
        let messages = chat(&json!([call("a"), output("a", json!([image])), next]));
        assert_eq!(messages[2], user(json!([seen])), "{next}");
        assert_eq!(messages.as_array().unwrap().len(), 4, "{next}");
    }
    check(json!([call("a"), output("a", json!([]))]), json!([called(&["a"]), tool("a", "")]));
}

#[test]
fn what_a_tool_gave_back_and_its_provider_keeps_is_named() {
    let image = json!({"type": "input_image", "file_id": "f"});
    let body = json!({"model": "auto", "input": [
        {"type": "function_call", "call_id": "a", "name": "view_image", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": [image]}]});
    let request = ApiEndpoint::Responses.read(body.to_string().into(), "r").unwrap();
    let why = request.chat.native().unwrap().cannot_be_a_chat().unwrap().clone();
    assert_eq!(why.param.as_deref(), Some("input[1].output[0].file_id"));
    assert!(request.chat.needs().image, "who chooses a model knows of the picture");
}
