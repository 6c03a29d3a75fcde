//! How an answer ends: a natural end, a cut, a filter or a failure, in every word of a provider, and what the client is told
//! of it in each dialect. A failure before the first text goes to the next rung; after it, it is an error event.

use end_to_end::anthropic::Message;
use end_to_end::gemini::Content;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Choose, Request, Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

const LARGE: &str = "Large models know it as well.";
const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const MESSAGES: &str = "/v1/messages";
const RESPONSES: &str = "/v1/responses";

/// Words of providers for an end that is a failure.
const FAILED: [&str; 6] =
    ["error", "insufficient_system_resource", "network_error", "abort", "error: upstream", "ERROR_LIMIT"];

/// A request for `model` at a path, streamed or whole.
fn ask(path: &str, model: &str, stream: bool) -> Value {
    let mut body = match path {
        COMPLETIONS => json!({"model": model, "prompt": "Count"}),
        RESPONSES => json!({"model": model, "input": "Count"}),
        MESSAGES => {
            json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Count"}]})
        }
        _ => openai::ask(model, "Count"),
    };
    body["stream"] = stream.into();
    body
}

/// Every word that the client was told of the answer, whichever its dialect.
fn text(path: &str, stream: bool, answer: &Answer) -> String {
    let texts = |value: &Value| match path {
        CHAT if stream => value["choices"][0]["delta"]["content"].clone(),
        CHAT => value["choices"][0]["message"]["content"].clone(),
        COMPLETIONS => value["choices"][0]["text"].clone(),
        MESSAGES if stream => value["delta"]["text"].clone(),
        MESSAGES => value["content"][0]["text"].clone(),
        _ if stream => Some(&value["delta"]).filter(|it| it.is_string()).cloned().unwrap_or_default(),
        _ => value["output"][0]["content"][0]["text"].clone(),
    };
    match stream {
        true => {
            let events = answer.events().into_iter().filter(|event| event.data.starts_with('{'));
            events.filter_map(|event| texts(&event.json()).as_str().map(str::to_owned)).collect()
        }
        false => texts(&answer.json()).as_str().unwrap_or_default().to_owned(),
    }
}

/// Why the answer ended, in the client's dialect.
fn reason(path: &str, stream: bool, answer: &Answer) -> String {
    let values: Vec<Value> = match stream {
        true => {
            let events = answer.events().into_iter().filter(|event| event.data.starts_with('{'));
            events.map(|event| event.json()).collect()
        }
        false => vec![answer.json()],
    };
    let reason = |value: &Value| match path {
        CHAT | COMPLETIONS => value["choices"][0]["finish_reason"].as_str().map(str::to_owned),
        MESSAGES if stream => value["delta"]["stop_reason"].as_str().map(str::to_owned),
        MESSAGES => value["stop_reason"].as_str().map(str::to_owned),
        _ => {
            let response = if stream { &value["response"] } else { value };
            let why = response["incomplete_details"]["reason"].as_str();
            why.or(response["status"].as_str()).map(str::to_owned)
        }
    };
    values.iter().filter_map(reason).next_back().unwrap_or_default()
}

/// Whether the stream has the marker of success of its dialect.
fn is_told_whole(path: &str, answer: &Answer) -> bool {
    match path {
        MESSAGES => answer.text().contains("message_stop"),
        RESPONSES => {
            ["response.completed", "response.incomplete"].iter().any(|it| answer.text().contains(it))
        }
        _ => answer.has_done(),
    }
}

