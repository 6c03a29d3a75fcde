//! Several gateways with one Redis: together they spend no more than the budget, whoever can reach it.

use std::time::Duration;

use end_to_end::gateway::{Gateway, chat};
use end_to_end::openai::{self, Reply};
use end_to_end::redis::{Redis, Wire};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use end_to_end::wire;
use serde_json::json;

const KEY: (&str, &str) = ("authorization", "Bearer team-a-key-0123456789");
/// What a request costs at most: its prompt and 100 tokens of the answer.
const WORST: f64 = (28.0 * 10.0 + 100.0 * 30.0) / 1e6;

async fn replica(upstream: &Scripted, budget: f64, state: &str) -> Gateway {
    let client = format!(
        "clients: [{{name: team-a, key: team-a-key-0123456789, budget: {{amount: {budget}, per: month}}}}]"
    );
    Setup::ladder(&upstream.base_url(), &upstream.base_url())
        .model("small", "price: {hour: 1}")
        .model("small", "local: true")
        .top(&client)
        .top(state)
        .start()
        .await
}

async fn upstream() -> Scripted {
    let whole = Reply::text(&"word ".repeat(100)).whole();
    Scripted::start(Script::default().pause(Duration::from_millis(100)).then(whole)).await
}

fn request(model: &str) -> Vec<u8> {
    let mut body = openai::ask(model, "Count");
    body["max_tokens"] = json!(100);
    chat(&[KEY], &body)
}

/// Asks the replicas in turn, all at once; how many were answered.
async fn ask(replicas: &[Gateway], count: usize) -> usize {
    let asking: Vec<_> = (0..count)
        .map(|number| {
            let (address, request) = (replicas[number % replicas.len()].data, request("large"));
            tokio::spawn(async move { wire::exchange(address, &request).await.status() })
        })
        .collect();
    let mut answered = 0;
    for status in asking {
        match status.await.expect("a client does not panic") {
            200 => answered += 1,
            402 | 503 => {}
            other => panic!("{other}"),
        }
    }
    answered
}

fn truth(upstream: &Scripted) -> f64 {
    let billed = upstream.billed();
    (billed.input as f64 * 10.0 + billed.output as f64 * 30.0) / 1e6
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_replicas_share_a_budget_for_ten() {
    for at_once in [64, 1024] {
        let Some(redis) = Redis::start().await else { return };
        let upstream = upstream().await;
        let budget = WORST * 10.2;
        let mut replicas = Vec::new();
        for _ in 0..4 {
            replicas.push(replica(&upstream, budget, &redis.line()).await);
        }
        let answered = ask(&replicas, at_once).await;
        assert!(truth(&upstream) <= budget, "{} of {budget} at {at_once}", truth(&upstream));
        // A part of each replica's lease may lie where it is not needed.
        assert!((6..=10).contains(&answered), "{answered} at {at_once}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_overruns_nothing_and_heals() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = upstream().await;
    let budget = WORST * 200.0;
    let (mut replicas, mut wires) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let wire = Wire::to(redis.address).await;
        replicas.push(replica(&upstream, budget, &wire.line()).await);
        wires.push(wire);
    }
    let mut answered = ask(&replicas, 40).await;
    assert_eq!(answered, 40);
    for wire in &mut wires[..2] {
        wire.cut().await;
    }
    // The two that are cut off spend what they were lent, and no more.
    let cut_off = ask(&replicas[..2], 60).await;
    assert!(cut_off < 30, "{cut_off}");
    answered += cut_off + ask(&replicas[2..], 40).await;
    for wire in &mut wires[..2] {
        wire.mend().await;
    }
    // Within some seconds they are lent to again, and together they come to the budget's end.
    for _ in 0..40 {
        answered += ask(&replicas, 16).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(truth(&upstream) <= budget, "{} of {budget}", truth(&upstream));
    assert!(answered >= 180, "{answered}");
    assert_eq!(ask(&replicas, 16).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_spending_ends_and_local_models_go_on() {
    let Some(mut redis) = Redis::start().await else { return };
    let upstream = upstream().await;
    let replicas = [replica(&upstream, WORST * 64.0, &redis.line()).await];
    assert_eq!(ask(&replicas, 1).await, 1);
    redis.kill();
    let lent = ask(&replicas, 32).await;
    assert!(lent <= 6, "{lent}");
    let refused = wire::exchange(replicas[0].data, &request("large")).await;
    let error = refused.error().expect("an error");
    assert_eq!((refused.status(), error["code"].as_str()), (503, Some("ledger_unavailable")), "{error}");
    for model in ["small", "auto"] {
        assert_eq!(wire::exchange(replicas[0].data, &request(model)).await.status(), 200, "{model}");
    }
    assert_eq!(replicas[0].metrics().await.sum("xietong_ledger_up", &[]), 0.0);
}

/// An orderly end gives back what was lent: the next gateway has all that was not spent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_spent_comes_back_at_the_end() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = upstream().await;
    let budget = WORST * 10.2;
    let mut answered = 0;
    for _ in 0..5 {
        let replica = replica(&upstream, budget, &redis.line()).await;
        answered += ask(std::slice::from_ref(&replica), 2).await;
        replica.stop().await;
    }
    assert_eq!(answered, 10);
}
