//! A share of traffic: `{kind: threshold, at: {share: 0.4}}`.

use end_to_end::gateway::{Gateway, chat};
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::Scripted;
use end_to_end::setup::Setup;
use end_to_end::wire;
use serde_json::Value;

const SHARE: f64 = 0.4;

/// Real prompts of several kinds, in an order that mixes them. Their origins stand in the file.
fn prompts() -> Vec<String> {
    let text = include_str!("../../router-policies/testdata/prompts.jsonl");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    // A step of 197 through 700 visits all.
    assert_eq!(rows.len(), 700);
    let mixed = (0..rows.len()).map(|at| &rows[at * 197 % rows.len()]["prompt"]);
    mixed.map(|prompt| prompt.as_str().expect("a text").to_owned()).collect()
}

async fn gateway(upstream: &Scripted) -> Gateway {
    Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .policy("{kind: threshold, at: {share: 0.4}}")
        .start()
        .await
}

/// The share of these that went up, asked one after another.
async fn realised(gateway: &Gateway, prompts: &[String]) -> f64 {
    let mut ups = 0;
    for prompt in prompts {
        let answer = gateway.ask(&openai::ask("auto", prompt)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        ups += usize::from(answer.header("x-xietong-model") == Some("large"));
    }
    ups as f64 / prompts.len() as f64
}

#[tokio::test(start_paused = true)]
async fn a_share_is_realised_after_500_requests() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = gateway(&upstream).await;
    let share = realised(&gateway, &prompts()[..500]).await;
    assert!((share - SHARE).abs() <= 0.03, "{share} instead of {SHARE}");
}

/// Requests that are under way at the same time count, too.
#[tokio::test(start_paused = true)]
async fn a_share_is_realised_among_requests_at_once() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = gateway(&upstream).await;
    let prompts = prompts();
    let mut ups = 0;
    for some in prompts[..512].chunks(32) {
        let mut asked = tokio::task::JoinSet::new();
        for prompt in some {
            let (data, request) = (gateway.data, chat(&[], &openai::ask("auto", prompt)));
            asked.spawn(async move { wire::exchange(data, &request).await });
        }
        for answer in asked.join_all().await {
            ups += usize::from(answer.header("x-xietong-model") == Some("large"));
        }
    }
    let share = f64::from(u32::try_from(ups).expect("few")) / 512.0;
    assert!((share - SHARE).abs() <= 0.03, "{share} instead of {SHARE}");
}

/// What is only asked about is not traffic: it moves nothing, yet is told what the traffic has moved.
#[tokio::test(start_paused = true)]
async fn asking_for_a_decision_is_no_traffic() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = gateway(&upstream).await;
    let prompts = prompts();
    let decide = async |prompt: &str| {
        let answer = gateway.post_admin("/decide", &openai::ask("auto", prompt)).await;
        answer.json()["model"].as_str().expect("a model").to_owned()
    };
    // Before any traffic every request goes up; after one did, the next of its kind does not.
    assert_eq!(decide(&prompts[0]).await, "large");
    assert_eq!(decide(&prompts[0]).await, "large");
    assert_eq!(realised(&gateway, &prompts[..1]).await, 1.0);
    assert_eq!(decide(&prompts[0]).await, "small");
    // However often it is asked, the traffic gets its share.
    for prompt in &prompts[..100] {
        decide(prompt).await;
    }
    let share = realised(&gateway, &prompts[..500]).await;
    assert!((share - SHARE).abs() <= 0.03, "{share} instead of {SHARE}");
}
