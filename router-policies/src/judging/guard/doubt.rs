//! Why an answer will not do.

/// Why an answer will not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Its tokens are too improbable.
    Confidence,
    /// It refuses, or does not know.
    Refusal,
    /// It goes round in circles.
    Repetition,
    /// It is in another language than the question.
    Language,
    /// It is not of the format that was asked for.
    Format,
    /// It says nothing.
    Empty,
    /// It ended for lack of room.
    Cut,
    /// Another answer to the same question differs.
    Disagreement,
}

impl Doubt {
    /// All of them, for closed label sets.
    pub const ALL: [Self; 8] = [
        Self::Confidence,
        Self::Refusal,
        Self::Repetition,
        Self::Language,
        Self::Format,
        Self::Empty,
        Self::Cut,
        Self::Disagreement,
    ];

    /// The one of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doubt| doubt.word() == word)
    }

    /// The word for metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confidence => "confidence",
            Self::Refusal => "refusal",
            Self::Repetition => "repetition",
            Self::Language => "language",
            Self::Format => "format",
            Self::Empty => "empty",
            Self::Cut => "short_of_room",
            Self::Disagreement => "disagreement",
        }
    }
}
