//! Traces: what a collector is told of requests, whose trace they belong to, and that nobody waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use end_to_end::collector::{self, Collector, Span};
use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Refusing, Script, Scripted, Seen, in_turn};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use end_to_end::wire;
use serde_json::{Value, json};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const STATE: &str = "vendor=of-the-caller";

/// Two upstreams and a collector.
struct Bench {
    small: Scripted,
    large: Scripted,
    collector: Collector,
    gateway: Gateway,
}

async fn bench(small: Scripted, large: Scripted, more: &str, setup: impl Fn(Setup) -> Setup) -> Bench {
    let collector = Collector::start().await;
    let with = Setup::ladder(&small.base_url(), &large.base_url()).top(&collector.line(more));
    let gateway = setup(with).start().await;
    Bench { small, large, collector, gateway }
}

async fn fine(more: &str) -> Bench {
    let reply = Reply::text("one two three").input(20, 5);
    bench(Scripted::start(reply.clone()).await, Scripted::start(reply).await, more, |setup| setup).await
}

/// The request's span, and those of its attempts in their order. They must fit each other.
fn family(spans: Vec<Span>) -> (Span, Vec<Span>) {
    let (request, mut attempts): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.kind == "Server");
    assert_eq!(request.len(), 1, "one request: {request:?}");
    let request = request.into_iter().next().expect("one");
    attempts.sort_by_key(|span| span.get("xietong.attempt").as_u64());
    let ids: BTreeSet<_> = attempts.iter().map(|span| &span.id).chain([&request.id]).collect();
    assert_eq!(ids.len(), attempts.len() + 1, "ids of their own");
    for (number, attempt) in attempts.iter().enumerate() {
        assert_eq!((&attempt.trace, &attempt.parent), (&request.trace, &request.id));
        assert_eq!(attempt.get("xietong.attempt"), number + 1);
        let within =
            request.start <= attempt.start && attempt.start <= attempt.end && attempt.end <= request.end;
        assert!(within, "{attempt:?} lies within {request:?}");
    }
    (request, attempts)
}

fn parent(seen: &Seen) -> String {
    seen.request.header("traceparent").expect("a trace context").to_owned()
}

