use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::super::chunk::{ChunkKind, ResponseChunk};
use super::super::super::client;
use super::super::super::completion::NotAnAnswer;
use super::super::super::finish_reason::FinishReason;
use super::super::super::sse::SseParser;
use super::super::{ResponseDecoder, UpstreamApi};

/// The chunks that these events come to.
fn chunks(events: &[Value]) -> Vec<ResponseChunk> {
    let bytes: String = events.iter().map(|event| format!("event: x\ndata: {event}\n\n")).collect();
    let (mut splitter, mut chunks) = (SseParser::new(), VecDeque::new());
    let mut decoder: ResponseDecoder = UpstreamApi::Responses.decoder(true, 7);
    splitter.feed(bytes.clone().into());
    while let Some(Ok(event)) = splitter.next() {
        decoder.take(event, &mut chunks);
    }
    let came: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.native.clone().unwrap_or_default()).collect();
    assert_eq!(String::from_utf8(came).unwrap(), bytes, "every byte goes on, once");
    chunks.into()
}

fn deltas(events: &[Value]) -> Vec<Value> {
    let delta = |chunk: &ResponseChunk| {
        Some(serde_json::from_slice::<Value>(&chunk.data).ok()?["choices"][0]["delta"].clone())
    };
    chunks(events).iter().filter(|it| matches!(it.what, ChunkKind::Piece(_))).filter_map(delta).collect()
}

#[test]
fn events_are_told_in_our_words() {
    let check = |event: Value, expected: &[Value]| {
        assert_eq!(deltas(std::slice::from_ref(&event)), expected, "{event}")
    };
    let said = |kind: &str, delta: &str| json!({"type": format!("response.{kind}.delta"), "delta": delta, "output_index": 0});
    check(said("output_text", "你\n"), &[json!({"content": "你\n"})]);
    check(said("output_text", ""), &[]);
    check(said("refusal", "no"), &[json!({"refusal": "no"})]);
    check(said("reasoning_text", "hm"), &[json!({"reasoning_content": "hm"})]);
    check(said("reasoning_summary_text", "hm"), &[json!({"reasoning_content": "hm"})]);
    check(json!({"type": "response.audio.delta", "delta": {"deep": 1}}), &[]);
    check(json!({"type": "response.unheard_of", "response": 7, "item": [], "delta": {}}), &[]);
    check(json!({"type": "response.output_item.added", "item": {"type": "web_search_call"}}), &[]);
    // Arguments of a call that nobody began belong to nothing.
    check(said("function_call_arguments", "{}"), &[]);
}

#[test]
fn calls_are_numbered_by_their_items() {
    let begun = |at: u64, kind: &str, id: &str| json!({"type": "response.output_item.added", "output_index": at, "item": {"type": kind, "call_id": id, "name": id, "arguments": ""}});
    let more = |at: u64, kind: &str| json!({"type": format!("response.{kind}.delta"), "output_index": at, "delta": "x"});
    let events = [
        begun(1, "function_call", "a"),
        begun(3, "custom_tool_call", "b"),
        more(3, "custom_tool_call_input"),
        more(1, "function_call_arguments"),
    ];
    let calls: Vec<Value> = deltas(&events).into_iter().map(|delta| delta["tool_calls"][0].clone()).collect();
    let numbers: Vec<_> = calls.iter().map(|call| call["index"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 1, 0]);
    assert_eq!((&calls[1]["id"], &calls[1]["function"]["name"]), (&json!("b"), &json!("b")));
    assert_eq!(calls[2]["function"]["arguments"], "x");
}

#[test]
fn the_end_says_why_and_what_it_used() {
    let check = |status: &str, details: Value, expected: FinishReason| {
        let usage = json!({"input_tokens": 10, "input_tokens_details": {"cached_tokens": 99}, "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2}});
        let response = json!({"status": status, "incomplete_details": details, "usage": usage});
        let chunks = chunks(&[json!({"type": format!("response.{status}"), "response": response})]);
        let [end, counted, done] = &chunks[..] else { panic!("{chunks:?}") };
        assert!(matches!(&end.what, ChunkKind::Piece(piece) if piece.finish == Some(expected)), "{end:?}");
        let ChunkKind::Piece(piece) = &counted.what else { panic!("{counted:?}") };
        let reported = piece.usage.unwrap();
        assert_eq!((reported.prompt, reported.cached, reported.completion), (Some(10), Some(10), Some(5)));
        assert_eq!((reported.reasoning, &done.what), (Some(2), &ChunkKind::Done));
    };
    check("completed", Value::Null, FinishReason::Stop);
    check("incomplete", json!({"reason": "max_output_tokens"}), FinishReason::Length);
    check("incomplete", json!({"reason": "content_filter"}), FinishReason::ContentFilter);
    let error = json!({"type": "error", "code": "server_error", "message": "sorry"});
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "sorry"}}});
    for event in [error, failed] {
        let chunks = chunks(&[event]);
        assert!(
            matches!(&chunks[0].what, ChunkKind::Error(why) if why.message == "sorry" && why.code.as_deref() == Some("server_error")),
            "{chunks:?}"
        );
    }
}

#[test]
fn what_is_no_response_is_no_answer() {
    let whole = |body: Value| UpstreamApi::Responses.whole(Bytes::from(body.to_string()), true, 7);
    for body in [json!({}), json!({"output": 7}), json!({"status": "completed"})] {
        assert!(matches!(whole(body.clone()), Err(NotAnAnswer::NoChoices)), "{body}");
    }
    let failed = json!({"status": "failed", "output": [], "error": {"code": "x", "message": "sorry"}});
    for body in [failed, json!({"error": {"message": "sorry"}})] {
        assert!(
            matches!(whole(body.clone()), Err(NotAnAnswer::Complaint(why)) if why.message == "sorry"),
            "{body}"
        );
    }
    assert!(matches!(
        UpstreamApi::Responses.whole(Bytes::from_static(b"<html>"), true, 7),
        Err(NotAnAnswer::NotJson(_))
    ));
}

#[test]
fn thoughts_that_the_upstream_never_said_are_not_sent_to_it() {
    let thought = |id: &str, more: Value| {
        let mut item = json!({"type": "reasoning", "id": id, "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let none = json!({"encrypted_content": null});
    let sent = |input: Value| {
        let body = json!({"model": "m", "input": input}).to_string();
        let chat = client::ApiEndpoint::Responses.read(body.into(), "r").unwrap().chat;
        super::super::tests::encoded(UpstreamApi::Responses, &chat, &super::super::tests::told(false))["input"]
            .clone()
    };
    let user = json!({"role": "user", "content": "x"});
    let kept = [
        thought("rs_68af4030baa48193b0b43b4c2a176a1a", none.clone()),
        thought("rs_req_0", json!({"encrypted_content": "gAAA"})),
        json!({"type": "message", "id": "rs_req_0", "role": "user", "content": "reasoning_text"}),
    ];
    for item in kept {
        assert_eq!(sent(json!([user, item])), json!([user, item]));
    }
    assert_eq!(
        sent(json!([user, thought("rs_req-1_0", none.clone()), thought("rs_req-1_12", none), user])),
        json!([user, user])
    );
    assert_eq!(sent(json!("reasoning_text")), "reasoning_text");
}
