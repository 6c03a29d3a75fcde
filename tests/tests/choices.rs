//! What a client chooses beside a model may have a price: the tier of service, the speed, the region, sound, searches of the
//! provider's. It is set aside by what is asked, and paid by what was served.

use end_to_end::anthropic::{self, Message};
use end_to_end::responses::Response;
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire::Answer;
use serde_json::{Value, json};

const KEY: (&str, &str) = ("authorization", "Bearer team-a-key-0123456789");
/// 1,000 tokens of a prompt cost 1, and 500 of an answer cost 1.
const PRICE: &str = "price: {input: 1000, output: 2000, service_tier: {priority: 2, flex: 0.5}, speed: {fast: 6}, \
                     inference_geo: {us: 1.1}, audio_input: 10000, audio_output: 20000, web_search: 250}";
const PLAIN: &str = "price: {input: 1000, output: 2000}";

/// What a chat's upstream used, with this beside it, in the answer and in its usage.
fn chat(stream: bool, beside: &Value, within: &Value) -> Script {
    let mut usage = json!({"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500});
    extend(&mut usage, within);
    let message = json!({"role": "assistant", "content": "Hello."});
    let choice = |field: &str, finish: Value| json!([{"index": 0, field: message, "finish_reason": finish}]);
    let said = |choices: Value, object: &str, usage: Value| {
        let mut said = json!({"id": "c", "object": object, "created": 1, "model": "m", "choices": choices, "usage": usage});
        extend(&mut said, beside);
        said
    };
    if !stream {
        return Script::json(200, &said(choice("message", json!("stop")), "chat.completion", usage));
    }
    let chunk = "chat.completion.chunk";
    Script::events()
        .event(said(choice("delta", json!("stop")), chunk, Value::Null))
        .event(said(json!([]), chunk, usage))
        .event("[DONE]")
        .end()
}

fn extend(object: &mut Value, fields: &Value) {
    object.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
}

/// What one request costs whose upstream plays this.
struct Case<'a> {
    /// Lines of the model's entry.
    lines: &'a [&'a str],
    path: &'a str,
    body: Value,
    budget: &'a str,
}

impl Case<'_> {
    async fn ask(&self, script: Script) -> (Answer, f64, usize) {
        let small = Scripted::start(script).await;
        let setup = Setup::ladder(&small.base_url(), &small.base_url());
        let setup = self.lines.iter().fold(setup, |setup, line| setup.model("small", line));
        let client = format!("clients: [{{name: team-a, key: team-a-key-0123456789{}}}]", self.budget);
        let gateway = setup.top(&client).start().await;
        let answer = gateway.post(self.path, &[KEY], &self.body).await;
        let cost = gateway.settled().await.sum("xietong_cost_total", &[("model", "small")]);
        (answer, (cost * 1e6).round() / 1e6, small.seen().len())
    }
}

fn of_chat(stream: bool, fields: &Value) -> Case<'static> {
    let mut body = json!({"model": "small", "max_tokens": 500, "stream": stream,
                          "messages": [{"role": "user", "content": "Hi"}]});
    extend(&mut body, fields);
    let budget = ", budget: {amount: 1000, per: day}";
    Case { lines: &[PRICE], path: "/v1/chat/completions", body, budget }
}

