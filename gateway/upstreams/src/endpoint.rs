//! One endpoint: how it does, who hears of that, and requests under way at it. It knows of no metrics, log or account.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gateway_config::ModelConfig;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use super::breaker::{Breaker, BreakerTransition, CHECK_EVERY, FailureKind};
use super::load::PeakEwma;
use super::served_limits::ServedLimits;
use super::upstream::NamedUpstream;
use super::{Check, Inquiry, Upstream, UpstreamRequest, UpstreamResponse};
use crate::attempt_error::{AttemptError, AttemptErrorKind};

/// How often an endpoint is asked what it says of its model; how soon again where it does not answer.
const INQUIRE_EVERY: Duration = Duration::from_secs(10 * 60);
const INQUIRE_SOON: Duration = Duration::from_secs(30);

/// One endpoint and how it does.
pub struct Endpoint {
    /// Stable and safe to show.
    pub id: Arc<str>,
    /// The model that answers here.
    pub model: Arc<ModelConfig>,
    upstream: Upstream,
    /// `None` for an engine in this process.
    check: Option<Check>,
    breaker: Breaker,
    /// Whether it is asked in the background how it does.
    watched: AtomicBool,
    load: PeakEwma,
    hooks: PoolHooks,
    /// What the servers of the model say of it, and this one's place among them.
    limits: Arc<ServedLimits>,
    place: usize,
    /// `None` where nobody asks what it says of its model.
    inquiry: Option<Inquiry>,
    /// Whether it may have been started anew since it was asked.
    unasked: AtomicBool,
    /// Wakes who asks it.
    ask_anew: Arc<Notify>,
}

impl Endpoint {
    /// An endpoint in use, of which its observer hears.
    pub(super) fn new(
        model: &Arc<ModelConfig>,
        named: NamedUpstream,
        (limits, place): (&Arc<ServedLimits>, usize),
        hooks: &PoolHooks,
    ) -> Self {
        let NamedUpstream { id, upstream, check, inquiry } = named;
        let endpoint = Self {
            id: id.into(),
            model: Arc::clone(model),
            upstream,
            check,
            breaker: Breaker::default(),
            watched: AtomicBool::new(false),
            load: PeakEwma::default(),
            hooks: hooks.clone(),
            limits: Arc::clone(limits),
            place,
            inquiry,
            unasked: AtomicBool::new(false),
            ask_anew: Arc::default(),
        };
        hooks.observer.added(&endpoint);
        endpoint
    }

    /// From now on it is asked what it says of its model, where it is to be asked.
    pub(super) fn in_use(self) -> Arc<Self> {
        let endpoint = Arc::new(self);
        if let Some(inquiry) = &endpoint.inquiry
            && Handle::try_current().is_ok()
        {
            let inquiring = inquire(Arc::downgrade(&endpoint), Arc::clone(&endpoint.ask_anew), inquiry.eager);
            #[expect(clippy::disallowed_methods, reason = "ends with the endpoint")]
            tokio::spawn(inquiring);
        }
        endpoint
    }

    /// Asks it, whatever its breaker says.
    ///
    /// # Errors
    /// The error, not yet reported.
    pub async fn ask(&self, ask: UpstreamRequest) -> Result<UpstreamResponse, AttemptError> {
        self.upstream.clone().oneshot(ask).await
    }

    /// The same, asked by an upstream of a test's own.
    #[cfg(any(test, feature = "scripted"))]
    pub(super) fn asked_by(&self, upstream: &Upstream) -> Self {
        let upstream = upstream.clone();
        let named = NamedUpstream { id: self.id.to_string(), upstream, check: None, inquiry: None };
        Self::new(&self.model, named, (&self.limits, self.place), &self.hooks)
    }

    /// What the model's servers have said of it.
    pub fn limits(&self) -> &ServedLimits {
        &self.limits
    }

    /// What a failure says of its model, and whether it may be another server by now.
    fn learn(&self, error: &AttemptError) {
        if error.what == AttemptErrorKind::ContextLength {
            let Some(context) = error.said_context() else { return self.ask_anew.notify_one() };
            if self.limits.refused(context) {
                self.hooks.observer.learned(self);
            }
        }
        if matches!(error.what, AttemptErrorKind::ConnectFailed | AttemptErrorKind::ConnectionLost) {
            let eager = self.inquiry.as_ref().is_some_and(|inquiry| inquiry.eager);
            self.unasked.store(eager, Ordering::Relaxed);
        }
    }

    /// How long it is until its breaker lets a request in, as far as is known.
    pub(super) fn opens_in(&self, now: Instant) -> Duration {
        self.breaker.opens_in(now)
    }

    /// Whether its breaker lets a request in at this moment.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.breaker.admits(now)
    }

    /// What one more request costs here in waiting, to be compared with others.
    pub(super) fn cost(&self, now: Instant) -> f64 {
        self.load.cost(now)
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> u32 {
        self.load.in_flight()
    }
}

/// Hears how endpoints do.
pub trait Observer: Send + Sync {
    /// The endpoint belongs to a pool from now on, and is in use.
    fn added(&self, endpoint: &Endpoint);

    /// The endpoint is left alone from now on; this was its last failure.
    fn ejected(&self, endpoint: &Endpoint, error: &AttemptError);

    /// The endpoint is in use again.
    fn recovered(&self, endpoint: &Endpoint);

