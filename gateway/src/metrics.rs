//! Every metric. A field's doc comment is its HELP; label values come from the configuration and fixed words only.

mod exemplars;
pub mod labels;
mod openmetrics;
pub mod words;

use prometheus::core::Collector;
use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use router_policies::Currency;

use crate::build_info::{COMMIT, VERSION};
use crate::record::{Attempt, NONE, RequestRecord, RequestSummary};
use crate::trace_context::TraceContext;
use exemplars::Exemplars;
use words::{ReloadResult, TokenKind};

/// Seconds: from a fraction of a millisecond (a cache hit on the same machine) to the longest answers.
const REQUEST_SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68];
/// Seconds: the buckets of the OpenTelemetry conventions for generative AI, and Envoy's longer ones.
const FIRST_TOKEN_SECONDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0,
    30.0, 45.0, 60.0,
];
/// Seconds: the buckets of the OpenTelemetry conventions for generative AI.
const TOKEN_SECONDS: &[f64] = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
/// Seconds: what happens inside the process.
const INNER_SECONDS: &[f64] =
    &[0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0];
/// Shares of one.
const TENTHS: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

const GEN_AI: &[&str] = &[
    "gen_ai_operation_name",
    "gen_ai_original_model",
    "gen_ai_request_model",
    "gen_ai_response_model",
    "gen_ai_provider_name",
    "error_type",
];

/// What a metric is.
#[derive(Debug, Clone, Copy)]
pub struct MetricDefinition {
    /// As Prometheus knows it.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What it counts or measures.
    pub unit: &'static str,
    /// What Prometheus is told of it.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The upper bounds of a histogram's buckets; none for other kinds.
    pub buckets: &'static [f64],
}

