//! `speaks: [responses]`: who asks for a response before an upstream that has them gets what it gives, and is billed for it.

use end_to_end::anthropic::event;
use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::responses::Response;
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use end_to_end::wire;
use serde_json::{Value, json};

const PATH: &str = "/v1/responses";

/// The smaller model has responses, the larger has not.
fn setup(small: &Scripted, large: &Scripted) -> Setup {
    Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "speaks: [responses]")
        .model("small", "price: {input: 10, cached_input: 1, output: 30}")
}

async fn say(gateway: &Gateway, body: &str) -> wire::Answer {
    gateway.say(&wire::request("POST", PATH, &[], body.as_bytes())).await
}

fn large() -> Reply {
    Reply::text("from large")
}

/// What the gateway does not know reaches the upstream, hosted tools and stored answers among it, and the answer comes as
/// it came, but for what it cost.
#[tokio::test(start_paused = true)]
async fn a_response_is_passed_through() {
    let answer = Response::pieces(["one ", "two"]).thinking("hm").searching().calling("f", r#"{"x":1}"#);
    for stream in [false, true] {
        let (upstream, other) = (Scripted::start(answer.clone()).await, Scripted::start(large()).await);
        let gateway = setup(&upstream, &other).model("small", "whole_as: stream").start().await;
        let asked = format!(
            r#"{{ "model":"small","stream":{stream}, "unheard_of":{{"b":1, "a":[2]}},"store":true,
            "previous_response_id":"resp_1","tools":[{{"type":"web_search"}}],"input":[{{"type":"item_reference","id":"i"}},
            {{"role":"user","content":[{{"type":"input_text","text":"hi"}}]}}]}}"#
        );
        let told = say(&gateway, &asked).await;
        let request = &upstream.only().request;
        let key = format!("Bearer {UPSTREAM_KEY}");
        assert_eq!((request.path(), request.header("authorization")), (PATH, Some(&*key)));
        let sent = String::from_utf8_lossy(&request.body).into_owned();
        assert_eq!(sent, asked.replace("\"small\"", "\"small-upstream\""));
        assert_eq!((told.status(), told.header("x-xietong-left-out")), (200, None), "{}", told.text());
        let cost = (60.0 * 10.0 + 40.0 + 4.0 * 30.0) / 1e6;
        let expected: String = match stream {
            false => answer.object().to_string(),
            true => answer.events().iter().map(event).collect(),
        };
        let place = told.text().find(",\"cost\":").expect("a cost");
        let rest = told.text()[place..].find('}').expect("an end") + place;
        let found: f64 = told.text()[place + 8..rest].parse().expect("a number");
        assert!((found - cost).abs() < 1e-9, "{found} and {cost}");
        let without = told.text()[..place].to_owned() + &told.text()[rest..];
        assert_eq!(without, expected, "byte for byte");
        let metrics = gateway.settled().await;
        assert!((metrics.sum("xietong_cost_total", &[]) - cost).abs() < 1e-9);
        let tokens = |kind| metrics.sum("xietong_tokens_total", &[("kind", kind)]);
        assert_eq!(
            ["input", "cached_input", "output", "reasoning"].map(tokens),
            [60.0, 40.0, 3.0, 1.0],
            "stream {stream}"
        );
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "complete")]), 1.0);
        assert!(other.seen().is_empty());
    }
}

