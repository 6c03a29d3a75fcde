//! Several gateways with one Redis: together they spend no more than the budget, whoever can reach it.

use std::time::{Duration, Instant};

use end_to_end::certificate::Certificate;
use end_to_end::gateway::{Gateway, chat};
use end_to_end::openai::{self, Reply};
use end_to_end::redis::{Carries, Redis, Wire};
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

/// X-08. However Redis is slow or mute: no request waits for it for longer than 3 s, local models go on, no budget is
/// overrun, and paid models are asked again by themselves once it is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_holds_up_nothing_for_long() {
    // Three seconds are promised; the rest is for a machine that is busy, and less than any of these would take alone.
    const BOUND: Duration = Duration::from_millis(4500);
    let sick = [
        Carries::Nothing,
        Carries::Late(Duration::from_secs(5)),
        Carries::Late(Duration::from_millis(700)),
        Carries::Drops(Duration::from_millis(200)),
    ];
    for how in sick {
        let Some(redis) = Redis::start().await else { return };
        let (upstream, wire) = (upstream().await, Wire::to(redis.address).await);
        // Each request needs far more than is lent in advance.
        let budget = WORST * 10.2;
        let replicas = [replica(&upstream, budget, &wire.line()).await];
        assert_eq!(ask(&replicas, 1).await, 1);
        wire.set(how);
        let mut answered = 1;
        for model in ["large", "small", "auto", "large", "small"] {
            let began = Instant::now();
            let answer = wire::exchange(replicas[0].data, &request(model)).await;
            let took = began.elapsed();
            assert!(took < BOUND, "{model} took {took:?} with {how:?}");
            match (model, answer.status()) {
                ("large", 200) => answered += 1,
                ("large", 503) => {
                    assert_eq!(answer.error().expect("an error")["code"], "ledger_unavailable");
                }
                (_, status) => assert_eq!(status, 200, "{model} with {how:?}: {}", answer.text()),
            }
        }
        wire.set(Carries::All);
        let well = Instant::now();
        while ask(&replicas, 1).await == 0 {
            assert!(well.elapsed() < Duration::from_secs(15), "not in use again with {how:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        answered += 1 + ask(&replicas, 16).await;
        assert!(
            truth_of_large(&upstream) <= budget,
            "{} of {budget} with {how:?}",
            truth_of_large(&upstream)
        );
        // What was lent while nobody could hear of it is lost for the month: never more than each request's worst case.
        assert!((7..=10).contains(&answered), "{answered} with {how:?}");
    }
}

/// What the large model alone would bill: the small one is at the same upstream.
fn truth_of_large(upstream: &Scripted) -> f64 {
    let large = upstream.seen().into_iter().filter(|seen| seen.request.json()["model"] == "large-upstream");
    large.map(|seen| seen.progress().billed).map(|it| (it.input * 10 + it.output * 30) as f64 / 1e6).sum()
}

/// X-08. A copy of Redis that does not know of the last loans takes over: what it has forgotten is not lent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_redis_lends_nothing_twice() {
    let Some(redis) = Redis::start().await else { return };
    let (upstream, mut wire) = (upstream().await, Wire::to(redis.address).await);
    let budget = WORST * 10.2;
    let replicas = [replica(&upstream, budget, &wire.line()).await];
    assert_eq!(ask(&replicas, 2).await, 2);
    let copy = redis.copy().await;
    // These the copy never hears of.
    assert_eq!(ask(&replicas, 5).await, 5);
    wire.lead_to(copy.address).await;
    let mut answered = 7;
    for _ in 0..30 {
        answered += ask(&replicas, 4).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(truth(&upstream) <= budget, "{} of {budget}", truth(&upstream));
    assert!((9..=10).contains(&answered), "{answered}");
}

/// `rediss`: with TLS, and an authority that no system trusts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_with_tls_is_asked_as_one_without() {
    let certificate = Certificate::new();
    let Some(redis) = Redis::start_with_tls(&certificate).await else { return };
    let (upstream, budget) = (upstream().await, WORST * 10.2);
    let line =
        |trust: String| format!("state: {{kind: redis, url: \"rediss://{}/0\"{trust}}}", redis.address);
    let trusting = line(format!(", ca_file: \"{}\"", certificate.authority().display()));
    let replicas = [replica(&upstream, budget, &trusting).await, replica(&upstream, budget, &trusting).await];
    let answered = ask(&replicas, 64).await;
    assert!((8..=10).contains(&answered) && truth(&upstream) <= budget, "{answered}, {}", truth(&upstream));
    // Whoever does not know the authority borrows nothing from it.
    let stranger = [replica(&upstream, budget, &line(String::new())).await];
    assert_eq!(ask(&stranger, 1).await, 0);
    let refused = wire::exchange(stranger[0].data, &request("large")).await;
    assert_eq!(
        (refused.status(), refused.error().expect("an error")["code"].as_str()),
        (503, Some("ledger_unavailable"))
    );
}

