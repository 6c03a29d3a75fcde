//! How requests reach an endpoint. Whatever sends them is behind one trait: connections of our own, reqwest, or a script
//! in tests.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderName, Response, header};
use reqwest::Url;

use crate::attempt_error::{AttemptError, FailureCause};
use crate::header_names;
use crate::request_id::RequestId;

/// How this gateway calls itself.
pub(super) const USER_AGENT: &str = concat!("xietong/", env!("CARGO_PKG_VERSION"));

/// The response once its head is here, or why there is none.
pub type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, AttemptError>> + Send + 'a>>;

/// The bytes of a response as they come. An error is the last item: the body broke off.
pub type ResponseBody = Pin<Box<dyn Stream<Item = Result<Bytes, FailureCause>> + Send>>;

/// Sends requests to one endpoint. It knows nothing of models, and has no time limit but that of connecting: who waits
/// says for how long, and ends a request by dropping it.
pub trait Transport: Send + Sync {
    /// Posts a body to an address of the endpoint, and waits for the head of the response.
    ///
    /// # Errors
    /// `ConnectFailed` where the endpoint cannot have looked at the request, `RefusedStream` where it says that it has not, and
    /// `ConnectionLost` where it may have; with the cause, where that is known.
    fn post<'a>(&'a self, url: &'a Url, own: &'a RequestHeaders<'a>, body: Bytes) -> Sending<'a>;

    /// Whether the endpoint answers HTTP at all, asked for what costs nothing.
    fn check<'a>(&'a self, url: &'a Url) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

    /// Asks for what costs nothing: by GET, or by POST where there is a body. The body of a 200 of at most a megabyte, an empty
    /// one for any other status, and `None` where nobody answers, or the answer is 503: not yet.
    fn fetch<'a>(&'a self, url: &'a Url, body: Option<Bytes>) -> Fetching<'a>;
}

/// A question that costs nothing, under way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Option<Bytes>> + Send + 'a>>;

/// Headers that a request has of its own; they count before those of the configuration.
pub struct RequestHeaders<'a> {
    /// The kind of response that is wanted.
    pub accept: &'static str,
    /// The request's name.
    pub id: &'a RequestId,
    /// `traceparent`, `tracestate` and `anthropic-beta`, where it has them.
    pub trace: HeaderMap,
}

impl RequestHeaders<'_> {
    /// Whether a request may have this one.
    #[inline]
    pub fn may_have(name: &HeaderName) -> bool {
        const NAMES: [HeaderName; 5] = [
            header::ACCEPT,
            header_names::REQUEST_ID,
            header_names::TRACEPARENT,
            header_names::TRACESTATE,
            header_names::ANTHROPIC_BETA,
        ];
        NAMES.contains(name)
    }

    /// Whether this one has it.
    #[inline]
    pub fn has(&self, name: &HeaderName) -> bool {
        [header::ACCEPT, header_names::REQUEST_ID].contains(name) || self.trace.contains_key(name)
    }

    /// Hands over each.
    #[inline]
    pub fn each(&self, mut take: impl FnMut(&HeaderName, &[u8])) {
        take(&header::ACCEPT, self.accept.as_bytes());
        take(&header_names::REQUEST_ID, self.id.as_str().as_bytes());
        for (name, value) in &self.trace {
            debug_assert!(Self::may_have(name), "{name}");
            take(name, value.as_bytes());
        }
    }
}