    /// The endpoint has said what it takes, or refused what is too long for it: its model's limits are others now.
    fn learned(&self, endpoint: &Endpoint);
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

/// One request at one endpoint: counted as in flight until it is dropped, its end reported to the breaker.
pub struct EndpointGuard {
    endpoint: Arc<Endpoint>,
    began: Instant,
    reported: bool,
}

impl EndpointGuard {
    /// A request at this endpoint, if its breaker lets one in.
    pub(super) fn enter(endpoint: &Arc<Endpoint>, now: Instant) -> Option<Self> {
        if !endpoint.breaker.enter(now) {
            return None;
        }
        endpoint.load.enter();
        Some(Self { endpoint: Arc::clone(endpoint), began: now, reported: false })
    }

    /// The endpoint's id.
    #[inline]
    pub fn endpoint_id(&self) -> &Arc<str> {
        &self.endpoint.id
    }

    /// Asks the endpoint.
    ///
    /// # Errors
    /// The error, not yet reported.
    pub async fn ask(&self, ask: UpstreamRequest) -> Result<UpstreamResponse, AttemptError> {
        self.endpoint.ask(ask).await
    }

    /// The first token, or the whole answer, is here.
    #[inline]
    pub fn answered(&mut self) {
        self.reported = true;
        let now = Instant::now();
        self.endpoint.load.saw(now, now.duration_since(self.began));
        if self.endpoint.unasked.load(Ordering::Relaxed) {
            self.endpoint.unasked.store(false, Ordering::Relaxed);
            self.endpoint.ask_anew.notify_one();
        }
        if self.endpoint.breaker.succeeded() == BreakerTransition::Recovered {
            self.endpoint.hooks.observer.recovered(&self.endpoint);
        }
    }

    /// The attempt failed, before or after its first token.
    pub fn failed(&mut self, error: &AttemptError) {
        self.reported = true;
        let now = Instant::now();
        if matches!(error.what, AttemptErrorKind::RateLimited | AttemptErrorKind::RefusedStream) {
            let wait = error.retry_after.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(300));
            self.endpoint.load.asked_to_wait(now, wait);
        }
        self.endpoint.learn(error);
        if !error.counts_against_endpoint() {
            return self.endpoint.breaker.undecided();
        }
        let jitter = RandomState::new().hash_one(now.elapsed()) as f64 / u64::MAX as f64;
        let kind = if error.is_answered() { FailureKind::Answered } else { FailureKind::Mute };
        if self.endpoint.breaker.failed(now, kind, jitter) == BreakerTransition::Ejected {
            self.endpoint.hooks.observer.ejected(&self.endpoint, error);
            if !self.endpoint.watched.swap(true, Ordering::AcqRel) {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "ends with the endpoint, or once that is well"
                )]
                tokio::spawn(watch(Arc::downgrade(&self.endpoint)));
            }
        }
    }
}

/// Asks an endpoint in the background what it says of its model: at once, when it comes back, and now and then.
async fn inquire(endpoint: Weak<Endpoint>, anew: Arc<Notify>, eager: bool) {
    if !eager {
        anew.notified().await;
    }
    loop {
        // A pool that a reload has dropped is asked no more.
        let Some(endpoint) = endpoint.upgrade() else { return };
        let Some(inquiry) = &endpoint.inquiry else { return };
        let pause = match (inquiry.ask)().await {
            None => {
                endpoint.unasked.store(inquiry.eager, Ordering::Relaxed);
                INQUIRE_SOON
            }
            Some(served) => {
                endpoint.unasked.store(false, Ordering::Relaxed);
                if endpoint.limits.said(endpoint.place, served) {
                    endpoint.hooks.observer.learned(&endpoint);
                }
                INQUIRE_EVERY
            }
        };
        drop(endpoint);
        let _ = timeout(pause, anew.notified()).await;
    }
}

/// Asks an ejected endpoint in the background whether it answers, until it is in use again.
async fn watch(endpoint: Weak<Endpoint>) {
    // However it ends, the next ejection has a watch of its own.
    let _watched = WatchedEndpoint(Weak::clone(&endpoint));
    loop {
        sleep(CHECK_EVERY).await;
        // A pool that a reload has dropped needs no watch.
        let Some(endpoint) = endpoint.upgrade() else { return };
        match (endpoint.breaker.wants_check(), &endpoint.check) {
            (None, _) | (_, None) => return,
            (Some(false), _) => {}
            (Some(true), Some(check)) => {
                if check().await {
                    endpoint.breaker.answered(Instant::now());
                    if endpoint.breaker.wants_probe(Instant::now())
                        && endpoint.hooks.probe.answers(Arc::clone(&endpoint)).await
                    {
                        endpoint.breaker.probe_ok(Instant::now());
                    }
                }
            }
        }
    }
}

/// While it lives, an endpoint is watched.
struct WatchedEndpoint(Weak<Endpoint>);

impl Drop for WatchedEndpoint {
    fn drop(&mut self) {
        if let Some(endpoint) = self.0.upgrade() {
            endpoint.watched.store(false, Ordering::Release);
        }
    }
}

impl Drop for EndpointGuard {
    fn drop(&mut self) {
        self.endpoint.load.leave();
        if !self.reported {
            self.endpoint.breaker.undecided();
        }
    }
}
