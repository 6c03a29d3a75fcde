//! What a provider refuses: what its filter refused no other model sees, wherever the refusal stands, and it says nothing against
//! the endpoint; what is too long, beyond the model or its owner's to mend, another rung may answer.

use std::time::Duration;

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
        json!({"id": "x", "choices": [{"index": 0, "delta": {}, "message": {}, "finish_reason": "error", "error": {"code": 403, "message": "Your input was flagged"}}]}),
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
        for status in
            [200, 400, 403].into_iter().filter(|status| *status == 200 || refusal["choices"].is_null())
        {
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
        let bare = Script::events().chunk(format!("{refusal}\n")).end();
        check(&format!("bare {refusal}"), bare, &openai::ask_stream("auto", "Hello")).await;
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

/// What a hedge's first model refused its second does not answer, though it was asked already.
#[tokio::test(start_paused = true)]
async fn a_hedge_gives_no_answer_to_what_a_filter_refused() {
    let hedge = "{kind: hedge, policy: {kind: fixed, model: small}, silence: 1s}";
    for refusal in refusals() {
        let slow = Script::events().pause(Duration::from_secs(2)).event(&refusal).end();
        let small = Scripted::start(slow).await;
        let late = Reply::text(LARGE).stream(false);
        let large = Scripted::start(Script::default().pause(Duration::from_secs(4)).then(late)).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).policy(hedge).start().await;
        let answer = gateway.ask(&openai::ask_stream("auto", "Hello")).await;
        let label = format!("{refusal}: {} {}", answer.status(), answer.text());
        assert_eq!(answer.status(), 400, "{label}");
        assert_eq!(answer.json()["error"]["code"], "content_policy_violation", "{label}");
    }
}

/// Who answers where `small` says this.
async fn answered(case: &str, script: Script, context: bool, expected: &str) {
    for body in [openai::ask("auto", "Hello"), openai::ask_stream("auto", "Hello")] {
        let (small, large) =
            (Scripted::start(script.clone()).await, Scripted::start(Reply::text(LARGE)).await);
        let mut setup = Setup::ladder(&small.base_url(), &large.base_url());
        if context {
            setup = setup.model("small", "context: 8192").model("large", "context: 1000000");
        }
        let answer = setup.start().await.ask(&body).await;
        assert_eq!(answer.content(), expected, "{case}: {} {}", answer.status(), answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_goes_to_a_larger_context_in_every_hosts_words() {
    for (status, body) in [
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or `max_tokens` and try again"}}),
        ),
        (
            400,
            json!({"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072 but the request contains 537812 tokens."}),
        ),
        (
            400,
            json!({"error": "[input_too_large] Current message (1149677 tokens) exceeds budget (975424 tokens)"}),
        ),
        (
            422,
            json!({"error": "Input validation error: inputs tokens + max_new_tokens must be <= 4096. Given: 5000 inputs tokens and 20 max_new_tokens", "error_type": "validation"}),
        ),
        (
            400,
            json!({"error": {"code": "InvalidParameter", "message": "Total tokens of image and text exceed max message tokens"}}),
        ),
        (
            400,
            json!({"error": {"code": "InvalidParameter", "message": "Input length 140000 exceeds the maximum length 131072"}}),
        ),
        (
            400,
            json!({"error": {"message": "Your input exceeds the maximum input token limit of the model."}}),
        ),
        (400, json!({"error": {"code": "tokens_too_long", "message": "the max input tokens is 7168"}})),
        (200, json!({"error": {"code": "context_length_exceeded", "message": "x"}})),
    ] {
        answered(&format!("{status} {body}"), Script::json(status, &body), true, LARGE).await;
    }
}

/// A 413 that is a limit for some time says nothing of the model's context: any other rung answers, whatever its context.
#[tokio::test(start_paused = true)]
async fn a_limit_a_minute_is_no_context() {
    let groq = json!({"error": {"message": "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.", "type": "tokens", "code": "rate_limit_exceeded"}});
    let small = Scripted::start(Script::json(413, &groq)).await;
    let large = Scripted::start(Reply::text(LARGE)).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "context: 100000")
        .model("large", "context: 8192")
        .start()
        .await;
    assert_eq!(gateway.ask(&openai::ask("auto", "Hello")).await.content(), LARGE);
    // To ask again does not help.
    assert_eq!(small.seen().len(), 1);
    let alone = gateway.ask(&openai::ask("small", "Hello")).await;
    assert_eq!(alone.status(), 429, "{}", alone.text());
    assert_eq!(alone.json()["error"]["code"], "rate_limit_exceeded");
    let metrics = gateway.settled().await;
    assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "rate_limited")]), 2.0);
}

