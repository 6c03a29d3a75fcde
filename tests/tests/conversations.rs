//! Conversations that change from provider to provider: every turn goes on, whoever made those before it.

use std::sync::{Arc, Mutex};

use end_to_end::anthropic::Message;
use end_to_end::gateway::Gateway;
use end_to_end::judges::Host;
use end_to_end::openai::Reply;
use end_to_end::scripted::{Choose, Request, Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::speakers::Saying;
use end_to_end::talks::{Spoken, Talk};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// An upstream of Anthropic's API that knows its own signatures.
#[derive(Clone)]
struct Signing;

impl Choose for Signing {
    fn choose(&self, request: &Request) -> Script {
        let text = request.json().to_string();
        if text.contains("c3RyYW5nZQ") {
            let message = "messages.1.content.0: Invalid `signature` in `thinking` block";
            let error = json!({"type": "invalid_request_error", "message": message});
            return Script::json(400, &json!({"type": "error", "error": error}));
        }
        Message::pieces(["Done."]).choose(request)
    }
}

/// A signature that the upstream does not know costs one more request, without any thought, and no other model is asked.
#[tokio::test(start_paused = true)]
async fn strange_signatures_are_taken_out() {
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "c3RyYW5nZQ"});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"});
    let tools = json!([{"name": "bash", "input_schema": {"type": "object", "properties": {}}}]);
    let thinking = json!({"type": "enabled", "budget_tokens": 2000});
    let messages = json!([{"role": "user", "content": "Go."},
        {"role": "assistant", "content": [thought, call]}, {"role": "user", "content": [result]}]);
    let native = json!({"model": "auto", "max_tokens": 8000, "tools": tools, "thinking": thinking, "messages": messages});
    let function = json!({"name": "bash", "parameters": {"type": "object", "properties": {}}});
    let called =
        json!({"id": "toolu_1", "type": "function", "function": {"name": "bash", "arguments": "{}"}});
    let chat = json!({"model": "auto", "reasoning_effort": "low", "tools": [{"type": "function", "function": function}], "messages": [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": null, "thinking_blocks": [thought], "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "toolu_1", "content": "ok"}]});
    for (path, body) in [("/v1/messages", native), ("/v1/chat/completions", chat)] {
        for stream in [false, true] {
            let (upstream, other) =
                (Scripted::start(Signing).await, Scripted::start(Reply::text("no")).await);
            let gateway = Setup::ladder(&format!("http://{}", upstream.address), &other.base_url())
                .model("small", "provider: anthropic")
                .model("small", "model: claude-sonnet-4-5")
                .start()
                .await;
            let mut body = body.clone();
            body["stream"] = stream.into();
            let answer = gateway.post(path, &[], &body).await;
            let label = format!("{path} {stream}: {}", answer.text());
            assert_eq!((answer.status(), answer.text().contains("Done.")), (200, true), "{label}");
            assert_eq!(answer.header("x-xietong-attempts"), Some("1"), "{label}");
            let sent: Vec<Value> = upstream.seen().iter().map(|seen| seen.request.json()).collect();
            assert_eq!((sent.len(), other.seen().len()), (2, 0), "{label}");
            assert_eq!(sent[0]["thinking"]["type"], "enabled", "{label}");
            assert_eq!(sent[1]["thinking"]["type"], "disabled", "{label}");
            assert_eq!(sent[1]["messages"][1]["content"][0]["type"], "tool_use", "{label}");
            assert_eq!(sent[1]["messages"][2], sent[0]["messages"][2], "{label}");
        }
    }
}

/// What the upstream is to say next, and what its judges found.
#[derive(Default)]
struct Scene {
    saying: Saying,
    breaches: Vec<String>,
    asked: usize,
}

/// One address for all providers: each judges what it is asked, and answers in its own words.
#[derive(Clone, Default)]
struct Providers(Arc<Mutex<Scene>>);

