//! The endpoints of one model.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gateway_config::{Model, Provider, Secret};
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use super::breaker::{Breaker, CHECK_EVERY, Change, Manner};
use super::hooks::PoolHooks;
use super::load::Load;
use super::pool_error::PoolError;
use super::{Answer, Ask, Check, Upstream, remote};
use crate::allowance::{Allowance, Terms};
use crate::setback::{Happened, Setback};

/// Retries are 20 % of traffic; time earns them too, so that a model with little traffic has some.
const RETRIES: Terms = Terms { thousandths: 200, most: 100, each: Duration::from_secs(1), floor: 10 };
/// Requests that are asked for beside one that is silent: one in twenty of those that a model answers.
const HEDGES: Terms = Terms { thousandths: 50, most: 25, each: Duration::ZERO, floor: 0 };

/// A model's endpoints, of which requests take the better of two drawn at random.
pub struct Pool {
    /// The model.
    pub model: Arc<Model>,
    endpoints: Vec<Arc<Endpoint>>,
    retries: Allowance,
    hedges: Allowance,
    /// Whether a whole answer was longer than it might be.
    overran: AtomicBool,
    draws: AtomicU64,
    hasher: RandomState,
}

/// One endpoint and how it does.
pub struct Endpoint {
    /// Stable and safe to show.
    pub id: Arc<str>,
    /// The model that answers here.
    pub model: Arc<Model>,
    upstream: Upstream,
    /// `None` for an engine in this process.
    check: Option<Check>,
    breaker: Breaker,
    /// Whether it is asked in the background how it does.
    watched: AtomicBool,
    load: Load,
    hooks: PoolHooks,
}

impl Endpoint {
    /// Asks it, whatever its breaker says.
    ///
    /// # Errors
    /// The setback, not yet reported.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Setback> {
        self.upstream.clone().oneshot(ask).await
    }
}

impl Pool {
    /// Makes a model's endpoints ready to be asked; loads weights if it is embedded.
    ///
    /// # Errors
    /// In words for the operator: weights that cannot be loaded, an address or key that cannot be sent.
    pub fn build(model: &Arc<Model>, proxy: Option<&Secret>, hooks: &PoolHooks) -> Result<Self, PoolError> {
        let upstreams = match &model.provider {
            Provider::Embedded(embedded) => {
                vec![(format!("{}-0", model.name), embed(model, embedded)?, None)]
            }
            Provider::Remote(remote) => remote::upstreams(model, remote, proxy)?,
        };
        let endpoints = upstreams
            .into_iter()
            .map(|(id, upstream, check)| {
                let endpoint = Endpoint {
                    id: id.into(),
                    model: Arc::clone(model),
                    upstream,
                    check,
                    breaker: Breaker::default(),
                    watched: AtomicBool::new(false),
                    load: Load::default(),
                    hooks: hooks.clone(),
                };
                hooks.observer.added(&endpoint);
                Arc::new(endpoint)
            })
            .collect();
        Ok(Self {
            model: Arc::clone(model),
            endpoints,
            retries: Allowance::new(RETRIES, Instant::now()),
            hedges: Allowance::new(HEDGES, Instant::now()),
            overran: AtomicBool::new(false),
            draws: AtomicU64::new(0),
            hasher: RandomState::new(),
        })
    }

    /// An endpoint for one request, the better of two drawn at random, and one that has not failed it already, if there is
    /// any; `None` while all are ejected.
    pub fn pick(&self, has_failed: impl Fn(&str) -> bool) -> Option<Visit> {
        let now = Instant::now();
        if let [only] = &self.endpoints[..] {
            return only.breaker.enter(now).then(|| Visit::enter(only, now));
        }
        let mut open: Vec<&Arc<Endpoint>> =
            self.endpoints.iter().filter(|endpoint| endpoint.breaker.admits(now)).collect();
        if open.iter().any(|endpoint| !has_failed(&endpoint.id)) {
            open.retain(|endpoint| !has_failed(&endpoint.id));
        }
        if open.len() > 1 {
            // A random pair comes to the front, its cheaper half first.
            let (draw, count) = (self.draw() as usize, open.len());
            open.rotate_left(draw % count);
            open.swap(1, 1 + (draw >> 16) % (count - 1));
            if open[1].load.cost(now) < open[0].load.cost(now) {
                open.swap(0, 1);
            }
        }
        // Between looking and entering another request may have taken a probe's only place.
        open.into_iter()
            .find(|endpoint| endpoint.breaker.enter(now))
            .map(|endpoint| Visit::enter(endpoint, now))
    }

