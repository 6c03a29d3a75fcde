//! Which tokenizer a model has, by its name.

use gateway_config::ModelConfig;

/// Tokenizers that make about as many tokens of every text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenizerFamily {
    /// OpenAI's from GPT-4o on.
    O200k,
    /// Qwen's up to Qwen3.
    Qwen,
    /// Qwen's from Qwen3.5 on.
    NewerQwen,
    /// DeepSeek's from V3 on.
    DeepSeek,
    /// Meta's Llama 3.
    Llama3,
    /// Google's Gemma 3, which Gemini 2 and later share.
    Gemma,
    /// Any other.
    Unknown,
}

/// Parts of names in small letters; the first that is found holds. What was distilled from one into another has the tokenizer of
/// the other, and both names.
const NAMES: [(&str, TokenizerFamily); 19] = [
    ("qwen3.5", TokenizerFamily::NewerQwen),
    ("qwen3.6", TokenizerFamily::NewerQwen),
    ("qwen3.7", TokenizerFamily::NewerQwen),
    ("qwen3.8", TokenizerFamily::NewerQwen),
    ("qwen4", TokenizerFamily::NewerQwen),
    ("qwen", TokenizerFamily::Qwen),
    ("qwq", TokenizerFamily::Qwen),
    ("qvq", TokenizerFamily::Qwen),
    ("llama-3", TokenizerFamily::Llama3),
    ("llama3", TokenizerFamily::Llama3),
    ("deepseek", TokenizerFamily::DeepSeek),
    ("gemma", TokenizerFamily::Gemma),
    ("gemini", TokenizerFamily::Gemma),
    ("gpt-4o", TokenizerFamily::O200k),
    ("gpt-4.1", TokenizerFamily::O200k),
    ("gpt-5", TokenizerFamily::O200k),
    ("gpt-6", TokenizerFamily::O200k),
    ("gpt-oss", TokenizerFamily::O200k),
    ("gpt-4.5", TokenizerFamily::O200k),
];
/// OpenAI's that have no more in their names.
const OPENAI_BEGINNINGS: [&str; 3] = ["o1", "o3", "o4"];

impl TokenizerFamily {
    /// Those whose weights are known.
    pub const KNOWN: [Self; 6] =
        [Self::O200k, Self::Qwen, Self::NewerQwen, Self::DeepSeek, Self::Llama3, Self::Gemma];

    /// The family of a model, by what its upstream calls it, else by its own name.
    pub fn of(model: &ModelConfig) -> Self {
        match Self::of_name(model.sent()) {
            Self::Unknown => Self::of_name(&model.name),
            known => known,
        }
    }

    fn of_name(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let last = name.rsplit('/').next().unwrap_or_default();
        if OPENAI_BEGINNINGS.iter().any(|start| last == *start || last.starts_with(&format!("{start}-"))) {
            return Self::O200k;
        }
        NAMES.iter().find(|(part, _)| name.contains(part)).map_or(Self::Unknown, |(_, family)| *family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_have_the_tokenizers_of_their_names() {
        for (name, expected) in [
            ("gpt-4o-mini", TokenizerFamily::O200k),
            ("gpt-6-luna", TokenizerFamily::O200k),
            ("openai/gpt-oss-120b", TokenizerFamily::O200k),
            ("o3", TokenizerFamily::O200k),
            ("openai/o4-mini", TokenizerFamily::O200k),
            ("Qwen/Qwen2.5-Coder-7B-Instruct", TokenizerFamily::Qwen),
            ("qwen3-max", TokenizerFamily::Qwen),
            ("QwQ-32B", TokenizerFamily::Qwen),
            ("Qwen/Qwen3.5-27B", TokenizerFamily::NewerQwen),
            ("qwen3.6-plus", TokenizerFamily::NewerQwen),
            ("deepseek-v4-pro", TokenizerFamily::DeepSeek),
            ("deepseek-r1-distill-qwen-7b", TokenizerFamily::Qwen),
            ("deepseek-r1-distill-llama-3-8b", TokenizerFamily::Llama3),
            ("meta-llama/Llama-3.3-70B-Instruct", TokenizerFamily::Llama3),
            ("gemma-3-27b-it", TokenizerFamily::Gemma),
            ("gemini-3.8-flash", TokenizerFamily::Gemma),
            ("gpt-4-turbo", TokenizerFamily::Unknown),
            ("glm-5.3", TokenizerFamily::Unknown),
            ("kimi-k3", TokenizerFamily::Unknown),
            ("claude-sonnet-5-5", TokenizerFamily::Unknown),
            ("o100", TokenizerFamily::Unknown),
            ("", TokenizerFamily::Unknown),
        ] {
            assert_eq!(TokenizerFamily::of_name(name), expected, "{name}");
        }
    }
}
