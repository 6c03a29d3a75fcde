//! A picture, a sound and a film never reach a model that does not take them, in whichever API, place and words they come,
//! and whatever becomes of the model that does.

use std::time::Duration;

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use serde_json::{Value, json};

/// A request with a medium in it.
struct Request {
    name: &'static str,
    path: &'static str,
    body: Value,
}

/// Each ends in a policy that would ask the small model at once, beside the other, after it, or behind the client's back.
const POLICIES: [&str; 7] = [
    "{kind: fixed, model: small}",
    "{kind: fixed, model: large}",
    "{kind: cascade, policy: {kind: fixed, model: small}}",
    "{kind: cascade, policy: {kind: fixed, model: large}, hold: all, agree: {samples: 2, model: small}}",
    "{kind: hedge, policy: {kind: fixed, model: large}, silence: 10ms}",
    "{kind: explore, share: 1, spend: {amount: 100, per: day}, judge: small, policy: {kind: fixed, model: large}}",
    "{kind: threshold, at: 1}",
];

/// What happens to the model that takes them.
fn fates() -> [Script; 5] {
    [
        Reply::text("I don't know, I don't know.").stream(true),
        openai::error(500, "oops"),
        openai::error(413, "context_length_exceeded"),
        Reply::text("a b c d e f g h").stream(true).until_chunk(3).close(),
        Reply::text("a b c d").stream(true).until_chunk(2).stall(),
    ]
}

fn picture() -> Value {
    json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})
}

fn chats() -> Vec<Request> {
    let chat = |name, messages: Value| Request {
        name,
        path: "/v1/chat/completions",
        body: json!({"model": "auto", "messages": messages}),
    };
    let user =
        |part: Value| json!([{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}]);
    let film = json!({"url": "data:video/mp4;base64,AAAA"});
    let call = json!({"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let shown = json!([{"role": "user", "content": "Look."},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [picture()]}]);
    let before = json!([{"role": "user", "content": [picture()]}, {"role": "assistant", "content": "A cat."},
        {"role": "user", "content": "Thanks."}]);
    let spoken = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "audio": {"id": "audio_1"}},
        {"role": "user", "content": "And now?"}]);
    let mut aloud = chat("an answer aloud", json!([{"role": "user", "content": "Say hello."}]));
    aloud.body["modalities"] = json!(["text", "audio"]);
    vec![
        chat("a picture", user(picture())),
        chat(
            "a picture's address",
            user(json!({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}})),
        ),
        chat(
            "a sound",
            user(json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})),
        ),
        chat("a film", user(json!({"type": "video_url", "video_url": film}))),
        chat("a film as a picture", user(json!({"type": "image_url", "image_url": film}))),
        chat(
            "a picture as a file",
            user(json!({"type": "file", "file": {"file_data": "data:image/png;base64,AAAA"}})),
        ),
        chat("a picture in an earlier turn", before),
        chat("a picture that a tool gave back", shown),
        chat("what was said aloud before", spoken),
        aloud,
    ]
}

fn messages() -> Vec<Request> {
    let ask = |name, messages: Value, tools: Value| Request {
        name,
        path: "/v1/messages",
        body: json!({"model": "auto", "max_tokens": 900, "messages": messages, "tools": tools}),
    };
    let look = json!([{"name": "look", "input_schema": {"type": "object", "properties": {}}}]);
    // No chat says this one, so that the request goes only as it came.
    let search = json!([{"type": "web_search_20250305", "name": "web_search"},
        {"name": "look", "input_schema": {"type": "object", "properties": {}}}]);
    let picture =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let linked = json!({"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}});
    let user = |block: &Value| json!([{"role": "user", "content": [{"type": "text", "text": "What is this?"}, block]}]);
    let shown = json!([{"role": "user", "content": "Look."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [picture]}]}]);
    vec![
        ask("a picture", user(&picture), json!([])),
        ask("a picture's address", user(&linked), json!([])),
        ask("a picture that a tool gave back", shown.clone(), look),
        ask("a picture beside a provider's tool", user(&picture), search.clone()),
        ask("a tool's picture beside a provider's tool", shown, search),
    ]
}

