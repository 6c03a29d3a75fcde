//! Which models may be asked, and which is, for each kind of request.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::scripted::{ScriptedGateway, UpstreamScript};
use upstreams::request_id::RequestId;

/// `home` is local, and takes text alone in 1000 tokens; `mid` has no price; `top` takes everything.
const YAML: &str = "
models:
  - {name: home, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, local: true, context: 1000,
     accepts: [text], price: {input: 0, output: 0}, provenance: {origin: CN}}
  - {name: mid, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, context: 8000, accepts: [text, tools]}
  - {name: top, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, context: 100000, price: {input: 1, output: 2}}
routes:
  - {name: first, ladder: [home, mid, top], policy: {kind: fixed, model: home}}
  - {name: last, ladder: [home, mid, top], policy: {kind: fixed, model: top}}
  - {name: up, ladder: [home, mid, top], fallback: up, policy: {kind: fixed, model: mid}}
  - {name: down, ladder: [home, mid, top], fallback: down, policy: {kind: fixed, model: mid}}
  - {name: none, ladder: [home, mid, top], fallback: none, policy: {kind: fixed, model: mid}}
  - {name: easy, ladder: [home, mid, top], policy: {kind: threshold, at: 1}}
  - {name: hard, ladder: [home, mid, top], policy: {kind: threshold, at: 0}}
  - {name: guarded, ladder: [home, mid, top], fallback: none, policy: {kind: cascade, policy: {kind: fixed, model: home}}}
  - {name: hedged, ladder: [home, mid, top], fallback: none,
     policy: {kind: hedge, silence: 1s, policy: {kind: fixed, model: mid}}}
  - name: private
    ladder: [home, mid, top]
    policy:
      kind: rules
      rules: [{when: {contains: [email]}, locality: local}]
      otherwise: {kind: fixed, model: top}
  - name: stated
    ladder: [home, mid, top]
    policy: {kind: rules, rules: [{when: {language: chinese}, require: {origin: CN}}], otherwise: {kind: fixed, model: top}}
  - name: over
    ladder: [home, mid]
    policy: {kind: rules, rules: [{when: {uses_tools: true}, route: last}], otherwise: {kind: fixed, model: home}}
";

/// `english` answers in English alone, `both` in Chinese too; of `any` nothing is said.
const LANGUAGES: &str = "
models:
  - {name: english, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, languages: [en]}
  - {name: french, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, languages: [en, fr], accepts: [text]}
  - {name: both, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, languages: [en, zh], accepts: [text]}
  - {name: any, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, accepts: [text]}
routes:
  - {name: two, ladder: [english, both], policy: {kind: fixed, model: english}}
  - {name: unsaid, ladder: [english, any], policy: {kind: fixed, model: english}}
  - {name: neither, ladder: [english, french], policy: {kind: fixed, model: english}}
";

#[test]
fn a_model_without_the_prompts_language_is_not_asked() {
    let fine = || vec![UpstreamScript::text("fine", 5)];
    let gateway = ScriptedGateway::new(
        LANGUAGES,
        [("english", fine()), ("french", fine()), ("both", fine()), ("any", fine())],
    );
    let hints = RoutingOverrides::default();
    let check = |name: &str, prompt: &str, expected: &str| {
        assert_eq!(assessed(&gateway, name, &asks(prompt), &hints), expected, "{name}: {prompt}");
    };
    check("two", "What is the capital of France?", "ask english | both");
    check("two", "法国的首都是哪里？", "ask both | ");
    check("unsaid", "法国的首都是哪里？", "ask any | ");
    check("two", "フランスの首都はどこですか？", "ask english | both");
    // Nobody has it: whoever there is answers.
    check("neither", "法国的首都是哪里？", "ask english | french");
    // Who asks for a model by its name has it.
    check("english", "法国的首都是哪里？", "ask english | ");
    // What rules out the only model that has the language leaves the others.
    let with_tools = with(asks("今天巴黎的天气怎么样？"), "tools", tools());
    assert_eq!(assessed(&gateway, "two", &with_tools, &hints), "ask english | ");
}

fn gateway() -> ScriptedGateway {
    let fine = || vec![UpstreamScript::text("fine", 5)];
    ScriptedGateway::new(YAML, [("home", fine()), ("mid", fine()), ("top", fine())])
}

fn asks(text: &str) -> Value {
    json!({"model": "-", "messages": [{"role": "user", "content": text}]})
}

fn with(mut request: Value, key: &str, value: Value) -> Value {
    request[key] = value;
    request
}

fn tools() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
}

fn image() -> Value {
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    json!({"model": "-", "messages": [{"role": "user", "content": [picture]}]})
}

/// The plan with its models, then whom else may be asked; or the error's code.
fn assessed(gateway: &ScriptedGateway, name: &str, request: &Value, hints: &RoutingOverrides) -> String {
    let snapshot = gateway.gateway.snapshot();
    let target = snapshot.target(name, None).expect("a name of the configuration");
    let chat = ChatRequest::parse(Bytes::from(request.to_string())).expect("a request");
    let question = AssessInput { chat: &chat, hints, id: &RequestId::new(), now: Timestamp::now() };
    match assess(&target, &question) {
        Ok(assessment) => {
            let decision = assessment.decided.decision;
            let rung = |rung: Rung| assessment.ladder[rung.0].model.name.clone();
            let planned = std::iter::once(decision.plan.first()).chain(decision.plan.others());
            let planned: Vec<String> = planned.map(rung).collect();
            let others = assessment.may_be_asked().into_iter().map(|model| model.name.clone());
            let others: Vec<String> = others.filter(|name| !planned.contains(name)).collect();
            format!("{} {} | {}", decision.plan.word(), planned.join(" "), others.join(" "))
        }
        Err(failure) => failure.code().to_owned(),
    }
}

