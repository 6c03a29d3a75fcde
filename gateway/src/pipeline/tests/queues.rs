//! Requests before engines that are busy: how long they wait, and who is asked then.

use super::*;
use crate::scripted::ScriptedEngine;

/// Both models cost nothing, or the large one something: each second of it 1.
fn yaml(policy: &str, paid: bool) -> String {
    let model = |name: &str, rest: &str| {
        format!(
            "  - {{name: {name}, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, {rest}}}\n"
        )
    };
    let large = if paid { "price: {per_hour: 3600}" } else { "price: {per_hour: 0}" };
    format!(
        "models:\n{}{}routes:\n  - {{name: auto, ladder: [small, large], resume: never, policy: {policy}}}\n",
        model("small", "price: {per_hour: 0}"),
        model("large", large),
    )
}

/// One case: what the models do, and what follows.
struct QueueCase {
    policy: &'static str,
    paid: bool,
    /// Seconds for which `small` is busy, and what it says at least is ahead.
    small: ((u64, u64), f64),
    large: QueueLarge,
}

/// What `large` does.
enum QueueLarge {
    Engine((u64, u64), f64),
    Says(UpstreamScript),
}

fn gateway(case: &QueueCase) -> ScriptedGateway {
    let mut engines = vec![("small", ScriptedEngine::new(case.small.0, case.small.1, "Small"))];
    let mut scripts = Vec::new();
    match &case.large {
        QueueLarge::Engine(busy, expects) => {
            engines.push(("large", ScriptedEngine::new(*busy, *expects, "Large")));
        }
        QueueLarge::Says(script) => scripts.push(("large", vec![script.clone()])),
    }
    ScriptedGateway::with_engines(&yaml(case.policy, case.paid), scripts, engines)
}

/// What the client heard, whom all requests so far were asked of, and after how many seconds the answer or the failure came.
/// A failure comes as a status, or as an event behind a heartbeat.
async fn heard(gateway: &ScriptedGateway, policy: &str, form: Form) -> (String, f64) {
    let began = Instant::now();
    let summary = gateway.ask(&request(policy, form)).await.summary();
    let said = match summary.split_once("… ") {
        Some((_, code)) => code,
        None => summary.split_once(' ').expect("a status").1,
    };
    let asked = gateway.asked().replace("small", "s").replace("large", "L");
    (format!("{said}: {asked}"), began.elapsed().as_secs_f64())
}

const BUSY: (u64, u64) = (0, 1000);
const LARGE_FIRST: &str = "{kind: fixed, model: large}";

#[tokio::test(start_paused = true)]
async fn a_request_waits_where_that_is_best_and_no_longer() {
    let check = async |policy: &'static str, paid, small, large, expected: &str, after: f64| {
        let case = QueueCase { policy, paid, small, large };
        for form in BOTH {
            let (heard, took) = heard(&gateway(&case), policy, *form).await;
            assert_eq!(heard, expected, "{policy}, {form:?}");
            assert!((took - after).abs() < 0.7, "{expected}, {policy}, {form:?}: after {took} s");
        }
    };
    let idle = || QueueLarge::Engine((0, 0), 0.0);
    let down = || QueueLarge::Says(fails(ConnectFailed));
    for policy in [FIXED, CASCADE] {
        // A larger model is idle and costs no more: it is asked as soon as the wait is longer than what it takes.
        check(policy, false, (BUSY, 0.2), idle(), "Large.: s L", 1.0).await;
        check(policy, false, (BUSY, 10.0), idle(), "Large.: s L", 0.0).await;
        // It is not idle.
        check(policy, false, (BUSY, 0.2), QueueLarge::Engine((0, 20), 0.2), "Large.: s L", 20.0).await;
        // It costs something: there is no hurry.
        check(policy, true, (BUSY, 0.2), idle(), "Large.: s L", 30.0).await;
        check(policy, true, (BUSY, 31.0), idle(), "Large.: s L", 0.0).await;
        check(policy, true, ((0, 20), 0.2), idle(), "Small.: s", 20.0).await;
        // It does not answer: the turn at the first one is still to be had, in what is left of the time for it.
        check(policy, false, ((0, 20), 0.2), down(), "Small.: s L L s", 20.0).await;
        check(policy, false, ((0, 40), 0.2), down(), "upstream_unavailable: s L L s", 30.0).await;
        // Nobody waits for one where another is idle, and nobody is turned away then.
        let busy = || QueueLarge::Engine((10, 1000), 0.2);
        check(policy, true, ((0, 40), 0.2), busy(), "Small.: s L s", 40.0).await;
        check(policy, true, (BUSY, 0.2), busy(), "rate_limit_exceeded: s L", 60.0).await;
    }
    // Nobody goes down to a smaller model before the queue's time is over.
    check(LARGE_FIRST, false, ((0, 0), 0.0), QueueLarge::Engine(BUSY, 0.2), "Small.: L s", 30.0).await;
}

/// What a second of waiting is worth is the policy's to say, where it says it.
#[tokio::test(start_paused = true)]
async fn a_utility_weighs_the_wait_against_the_price() {
    for form in BOTH {
        let policy = "{kind: utility, weights: {cost: 0.4, latency: 0.05}}";
        let case =
            QueueCase { policy, paid: true, small: ((5, 1000), 0.2), large: QueueLarge::Engine((0, 0), 0.0) };
        let gateway = gateway(&case);
        assert_eq!(heard(&gateway, policy, *form).await.0, "Small.: s", "{form:?}");
        tokio::time::sleep(seconds(5)).await;
        let (heard, took) = heard(&gateway, policy, *form).await;
        assert_eq!(heard, "Large.: s s L", "{form:?}");
        assert!(took > 1.5 && took < 12.0, "{form:?}: after {took} s");
    }
}

/// Who may not go on to a larger model stays where it waits.
#[tokio::test(start_paused = true)]
async fn a_bound_of_escalations_keeps_a_request_in_its_queue() {
    let policy = "{kind: budget, escalations: {share: 0, at_least: 1}, policy: {kind: fixed, model: small}}";
    let large = QueueLarge::Engine((0, 0), 0.0);
    let gateway = gateway(&QueueCase { policy, paid: false, small: ((0, 20), 0.2), large });
    assert_eq!(heard(&gateway, policy, Whole).await.0, "Large.: s L");
    let (heard, took) = heard(&gateway, policy, Whole).await;
    assert_eq!(heard, "Small.: s L s");
    assert!(took > 15.0, "after {took} s");
}