/// It is the model that cannot: another rung may, and with a fixed model the client hears the provider.
#[tokio::test(start_paused = true)]
async fn what_one_model_does_not_take_another_may() {
    for (code, message) in [
        ("unsupported_value", "Unsupported value: 'temperature' does not support 0.2 with this model."),
        ("unsupported_parameter", "Unsupported parameter: 'stop' is not supported with this model."),
        ("invalid_request_error", "`temperature` is deprecated for this model."),
    ] {
        let script = Script::json(400, &openai::error_object("invalid_request_error", code, message));
        answered(message, script.clone(), false, LARGE).await;
        let (small, large) = (Scripted::start(script.clone()).await, Scripted::start(script).await);
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
        for model in ["small", "auto"] {
            for _ in 0..6 {
                let answer = gateway.ask(&openai::ask(model, "Hello")).await;
                let error = answer.json()["error"].clone();
                assert_eq!(answer.status(), 400, "{model}: {}", answer.text());
                assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)));
            }
        }
        assert_eq!((small.seen().len(), large.seen().len()), (12, 6));
    }
}

/// A 400 that only the endpoint's owner can mend is the endpoint's fault.
#[tokio::test(start_paused = true)]
async fn what_only_the_owner_can_mend_goes_to_the_next_rung() {
    for (code, message) in [
        (
            "400",
            "litellm.BadRequestError: Invalid model name passed in model=m. Call `/v1/models` to view available models",
        ),
        ("1211", "模型不存在，请检查模型代码。"),
        ("invalid_request_error", "Model Not Exist"),
        ("Arrearage", "Access denied, please make sure your account is in good standing."),
        ("invalid_request_error", "Incorrect API key provided: xa***yz."),
    ] {
        let script = Script::json(400, &openai::error_object("invalid_request_error", code, message));
        answered(message, script.clone(), false, LARGE).await;
        let (small, large) = (Scripted::start(script).await, Scripted::start(Reply::text(LARGE)).await);
        let gateway = Setup::ladder(&small.base_url(), &large.base_url()).start().await;
        let alone = gateway.ask(&openai::ask("small", "Hello")).await;
        assert_eq!(alone.status(), 502, "{}", alone.text());
        assert!(!alone.text().contains("Arrearage") && !alone.text().contains("xa***"), "{}", alone.text());
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_attempts_total", &[("result", "faulty")]), 1.0, "{message}");
    }
}

/// The gateway's own codes survive: an own code is kept where it is a word.
#[tokio::test(start_paused = true)]
async fn codes_are_words() {
    for (status, code, message, told) in [
        (
            400,
            json!(400),
            "request (3031 tokens) exceeds the available context size (1024 tokens)",
            "context_length_exceeded",
        ),
        (
            400,
            json!("400"),
            "ContextWindowExceededError: maximum context length is 8192 tokens",
            "context_length_exceeded",
        ),
        (400, json!("1261"), "Prompt exceeds max length", "context_length_exceeded"),
        (400, json!(400), "that is wrong", "upstream_refused"),
        (400, json!("1210"), "that is wrong", "upstream_refused"),
        (422, json!("invalid_thing"), "that is wrong", "invalid_thing"),
        (400, json!("content_filter"), "that is bad", "content_filter"),
    ] {
        let error = json!({"error": {"message": message, "type": "invalid_request_error", "code": code}});
        let small = Scripted::start(Script::json(status, &error)).await;
        let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
        let answer = gateway.ask(&openai::ask("small", "Hello")).await;
        assert_eq!(answer.json()["error"]["code"], told, "{}", answer.text());
        let body =
            json!({"model": "small", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]});
        let message = gateway.post("/v1/messages", &[], &body).await;
        let said = message.json()["error"]["message"].as_str().expect("a sentence").to_owned();
        assert_eq!(said.starts_with("prompt is too long: "), told == "context_length_exceeded", "{said}");
        if code == 400 && said.contains("3031") {
            assert!(said.starts_with("prompt is too long: 3031 tokens > 1024 maximum"), "{said}");
        }
    }
}

/// A proxy's name for its provider's wish, and a gateway that tried nothing, say when to come back and do not forbid it.
#[tokio::test(start_paused = true)]
async fn where_waiting_helps_the_client_hears_when_to_come_back() {
    let limited = |name: &str| {
        let error = openai::error_object("rate_limit_error", "rate_limit_exceeded", "slow down");
        Script::whole(429, &[("content-type", "application/json"), (name, "37")], error.to_string())
    };
    for name in ["retry-after", "llm_provider-retry-after"] {
        let small = Scripted::start(limited(name)).await;
        let gateway = Setup::ladder(&small.base_url(), &small.base_url()).start().await;
        let answer = gateway.ask(&openai::ask("auto", "Hello")).await;
        let headers = (answer.header("retry-after"), answer.header("x-should-retry"));
        assert_eq!((answer.status(), headers), (429, (Some("37"), None)), "{name}");
    }
    let broken = Scripted::start(openai::error(401, "x")).await;
    let gateway = Setup::ladder(&broken.base_url(), &broken.base_url()).start().await;
    for _ in 0..5 {
        let tried = gateway.ask(&openai::ask("small", "Hello")).await;
        assert_eq!((tried.status(), tried.header("x-should-retry")), (502, Some("false")));
    }
    let ejected = gateway.ask(&openai::ask("small", "Hello")).await;
    assert_eq!((ejected.status(), ejected.header("x-should-retry")), (503, None), "{}", ejected.text());
    let wait: u64 = ejected.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=7).contains(&wait), "{wait}");
    assert_eq!(broken.seen().len(), 5);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(gateway.ask(&openai::ask("small", "Hello")).await.status(), 502);
}
