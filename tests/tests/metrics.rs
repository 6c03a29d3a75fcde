//! What Prometheus is told: the contract's names and labels, values that add up, and no word of a client's.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use end_to_end::collector::Collector;
use end_to_end::gateway::Gateway;
use end_to_end::ledger::Place;
use end_to_end::metrics::Metrics;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Billed, Script, Scripted, in_turn};
use end_to_end::setup::Setup;
use serde_json::json;

/// The contract's metrics with their labels.
const CONTRACT: [(&str, &str, &[&str]); 31] = [
    ("xietong_requests_total", "counter", &["route", "model", "client", "endpoint", "outcome"]),
    ("xietong_decisions_total", "counter", &["route", "model", "plan", "reason"]),
    ("xietong_escalations_total", "counter", &["route", "from", "to", "reason"]),
    ("xietong_degraded_total", "counter", &["route", "model"]),
    ("xietong_attempts_total", "counter", &["model", "endpoint_id", "result"]),
    ("xietong_tokens_total", "counter", &["model", "client", "kind"]),
    ("xietong_cost_total", "counter", &["route", "model", "client", "currency"]),
    ("xietong_baseline_cost_total", "counter", &["route", "client", "currency"]),
    ("xietong_wasted_cost_total", "counter", &["route", "model", "currency", "cause"]),
    ("xietong_budget_remaining", "gauge", &["client", "currency"]),
    ("xietong_ledger_up", "gauge", &[]),
    ("xietong_difficulty", "histogram", &["route"]),
    ("xietong_overhead_seconds", "histogram", &["route"]),
    ("xietong_scoring_seconds", "histogram", &[]),
    ("gen_ai_server_request_duration_seconds", "histogram", GEN_AI),
    ("gen_ai_server_time_to_first_token_seconds", "histogram", GEN_AI),
    ("gen_ai_server_time_per_output_token_seconds", "histogram", GEN_AI),
    ("xietong_policy_weight", "gauge", &["route", "target"]),
    ("xietong_policy_target", "gauge", &["route", "target", "what"]),
    ("xietong_shadow_outcomes_total", "counter", &["route", "preferred"]),
    ("xietong_foresight_drift", "gauge", &["route", "model"]),
    ("xietong_certificate_holds", "gauge", &["route"]),
    ("xietong_upstream_health", "gauge", &["model", "endpoint_id"]),
    ("xietong_malformed_events_total", "counter", &["model"]),
    ("xietong_in_flight", "gauge", &[]),
    ("xietong_config_generation", "gauge", &[]),
    ("xietong_config_reloads_total", "counter", &["result"]),
    ("xietong_log_dropped_total", "counter", &[]),
    ("xietong_spans_sent_total", "counter", &[]),
    ("xietong_spans_dropped_total", "counter", &["cause"]),
    ("xietong_build_info", "gauge", &["version", "commit"]),
];
const GEN_AI: &[&str] = &[
    "gen_ai_operation_name",
    "gen_ai_original_model",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "gen_ai_provider_name",
    "error_type",
];

/// A gateway after a little of everything, and its upstreams.
async fn after_traffic() -> (Gateway, Scripted, Scripted) {
    let reply = Reply::text("one two three").input(20, 5);
    let scripts = [reply.stream(true), reply.whole(), openai::error(503, "busy"), openai::error(503, "busy")];
    let small =
        Scripted::start(in_turn(scripts.into_iter().chain([Script::default().bill_input(20).stall()]))).await;
    let large = Scripted::start(reply).await;
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .every_model("timeouts: {first_token: 1s, total: 3s}")
        .start()
        .await;
    for body in [
        openai::ask_stream("auto", "canary-prompt"),
        openai::ask("auto", "canary-prompt"),
        openai::ask("auto", "canary-prompt"),
        openai::ask_stream("auto", "canary-prompt"),
        openai::ask("large", "canary-prompt"),
        openai::ask("canary-model", "canary-prompt"),
    ] {
        let mut body = body;
        body["user"] = "canary-user".into();
        gateway.ask_with(&[("x-canary", "canary-header"), ("x-request-id", "canary-id")], &body).await;
    }
    (gateway, small, large)
}

