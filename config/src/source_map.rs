//! Where things stand in the file, and by which names.

use std::collections::HashMap;

use crate::problems::is_within;

/// Where things stand in the file.
#[derive(Debug, Default)]
pub(crate) struct SourceMap {
    pub(crate) lines: HashMap<String, usize>,
    /// Paths of secrets that stand in the file itself rather than in the environment.
    pub(crate) literal_secrets: Vec<String>,
    /// Keys and kinds that stand by an older name.
    pub(crate) older_names: Vec<OlderName>,
    /// Paths of mappings that did not fit; empty ones stand in their place.
    pub(crate) lost: Vec<String>,
    /// Paths by the name that serde knows, and by the better name that was written; outer ones first.
    pub(crate) better_paths: Vec<(String, String)>,
}

/// A key or kind that stands by an older name.
#[derive(Debug)]
pub(crate) struct OlderName {
    /// Where it stands.
    pub(crate) path: String,
    /// Its better name.
    pub(crate) better: String,
}

impl SourceMap {
    /// Whether what should stand at this path was lost with a mapping that did not fit.
    pub(crate) fn is_lost(&self, path: &str) -> bool {
        self.lost.iter().any(|lost| is_within(path, lost))
    }

    /// A path by the keys that were written, from one by the keys that serde knows.
    pub(crate) fn as_written(&self, path: &str) -> String {
        let mut written = path.to_owned();
        for (known, better) in &self.better_paths {
            if is_within(&written, known) {
                written = format!("{better}{}", &written[known.len()..]);
            }
        }
        written
    }

    /// The line of what stands at a path or, if it is not in the file, of what it would stand in.
    pub(crate) fn line(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
