//! A request that holds what a rule keeps at home reaches no remote model, whatever happens to the local one.

use std::time::Duration;

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

/// Each ends in a policy that would ask the remote model, at once or as soon as anything goes wrong.
const WITHIN: [&str; 6] = [
    "{kind: fixed, model: large}",
    "{kind: threshold, at: 0}",
    "{kind: cascade, policy: {kind: fixed, model: small}, hold: all, agree: {samples: 2, model: large}}",
    "{kind: hedge, policy: {kind: fixed, model: small}, silence: 10ms}",
    "{kind: explore, share: 1, spend: {amount: 100, per: day}, judge: large, policy: {kind: fixed, model: small}}",
    "{kind: budget, escalations: {share: 1, at_least: 100}, policy: {kind: fixed, model: large}}",
];
const RULE: &str = "{when: {contains: [id_number, phone, bank_card, email, key]}, locality: local}";

fn policies() -> impl Iterator<Item = String> {
    let first = WITHIN.iter().map(|within| format!("{{kind: rules, rules: [{RULE}], otherwise: {within}}}"));
    // Behind a rule that matched before it, and inside what wraps rules.
    let behind = format!(
        "{{kind: rules, rules: [{{when: {{}}, policy: {}}}, {RULE}], otherwise: {}}}",
        WITHIN[0], WITHIN[0]
    );
    let inside = format!(
        "{{kind: hedge, silence: 10ms, policy: {{kind: rules, rules: [{RULE}], otherwise: {}}}}}",
        WITHIN[0]
    );
    first.chain([behind, inside])
}

/// What happens to the local model.
fn fates() -> [Script; 6] {
    [
        Reply::text("I don't know, I don't know.").stream(true),
        openai::error(500, "oops"),
        openai::error(429, "slow down"),
        Script::whole(200, &[], "{}"),
        Reply::text("a b c d e f g h").stream(true).until_chunk(3).close(),
        Reply::text("a b c d").stream(true).until_chunk(2).stall(),
    ]
}

/// The number stands somewhere else in each.
fn requests() -> Vec<Value> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut request = openai::ask("auto", "Please check this.");
        change(&mut request);
        request
    };
    let number = "身份证440308199901101512";
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"id\":\"440308199901101512\"}"}});
    vec![
        openai::ask("auto", number),
        openai::ask("auto", &format!("{} 138-1234-5678 {}", "x ".repeat(40_000), "y ".repeat(40_000))),
        openai::ask("auto", "4111 1111 1111 1111"),
        openai::ask("auto", "mail wang@example.cn"),
        openai::ask("auto", "sk-abcdEFGH1234abcdEFGH1234"),
        with(&|request| {
            request["messages"] = json!([
            {"role": "system", "content": number}, {"role": "user", "content": "hello"}])
        }),
        with(&|request| {
            request["messages"] = json!([
            {"role": "user", "content": [{"type": "text", "text": number}]}])
        }),
        with(&|request| {
            request["messages"] = json!([
            {"role": "user", "content": "hello"}, {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "ok"}])
        }),
        with(&|request| {
            request["tools"] = json!([
            {"type": "function", "function": {"name": "f", "description": number, "parameters": {}}}])
        }),
        with(&|request| request["user"] = "wang@example.cn".into()),
        with(&|request| request["unknown"] = json!({"deep": [[{"phone": 13_812_345_678_u64}]]})),
        with(&|request| request["metadata"] = json!({"13812345678": "x"})),
    ]
}

async fn check(policy: &str, fate: &Script, request: &Value) {
    let small = Scripted::start(fate.clone()).await;
    let large = Scripted::start(Reply::text("It has left.")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "local: true")
        .every_model("timeouts: {connect: 1s, first_token: 2s, idle: 2s, total: 20s}")
        .policy(policy)
        .start()
        .await;
    let answer = gateway.ask(request).await;
    let case = format!("{policy} {request:.300} {}", answer.text());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(large.seen().is_empty(), "it has left: {case}");
    assert!(!answer.text().contains("It has left."), "{case}");
    assert_eq!(answer.header("x-xietong-model").unwrap_or("small"), "small", "{case}");
}

