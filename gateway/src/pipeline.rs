//! One request to models from top to bottom, at whichever endpoint. Each stage takes what the one before returned:
//!
//! ```text
//! admit → parse → assess → dispatch → relay → account
//! ```

mod left_out;

use std::sync::Arc;

use bytes::Bytes;
use gateway_config::ResumeMode;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use jiff::Timestamp;
use router_policies::Money;
use tokio::time::timeout;

use self::left_out::LeftOut;
use crate::account::RequestAccount;
use crate::admit::{self, Caller};
use crate::assess::assess;
use crate::assessment::{AssessInput, Assessment, CandidateModel};
use crate::body::GatewayBody;
use crate::dispatch::{CommittedAnswer, DispatchJob, DispatchOutcome, RungTarget, dispatch};
use crate::error::ApiError;
use crate::error_response::error_response;
use crate::gateway::Gateway;
use crate::rate_limit_headers;
use crate::record::{Hundredths, RecordedDecision, RequestRecord, RequestSummary};
use crate::relay::{AnswerRelay, RelayOptions};
use crate::route_state::RouteFeedback;
use crate::routing_overrides::RoutingOverrides;
use crate::snapshot::{RequestTarget, Snapshot};
use protocol::ChatRequest;
use protocol::client::{self, ApiEndpoint, ClientVendor, ResponseEncoder};
use upstreams::header_names::{self, insert, insert_short};
use upstreams::request_id::RequestId;

/// Answers a request for an answer of a model, at the endpoint that it was asked at.
pub async fn answer<B>(
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    request: Request<B>,
    mut account: Box<RequestAccount>,
    endpoint: ApiEndpoint,
) -> Response<GatewayBody>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let prepared = prepare(&snapshot, request, &mut account, endpoint).await;
    let vendor = endpoint.vendor();
    let (mut response, left_out) = match prepared {
        Ok(PreparedRequest { job, encoder, dropped }) if job.chat.stream() => {
            let left_out = LeftOut::of(&job, dropped);
            (stream(&gateway, &snapshot, job, encoder, account).await, left_out)
        }
        Ok(PreparedRequest { job, encoder, dropped }) => {
            let (shutdown_deadline, id) = (&gateway.telemetry.shutdown_deadline, account.id().clone());
            let left_out = LeftOut::of(&job, dropped);
            let response = tokio::select! {
                biased;
                response = whole(job, encoder, account) => response,
                () = shutdown_deadline.expired() => error_response(&ApiError::Stopping, vendor, &id),
            };
            (response, left_out)
        }
        Err(failure) => (refuse(account, &failure), LeftOut::default()),
    };
    left_out.tell(response.headers_mut());
    response
}

/// A request that models can be asked.
struct PreparedRequest {
    job: DispatchJob,
    encoder: ResponseEncoder,
    dropped: Vec<&'static str>,
}

/// Everything before a model is asked.
async fn prepare<B>(
    snapshot: &Snapshot,
    request: Request<B>,
    account: &mut RequestAccount,
    endpoint: ApiEndpoint,
) -> Result<PreparedRequest, ApiError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let (head, incoming) = request.into_parts();
    let caller = Caller::of(snapshot, &head.headers)?;
    account.identified(caller.client.as_ref());
    if head.headers.get(header_names::ACCOUNT).is_some_and(|value| value.as_bytes() == b"true") {
        account.tell();
    }
    let body = admit::body(&head.headers, incoming, &snapshot.config.limits).await?;
    let client::ClientRequest { chat, encoder, dropped } = endpoint.read(body, account.id().as_str())?;
    account.read(&chat);
    let target = target(snapshot, &caller, &chat)?;
    account.asked(asked(&target));
    account.record_content(&chat);
    let mut assessment = afford(snapshot, &target, &chat, &caller, account).await?;
    let target = match assessment.handover.take() {
        Some(handover) => {
            account.asked(RequestSummary::Route(Arc::clone(&handover)));
            handed_over(target, &handover.name)
        }
        None => target,
    };
    // The route that took over may record what the one that was asked does not.
    account.record_content(&chat);
    // Vectors say nothing of how long a model's answers are, or what they are worth.
    let learner = match &target {
        RequestTarget::Route(routed) if !chat.is_for_embeddings() => Some(routed.note(&assessment)),
        _ => None,
    };
    account.decided(assessment.decided, assessment.scoring, assessment.features.take());
    let (resume, escalations) = match &target {
        RequestTarget::Route(routed) => {
            (routed.route.resume == ResumeMode::Auto, routed.escalations(caller.name()))
        }
        RequestTarget::Model(_) => (false, None),
    };
    let job = job(snapshot, assessment, chat, &caller, &head.headers, account).ok_or(ApiError::Internal)?;
    if let Some(learner) = learner {
        learn(learner, &job, account);
    }
    Ok(PreparedRequest { job: DispatchJob { resume, escalations, ..job }, encoder, dropped })
}

fn asked(target: &RequestTarget) -> RequestSummary {
    match target {
        RequestTarget::Route(routed) => RequestSummary::Route(Arc::clone(&routed.route)),
        RequestTarget::Model(model) => RequestSummary::Model(Arc::clone(model)),
    }
}

