//! The endpoints of one model.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gateway_config::{ModelConfig, ModelProvider, Secret, UpstreamClient};
use tokio::time::Instant;

use super::endpoint::{Endpoint, EndpointGuard, PoolHooks};
use super::pool_error::PoolError;
use super::remote;
use super::served_limits::ServedLimits;
use super::upstream::{EngineUpstream, NamedUpstream};
use crate::queue_patience::QueueForecast;
use crate::retry_budget::{RetryBudget, RetryBudgetConfig};

/// Retries are 20 % of traffic; time earns them too, so that a model with little traffic has some.
const RETRIES: RetryBudgetConfig = RetryBudgetConfig {
    thousandths: 200,
    burst: 100,
    refill_interval: Duration::from_secs(1),
    min_tokens: 10,
};
/// Requests that are asked for beside one that is silent: one in twenty of those that a model answers.
const HEDGES: RetryBudgetConfig =
    RetryBudgetConfig { thousandths: 50, burst: 25, refill_interval: Duration::ZERO, min_tokens: 0 };

/// A model's endpoints, of which requests take the better of two drawn at random.
pub struct EndpointPool {
    /// The model.
    pub model: Arc<ModelConfig>,
    endpoints: Vec<Arc<Endpoint>>,
    /// What they say of the model.
    limits: Arc<ServedLimits>,
    /// Why it has none, for the operator.
    absence: Option<String>,
    /// Of an embedded model.
    forecast: Option<Arc<dyn QueueForecast>>,
    gpu: Option<String>,
    retries: RetryBudget,
    hedges: RetryBudget,
    /// Whether a whole answer was longer than it might be.
    overran: AtomicBool,
    draws: AtomicU64,
    hasher: RandomState,
}

impl EndpointPool {
    /// Makes a model's endpoints ready to be asked; loads weights if it is embedded.
    ///
    /// # Errors
    /// In words for the operator: weights that cannot be loaded, an address or key that cannot be sent.
    pub fn build(
        model: &Arc<ModelConfig>,
        proxy: Option<&Secret>,
        client: UpstreamClient,
        hooks: &PoolHooks,
    ) -> Result<Self, PoolError> {
        let remote = match &model.provider {
            ModelProvider::Embedded(embedded) => {
                let EngineUpstream { upstream, forecast, gpu } = embed(model, embedded)?;
                let id = format!("{}-0", model.name);
                let upstreams = vec![NamedUpstream { id, upstream, check: None, inquiry: None }];
                return Ok(Self { forecast: Some(forecast), gpu, ..Self::of(model, upstreams, hooks) });
            }
            ModelProvider::Remote(remote) => remote,
        };
        Ok(Self::of(model, remote::upstreams(model, remote, proxy, client)?, hooks))
    }

    /// The pool of a model that cannot be asked yet, for this reason: it has no endpoint.
    pub fn absent(model: &Arc<ModelConfig>, why: &PoolError, hooks: &PoolHooks) -> Self {
        Self { absence: Some(why.to_string()), ..Self::of(model, Vec::new(), hooks) }
    }

    /// Why the model cannot be asked, in words for the operator; `None`: it can.
    pub fn absence(&self) -> Option<&str> {
        self.absence.as_deref()
    }

    /// What part of an embedded model a GPU computes, in words for the operator; `None`: nothing.
    pub fn gpu(&self) -> Option<&str> {
        self.gpu.as_deref()
    }

    /// The pool of a remote model whose endpoints are reached by the given transports, for tests of who uses it. An embedded
    /// model has none.
    ///
    /// # Errors
    /// As for [`EndpointPool::build`].
    #[cfg(any(test, feature = "scripted"))]
    pub fn over(
        model: &Arc<ModelConfig>,
        transport: &remote::TransportTo<'_>,
        hooks: &PoolHooks,
    ) -> Result<Self, PoolError> {
        let upstreams = match &model.provider {
            ModelProvider::Embedded(_) => Vec::new(),
            ModelProvider::Remote(remote) => remote::upstreams_over(model, remote, transport)?,
        };
        Ok(Self::of(model, upstreams, hooks))
    }

