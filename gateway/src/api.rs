//! The data port: each call of its API goes to its handler.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::account::RequestAccount;
use crate::admit::{self, Caller};
use crate::body::GatewayBody;
use crate::error::ApiError;
use crate::error_response::{error_bytes, error_response};
use crate::gateway::Gateway;
use crate::record::RecordedCall;
use crate::server::RefusedHead;
use crate::snapshot::{RequestTarget, Snapshot};
use crate::{endpoint, models, pipeline};
use protocol::client::{self, ClientVendor};
use upstreams::request_id::RequestId;

/// Answers one request of the data port.
pub async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Response<GatewayBody>, Infallible> {
    let arrived = Instant::now();
    let vendor = endpoint::vendor(request.uri().path(), request.headers());
    let found = match broken_rule(&request) {
        None => endpoint::find(request.method(), request.uri()),
        Some(failure) => Err((RecordedCall::Unknown, failure)),
    };
    let found = found.map(|(call, name)| (call, name.map(str::to_owned)));
    let (Ok((call, _)) | Err((call, _))) = &found;
    let snapshot = gateway.snapshot();
    let mut account = gateway.account(&snapshot, id, *call, arrived, request.headers());
    if let Some(asked) = call.endpoint().filter(|_| found.is_ok()) {
        // Its own place: a connection keeps the largest that its requests need, for as long as it is open.
        return Ok(Box::pin(pipeline::answer(gateway, snapshot, request, account, asked)).await);
    }
    let body = match found {
        Ok((RecordedCall::CountTokens, _)) => count_tokens(&snapshot, request, &mut account).await,
        Ok((_, name)) => {
            list_models(&gateway, &snapshot, request.headers(), name.as_deref(), vendor, &mut account)
        }
        Err((_, failure)) => Err(failure),
    };
    Ok(close(body, vendor, account))
}

/// The answer to a head that cannot be read, as bytes: the error in the shape of the API that it begins like.
pub fn refuse_head(gateway: &Gateway, head: &RefusedHead) -> Vec<u8> {
    let (id, headers, arrived) = (RequestId::new(), HeaderMap::new(), Instant::now());
    let account = gateway.account(&gateway.snapshot(), id, RecordedCall::Unknown, arrived, &headers);
    let failure = ApiError::MalformedHead(head.status, head.why);
    let vendor = if head.anthropic { ClientVendor::Anthropic } else { ClientVendor::OpenAi };
    let response = error_bytes(&failure, vendor, account.id());
    account.close_failed(&failure);
    response
}

/// A rule of HTTP that a request breaks though it can be read; a body in a coding that nobody undoes would be taken for the
/// body itself.
fn broken_rule(request: &Request<Incoming>) -> Option<ApiError> {
    let headers = request.headers();
    let is = |value: &HeaderValue, word: &str| value.as_bytes().eq_ignore_ascii_case(word.as_bytes());
    if headers.get_all(header::TRANSFER_ENCODING).iter().any(|coding| !is(coding, "chunked")) {
        return Some(ApiError::UnsupportedEncoding);
    }
    if headers.get(header::EXPECT).is_some_and(|expected| !is(expected, "100-continue")) {
        return Some(ApiError::UnknownExpectation);
    }
    let hosts = || headers.get_all(header::HOST).iter().count();
    (request.version() == Version::HTTP_11 && hosts() != 1).then_some(ApiError::MalformedHead(
        400,
        "A request of HTTP/1.1 has the header `Host`, and has it once.",
    ))
}

fn list_models(
    gateway: &Gateway,
    snapshot: &Snapshot,
    headers: &HeaderMap,
    name: Option<&str>,
    vendor: ClientVendor,
    account: &mut RequestAccount,
) -> Result<Bytes, ApiError> {
    let caller = Caller::of(snapshot, headers)?;
    account.identified(caller.client.as_ref());
    models::answer(snapshot, caller.client.as_deref(), name, vendor, gateway.started)
}

/// The estimate that a request for this message would be judged and bounded by.
async fn count_tokens(
    snapshot: &Snapshot,
    request: Request<Incoming>,
    account: &mut RequestAccount,
) -> Result<Bytes, ApiError> {
    let (head, incoming) = request.into_parts();
    let caller = Caller::of(snapshot, &head.headers)?;
    account.identified(caller.client.as_ref());
    let body = admit::body(&head.headers, incoming, &snapshot.config.limits).await?;
    let chat = client::read_for_counting(body)?;
    let name = caller.hints.route.as_deref().unwrap_or(chat.model());
    let tokens = match snapshot.target(name, caller.client.as_deref()) {
        Some(RequestTarget::Model(model)) => chat.counted_tokens_at(&model),
        // Who will see it is not decided yet.
        Some(RequestTarget::Route(_)) => chat.counted_tokens(),
        None => return Err(ApiError::NoSuchModel(name.to_owned())),
    };
    Ok(format!(r#"{{"input_tokens":{tokens}}}"#).into())
}

/// Answers what no model was asked for.
fn close(
    body: Result<Bytes, ApiError>,
    vendor: ClientVendor,
    mut account: Box<RequestAccount>,
) -> Response<GatewayBody> {
    match body {
        Ok(body) => {
            let mut response = Response::new(GatewayBody::full(body));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            account.id().write(vendor, headers);
            account.head_sent(200);
            account.close_complete();
            response
        }
        Err(failure) => {
            let response = error_response(&failure, vendor, account.id());
            account.close_failed(&failure);
            response
        }
    }
}