impl Providers {
    fn scene(&self) -> std::sync::MutexGuard<'_, Scene> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Choose for Providers {
    fn choose(&self, request: &Request) -> Script {
        // What a server is may be asked beside the conversations.
        if request.method() == "GET" {
            return Script::json(404, &json!({}));
        }
        let word = request.path().split('/').nth(1).unwrap_or_default().to_owned();
        let named = Host::ALL.into_iter().find(|host| host.word() == word).expect("a known path");
        let path = request.path().split('?').next().unwrap_or_default();
        let host = match named {
            Host::OpenAi | Host::Responses if path.ends_with("/responses") => Host::Responses,
            Host::Responses => Host::OpenAi,
            host => host,
        };
        let mut scene = self.scene();
        scene.asked += 1;
        if let Err(why) = host.judge(&request.json()) {
            scene.breaches.push(format!("{why} in {}", request.json()));
            let error = json!({"message": why, "type": "invalid_request_error", "code": "invalid_value"});
            return Script::json(400, &json!({"type": "error", "error": error}));
        }
        scene.saying.told(host, request)
    }
}

/// A gateway before all of them.
async fn all_providers(upstream: &Scripted) -> Gateway {
    let mut yaml = String::from("listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nmodels:\n");
    for host in Host::ALL {
        let (preset, model, path) = match host {
            Host::OpenAi | Host::Responses => ("openai", "gpt-6.1-sol", "/v1"),
            Host::Anthropic => ("anthropic", "claude-sonnet-4-5", ""),
            Host::Gemini => ("gemini", "gemini-3.1-pro", ""),
            Host::DeepSeek => ("deepseek", "deepseek-v4-pro", "/v1"),
            Host::Qwen => ("dashscope", "qwen3.6-plus", "/v1"),
            Host::Glm => ("zhipu", "glm-5.3", "/v1"),
            Host::Kimi => ("moonshot", "kimi-k3", "/v1"),
            Host::MiniMax => ("minimax", "MiniMax-M3", "/v1"),
            Host::Vllm => ("vllm", "qwen3.5", "/v1"),
            Host::LlamaCpp => ("llama.cpp", "qwen3.5", "/v1"),
        };
        let word = host.word();
        let accepts = if host.sees() { "[text, image, tools]" } else { "[text, tools]" };
        yaml += &format!(
            "  - name: {word}\n    preset: {preset}\n    model: {model}\n    base_url: \"http://{}/{word}{path}\"\n    \
             api_key: key\n    accepts: {accepts}\n    context: 1000000\n    retries: 0\n    \
             price: {{input: 1, output: 1, currency: CNY}}\n",
            upstream.address,
        );
    }
    Gateway::start(&yaml).await
}

/// One turn of a conversation.
#[derive(Debug, Clone)]
struct Turn {
    host: Host,
    stream: bool,
    thinks: bool,
    text: &'static str,
    calls: Vec<&'static str>,
    /// What comes next, from a person or from tools.
    next: &'static str,
    picture: bool,
}

/// Holds a conversation; says what was wrong.
async fn hold(
    gateway: &Gateway,
    providers: &Providers,
    spoken: Spoken,
    turns: &[Turn],
) -> Result<(), String> {
    let mut talk = Talk::new(spoken);
    talk.say("Go.", false);
    for (number, turn) in turns.iter().enumerate() {
        let Turn { host, thinks, text, .. } = turn.clone();
        // A program that puts a chat's stream together must know the host's ways: the gateway hands it on as it came.
        let stream = turn.stream && spoken != Spoken::Chat;
        // An answer says something.
        let text = if text.trim().is_empty() && turn.calls.is_empty() { "Done." } else { text };
        providers.scene().saying = Saying { number, thinks, text, calls: turn.calls.clone() };
        let body = talk.body(host.word(), stream, thinks);
        let answer = gateway.post(talk.path(), &[], &body).await;
        if let Some(breach) = providers.scene().breaches.first() {
            return Err(format!("turn {number}: {breach}"));
        }
        if answer.status() != 200 {
            return Err(format!("turn {number}, {host:?}: {} to {body}", answer.text()));
        }
        talk.hear(&answer, stream);
        if talk.waits_for_tools() {
            talk.give_back(turn.next, turn.picture);
        } else if !turn.calls.is_empty() {
            return Err(format!("turn {number}, {host:?}: no calls in {}", answer.text()));
        } else {
            talk.say(if turn.next.is_empty() { "Go on." } else { turn.next }, turn.picture);
        }
    }
    Ok(())
}