fn responses() -> Vec<Request> {
    let ask = |name, input: Value, tools: Value| Request {
        name,
        path: "/v1/responses",
        body: json!({"model": "auto", "input": input, "tools": tools}),
    };
    let picture = json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA"});
    let sound = json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
    let user = |part: &Value| json!([{"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, part]}]);
    let shown = json!([{"role": "user", "content": "Look."},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": [picture]}]);
    let screen = json!([{"role": "user", "content": "Look."},
        {"type": "computer_call_output", "call_id": "call_1",
         "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"}}]);
    let search = json!([{"type": "web_search"}]);
    vec![
        ask("a picture", user(&picture), json!([])),
        ask("a sound", user(&sound), json!([])),
        ask("a picture beside a provider's tool", user(&picture), search.clone()),
        ask("a sound beside a provider's tool", user(&sound), search.clone()),
        ask("a tool's picture beside a provider's tool", shown, search.clone()),
        ask("a screenshot", screen, search),
    ]
}

fn requests() -> impl Iterator<Item = Request> {
    chats().into_iter().chain(messages()).chain(responses())
}

/// What the small and the largest model speak, and take.
const KINDS: [[&str; 2]; 3] = [
    ["provider: openai", "retries: 0"],
    ["provider: openai", "apis: [responses]"],
    ["provider: anthropic", "retries: 0"],
];
const TEXTS: &str = "accepts: [text, tools]";
const ALL: &str = "accepts: [text, image, audio, video, tools]";

fn setup(small: &Scripted, large: &Scripted, top: &Scripted, kind: [&str; 2], takes: &str) -> Setup {
    let setup = Setup::ladder(&small.base_url(), &large.base_url())
        .add("top", &[&top.base_url()], "price: {input: 20, output: 60}")
        .model("large", ALL)
        .every_model("timeouts: {connect: 1s, first_token: 2s, idle: 2s, total: 20s}");
    ["small", "top"].into_iter().fold(setup, |setup, name| {
        kind.into_iter().chain([takes]).fold(setup, |setup, line| setup.model(name, line))
    })
}

#[tokio::test(start_paused = true)]
async fn a_medium_reaches_no_model_that_does_not_take_it() {
    for kind in KINDS {
        for policy in POLICIES {
            for (fate, script) in fates().into_iter().enumerate() {
                let [small, top] =
                    [Scripted::start(Reply::text("small")).await, Scripted::start(Reply::text("top")).await];
                let large = Scripted::start(script).await;
                let gateway = setup(&small, &large, &top, kind, TEXTS).policy(policy).start().await;
                for mut request in requests() {
                    request.body["stream"] = (fate % 2 == 0).into();
                    let answer = gateway.post(request.path, &[], &request.body).await;
                    tokio::time::sleep(Duration::from_secs(30)).await;
                    let asked = (small.seen().len(), top.seen().len());
                    let (name, path) = (request.name, request.path);
                    assert_eq!(
                        asked,
                        (0, 0),
                        "{name} by {path}, {kind:?}, {policy}, {fate}: {}",
                        answer.text()
                    );
                }
            }
        }
    }
}

/// The same requests reach a model that says that it takes them, so that the test above would see one.
#[tokio::test(start_paused = true)]
async fn a_medium_reaches_a_model_that_takes_it() {
    for kind in KINDS {
        let mut reached = Vec::new();
        for request in requests() {
            // One for each: a chat is no response, which would eject the endpoint in the end.
            let [small, large, top] = [
                Scripted::start(Reply::text("small")).await,
                Scripted::start(Reply::text("large")).await,
                Scripted::start(Reply::text("top")).await,
            ];
            let setup = setup(&small, &large, &top, kind, ALL).policy("{kind: fixed, model: small}");
            setup.start().await.post(request.path, &[], &request.body).await;
            if !small.seen().is_empty() {
                reached.push(format!("{} by {}", request.name, request.path));
            }
        }
        let all = |path: &str| requests().filter(|it| it.path == path).count();
        let by = |path: &str| reached.iter().filter(|it| it.ends_with(path)).count();
        match kind {
            ["provider: anthropic", _] => assert_eq!(by("/v1/messages"), all("/v1/messages"), "{reached:?}"),
            [_, "apis: [responses]"] => assert_eq!(by("/v1/responses"), all("/v1/responses"), "{reached:?}"),
            _ => assert_eq!(by("/v1/chat/completions"), all("/v1/chat/completions"), "{reached:?}"),
        }
    }
}
