//! What becomes of endpoints, for the operator: a gauge each, and a note when one is left alone or comes back.

use std::sync::Arc;

use gateway_config::LogFormat;

use crate::log::Log;
use crate::metrics::Metrics;
use crate::setback::Setback;
use crate::upstreams::{Endpoint, Observer};

/// Shows how endpoints do.
pub struct PoolObserver {
    /// The gauge's.
    pub metrics: Arc<Metrics>,
    /// Where notes go.
    pub log: Log,
    /// How they are written.
    pub format: LogFormat,
}

impl PoolObserver {
    fn show(&self, endpoint: &Endpoint, in_use: bool) {
        let labels = [endpoint.model.name.as_str(), &*endpoint.id];
        self.metrics.upstream_health.with_label_values(&labels).set(in_use.into());
    }

    fn note(&self, endpoint: &Endpoint, what: &str) {
        self.log.note(self.format, &format!("endpoint {} {what}", endpoint.id));
    }
}

impl Observer for PoolObserver {
    fn added(&self, endpoint: &Endpoint) {
        self.show(endpoint, true);
    }

    fn ejected(&self, endpoint: &Endpoint, setback: &Setback) {
        self.show(endpoint, false);
        let detail = setback.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        self.note(endpoint, &format!("is left alone, it fails again and again: {}{detail}", setback.word()));
    }

    fn recovered(&self, endpoint: &Endpoint) {
        self.show(endpoint, true);
        self.note(endpoint, "is in use again");
    }
}
