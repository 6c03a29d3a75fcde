//! The data port: each call of its API goes to its handler.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::account::Account;
use crate::admit::{self, Caller};
use crate::body::Body;
use crate::error::Failure;
use crate::error_response::error_response;
use crate::gateway::Gateway;
use crate::protocol::Sight;
use crate::protocol::client::{self, Dialect, Vendor};
use crate::record::Call;
use crate::request_id::RequestId;
use crate::snapshot::Target;
use crate::{endpoint, models, pipeline};

/// Answers one request of the data port.
pub async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Response<Body>, Infallible> {
    let arrived = Instant::now();
    let vendor = endpoint::vendor(request.uri().path(), request.headers());
    let (call, name) = match endpoint::find(request.method(), request.uri()) {
        Ok((call, name)) => (call, name.map(str::to_owned)),
        Err((call, failure)) => {
            let account = gateway.account(&gateway.snapshot(), id, call, arrived, request.headers());
            return Ok(close(Err(failure), vendor, account));
        }
    };
    let dialect = match call {
        Call::Chat => Dialect::Chat,
        Call::Completions => Dialect::Completions,
        Call::Responses => Dialect::Responses,
        Call::Messages => Dialect::Messages,
        Call::Embeddings => Dialect::Embeddings,
        Call::CountTokens => {
            let mut account = gateway.account(&gateway.snapshot(), id, call, arrived, request.headers());
            let body = count_tokens(&gateway, request, &mut account).await;
            return Ok(close(body, vendor, account));
        }
        Call::Models | Call::Check | Call::Shadow | Call::Judge | Call::Unknown => {
            let mut account = gateway.account(&gateway.snapshot(), id, call, arrived, request.headers());
            let body = list_models(&gateway, request.headers(), name.as_deref(), vendor, &mut account);
            return Ok(close(body, vendor, account));
        }
    };
    // Its own place: a connection keeps the largest that its requests need, for as long as it is open.
    Ok(Box::pin(pipeline::answer(gateway, request, id, arrived, dialect)).await)
}

fn list_models(
    gateway: &Gateway,
    headers: &HeaderMap,
    name: Option<&str>,
    vendor: Vendor,
    account: &mut Account,
) -> Result<Bytes, Failure> {
    let snapshot = gateway.snapshot();
    let caller = Caller::of(&snapshot, headers)?;
    account.record.client.clone_from(&caller.client);
    models::answer(&snapshot, caller.client.as_deref(), name, vendor, gateway.started)
}

/// The estimate that a request for this message would be judged and bounded by.
async fn count_tokens(
    gateway: &Gateway,
    request: Request<Incoming>,
    account: &mut Account,
) -> Result<Bytes, Failure> {
    let snapshot = gateway.snapshot();
    let (head, incoming) = request.into_parts();
    let caller = Caller::of(&snapshot, &head.headers)?;
    account.record.client.clone_from(&caller.client);
    let body = admit::body(&head.headers, incoming, &snapshot.config.limits).await?;
    let chat = client::read_for_counting(body)?;
    let name = caller.hints.route.as_deref().unwrap_or(chat.model());
    let sight = match snapshot.target(name, caller.client.as_deref()) {
        Some(Target::Model(model)) => Sight::of(&model),
        // Who will see it is not decided yet.
        Some(Target::Route(_)) => Sight::Unknown,
        None => return Err(Failure::NoSuchModel(name.to_owned())),
    };
    Ok(format!(r#"{{"input_tokens":{}}}"#, chat.prompt_tokens_by(sight)).into())
}

/// Answers what no model was asked for.
fn close(body: Result<Bytes, Failure>, vendor: Vendor, mut account: Box<Account>) -> Response<Body> {
    match body {
        Ok(body) => {
            let mut response = Response::new(Body::full(body));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            account.record.id.write(vendor, headers);
            account.head_sent(200);
            account.close_complete();
            response
        }
        Err(failure) => {
            let response = error_response(&failure, vendor, &account.record.id);
            account.close_failed(&failure);
            response
        }
    }
}
