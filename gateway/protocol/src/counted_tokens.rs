//! What a request counts for by the tokenizer of a model.

use gateway_config::ModelConfig;

use super::chat::ChatRequest;
use super::image_tokens::ImageTokenRule;
use super::tokenizer_family::TokenizerFamily;

/// What templates say around tools, in tokens. Qwen2.5's template says 93 (counted); Anthropic names 346
/// (platform.claude.com/docs/en/agents-and-tools/tool-use/overview); OpenAI's and Google's are not known to say much.
const TOOL_WORDS: u64 = 93;
const CLAUDE_TOOL_WORDS: u64 = 346;

impl ChatRequest {
    /// An estimate of all prompt tokens by the tokenizer of a model, what its template says around tools included. It walks the text
    /// the first time; [`ChatRequest::prompt_tokens_at`] is cheaper and coarser.
    pub fn counted_tokens_at(&self, model: &ModelConfig) -> u64 {
        let family = TokenizerFamily::of(model);
        let tools = match family {
            TokenizerFamily::O200k | TokenizerFamily::Gemma => 0,
            _ if model.sent().contains("claude") => CLAUDE_TOOL_WORDS,
            _ => TOOL_WORDS,
        };
        let tools = if self.fields.tools > 0 { tools } else { 0 };
        let text = self.text_tokens(|profile| profile.tokens(family));
        text.saturating_add(tools).saturating_add(self.pictures().at(model))
    }

    /// The same where it is not known yet which model will answer.
    pub fn counted_tokens(&self) -> u64 {
        let text = self.text_tokens(|profile| profile.tokens(TokenizerFamily::Unknown));
        let tools = if self.fields.tools > 0 { TOOL_WORDS } else { 0 };
        text.saturating_add(tools).saturating_add(self.pictures().by(ImageTokenRule::Unknown))
    }

    /// The most prompt tokens without pictures that one of these models makes of it; of a tokenizer that is not known, the most that
    /// a known one does.
    pub fn most_text_tokens<'a>(&self, models: impl Iterator<Item = &'a ModelConfig>) -> u64 {
        let tools = if self.fields.tools > 0 { CLAUDE_TOOL_WORDS } else { 0 };
        let most = models
            .map(|model| self.text_tokens(|profile| profile.most_tokens(TokenizerFamily::of(model))))
            .max();
        most.unwrap_or_default().saturating_add(tools)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn model(name: &str) -> std::sync::Arc<ModelConfig> {
        let yaml =
            format!("models: [{{name: m, provider: openai, base_url: 'http://127.0.0.1:1', model: {name}}}]");
        gateway_config::from_str(&yaml, None, &|_| None).unwrap().models[0].clone()
    }

    fn chat(content: &str, more: &str) -> ChatRequest {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{content}"}}]{more}}}"#);
        ChatRequest::parse(Bytes::from(body)).unwrap()
    }

    #[test]
    fn the_same_text_counts_for_what_each_tokenizer_makes_of_it() {
        let digits = chat(&"4711 ".repeat(200), "");
        let at = |name: &str| digits.counted_tokens_at(&model(name));
        // A digit is a token with Qwen; three are one with OpenAI's.
        assert!(at("qwen3-max") > 3 * at("gpt-6-luna") / 2, "{} {}", at("qwen3-max"), at("gpt-6-luna"));
        let unknown = at("glm-5.3");
        assert!(at("gpt-6-luna") < unknown && unknown < at("qwen3-max"));
        assert_eq!(unknown, digits.counted_tokens());
        let (qwen, other) = (model("qwen3-max"), model("glm-5.3"));
        let most = |models: &[&ModelConfig]| digits.most_text_tokens(models.iter().copied());
        assert_eq!(most(&[&qwen]), at("qwen3-max"));
        assert!(
            most(&[&other]) >= most(&[&qwen]),
            "of an unknown tokenizer the most of those that are known"
        );
        assert_eq!(most(&[]), 0);
    }

    #[test]
    fn a_template_says_something_around_tools() {
        let tools = r#","tools":[{"type":"function","function":{"name":"weather","description":"The weather of a city","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}]"#;
        let (with, without) = (chat("Hi", tools), chat("Hi", ""));
        let added =
            |name: &str| with.counted_tokens_at(&model(name)) - without.counted_tokens_at(&model(name));
        // Qwen2.5's template makes 165 of such a one.
        assert!((120..200).contains(&added("qwen2.5-7b")), "{}", added("qwen2.5-7b"));
        assert!(added("claude-sonnet-5-5") > 346 && added("gpt-6-luna") < 80);
    }
}
