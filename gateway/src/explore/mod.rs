//! What another model would have answered: asked off the client's path, judged blind, and learned from.
//!
//! ```text
//! a request that was answered ─shadow→ another model's answer ─judge→ which is better ─fold→ corrected foresight
//! ```

mod judge;
mod question;
mod shadow;
mod spend_limiter;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use gateway_config::{GatewayConfig, LogFormat, Route};
use router_policies::certify::CertifiedBound;
use router_policies::outcomes::{Correction, PairOutcome, PairOutcomes};
use router_policies::{Currency, Probability};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::telemetry::Telemetry;
pub use shadow::ShadowRequest;
use spend_limiter::SpendLimiter;
use upstreams::EndpointPool;

/// Answers beside that are under way at the same time, on each route. What comes meanwhile is not explored: exploring
/// must not become a load of its own.
const AT_ONCE: usize = 4;

/// What a route explores, and what it has learned.
pub struct Explorer {
    route: Arc<Route>,
    pools: Arc<[Arc<EndpointPool>]>,
    telemetry: Telemetry,
    format: LogFormat,
    currency: Currency,
    judge: Option<usize>,
    spend_limiter: Arc<SpendLimiter>,
    places: Arc<Semaphore>,
    learned: Arc<ExplorationState>,
}

/// What a route has learned; it outlives a reload.
struct ExplorationState {
    outcomes: Mutex<PairOutcomes>,
    corrections: ArcSwap<Vec<Correction>>,
    /// Of what guards find.
    guard_corrections: ArcSwap<Vec<Correction>>,
    /// Whether outcomes break the certificate.
    broken: AtomicBool,
}

impl ExplorationState {
    fn new(rungs: usize) -> Self {
        Self {
            outcomes: Mutex::new(PairOutcomes::new(rungs)),
            corrections: ArcSwap::default(),
            guard_corrections: ArcSwap::default(),
            broken: AtomicBool::new(false),
        }
    }
}

impl Explorer {
    /// For a route whose policy explores. It goes on with what `before` has learned and spent.
    pub fn new(
        route: &Arc<Route>,
        pools: &Arc<[Arc<EndpointPool>]>,
        config: &GatewayConfig,
        telemetry: &Telemetry,
        before: Option<&Self>,
    ) -> Option<Self> {
        let explore = route.policy.explore()?;
        let judge = explore.judge.as_ref();
        let of_judge = |judge: &String| route.ladder.iter().position(|model| model.name == *judge);
        Some(Self {
            route: Arc::clone(route),
            pools: Arc::clone(pools),
            telemetry: telemetry.clone(),
            format: config.log,
            currency: config.currency,
            judge: judge.and_then(of_judge),
            spend_limiter: before.map_or_else(
                || Arc::new(SpendLimiter::new(explore.spend, &config.time_zone)),
                |before| Arc::clone(&before.spend_limiter),
            ),
            places: before
                .map_or_else(|| Arc::new(Semaphore::new(AT_ONCE)), |before| Arc::clone(&before.places)),
            learned: before.map_or_else(
                || Arc::new(ExplorationState::new(route.ladder.len())),
                |before| Arc::clone(&before.learned),
            ),
        })
    }

    /// Corrects what was foreseen for each rung by what came of it lately.
    pub fn correct(&self, rungs: &mut [Probability]) {
        for (chance, correction) in rungs.iter_mut().zip(self.learned.corrections.load().iter()) {
            *chance = correction.apply(*chance);
        }
    }

    /// What is to be corrected of the chances that a guard gives the answers of a rung.
    pub fn guard_correction(&self, rung: usize) -> Correction {
        self.learned.guard_corrections.load().get(rung).copied().unwrap_or_default()
    }

    /// Asks, judges and learns in the background; does nothing where too much is under way or too much was spent.
    pub fn follow(self: &Arc<Self>, shadow: ShadowRequest, answer: String) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let explorer = Arc::clone(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with its attempts, which have limits; a few run at a time"
        )]
        runtime.spawn(async move {
            if let Some(outcome) = shadow.run(&explorer, &answer).await {
                explorer.learn(&outcome);
            }
            drop(place);
        });
    }

    fn learn(&self, outcome: &PairOutcome) {
        let mut outcomes = self.outcomes();
        outcomes.add(outcome);
        self.learned.corrections.store(Arc::new(outcomes.corrections()));
        self.learned.guard_corrections.store(Arc::new(outcomes.guard_corrections()));
        self.show(outcome, &outcomes);
    }

    /// Metrics, and a word to the operator when a certificate no longer holds.
    fn show(&self, outcome: &PairOutcome, outcomes: &PairOutcomes) {
        let (metrics, route) = (&self.telemetry.metrics, self.route.name.as_str());
        metrics.shadow_outcomes.with_label_values(&[route, outcome.preferred.word()]).inc();
        for (at, model) in self.route.ladder.iter().enumerate() {
            if let Some(drift) = outcomes.drift(at) {
                metrics.foresight_drift.with_label_values(&[route, &model.name]).set(drift);
            }
        }
        let Some(holds) = self.promise().and_then(|promise| outcomes.bears_out(promise)) else { return };
        metrics.certificate_holds.with_label_values(&[route]).set(i64::from(holds));
        let broken_before = self.learned.broken.swap(!holds, Ordering::Relaxed);
        if !holds && !broken_before {
            self.telemetry.log.in_scope(|| {
                warn!(
                    target: "xietong::explore",
                    route,
                    "route {route}: answers of late break the certificate of its calibration; calibrate anew, or lower \
                     the threshold"
                );
            });
        }
    }

    fn promise(&self) -> Option<CertifiedBound> {
        self.route.calibration.as_ref()?.scorer.promise
    }

    fn outcomes(&self) -> MutexGuard<'_, PairOutcomes> {
        self.learned.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
