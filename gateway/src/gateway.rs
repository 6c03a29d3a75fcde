//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use gateway_config::GatewayConfig;
use http::HeaderMap;
use router_policies::weight_controller::TargetStatus;
use tokio::time::Instant;

use crate::account::RequestAccount;
use crate::metrics::words::{TargetValue, WeightKind};
use crate::record::RecordedCall;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::telemetry::Telemetry;
use upstreams::request_id::RequestId;

/// The running gateway.
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    /// Metrics and log.
    pub telemetry: Telemetry,
    /// When it started, in seconds since 1970.
    pub started: u64,
    stopping: AtomicBool,
}

impl Gateway {
    /// Makes a configuration ready; loads weights.
    ///
    /// # Errors
    /// All that cannot be made ready.
    pub fn new(config: GatewayConfig, telemetry: Telemetry) -> Result<Self, SnapshotError> {
        let snapshot = Snapshot::build(config, &telemetry, None)?;
        telemetry.metrics.config_generation.set(1);
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            telemetry,
            started,
            stopping: AtomicBool::new(false),
        })
    }

    /// With upstreams of a test's own, by the model's name, in place of those of the configuration.
    #[cfg(test)]
    pub fn with_upstreams(
        config: GatewayConfig,
        telemetry: Telemetry,
        upstreams: &std::collections::HashMap<String, crate::snapshot::TestUpstream>,
    ) -> Self {
        let pools = Snapshot::of_upstreams(config.clone(), &telemetry, upstreams);
        let snapshot = Snapshot::build(config, &telemetry, Some(&pools)).expect("a configuration that works");
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            telemetry,
            started: 0,
            stopping: AtomicBool::new(false),
        }
    }

    /// The configuration in use now. A request keeps the one that it began with.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts another configuration to use for requests from now on; those under way keep theirs.
    ///
    /// # Errors
    /// As for [`Gateway::new`]; then nothing has changed.
    pub fn replace(&self, config: GatewayConfig) -> Result<(), SnapshotError> {
        let next = Snapshot::build(config, &self.telemetry, Some(&self.snapshot()))?;
        self.telemetry.log.set_note_format(next.config.log);
        self.snapshot.store(Arc::new(next));
        self.telemetry.metrics.config_generation.inc();
        Ok(())
    }

    /// Opens the account of a request with these headers.
    pub fn account(
        &self,
        snapshot: &Snapshot,
        id: RequestId,
        call: RecordedCall,
        arrived: Instant,
        headers: &HeaderMap,
    ) -> Box<RequestAccount> {
        let (format, currency) = (snapshot.config.log, snapshot.config.currency);
        let mut account = RequestAccount::open(&self.telemetry, format, currency, id, call, arrived);
        account.traced(snapshot.tracer.as_ref().and_then(|tracer| tracer.follow(headers)));
        account
    }

    /// Every metric in Prometheus' text format.
    pub fn metrics_text(&self) -> String {
        self.refresh();
        self.telemetry.metrics.text()
    }

    /// Every metric in the format of OpenMetrics, with exemplars.
    pub fn openmetrics_text(&self) -> String {
        self.refresh();
        self.telemetry.metrics.openmetrics()
    }

    /// Waits, for a bounded time, until what was traced has gone out.
    pub async fn flush_traces(&self) {
        if let Some(tracer) = &self.snapshot().tracer {
            tracer.flush().await;
        }
    }

    /// Brings metrics up to date that are not counted but looked at.
    fn refresh(&self) {
        let (metrics, ledger) = (&self.telemetry.metrics, &self.telemetry.ledger);
        let currency = self.snapshot.load().config.currency;
        for (client, remaining) in ledger.remaining() {
            metrics
                .budget_remaining
                .with_label_values(&[client.as_str(), currency.code()])
                .set(remaining.units());
        }
        for routed in self.snapshot.load().routes() {
            let Some(weights) = routed.weights() else { continue };
            let each = [
                (WeightKind::Quality, weights.quality),
                (WeightKind::Cost, weights.cost),
                (WeightKind::Latency, weights.latency),
            ];
            for (target, weight) in each {
                metrics.policy_weight.with_label_values(&[&*routed.route.name, target.word()]).set(weight);
            }
            for TargetStatus { target, set, realised } in routed.kept() {
                let gauge = |what: TargetValue| {
                    metrics.policy_target.with_label_values(&[
                        &*routed.route.name,
                        target.word(),
                        what.word(),
                    ])
                };
                gauge(TargetValue::Set).set(set);
                if let Some(realised) = realised {
                    gauge(TargetValue::Realised).set(realised);
                }
            }
        }
        metrics.ledger_up.set(i64::from(ledger.is_up()));
    }

    /// From now on the gateway is not ready, and finishes what is under way.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether it is stopping.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