/// Chats go to the same upstream as chats, and a request for a response goes to a model without them as a chat.
#[tokio::test(start_paused = true)]
async fn each_is_asked_by_what_it_has() {
    let upstream = Scripted::start(Reply::text("a chat")).await;
    let other = Scripted::start(large()).await;
    let gateway = setup(&upstream, &other).start().await;
    let answer = gateway.ask(&openai::ask("small", "x")).await;
    assert_eq!(
        (answer.content().as_str(), upstream.only().request.path()),
        ("a chat", "/v1/chat/completions")
    );
    let answer = say(&gateway, r#"{"model":"large","input":"x"}"#).await;
    assert_eq!(answer.json()["output"][0]["content"][0]["text"], "from large", "{}", answer.text());
    assert_eq!(other.only().request.path(), "/v1/chat/completions");
}

/// Where the model that has responses fails, another answers the same request by a chat, if there is one that says it all.
#[tokio::test(start_paused = true)]
async fn another_model_may_answer_by_a_chat() {
    for (field, status, asked) in [("\"user\":\"u\"", 200, 1), ("\"previous_response_id\":\"r\"", 503, 0)] {
        for stream in [false, true] {
            let upstream = Scripted::start(openai::error(503, "x")).await;
            let other = Scripted::start(large()).await;
            let gateway = setup(&upstream, &other).model("small", "retries: 0").start().await;
            let body = format!(r#"{{"model":"auto","stream":{stream},"input":"x",{field}}}"#);
            let answer = say(&gateway, &body).await;
            assert_eq!((answer.status(), other.seen().len()), (status, asked), "{}", answer.text());
            let told = status == 200 && answer.text().contains("large");
            assert_eq!(told, status == 200, "{}", answer.text());
        }
    }
    // Without a model that has them nobody is asked, and the client hears which field it was.
    let other = Scripted::start(large()).await;
    let gateway = Setup::ladder(&other.base_url(), &other.base_url()).start().await;
    let answer = say(&gateway, r#"{"model":"auto","input":"x","previous_response_id":"r"}"#).await;
    assert_eq!((answer.status(), &answer.json()["error"]["param"]), (400, &json!("previous_response_id")));
    assert!(other.seen().is_empty());
}

/// Errors are the client's or the endpoint's as anywhere, before the first word and after it.
#[tokio::test(start_paused = true)]
async fn errors_have_their_consequences() {
    let failed = |error: Value| json!({"type": "response.failed", "sequence_number": 1, "response": {"id": "r", "object": "response", "status": "failed", "error": error}});
    let begun = |count| Response::pieces(["one ", "two"]).stream().until_chunk(count);
    let server = failed(json!({"code": "server_error", "message": "sorry"}));
    let bad = json!({"error": {"message": "no", "type": "invalid_request_error", "code": "previous_response_not_found", "param": "previous_response_id"}});
    // Not a word of it is there: another may answer. A whole one that failed is none.
    for (script, stream) in [
        (Script::events().chunk(event(&server)).end(), true),
        (begun(3).chunk(event(&server)).end(), true),
        (Script::json(200, &server["response"]), false),
        (Script::json(200, &json!({"object": "response"})), false),
    ] {
        let (upstream, other) = (Scripted::start(script.clone()).await, Scripted::start(large()).await);
        let gateway = setup(&upstream, &other).model("small", "retries: 0").start().await;
        let answer = say(&gateway, &format!(r#"{{"model":"auto","stream":{stream},"input":"x"}}"#)).await;
        assert_eq!(answer.header("x-xietong-model"), Some("large"), "{script:?}: {}", answer.text());
    }
    let (upstream, other) = (Scripted::start(Script::json(400, &bad)).await, Scripted::start(large()).await);
    let gateway = setup(&upstream, &other).start().await;
    let answer = say(&gateway, r#"{"model":"auto","input":"x","previous_response_id":"r"}"#).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.json()["error"]["code"], "previous_response_not_found", "{}", answer.text());
    // After the first word: an error event, the same response as failed, and numbers that go on.
    for script in [begun(5).end(), begun(5).reset(), begun(5).chunk(event(&server)).end(), begun(6).stall()] {
        let (upstream, other) = (Scripted::start(script.clone()).await, Scripted::start(large()).await);
        let gateway = setup(&upstream, &other).start().await;
        let answer = say(&gateway, r#"{"model":"auto","stream":true,"input":"x"}"#).await;
        let events = answer.events();
        let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names[names.len() - 2..], ["error", "response.failed"], "{script:?}: {}", answer.text());
        assert_eq!(names.iter().filter(|name| **name == "response.created").count(), 1, "{names:?}");
        let last = events[events.len() - 1].json();
        assert_eq!(
            (&last["response"]["id"], &last["response"]["status"]),
            (&json!("resp_scripted"), &json!("failed"))
        );
        let numbers = events.iter().map(|event| event.json()["sequence_number"].as_u64());
        assert!(numbers.eq((0..events.len() as u64).map(Some)), "{}", answer.text());
    }
}

/// A guard, a limit and what is not reported know nothing of dialects.
#[tokio::test(start_paused = true)]
async fn guards_and_accounts_hold() {
    for stream in [false, true] {
        let body = format!(r#"{{"model":"auto","stream":{stream},"input":"x"}}"#);
        for (pieces, from) in [(vec!["I don't know."], "large"), (vec!["A fine ", "answer."], "small")] {
            let upstream = Scripted::start(Response::pieces(pieces)).await;
            let other = Scripted::start(large()).await;
            let gateway = setup(&upstream, &other)
                .policy("{kind: cascade, policy: {kind: fixed, model: small}}")
                .start()
                .await;
            let answer = say(&gateway, &body).await;
            assert_eq!(answer.header("x-xietong-model"), Some(from), "{}", answer.text());
            assert!(!answer.text().contains("don't"));
        }
        // Without a word of usage it is estimated, and the client is told so.
        let mut silent = Response::pieces(["several words of an answer"]).object();
        silent["usage"] = Value::Null;
        let mut events = Response::pieces(["several words of an answer"]).events();
        events.last_mut().expect("events")["response"]["usage"] = Value::Null;
        let script = match stream {
            true => events.iter().fold(Script::events(), |script, data| script.chunk(event(data))).end(),
            false => Script::json(200, &silent),
        };
        let (upstream, other) = (Scripted::start(script).await, Scripted::start(large()).await);
        let gateway = setup(&upstream, &other).start().await;
        let answer = say(&gateway, &body).await;
        let usage = match stream {
            true => answer.events().last().expect("events").json()["response"]["usage"].clone(),
            false => answer.json()["usage"].clone(),
        };
        assert_eq!(usage["estimated"], true, "{}", answer.text());
        assert!(usage["output_tokens"].as_u64().is_some_and(|tokens| (3..=8).contains(&tokens)), "{usage}");
    }
}

/// A response that ends early says so in its own words, and is complete for the gateway.
#[tokio::test(start_paused = true)]
async fn an_incomplete_response_is_an_answer() {
    for stream in [false, true] {
        let upstream = Scripted::start(Response::pieces(["so ", "long"]).cut("max_output_tokens")).await;
        let gateway = setup(&upstream, &Scripted::start(large()).await).start().await;
        let body = format!(r#"{{"model":"small","stream":{stream},"max_output_tokens":2,"input":"x"}}"#);
        let answer = say(&gateway, &body).await;
        assert!(answer.text().contains("max_output_tokens"), "{}", answer.text());
        let metrics = gateway.settled().await;
        assert_eq!(metrics.sum("xietong_requests_total", &[("outcome", "complete")]), 1.0);
    }
}

/// The last event repeats the whole response, however long.
#[tokio::test(start_paused = true)]
async fn a_long_response_is_repeated_whole() {
    let long = "word ".repeat(400_000);
    let upstream = Scripted::start(Response::pieces([long.as_str()])).await;
    let gateway = setup(&upstream, &Scripted::start(large()).await).start().await;
    let answer = say(&gateway, r#"{"model":"small","stream":true,"input":"x"}"#).await;
    let events = answer.events();
    let last = events.last().expect("events");
    assert_eq!(last.name, "response.completed");
    assert_eq!(last.json()["response"]["output"][0]["content"][0]["text"], long);
}

/// What must not leave does not leave in these words either, wherever it stands in the request.
#[tokio::test(start_paused = true)]
async fn what_is_private_is_found_in_the_clients_own_words() {
    let (upstream, other) =
        (Scripted::start(Response::pieces(["gone"])).await, Scripted::start(large()).await);
    let rule = "{when: {contains: [id_number]}, locality: local}";
    let gateway = setup(&upstream, &other)
        .model("large", "local: true")
        .policy(&format!("{{kind: rules, rules: [{rule}], otherwise: {{kind: fixed, model: small}}}}"))
        .start()
        .await;
    for body in [
        r#"{"model":"auto","input":"440308199901101512"}"#,
        r#"{"model":"auto","input":[{"role":"user","content":[{"type":"novel","deep":["440308199901101512"]}]}]}"#,
        r#"{"model":"auto","input":"x","unheard_of":{"440308199901101512":1}}"#,
    ] {
        say(&gateway, body).await;
        assert!(upstream.seen().is_empty(), "it has left: {body}");
    }
}
