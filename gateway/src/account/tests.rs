//! How an account is closed, and what its attempts are charged, without a request or an upstream.

use gateway_config::ModelConfig;
use router_policies::guard::RejectReason;
use serde_json::Value;

use super::*;
use crate::scripted::{ScriptedGateway, UpstreamScript, chunk};
use upstreams::attempt_error::AttemptErrorKind::{
    self, BadResponse, ConnectFailed, ConnectionLost, FirstTokenTimeout, GuardRejected, RateLimited,
    Rejected, ServerError,
};

/// Each token of an answer costs 1 at `small`, and 10 at `large`.
const YAML: &str = "
models:
  - {name: small, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, price: {input: 0, output: 1000000}}
  - {name: large, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m, price: {input: 0, output: 10000000}}
clients:
  - name: a
    key: key-of-a-01234567890
    budget: {amount: 5000, per: month}
    limits: {requests_per_minute: 3, tokens_per_minute: 1000, concurrent: 2}
routes: [{name: auto, ladder: [small, large], policy: {kind: fixed, model: small}}]
";
/// An answer may have so many tokens.
const MOST: u64 = 200;

fn gateway() -> ScriptedGateway {
    let fine = || vec![UpstreamScript::text("fine", 5)];
    ScriptedGateway::new(YAML, [("small", fine()), ("large", fine())])
}

fn open(scripted: &ScriptedGateway) -> Box<RequestAccount> {
    let gateway = &scripted.gateway;
    let (id, now) = (RequestId::new(), Instant::now());
    let mut account =
        gateway.account(&gateway.snapshot(), id, RecordedCall::Chat, now, &http::HeaderMap::new());
    account.bound(UsageBound { prompt: 10, answer: Some(MOST), choices: 1, ..UsageBound::default() });
    account
}

fn model(scripted: &ScriptedGateway, name: &str) -> Arc<ModelConfig> {
    Arc::clone(scripted.gateway.snapshot().config.model(name).unwrap())
}

fn quota(scripted: &ScriptedGateway) -> Arc<ClientQuota> {
    let snapshot = scripted.gateway.snapshot();
    Arc::clone(snapshot.quota(&snapshot.config.clients[0]).unwrap())
}

/// Text of so many tokens by estimate.
fn text(tokens: u64) -> ChunkInfo {
    let mut piece = ChunkInfo::default();
    (piece.weight, piece.begins) = (tokens * 1000, true);
    piece
}

/// A count by the upstream.
fn count(prompt: u64, completion: u64) -> ChunkInfo {
    let mut piece = ChunkInfo::default();
    let (prompt, completion) = (Some(prompt), Some(completion));
    piece.usage = Some(ReportedUsage { prompt, completion, ..ReportedUsage::default() });
    piece
}

/// What an attempt came to: its result, its cost, and why it was in vain.
fn booked(account: &RequestAccount, at: usize) -> (&'static str, i64, Option<&'static str>) {
    let attempt = &account.record().attempts[at];
    let cost = attempt.cost.expect("a price").units().round() as i64;
    (attempt.result, cost, attempt.wasted.map(Waste::word))
}

/// The end of an attempt that said these pieces.
type End = fn(&mut RequestAccount, AttemptId);

fn failed(what: AttemptErrorKind) -> impl Fn(&mut RequestAccount, AttemptId) {
    move |account, id| account.failed(id, &AttemptError::new(what))
}

