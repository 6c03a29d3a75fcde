//! Metrics as OpenMetrics writes them (github.com/prometheus/OpenMetrics, version 1.0.0, "Text Format"). Unlike
//! Prometheus' own text it has a place for exemplars.

use std::fmt::Write as _;
use std::time::SystemTime;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::exemplars::{Exemplar, Exemplars};

/// What every counter's samples end in, and its family's name does not.
const TOTAL: &str = "_total";

/// All metrics. Of kinds that the gateway does not have nothing is said.
pub(super) fn text(families: &[MetricFamily], exemplars: &Exemplars) -> String {
    let mut page = MetricsPage { text: String::new(), exemplars };
    families.iter().for_each(|family| page.family(family));
    page.text.push_str("# EOF\n");
    page.text
}

struct MetricsPage<'a> {
    text: String,
    exemplars: &'a Exemplars,
}

// Writing to a String cannot fail.
impl MetricsPage<'_> {
    fn family(&mut self, family: &MetricFamily) {
        let (kind, name) = match family.get_field_type() {
            MetricType::COUNTER => ("counter", family.name().strip_suffix(TOTAL).unwrap_or(family.name())),
            MetricType::GAUGE => ("gauge", family.name()),
            MetricType::HISTOGRAM => ("histogram", family.name()),
            MetricType::SUMMARY | MetricType::UNTYPED => return,
        };
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        let _ = write!(self.text, "# HELP {name} ");
        self.escaped(family.help());
        self.text.push('\n');
        for metric in family.get_metric() {
            match kind {
                "counter" => self.sample(name, TOTAL, metric, None, metric.get_counter().get_value(), None),
                "gauge" => self.sample(name, "", metric, None, metric.get_gauge().get_value(), None),
                _ => self.histogram(name, metric),
            }
        }
    }

    fn histogram(&mut self, name: &str, metric: &Metric) {
        let histogram = metric.get_histogram();
        let exemplars = self.exemplars.of(name, metric.get_label());
        let exemplar = |at: usize| exemplars.get(at).copied().flatten();
        let buckets = histogram.get_bucket();
        for (at, bucket) in buckets.iter().enumerate() {
            let count = bucket.cumulative_count() as f64;
            self.sample(name, "_bucket", metric, Some(bucket.upper_bound()), count, exemplar(at));
        }
        let count = histogram.get_sample_count() as f64;
        self.sample(name, "_bucket", metric, Some(f64::INFINITY), count, exemplar(buckets.len()));
        self.sample(name, "_count", metric, None, count, None);
        self.sample(name, "_sum", metric, None, histogram.get_sample_sum(), None);
    }

    fn sample(
        &mut self,
        name: &str,
        suffix: &str,
        metric: &Metric,
        bound: Option<f64>,
        value: f64,
        exemplar: Option<Exemplar>,
    ) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        self.labels(metric.get_label(), bound);
        self.text.push(' ');
        self.number(value);
        if let Some(Exemplar { context, value, at }) = exemplar {
            let (trace, span) = (context.trace, context.span);
            let _ = write!(self.text, " # {{trace_id=\"{trace:032x}\",span_id=\"{span:016x}\"}} ");
            self.number(value);
            let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let _ = write!(self.text, " {}.{:03}", at.as_secs(), at.subsec_millis());
        }
        self.text.push('\n');
    }

    fn labels(&mut self, labels: &[LabelPair], bound: Option<f64>) {
        if labels.is_empty() && bound.is_none() {
            return;
        }
        let mut before = '{';
        for label in labels {
            let _ = write!(self.text, "{before}{}=\"", label.name());
            self.escaped(label.value());
            self.text.push('"');
            before = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(self.text, "{before}le=\"");
            self.bound(bound);
            self.text.push('"');
        }
        self.text.push('}');
    }

    fn escaped(&mut self, text: &str) {
        for sign in text.chars() {
            match sign {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                sign => self.text.push(sign),
            }
        }
    }

    fn number(&mut self, value: f64) {
        let _ = match value {
            f64::INFINITY => self.text.write_str("+Inf"),
            f64::NEG_INFINITY => self.text.write_str("-Inf"),
            value => write!(self.text, "{value}"),
        };
    }

    /// Bounds have one form each, so that all who write them write the same: `1.0`, `0.25`, `2.5e-05`.
    fn bound(&mut self, bound: f64) {
        let small = bound != 0.0 && bound.abs() < 1e-4;
        let written = format!("{bound:e}");
        match written.split_once("e-") {
            Some((digits, exponent)) if small => drop(write!(self.text, "{digits}e-{exponent:0>2}")),
            _ if bound.is_finite() && bound.fract() == 0.0 => drop(write!(self.text, "{bound:.1}")),
            _ => self.number(bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{CounterVec, Histogram, HistogramOpts, HistogramVec, IntGauge, Opts, Registry};

    use super::*;
    use crate::trace_context::TraceContext;

    fn context() -> TraceContext {
        let mut headers = http::HeaderMap::new();
        let caller = "00-0af7651916cd43dd8448eb211c80319c-00ad6b7169203331-01";
        headers.insert("traceparent", http::HeaderValue::from_static(caller));
        TraceContext::of(&headers).unwrap()
    }

    #[test]
    fn every_kind_is_written_as_the_format_has_it() {
        let registry = Registry::new();
        let counter = CounterVec::new(Opts::new("a_total", "Of \"a\" kind."), &["x"]).unwrap();
        counter.with_label_values(&["q\"\\\n"]).inc_by(2.5);
        let gauge = IntGauge::new("b", "A gauge.").unwrap();
        gauge.set(-3);
        let bounds = HistogramOpts::new("c_seconds", "A histogram.").buckets(vec![0.00002, 0.5, 1.0, 10.0]);
        let histogram = Histogram::with_opts(bounds).unwrap();
        histogram.observe(0.75);
        registry.register(Box::new(counter)).unwrap();
        registry.register(Box::new(gauge)).unwrap();
        registry.register(Box::new(histogram)).unwrap();
        let expected = r#"# TYPE a counter
# HELP a Of \"a\" kind.
a_total{x="q\"\\\n"} 2.5
# TYPE b gauge
# HELP b A gauge.
b -3
# TYPE c_seconds histogram
# HELP c_seconds A histogram.
c_seconds_bucket{le="2e-05"} 0
c_seconds_bucket{le="0.5"} 0
c_seconds_bucket{le="1.0"} 1
c_seconds_bucket{le="10.0"} 1
c_seconds_bucket{le="+Inf"} 1
c_seconds_count 1
c_seconds_sum 0.75
# EOF
"#;
        assert_eq!(text(&registry.gather(), &Exemplars::default()), expected);
    }

    #[test]
    fn exemplars_stand_in_the_bucket_that_they_fell_into() {
        let bounds = [0.1, 1.0];
        // Labels that are not sorted, as those of the metrics are.
        let options = HistogramOpts::new("t_seconds", "Times.").buckets(bounds.to_vec());
        let histogram = HistogramVec::new(options, &["z", "a"]).unwrap();
        let exemplars = Exemplars::default();
        for (labels, value) in [(["1", "2"], 0.1), (["1", "2"], 0.5), (["1", "2"], 0.25), (["2", "1"], 7.0)] {
            histogram.with_label_values(&labels).observe(value);
            exemplars.keep(&histogram, &labels, &bounds, value, context());
        }
        let registry = Registry::new();
        registry.register(Box::new(histogram)).unwrap();
        let text = text(&registry.gather(), &exemplars);
        let kept: Vec<_> = text
            .lines()
            .filter_map(|line| {
                let (sample, exemplar) = line.split_once(" # ")?;
                let value = exemplar.split(' ').nth(1).unwrap();
                assert!(exemplar.starts_with(
                    "{trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"00ad6b7169203331\"} "
                ));
                Some((sample.rsplit_once(' ').unwrap().0, value))
            })
            .collect();
        // The last of each bucket.
        assert_eq!(
            kept,
            [
                (r#"t_seconds_bucket{a="1",z="2",le="+Inf"}"#, "7"),
                (r#"t_seconds_bucket{a="2",z="1",le="0.1"}"#, "0.1"),
                (r#"t_seconds_bucket{a="2",z="1",le="1.0"}"#, "0.25"),
            ]
        );
    }
}
