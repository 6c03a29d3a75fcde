//! What the spans of a request say: one for the request, and below it one for each attempt at a model. In the words of
//! OpenTelemetry's conventions for HTTP and for generative AI where they have one, else with the prefix `xietong.`.

use std::time::Duration;

use gateway_config::{ModelConfig, ModelProvider};
use router_policies::Currency;

use super::FinishedTrace;
use super::otlp::{AttributeList, OtlpSpan, SpanKind, SpanStatus, SpanStatusCode, nanos};
use crate::endpoint;
use crate::record::{Attempt, RequestOutcome, RequestRecord, RequestSummary};

/// Bits of a span's flags: that it is known whether the parent is remote, and that it is.
const KNOWN_IF_REMOTE: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// All spans of a request.
pub(super) fn spans(ended: &FinishedTrace) -> impl Iterator<Item = OtlpSpan> {
    let attempts = ended.record.attempts.iter().enumerate();
    std::iter::once(request(ended))
        .chain(attempts.map(|(number, attempt)| self::attempt(ended, number, attempt)))
}

fn request(ended: &FinishedTrace) -> OtlpSpan {
    let FinishedTrace { record, context, parent, .. } = ended;
    let mut attributes = AttributeList::default();
    let name = exchange(record, &mut attributes);
    decision(record, &mut attributes);
    outcome(record, ended.currency, &mut attributes);
    let remote = if parent.is_some() { KNOWN_IF_REMOTE | REMOTE } else { KNOWN_IF_REMOTE };
    let failed = matches!(record.outcome, RequestOutcome::Failed | RequestOutcome::Cut);
    OtlpSpan {
        parent_span_id: parent.map(|span| span.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: u32::from(context.flags) | remote,
        ..span(
            ended,
            context.span,
            (name, SpanKind::Server),
            (Duration::ZERO, record.total),
            attributes,
            failed,
        )
    }
}

/// What of HTTP there is to say; the span's name.
fn exchange(record: &RequestRecord, attributes: &mut AttributeList) -> String {
    // What a client puts in place of a method or a path is its own, and not told.
    let known = endpoint::method_and_path(record.call).filter(|_| !matches!(record.status, 404 | 405));
    attributes.text("url.scheme", "http");
    if let Some((method, path)) = known {
        attributes.text("http.request.method", method);
        attributes.text("http.route", path);
    } else {
        attributes.text("http.request.method", "_OTHER");
    }
    if record.status != 0 {
        attributes.whole("http.response.status_code", record.status.into());
    }
    if let Some(error) = record.error {
        attributes.text("error.type", error);
    }
    known.map_or_else(|| "HTTP".to_owned(), |(method, path)| format!("{method} {path}"))
}

fn decision(record: &RequestRecord, attributes: &mut AttributeList) {
    attributes.text("xietong.request_id", record.id.as_str());
    if let Some(client) = &record.client {
        attributes.text("xietong.client", client.name.as_str());
    }
    match &record.asked {
        RequestSummary::Nothing => {}
        RequestSummary::Route(route) => attributes.text("xietong.route", route.name.as_str()),
        RequestSummary::Model(model) => attributes.text("xietong.asked", model.name.as_str()),
    }
    attributes.flag("xietong.stream", record.stream);
    let Some(decided) = &record.decided else { return };
    attributes.text("xietong.plan", decided.decision.plan.word());
    attributes.text("xietong.reason", decided.decision.reason.word());
    if let Some(scores) = &decided.scores {
        attributes.number("xietong.difficulty", scores.difficulty);
        attributes.number("xietong.gain", scores.gain);
        attributes.number("xietong.familiarity", scores.familiarity);
    }
}

fn outcome(record: &RequestRecord, currency: Currency, attributes: &mut AttributeList) {
    attributes.text("xietong.outcome", record.outcome.word());
    if let Some(answer) = record.answer() {
        attributes.text("xietong.model", answer.model.name.as_str());
    }
    if record.is_degraded() {
        attributes.flag("xietong.degraded", true);
    }
    attributes.whole("xietong.attempts", record.attempts.len() as u64);
    let costs = [("xietong.cost", record.cost()), ("xietong.baseline_cost", record.baseline)];
    for (key, cost) in costs.into_iter().filter(|_| !record.attempts.is_empty()) {
        cost.into_iter().for_each(|cost| attributes.number(key, cost.units()));
    }
    attributes.text("xietong.currency", currency.code());
    let times = [
        ("xietong.first_token_seconds", record.first_token),
        ("xietong.scoring_seconds", record.scoring),
        ("xietong.overhead_seconds", Some(record.overhead)),
    ];
    for (key, time) in times {
        time.into_iter().for_each(|time| attributes.number(key, time.as_secs_f64()));
    }
}

fn attempt(ended: &FinishedTrace, number: usize, attempt: &Attempt) -> OtlpSpan {
    let (record, model) = (&ended.record, &attempt.model);
    let mut attributes = AttributeList::default();
    let operation = record.call.operation();
    attributes.text("gen_ai.operation.name", operation);
    let kind = peer(model, &attempt.endpoint, &mut attributes);
    usage(attempt, &mut attributes);
    if attempt.is_error() {
        attributes.text("error.type", attempt.result);
    }
    own(attempt, number, ended.currency, &mut attributes);
    let name = (format!("{operation} {}", model.sent()), kind);
    let times = (attempt.began, attempt.ended);
    let context = ended.context;
    OtlpSpan {
        parent_span_id: context.span.to_be_bytes().to_vec(),
        flags: u32::from(context.flags) | KNOWN_IF_REMOTE,
        ..span(ended, context.attempt(number), name, times, attributes, attempt.is_error())
    }
}

/// Who is asked.
fn peer(model: &ModelConfig, endpoint: &str, attributes: &mut AttributeList) -> SpanKind {
    attributes.text("gen_ai.provider.name", model.provider.name());
    attributes.text("gen_ai.request.model", model.sent());
    let ModelProvider::Remote(remote) = &model.provider else { return SpanKind::Internal };
    let address = remote.endpoints.iter().find(|it| it.id == endpoint);
    if let Some(url) = address.and_then(|it| reqwest::Url::parse(&it.base_url).ok()) {
        attributes.text("server.address", url.host_str().unwrap_or_default());
        url.port_or_known_default().into_iter().for_each(|port| attributes.whole("server.port", port.into()));
    }
    SpanKind::Client
}

/// What came of it, in tokens.
fn usage(attempt: &Attempt, attributes: &mut AttributeList) {
    let usage = &attempt.usage;
    if let Some(finish) = attempt.finish {
        attributes.texts("gen_ai.response.finish_reasons", &[finish.word()]);
    }
    if usage.total() == 0 {
        return;
    }
    if usage.completion() > 0 {
        attributes.text("gen_ai.response.model", attempt.model.name.as_str());
    }
    attributes.whole("gen_ai.usage.input_tokens", usage.prompt());
    attributes.whole("gen_ai.usage.output_tokens", usage.completion());
    let more = [
        ("gen_ai.usage.cache_read.input_tokens", usage.cached_input),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            usage.cache_write.saturating_add(usage.cache_write_hour),
        ),
        ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
    ];
    for (key, tokens) in more.into_iter().filter(|(_, tokens)| *tokens > 0) {
        attributes.whole(key, tokens);
    }
    if usage.estimated {
        attributes.flag("xietong.usage.estimated", true);
    }
}

