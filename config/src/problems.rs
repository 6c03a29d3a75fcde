//! Everything that is wrong with a configuration, each fault with its place.

use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where in the file, such as `models[1].price.input`; empty for the file as a whole.
    pub path: String,
    /// The line in the file, from 1, when known.
    pub line: Option<usize>,
    /// What is wrong and, where that is clear, what would be right. Never holds a secret.
    pub message: String,
    /// An environment variable is not set, or is empty.
    pub(crate) is_unset: bool,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

/// All faults of a configuration, in the order of the file; never empty as an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<ConfigProblem>);

impl Problems {
    /// One fault of the file as a whole.
    pub fn one(message: impl Into<String>) -> Self {
        Self::at(None, message)
    }

    /// The faults.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigProblem> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One fault of the file as a whole, found on this line.
    pub(crate) fn at(line: Option<usize>, message: impl Into<String>) -> Self {
        Self(vec![ConfigProblem { path: String::new(), line, message: message.into(), is_unset: false }])
    }

    pub(crate) fn add(&mut self, path: &str, line: Option<usize>, message: impl Into<String>) {
        let (path, message) = (path.to_owned(), message.into());
        self.0.push(ConfigProblem { path, line, message, is_unset: false });
    }

    /// The same, of an environment variable that is not set.
    pub(crate) fn add_unset(&mut self, path: &str, line: Option<usize>, message: impl Into<String>) {
        let (path, message) = (path.to_owned(), message.into());
        self.0.push(ConfigProblem { path, line, message, is_unset: true });
    }

    /// Forgets variables that are not set where `is_spared` says so of the path.
    pub(crate) fn forget_unset(&mut self, is_spared: impl Fn(&str) -> bool) {
        self.0.retain(|problem| !problem.is_unset || !is_spared(&problem.path));
    }

    /// Whether something is wrong at this path or below it.
    pub(crate) fn touch(&self, path: &str) -> bool {
        self.0.iter().any(|problem| is_within(&problem.path, path))
    }

    /// Sorts by line and puts `rewrite`'s text in place of each message.
    pub(crate) fn finish(mut self, rewrite: impl Fn(&str) -> String) -> Self {
        self.0.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        for problem in &mut self.0 {
            problem.message = rewrite(&problem.message);
        }
        self
    }
}

/// One fault a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Whether `path` is `outer` or lies below it; everything lies below the empty path.
pub(crate) fn is_within(path: &str, outer: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || outer.is_empty() || rest.starts_with(['.', '[']);
    path.strip_prefix(outer).is_some_and(below)
}

/// The path of a key in the mapping at `path`.
pub(crate) fn key_path(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    match (plain, path.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{:?}]", brief(key)),
    }
}

/// The path of an item of the list at `path`; items count from 0.
pub(crate) fn item_path(path: &str, item: usize) -> String {
    format!("{path}[{item}]")
}

/// A text for a message: one line, escaped, at most 48 characters.
pub(crate) fn brief(text: &str) -> String {
    let mut brief: String = text.chars().take(48).flat_map(char::escape_debug).collect();
    if text.chars().nth(48).is_some() {
        brief.push('…');
    }
    brief
}
