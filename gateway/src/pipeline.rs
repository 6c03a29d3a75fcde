//! One chat request from top to bottom. Each stage takes what the one before returned:
//!
//! ```text
//! admit → parse → assess → dispatch → relay → account
//! ```

use std::sync::Arc;

use gateway_config::Resume;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use router_policies::Money;
use tokio::time::{Instant, timeout};

use crate::account::Account;
use crate::admit::{self, Caller};
use crate::assess::{Assessment, Candidate, assess};
use crate::body::Body;
use crate::dispatch::{Committed, Job, Rungside, Standing, dispatch};
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::protocol::Chat;
use crate::record::{Asked, Call, Decided, Record};
use crate::relay::{Manner, Relay};
use crate::request_id::RequestId;
use crate::snapshot::{Snapshot, Target};

/// Answers `POST /v1/chat/completions`.
pub async fn chat(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    id: RequestId,
    arrived: Instant,
) -> Response<Body> {
    let snapshot = gateway.snapshot();
    let mut account = gateway.account(&snapshot, id, Call::Chat, arrived);
    match prepare(&snapshot, request, &mut account).await {
        Ok(job) if job.chat.stream() => stream(&gateway, &snapshot, job, account).await,
        Ok(job) => {
            let (curfew, id) = (&gateway.books.curfew, account.record.id.clone());
            tokio::select! {
                biased;
                response = whole(job, account) => response,
                () = curfew.fallen() => Failure::Stopping.response(&id),
            }
        }
        Err(failure) => refuse(account, &failure),
    }
}

/// Everything before a model is asked.
async fn prepare(
    snapshot: &Snapshot,
    request: Request<Incoming>,
    account: &mut Account,
) -> Result<Job, Failure> {
    let (head, incoming) = request.into_parts();
    let caller = Caller::of(snapshot, &head.headers)?;
    account.record.client.clone_from(&caller.client);
    let body = admit::body(&head.headers, incoming, &snapshot.config.limits).await?;
    let chat = Chat::parse(body)?;
    account.record.stream = chat.stream();
    let target = target(snapshot, &caller, &chat)?;
    account.record.asked = match &target {
        Target::Route(route) => Asked::Route(Arc::clone(route)),
        Target::Model(model) => Asked::Model(Arc::clone(model)),
    };
    let assessment = assess(&target, &chat, &caller.hints, &account.record.id)?;
    account.record.decided = Some(assessment.decided);
    account.record.scoring = assessment.scoring;
    account.bound(chat.prompt_tokens(), longest_answer(&assessment, &chat));
    let resume = matches!(&target, Target::Route(route) if route.resume == Resume::Auto);
    job(snapshot, assessment, chat, &caller, &head.headers, account)
        .map(|job| Job { resume, ..job })
        .ok_or(Failure::Internal)
}

fn target(snapshot: &Snapshot, caller: &Caller, chat: &Chat) -> Result<Target, Failure> {
    let name = caller.hints.route.as_deref().unwrap_or(chat.model());
    snapshot.target(name, caller.client.as_deref()).ok_or_else(|| Failure::NoSuchModel(name.to_owned()))
}

/// The bound of an answer in tokens: what the client allows, else what the models can, times the answers asked for.
fn longest_answer(assessment: &Assessment, chat: &Chat) -> u64 {
    let able = assessment.ladder.iter().filter(|rung| rung.able).map(|rung| rung.model.max_output);
    let each = chat.max_tokens().or(able.max()).unwrap_or_default();
    each.saturating_mul(chat.n())
}

fn job(
    snapshot: &Snapshot,
    assessment: Assessment,
    chat: Chat,
    caller: &Caller,
    headers: &HeaderMap,
    account: &Account,
) -> Option<Job> {
    let rungside =
        |rung: Candidate| Some(Rungside { pool: Arc::clone(snapshot.pool(&rung.model)?), able: rung.able });
    Some(Job {
        chat: Arc::new(chat),
        ladder: assessment.ladder.into_iter().map(rungside).collect::<Option<_>>()?,
        plan: assessment.decided.decision.plan,
        fallback: assessment.fallback,
        on_behalf: caller.name().into(),
        id: account.record.id.clone(),
        resume: false,
        trace: trace_context(headers),
    })
}

