//! What a pool tells its owner, and what it needs of it: it knows of no metrics, log, or account.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Endpoint;
use crate::setback::Setback;

/// Hears how endpoints do.
pub trait Observer: Send + Sync {
    /// The endpoint belongs to a pool from now on, and is in use.
    fn added(&self, endpoint: &Endpoint);

    /// The endpoint is left alone from now on; this was its last failure.
    fn ejected(&self, endpoint: &Endpoint, setback: &Setback);

    /// The endpoint is in use again.
    fn recovered(&self, endpoint: &Endpoint);
}

/// Asks an endpoint for one token. Some answer what costs nothing and are mute to requests: whether such a one is well
/// again can only be told by a request, and no client is made to wait for that.
pub trait Probe: Send + Sync {
    /// Whether the endpoint answers, be it with an error.
    fn answers(&self, endpoint: Arc<Endpoint>) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;
}

/// The observer and the probe of a pool.
#[derive(Clone)]
pub struct PoolHooks {
    /// Hears how endpoints do.
    pub observer: Arc<dyn Observer>,
    /// Asks those that are mute.
    pub probe: Arc<dyn Probe>,
}
