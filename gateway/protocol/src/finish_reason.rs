//! Why an answer ended: the one table that sorts the word of every provider.

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done, or met a stop text.
    Stop,
    /// It was as long as allowed, or was interrupted to be continued.
    Length,
    /// Tools are to be called (`tool_calls`, `function_call`).
    ToolCalls,
    /// A filter stepped in.
    ContentFilter,
    /// The model or its server failed: it is no whole answer.
    Failed,
    /// A word that is not in the table. Nobody may take such an answer for complete, and without a text it is none.
    Other,
}

/// What providers call an end, in lower case with underscores. OpenAI's own words are not here: [`FinishReason::of`] knows
/// them without a look at the table. Sources: the API references of the providers named, December 2026.
const WORDS: &[(&str, FinishReason)] = &[
    // Anthropic (`pause_turn` is for tools of its own, which no converted request has), Bedrock, Cohere (`COMPLETE`), Text Generation Inference and Together (`eos`), Qianfan (`normal`).
    ("end_turn", FinishReason::Stop),
    ("stop_sequence", FinishReason::Stop),
    ("pause_turn", FinishReason::Stop),
    ("complete", FinishReason::Stop),
    ("completed", FinishReason::Stop),
    ("eos", FinishReason::Stop),
    ("eos_token", FinishReason::Stop),
    ("normal", FinishReason::Stop),
    ("end", FinishReason::Stop),
    ("done", FinishReason::Stop),
    ("finished", FinishReason::Stop),
    ("success", FinishReason::Stop),
    // Anthropic (also `compaction`: the provider wants to be asked to go on), Gemini (`MAX_TOKENS`), Mistral
    // (`model_length`), OpenAI's responses (`max_output_tokens`), llama.cpp (`limit`), vLLM (`repetition`: it was stopped).
    ("max_tokens", FinishReason::Length),
    ("max_output_tokens", FinishReason::Length),
    ("max_completion_tokens", FinishReason::Length),
    ("max_length", FinishReason::Length),
    ("model_length", FinishReason::Length),
    ("model_context_window_exceeded", FinishReason::Length),
    ("context_length_exceeded", FinishReason::Length),
    ("limit", FinishReason::Length),
    ("repetition", FinishReason::Length),
    ("compaction", FinishReason::Length),
    // Anthropic and Bedrock (`tool_use`), Cohere.
    ("tool_use", FinishReason::ToolCalls),
    ("tool_call", FinishReason::ToolCalls),
    ("function_calls", FinishReason::ToolCalls),
    // Anthropic (`refusal`), Zhipu and Hunyuan (`sensitive`), Bedrock (`guardrail_intervened`, `content_filtered`), Cohere
    // (`ERROR_TOXIC`), and Gemini's.
    ("refusal", FinishReason::ContentFilter),
    ("sensitive", FinishReason::ContentFilter),
    ("safety", FinishReason::ContentFilter),
    ("content_filtered", FinishReason::ContentFilter),
    ("guardrail_intervened", FinishReason::ContentFilter),
    ("error_toxic", FinishReason::ContentFilter),
    ("recitation", FinishReason::ContentFilter),
    ("language", FinishReason::ContentFilter),
    ("blocklist", FinishReason::ContentFilter),
    ("prohibited_content", FinishReason::ContentFilter),
    ("spii", FinishReason::ContentFilter),
    ("model_armor", FinishReason::ContentFilter),
    ("image_safety", FinishReason::ContentFilter),
    ("image_prohibited_content", FinishReason::ContentFilter),
    ("image_recitation", FinishReason::ContentFilter),
    // OpenRouter, Mistral and vLLM (`error`), DeepSeek, Zhipu (`network_error`), SGLang and vLLM (`abort`), Cohere, TensorRT-LLM.
    ("error", FinishReason::Failed),
    ("insufficient_system_resource", FinishReason::Failed),
    ("network_error", FinishReason::Failed),
    ("abort", FinishReason::Failed),
    ("aborted", FinishReason::Failed),
    ("cancel", FinishReason::Failed),
    ("cancelled", FinishReason::Failed),
    ("canceled", FinishReason::Failed),
    ("user_cancel", FinishReason::Failed),
    ("error_limit", FinishReason::Failed),
    ("timeout", FinishReason::Failed),
    ("timed_out", FinishReason::Failed),
    ("failed", FinishReason::Failed),
    ("failure", FinishReason::Failed),
    ("interrupted", FinishReason::Failed),
    ("terminated", FinishReason::Failed),
    ("preempted", FinishReason::Failed),
    ("unload", FinishReason::Failed),
    // Gemini's, of a model that failed on its tools, its thoughts or its pictures, and Bedrock's.
    ("other", FinishReason::Failed),
    ("malformed_function_call", FinishReason::Failed),
    ("malformed_response", FinishReason::Failed),
    ("malformed_model_output", FinishReason::Failed),
    ("malformed_tool_use", FinishReason::Failed),
    ("unexpected_tool_call", FinishReason::Failed),
    ("too_many_tool_calls", FinishReason::Failed),
    ("missing_thought_signature", FinishReason::Failed),
    ("no_image", FinishReason::Failed),
    ("image_other", FinishReason::Failed),
];