/// The W3C trace context, as it came.
fn trace_context(headers: &HeaderMap) -> HeaderMap {
    ["traceparent", "tracestate"]
        .into_iter()
        .filter_map(|name| Some((HeaderName::from_static(name), headers.get(name)?.clone())))
        .collect()
}

async fn whole(job: Job, account: Account) -> Response<Body> {
    let (result, mut account) = dispatch(job, account).await;
    match result {
        Ok(Committed { headers, answer: Standing::Whole(body), .. }) => {
            let mut response = Response::new(Body::full(body));
            let preface = Preface::of(&account.record);
            preface.write(response.headers_mut(), headers, "application/json");
            preface.decision(
                response.headers_mut(),
                account.record.model().map(|it| &*it.name),
                account.record.attempts.len(),
            );
            preface.cost(response.headers_mut(), account.cost());
            account.head_sent(200);
            account.close_complete();
            response
        }
        Ok(_) => refuse(account, &Failure::Internal),
        Err(failure) => refuse(account, &failure),
    }
}

async fn stream(gateway: &Gateway, snapshot: &Snapshot, job: Job, account: Account) -> Response<Body> {
    let heartbeat = snapshot.config.limits.heartbeat;
    let manner =
        Manner { include_usage: job.chat.include_usage(), heartbeat, curfew: gateway.books.curfew.waiter() };
    let first = job.ladder.get(job.plan.first().0).map(|rung| rung.pool.model.name.clone());
    let preface = Preface::of(&account.record);
    let mut dispatched = Box::pin(dispatch(job, account));
    // Most answers begin before the first heartbeat; until then an error still has a status of its own.
    let Ok((result, mut account)) = timeout(heartbeat, &mut dispatched).await else {
        let relay = Relay::waiting(dispatched, manner);
        let mut response = Response::new(Body::Stream(Box::pin(relay)));
        preface.write(response.headers_mut(), HeaderMap::new(), "text/event-stream");
        preface.decision(response.headers_mut(), first.as_deref(), 1);
        return response;
    };
    match result {
        Ok(Committed { headers, model, answer: Standing::Begun(begun) }) => {
            let attempts = account.record.attempts.len();
            account.head_sent(200);
            let relay = Relay::begun(begun, account, manner);
            let mut response = Response::new(Body::Stream(Box::pin(relay)));
            preface.write(response.headers_mut(), headers, "text/event-stream");
            preface.decision(response.headers_mut(), Some(&model.name), attempts);
            response
        }
        Ok(_) => refuse(account, &Failure::Internal),
        Err(failure) => refuse(account, &failure),
    }
}

fn refuse(account: Account, failure: &Failure) -> Response<Body> {
    let mut response = failure.response(&account.record.id);
    let model = account.record.model().map(|model| &*model.name);
    Preface::of(&account.record).decision(response.headers_mut(), model, account.record.attempts.len());
    account.close_failed(failure);
    response
}

/// What the head of an answer says of its request.
struct Preface {
    id: RequestId,
    stream: bool,
    /// `None` where there is no decision, or clients may not see it.
    decided: Option<Decided>,
}

impl Preface {
    fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            stream: record.stream,
            decided: record.decided.filter(|_| record.shows_decision()),
        }
    }

    fn write(&self, headers: &mut HeaderMap, upstream: HeaderMap, kind: &'static str) {
        headers.extend(upstream);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert("x-request-id", self.id.header());
        if self.stream {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
    }

    fn decision(&self, headers: &mut HeaderMap, model: Option<&str>, attempts: usize) {
        let Some(decided) = &self.decided else { return };
        if let Some(model) = model {
            insert(headers, "x-xietong-model", model);
        }
        headers.insert("x-xietong-plan", HeaderValue::from_static(decided.decision.plan.word()));
        headers.insert("x-xietong-reason", HeaderValue::from_static(decided.decision.reason.word()));
        if let Some(scores) = &decided.scores {
            insert(headers, "x-xietong-difficulty", &format!("{:.2}", scores.difficulty));
        }
        headers.insert("x-xietong-attempts", HeaderValue::from(attempts));
    }

    fn cost(&self, headers: &mut HeaderMap, cost: Option<Money>) {
        if let (Some(_), Some(cost)) = (&self.decided, cost) {
            insert(headers, "x-xietong-cost", &cost.to_string());
        }
    }
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // Names and numbers of the configuration; one that no header can carry is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
