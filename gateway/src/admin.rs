//! The admin port: metrics, probes, the configuration in use, decisions without sending. Never reachable through the
//! data port.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use router_policies::score_reasons::ScoreReason;
use router_policies::{Probability, ScoreReasons};
use serde_json::{Value, json};

use crate::admit;
use crate::assess::assess;
use crate::assessment::{AssessInput, Assessment};
use crate::body::GatewayBody;
use crate::error::ApiError;
use crate::error_response::{error_bytes, error_response};
use crate::gateway::Gateway;
use crate::reload::{ReloadError, Reloader};
use crate::routing_overrides::RoutingOverrides;
use crate::server::RefusedHead;
use protocol::ChatRequest;
use protocol::client::ClientVendor;
use upstreams::request_id::RequestId;

/// What the admin port needs.
#[derive(Clone)]
pub struct AdminPort {
    /// The running gateway.
    pub gateway: Arc<Gateway>,
    /// Loads the configuration again.
    pub reloader: Arc<Reloader>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers one request of the admin port.
pub async fn answer(
    admin: AdminPort,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Response<GatewayBody>, Infallible> {
    let gateway = &admin.gateway;
    let path = request.uri().path().to_owned();
    let response = match (request.method(), path.as_str()) {
        (&Method::GET, "/metrics") => match wants_openmetrics(request.headers()) {
            true => reply(200, OPENMETRICS, gateway.openmetrics_text()),
            false => reply(200, PROMETHEUS, gateway.metrics_text()),
        },
        (&Method::GET, "/livez" | "/health" | "/healthz") => reply(200, TEXT, "ok\n"),
        (&Method::GET, "/startupz") => reply(200, TEXT, "started\n"),
        (&Method::GET, "/readyz") => ready(gateway, &admin.reloader.under_way()),
        (&Method::GET, "/config") => {
            let shown = gateway_config::redacted(&gateway.snapshot().config);
            reply(200, JSON, pretty(&shown))
        }
        (&Method::POST, "/reload") => reload(&admin).await,
        (&Method::POST, "/decide") => decide(gateway, request, &id).await,
        (_, "/metrics" | "/livez" | "/health" | "/healthz" | "/startupz" | "/readyz" | "/config") => {
            error_response(&ApiError::WrongMethod("GET"), ClientVendor::OpenAi, &id)
        }
        (_, "/reload" | "/decide") => {
            error_response(&ApiError::WrongMethod("POST"), ClientVendor::OpenAi, &id)
        }
        _ => reply(
            404,
            TEXT,
            "Here are /metrics /livez /readyz /startupz /config, and POST /reload /decide.\n",
        ),
    };
    Ok(response)
}

/// The answer to a head that cannot be read.
pub fn refuse_head(head: &RefusedHead) -> Vec<u8> {
    error_bytes(&ApiError::MalformedHead(head.status, head.why), ClientVendor::OpenAi, &RequestId::new())
}

/// Whether a scraper would rather have OpenMetrics than Prometheus' text: it names it, and weighs it no less.
fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut openmetrics, mut text): (f64, f64) = (0.0, 0.0);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        match kind.as_str() {
            "application/openmetrics-text" => openmetrics = openmetrics.max(weight),
            "text/plain" => text = text.max(weight),
            _ => {}
        }
    }
    openmetrics > 0.0 && openmetrics >= text
}

/// Ready while not stopping, with someone to write the ledger, and at least one model that would take a request. One failing
/// upstream does not change it. Models whose weights are not loaded are named, and so is what is `under_way`.
fn ready(gateway: &Gateway, under_way: &[String]) -> Response<GatewayBody> {
    let snapshot = gateway.snapshot();
    if gateway.is_stopping() {
        reply(503, TEXT, "stopping\n")
    } else if !gateway.telemetry.ledger.is_alive() {
        reply(503, TEXT, "the ledger's writer has ended by a fault of this build; a restart is needed\n")
    } else if snapshot.pools().any(|pool| pool.is_open()) {
        let absences = snapshot.config.models.iter().filter_map(|model| snapshot.pool(model)?.absence());
        let lines = absences.chain(under_way.iter().map(String::as_str));
        reply(
            200,
            TEXT,
            std::iter::once("ready").chain(lines).map(|line| format!("{line}\n")).collect::<String>(),
        )
    } else {
        reply(503, TEXT, "every endpoint of every model is ejected\n")
    }
}

async fn reload(admin: &AdminPort) -> Response<GatewayBody> {
    let reloader = Arc::clone(&admin.reloader);
    // Weights may have to be loaded, which takes its time.
    let loaded = tokio::task::spawn_blocking(move || reloader.reload()).await;
    match loaded.unwrap_or(Err(ReloadError::Panicked)) {
        Ok(changed) => {
            let generation = admin.gateway.telemetry.metrics.config_generation.get();
            reply(200, JSON, pretty(&json!({ "changed": changed, "generation": generation })))
        }
        Err(error) => reply(422, JSON, pretty(&json!({ "changed": false, "problems": error.sentences() }))),
    }
}

