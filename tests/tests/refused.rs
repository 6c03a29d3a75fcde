//! What a provider's filter refused no other model sees, wherever the refusal stands, and it says nothing against the endpoint.

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

const LARGE: &str = "Large models know it as well.";

/// Errors that say that a filter refused, in the shapes of several providers.
fn refusals() -> Vec<Value> {
    vec![
        json!({"id": "x", "choices": null, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
        json!({"id": "x", "choices": null, "base_resp": {"status_code": 1027, "status_msg": "output new_sensitive"}}),
        json!({"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}}),
        json!({"code": "DataInspectionFailed", "message": "Input data may contain inappropriate content.", "request_id": "r"}),
        json!({"error": {"code": "InputTextSensitiveContentDetected", "message": "The request may contain sensitive information."}}),
        json!({"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
        json!({"error": {"code": 403, "message": "Your chosen model requires moderation and your input was flagged", "metadata": {"reasons": ["violence"]}}}),
        json!({"code": "forbidden", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}),
        json!({"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
        json!({"error": {"type": "censorship_blocked", "message": "The content you provided is blocked."}}),
    ]
}

/// The client hears of it, and nobody but the first model was asked.
async fn check(case: &str, script: Script, body: &Value) {
    let (small, large) = (Scripted::start(script).await, Scripted::start(Reply::text(LARGE)).await);
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
    for _ in 0..6 {
        let answer = gateway.ask(body).await;
        let label = format!("{case}: {} {}", answer.status(), answer.text());
        assert_eq!(answer.status(), 400, "{label}");
        assert_eq!(answer.json()["error"]["code"], "content_policy_violation", "{label}");
    }
    // Six in a row have not taken the endpoint out of use.
    assert_eq!((small.seen().len(), large.seen().len()), (6, 0), "{case}");
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "refused")]), 6.0, "{case}");
    assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "refused")]), 6.0, "{case}");
}

#[tokio::test(start_paused = true)]
async fn inside_a_200_or_as_a_status() {
    for refusal in refusals() {
        for status in [200, 400, 403] {
            let case = format!("{status} {refusal}");
            check(&case, Script::json(status, &refusal), &openai::ask("auto", "Hello")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_first_event_of_a_stream() {
    for refusal in refusals() {
        let script = Script::events().event(&refusal).event("[DONE]").end();
        check(&format!("stream {refusal}"), script.clone(), &openai::ask_stream("auto", "Hello")).await;
        let named = Script::events().chunk(format!("event: error\ndata: {refusal}\n\n")).end();
        check(&format!("named {refusal}"), named, &openai::ask_stream("auto", "Hello")).await;
    }
}

/// After a text nobody is asked to go on with it, and the client hears why it ended.
#[tokio::test(start_paused = true)]
async fn after_a_text() {
    for refusal in refusals() {
        let said = Reply::text("Once upon").stream(false).until_chunk(3);
        let small = Scripted::start(said.event(&refusal).end()).await;
        let large = Scripted::start(Reply::text("Once upon a time")).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
        let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
        let label = format!("{refusal}: {}", answer.text());
        assert_eq!((answer.content().as_str(), answer.has_done()), ("Once upon", false), "{label}");
        assert_eq!(answer.error().expect("an error")["code"], "content_policy_violation", "{label}");
        assert_eq!(large.seen().len(), 0, "{label}");
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "cut")]), 1.0, "{label}");
    }
}

/// A filter that ends an answer ends it for all: a guard does not send it on, nor is another model asked to compare.
#[tokio::test(start_paused = true)]
async fn an_answer_that_a_filter_ended_is_not_judged() {
    let all = "{kind: cascade, policy: {kind: fixed, model: small}, hold: all}";
    let begun = "{kind: cascade, policy: {kind: fixed, model: small}, hold: {tokens: 24, at_most: 600ms}}";
    let explored =
        "{kind: explore, share: 1, policy: {kind: fixed, model: small}, spend: {amount: 10, per: day}}";
    for policy in [all, begun, explored] {
        for word in ["content_filter", "sensitive"] {
            for body in [openai::ask("auto", "Hello"), openai::ask_stream("auto", "Hello")] {
                let small = Scripted::start(Reply::text("").ending(word)).await;
                let large = Scripted::start(Reply::text(LARGE)).await;
                let gateway =
                    Setup::ladder(&small.base_url(), &large.base_url()).policy(policy).start().await;
                let answer = gateway.ask(&body).await;
                let label = format!("{policy} {word}: {} {}", answer.status(), answer.text());
                assert_eq!((answer.status(), answer.content().as_str()), (200, ""), "{label}");
                assert!(answer.text().contains(word), "{label}");
                gateway.settled().await;
                assert_eq!(large.seen().len(), 0, "{label}");
            }
        }
    }
}