/// What generators make stands in the configuration as it is, for a user with the rights that the documentation names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_password_of_redis_is_taken_as_it_is() {
    const RIGHTS: &str =
        "~xietong:* +eval +evalsha +script|load +hget +hset +hincrby +expire +set +xadd +ping";
    let Some(redis) = Redis::start().await else { return };
    let upstream = upstream().await;
    let quoted = |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}\\x{byte:02x}"));
    for (number, password) in
        ["p/ss", "p#ss", "p?ss", "p@ss:[]{}", "p%25ss", "p%41", "%", "a+b==", "it's"].into_iter().enumerate()
    {
        let user = format!("gateway/{number}");
        let name = quoted(&user);
        let said =
            redis.say(&format!("ACL SETUSER \"{name}\" on \"\\x3e{}\" {RIGHTS}", quoted(password))).await;
        assert_eq!(said, "+OK", "{password}");
        let state = |password: &str| {
            let password = password.replace('\'', "''");
            format!(
                "state: {{kind: redis, url: \"redis://{}/0\", username: \"{user}\", password: '{password}'}}",
                redis.address
            )
        };
        let known = [replica(&upstream, WORST * 100.0, &state(password)).await];
        assert_eq!(ask(&known, 1).await, 1, "{password}");
        let stranger = [replica(&upstream, WORST * 100.0, &state("another")).await];
        assert_eq!(ask(&stranger, 1).await, 0, "{password}");
    }
}

/// What an upstream takes beyond what was set aside is a debt: it is paid out of what is lent next, so that the sum comes back
/// to the budget, but for one answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overrun_is_paid_before_anything_else() {
    let Some(redis) = Redis::start().await else { return };
    // Four times as long as allowed, in the one way that cannot be cut.
    let long = Reply::text(&"word ".repeat(400));
    let upstream = Scripted::start(long.whole()).await;
    let budget = WORST * 20.0;
    let replica = [replica(&upstream, budget, &redis.line()).await];
    let mut answered = 0;
    while ask(&replica, 1).await == 1 {
        answered += 1;
        assert!(answered < 20, "debts are forgotten");
    }
    let one = 400.0 * 30.0 / 1e6;
    assert!(truth(&upstream) <= budget + one, "{} of {budget}", truth(&upstream));
    assert!((3..=6).contains(&answered), "{answered}");
}

/// G-09. Within a rollout replicas have different budgets: together they spend no more than the larger one, and once all
/// have the smaller one, nothing beyond what is spent already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_different_configurations_share_one_budget() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = upstream().await;
    let (before, after) = (WORST * 20.2, WORST * 10.2);
    let old = [replica(&upstream, before, &redis.line()).await];
    let new = [replica(&upstream, after, &redis.line()).await];
    // What lies idle at the other replica may be missing, and nothing may be too much.
    let mut answered = ask(&old, 2).await + ask(&new, 40).await;
    assert!((6..=10).contains(&answered) && truth(&upstream) <= after, "{answered}, {}", truth(&upstream));
    answered += ask(&old, 60).await;
    assert!((14..=20).contains(&answered) && truth(&upstream) <= before, "{answered}, {}", truth(&upstream));
    assert_eq!(ask(&new, 8).await, 0, "its budget is spent");
    let [gone] = old;
    gone.stop().await;
    let last = replica(&upstream, after, &redis.line()).await;
    assert_eq!(ask(&[last, new.into_iter().next().expect("one")], 16).await, 0);
}

/// G-09. What a later version keeps beside what this one does holds up neither budgets nor reports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_later_version_keeps_is_passed_over() {
    let Some(redis) = Redis::start().await else { return };
    let upstream = upstream().await;
    let budget = WORST * 10.2;
    let replicas = [replica(&upstream, budget, &redis.line()).await];
    let mut answered = ask(&replicas, 1).await;
    let begun = Instant::now();
    let key = loop {
        // Of a list: its length, the length of its first element, and that.
        match redis.lines("KEYS xietong:budget:*", 3).await.pop() {
            Some(key) if key.starts_with("xietong:") => break key,
            said => assert!(begun.elapsed() < Duration::from_secs(10), "nothing is lent: {said:?}"),
        }
    };
    assert!(redis.say(&format!("HSET {key} of:later 0 word soon")).await.starts_with(":2"));
    for fields in [r#"request "{\"kind\":\"later\"}""#, "request soon later more"] {
        assert!(redis.say(&format!("XADD xietong:requests * {fields}")).await.starts_with('$'), "{fields}");
    }
    let later = [replica(&upstream, budget, &redis.line()).await];
    answered += ask(&later, 4).await + ask(&replicas, 40).await;
    assert!((6..=10).contains(&answered) && truth(&upstream) <= budget, "{answered}, {}", truth(&upstream));
    for replica in replicas.into_iter().chain(later) {
        replica.stop().await;
    }
    // The report reads the requests of both.
    let file = std::env::temp_dir().join(format!("xietong-later-{}.yaml", std::process::id()));
    let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&redis.line());
    std::fs::write(&file, setup.yaml()).expect("a file");
    let words = ["xietong", "report", "--format", "json", "--config"].map(std::path::PathBuf::from);
    ::gateway::commands::run(words.into_iter().chain([file.clone()])).expect("a report");
    std::fs::remove_file(&file).expect("it is there");
}