/// The route that a rule of this one hands the request over to.
fn handed_over(target: RequestTarget, name: &str) -> RequestTarget {
    let over = match &target {
        RequestTarget::Route(routed) => routed.handover(name),
        RequestTarget::Model(_) => None,
    };
    over.map_or(target, RequestTarget::Route)
}

/// Tells the route when the request is over. Where another model is to answer too, what is asked and answered is kept.
fn learn(mut learner: RouteFeedback, job: &DispatchJob, account: &mut RequestAccount) {
    if learner.explores(&job.chat) {
        learner.keep(&job.chat);
        account.keep_content(&job.chat);
    }
    account.on_close(Box::new(learner));
}

fn target(snapshot: &Snapshot, caller: &Caller, chat: &ChatRequest) -> Result<RequestTarget, ApiError> {
    let name = caller.hints.route.as_deref().unwrap_or(chat.model());
    snapshot.target(name, caller.client.as_deref()).ok_or_else(|| ApiError::NoSuchModel(name.to_owned()))
}

/// Assesses the request for what its client may ask and spend, and sets that aside. Where nothing may be spent, because
/// it could not be written down, local models go on.
async fn afford(
    snapshot: &Snapshot,
    target: &RequestTarget,
    chat: &ChatRequest,
    caller: &Caller,
    account: &mut RequestAccount,
) -> Result<Assessment, ApiError> {
    let id = account.id().clone();
    let now = Timestamp::now();
    let ask = AssessInput { chat, hints: &caller.hints, id: &id, now };
    let local = |hints: &RoutingOverrides| {
        let assessment = assess(
            target,
            &AssessInput { hints: &RoutingOverrides { local_only: true, ..hints.clone() }, ..ask },
        );
        assessment.map_err(|why| if hints.local_only { why } else { ApiError::LedgerUnavailable })
    };
    let assessment = match account.may_spend() {
        true => assess(target, &ask)?,
        false => local(&caller.hints)?,
    };
    let Some(quota) = caller.client.as_ref().and_then(|client| snapshot.quota(client)) else {
        return Ok(assessment);
    };
    let models = assessment.may_be_asked();
    account.bound_prompt(caller.client.as_deref(), chat, &models);
    account.admit(quota, &models)?;
    if !account.may_spend() {
        return Ok(assessment);
    }
    match account.reserve(quota, &models, now).await {
        Ok(()) => Ok(assessment),
        Err(ApiError::LedgerUnavailable) => local(&caller.hints),
        Err(failure) => Err(failure),
    }
}

fn job(
    snapshot: &Snapshot,
    assessment: Assessment,
    chat: ChatRequest,
    caller: &Caller,
    headers: &HeaderMap,
    account: &RequestAccount,
) -> Option<DispatchJob> {
    let rungside = |rung: CandidateModel| {
        let pool = Arc::clone(snapshot.pool(&rung.model)?);
        let CandidateModel { eligible, suffices, estimate, prior, .. } = rung;
        Some(RungTarget { pool, eligible, suffices: suffices.unwrap_or_default(), estimate, prior })
    };
    Some(DispatchJob {
        chat: Arc::new(chat),
        ladder: assessment.ladder.into_iter().map(rungside).collect::<Option<_>>()?,
        plan: assessment.decided.decision.plan,
        fallback: assessment.fallback,
        weights: assessment.weights,
        on_behalf: caller.name().into(),
        id: account.id().clone(),
        resume: false,
        escalations: None,
        trace: trace_context(headers),
    })
}

/// The W3C trace context, and what a client of Anthropic's API asks of it beside the body, as they came.
fn trace_context(headers: &HeaderMap) -> HeaderMap {
    let mut trace = HeaderMap::new();
    for name in [header_names::TRACEPARENT, header_names::TRACESTATE, header_names::ANTHROPIC_BETA] {
        if let Some(value) = headers.get(&name) {
            trace.insert(name, value.clone());
        }
    }
    trace
}

async fn whole(
    job: DispatchJob,
    mut encoder: ResponseEncoder,
    account: Box<RequestAccount>,
) -> Response<GatewayBody> {
    let (result, mut account) = dispatch(job, account).await;
    match result {
        Ok(DispatchOutcome { headers, answer: CommittedAnswer::Whole(body), .. }) => {
            account.answered(&body);
            let Some(body) = encoder.whole(body) else {
                return refuse(account, &ApiError::UpstreamBadResponse);
            };
            let mut response = Response::new(GatewayBody::full(body));
            let response_headers = ResponseHeaders::of(account.record());
            response_headers.write(response.headers_mut(), headers, "application/json");
            rate_limit_headers::write(account.rate_limits(), response.headers_mut());
            response_headers.decision(
                response.headers_mut(),
                Some((account.record().model().map(|it| &*it.name), account.record().attempts.len())),
            );
            response_headers.cost(response.headers_mut(), account.cost());
            if account.record().is_degraded() {
                response_headers.mark_degraded(response.headers_mut());
            }
            account.head_sent(200);
            account.close_complete();
            response
        }
        Ok(_) => refuse(account, &ApiError::Internal),
        Err(failure) => refuse(account, &failure),
    }
}