/// Where a server counted one of several answers, the texts tell of the others, and the bill is what the client is told.
#[tokio::test(start_paused = true)]
async fn several_answers_with_one_count_are_charged_as_they_are_told() {
    let scripted = gateway();
    let small = model(&scripted, "small");
    let mut account = open(&scripted);
    account.bound(UsageBound { prompt: 10, answer: Some(MOST), choices: 2, ..UsageBound::default() });
    let id = account.begin(&small, &"small-0".into());
    let mut texts = text(8);
    texts.least = 8;
    account.saw(id, &texts);
    account.saw(id, &count(39, 4));
    account.settle(id);
    let usage = account.record().attempts[0].usage;
    assert_eq!((usage.input, usage.output, usage.estimated), (39, 8, true));
    assert_eq!(booked(&account, 0), ("ok", 8, None));
    account.close_complete();
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_charged_by_how_it_ends() {
    let scripted = gateway();
    let small = model(&scripted, "small");
    let check = |name: &str, said: &[ChunkInfo], end: &dyn Fn(&mut RequestAccount, AttemptId), expected| {
        let mut account = open(&scripted);
        let id = account.begin(&small, &"small-0".into());
        said.iter().for_each(|piece| account.saw(id, piece));
        end(&mut account, id);
        assert_eq!(booked(&account, 0), expected, "{name}");
        account.close_complete();
    };
    let settle: End = |account, id| account.settle(id);
    let hedged: End = |account, id| account.discard(id, "hedged", Waste::Hedged);
    let sampled: End = |account, id| account.discard_complete(id, "sampled", None);
    let cut_short: End = |account, id| account.cut_short(id);
    let broke_off: End = |account, id| account.truncated(id, &AttemptError::new(ConnectionLost));
    let (retried, escalated) = (Some("retried"), Some("escalated"));
    // What was counted is the bill; an estimate is raised by half.
    check("whole, counted", &[text(9), count(10, 7)], &settle, ("ok", 7, None));
    check("whole, counted twice", &[count(10, 3), text(9), count(10, 7)], &settle, ("ok", 7, None));
    check("whole, not counted", &[text(10)], &settle, ("ok", 15, None));
    check("whole, counted as nothing", &[text(10), count(10, 0)], &settle, ("ok", 15, None));
    check("whole, and says nothing", &[], &settle, ("ok", 0, None));
    // What it may have written is at most the bound; nothing where the provider has not worked on it.
    check("silent", &[], &failed(FirstTokenTimeout), ("silent", 200, retried));
    check("lost after some text", &[text(10)], &failed(ConnectionLost), ("cut", 200, retried));
    check("no connection", &[], &failed(ConnectFailed), ("unreachable", 0, retried));
    check("429", &[], &failed(RateLimited), ("rate_limited", 0, retried));
    check("503", &[], &failed(ServerError(503)), ("server_error", 0, retried));
    check("401", &[], &failed(BadResponse(401)), ("faulty", 0, retried));
    check("400", &[], &failed(Rejected(400)), ("refused", 0, retried));
    // What was said and 64 tokens that were on their way.
    let rejected = |reason| failed(GuardRejected(reason));
    check("rejected", &[text(10)], &rejected(RejectReason::Refusal), ("refusal", 15 + 64, escalated));
    check(
        "rejected, counted",
        &[count(10, 20)],
        &rejected(RejectReason::Refusal),
        ("refusal", 20 + 64, escalated),
    );
    check(
        "rejected, and long",
        &[text(190)],
        &rejected(RejectReason::Repetition),
        ("repetition", 285, escalated),
    );
    check("rejected, and silent", &[], &rejected(RejectReason::Empty), ("empty", 200, escalated));
    check("let go for a faster one", &[], &hedged, ("hedged", 200, Some("hedged")));
    check("let go in the middle", &[text(10)], &hedged, ("hedged", 15 + 64, Some("hedged")));
    check("compared", &[text(9), count(10, 7)], &sampled, ("sampled", 7, None));
    check("ended for its length", &[text(10)], &cut_short, ("overlong", 15 + 64, None));
    check("broken off", &[text(10)], &broke_off, ("cut", 15 + 64, None));
    check("broken off near its bound", &[text(120)], &broke_off, ("cut", 200, None));
}

/// Each is booked by its own name, in whatever order they speak and end.
#[tokio::test(start_paused = true)]
async fn attempts_at_the_same_time_are_told_apart() {
    let scripted = gateway();
    let (small, large) = (model(&scripted, "small"), model(&scripted, "large"));
    let mut account = open(&scripted);
    let first = account.begin(&small, &"small-0".into());
    let second = account.begin(&large, &"large-0".into());
    let third = account.begin(&small, &"small-1".into());
    account.saw(third, &count(10, 3));
    account.saw(first, &count(10, 1));
    account.saw(second, &count(10, 2));
    account.discard_complete(second, "sampled", None);
    account.failed(first, &AttemptError::new(ServerError(500)));
    account.commit(third);
    account.settle(third);
    assert_eq!(booked(&account, 0), ("server_error", 0, Some("retried")));
    assert_eq!(booked(&account, 1), ("sampled", 20, None));
    assert_eq!(booked(&account, 2), ("ok", 3, None));
    assert_eq!(
        (account.usage(first).output, account.usage(second).output, account.usage(third).output),
        (1, 2, 3)
    );
    assert_eq!(account.record().answered_by, Some(2));
    assert!(account.has_failed_at("small-0") && !account.has_failed_at("small-1"));
    assert!(!account.has_failed_at("large-0"));
    account.close_complete();
}

#[tokio::test(start_paused = true)]
async fn an_attempt_ends_once() {
    let scripted = gateway();
    let small = model(&scripted, "small");
    let mut account = open(&scripted);
    let id = account.begin(&small, &"small-0".into());
    account.saw(id, &count(10, 7));
    account.settle(id);
    account.failed(id, &AttemptError::new(FirstTokenTimeout));
    account.discard(id, "hedged", Waste::Hedged);
    assert_eq!(booked(&account, 0), ("ok", 7, None));
    account.close_complete();
    assert_eq!(scripted.charged(), "ok 7");
}

/// What an answer that two models gave comes to for the client.
#[tokio::test(start_paused = true)]
async fn an_answer_that_went_on_counts_once() {
    let scripted = gateway();
    let small = model(&scripted, "small");
    let check = |name: &str, whole: bool, expected| {
        let mut account = open(&scripted);
        let first = account.begin(&small, &"small-0".into());
        account.commit(first);
        account.saw(first, &count(10, 4));
        account.truncated(first, &AttemptError::new(ConnectionLost));
        let second = account.begin(&small, &"small-1".into());
        account.saw(second, &count(12, 7));
        account.resume(second, whole);
        account.settle(second);
        let told = account.final_usage(second);
        assert!(told.resumed, "{name}");
        assert_eq!((told.usage.prompt(), told.usage.output), expected, "{name}");
        account.close_complete();
    };
    check("the rest alone", false, (10, 4 + 7));
    check("all of it again", true, (12, 7));
}

/// What the log says of a request that was closed so: outcome, status, error, and its attempts.
fn said(scripted: &ScriptedGateway) -> (String, u64, Value, String) {
    let records = scripted.records();
    let last = records.last().unwrap();
    let outcome = last["outcome"].as_str().unwrap().to_owned();
    (outcome, last["status"].as_u64().unwrap(), last["error"].clone(), scripted.charged())
}

/// An attempt that has said ten tokens.
fn started(scripted: &ScriptedGateway, mut account: Box<RequestAccount>) -> (Box<RequestAccount>, AttemptId) {
    let id = account.begin(&model(scripted, "small"), &"small-0".into());
    account.saw(id, &text(10));
    (account, id)
}

/// The same, whose answer the client gets.
fn committed(scripted: &ScriptedGateway, account: Box<RequestAccount>) -> (Box<RequestAccount>, AttemptId) {
    let (mut account, id) = started(scripted, account);
    account.commit(id);
    account.head_sent(200);
    (account, id)
}

/// Outcome, status, error, and what the attempts came to, once a request was closed so.
fn check_closed(
    name: &str,
    close: fn(&ScriptedGateway, Box<RequestAccount>),
    expected: (&str, u64, &str, &str),
) {
    let scripted = gateway();
    close(&scripted, open(&scripted));
    let (outcome, status, error, charged) = said(&scripted);
    assert_eq!((&*outcome, status, error.as_str().unwrap_or_default(), &*charged), expected, "{name}");
    assert_eq!(scripted.gateway.telemetry.metrics.in_flight.get(), 0, "{name}: nothing is under way");
}

#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_request_is_closed_as_it_ends() {
    check_closed("whole", |gateway, account| {
        let (mut account, id) = committed(gateway, account);
        account.settle(id);
        account.close_complete();
    }, ("complete", 200, "", "ok 15"));
    check_closed("in vain", |gateway, account| {
        let (mut account, id) = started(gateway, account);
        account.failed(id, &AttemptError::new(FirstTokenTimeout));
        account.close_failed(&ApiError::UpstreamTimeout);
    }, ("failed", 504, "upstream_timeout", "silent 200"));
    check_closed("broken off", |gateway, account| {
        let (mut account, id) = committed(gateway, account);
        account.truncated(id, &AttemptError::new(ConnectionLost));
        account.close_failed(&ApiError::Truncated);
    }, ("cut", 200, "upstream_truncated", "cut 79"));
    check_closed("refused", |_, account| account.close_failed(&ApiError::MissingCredentials),
        ("refused", 401, "invalid_api_key", ""));
    check_closed("busy", |_, account| account.close_failed(&ApiError::UpstreamBusy(None)),
        ("failed", 429, "rate_limit_exceeded", ""));
    check_closed("a fault of ours", |gateway, account| started(gateway, account).0.close_faulty(),
        ("failed", 500, "internal_error", "abandoned 200"));
    check_closed("a fault of ours within the answer", |gateway, account| committed(gateway, account).0.close_faulty(),
        ("cut", 200, "internal_error", "abandoned 79"));
}

