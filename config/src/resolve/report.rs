//! What is found while resolving: problems and warnings, each with its place.

use crate::problems::Problems;
use crate::source_map::SourceMap;

/// Gathers what is wrong and what deserves attention.
#[derive(Debug, Default)]
pub(crate) struct ResolveReport {
    pub(crate) problems: Problems,
    pub(crate) places: SourceMap,
    warnings: Vec<String>,
}

impl ResolveReport {
    pub(crate) fn new(problems: Problems, places: SourceMap) -> Self {
        Self { problems, places, warnings: Vec::new() }
    }

    pub(crate) fn fault(&mut self, path: &str, message: impl Into<String>) {
        let path = self.places.as_written(path);
        self.problems.add(&path, self.places.line(&path), message);
    }

    /// An environment variable that is not set.
    pub(crate) fn unset(&mut self, path: &str, message: impl Into<String>) {
        let path = self.places.as_written(path);
        self.problems.add_unset(&path, self.places.line(&path), message);
    }

    pub(crate) fn warn(&mut self, path: &str, message: &str) {
        self.warnings.push(match path {
            "" => message.to_owned(),
            path => format!("{}: {message}", self.places.as_written(path)),
        });
    }

    /// Whether something at or below this path was already reported, so that what follows from it is not.
    pub(crate) fn is_invalid(&self, path: &str) -> bool {
        let path = self.places.as_written(path);
        self.problems.touch(&path) || self.places.is_lost(&path)
    }

    pub(crate) fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