async fn ladder(small: impl Choose) -> (end_to_end::gateway::Gateway, Scripted, Scripted) {
    let (small, large) = (Scripted::start(small).await, Scripted::start(Reply::text(LARGE)).await);
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).route("resume: never").start().await;
    (gateway, small, large)
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_any_text_goes_to_the_next_rung() {
    for word in FAILED.into_iter().chain(["because"]) {
        for path in [CHAT, COMPLETIONS, MESSAGES, RESPONSES] {
            for stream in [false, true] {
                let (gateway, small, large) = ladder(Reply::text("").ending(word)).await;
                let answer = gateway.post(path, &[], &ask(path, "auto", stream)).await;
                let label = format!("{word}, {path}, {stream}: {}", answer.text());
                assert_eq!(text(path, stream, &answer), LARGE, "{label}");
                assert_eq!((small.seen().len(), large.seen().len()), (1, 1), "{label}");
                let metrics = gateway.settled().await;
                let attempts = [("model", "small"), ("result", "faulty")];
                assert_eq!(metrics.sum("xietong_attempts_total", &attempts), 1.0, "{label}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_text_is_an_error_event_and_of_a_whole_answer_the_next_rung() {
    for word in FAILED {
        for path in [CHAT, COMPLETIONS, MESSAGES, RESPONSES] {
            let (gateway, _small, large) = ladder(Reply::text("Once upon a").ending(word)).await;
            let answer = gateway.post(path, &[], &ask(path, "auto", true)).await;
            let label = format!("{word}, {path}: {}", answer.text());
            assert_eq!(text(path, true, &answer), "Once upon a", "{label}");
            assert!(!is_told_whole(path, &answer), "{label}");
            assert!(answer.text().contains("error"), "{label}");
            assert_eq!(large.seen().len(), 0, "{label}");
            let metrics = gateway.settled().await;
            assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "cut")]), 1.0, "{label}");

            let whole = gateway.post(path, &[], &ask(path, "auto", false)).await;
            assert_eq!(text(path, false, &whole), LARGE, "{label}: {}", whole.text());
            let alone = gateway.post(path, &[], &ask(path, "small", false)).await;
            assert_eq!(alone.status(), 502, "{label}: {}", alone.text());
        }
    }
}

/// Gathered from a stream, and under a guard that waits for the whole: what failed is no whole answer.
#[tokio::test(start_paused = true)]
async fn a_failed_answer_is_neither_gathered_nor_judged() {
    let all = "{kind: cascade, policy: {kind: fixed, model: small}, hold: all}";
    let begun = "{kind: cascade, policy: {kind: fixed, model: small}, hold: {tokens: 24, at_most: 600ms}}";
    for policy in ["{kind: fixed, model: small}", all, begun] {
        for whole_as in ["whole_as: pass", "whole_as: stream"] {
            let small = Scripted::start(Reply::text("Once upon a").ending("network_error")).await;
            let large = Scripted::start(Reply::text(LARGE)).await;
            let gateway = Setup::ladder(&small.base_url(), &large.base_url())
                .model("small", whole_as)
                .policy(policy)
                .start()
                .await;
            let answer = gateway.ask(&openai::ask("auto", "Count")).await;
            let label = format!("{policy}, {whole_as}: {}", answer.text());
            assert_eq!(answer.content(), LARGE, "{label}");
            let metrics = gateway.settled().await;
            let attempts = [("model", "small"), ("result", "faulty")];
            assert_eq!(metrics.sum("xietong_attempts_total", &attempts), 1.0, "{label}");
        }
    }
}

