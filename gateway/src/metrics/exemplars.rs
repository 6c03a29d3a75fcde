//! For each bucket of a histogram the last traced request that fell into it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use prometheus::HistogramVec;
use prometheus::core::Collector;
use prometheus::proto::LabelPair;

use crate::trace_context::TraceContext;

/// A traced request in a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exemplar {
    pub(super) context: TraceContext,
    pub(super) value: f64,
    pub(super) at: SystemTime,
}

/// Of one series, bucket by bucket; the last is the one without a bound.
type Buckets = Vec<Option<Exemplar>>;
/// Of one metric, by the values of its labels in the order of the labels' names.
type BySeries = HashMap<Vec<String>, Buckets>;

/// All of them. They grow no further than the series that they belong to. Only traced requests and scrapes take the lock,
/// each for less than a microsecond a series.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<HashMap<String, BySeries>>);

impl Exemplars {
    /// Keeps a value that was observed with these labels, in the order of the metric's own.
    pub(super) fn keep(
        &self,
        histogram: &HistogramVec,
        labels: &[&str],
        bounds: &[f64],
        value: f64,
        context: TraceContext,
    ) {
        let descriptions = histogram.desc();
        let Some(description) = descriptions.first() else { return };
        let mut named: Vec<_> = description.variable_labels.iter().zip(labels).collect();
        named.sort_unstable();
        let series: Vec<String> = named.into_iter().map(|(_, value)| (*value).to_owned()).collect();
        let exemplar = Exemplar { context, value, at: SystemTime::now() };
        let bucket = bounds.partition_point(|bound| *bound < value);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let metric = match all.get_mut(&description.fq_name) {
            Some(metric) => metric,
            None => all.entry(description.fq_name.clone()).or_default(),
        };
        let buckets = metric.entry(series).or_insert_with(|| vec![None; bounds.len() + 1]);
        if let Some(place) = buckets.get_mut(bucket) {
            *place = Some(exemplar);
        }
    }

    /// Those of a series, bucket by bucket; none where nothing was traced. Its labels are sorted by their names.
    pub(super) fn of(&self, metric: &str, labels: &[LabelPair]) -> Buckets {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(series) = all.get(metric) else { return Buckets::new() };
        let values: Vec<String> = labels.iter().map(|label| label.value().to_owned()).collect();
        series.get(&values).cloned().unwrap_or_default()
    }
}