#[tokio::test(start_paused = true)]
async fn no_byte_leaves_whatever_becomes_of_the_local_model() {
    for policy in policies() {
        for fate in fates() {
            for stream in [false, true] {
                let mut request = openai::ask("auto", "身份证440308199901101512");
                request["stream"] = stream.into();
                check(&policy, &fate, &request).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_byte_leaves_wherever_it_stands() {
    let policy = format!("{{kind: rules, rules: [{RULE}], otherwise: {}}}", WITHIN[0]);
    for request in requests() {
        check(&policy, &openai::error(500, "oops"), &request).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_local_shadow_is_judged_by_no_remote_model() {
    let policy = format!("{{kind: rules, rules: [{RULE}], otherwise: {}}}", WITHIN[4]);
    let small = Scripted::start(Reply::text("#### 1")).await;
    let nearby = Scripted::start(Reply::text("#### 2")).await;
    let large = Scripted::start(Reply::text("A")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .add("nearby", &[&nearby.base_url()], "price: {input: 1, output: 2}")
        .model("small", "local: true")
        .model("nearby", "local: true")
        .policy(&policy)
        .start()
        .await;
    let answer = gateway.ask(&openai::ask("auto", "How old is 440308199901101512?")).await;
    assert_eq!(answer.content(), "#### 1", "{}", answer.text());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((small.seen().len(), nearby.seen().len(), large.seen().len()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_holds_nothing_private_goes_where_it_should() {
    let policy = format!("{{kind: rules, rules: [{RULE}], otherwise: {}}}", WITHIN[0]);
    let small = Scripted::start(Reply::text("small")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "local: true")
        .policy(&policy)
        .start()
        .await;
    for text in ["What is 13812345678 + 1.5e3?", "身份证怎么办理？"] {
        let answer = gateway.ask(&openai::ask("auto", text)).await;
        let expected = if text.contains("13812345678") { "small" } else { "large" };
        assert_eq!(answer.content(), expected, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_local_model_it_fails_and_says_why() {
    let policy = format!("{{kind: rules, rules: [{RULE}], otherwise: {}}}", WITHIN[0]);
    let remote = Scripted::start(Reply::text("It has left.")).await;
    let gateway = Setup::ladder(&remote.base_url(), &remote.base_url()).policy(&policy).start().await;
    let answer = gateway.ask(&openai::ask("auto", "13812345678")).await;
    assert_eq!((answer.status(), &answer.error().unwrap()["code"]), (400, &json!("no_local_model")));
    assert!(remote.seen().is_empty());
}

/// A model that is asked for by name is outside of all routes and their rules; what its client or a header demands holds
/// all the same, in every dialect.
#[tokio::test(start_paused = true)]
async fn names_do_not_lead_past_what_a_client_demands() {
    let clients = "clients: [{name: kept, key: sk-kept-0000000000000000, locality: local}, {name: free, key: sk-free-0000000000000000, hints: true}]";
    let remote = Scripted::start(Reply::text("It has left.")).await;
    let small = Scripted::start(openai::error(500, "oops")).await;
    let gateway = Setup::ladder(&small.base_url(), &remote.base_url())
        .model("small", "local: true")
        .model("large", "speaks: [responses]")
        .model("large", "accepts: [text, embeddings]")
        .top(clients)
        .start()
        .await;
    let message = json!([{"role": "user", "content": "x"}]);
    let asked = [
        ("/v1/chat/completions", json!({"messages": message})),
        ("/v1/completions", json!({"prompt": "x"})),
        ("/v1/responses", json!({"input": "x"})),
        ("/v1/messages", json!({"max_tokens": 9, "messages": message})),
        ("/v1/embeddings", json!({"input": "x"})),
    ];
    let kept: &[(&str, &str)] = &[("authorization", "Bearer sk-kept-0000000000000000")];
    let hinted: &[(&str, &str)] =
        &[("authorization", "Bearer sk-free-0000000000000000"), ("x-xietong-locality", "local")];
    // The last one names a route, and leads to the model by another header.
    let led: &[(&str, &str)] = &[
        ("authorization", "Bearer sk-free-0000000000000000"),
        ("x-xietong-locality", "local"),
        ("x-xietong-route", "large"),
    ];
    for (path, body) in asked {
        for (headers, name) in [(kept, "large"), (kept, "auto"), (hinted, "large"), (led, "auto")] {
            for stream in [false, true] {
                let mut body = body.clone();
                (body["model"], body["stream"]) = (name.into(), stream.into());
                let answer = gateway.post(path, headers, &body).await;
                assert!(answer.status() >= 400, "{path} {name}: {}", answer.text());
                assert!(remote.seen().is_empty(), "it has left by {path} {name}");
            }
        }
    }
    let free: &[(&str, &str)] = &[("authorization", "Bearer sk-free-0000000000000000")];
    let answer = gateway.post("/v1/chat/completions", free, &openai::ask("large", "x")).await;
    assert_eq!(answer.content(), "It has left.");
}