/// What a failed answer counts is paid for.
#[tokio::test(start_paused = true)]
async fn the_tokens_of_a_failed_answer_are_accounted_for() {
    for stream in [false, true] {
        let (gateway, small, _large) = ladder(Reply::text("").input(1000, 0).ending("error")).await;
        let answer = gateway.post(CHAT, &[], &ask(CHAT, "auto", stream)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let metrics = gateway.settled().await;
        let tokens = [("model", "small"), ("kind", "input")];
        assert_eq!(metrics.sum("xietong_tokens_total", &tokens) as u64, small.billed().input, "{stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_other_word_is_told_as_what_it_is() {
    // Chats of the upstream's own API keep its word.
    for (word, completion, message, response) in [
        ("stop", "stop", "end_turn", "completed"),
        ("eos", "stop", "end_turn", "completed"),
        ("length", "length", "max_tokens", "max_output_tokens"),
        ("model_length", "length", "max_tokens", "max_output_tokens"),
        ("max_tokens", "length", "max_tokens", "max_output_tokens"),
        ("MAX_TOKENS", "length", "max_tokens", "max_output_tokens"),
        ("content_filter", "content_filter", "refusal", "content_filter"),
        ("sensitive", "content_filter", "refusal", "content_filter"),
        ("safety", "content_filter", "refusal", "content_filter"),
        ("content_filter: hate", "content_filter", "refusal", "content_filter"),
        // Nobody may take it for complete.
        ("because", "length", "max_tokens", "max_output_tokens"),
    ] {
        for (path, told) in
            [(CHAT, word), (COMPLETIONS, completion), (MESSAGES, message), (RESPONSES, response)]
        {
            for stream in [false, true] {
                let (gateway, _small, large) = ladder(Reply::text("Once upon a").ending(word)).await;
                let answer = gateway.post(path, &[], &ask(path, "auto", stream)).await;
                let label = format!("{word}, {path}, {stream}: {}", answer.text());
                assert_eq!(text(path, stream, &answer), "Once upon a", "{label}");
                assert_eq!(reason(path, stream, &answer), told, "{label}");
                assert_eq!(large.seen().len(), 0, "{label}");
            }
        }
    }
}

/// An answer of another dialect, with its end in other words.
#[derive(Clone)]
struct Ending<C>(C, &'static str, &'static str);

impl<C: Choose> Choose for Ending<C> {
    fn choose(&self, request: &Request) -> Script {
        let Self(inner, natural, word) = self;
        let script = inner.choose(request);
        let steps = script.steps.into_iter().map(|step| match step {
            end_to_end::scripted::Step::Chunk(bytes) => end_to_end::scripted::Step::Chunk(
                String::from_utf8(bytes).expect("text").replace(natural, &format!("\"{word}\"")).into_bytes(),
            ),
            other => other,
        });
        Script { steps: steps.collect() }
    }
}

#[tokio::test(start_paused = true)]
async fn the_words_of_other_dialects_are_sorted_too() {
    for (word, told) in [
        ("STOP", Some("stop")),
        ("MAX_TOKENS", Some("length")),
        ("SAFETY", Some("content_filter")),
        ("IMAGE_PROHIBITED_CONTENT", Some("content_filter")),
        ("SOMETHING_NEW", Some("length")),
        ("OTHER", None),
        ("TOO_MANY_TOOL_CALLS", None),
        ("MISSING_THOUGHT_SIGNATURE", None),
        ("NO_IMAGE", None),
    ] {
        let gemini = Ending(Content::pieces(["Once upon a"]), "\"STOP\"", word);
        check_dialect("provider: gemini", gemini, word, told).await;
    }
    for (word, told) in [
        ("end_turn", Some("stop")),
        ("max_tokens", Some("length")),
        ("refusal", Some("content_filter")),
        ("something_new", Some("length")),
        ("terminated", None),
    ] {
        let anthropic = Ending(Message::pieces(["Once upon a"]), "\"end_turn\"", word);
        check_dialect("provider: anthropic", anthropic, word, told).await;
    }
}

async fn check_dialect(provider: &str, upstream: impl Choose, word: &str, told: Option<&str>) {
    let upstream = Scripted::start(upstream).await;
    let url = upstream.base_url();
    let gateway = Setup::ladder(url.trim_end_matches("/v1"), &url)
        .model("small", provider)
        .route("fallback: none")
        .start()
        .await;
    let answer = gateway.ask(&openai::ask_stream("auto", "Count")).await;
    let label = format!("{provider} {word}: {}", answer.text());
    assert_eq!(answer.content(), "Once upon a", "{label}");
    assert_eq!(answer.has_done(), told.is_some(), "{label}");
    match told {
        Some(told) => assert_eq!(reason(CHAT, true, &answer), told, "{label}"),
        None => assert!(answer.error().is_some(), "{label}"),
    }
}

/// A stream that lost its tenth event is not handed on as complete: not whole, not streamed, not as another dialect.
#[tokio::test(start_paused = true)]
async fn a_stream_that_lost_an_event_is_not_complete() {
    let words: String = (0..60).map(|at| format!("w{at} ")).collect();
    let whole = Reply::text(&words).stream(true);
    let lost = || {
        let mut chunks = 0;
        let steps = whole.steps.iter().cloned().map(|step| match step {
            end_to_end::scripted::Step::Chunk(mut bytes) => {
                chunks += 1;
                if chunks == 10 {
                    // Whatever the order of its members, what is left is no JSON.
                    let brace = bytes.iter().position(|byte| *byte == b'{').expect("an object");
                    bytes.drain(brace..brace + 40);
                }
                end_to_end::scripted::Step::Chunk(bytes)
            }
            other => other,
        });
        Script { steps: steps.collect() }
    };
    for path in [CHAT, COMPLETIONS, MESSAGES, RESPONSES] {
        let small = Scripted::start(lost()).await;
        let large = Scripted::start(Reply::text(LARGE)).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url())
            .model("small", "whole_as: stream")
            .route("resume: never")
            .start()
            .await;
        let streamed = gateway.post(path, &[], &ask(path, "auto", true)).await;
        let label = format!("{path}: {}", streamed.text());
        assert!(!is_told_whole(path, &streamed), "{label}");
        assert!(text(path, true, &streamed).starts_with("w0 w1 "), "{label}");
        let gathered = gateway.post(path, &[], &ask(path, "auto", false)).await;
        assert_eq!(text(path, false, &gathered), LARGE, "{path}: {}", gathered.text());
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_malformed_events_total", &[("model", "small")]), 2.0, "{label}");
    }
}

/// A server that knows of one choice alone is whole where it ended in order with each that it began.
#[tokio::test(start_paused = true)]
async fn fewer_choices_than_asked_for_are_whole_where_each_ended() {
    let chunk = |index: u32, delta: Value, finish: Value| json!({"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]});
    let says = |index| chunk(index, json!({"content": "Paris"}), Value::Null);
    let ends = |index| chunk(index, json!({}), json!("stop"));
    for (events, whole) in [
        (vec![says(0), ends(0)], true),
        (vec![says(0), says(1), ends(1), ends(0)], true),
        (vec![says(0), says(1), ends(0)], false),
        (vec![says(0)], false),
    ] {
        let script = events.iter().fold(Script::events(), |script, event| script.event(event)).end();
        let (gateway, _small, _large) = ladder(script).await;
        let mut body = openai::ask_stream("small", "Capital?");
        body["n"] = 2.into();
        let answer = gateway.ask(&body).await;
        let label = format!("{events:?}: {}", answer.text());
        assert_eq!((answer.has_done(), answer.error().is_none()), (whole, whole), "{label}");
        let outcome = if whole { "complete" } else { "cut" };
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", outcome)]), 1.0, "{label}");
    }
}

/// A server that counts each of several answers alone (llama.cpp) is paid for all of them, streamed, gathered and whole.
#[tokio::test(start_paused = true)]
async fn several_answers_that_are_counted_alone_are_paid_in_sum() {
    let chunk = |choices: Value| json!({"id": "c", "choices": choices});
    let says = |index: u32| chunk(json!([{"index": index, "delta": {"content": "one two three"}}]));
    let ends = |index: u32| chunk(json!([{"index": index, "delta": {}, "finish_reason": "stop"}]));
    let usage = |count: u64| {
        let mut used = chunk(json!([]));
        used["usage"] = json!({"prompt_tokens": 10, "completion_tokens": count, "total_tokens": 10 + count});
        used
    };
    for (case, events, output) in [
        ("each alone", vec![says(0), says(1), ends(0), usage(4), ends(1), usage(5)], 9),
        ("all at once", vec![says(0), says(1), ends(0), ends(1), usage(9)], 9),
        ("corrected at the end", vec![says(0), says(1), ends(0), ends(1), usage(7), usage(9)], 9),
    ] {
        let stream =
            events.iter().fold(Script::events(), |script, event| script.event(event)).event("[DONE]");
        let (gateway, _small, _large) = ladder(stream.end()).await;
        for stream in [true, false] {
            let mut body = openai::ask("small", "Capital?");
            (body["n"], body["stream"]) = (2.into(), stream.into());
            if stream {
                body["stream_options"] = json!({"include_usage": true});
            }
            let answer = gateway.ask(&body).await;
            let label = format!("{case}, {stream}: {}", answer.text());
            let usage = answer.usage();
            assert_eq!(
                (usage["prompt_tokens"].as_u64(), usage["completion_tokens"].as_u64()),
                (Some(10), Some(output)),
                "{label}"
            );
            assert_eq!(usage["estimated"], Value::Null, "{label}");
        }
        let metrics = gateway.settled().await;
        let tokens = |kind| metrics.sum("xietong_tokens_total", &[("kind", kind)]) as u64;
        assert_eq!((tokens("input"), tokens("output")), (20, 2 * output), "{case}");
    }
    // A whole answer with fewer tokens than its texts have words counts one of them.
    let choice = |index: u32| json!({"index": index, "message": {"role": "assistant", "content": "one two three four"}, "finish_reason": "stop"});
    let whole = json!({
        "id": "c", "choices": [choice(0), choice(1)],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    });
    let (gateway, _small, _large) = ladder(Script::json(200, &whole)).await;
    let mut body = openai::ask("small", "Capital?");
    body["n"] = 2.into();
    let usage = gateway.ask(&body).await.usage();
    assert!(usage["completion_tokens"].as_u64() >= Some(8), "{usage}");
    assert_eq!((&usage["estimated"], &usage["prompt_tokens"]), (&json!(true), &json!(10)), "{usage}");
}