fn own(attempt: &Attempt, number: usize, currency: Currency, attributes: &mut AttributeList) {
    attributes.text("xietong.model", attempt.model.name.as_str());
    attributes.text("xietong.endpoint", &*attempt.endpoint);
    attributes.whole("xietong.attempt", number as u64 + 1);
    attributes.text("xietong.result", attempt.result);
    if let Some(detail) = attempt.detail.as_deref().filter(|detail| !detail.is_empty()) {
        attributes.text("xietong.detail", detail);
    }
    if let Some(cause) = &attempt.cause {
        attributes.text("xietong.phase", cause.phase.word());
        attributes.text("xietong.cause", &*cause.words);
    }
    if let Some(cost) = attempt.cost {
        attributes.number("xietong.cost", cost.units());
        attributes.text("xietong.currency", currency.code());
    }
    if let Some(waste) = attempt.wasted {
        attributes.text("xietong.wasted", waste.word());
    }
    if attempt.beside {
        attributes.flag("xietong.beside", true);
    }
}

/// A span without its parent; times are counted from the request's arrival.
fn span(
    ended: &FinishedTrace,
    id: u64,
    (name, kind): (String, SpanKind),
    (from, to): (Duration, Duration),
    attributes: AttributeList,
    failed: bool,
) -> OtlpSpan {
    let arrived = ended.at.checked_sub(ended.record.total).unwrap_or(ended.at);
    OtlpSpan {
        trace_id: ended.context.trace.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: Vec::new(),
        name,
        kind: kind.into(),
        start_time_unix_nano: nanos(arrived + from),
        end_time_unix_nano: nanos(arrived + to),
        attributes: attributes.0,
        status: failed.then(|| SpanStatus { code: SpanStatusCode::Error.into() }),
        flags: 0,
    }
}