    /// Has every endpoint asked by an upstream of a test's own.
    #[cfg(test)]
    pub fn replace_upstreams(&mut self, upstream: &Upstream) {
        for endpoint in &mut self.endpoints {
            let endpoint = Arc::get_mut(endpoint).expect("nobody else has it");
            (endpoint.upstream, endpoint.check) = (upstream.clone(), None);
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.endpoints.iter().map(|endpoint| endpoint.load.in_flight()).sum()
    }

    /// Takes note of a whole answer that was longer than its upstream was told.
    pub fn note_overrun(&self) {
        self.overran.store(true, Ordering::Relaxed);
    }

    /// Whether there was one.
    pub fn has_overrun(&self) -> bool {
        self.overran.load(Ordering::Relaxed)
    }

    /// Counts a request towards the retry budget.
    pub fn arrived(&self) {
        self.retries.deposit();
        self.hedges.deposit();
    }

    /// Whether any endpoint would take a request now.
    pub fn is_open(&self) -> bool {
        let now = Instant::now();
        self.endpoints.iter().any(|endpoint| endpoint.breaker.admits(now))
    }

    /// Whether the retry budget allows one more try on this model.
    pub fn may_retry(&self) -> bool {
        self.retries.withdraw(Instant::now())
    }

    /// Whether one more of this model's requests may be asked elsewhere as well.
    pub fn may_hedge(&self) -> bool {
        self.hedges.withdraw(Instant::now())
    }

    fn draw(&self) -> u64 {
        self.hasher.hash_one(self.draws.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(feature = "engine")]
fn embed(model: &Arc<Model>, embedded: &gateway_config::Embedded) -> Result<Upstream, PoolError> {
    super::embedded::upstream(model, embedded)
}

#[cfg(not(feature = "engine"))]
fn embed(model: &Arc<Model>, _: &gateway_config::Embedded) -> Result<Upstream, PoolError> {
    Err(PoolError::NoEngine(model.name.clone()))
}

/// One request at one endpoint: counted as in flight until it is dropped, its end reported to the breaker.
pub struct Visit {
    endpoint: Arc<Endpoint>,
    began: Instant,
    reported: bool,
}

impl Visit {
    fn enter(endpoint: &Arc<Endpoint>, began: Instant) -> Self {
        endpoint.load.enter();
        Self { endpoint: Arc::clone(endpoint), began, reported: false }
    }

    /// The endpoint's id.
    pub fn endpoint_id(&self) -> &Arc<str> {
        &self.endpoint.id
    }

    /// Asks the endpoint.
    ///
    /// # Errors
    /// The setback, not yet reported.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Setback> {
        self.endpoint.ask(ask).await
    }

    /// The first token, or the whole answer, is here.
    pub fn answered(&mut self) {
        self.reported = true;
        let now = Instant::now();
        self.endpoint.load.saw(now, now.duration_since(self.began));
        if self.endpoint.breaker.succeeded() == Change::Recovered {
            self.endpoint.hooks.observer.recovered(&self.endpoint);
        }
    }

    /// The attempt failed, before or after its first token.
    pub fn failed(&mut self, setback: &Setback) {
        self.reported = true;
        let now = Instant::now();
        if matches!(setback.what, Happened::RateLimited | Happened::TurnedAway) {
            let wait = setback.retry_after.unwrap_or(Duration::from_secs(1)).min(Duration::from_secs(300));
            self.endpoint.load.asked_to_wait(now, wait);
        }
        if !setback.blames_endpoint() {
            return self.endpoint.breaker.undecided();
        }
        let jitter = RandomState::new().hash_one(now.elapsed()) as f64 / u64::MAX as f64;
        let manner = if setback.is_answered() { Manner::Answered } else { Manner::Mute };
        if self.endpoint.breaker.failed(now, manner, jitter) == Change::Ejected {
            self.endpoint.hooks.observer.ejected(&self.endpoint, setback);
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

/// Asks an ejected endpoint in the background whether it answers, until it is in use again.
async fn watch(endpoint: Weak<Endpoint>) {
    // However it ends, the next ejection has a watch of its own.
    let _watched = Watched(Weak::clone(&endpoint));
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
                    if endpoint.breaker.wants_a_word(Instant::now())
                        && endpoint.hooks.probe.answers(Arc::clone(&endpoint)).await
                    {
                        endpoint.breaker.spoke(Instant::now());
                    }
                }
            }
        }
    }
}

/// While it lives, an endpoint is watched.
struct Watched(Weak<Endpoint>);

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(endpoint) = self.0.upgrade() {
            endpoint.watched.store(false, Ordering::Release);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.endpoint.load.leave();
        if !self.reported {
            self.endpoint.breaker.undecided();
        }
    }
}
