//! A share of requests is answered by another model too, unseen by the client; what comes of it corrects what is foreseen.

use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::ledger::Place;
use end_to_end::metrics::Metrics;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Request, Script, Scripted};
use end_to_end::setup::Setup;
use router_policies::{DrawPurpose, RequestDraw};
use serde_json::Value;
use tokio::time::Instant;

const AMPLE: &str = "spend: {amount: 100, per: day}";

fn policy(inner: &str, rest: &str) -> String {
    format!("{{kind: explore, share: 1, policy: {inner}, {rest}}}")
}

const SMALL: &str = "{kind: fixed, model: small}";

/// What metrics say once so many shadows were judged, or two minutes have passed.
async fn judged(gateway: &Gateway, count: f64) -> Metrics {
    let begun = Instant::now();
    loop {
        let metrics = gateway.settled().await;
        let enough = metrics.sum("xietong_shadow_outcomes_total", &[]) >= count;
        if enough || begun.elapsed() > Duration::from_secs(120) {
            return metrics;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn preferred(metrics: &Metrics, word: &str) -> f64 {
    metrics.sum("xietong_shadow_outcomes_total", &[("route", "auto"), ("preferred", word)])
}

#[tokio::test(start_paused = true)]
async fn another_model_answers_too_and_the_client_notices_nothing() {
    let key = "a-key-of-team-a-0123456789";
    let small = Scripted::start(Reply::text("So there are 17 eggs.\n#### 17")).await;
    let large = Scripted::start(Reply::text("So there are 18 eggs.\n#### 18")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .policy(&policy(SMALL, AMPLE))
        .top(&format!("clients: [{{name: a, key: {key}, budget: {{amount: 1, per: day}}}}]"))
        .start()
        .await;
    let bearer = format!("Bearer {key}");
    for (number, stream) in [(1.0, false), (2.0, true)] {
        let mut request = openai::ask("auto", "How many eggs are left?");
        request["stream"] = stream.into();
        let answer = gateway.ask_with(&[("authorization", &bearer)], &request).await;
        assert_eq!(answer.header("x-xietong-model"), Some("small"));
        assert_eq!(answer.header("x-xietong-attempts"), Some("1"));
        assert!(answer.content().ends_with("#### 17"), "{}", answer.text());
        let metrics = judged(&gateway, number).await;
        assert_eq!(preferred(&metrics, "larger"), number, "{}", metrics.text);
    }
    assert_eq!((small.seen().len(), large.seen().len()), (2, 2));
    let metrics = gateway.settled().await;
    let cost = |model, client| metrics.sum("xietong_cost_total", &[("model", model), ("client", client)]);
    assert!(cost("large", "-") > 0.0 && cost("small", "a") > 0.0);
    assert_eq!(cost("large", "a"), 0.0, "nobody's budget pays for it");
    let calls = [("endpoint", "shadow"), ("model", "large"), ("outcome", "complete")];
    assert_eq!(metrics.sum("xietong_requests_total", &calls), 2.0);
    let baseline = |client| metrics.sum("xietong_baseline_cost_total", &[("client", client)]);
    assert_eq!(baseline("-"), 0.0, "it saves nothing");
    assert!(baseline("a") > 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_leave_is_not_explored_and_no_more_is_spent_than_allowed() {
    let small = Scripted::start(Reply::text("#### 17")).await;
    let large = Scripted::start(Reply::text("#### 18")).await;
    let setup = Setup::ladder(&small.base_url(), &large.base_url())
        .add("nearby", &[&small.base_url()], "price: {input: 1, output: 2}")
        .model("small", "local: true")
        .model("nearby", "local: true");
    let gateway = setup.clone().policy(&policy(SMALL, AMPLE)).start().await;
    let request = openai::ask("auto", "How many eggs are left?");
    let local = gateway.ask_with(&[("x-xietong-locality", "local")], &request).await;
    assert_eq!(local.status(), 200);
    let metrics = judged(&gateway, 1.0).await;
    assert_eq!((preferred(&metrics, "neither"), large.seen().len()), (1.0, 0));

    // The worst case of one answer, 4096 tokens, is 0.12 and a little; that of ten tokens is not a hundredth of it, and
    // shows that there would have been time to explore the others, too.
    let setup = Setup::ladder(&small.base_url(), &large.base_url());
    let gateway = setup.policy(&policy(SMALL, "spend: {amount: 0.1, per: day}")).start().await;
    let mut short = request.clone();
    short["max_tokens"] = 10.into();
    for (asked, explored) in [(&request, 0), (&short, 1), (&request, 1)] {
        gateway.ask(asked).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let metrics = judged(&gateway, explored as f64).await;
        assert_eq!(
            (preferred(&metrics, "larger"), large.seen().len()),
            (explored as f64, explored),
            "{asked}"
        );
    }
    assert_eq!(large.only().request.json()["max_tokens"], 10);
}

#[tokio::test(start_paused = true)]
async fn what_comes_of_it_corrects_what_is_foreseen() {
    let small = Scripted::start(Reply::text("#### 17")).await;
    let large = Scripted::start(Reply::text("#### 18")).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .policy(&policy("{kind: threshold, at: 0.6}", AMPLE))
        .start()
        .await;
    let request = openai::ask("auto", "What is 9 + 9?");
    let first = gateway.ask(&request).await;
    assert_eq!(first.header("x-xietong-model"), Some("small"));
    for number in 1..=30 {
        gateway.ask(&request).await;
        judged(&gateway, f64::from(number) + 1.0).await;
    }
    let metrics = gateway.settled().await;
    let drift = metrics.sum("xietong_foresight_drift", &[("route", "auto"), ("model", "small")]);
    assert!(drift > 0.3, "{}", metrics.text);
    let later = gateway.ask(&request).await;
    assert_eq!(later.header("x-xietong-model"), Some("large"), "{later:?}");
    let difficulty = |answer: &end_to_end::wire::Answer| {
        answer.header("x-xietong-difficulty").and_then(|it| it.parse::<f64>().ok()).expect("a number")
    };
    assert!(difficulty(&later) > difficulty(&first) + 0.2);
}

/// A judge that always says this letter, or the one of the answer in which it finds a word.
fn judging(letter: impl Fn(&str) -> &'static str + Send + Sync + 'static) -> impl Fn(&Request) -> Script {
    move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let asked = body["messages"][1]["content"].as_str().unwrap_or_default();
        match asked.contains("ANSWER A") {
            true => Reply::text(letter(asked)).whole(),
            false => Reply::text("An essay by the large model, in many words. ".repeat(8).as_str()).whole(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_judge_sees_both_orders_and_no_names() {
    let finds = |word: &'static str| {
        move |asked: &str| {
            let (a, b) = asked.split_once("ANSWER B").expect("two answers");
            match (a.contains(word), b.contains(word)) {
                (true, false) => "A",
                (false, true) => "B",
                _ => "S",
            }
        }
    };
    let essay = "An essay by the small model, in many words. ".repeat(8);
    let check = async |large: Scripted, expected: &str| {
        let small = Scripted::start(Reply::text(&essay)).await;
        let gateway = Setup::ladder(&small.base_url(), &large.base_url())
            .policy(&policy(SMALL, &format!("{AMPLE}, judge: large")))
            .start()
            .await;
        gateway.ask(&openai::ask("auto", "Write an essay on spring.")).await;
        let metrics = judged(&gateway, 1.0).await;
        assert_eq!(preferred(&metrics, expected), 1.0, "{expected}\n{}", metrics.text);
        assert_eq!(large.seen().len(), 3);
        assert_eq!(metrics.sum("xietong_requests_total", &[("endpoint", "judge")]), 2.0);
        for seen in large.seen() {
            let said = String::from_utf8_lossy(&seen.request.body).into_owned();
            assert!(!said.contains("small-upstream"), "{said}");
        }
    };
    check(Scripted::start(judging(finds("by the large"))).await, "larger").await;
    check(Scripted::start(judging(finds("by the small"))).await, "smaller").await;
    check(Scripted::start(judging(|_| "A")).await, "neither").await;
}

/// A guard that finds the small model's answers likely to do learns that they do not; and what it doubts is looked at, too.
#[tokio::test(start_paused = true)]
async fn a_guard_learns_from_what_came_of_its_chances() {
    let small = Scripted::start(Reply::text("So there are 17 eggs.\n#### 17")).await;
    let large = Scripted::start(Reply::text("So there are 18 eggs.\n#### 18")).await;
    let cascade = format!("{{kind: cascade, policy: {SMALL}, hold: all}}");
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .model("small", "accepts: [text, logprobs]")
        .policy(&policy(&cascade, AMPLE))
        .start()
        .await;
    let question = openai::ask("auto", "How many eggs are left?");
    let mut answered = Vec::new();
    for number in 1..=40 {
        let answer = gateway.ask(&question).await;
        answered.push(answer.header("x-xietong-model").map(str::to_owned));
        let metrics = judged(&gateway, f64::from(number)).await;
        assert_eq!(preferred(&metrics, "larger"), f64::from(number), "{}", metrics.text);
    }
    let by = |model: &str| answered.iter().filter(|it| it.as_deref() == Some(model)).count();
    assert_eq!(answered[0].as_deref(), Some("small"), "its tokens are probable");
    assert_eq!(answered[39].as_deref(), Some("large"), "{answered:?}");
    assert!(by("small") >= 19, "twenty outcomes are needed: {answered:?}");
    let metrics = gateway.settled().await;
    let labels = [("from", "small"), ("to", "large"), ("reason", "confidence")];
    assert_eq!(metrics.sum("xietong_escalations_total", &labels), by("large") as f64);
}

/// What a client calls its requests has no say in which of them are explored: the draw is the gateway's own, it is recorded,
/// and what is recorded says which requests another model answered too.
#[tokio::test]
async fn a_constant_request_id_does_not_choose_what_is_explored() {
    const REQUESTS: usize = 60;
    let small = Scripted::start(Reply::text("#### 17")).await;
    let large = Scripted::start(Reply::text("#### 18")).await;
    let place = Place::new();
    let half = format!("{{kind: explore, share: 0.5, policy: {SMALL}, {AMPLE}}}");
    let setup = Setup::ladder(&small.base_url(), &large.base_url()).policy(&half).top(&place.line());
    let gateway = setup.start().await;
    let request = openai::ask("auto", "How many eggs are left?");
    for _ in 0..REQUESTS {
        let answer = gateway.ask_with(&[("x-request-id", "always-the-same")], &request).await;
        assert_eq!(answer.header("x-request-id"), Some("always-the-same"));
    }
    gateway.settled().await;
    let drawn = |request: &Value| RequestDraw::from_recorded(request["draw"].as_u64().expect("a draw"));
    let mut draws: Vec<RequestDraw> = Vec::new();
    // The ledger's file is written by a thread of its own.
    for _ in 0..500 {
        let requests = place.requests();
        draws = requests.iter().filter(|request| request["call"] == "chat").map(drawn).collect();
        if draws.len() == REQUESTS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let explored = draws.iter().filter(|draw| draw.uniform(DrawPurpose::Exploration) < 0.5).count();
    judged(&gateway, explored as f64).await;
    gateway.stop().await;
    assert_eq!((draws.len(), large.seen().len()), (REQUESTS, explored));
    // With honest draws, fewer or more come up once in 10^9 runs.
    assert!((7..=53).contains(&explored), "{explored} of {REQUESTS}");
}
