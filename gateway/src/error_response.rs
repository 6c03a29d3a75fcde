//! A failure → an HTTP response. The one place where failures become HTTP.

use http::{HeaderValue, Response, StatusCode, header};

use crate::body::Body;
use crate::error::Failure;
use crate::head;
use crate::protocol::client::Vendor;
use crate::request_id::RequestId;

/// The answer to this vendor's clients that says why they get no other, before any byte of another was sent.
pub fn error_response(failure: &Failure, vendor: Vendor, id: &RequestId) -> Response<Body> {
    let mut response = Response::new(Body::full(failure.words().body(vendor, id.as_str())));
    *response.status_mut() = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    id.write(vendor, headers);
    if let Some(wait) = failure.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
    }
    if let Failure::WrongMethod(allowed) = failure {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if failure.is_final() {
        headers.insert(head::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}
