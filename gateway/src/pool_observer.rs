//! What becomes of endpoints, for the operator: a gauge each, and a note when one is left alone or comes back.

use std::sync::Arc;

use tracing::{info, warn};

use crate::log::Log;
use crate::metrics::Metrics;
use upstreams::attempt_error::AttemptError;
use upstreams::{Endpoint, Observer, ServedMedium};

/// Shows how endpoints do.
pub struct PoolObserver {
    /// The gauge's.
    pub metrics: Arc<Metrics>,
    /// Where notes go.
    pub log: Log,
}

impl PoolObserver {
    fn show(&self, endpoint: &Endpoint, in_use: bool) {
        let labels = [endpoint.model.name.as_str(), &*endpoint.id];
        self.metrics.upstream_health.with_label_values(&labels).set(in_use.into());
    }
}

impl Observer for PoolObserver {
    fn added(&self, endpoint: &Endpoint) {
        self.show(endpoint, true);
    }

    fn ejected(&self, endpoint: &Endpoint, error: &AttemptError) {
        self.show(endpoint, false);
        let detail = error.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        let cause = error.cause.as_ref();
        let cause =
            cause.map(|cause| format!(" ({}: {})", cause.phase.word(), cause.words)).unwrap_or_default();
        let (id, model, result) = (&*endpoint.id, &endpoint.model.name, error.word());
        self.log.in_scope(|| {
            warn!(
                target: "xietong::upstreams",
                endpoint = id,
                model,
                result,
                "endpoint {id} is left alone, it fails again and again: {result}{detail}{cause}"
            );
        });
    }

    fn recovered(&self, endpoint: &Endpoint) {
        self.show(endpoint, true);
        let (id, model) = (&*endpoint.id, &endpoint.model.name);
        self.log.in_scope(|| {
            info!(target: "xietong::upstreams", endpoint = id, model, "endpoint {id} is in use again");
        });
    }

    fn learned(&self, endpoint: &Endpoint) {
        let limits = endpoint.limits();
        let lacks = |medium, words| limits.lacks(medium).then_some(words);
        let context = limits.context().map(|context| format!("{context} tokens of context"));
        let lacking = [lacks(ServedMedium::Image, "no images"), lacks(ServedMedium::Audio, "no audio")];
        let parts: Vec<String> =
            context.into_iter().chain(lacking.into_iter().flatten().map(str::to_owned)).collect();
        let (id, model, parts) = (&*endpoint.id, &endpoint.model.name, parts.join(", "));
        if parts.is_empty() {
            return;
        }
        self.log.in_scope(|| {
            info!(
                target: "xietong::upstreams",
                endpoint = id,
                model,
                "endpoint {id} has told what model {model} takes: {parts}"
            );
        });
    }
}