#[tokio::test(start_paused = true)]
async fn a_tier_is_paid_by_what_was_served() {
    for (asked, served, cost) in [
        (json!({}), json!({}), 2.0),
        (json!({"service_tier": "auto"}), json!({"service_tier": "default"}), 2.0),
        (json!({"service_tier": "priority"}), json!({"service_tier": "priority"}), 4.0),
        // Not enough room for priority: what the answer says counts.
        (json!({"service_tier": "priority"}), json!({"service_tier": "default"}), 2.0),
        // An account's own setting.
        (json!({"service_tier": "auto"}), json!({"service_tier": "priority"}), 4.0),
        (json!({"service_tier": "flex"}), json!({"service_tier": "flex"}), 1.0),
        // What is not said is as it was asked.
        (json!({"service_tier": "priority"}), json!({}), 4.0),
        (json!({"service_tier": "flex"}), json!({"service_tier": null}), 1.0),
    ] {
        for stream in [false, true] {
            let (answer, paid, _) = of_chat(stream, &asked).ask(chat(stream, &served, &json!({}))).await;
            assert_eq!(paid, cost, "{asked} {served} {stream}: {}", answer.text());
            let gathered = Case { lines: &[PRICE, "whole_as: stream"], ..of_chat(stream, &asked) };
            let (answer, paid, _) = gathered.ask(chat(true, &served, &json!({}))).await;
            assert_eq!(paid, cost, "gathered, {asked} {served} {stream}: {}", answer.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sound_has_a_price_of_its_own() {
    let sound = json!({"prompt_tokens_details": {"audio_tokens": 900, "cached_tokens": 0},
                       "completion_tokens_details": {"audio_tokens": 400, "reasoning_tokens": 0}});
    for stream in [false, true] {
        let asked = json!({"modalities": ["text", "audio"]});
        // 100 and 100 of text, 900 and 400 of sound.
        let (answer, paid, _) = of_chat(stream, &asked).ask(chat(stream, &json!({}), &sound)).await;
        assert_eq!(paid, 0.1 + 0.2 + 9.0 + 8.0, "{}", answer.text());
        let plain = Case { lines: &[PLAIN], ..of_chat(stream, &asked) };
        assert_eq!(plain.ask(chat(stream, &json!({}), &sound)).await.1, 2.0);
    }
}

/// What is dearer is set aside before anything is sent, and what has no price is refused by its name, where there is a budget.
#[tokio::test(start_paused = true)]
async fn a_budget_covers_what_is_asked() {
    let check = async |lines: &[&str], fields: &Value, amount: f64, words: Option<(u16, &str)>| {
        let budget = format!(", budget: {{amount: {amount}, per: day}}");
        let script = chat(false, fields, &json!({}));
        let (answer, _, asked) = Case { lines, budget: &budget, ..of_chat(false, fields) }.ask(script).await;
        match words {
            None => assert_eq!((answer.status(), asked), (200, 1), "{fields} {}", answer.text()),
            Some((status, words)) => {
                assert_eq!((answer.status(), asked), (status, 0), "{fields} {}", answer.text());
                assert!(answer.text().contains(words), "{}", answer.text());
            }
        }
    };
    let tier = |word: &str| json!({"service_tier": word});
    // An answer of 500 tokens costs 1, and the prompt a little.
    check(&[PRICE], &json!({}), 1.5, None).await;
    check(&[PRICE], &tier("priority"), 1.5, Some((402, "does not cover"))).await;
    check(&[PRICE], &tier("priority"), 3.0, None).await;
    check(&[PRICE], &tier("flex"), 0.75, None).await;
    check(&[PRICE], &json!({"modalities": ["text", "audio"]}), 1.5, Some((402, "does not cover"))).await;
    check(&[PRICE], &json!({"web_search_options": {}}), 1.2, Some((402, "does not cover"))).await;
    for (fields, named) in [
        (tier("priority"), "no price for `service_tier: priority`"),
        (tier("turbo"), "no price for this `service_tier`"),
        (json!({"web_search_options": {}}), "no price for web searches"),
    ] {
        check(&[PLAIN], &fields, 1000.0, Some((400, named))).await;
    }
    for fields in [tier("auto"), tier("default"), tier("flex"), tier("batch"), json!({})] {
        check(&[PLAIN], &fields, 1000.0, None).await;
    }
    // A machine of our own costs the same.
    check(&["price: {per_hour: 1}"], &tier("priority"), 1000.0, None).await;
    // Without a budget it is answered, at the list price.
    let free = Case { lines: &[PLAIN], budget: "", ..of_chat(false, &tier("priority")) };
    let (answer, paid, _) = free.ask(chat(false, &tier("priority"), &json!({}))).await;
    assert_eq!((answer.status(), paid), (200, 2.0));
}

/// What Anthropic says it used, in a whole answer or at the end of a stream.
fn message(stream: bool, within: &Value) -> Script {
    let mut usage = json!({"input_tokens": 1000, "output_tokens": 500});
    extend(&mut usage, within);
    let mut whole = Message::pieces(["Hello."]).object();
    whole["usage"] = usage.clone();
    if !stream {
        return Script::json(200, &whole);
    }
    let mut events = Message::pieces(["Hello."]).events();
    for event in &mut events {
        match event["type"].as_str() {
            Some("message_start") => event["message"]["usage"] = usage.clone(),
            Some("message_delta") => event["usage"] = usage.clone(),
            _ => {}
        }
    }
    Script::events().chunk(events.iter().map(anthropic::event).collect::<String>()).end()
}

#[tokio::test(start_paused = true)]
async fn what_anthropic_is_asked_for_is_paid() {
    let search = json!({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]});
    let compact = json!({"context_management": {"edits": [{"type": "compact_20260112"}]}});
    let iterations = json!({"iterations": [{"type": "compaction", "input_tokens": 2000, "output_tokens": 100},
                                           {"type": "message", "input_tokens": 1000, "output_tokens": 500}]});
    for (asked, served, cost) in [
        (json!({}), json!({}), 2.0),
        (
            json!({}),
            json!({"service_tier": "standard", "speed": "standard", "inference_geo": "not_available"}),
            2.0,
        ),
        (json!({"speed": "fast"}), json!({"speed": "fast"}), 12.0),
        (json!({"speed": "fast"}), json!({"speed": "standard"}), 2.0),
        (json!({"inference_geo": "us"}), json!({"inference_geo": "us"}), 2.2),
        (json!({"inference_geo": "us"}), json!({}), 2.2),
        (search, json!({"server_tool_use": {"web_search_requests": 2}}), 2.5),
        (compact, iterations, 4.2),
    ] {
        for stream in [false, true] {
            let mut body = json!({"model": "small", "max_tokens": 500, "stream": stream,
                                  "messages": [{"role": "user", "content": "Hi"}]});
            extend(&mut body, &asked);
            let budget = ", budget: {amount: 1000, per: day}";
            let case = Case { lines: &[PRICE, "provider: anthropic"], path: "/v1/messages", body, budget };
            let (answer, paid, asked_of) = case.ask(message(stream, &served)).await;
            assert_eq!((paid, asked_of), (cost, 1), "{asked} {served} {stream}: {}", answer.text());
        }
    }
    // A client of chats is told of it too.
    for stream in [false, true] {
        let case = Case { lines: &[PRICE, "provider: anthropic"], ..of_chat(stream, &json!({})) };
        let (answer, paid, _) = case.ask(message(stream, &json!({"service_tier": "priority"}))).await;
        assert_eq!(paid, 4.0, "{}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_in_responses_is_paid() {
    for stream in [false, true] {
        for (asked, served, cost) in [
            (json!({}), json!({}), 2.0),
            (json!({"service_tier": "priority"}), json!({"service_tier": "priority"}), 4.0),
            (json!({"service_tier": "priority"}), json!({"service_tier": "default"}), 2.0),
            (
                json!({"tools": [{"type": "web_search"}]}),
                json!({"output": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]}),
                2.25,
            ),
        ] {
            let mut whole = Response::pieces(["Hello."]).object();
            extend(&mut whole, &served);
            whole["usage"] = json!({"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500});
            let script = match stream {
                false => Script::json(200, &whole),
                true => {
                    let mut events = Response::pieces(["Hello."]).events();
                    let last = events.last_mut().expect("an end");
                    last["response"] = whole;
                    let told = events
                        .iter()
                        .map(|it| format!("event: {}\ndata: {it}\n\n", it["type"].as_str().expect("a type")));
                    Script::events().chunk(told.collect::<String>()).end()
                }
            };
            let mut body =
                json!({"model": "small", "max_output_tokens": 500, "stream": stream, "input": "Hi"});
            extend(&mut body, &asked);
            let budget = ", budget: {amount: 1000, per: day}";
            let case = Case { lines: &[PRICE, "apis: [responses]"], path: "/v1/responses", body, budget };
            let (answer, paid, asked_of) = case.ask(script).await;
            assert_eq!((paid, asked_of), (cost, 1), "{asked} {served} {stream}: {}", answer.text());
        }
    }
}

/// What the same answer would have cost from the largest model is reckoned on the same terms.
#[tokio::test(start_paused = true)]
async fn the_largest_models_cost_is_on_the_same_terms() {
    for (asked, baseline) in [(json!({}), 4.0), (json!({"service_tier": "priority"}), 12.0)] {
        let small = Scripted::start(chat(false, &asked, &json!({}))).await;
        let gateway = Setup::ladder(&small.base_url(), &small.base_url())
            .model("small", PRICE)
            .model("large", "price: {input: 2000, output: 4000, service_tier: {priority: 3}}")
            .start()
            .await;
        let mut body = json!({"model": "auto", "messages": [{"role": "user", "content": "Hi"}]});
        extend(&mut body, &asked);
        assert_eq!(gateway.ask(&body).await.status(), 200);
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_baseline_cost_total", &[]), baseline, "{asked}");
    }
}

/// Gemini counts sound by its kind.
#[tokio::test(start_paused = true)]
async fn geminis_sound_is_paid() {
    let said = json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "Hello."}]},
                                      "finishReason": "STOP"}],
                      "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 500,
                                        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100},
                                                                {"modality": "AUDIO", "tokenCount": 900}]}});
    for stream in [false, true] {
        let case = Case { lines: &[PRICE, "provider: gemini"], ..of_chat(stream, &json!({})) };
        let script = if stream { Script::events().event(&said).end() } else { Script::json(200, &said) };
        let (answer, paid, _) = case.ask(script).await;
        assert_eq!(paid, 0.1 + 9.0 + 1.0, "{}", answer.text());
    }
}
