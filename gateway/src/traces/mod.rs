//! Traces: which requests are traced, and what their spans say, in OpenTelemetry's words and protocol.
//!
//! Spans are made from the finished record when an account closes, by a task of their own: the path of a request pays
//! for the choice whether it is traced and, where it is, for the `traceparent` of each attempt. No span holds a word of a
//! prompt or an answer, and nothing ever waits for a collector: what it does not take is dropped and counted.

mod batch;
mod export;
mod otlp;
mod spans;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use gateway_config::OtlpConfig;
use http::HeaderMap;
use prometheus::IntCounter;
use router_policies::Currency;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::instrument::WithSubscriber;

use crate::metrics::words::SpanLoss;
use crate::record::RequestRecord;
use crate::telemetry::Telemetry;
use crate::trace_context::TraceContext;
pub use export::ExporterError;
use export::{ExportMessage, OtlpExporter};
use upstreams::header_names;

/// Requests that may wait to be told of, as with OpenTelemetry's own batches of spans.
const WAITING: usize = 2048;
/// How long the end of the process waits for what was collected.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Random bits of a trace's id, the lowest (W3C Trace Context, level 2), that say whether a share has it.
const RANDOM_BITS: u32 = 56;

/// Chooses which requests are traced, and takes what is to be told of them. Its task ends with it.
pub struct RequestTracer {
    queue: mpsc::Sender<ExportMessage>,
    /// Spans that the queue had no place for.
    dropped: IntCounter,
    /// The least of a trace's random bits with which it is traced.
    least: u64,
    ids: SpanIds,
}

impl RequestTracer {
    /// Starts to collect.
    ///
    /// # Errors
    /// See [`ExporterError`].
    pub fn start(otlp: &OtlpConfig, telemetry: &Telemetry) -> Result<Arc<Self>, ExporterError> {
        let exporter = OtlpExporter::new(otlp, telemetry)?;
        let (queue, waiting) = mpsc::channel(WAITING);
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the queue, and what it cannot send is counted"
        )]
        tokio::spawn(exporter.run(waiting).with_subscriber(telemetry.log.notes().clone()));
        let dropped = telemetry.metrics.spans_dropped.with_label_values(&[SpanLoss::Full.word()]);
        Ok(Arc::new(Self { queue, dropped, least: least(otlp.share), ids: SpanIds::default() }))
    }

    /// The place of a request with these headers among traces; `None`: it is not traced. A caller's trace decides for
    /// itself.
    pub fn follow(self: &Arc<Self>, headers: &HeaderMap) -> Option<Box<TraceGuard>> {
        let caller = TraceContext::of(headers);
        let context = match caller {
            Some(caller) if !caller.is_sampled() => return None,
            Some(caller) => TraceContext { span: self.ids.span(), ..caller },
            None => {
                let trace = self.ids.trace();
                if random(trace) < self.least {
                    return None;
                }
                TraceContext::begin(trace, self.ids.span())
            }
        };
        Some(Box::new(TraceGuard {
            tracer: Arc::clone(self),
            context,
            parent: caller.map(|caller| caller.span),
        }))
    }

    /// Waits, for a bounded time, until what was collected has gone out.
    pub async fn flush(&self) {
        let (done, gone) = oneshot::channel();
        let flushed = async {
            if self.queue.send(ExportMessage::Flush(done)).await.is_ok() {
                let _ = gone.await;
            }
        };
        let _ = timeout(LAST_WORDS, flushed).await;
    }
}

/// The least random bits of the trace's ids that make up this share.
fn least(share: f64) -> u64 {
    ((1.0 - share) * (1u64 << RANDOM_BITS) as f64) as u64
}

fn random(trace: u128) -> u64 {
    (trace as u64) & ((1 << RANDOM_BITS) - 1)
}

/// The place of a traced request in its trace.
pub struct TraceGuard {
    tracer: Arc<RequestTracer>,
    context: TraceContext,
    parent: Option<u64>,
}

impl TraceGuard {
    /// The trace, and the request's span in it.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// The trace context that an attempt sends along in place of what came.
    pub fn onward(&self, mut came: HeaderMap, attempt: usize) -> HeaderMap {
        let context = TraceContext { span: self.context.attempt(attempt), ..self.context };
        came.insert(header_names::TRACEPARENT, context.header());
        if self.parent.is_none() {
            // It belongs to a trace that is none.
            came.remove(header_names::TRACESTATE);
        }
        came
    }

    /// The request is over. What is kept of its record must not hold its content.
    pub fn close(self, record: RequestRecord, currency: Currency) {
        let Self { tracer, context, parent } = self;
        let spans = 1 + record.attempts.len() as u64;
        let ended = FinishedTrace { record, context, parent, currency, at: SystemTime::now() };
        if tracer.queue.try_send(ExportMessage::Ended(Box::new(ended))).is_err() {
            tracer.dropped.inc_by(spans);
        }
    }
}

/// A traced request that is over.
struct FinishedTrace {
    record: RequestRecord,
    context: TraceContext,
    parent: Option<u64>,
    currency: Currency,
    at: SystemTime,
}

/// Makes ids that are random enough to be unique.
#[derive(Default)]
struct SpanIds {
    hasher: RandomState,
    count: AtomicU64,
}

impl SpanIds {
    fn trace(&self) -> u128 {
        (u128::from(self.span()) << 64) | u128::from(self.span())
    }

    /// Never 0, which stands for none.
    fn span(&self) -> u64 {
        self.hasher.hash_one(self.count.fetch_add(1, Ordering::Relaxed)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_traces_is_chosen_by_their_ids_alone() {
        let ids = SpanIds::default();
        let traces: Vec<u128> = (0..20_000).map(|_| ids.trace()).collect();
        let check = |share: f64| {
            let least = least(share);
            let kept = traces.iter().filter(|trace| random(**trace) >= least).count();
            let found = kept as f64 / traces.len() as f64;
            assert!((found - share).abs() < 0.02, "{share}: {found}");
        };
        [0.0, 0.01, 0.25, 0.5, 0.99, 1.0].into_iter().for_each(check);
        assert_eq!((least(1.0), least(0.0)), (0, 1 << RANDOM_BITS));
        // The upper bits have no say.
        assert_eq!(random(u128::MAX), (1 << RANDOM_BITS) - 1);
        assert_eq!(random(0xff << 56), 0);
    }

    #[test]
    fn ids_differ() {
        let ids = SpanIds::default();
        let spans: std::collections::HashSet<u64> = (0..10_000).map(|_| ids.span()).collect();
        assert_eq!(spans.len(), 10_000);
    }
}