async fn stream(
    gateway: &Gateway,
    snapshot: &Snapshot,
    job: DispatchJob,
    encoder: ResponseEncoder,
    account: Box<RequestAccount>,
) -> Response<GatewayBody> {
    let heartbeat = snapshot.config.limits.heartbeat;
    let include_usage = job.chat.include_usage() || encoder.always_tells_usage();
    let options = RelayOptions {
        include_usage,
        encoder,
        heartbeat,
        shutdown_deadline: gateway.telemetry.shutdown_deadline.listener(),
    };
    let (response_headers, rate_limits) = (ResponseHeaders::of(account.record()), *account.rate_limits());
    let mut dispatched = Box::pin(dispatch(job, account));
    // Most answers begin before the first heartbeat; until then an error still has a status of its own.
    let Ok((result, mut account)) = timeout(heartbeat, &mut dispatched).await else {
        let relay = AnswerRelay::waiting(dispatched, options);
        let mut response = Response::new(GatewayBody::Stream(Box::pin(relay)));
        response_headers.write(response.headers_mut(), HeaderMap::new(), "text/event-stream");
        rate_limit_headers::write(&rate_limits, response.headers_mut());
        // Who will answer, and after how many attempts, is not known yet.
        response_headers.decision(response.headers_mut(), None);
        return response;
    };
    match result {
        Ok(DispatchOutcome { headers, model, answer: CommittedAnswer::Started(started) }) => {
            let attempts = account.record().attempts.len();
            account.head_sent(200);
            let degraded = account.record().is_degraded();
            let relay = AnswerRelay::started(started, account, options);
            let mut response = Response::new(GatewayBody::Stream(Box::pin(relay)));
            response_headers.write(response.headers_mut(), headers, "text/event-stream");
            rate_limit_headers::write(&rate_limits, response.headers_mut());
            response_headers.decision(response.headers_mut(), Some((Some(&model.name), attempts)));
            if degraded {
                response_headers.mark_degraded(response.headers_mut());
            }
            response
        }
        Ok(_) => refuse(account, &ApiError::Internal),
        Err(failure) => refuse(account, &failure),
    }
}

fn refuse(account: Box<RequestAccount>, failure: &ApiError) -> Response<GatewayBody> {
    let mut response = error_response(failure, account.record().call.vendor(), account.id());
    let model = account.record().model().map(|model| &*model.name);
    rate_limit_headers::write(account.rate_limits(), response.headers_mut());
    ResponseHeaders::of(account.record())
        .decision(response.headers_mut(), Some((model, account.record().attempts.len())));
    account.close_failed(failure);
    response
}

/// So many headers an answer has, give or take.
const USUAL_HEADERS: usize = 20;

/// What the head of an answer says of its request.
struct ResponseHeaders {
    id: RequestId,
    vendor: ClientVendor,
    stream: bool,
    /// `None` where there is no decision, or clients may not see it.
    decided: Option<RecordedDecision>,
}

impl ResponseHeaders {
    fn of(record: &RequestRecord) -> Self {
        Self {
            id: record.id.clone(),
            vendor: record.call.vendor(),
            stream: record.stream,
            decided: record.decided.filter(|_| record.shows_decision()),
        }
    }

    fn write(&self, headers: &mut HeaderMap, upstream: HeaderMap, kind: &'static str) {
        headers.reserve(USUAL_HEADERS);
        headers.extend(upstream);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.id.write(self.vendor, headers);
        if self.stream {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
    }

    /// `answered` is who answered or failed last, and the attempts until then.
    fn decision(&self, headers: &mut HeaderMap, answered: Option<(Option<&str>, usize)>) {
        let Some(decided) = &self.decided else { return };
        if let Some(model) = answered.and_then(|(model, _)| model) {
            insert(headers, header_names::MODEL, model);
        }
        headers.insert(header_names::PLAN, HeaderValue::from_static(decided.decision.plan.word()));
        headers.insert(header_names::REASON, HeaderValue::from_static(decided.decision.reason.word()));
        if let Some(scores) = &decided.scores {
            insert_short(headers, header_names::DIFFICULTY, Hundredths(scores.difficulty));
            let mut why = String::with_capacity(96);
            scores.reasons.append_to(&mut why);
            if !why.is_empty() {
                insert(headers, header_names::WHY, why);
            }
        }
        if let Some((_, attempts)) = answered {
            headers.insert(header_names::ATTEMPTS, HeaderValue::from(attempts));
        }
    }

    /// A smaller model answered than was chosen, because that one could not.
    fn mark_degraded(&self, headers: &mut HeaderMap) {
        if self.decided.is_some() {
            headers.insert(header_names::DEGRADED, HeaderValue::from_static("true"));
        }
    }

    fn cost(&self, headers: &mut HeaderMap, cost: Option<Money>) {
        if let (Some(_), Some(cost)) = (&self.decided, cost) {
            insert_short(headers, header_names::COST, cost);
        }
    }
}

#[cfg(test)]
mod tests;
