//! What is known of weights by the name of their file. The catalogue of the engine says the same, which a test of the gateway
//! holds: builds without the engine have no catalogue.

/// The languages that a model answers sensibly in, as ISO 639-1 codes, by the name of its weights' file; `None` where that is
/// not known.
pub fn languages(file: &str) -> Option<&'static [&'static str]> {
    Some(match file {
        "SmolLM2-135M-Instruct.Q4_1.gguf" => &["en"],
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf" | "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf" => {
            &["en", "zh"]
        }
        "Qwen3-0.6B-Q8_0.gguf" | "Qwen3-1.7B-Q8_0.gguf" | "Qwen3-4B-Q4_K_M.gguf" => {
            &["en", "zh", "fr", "es", "pt", "de", "it", "ru", "ja", "ko", "vi", "th", "ar"]
        }
        "SmolLM3-Q4_K_M.gguf" => &["en", "fr", "es", "de", "it", "pt"],
        "LFM2-1.2B-Q4_K_M.gguf" => &["en", "ar", "zh", "fr", "de", "ja", "ko", "es"],
        _ => return None,
    })
}