macro_rules! metrics {
    (@buckets) => { &[] };
    (@buckets $buckets:expr) => { $buckets };
    ($( #[doc = $help:literal] $field:ident: $kind:ident = $name:literal in $unit:literal, $labels:expr $(, $buckets:expr)?; )*) => {
        /// Every metric, in the order of their definition.
        pub const DEFINITIONS: [MetricDefinition; <[&str]>::len(&[$($name),*])] = [$(
            MetricDefinition {
                name: $name,
                kind: <$kind as NamedMetric>::KIND,
                unit: $unit,
                help: $help.trim_ascii(),
                labels: $labels,
                buckets: metrics!(@buckets $($buckets)?),
            }
        ),*];

        /// The registry and what is in it.
        pub struct Metrics {
            registry: Registry,
            exemplars: Exemplars,
            $( #[doc = $help] pub $field: $kind, )*
        }

        impl Metrics {
            fn register(registry: Registry) -> Result<Self, prometheus::Error> {
                $( let $field = <$kind as NamedMetric>::named($name, $help.trim(), $labels, metrics!(@buckets $($buckets)?))?;
                   registry.register(Box::new($field.clone()))?; )*
                Ok(Self { registry, exemplars: Exemplars::default(), $($field),* })
            }
        }
    };
}

metrics! {
    /// Requests, by how they ended for the client.
    requests: IntCounterVec = "xietong_requests_total" in "requests", &["route", "model", "client", "endpoint", "outcome"];
    /// Decisions of routes, by the model asked first, the plan and the reason.
    decisions: IntCounterVec = "xietong_decisions_total" in "decisions", &["route", "model", "plan", "reason"];
    /// Requests that went on from one rung of a ladder to another, by the reason.
    escalations: IntCounterVec = "xietong_escalations_total" in "moves", &["route", "from", "to", "reason"];
    /// Requests that a smaller model answered than was to, because that one could not.
    degraded: IntCounterVec = "xietong_degraded_total" in "requests", &["route", "model"];
    /// Attempts at upstreams, by how they ended.
    attempts: IntCounterVec = "xietong_attempts_total" in "attempts", &["model", "endpoint_id", "result"];
    /// Tokens of all attempts; the kinds are disjoint and add up.
    tokens: IntCounterVec = "xietong_tokens_total" in "tokens", &["model", "client", "kind"];
    /// What all attempts cost, in the account currency; attempts at models without a price are not in it.
    cost: CounterVec = "xietong_cost_total" in "account currency", &["route", "model", "client", "currency"];
    /// What the same answers would have cost from the top of the ladder, in the account currency.
    baseline_cost: CounterVec = "xietong_baseline_cost_total" in "account currency", &["route", "client", "currency"];
    /// Cost of attempts that brought the client nothing, in the account currency.
    wasted_cost: CounterVec = "xietong_wasted_cost_total" in "account currency", &["route", "model", "currency", "cause"];
    /// What a client may still spend in the hour, day or month of its budget, in the account currency.
    budget_remaining: GaugeVec = "xietong_budget_remaining" in "account currency", &["client", "currency"];
    /// Whether what requests cost can be written down (1) or not (0); then only local models are asked.
    ledger_up: IntGauge = "xietong_ledger_up" in "0 or 1", &[];
    /// Difficulty of routed requests: one minus the chance that the smallest rung suffices.
    difficulty: HistogramVec = "xietong_difficulty" in "0 to 1", &["route"], TENTHS;
    /// Time in Xietong until an answer's head, waiting for upstreams excluded.
    overhead: HistogramVec = "xietong_overhead_seconds" in "seconds", &["route"], INNER_SECONDS;
    /// Time to score a prompt.
    scoring: HistogramVec = "xietong_scoring_seconds" in "seconds", &[], INNER_SECONDS;
    /// Time from a request's arrival to the end of its answer.
    request_duration: HistogramVec = "gen_ai_server_request_duration_seconds" in "seconds", GEN_AI, REQUEST_SECONDS;
    /// Time from a request's arrival to the first token handed on.
    first_token: HistogramVec = "gen_ai_server_time_to_first_token_seconds" in "seconds", GEN_AI, FIRST_TOKEN_SECONDS;
    /// Time per token of the answer after the first.
    per_token: HistogramVec = "gen_ai_server_time_per_output_token_seconds" in "seconds", GEN_AI, TOKEN_SECONDS;
    /// What a route weighs: the chance of a sufficient answer (quality), a unit of currency (cost), a second (latency).
    policy_weight: GaugeVec = "xietong_policy_weight" in "see `target`", &["route", "target"];
    /// Targets of a route, as set and as realised: a share of quality, an amount of the period under way, or seconds.
    policy_target: GaugeVec = "xietong_policy_target" in "see `target`", &["route", "target", "what"];
    /// Requests that another model answered too, by whose answer was preferred.
    shadow_outcomes: IntCounterVec = "xietong_shadow_outcomes_total" in "pairs", &["route", "preferred"];
    /// How far a model's foreseen chances lie above what came of them lately, by shadows: -1 to 1.
    foresight_drift: GaugeVec = "xietong_foresight_drift" in "-1 to 1", &["route", "model"];
    /// Whether shadows of late bear out the certificate of a route's calibration (1) or break it (0).
    certificate_holds: IntGaugeVec = "xietong_certificate_holds" in "0 or 1", &["route"];
    /// Whether an endpoint is open for traffic (1) or ejected (0).
    upstream_health: IntGaugeVec = "xietong_upstream_health" in "0 or 1", &["model", "endpoint_id"];
    /// Events of upstream streams that could not be read. Before the end of its answer such an event is a failure of the attempt.
    malformed_events: IntCounterVec = "xietong_malformed_events_total" in "events", &["model"];
    /// Requests under way.
    in_flight: IntGauge = "xietong_in_flight" in "requests", &[];
    /// Number of the configuration in use; it grows with each reload that changed something.
    config_generation: IntGauge = "xietong_config_generation" in "configurations", &[];
    /// Attempts to load a changed configuration.
    config_reloads: IntCounterVec = "xietong_config_reloads_total" in "reloads", &["result"];
    /// Log lines that were dropped because the log's reader was too slow.
    log_dropped: IntCounterVec = "xietong_log_dropped_total" in "lines", &[];
    /// Spans that a collector has taken.
    spans_sent: IntCounterVec = "xietong_spans_sent_total" in "spans", &[];
    /// Spans that no collector got: too many waited, delivery failed, or the collector would not have them.
    spans_dropped: IntCounterVec = "xietong_spans_dropped_total" in "spans", &["cause"];
    /// The running build; always 1.
    build_info: IntGaugeVec = "xietong_build_info" in "1", &["version", "commit"];
}

impl Metrics {
    /// A fresh registry with everything in it.
    ///
    /// # Errors
    /// Only if two metrics had the same name or an invalid one, which tests exclude.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self::register(Registry::new())?;
        metrics.build_info.with_label_values(&[VERSION, COMMIT]).set(1);
        for result in ReloadResult::ALL {
            metrics.config_reloads.with_label_values(&[result.word()]);
        }
        metrics.log_dropped.with_label_values::<&str>(&[]);
        metrics.scoring.with_label_values::<&str>(&[]);
        Ok(metrics)
    }

    /// The registry in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail; an encoding fault would leave the text short, which scrapers notice.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text);
        text
    }

    /// The registry in the format of OpenMetrics, with exemplars.
    pub fn openmetrics(&self) -> String {
        openmetrics::text(&self.registry.gather(), &self.exemplars)
    }

    /// Counts a request that is over; `traced`: where its trace can be found.
    pub fn observe(&self, record: &RequestRecord, currency: Currency, traced: Option<TraceContext>) {
        let route = record.route_name();
        let client = record.client_name();
        let model = record.model().map_or(NONE, |model| &model.name);
        let labels = [route, model, client, record.call.word(), record.outcome.word()];
        self.requests.with_label_values(&labels).inc();
        self.time(&self.overhead, INNER_SECONDS, &[route], record.overhead.as_secs_f64(), traced);
        if let Some(scoring) = record.scoring {
            self.scoring.with_label_values::<&str>(&[]).observe(scoring.as_secs_f64());
        }
        self.observe_decision(record);
        for attempt in &record.attempts {
            self.observe_attempt(record, attempt, currency);
        }
        if let Some(baseline) = record.baseline {
            let labels = [route, client, currency.code()];
            self.baseline_cost.with_label_values(&labels).inc_by(baseline.units());
        }
        self.observe_times(record, traced);
    }

    fn observe_decision(&self, record: &RequestRecord) {
        let (RequestSummary::Route(route), Some(decided)) = (&record.asked, &record.decided) else { return };
        let first = decided.decision.plan.first().0;
        let model = route.ladder.get(first).map_or(NONE, |model| &model.name);
        let labels =
            [route.name.as_str(), model, decided.decision.plan.word(), decided.decision.reason.word()];
        self.decisions.with_label_values(&labels).inc();
        if let Some(scores) = &decided.scores {
            self.difficulty.with_label_values(&[&route.name]).observe(scores.difficulty);
        }
        if record.is_degraded() {
            let answered = record.model().map_or(NONE, |model| &model.name);
            self.degraded.with_label_values(&[route.name.as_str(), answered]).inc();
        }
        for (from, to) in record.moves() {
            let labels = [route.name.as_str(), &from.model.name, &to.model.name, from.result];
            self.escalations.with_label_values(&labels).inc();
        }
    }

    fn observe_attempt(&self, record: &RequestRecord, attempt: &Attempt, currency: Currency) {
        let (model, route, client) = (attempt.model.name.as_str(), record.route_name(), record.client_name());
        self.attempts.with_label_values(&[model, &attempt.endpoint, attempt.result]).inc();
        let usage = &attempt.usage;
        let kinds = [
            // What was written to a cache is input as well; only its price differs.
            (TokenKind::Input, usage.prompt().saturating_sub(usage.cached_input)),
            (TokenKind::CachedInput, usage.cached_input),
            (TokenKind::Output, usage.output),
            (TokenKind::Reasoning, usage.reasoning),
        ];
        for (kind, tokens) in kinds {
            self.tokens.with_label_values(&[model, client, kind.word()]).inc_by(tokens);
        }
        let Some(cost) = attempt.cost else { return };
        self.cost.with_label_values(&[route, model, client, currency.code()]).inc_by(cost.units().max(0.0));
        if let Some(waste) = attempt.wasted {
            let labels = [route, model, currency.code(), waste.word()];
            self.wasted_cost.with_label_values(&labels).inc_by(cost.units().max(0.0));
        }
    }

    fn observe_times(&self, record: &RequestRecord, traced: Option<TraceContext>) {
        let Some(model) = record.model() else { return };
        let answered = record.answer().map_or(NONE, |attempt| &attempt.model.name);
        let error = record.error.unwrap_or("");
        let labels = [
            record.call.operation(),
            record.asked_name(),
            model.sent(),
            answered,
            model.provider.name(),
            error,
        ];
        self.time(&self.request_duration, REQUEST_SECONDS, &labels, record.total.as_secs_f64(), traced);
        let Some(first_token) = record.first_token.filter(|_| record.stream) else { return };
        let seconds = first_token.as_secs_f64();
        self.time(&self.first_token, FIRST_TOKEN_SECONDS, &labels, seconds, traced);
        let tokens = record.answer().map_or(0, |attempt| attempt.usage.completion());
        if let (Some(writing), 2..) = (record.writing, tokens) {
            let seconds = writing.as_secs_f64() / (tokens - 1) as f64;
            self.time(&self.per_token, TOKEN_SECONDS, &labels, seconds, traced);
        }
    }

    /// Observes seconds, with an exemplar where the request is traced.
    fn time(
        &self,
        histogram: &HistogramVec,
        buckets: &[f64],
        labels: &[&str],
        seconds: f64,
        traced: Option<TraceContext>,
    ) {
        histogram.with_label_values(labels).observe(seconds);
        if let Some(context) = traced {
            self.exemplars.keep(histogram, labels, buckets, seconds, context);
        }
    }
}

/// A metric that can be made from its name.
trait NamedMetric: Collector + Sized {
    /// Its kind, in Prometheus' word.
    const KIND: &'static str;

    fn named(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Result<Self, prometheus::Error>;
}

macro_rules! named {
    ($($kind:ident is $word:literal),*) => { $(
        impl NamedMetric for $kind {
            const KIND: &'static str = $word;

            fn named(name: &str, help: &str, labels: &[&str], _: &[f64]) -> Result<Self, prometheus::Error> {
                Self::new(Opts::new(name, help), labels)
            }
        }
    )* };
}

named!(IntCounterVec is "counter", CounterVec is "counter", IntGaugeVec is "gauge", GaugeVec is "gauge");

impl NamedMetric for IntGauge {
    const KIND: &'static str = "gauge";

    fn named(name: &str, help: &str, _: &[&str], _: &[f64]) -> Result<Self, prometheus::Error> {
        Self::new(name, help)
    }
}

impl NamedMetric for HistogramVec {
    const KIND: &'static str = "histogram";

    fn named(name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> Result<Self, prometheus::Error> {
        Self::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)
    }
}
