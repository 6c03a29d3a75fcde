//! The data port's API as a list: path and method → handler.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::account::Account;
use crate::admit::{self, Caller};
use crate::body::Body;
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::head;
use crate::protocol::Sight;
use crate::protocol::client::{self, Dialect, Vendor};
use crate::record::Call;
use crate::request_id::RequestId;
use crate::snapshot::Target;
use crate::{models, pipeline};

/// Paths that exist, with the one method that each answers. A path is compared as it came: nothing is decoded, folded
/// or resolved, so that what is checked is what is served.
const PATHS: [(&str, &str, Call); 7] = [
    ("/v1/chat/completions", "POST", Call::Chat),
    ("/v1/completions", "POST", Call::Completions),
    ("/v1/responses", "POST", Call::Responses),
    ("/v1/messages", "POST", Call::Messages),
    ("/v1/messages/count_tokens", "POST", Call::CountTokens),
    ("/v1/embeddings", "POST", Call::Embeddings),
    ("/v1/models", "GET", Call::Models),
];
const ONE_MODEL: &str = "/v1/models/";
/// What lies below belongs to Anthropic's API alone.
const ANTHROPIC: &str = "/v1/messages";

/// Answers one request of the data port.
pub async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Response<Body>, Infallible> {
    let arrived = Instant::now();
    let vendor = vendor(request.uri().path(), request.headers());
    let (call, name) = match route(request.method(), request.uri()) {
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

/// Whose clients send such a request: what shape lists and errors have for them.
pub fn vendor(path: &str, headers: &HeaderMap) -> Vendor {
    let below = path.strip_prefix(ANTHROPIC).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let elsewhere = PATHS.iter().any(|(known, _, call)| *known == path && *call != Call::Models);
    if below || (!elsewhere && headers.contains_key(head::ANTHROPIC_VERSION)) {
        Vendor::Anthropic
    } else {
        Vendor::OpenAi
    }
}

/// How a call is made; of lists of models the shorter path.
pub fn method_and_path(call: Call) -> Option<(&'static str, &'static str)> {
    PATHS.iter().find(|(_, _, known)| *known == call).map(|(path, method, _)| (*method, *path))
}

/// Which call a request makes, and the rest of its path.
fn route<'a>(method: &Method, uri: &'a http::Uri) -> Result<(Call, Option<&'a str>), (Call, Failure)> {
    let path = uri.path();
    let found =
        PATHS.iter().find(|(known, ..)| *known == path).map(|(_, allowed, call)| (*allowed, *call, None));
    let one = path
        .strip_prefix(ONE_MODEL)
        .filter(|name| !name.is_empty())
        .map(|name| ("GET", Call::Models, Some(name)));
    match found.or(one) {
        None => Err((Call::Unknown, Failure::NoSuchPath)),
        Some((allowed, call, name)) if method.as_str() == allowed => Ok((call, name)),
        Some((allowed, call, _)) => Err((call, Failure::WrongMethod(allowed))),
    }
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
            let response = failure.response(vendor, &account.record.id);
            account.close_failed(&failure);
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_paths_exist() {
        let check = |method: &str, uri: &str, expected: Result<Option<&str>, u16>| {
            let uri: http::Uri = uri.parse().unwrap();
            let got = route(&method.parse().unwrap(), &uri);
            let got = got.map(|(_, name)| name).map_err(|(_, failure)| failure.status());
            assert_eq!(got, expected, "{method} {uri}");
        };
        check("POST", "/v1/chat/completions", Ok(None));
        check("POST", "/v1/chat/completions?api-version=1", Ok(None));
        check("GET", "/v1/chat/completions", Err(405));
        check("GET", "/v1/models", Ok(None));
        check("GET", "/v1/models/auto", Ok(Some("auto")));
        check("DELETE", "/v1/models/auto", Err(405));
        check("POST", "/v1/messages?beta=true", Ok(None));
        check("POST", "/v1/messages/count_tokens", Ok(None));
        check("GET", "/v1/messages", Err(405));
        check("POST", "/v1/messages/batches", Err(404));
        check("POST", "/v1/responses", Ok(None));
        check("GET", "/v1/responses/resp_1", Err(404));
        check("POST", "/v1/completions", Ok(None));
        check("GET", "/v1/models/", Err(404));
        check("POST", "/v1//chat/completions", Err(404));
        check("POST", "/v1/%63hat/completions", Err(404));
        check("POST", "/v1/./chat/completions", Err(404));
        check("POST", "/V1/chat/completions", Err(404));
        check("GET", "/metrics", Err(404));
        check("GET", "/", Err(404));
    }

    #[test]
    fn errors_are_in_the_dialect_of_the_path() {
        let check = |path: &str, anthropic: bool, expected: Vendor| {
            let mut headers = HeaderMap::new();
            if anthropic {
                headers.insert(head::ANTHROPIC_VERSION, HeaderValue::from_static("2023-06-01"));
            }
            assert_eq!(vendor(path, &headers), expected, "{path} {anthropic}");
        };
        check("/v1/messages", false, Vendor::Anthropic);
        check("/v1/messages/count_tokens", false, Vendor::Anthropic);
        check("/v1/messages/batches", false, Vendor::Anthropic);
        check("/v1/messagesx", false, Vendor::OpenAi);
        check("/v1/models", false, Vendor::OpenAi);
        check("/v1/models", true, Vendor::Anthropic);
        check("/v1/models/auto", true, Vendor::Anthropic);
        check("/nowhere", true, Vendor::Anthropic);
        check("/v1/chat/completions", true, Vendor::OpenAi);
        check("/v1/responses", true, Vendor::OpenAi);
    }
}
