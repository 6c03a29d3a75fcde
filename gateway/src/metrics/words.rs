//! The label values that are the gateway's own words and no other part's.

use router_policies::vocabulary;

vocabulary! {
    /// Kinds of tokens. They are disjoint: they add up.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TokenKind {
        /// Tokens of the prompt that no cache had, those that were written to a cache included.
        Input = "input",
        /// Tokens of the prompt that the provider took from a cache.
        CachedInput = "cached_input",
        /// Tokens of the answer, reasoning left out.
        Output = "output",
        /// Tokens of reasoning.
        Reasoning = "reasoning",
    }
}

vocabulary! {
    /// How an attempt to load the configuration again ended.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ReloadResult {
        /// The gateway uses the changed configuration.
        Ok = "ok",
        /// The changed configuration cannot be used. The gateway goes on with the one that it had.
        Refused = "refused",
        /// The files say what they said before, and the gateway goes on with the configuration that it had.
        Unchanged = "unchanged",
    }
}

vocabulary! {
    /// Why no collector got a span.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum SpanLoss {
        /// Too many spans waited to be sent.
        Full = "full",
        /// The collector could not be reached or answered with an error, and no further try was left.
        Failed = "failed",
        /// The collector took the rest of the batch and would not have these spans.
        Rejected = "rejected",
    }
}

vocabulary! {
    /// What a utility policy weighs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum WeightKind {
        /// What a whole chance of a sufficient answer weighs.
        Quality = "quality",
        /// What one unit of the account currency weighs.
        Cost = "cost",
        /// What one second until the first token weighs.
        Latency = "latency",
    }
}

vocabulary! {
    /// The two values of a target.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TargetValue {
        /// The target as the configuration has it.
        Set = "set",
        /// What recent requests came to, or what was spent in the period under way.
        Realised = "realised",
    }
}
