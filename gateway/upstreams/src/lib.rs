//! Who answers: upstreams, the pool of endpoints of a model, and the breaker that leaves a failing one alone.
//!
//! It knows of no request's account, no metrics and no log: a pool tells its [`Observer`] how endpoints do, and has its
//! [`Probe`] ask those that are mute. How bytes reach an endpoint is a [`Transport`]'s: connections of our own, reqwest, or,
//! for tests with the feature `scripted`, a script.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "a test may wait, and sees what it starts fail"
    )
)]

pub mod attempt_error;
pub mod header_names;
pub mod queue_patience;
pub mod request_id;
pub mod retry_budget;

mod address;
mod api_paths;
mod breaker;
#[cfg(any(test, feature = "testing"))]
mod complete_response;
mod connection;
mod deadlines;
mod decoded_body;
#[cfg(feature = "engine")]
mod embedded;
#[cfg(feature = "engine")]
mod embedded_limits;
mod endpoint;
mod events;
mod http1;
mod http1_transport;
mod inquiry;
mod load;
mod outgoing_request;
mod pool;
mod pool_error;
mod remote;
mod reqwest_transport;
mod response_parts;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod served_limits;
mod transport;
mod upstream;

#[cfg(any(test, feature = "testing"))]
pub use complete_response::CompleteResponse;
pub use endpoint::{Endpoint, EndpointGuard, Observer, PoolHooks, Probe};
pub use pool::EndpointPool;
pub use pool_error::{EndpointError, PoolError};
pub use remote::TransportTo;
pub use served_limits::{ServedLimits, ServedMedium};
pub use transport::{Fetching, RequestHeaders, ResponseBody, Sending, Transport};
pub use upstream::{AnswerBody, Asking, Check, Chunks, Inquiry, Upstream, UpstreamRequest, UpstreamResponse};
