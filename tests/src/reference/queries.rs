//! What rules and panels ask Prometheus for.

use std::path::{Path, PathBuf};

use gateway::reference::METRICS;

/// A label that a query asks words of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// The file.
    pub place: String,
    /// The metric.
    pub metric: String,
    /// The label.
    pub label: String,
    /// The words that are asked for, or left out.
    pub words: Vec<String>,
}

/// Every label of ours that the files below `deploy` ask words of. Variables of panels and patterns are left out.
pub fn matchers() -> Vec<Matcher> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy");
    let mut matchers = Vec::new();
    let mut folders = vec![deploy];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("yaml" | "json") => matchers.extend(of_file(&path)),
                _ => {}
            }
        }
    }
    matchers
}

fn of_file(path: &PathBuf) -> Vec<Matcher> {
    // JSON and quoted YAML escape the quotes of a query.
    let text = std::fs::read_to_string(path).expect("text").replace("\\\"", "\"");
    let mut matchers = Vec::new();
    for metric in METRICS {
        for (at, _) in text.match_indices(metric.name) {
            let rest = &text[at + metric.name.len()..];
            let rest =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| rest.strip_prefix(end)).unwrap_or(rest);
            let Some((selector, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                continue;
            };
            for label in metric.labels {
                matchers.extend(words(selector, label).map(|words| Matcher {
                    place: path.display().to_string(),
                    metric: metric.name.to_owned(),
                    label: (*label).to_owned(),
                    words,
                }));
            }
        }
    }
    matchers
}

/// The words that a selector asks of a label.
fn words(selector: &str, label: &str) -> Option<Vec<String>> {
    let (before, after) = selector.split_once(label)?;
    let operator =
        ["=~\"", "!~\"", "!=\"", "=\""].into_iter().find_map(|operator| after.strip_prefix(operator));
    let whole = before.is_empty() || before.ends_with([',', ' ']);
    let (value, _) = operator.filter(|_| whole)?.split_once('"')?;
    let plain = |word: &str| word.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
    let words: Vec<String> = value.split('|').map(str::to_owned).collect();
    words.iter().all(|word| plain(word) && !word.is_empty()).then_some(words)
}
