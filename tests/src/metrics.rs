//! Reads what `/metrics` says.

use std::collections::BTreeMap;

use gateway::reference::METRICS;

use crate::reference::tables;

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// The text as it came.
    pub text: String,
    /// Every series with its value.
    pub series: Vec<Series>,
    /// Metric → its HELP.
    pub help: BTreeMap<String, String>,
    /// Metric → its TYPE.
    pub kind: BTreeMap<String, String>,
}

/// One line of a scrape.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The name, with `_bucket`, `_sum` or `_count` for histograms.
    pub name: String,
    /// Label → value.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Metrics {
    /// Reads Prometheus' text format.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self { text: text.to_owned(), ..Self::default() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
                metrics.help.insert(name.to_owned(), help.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
                metrics.kind.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                metrics.series.push(Series::parse(line));
            }
        }
        metrics
    }

    /// Fails where something is exposed that the gateway's reference does not describe.
    pub fn hold_to_reference(&self) {
        let found = undescribed(self);
        assert!(
            found.is_empty(),
            "exposed, and in no table of gateway::reference: {found:?}. Words of labels come from a `vocabulary!`; add the word \
             to the one that `metrics/labels.rs` names for the label, and run `make reference`"
        );
    }

    /// The sum over all series of that name that have these labels; 0 when there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matching = self.series.iter().filter(|series| series.name == name && series.has(labels));
        matching.map(|series| series.value).sum()
    }

    /// Whether there is a series of that name with these labels.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.series.iter().any(|series| series.name == name && series.has(labels))
    }
}

/// What is exposed and stands in no table of the gateway's reference: names, labels, and words that a label cannot say.
fn undescribed(metrics: &Metrics) -> Vec<String> {
    let mut found = Vec::new();
    for series in &metrics.series {
        let of = |name: &str| METRICS.iter().find(|metric| metric.name == name);
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| of(series.name.strip_suffix(end)?));
        let Some(metric) = of(&series.name).or(base.filter(|metric| metric.kind == "histogram")) else {
            found.push(series.name.clone());
            continue;
        };
        let labels = series.labels.iter().filter(|(label, _)| *label != "le" || metric.kind != "histogram");
        let described = |label: &str, value: &str| {
            metric.labels.contains(&label) && {
                let values = tables::values(metric.name, label);
                values.contains(value) || values.contains("*")
            }
        };
        let odd = labels.filter(|(label, value)| !described(label, value));
        found.extend(odd.map(|(label, value)| format!("{}{{{label}={value:?}}}", series.name)));
    }
    found
}

impl Series {
    fn parse(line: &str) -> Self {
        let (head, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line:?}"));
        let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("open labels: {line:?}"));
        let value = match value {
            "+Inf" => f64::INFINITY,
            other => other.parse().unwrap_or_else(|why| panic!("{why}: {line:?}")),
        };
        Self { name: name.to_owned(), labels: Self::labels(labels), value }
    }

    /// `a="x",b="y"`; quotes and backslashes in values are escaped by backslashes.
    fn labels(text: &str) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        let mut rest = text;
        while let Some((name, after)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut characters = after.char_indices();
            let mut end = after.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '"' => {
                        end = at + 1;
                        break;
                    }
                    '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                    other => value.push(other),
                }
            }
            labels.insert(name.trim_start_matches(',').to_owned(), value);
            rest = &after[end..];
        }
        labels
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(*name).is_some_and(|found| found == value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_scrape() {
        let metrics = Metrics::parse(
            "# HELP a_total What it is.\n# TYPE a_total counter\na_total{x=\"1\",y=\"q\\\"}\"} 2\na_total{x=\"2\"} 3.5\nb 7\n",
        );
        assert_eq!(metrics.sum("a_total", &[]), 5.5);
        assert_eq!(metrics.sum("a_total", &[("x", "1"), ("y", "q\"}")]), 2.0);
        assert_eq!(metrics.sum("b", &[]), 7.0);
        assert_eq!(metrics.help["a_total"], "What it is.");
        assert!(!metrics.has("a_total", &[("x", "3")]));
    }
}