    fn of(model: &Arc<ModelConfig>, upstreams: Vec<NamedUpstream>, hooks: &PoolHooks) -> Self {
        let limits = Arc::new(ServedLimits::default());
        let endpoint = |(place, named)| Endpoint::new(model, named, (&limits, place), hooks).in_use();
        Self {
            model: Arc::clone(model),
            endpoints: upstreams.into_iter().enumerate().map(endpoint).collect(),
            limits: Arc::clone(&limits),
            absence: None,
            forecast: None,
            gpu: None,
            retries: RetryBudget::new(RETRIES, Instant::now()),
            hedges: RetryBudget::new(HEDGES, Instant::now()),
            overran: AtomicBool::new(false),
            draws: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }

    /// An endpoint for one request, the better of two drawn at random, and one that has not failed it already, if there is
    /// any; `None` while all are ejected.
    pub fn select(&self, has_failed: impl Fn(&str) -> bool) -> Option<EndpointGuard> {
        let now = Instant::now();
        if let [only] = &self.endpoints[..] {
            return EndpointGuard::enter(only, now);
        }
        let mut open: Vec<&Arc<Endpoint>> =
            self.endpoints.iter().filter(|endpoint| endpoint.admits(now)).collect();
        if open.iter().any(|endpoint| !has_failed(&endpoint.id)) {
            open.retain(|endpoint| !has_failed(&endpoint.id));
        }
        if open.len() > 1 {
            // A random pair comes to the front, its cheaper half first.
            let (draw, count) = (self.draw() as usize, open.len());
            open.rotate_left(draw % count);
            open.swap(1, 1 + (draw >> 16) % (count - 1));
            if open[1].cost(now) < open[0].cost(now) {
                open.swap(0, 1);
            }
        }
        // Between looking and entering another request may have taken a probe's only place.
        open.into_iter().find_map(|endpoint| EndpointGuard::enter(endpoint, now))
    }

    /// Has every endpoint asked by an upstream of a test's own.
    #[cfg(any(test, feature = "scripted"))]
    #[inline]
    pub fn replace_upstreams(&mut self, upstream: &super::Upstream) {
        for endpoint in &mut self.endpoints {
            *endpoint = Arc::new(endpoint.asked_by(upstream));
        }
    }

    /// Has it foresee what a test says.
    #[cfg(any(test, feature = "scripted"))]
    pub fn replace_forecast(&mut self, forecast: Arc<dyn QueueForecast>) {
        self.forecast = Some(forecast);
    }

    /// What the model's servers have said of it.
    #[inline]
    pub fn limits(&self) -> &ServedLimits {
        &self.limits
    }

    /// Tokens that prompt and answer may have together: as configured, or less where a server said so; `None` when unknown.
    #[inline]
    pub fn context(&self) -> Option<u64> {
        [self.model.context, self.limits.context()].into_iter().flatten().min()
    }

    /// How long a request would wait for its turn in the embedded engine; `None` for a remote model.
    pub fn queue_wait(&self) -> Option<Duration> {
        self.forecast.as_ref().map(|forecast| forecast.wait(""))
    }

    /// What the embedded engine foresees; `None` for a remote model.
    #[inline]
    pub fn forecast(&self) -> Option<&Arc<dyn QueueForecast>> {
        self.forecast.as_ref()
    }

    /// How long a request sent now would take at its best endpoint, by the answers of the last moments and by what is under
    /// way there; `None` while all are ejected.
    pub fn expected_latency(&self) -> Option<Duration> {
        let now = Instant::now();
        let open = self.endpoints.iter().filter(|endpoint| endpoint.admits(now));
        let least = open.map(|endpoint| endpoint.cost(now)).reduce(f64::min)?;
        Some(Duration::try_from_secs_f64(least).unwrap_or(Duration::MAX))
    }

    /// Requests under way.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.endpoints.iter().map(|endpoint| endpoint.in_flight()).sum()
    }

    /// Takes note of a whole answer that was longer than its upstream was told.
    #[inline]
    pub fn note_overrun(&self) {
        self.overran.store(true, Ordering::Relaxed);
    }

    /// Whether there was one.
    #[inline]
    pub fn has_overrun(&self) -> bool {
        self.overran.load(Ordering::Relaxed)
    }

    /// Counts a request towards the retry budget.
    #[inline]
    pub fn record_arrival(&self) {
        self.retries.deposit();
        self.hedges.deposit();
    }

    /// Whether any endpoint would take a request now.
    #[inline]
    pub fn is_open(&self) -> bool {
        let now = Instant::now();
        self.endpoints.iter().any(|endpoint| endpoint.admits(now))
    }

    /// How long it is until the first of the ejected endpoints may be asked again; zero while one is open.
    pub fn reopens_in(&self) -> Duration {
        let now = Instant::now();
        self.endpoints.iter().map(|endpoint| endpoint.opens_in(now)).min().unwrap_or_default()
    }

    /// Whether the retry budget allows one more try on this model.
    #[inline]
    pub fn may_retry(&self) -> bool {
        self.retries.withdraw(Instant::now())
    }

    /// Whether one more of this model's requests may be asked elsewhere as well.
    #[inline]
    pub fn may_hedge(&self) -> bool {
        self.hedges.withdraw(Instant::now())
    }

    fn draw(&self) -> u64 {
        self.hasher.hash_one(self.draws.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(feature = "engine")]
fn embed(
    model: &Arc<ModelConfig>,
    embedded: &gateway_config::EmbeddedModel,
) -> Result<EngineUpstream, PoolError> {
    super::embedded::upstream(model, embedded)
}

#[cfg(not(feature = "engine"))]
fn embed(model: &Arc<ModelConfig>, _: &gateway_config::EmbeddedModel) -> Result<EngineUpstream, PoolError> {
    Err(PoolError::NoEngine(model.name.clone()))
}