/// Whoever drops the account says that the client has left.
#[tokio::test(start_paused = true)]
#[rustfmt::skip]
async fn a_client_that_leaves_pays_for_what_was_under_way() {
    check_closed("at once", |_, account| drop(account), ("abandoned", 0, "", ""));
    check_closed("before an answer was chosen", |gateway, account| drop(started(gateway, account)),
        ("abandoned", 0, "", "abandoned 200"));
    check_closed("within the answer", |gateway, account| drop(committed(gateway, account)),
        ("abandoned", 200, "", "abandoned 79"));
    check_closed("while two are under way", |gateway, account| {
        let (mut account, _) = committed(gateway, account);
        let _ = account.begin(&model(gateway, "small"), &"small-1".into());
    }, ("abandoned", 200, "", "abandoned 79, abandoned 200"));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_still_here_when_the_process_ends_did_not_leave() {
    let scripted = gateway();
    let account = open(&scripted);
    scripted.gateway.telemetry.shutdown_deadline.expire();
    drop(account);
    assert_eq!(said(&scripted), ("failed".to_owned(), 503, "shutting_down".into(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_panic_closes_the_account_as_a_fault() {
    let scripted = gateway();
    let account = open(&scripted);
    let panicking = std::thread::spawn(move || {
        let _account = account;
        panic!("a fault of the test");
    });
    assert!(panicking.join().is_err());
    assert_eq!(said(&scripted), ("failed".to_owned(), 500, "internal_error".into(), String::new()));
}

/// A request of a client holds its place from the moment it is let in to its end, however it ends.
#[tokio::test(start_paused = true)]
async fn a_place_is_given_back() {
    let scripted = gateway();
    let (quota, models) = (quota(&scripted), [model(&scripted, "small")]);
    let (mut one, mut two, mut three) = (open(&scripted), open(&scripted), open(&scripted));
    one.admit(&quota, &models).unwrap();
    two.admit(&quota, &models).unwrap();
    assert_eq!(three.admit(&quota, &models).unwrap_err().status(), 429, "two at once are allowed");
    drop(one);
    three.admit(&quota, &models).unwrap();
    two.close_complete();
    three.close_failed(&ApiError::UpstreamUnavailable(None));
    assert_eq!(
        open(&scripted).admit(&quota, &models).unwrap_err().code(),
        "rate_limit_exceeded",
        "three in a minute"
    );
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    open(&scripted).admit(&quota, &models).unwrap();
}

/// What is set aside is the most expensive model's worst case; what was not spent comes back, and no more is spent than
/// that covers.
#[tokio::test(start_paused = true)]
async fn what_was_set_aside_and_not_spent_comes_back() {
    let scripted = gateway();
    let (quota, small, large) = (quota(&scripted), model(&scripted, "small"), model(&scripted, "large"));
    let both = [Arc::clone(&small), Arc::clone(&large)];
    let left = || quota.remaining(scripted.gateway.telemetry.ledger.leases()).unwrap().units().round() as i64;
    let mut account = open(&scripted);
    account.reserve(&quota, &both, Timestamp::now()).await.unwrap();
    assert_eq!(left(), 5000 - 2000, "200 tokens of `large`");
    account.cover(&small).await.unwrap();
    let first = account.begin(&small, &"small-0".into());
    account.failed(first, &AttemptError::new(FirstTokenTimeout));
    assert_eq!(left(), 3000, "as long as it goes on, nothing is settled");
    account.cover(&large).await.unwrap();
    assert_eq!(left(), 5000 - 200 - 2000, "what was spent is beside it");
    let second = account.begin(&large, &"large-0".into());
    account.saw(second, &count(10, 30));
    account.commit(second);
    account.settle(second);
    account.close_complete();
    assert_eq!(left(), 5000 - 200 - 300);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_does_not_cover_the_worst_case_lets_nothing_be_asked() {
    let scripted = gateway();
    let (quota, large) = (quota(&scripted), [model(&scripted, "large")]);
    let mut held = Vec::new();
    for at in 0..3 {
        let mut account = open(&scripted);
        let reserved = account.reserve(&quota, &large, Timestamp::now()).await;
        // 2000 each, of 5000.
        assert_eq!(reserved.err().map(|failure| failure.status()), (at == 2).then_some(402), "{at}");
        held.push(account);
    }
    drop(held);
    assert!(open(&scripted).reserve(&quota, &large, Timestamp::now()).await.is_ok(), "all of it came back");
}

/// Only where there is a budget to keep to, and only beyond doubt: an upstream that does as it was told never is.
#[tokio::test(start_paused = true)]
async fn an_answer_is_overlong_where_there_is_a_budget_and_no_doubt() {
    let scripted = gateway();
    let (quota, small) = (quota(&scripted), model(&scripted, "small"));
    for (name, budget, said, expected) in [
        ("as long as allowed", true, count(10, MOST), false),
        ("counted beyond it", true, count(10, MOST + 1), true),
        ("estimated beyond it", true, text(3 * MOST), false),
        ("counted beyond it, without a budget", false, count(10, MOST + 1), false),
    ] {
        let mut account = open(&scripted);
        if budget {
            account.reserve(&quota, std::slice::from_ref(&small), Timestamp::now()).await.unwrap();
        }
        let id = account.begin(&small, &"small-0".into());
        account.saw(id, &said);
        assert_eq!(account.is_overlong(id), expected, "{name}");
    }
}

/// When the first and the last token went to the client, and what it took until then.
#[tokio::test(start_paused = true)]
async fn times_are_those_of_what_the_client_saw() {
    use std::time::Duration;
    let scripted = gateway();
    let small = model(&scripted, "small");
    let millis = Duration::from_millis;
    let mut account = open(&scripted);
    tokio::time::advance(millis(5)).await;
    let id = account.begin(&small, &"small-0".into());
    tokio::time::advance(millis(100)).await;
    account.commit(id);
    tokio::time::advance(millis(3)).await;
    account.head_sent(200);
    let data = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    for wait in [10, 20, 30] {
        tokio::time::advance(millis(wait)).await;
        account.forward(id, &text(1), &chunk(data));
    }
    // What carries no text is no token.
    tokio::time::advance(millis(1000)).await;
    account.forward(id, &count(10, 3), &chunk("{}"));
    account.settle(id);
    account.close_complete();
    let record = scripted.records().pop().unwrap();
    let seconds = |name: &str| (record[name].as_f64().unwrap() * 1000.0).round();
    assert_eq!(seconds("first_token_seconds"), 118.0);
    assert_eq!(seconds("total_seconds"), 1168.0);
    assert_eq!(seconds("overhead_seconds"), 8.0, "5 until a model was asked, and 3 until the head");
}

/// A saving is measured against the same answer from the top of the ladder.
#[tokio::test(start_paused = true)]
async fn the_baseline_is_the_same_answer_from_the_top_of_the_ladder() {
    let scripted = gateway();
    let route = Arc::clone(&scripted.gateway.snapshot().config.routes[0]);
    for (name, expected) in [("small", 70.0), ("large", 70.0)] {
        let mut account = open(&scripted);
        account.asked(RequestSummary::Route(Arc::clone(&route)));
        let id = account.begin(&model(&scripted, name), &"e".into());
        account.saw(id, &count(10, 7));
        account.commit(id);
        account.settle(id);
        account.close_complete();
        assert_eq!(scripted.records().pop().unwrap()["baseline"].as_f64(), Some(expected), "{name}");
    }
    let mut account = open(&scripted);
    account.asked(RequestSummary::Model(model(&scripted, "small")));
    let id = account.begin(&model(&scripted, "small"), &"e".into());
    account.commit(id);
    account.settle(id);
    account.close_complete();
    assert!(scripted.records().pop().unwrap()["baseline"].is_null(), "a model that is named has no ladder");
}
