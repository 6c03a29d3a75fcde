//! The data port's API as a list: path and method → handler.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::account::Account;
use crate::admit::Caller;
use crate::body::Body;
use crate::error::Failure;
use crate::gateway::Gateway;
use crate::record::Call;
use crate::request_id::RequestId;
use crate::{models, pipeline};

/// Paths that exist, with the one method that each answers. A path is compared as it came: nothing is decoded, folded
/// or resolved, so that what is checked is what is served.
const PATHS: [(&str, &str, Call); 2] =
    [("/v1/chat/completions", "POST", Call::Chat), ("/v1/models", "GET", Call::Models)];
const ONE_MODEL: &str = "/v1/models/";

/// Answers one request of the data port.
pub async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Response<Body>, Infallible> {
    let arrived = Instant::now();
    Ok(match route(request.method(), request.uri()) {
        Ok((Call::Chat, _)) => pipeline::chat(gateway, request, id, arrived).await,
        Ok((call, name)) => {
            let name = name.map(str::to_owned);
            let account = gateway.account(&gateway.snapshot(), id, call, arrived);
            list_models(&gateway, &request, name.as_deref(), account)
        }
        Err((call, failure)) => {
            let account = gateway.account(&gateway.snapshot(), id, call, arrived);
            let response = failure.response(&account.record.id);
            account.close_failed(&failure);
            response
        }
    })
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
    request: &Request<Incoming>,
    name: Option<&str>,
    mut account: Account,
) -> Response<Body> {
    let snapshot = gateway.snapshot();
    let body = Caller::of(&snapshot, request.headers()).and_then(|caller| {
        account.record.client.clone_from(&caller.client);
        models::answer(&snapshot, caller.client.as_deref(), name, gateway.started)
    });
    match body {
        Ok(body) => {
            let mut response = Response::new(Body::full(body));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert("x-request-id", account.record.id.header());
            account.head_sent(200);
            account.close_complete();
            response
        }
        Err(failure) => {
            let response = failure.response(&account.record.id);
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
        check("GET", "/v1/models/", Err(404));
        check("POST", "/v1//chat/completions", Err(404));
        check("POST", "/v1/%63hat/completions", Err(404));
        check("POST", "/v1/./chat/completions", Err(404));
        check("POST", "/V1/chat/completions", Err(404));
        check("GET", "/metrics", Err(404));
        check("GET", "/", Err(404));
    }
}
