//! Why an answer will not do.

crate::vocabulary! {
    /// Why an answer will not do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum RejectReason {
        /// The guard rejected the answer: the model found its own tokens too improbable.
        Confidence = "confidence",
        /// The guard rejected the answer: it refuses, or says that it does not know.
        Refusal = "refusal",
        /// The guard rejected the answer: it repeats itself.
        Repetition = "repetition",
        /// The guard rejected the answer: it is in another language than the question.
        Language = "language",
        /// The guard rejected the answer: it is not of the format that the client asked for, such as JSON to a schema or
        /// the call of a tool.
        Format = "format",
        /// The guard rejected the answer: it is empty.
        Empty = "empty",
        /// The guard rejected the answer: it reached its limit of tokens before it was finished.
        Cut = "short_of_room",
        /// The guard rejected the answer: another answer to the same question came to a different result.
        Disagreement = "disagreement",
    }
}

impl RejectReason {
    /// The one of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doubt| doubt.word() == word)
    }
}