/// What a longer word begins with (`content_filter: hate`, `error: …`), where the whole is not in the table.
const BEGINNINGS: &[(&str, FinishReason)] = &[
    ("content_filter", FinishReason::ContentFilter),
    ("content_policy", FinishReason::ContentFilter),
    ("sensitive", FinishReason::ContentFilter),
    ("safety", FinishReason::ContentFilter),
    ("image_", FinishReason::Failed),
    ("error", FinishReason::Failed),
    ("internal_error", FinishReason::Failed),
    ("server_error", FinishReason::Failed),
    ("malformed_", FinishReason::Failed),
];

impl FinishReason {
    /// From the word of any provider, in whichever case.
    pub fn of(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            _ => Self::of_another(word),
        }
    }

    /// The same for a word that is not one of OpenAI's as it stands.
    #[cold]
    fn of_another(word: &str) -> Self {
        let sign = |sign: char| if matches!(sign, '-' | ' ') { '_' } else { sign.to_ascii_lowercase() };
        let word: String = word.trim().chars().map(sign).collect();
        match &*word {
            "stop" => return Self::Stop,
            "length" => return Self::Length,
            "tool_calls" | "function_call" => return Self::ToolCalls,
            _ => {}
        }
        let whole = WORDS.iter().find(|(known, _)| *known == word);
        let begun = || BEGINNINGS.iter().find(|(known, _)| word.starts_with(known));
        whole.or_else(begun).map_or(Self::Other, |(_, sorted)| *sorted)
    }

    /// Of two ends within one answer the one that says more of it: a failure, then a filter, then the later.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        match (self, later) {
            (Self::Failed, _) | (Self::ContentFilter, Self::Stop | Self::Length | Self::ToolCalls) => self,
            _ => later,
        }
    }

    /// OpenAI's word. What is not known to be complete is told as cut: `length`. A failure is told as an error, and has
    /// this word in traces alone.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length | Self::Other => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Failed => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_sorted_whatever_its_case() {
        let check = |word: &str, sorted: FinishReason| {
            for word in [word.to_owned(), word.to_uppercase(), word.replace('_', "-")] {
                assert_eq!(FinishReason::of(&word), sorted, "{word}");
            }
        };
        for (word, sorted) in WORDS {
            check(word, *sorted);
        }
        check("stop", FinishReason::Stop);
        check("length", FinishReason::Length);
        check("tool_calls", FinishReason::ToolCalls);
        check("function_call", FinishReason::ToolCalls);
        check("content_filter", FinishReason::ContentFilter);
        check("content_filter: hate", FinishReason::ContentFilter);
        check("error: upstream", FinishReason::Failed);
        check("image_quota", FinishReason::Failed);
        for word in ["", "because", "stopped early", "finish_reason_unspecified", "好"] {
            check(word, FinishReason::Other);
        }
    }

    #[test]
    fn no_word_stands_twice_or_cannot_be_met() {
        for (at, (word, _)) in WORDS.iter().enumerate() {
            assert!(WORDS[at + 1..].iter().all(|(other, _)| other != word), "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
        }
    }

    #[test]
    fn the_graver_of_two_ends_counts() {
        use FinishReason::{ContentFilter, Failed, Length, Other, Stop};
        for (one, other, counts) in [
            (Stop, Length, Length),
            (Length, Stop, Stop),
            (Failed, Stop, Failed),
            (Stop, Failed, Failed),
            (ContentFilter, Stop, ContentFilter),
            (ContentFilter, Failed, Failed),
            (Stop, Other, Other),
        ] {
            assert_eq!(one.then(other), counts, "{one:?} {other:?}");
        }
    }
}