/// What the metrics say that take more than traffic: a budget, targets, shadows held against a certificate, and traces.
async fn busy() -> Metrics {
    let place = Place::new();
    let calibration = place.beside("calibration.json");
    certified(&place, &calibration);
    let (small, large) =
        (Scripted::start(Reply::text("#### 17")).await, Scripted::start(Reply::text("#### 18")).await);
    let collector = Collector::start().await;
    let policy = "{kind: explore, share: 1, spend: {amount: 100, per: day}, policy: {kind: utility, targets: {quality: 0.5, \
                  spend: {amount: 100, per: day}, first_token_p95: 5s}}}";
    let gateway = Setup::ladder(&small.base_url(), &large.base_url())
        .policy(policy)
        .route(&format!("calibration: \"{}\"", calibration.display()))
        .top("clients: [{name: team-a, key: team-a-key-0123456789, budget: {amount: 9, per: day}}]")
        .top(&collector.line(""))
        .start()
        .await;
    for _ in 0..30 {
        let request = openai::ask_stream("auto", "How many eggs are left?");
        gateway.ask_with(&[("authorization", "Bearer team-a-key-0123456789")], &request).await;
    }
    loop {
        let metrics = gateway.settled().await;
        let sum = |name| metrics.sum(name, &[]);
        if sum("xietong_shadow_outcomes_total") >= 30.0 && sum("xietong_spans_sent_total") > 0.0 {
            return metrics;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What the metrics say where the large model is down, and an event of the small one's stream cannot be read.
async fn troubled() -> Metrics {
    let stream = Reply::text("one two").stream(true).insert_chunk(2, "data: {not json\n\n");
    let (small, large) = (Scripted::start(stream).await, Scripted::start(openai::error(503, "busy")).await);
    let setup = Setup::ladder(&small.base_url(), &large.base_url()).policy("{kind: fixed, model: large}");
    let gateway = setup.start().await;
    gateway.ask(&openai::ask_stream("auto", "Count")).await;
    gateway.settled().await
}

/// Writes a calibration with a certificate.
fn certified(place: &Place, calibration: &Path) {
    let rows = (0..300).map(|at| {
        let prompt =
            format!("Please look after the parcel number {at} for customer {} of {}", at % 13, at % 31);
        json!({"prompt": prompt, "small": f64::from(at % 2), "large": 1.0}).to_string()
    });
    let data = place.beside("labels.jsonl");
    std::fs::write(&data, rows.collect::<Vec<_>>().join("\n")).expect("labels are written");
    let paths = ["--data".into(), data, "--out".into(), calibration.to_owned()];
    let bounds = ["--max-loss", "0.9", "--confidence", "0.9"].map(PathBuf::from);
    let words = ["xietong", "calibrate"].map(PathBuf::from).into_iter().chain(paths).chain(bounds);
    gateway::commands::run(words).expect("a certificate can be given");
}

#[tokio::test(start_paused = true)]
async fn names_kinds_and_labels_are_the_contracts() {
    let (gateway, _small, _large) = after_traffic().await;
    let mut metrics = gateway.settled().await;
    for more in [busy().await, troubled().await] {
        metrics.kind.extend(more.kind);
        metrics.series.extend(more.series);
    }
    assert_eq!(metrics.kind.len(), CONTRACT.len(), "{:?}", metrics.kind.keys());
    for (name, kind, labels) in CONTRACT {
        assert_eq!(metrics.kind.get(name).map(String::as_str), Some(kind), "{name}");
        let series = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        let found = metrics.series.iter().find(|found| found.name == series);
        let found = found.unwrap_or_else(|| panic!("no series of {name}"));
        let labels: BTreeSet<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(found.labels.keys().cloned().collect::<BTreeSet<_>>(), labels, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_explained() {
    let (gateway, _small, _large) = after_traffic().await;
    let metrics = gateway.settled().await;
    for (name, kind) in &metrics.kind {
        let help = metrics.help.get(name).unwrap_or_else(|| panic!("{name} has no HELP"));
        assert!(help.len() > 10 && help.ends_with('.'), "{name}: {help:?}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(name.starts_with("xietong_") || name.starts_with("gen_ai_"), "{name}");
    }
}

/// Label values come from the configuration and fixed words only.
#[tokio::test(start_paused = true)]
async fn nothing_of_a_request_becomes_a_label() {
    let (gateway, _small, _large) = after_traffic().await;
    assert!(!gateway.settled().await.text.contains("canary"));
}

/// Requests, attempts, tokens and costs are counted once each, and agree with the upstreams' bills.
#[tokio::test(start_paused = true)]
async fn the_figures_add_up() {
    let (gateway, small, large) = after_traffic().await;
    let metrics = gateway.settled().await;
    let count = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    assert_eq!(count("xietong_requests_total", &[("route", "auto"), ("outcome", "complete")]), 4.0);
    assert_eq!(count("xietong_requests_total", &[("outcome", "refused")]), 1.0);
    assert_eq!(count("xietong_requests_total", &[]), 6.0);
    assert_eq!(count("xietong_decisions_total", &[("route", "auto")]), 4.0);
    assert_eq!(count("xietong_escalations_total", &[("from", "small"), ("to", "large")]), 2.0);
    assert_eq!(count("xietong_attempts_total", &[("model", "small")]) as usize, small.seen().len());
    assert_eq!(count("xietong_attempts_total", &[("model", "large")]) as usize, large.seen().len());
    let bill = large.billed();
    assert_eq!(tokens(&metrics, "large"), (bill.input as f64, bill.output as f64));
    let (input, output) = tokens(&metrics, "small");
    let Billed { input: least_input, output: least_output, .. } = small.billed();
    assert!(
        input >= least_input as f64 - 15.0 && output >= least_output as f64,
        "{input} {output}: {:?}",
        small.billed()
    );
    let cost = count("xietong_cost_total", &[("model", "large"), ("currency", "CNY")]);
    let cached = bill.cached as f64;
    let expected = ((bill.input as f64 - cached) * 10.0 + cached + bill.output as f64 * 30.0) / 1e6;
    assert!((cost - expected).abs() < 1e-9, "{cost} is not {expected}");
    assert!(count("xietong_baseline_cost_total", &[("route", "auto")]) > 0.0);
    assert_eq!(count("xietong_in_flight", &[]), 0.0);
    assert_eq!(
        count("gen_ai_server_request_duration_seconds_count", &[("gen_ai_original_model", "auto")]),
        4.0
    );
}

/// Tokens of prompts and of answers.
fn tokens(metrics: &Metrics, model: &str) -> (f64, f64) {
    let sum = |kind| metrics.sum("xietong_tokens_total", &[("model", model), ("kind", kind)]);
    (sum("input") + sum("cached_input"), sum("output") + sum("reasoning"))
}

#[tokio::test(start_paused = true)]
async fn promtool_has_no_complaint() {
    let (gateway, _small, _large) = after_traffic().await;
    let metrics = gateway.settled().await;
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        let required =
            std::env::var("XIETONG_REQUIRE").is_ok_and(|tools| tools.split(' ').any(|it| it == "promtool"));
        assert!(!required, "promtool is not to be found; it is in Debian's package prometheus");
        return println!("passed over: promtool is not to be found");
    };
    let input = promtool.stdin.take().expect("piped");
    { input }.write_all(metrics.text.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