/// Every ordered pair of providers, by every API that clients speak: both call tools, both think, each goes on after the other.
#[tokio::test]
async fn every_provider_goes_on_after_every_other() {
    let providers = Providers::default();
    let upstream = Scripted::start(providers.clone()).await;
    let gateway = all_providers(&upstream).await;
    let mut faults = Vec::new();
    for spoken in [Spoken::Chat, Spoken::Messages, Spoken::Responses] {
        for (one, other) in Host::ALL.into_iter().flat_map(|one| Host::ALL.map(|other| (one, other))) {
            let picture = one.sees() && other.sees();
            let turn = |host, stream, thinks, text, calls: &[&'static str], next| Turn {
                host,
                stream,
                thinks,
                text,
                calls: calls.to_vec(),
                next,
                picture,
            };
            let turns = [
                turn(one, false, true, "\n\n", &["look", "read"], "ok"),
                turn(other, true, true, "Now.", &["read"], ""),
                turn(one, true, false, "", &["look"], "ok"),
                turn(other, false, true, "Done.", &[], "And then?"),
                turn(one, false, true, "Done.", &[], "And then?"),
                turn(other, false, false, "", &["read", "read"], "ok"),
            ];
            if let Err(why) = hold(&gateway, &providers, spoken, &turns).await {
                faults.push(format!("{spoken:?}, {one:?} and {other:?}: {why}"));
                providers.scene().breaches.clear();
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(providers.scene().asked > 2000, "{}", providers.scene().asked);
}

fn turn(pictures: bool) -> impl Strategy<Value = Turn> {
    let hosts: Vec<Host> = Host::ALL.into_iter().filter(|host| host.sees() || !pictures).collect();
    let texts = prop::sample::select(vec!["", "\n", "Done.", "I look.\n"]);
    let calls = prop::collection::vec(prop::sample::select(vec!["look", "read"]), 0..3);
    let next = prop::sample::select(vec!["ok", "", "{\"a\":1}", "[1]", "你好"]);
    (prop::sample::select(hosts), any::<bool>(), any::<bool>(), texts, calls, next, any::<bool>()).prop_map(
        move |(host, stream, thinks, text, calls, next, picture)| Turn {
            host,
            stream,
            thinks,
            text,
            calls,
            next,
            picture: picture && pictures,
        },
    )
}

/// Conversations of up to twenty turns that change their provider at every one: nothing leaves that its provider would refuse.
#[test]
fn no_conversation_ends_because_its_provider_changes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let providers = Providers::default();
    let (_upstream, gateway) = runtime.block_on(async {
        let upstream = Scripted::start(providers.clone()).await;
        let gateway = all_providers(&upstream).await;
        (upstream, gateway)
    });
    let spoken = prop::sample::select(vec![Spoken::Chat, Spoken::Messages, Spoken::Responses]);
    let turns = any::<bool>().prop_flat_map(|pictures| prop::collection::vec(turn(pictures), 1..=20));
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let held = TestRunner::new(config).run(&(spoken, turns), |(spoken, turns)| {
        providers.scene().breaches.clear();
        runtime.block_on(hold(&gateway, &providers, spoken, &turns)).map_err(TestCaseError::fail)
    });
    held.unwrap_or_else(|why| panic!("{why}"));
    assert!(providers.scene().asked > 100);
}