async fn decide(gateway: &Gateway, request: Request<Incoming>, id: &RequestId) -> Response<GatewayBody> {
    match decision(gateway, request, id).await {
        Ok(decision) => reply(200, JSON, pretty(&decision)),
        Err(failure) => error_response(&failure, ClientVendor::OpenAi, id),
    }
}

async fn decision(gateway: &Gateway, request: Request<Incoming>, id: &RequestId) -> Result<Value, ApiError> {
    let snapshot = gateway.snapshot();
    let (head, incoming) = request.into_parts();
    let body = admit::body(&head.headers, incoming, &snapshot.config.limits).await?;
    let chat = ChatRequest::parse(body)?;
    let no_such = || ApiError::NoSuchModel(chat.model().to_owned());
    let target = snapshot.target(chat.model(), None).ok_or_else(no_such)?;
    let assessment = assess(
        &target,
        &AssessInput { chat: &chat, hints: &RoutingOverrides::default(), id, now: jiff::Timestamp::now() },
    )?;
    Ok(explained(&assessment, &chat))
}

/// What moved a difficulty most, as `/decide` and `xietong score` say it.
pub fn reasons(reasons: &ScoreReasons) -> Value {
    let reason = |reason: ScoreReason| {
        let contribution = (reason.contribution * 1000.0).round() / 1000.0;
        json!({"feature": reason.feature.word(), "contribution": contribution})
    };
    reasons.iter().map(reason).collect()
}

fn explained(assessment: &Assessment, chat: &ChatRequest) -> Value {
    let decision = assessment.decided.decision;
    let first = decision.plan.first().0;
    let name = |at: usize| assessment.ladder.get(at).map(|rung| rung.model.name.clone());
    let scores = assessment.decided.scores;
    json!({
        "route": assessment.handover.as_ref().map(|handover| &handover.name),
        "model": name(first),
        "plan": decision.plan.word(),
        "reason": decision.reason.word(),
        "difficulty": scores.map(|scores| scores.difficulty),
        "gain": scores.map(|scores| scores.gain),
        "gain_for_time": scores.map(|scores| scores.gain_for_time),
        "familiarity": scores.map(|scores| scores.familiarity),
        "why": scores.map(|scores| reasons(&scores.reasons)),
        "micros": assessment.scoring.map(|time| time.as_micros() as u64),
        "prompt_tokens_estimate": chat.prompt_tokens(),
        "weights": assessment.weights.map(|weights| json!({
            "quality": weights.quality, "cost": weights.cost, "latency": weights.latency,
        })),
        "ladder": assessment.ladder.iter().map(|rung| json!({
            "model": rung.model.name,
            "able": rung.eligible,
            "suffices": rung.suffices.map(Probability::value),
            "card": rung.model.card.map(|card| card.file),
            "cost": rung.estimate.cost,
            "wait_seconds": (rung.estimate.wait > 0.0).then_some(rung.estimate.wait),
        })).collect::<Vec<_>>(),
        "features": assessment.features.as_ref().map(|features| features.named().collect::<BTreeMap<_, _>>()),
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn reply(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Log;
    use crate::metrics::Metrics;
    use crate::shutdown_deadline::ShutdownDeadline;
    use crate::telemetry::Telemetry;
    use ledger::testing::mortal;

    #[test]
    fn scrapers_choose_their_format() {
        let check = |accept: &[&str], expected: bool| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, value.parse().unwrap());
            }
            assert_eq!(wants_openmetrics(&headers), expected, "{accept:?}");
        };
        // What Prometheus 2.42 and 3 say.
        check(
            &[
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
               text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ],
            true,
        );
        check(
            &["application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
               text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.2"],
            true,
        );
        check(&["Application/OpenMetrics-Text; version=1.0.0; q=0.4", "text/plain;q=0.3"], true);
        check(&["text/plain, application/openmetrics-text;q=0.9"], false);
        check(&["application/openmetrics-text;q=0"], false);
        check(&["*/*"], false);
        check(&["text/html,application/xhtml+xml,*/*;q=0.8"], false);
        check(&[], false);
    }

    #[tokio::test]
    async fn without_someone_to_write_the_ledger_it_is_not_ready() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let yaml = "models: [{name: m, provider: openai, base_url: 'http://127.0.0.1:1/v1', model: m}]";
        let config = gateway_config::from_str(yaml, None, &|_| None).unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let log = Log::to(std::io::sink(), metrics.log_dropped.with_label_values::<&str>(&[]));
        let ledger = mortal(false);
        let telemetry = Telemetry {
            metrics,
            log,
            machine_time: Arc::default(),
            ledger: Arc::clone(&ledger),
            shutdown_deadline: ShutdownDeadline::default(),
        };
        let gateway = Gateway::new(config, telemetry).unwrap();
        assert_eq!(ready(&gateway, &[]).status(), 200);
        assert!(gateway.metrics_text().contains("\nxietong_ledger_up 1\n"));
        ledger.flush();
        while ledger.is_alive() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(ready(&gateway, &[]).status(), 503);
        assert!(gateway.metrics_text().contains("\nxietong_ledger_up 0\n"));
    }
}