/// The line of a request that is traced names the trace, and that of another does not.
#[tokio::test]
async fn the_log_names_the_trace() {
    let upstream = Scripted::start(Reply::text("one").whole()).await;
    let collector = Collector::start().await;
    let lines = async |format: &str| {
        let setup =
            Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&collector.line(", share: 0"));
        let (say, said) = channel();
        let yaml = setup.top(&format!("log: {format}")).yaml();
        let gateway = Gateway::start_with_log(&yaml, LineSink(say).into()).await;
        for caller in [CALLER, UNSAMPLED] {
            gateway.ask_with(&[("traceparent", caller)], &openai::ask("auto", "Hi")).await;
            gateway.settled().await;
        }
        gateway.stop().await;
        let text: String = said.try_iter().collect();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let json = lines("json").await;
    let json: Vec<Value> = json.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(json[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((json.len(), json[1].get("trace_id")), (2, None), "{json:?}");
    let text = lines("text").await;
    assert!(text[0].ends_with(" trace 0af7651916cd43dd8448eb211c80319c"), "{text:?}");
    assert!(text.len() == 2 && !text[1].contains(" trace "), "{text:?}");
}

/// Takes what a log writes.
struct LineSink(Sender<String>);

impl std::io::Write for LineSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_a_span_with_one_below_it() {
    let bench = fine(", share: 0").await;
    let headers = [("traceparent", CALLER), ("tracestate", STATE), ("x-request-id", "id-1")];
    assert_eq!(bench.gateway.ask_with(&headers, &openai::ask("auto", "Hi")).await.status(), 200);
    let (request, attempts) = family(bench.collector.wait(2).await);
    assert_eq!(request.trace, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!((request.parent.as_str(), request.flags), ("b7ad6b7169203331", 0x301));
    assert_eq!((request.name.as_str(), request.failed), ("POST /v1/chat/completions", false));
    let cost = 20e-6 + 3.0 * 2e-6;
    let difference = (request.get("xietong.cost").as_f64().expect("a cost") - cost).abs();
    assert!(difference < 1e-9, "{request:?}");
    let mut told = request.attributes.clone();
    for inexact in [
        "xietong.cost",
        "xietong.baseline_cost",
        "xietong.overhead_seconds",
        "xietong.difficulty",
        "xietong.gain",
        "xietong.familiarity",
        "xietong.scoring_seconds",
    ] {
        let _ = told.remove(inexact);
    }
    let expected = json!({
        "http.request.method": "POST", "http.route": "/v1/chat/completions", "url.scheme": "http",
        "http.response.status_code": 200, "xietong.request_id": "id-1", "xietong.route": "auto",
        "xietong.stream": false, "xietong.plan": "ask", "xietong.reason": "fixed", "xietong.outcome": "complete",
        "xietong.model": "small", "xietong.attempts": 1, "xietong.currency": "CNY",
    });
    assert_eq!(json!(told), expected);
    let [attempt] = &attempts[..] else { panic!("one attempt") };
    assert_eq!((attempt.name.as_str(), attempt.kind.as_str()), ("chat small-upstream", "Client"));
    assert_eq!((attempt.failed, attempt.flags), (false, 0x101));
    let mut told = attempt.attributes.clone();
    assert!(told.remove("xietong.cost").is_some_and(|cost| cost == request.get("xietong.cost")));
    let expected = json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "small-upstream",
        "gen_ai.response.model": "small", "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "server.address": "127.0.0.1", "server.port": bench.small.address.port(),
        "xietong.model": "small", "xietong.endpoint": "small-0", "xietong.attempt": 1, "xietong.result": "ok",
        "xietong.currency": "CNY",
    });
    assert_eq!(json!(told), expected);
    let seen = bench.small.only();
    assert_eq!(parent(&seen), attempt.parent_of());
    assert_eq!(seen.request.header("tracestate"), Some(STATE));
}

#[tokio::test(start_paused = true)]
async fn who_sends_them_is_said_once() {
    let more = ", service: edge, attributes: {k8s.pod.name: pod-7}, headers: {authorization: \"Bearer otlp-canary\"}";
    let bench = fine(more).await;
    bench.gateway.ask(&openai::ask("auto", "Hi")).await;
    bench.collector.wait(2).await;
    let seen = bench.collector.http.only();
    assert_eq!((seen.request.method(), seen.request.path()), ("POST", "/v1/traces"));
    assert_eq!(seen.request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(seen.request.header("authorization"), Some("Bearer otlp-canary"));
    let resource = collector::resource(&seen.request);
    assert_eq!(resource["service.name"], "edge");
    assert_eq!(resource["k8s.pod.name"], "pod-7");
    assert_eq!(resource["service.version"], gateway::VERSION);
    let config = bench.gateway.get_admin("/config").await.text();
    assert!(config.contains("authorization") && !config.contains("otlp-canary"), "{config}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_of_when_it_has_ended() {
    let reply = Reply::text("one two three").thinking("well then").input(20, 0).ending("length");
    let paced = reply.stream(true).paced(Duration::from_millis(100));
    let bench = bench(Scripted::start(paced).await, Scripted::start(reply).await, "", |setup| setup).await;
    let answer = bench.gateway.ask(&openai::ask_stream("auto", "Hi")).await;
    assert!(answer.has_done());
    let (request, attempts) = family(bench.collector.wait(2).await);
    assert_eq!((request.parent.as_str(), request.flags), ("", 0x101));
    assert_eq!(request.get("xietong.stream"), true);
    let first = request.get("xietong.first_token_seconds").as_f64().expect("a first token");
    assert!((0.19..0.3).contains(&first), "{first}");
    let [attempt] = &attempts[..] else { panic!("one attempt") };
    // One for the role, two thoughts, three words, one for the end and one for the usage.
    assert!(
        (Duration::from_millis(790)..Duration::from_millis(950)).contains(&attempt.took()),
        "{attempt:?}"
    );
    assert_eq!(attempt.get("gen_ai.response.finish_reasons"), json!(["length"]));
    assert_eq!(attempt.get("gen_ai.usage.output_tokens"), 5);
    assert_eq!(parent(&bench.small.only()), attempt.parent_of());
    assert_eq!(bench.small.only().request.header("tracestate"), None);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_has_its_own_span_and_sends_it_along() {
    let busy = || openai::error(503, "server_is_overloaded").pause(Duration::from_millis(50));
    let (small, large) =
        (Scripted::start(in_turn([busy()])).await, Scripted::start(Reply::text("yes")).await);
    let bench = bench(small, large, "", |setup| setup.model("small", "retries: 1")).await;
    assert_eq!(bench.gateway.ask(&openai::ask("auto", "Hi")).await.status(), 200);
    let (request, attempts) = family(bench.collector.wait(4).await);
    let told: Vec<_> =
        attempts.iter().map(|it| (it.get("xietong.model"), it.get("error.type"), it.failed)).collect();
    let failed = (json!("small"), json!("server_error"), true);
    assert_eq!(told, [failed.clone(), failed, (json!("large"), Value::Null, false)]);
    assert_eq!(attempts[0].get("xietong.detail"), "503 server_is_overloaded");
    assert_eq!(attempts[0].get("xietong.wasted"), "retried");
    assert_eq!((request.failed, request.get("xietong.model")), (false, json!("large")));
    let sent: Vec<_> =
        bench.small.seen().iter().chain(&bench.large.seen()).map(|seen| parent(seen)).collect();
    assert_eq!(sent, attempts.iter().map(Span::parent_of).collect::<Vec<_>>());
}

/// Which attempt asked which upstream, by the spans that they name.
fn by_parent(attempts: &[Span]) -> BTreeMap<String, Span> {
    attempts.iter().map(|span| (span.parent_of(), span.clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cascade_with_a_second_opinion_is_told_attempt_by_attempt() {
    let small =
        Scripted::start(in_turn([Reply::text("It is 12.").whole(), Reply::text("It is 13.").whole()])).await;
    let large = Scripted::start(Reply::text("It is 14.")).await;
    let policy = "{kind: cascade, policy: {kind: fixed, model: small}, agree: {samples: 1}}";
    let bench = bench(small, large, "", |setup| setup.policy(policy)).await;
    let answer = bench.gateway.ask(&openai::ask("auto", "What is 5 + 9?")).await;
    assert_eq!(answer.content(), "It is 14.");
    let (request, attempts) = family(bench.collector.wait(4).await);
    assert_eq!((request.get("xietong.plan"), request.failed), (json!("cascade"), false));
    let told: Vec<_> =
        attempts.iter().map(|it| (it.get("xietong.result"), it.get("xietong.beside"))).collect();
    let expected = [("disagreement", Value::Null), ("sampled", json!(true)), ("ok", Value::Null)];
    assert_eq!(told, expected.map(|(word, beside)| (json!(word), beside)));
    assert!(attempts.iter().all(|it| !it.failed && it.get("error.type").is_null()), "{attempts:?}");
    assert_eq!(attempts[0].get("xietong.wasted"), "escalated");
    let spans = by_parent(&attempts);
    let asked: BTreeSet<_> =
        bench.small.seen().iter().map(|seen| spans[&parent(seen)].get("xietong.attempt").as_u64()).collect();
    assert_eq!(asked, BTreeSet::from([Some(1), Some(2)]));
    assert_eq!(spans[&parent(&bench.large.only())].get("xietong.attempt"), 3);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_was_let_go_in_a_hedge_is_no_error() {
    // One request in twenty may be hedged.
    let quick = (0..20).map(|_| Reply::text("yes").stream(false));
    let small = Scripted::start(in_turn(quick.chain([Script::default().stall()]))).await;
    let large = Scripted::start(Reply::text("yes")).await;
    let policy = "{kind: hedge, policy: {kind: fixed, model: small}, silence: 100ms}";
    let bench = bench(small, large, "", |setup| setup.policy(policy)).await;
    for _ in 0..20 {
        bench.gateway.ask_with(&[("traceparent", UNSAMPLED)], &openai::ask_stream("auto", "Hi")).await;
    }
    assert_eq!(bench.gateway.ask(&openai::ask_stream("auto", "Hi")).await.content(), "yes");
    let (_, attempts) = family(bench.collector.wait(3).await);
    assert_eq!(attempts[0].get("xietong.result"), "hedged");
    assert!(!attempts[0].failed && attempts[0].took() >= Duration::from_millis(100), "{attempts:?}");
    assert!(attempts[1].start > attempts[0].start && !attempts[1].failed);
    assert_eq!(parent(bench.small.seen().last().expect("it was asked")), attempts[0].parent_of());
    assert_eq!(parent(&bench.large.only()), attempts[1].parent_of());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_another_rung_goes_on_with_has_both() {
    let cut = Reply::text("one two three four").stream(false).until_chunk(3).close();
    let (small, large) =
        (Scripted::start(cut).await, Scripted::start(Reply::text("one two three four")).await);
    let bench = bench(small, large, "", |setup| setup).await;
    assert_eq!(bench.gateway.ask(&openai::ask_stream("auto", "Count")).await.content(), "one two three four");
    let (request, attempts) = family(bench.collector.wait(3).await);
    assert_eq!((request.failed, request.get("xietong.outcome")), (false, json!("complete")));
    assert_eq!((attempts[0].failed, attempts[0].get("error.type")), (true, json!("cut")));
    assert_eq!((attempts[1].failed, attempts[1].get("xietong.result")), (false, json!("ok")));
    assert_eq!(parent(&bench.large.only()), attempts[1].parent_of());
}

#[tokio::test(start_paused = true)]
async fn errors_say_whose_they_are() {
    let refused = || openai::error(400, "invalid_value");
    let (small, large) =
        (Scripted::start(in_turn([refused()])).await, Scripted::start(openai::error(500, "x")).await);
    let bench = bench(small, large, "", |setup| setup.every_model("retries: 0")).await;
    let mut spans = 0;
    // The provider's reason goes back to the client: its request was at fault.
    assert_eq!(bench.gateway.ask(&openai::ask("small", "Hi")).await.status(), 400);
    spans += 2;
    let (request, attempts) = family(bench.collector.wait(spans).await);
    assert_eq!((request.failed, request.get("http.response.status_code")), (false, json!(400)));
    assert_eq!(request.get("xietong.outcome"), "refused");
    assert_eq!((attempts[0].get("error.type"), attempts[0].failed), (json!("refused"), true));
    // Nobody answered.
    assert_eq!(bench.gateway.ask(&openai::ask("large", "Hi")).await.status(), 502);
    let (request, _) = family(bench.collector.wait(spans + 2).await.split_off(spans));
    spans += 2;
    assert!(request.failed && request.get("error.type") == "upstream_error", "{request:?}");
    assert_eq!(request.get("xietong.outcome"), "failed");
    // What reached no model is a span alone, and what clients make up is not in it.
    for (request, name, status) in [
        (wire::request("POST", "/canary-path", &[], b"{}"), "HTTP", 404),
        (wire::request("CANARY", "/v1/models", &[], b""), "HTTP", 405),
        (wire::request("GET", "/v1/models", &[], b""), "GET /v1/models", 200),
        (wire::request("POST", "/v1/chat/completions", &[], b"{"), "POST /v1/chat/completions", 400),
    ] {
        assert_eq!(bench.gateway.say(&request).await.status(), status);
        let (request, attempts) = family(bench.collector.wait(spans + 1).await.split_off(spans));
        spans += 1;
        assert_eq!((request.name.as_str(), attempts.len(), request.failed), (name, 0, false));
        assert_eq!(request.get("http.response.status_code"), status);
        assert!(!format!("{request:?}").to_lowercase().contains("canary"), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_told_of() {
    let stalls = Reply::text("one two three").stream(false).until_chunk(2).stall();
    let bench =
        bench(Scripted::start(stalls.clone()).await, Scripted::start(stalls).await, "", |setup| setup).await;
    let mut live = bench.gateway.open(&openai::ask_stream("auto", "Hi")).await;
    live.event().await;
    live.event().await;
    live.leave();
    let (request, attempts) = family(bench.collector.wait(2).await);
    assert_eq!((request.get("xietong.outcome"), request.failed), (json!("abandoned"), false));
    assert_eq!((attempts[0].get("xietong.result"), attempts[0].failed), (json!("abandoned"), false));
}

/// Nothing that a client or a model writes, and no key, is in any byte that is sent.
#[tokio::test(start_paused = true)]
async fn no_prompt_answer_or_key_is_told() {
    let reply = Reply::text("answer-canary").thinking("thought-canary").model("model-canary");
    let quoting = format!("prompt-canary {UPSTREAM_KEY}");
    let error = Script::json(500, &openai::error_object("server_error", "x", &quoting));
    let small = Scripted::start(in_turn([error, reply.stream(true), reply.whole()])).await;
    let more = ", headers: {x-key: otlp-key-canary}";
    let bench = bench(small, Scripted::start(reply).await, more, |setup| {
        setup
            .top("clients: [{name: team, key: client-key-canary-0123}]")
            .route("record: content")
            .every_model("retries: 0")
    })
    .await;
    let headers = [
        ("authorization", "Bearer client-key-canary-0123"),
        ("user-agent", "agent-canary"),
        ("tracestate", "state=canary"),
        ("baggage", "bag=canary"),
        ("traceparent", CALLER),
    ];
    for body in [
        openai::ask("auto", "prompt-canary"),
        openai::ask_stream("auto", "prompt-canary"),
        openai::ask("auto", "prompt-canary"),
    ] {
        let mut body = body;
        body["user"] = "user-canary".into();
        body["metadata"] = json!({"key-canary": "value-canary"});
        assert_eq!(bench.gateway.ask_with(&headers, &body).await.status(), 200);
    }
    let spans = bench.collector.wait(7).await;
    assert!(spans.iter().any(|span| span.get("xietong.client") == "team"));
    for seen in bench.collector.http.seen() {
        let bytes = String::from_utf8_lossy(&seen.request.body).to_lowercase();
        assert!(!bytes.contains("canary") && !bytes.contains(UPSTREAM_KEY), "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_is_traced_and_a_callers_choice_is_honoured() {
    let bench = fine(", share: 0.25").await;
    let mut sent = 0;
    for _ in 0..400 {
        assert_eq!(bench.gateway.ask(&openai::ask("auto", "Hi")).await.status(), 200);
        sent += 1;
    }
    bench.gateway.settled().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let requests = bench.collector.spans().iter().filter(|span| span.kind == "Server").count();
    assert!((60..=140).contains(&requests), "{requests} of {sent}");
    // By the last 56 bits of the trace alone.
    for span in bench.collector.spans() {
        let random = u64::from_str_radix(&span.trace[18..], 16).expect("hexadecimal");
        assert!(random as f64 >= 0.75 * (1u64 << 56) as f64, "{}", span.trace);
    }
    // Untraced, nothing is sent along.
    let traced =
        bench.small.seen().iter().filter(|seen| seen.request.header("traceparent").is_some()).count();
    assert_eq!(traced, requests);
    let before = bench.collector.spans().len();
    for (caller, more) in [(UNSAMPLED, 0), (CALLER, 2)] {
        for _ in 0..8 {
            bench.gateway.ask_with(&[("traceparent", caller)], &openai::ask("auto", "Hi")).await;
        }
        bench.gateway.settled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(bench.collector.spans().len() - before, 8 * more, "{caller}");
    }
    // What is not traced goes on as it came.
    let last: Vec<_> = bench.small.seen()[400..408].iter().map(|seen| parent(seen)).collect();
    assert!(last.iter().all(|it| it == UNSAMPLED), "{last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_context_that_is_none_begins_a_trace_of_ours() {
    let bench = fine("").await;
    for malformed in ["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "garbage", ""] {
        bench
            .gateway
            .ask_with(&[("traceparent", malformed), ("tracestate", STATE)], &openai::ask("auto", "Hi"))
            .await;
    }
    let spans = bench.collector.wait(6).await;
    let traces: BTreeSet<_> = spans.iter().map(|span| span.trace.clone()).collect();
    assert_eq!(traces.len(), 3);
    assert!(spans.iter().filter(|span| span.kind == "Server").all(|span| span.parent.is_empty()));
    for seen in bench.small.seen() {
        assert!(traces.contains(&parent(&seen)[3..35]), "{}", parent(&seen));
        assert_eq!(seen.request.header("tracestate"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_collector_a_trace_context_goes_on_as_it_came() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).start().await;
    for came in [CALLER, UNSAMPLED, "garbage"] {
        gateway.ask_with(&[("traceparent", came), ("tracestate", STATE)], &openai::ask("auto", "Hi")).await;
        let seen = upstream.seen().pop().expect("it was asked");
        assert_eq!((parent(&seen).as_str(), seen.request.header("tracestate")), (came, Some(STATE)));
    }
    gateway.ask(&openai::ask("auto", "Hi")).await;
    assert_eq!(upstream.seen().pop().expect("it was asked").request.header("traceparent"), None);
    let metrics = gateway.settled().await;
    assert!(!metrics.text.contains("xietong_spans"), "{}", metrics.text);
}

#[tokio::test(start_paused = true)]
async fn what_was_collected_goes_out_before_the_end() {
    let bench = fine("").await;
    bench.gateway.ask(&openai::ask("auto", "Hi")).await;
    bench.gateway.stop().await;
    assert_eq!(bench.collector.spans().len(), 2);
}

async fn dropped(gateway: &Gateway, cause: &str) -> f64 {
    gateway.metrics().await.sum("xietong_spans_dropped_total", &[("cause", cause)])
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_costs_no_request() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let away = Refusing::start();
    let line = format!("telemetry: {{otlp: {{endpoint: \"http://{}\"}}}}", away.address);
    let gateway = Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&line).start().await;
    for _ in 0..10 {
        assert_eq!(gateway.ask(&openai::ask("auto", "Hi")).await.status(), 200);
    }
    while dropped(&gateway, "failed").await < 20.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(gateway.metrics().await.sum("xietong_spans_sent_total", &[]), 0.0);
    // The next batch finds it well.
    let recovered = away.recover(collector::taken(0));
    gateway.ask(&openai::ask("auto", "Hi")).await;
    while gateway.metrics().await.sum("xietong_spans_sent_total", &[]) < 2.0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((recovered.seen().len(), dropped(&gateway, "failed").await), (1, 20.0));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_offered_again_only_where_that_may_help() {
    let check = async |says: Vec<Script>, offered: usize, cause: &str, lost: f64| {
        let upstream = Scripted::start(Reply::text("yes")).await;
        let collector = Collector::saying(in_turn(says)).await;
        let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&collector.line(""));
        let gateway = setup.start().await;
        gateway.ask(&openai::ask("auto", "Hi")).await;
        loop {
            let metrics = gateway.metrics().await;
            let sent = metrics.sum("xietong_spans_sent_total", &[]);
            if sent + metrics.sum("xietong_spans_dropped_total", &[]) == 2.0 {
                assert_eq!(metrics.sum("xietong_spans_dropped_total", &[("cause", cause)]), lost, "{cause}");
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(collector.http.seen().len(), offered, "{cause}");
    };
    let busy = |status| Script::whole(status, &[("retry-after", "3")], "");
    check(vec![busy(503), busy(429), collector::taken(0)], 3, "failed", 0.0).await;
    check(vec![busy(504)], 4, "failed", 2.0).await;
    check(vec![busy(400)], 1, "failed", 2.0).await;
    check(vec![busy(401)], 1, "failed", 2.0).await;
    check(vec![Script::whole(302, &[("location", "http://127.0.0.1:1/")], "")], 1, "failed", 2.0).await;
    check(vec![collector::taken(1)], 1, "rejected", 1.0).await;
    check(vec![Script::whole(200, &[], "no message")], 1, "rejected", 0.0).await;
}

/// A collector that takes a request and never answers: requests go on at their pace, and what cannot wait is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_slow_costs_no_request() {
    const REQUESTS: usize = 3500;
    let collector = Collector::saying(Script::default().stall()).await;
    let upstream = Scripted::start(Reply::text("yes")).await;
    let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(&collector.line(""));
    let gateway = setup.start().await;
    let ask = wire::request("GET", "/v1/models", &[], b"");
    let mut connection = end_to_end::http1::Connection::open(gateway.data).await.expect("it listens");
    let mut slowest = Duration::ZERO;
    for _ in 0..REQUESTS {
        let began = Instant::now();
        connection.send(&ask).await.expect("it reads");
        let live = wire::Live::on(connection).await.expect("it answers");
        connection = live.rest_and_connection().await.1;
        slowest = slowest.max(began.elapsed());
    }
    // The gateway itself waits for a collector for ten seconds.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    // As many as may wait do; what is missing beside them was sent, in batches, or is the batch that is put together.
    let dropped = dropped(&gateway, "full").await as usize;
    let batches = collector.http.seen().len() + 1;
    assert!((REQUESTS - 2048 - batches * 512..=REQUESTS - 2048).contains(&dropped), "{dropped}, {batches}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_sends_what_follows_elsewhere() {
    let upstream = Scripted::start(Reply::text("yes")).await;
    let (first, second) = (Collector::start().await, Collector::start().await);
    let yaml = |line: &str| Setup::ladder(&upstream.base_url(), &upstream.base_url()).top(line).yaml();
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("traces-reload.yaml");
    std::fs::write(&file, yaml(&first.line(""))).expect("it can be written");
    let gateway = Gateway::start_reloadable(&file).await;
    gateway.ask(&openai::ask("auto", "Hi")).await;
    // What was collected before goes where it was to go, and at once.
    std::fs::write(&file, yaml(&second.line(""))).expect("it can be written");
    let reloaded = gateway.post_admin("/reload", &json!({})).await;
    assert_eq!(
        (reloaded.status(), reloaded.json()["changed"].clone()),
        (200, json!(true)),
        "{}",
        reloaded.text()
    );
    gateway.ask(&openai::ask("auto", "Hi")).await;
    assert_eq!((first.wait(2).await.len(), second.wait(2).await.len()), (2, 2));
    std::fs::write(&file, yaml("log: text")).expect("it can be written");
    assert_eq!(gateway.post_admin("/reload", &json!({})).await.status(), 200);
    gateway.ask(&openai::ask("auto", "Hi")).await;
    gateway.stop().await;
    assert_eq!((first.spans().len(), second.spans().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn who_scrapes_openmetrics_finds_the_trace_of_a_bucket() {
    let bench = fine("").await;
    bench.gateway.ask(&openai::ask_stream("auto", "Hi")).await;
    bench.gateway.ask_with(&[("traceparent", UNSAMPLED)], &openai::ask_stream("auto", "Hi")).await;
    let spans = bench.collector.wait(2).await;
    bench.gateway.settled().await;
    let scrape =
        wire::request("GET", "/metrics", &[("accept", "application/openmetrics-text;version=1.0.0")], b"");
    let answer = wire::exchange(bench.gateway.admin, &scrape).await;
    let kind = answer.header("content-type").expect("a type");
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = answer.text();
    assert!(text.ends_with("# EOF\n") && text.contains("# TYPE xietong_requests counter\n"), "{text}");
    let mark = format!("# {{trace_id=\"{}\",span_id=\"{}\"}} ", spans[0].trace, spans[0].id);
    assert_eq!(spans[0].kind, "Server");
    for name in [
        "xietong_overhead_seconds",
        "gen_ai_server_request_duration_seconds",
        "gen_ai_server_time_to_first_token_seconds",
        "gen_ai_server_time_per_output_token_seconds",
    ] {
        let bucket = format!("{name}_bucket{{");
        let marked = text.lines().filter(|line| line.starts_with(&bucket) && line.contains(" # "));
        let marked: Vec<_> = marked.collect();
        assert!(marked.len() == 1 && marked[0].contains(&mark), "{name}: {marked:?}");
    }
    // Prometheus' text has no place for them, and is what it was.
    let plain = bench.gateway.metrics().await.text;
    assert!(
        !plain.contains("trace_id") && plain.contains("# TYPE xietong_requests_total counter\n"),
        "{plain}"
    );
}
