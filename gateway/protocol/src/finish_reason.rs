//! Why an answer ended, as OpenAI's API says it.

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// It was as long as allowed.
    Length,
    /// Tools are to be called (`tool_calls`, `function_call`).
    ToolCalls,
    /// A filter stepped in.
    ContentFilter,
    /// A word that OpenAI does not have.
    Other,
}

impl FinishReason {
    /// From the API's word.
    pub fn of(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            _ => Self::Other,
        }
    }

    /// The API's word; `stop` for one that OpenAI does not have.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop | Self::Other => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}