#[test]
fn models_that_cannot_serve_a_request_are_not_asked() {
    let gateway = gateway();
    let check = |name: &str, route: &str, request: Value, expected: &str| {
        assert_eq!(
            assessed(&gateway, route, &request, &RoutingOverrides::default()).trim(),
            expected,
            "{name}"
        );
    };
    let long = |words: usize| asks(&"word ".repeat(words));
    check("text", "first", asks("Hello"), "ask home | mid top");
    check("tools", "first", with(asks("Hello"), "tools", tools()), "ask mid | top");
    check("an image", "first", image(), "ask top |");
    check("longer than the first context", "first", long(2000), "ask mid | top");
    check("longer than the second", "first", long(20_000), "ask top |");
    check("longer than any", "first", long(200_000), "context_length_exceeded");
    check("a model that is named", "home", asks("Hello"), "ask home |");
    check("a model that is named, and cannot", "home", image(), "unsupported_by_models");
    check("a model that is named, too long", "home", long(2000), "context_length_exceeded");
}

#[test]
fn the_policy_chooses_and_the_fallback_names_the_others() {
    let gateway = gateway();
    let check = |route: &str, expected: &str| {
        assert_eq!(
            assessed(&gateway, route, &asks("Hello"), &RoutingOverrides::default()).trim(),
            expected,
            "{route}"
        );
    };
    check("first", "ask home | mid top");
    check("last", "ask top | home mid");
    check("up", "ask mid | top");
    check("down", "ask mid | home");
    check("none", "ask mid |");
    check("easy", "ask home | mid top");
    check("hard", "ask mid | home top");
    check("guarded", "cascade home mid |");
    check("hedged", "hedge mid top |");
}

#[test]
fn what_a_client_asks_for_in_headers_narrows_the_choice() {
    let gateway = gateway();
    let check = |name: &str, route: &str, hints: RoutingOverrides, expected: &str| {
        assert_eq!(assessed(&gateway, route, &asks("Hello"), &hints).trim(), expected, "{name}");
    };
    let least =
        |model: &str| RoutingOverrides { min_tier: Some(model.to_owned()), ..RoutingOverrides::default() };
    let most =
        |model: &str| RoutingOverrides { max_tier: Some(model.to_owned()), ..RoutingOverrides::default() };
    let local = || RoutingOverrides { local_only: true, ..RoutingOverrides::default() };
    let priced = || RoutingOverrides { priced_only: true, ..RoutingOverrides::default() };
    check("no smaller than mid", "first", least("mid"), "ask mid | top");
    check("no larger than mid", "last", most("mid"), "ask mid | home");
    check("no larger than home", "guarded", most("home"), "ask home |");
    check(
        "from mid to mid",
        "first",
        RoutingOverrides { max_tier: Some("mid".to_owned()), ..least("mid") },
        "ask mid |",
    );
    check(
        "from top to home",
        "first",
        RoutingOverrides { max_tier: Some("home".to_owned()), ..least("top") },
        "unsupported_by_models",
    );
    check("a tier that is none", "first", least("huge"), "unknown_tier");
    check("local", "last", local(), "ask home |");
    check("local, guarded", "guarded", local(), "ask home |");
    check("local, hedged", "hedged", local(), "ask home |");
    check("local, by name", "top", local(), "no_local_model");
    check("with a budget", "up", priced(), "ask top |");
    check("with a budget, guarded", "guarded", priced(), "cascade home top |");
    check("with a budget, by name", "mid", priced(), "unsupported_by_models");
}

#[test]
fn rules_narrow_the_choice_or_hand_the_request_over() {
    let gateway = gateway();
    let check = |name: &str, route: &str, request: Value, expected: &str| {
        assert_eq!(
            assessed(&gateway, route, &request, &RoutingOverrides::default()).trim(),
            expected,
            "{name}"
        );
    };
    check("nothing private", "private", asks("Hello"), "ask top | home mid");
    check("an address", "private", asks("Write to ada@example.org"), "ask home |");
    check(
        "an address, for tools",
        "private",
        with(asks("Write to ada@example.org"), "tools", tools()),
        "no_local_model",
    );
    check("English", "stated", asks("Hello"), "ask top | home mid");
    check("Chinese", "stated", asks("法国的首都是哪里？"), "ask home |");
    check("no tools", "over", asks("Hello"), "ask home | mid");
    check("tools", "over", with(asks("Hello"), "tools", tools()), "ask top | mid");
}

/// The scores do not depend on what may be asked, and a request for vectors has none.
#[test]
fn a_request_is_scored_where_there_is_a_choice() {
    let gateway = gateway();
    let snapshot = gateway.gateway.snapshot();
    let check = |name: &str, scored: bool| {
        let chat =
            ChatRequest::parse(Bytes::from(asks("Prove that there are infinitely many primes.").to_string()));
        let (chat, hints, id) = (chat.unwrap(), RoutingOverrides::default(), RequestId::new());
        let question = AssessInput { chat: &chat, hints: &hints, id: &id, now: Timestamp::now() };
        let assessment = assess(&snapshot.target(name, None).unwrap(), &question).expect("it can be asked");
        let scores = assessment.decided.scores;
        assert_eq!(scores.is_some(), scored, "{name}");
        assert_eq!(assessment.features.is_some(), scored, "{name}");
        if let Some(score) = scores {
            assert!((0.0..=1.0).contains(&score.difficulty) && (-1.0..=1.0).contains(&score.gain), "{name}");
        }
    };
    check("easy", true);
    check("hard", true);
    check("home", false);
}
