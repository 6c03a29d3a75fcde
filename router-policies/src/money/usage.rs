//! Token counts.

/// Tokens by kind; the kinds are disjoint and add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Prompt tokens neither read from a cache nor written to one.
    pub input: u64,
    /// Prompt tokens read from the provider's cache.
    pub cached_input: u64,
    /// Prompt tokens written to a cache that keeps them for five minutes, or as long as the provider's only one does.
    pub cache_write: u64,
    /// Prompt tokens written to a cache that keeps them for an hour.
    pub cache_write_hour: u64,
    /// Tokens of the answer, without reasoning.
    pub output: u64,
    /// Reasoning tokens, billed as output.
    pub reasoning: u64,
    /// Whether any of these was estimated rather than reported.
    pub estimated: bool,
}

impl Usage {
    /// All prompt tokens.
    pub fn prompt(&self) -> u64 {
        let written = self.cache_write.saturating_add(self.cache_write_hour);
        self.input.saturating_add(self.cached_input).saturating_add(written)
    }

    /// All tokens of the answer.
    pub fn completion(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// Both.
    pub fn total(&self) -> u64 {
        self.prompt().saturating_add(self.completion())
    }
}
