//! A failure → an HTTP response. The one place where failures become HTTP.

use http::{HeaderValue, Response, StatusCode, header};

use crate::body::GatewayBody;
use crate::error::ApiError;
use protocol::client::ClientVendor;
use upstreams::header_names;
use upstreams::request_id::RequestId;

/// The answer to this vendor's clients that says why they get no other, before any byte of another was sent.
pub fn error_response(failure: &ApiError, vendor: ClientVendor, id: &RequestId) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::full(failure.error_body().body(vendor, id.as_str())));
    *response.status_mut() = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    id.write(vendor, headers);
    if let Some(wait) = failure.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
    }
    if let ApiError::WrongMethod(allowed) = failure {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if failure.is_final() {
        headers.insert(header_names::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// The same as the bytes of a whole HTTP/1.1 response, with which the connection ends: for a request that never was one.
pub fn error_bytes(failure: &ApiError, vendor: ClientVendor, id: &RequestId) -> Vec<u8> {
    let body = failure.error_body().body(vendor, id.as_str());
    let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-request-id: {}\r\n\
         connection: close\r\n\r\n",
        body.len(),
        id.as_str(),
    );
    [head.as_bytes(), &body].concat()
}
