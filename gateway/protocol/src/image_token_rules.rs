//! By which rule a model's pictures are counted.

use gateway_config::{DialectKind, ModelConfig, ModelProvider};

use super::chat::ChatRequest;
use super::image_tokens::{ImageTokenRule, ImageTokens};

/// OpenAI's that count in tiles, by how their names begin; of two that fit, the longer one holds.
const OPENAI: [(&str, ImageTokenRule); 18] = [
    ("gpt-4o-mini", ImageTokenRule::DearTiles),
    ("gpt-4o", ImageTokenRule::Tiles),
    ("chatgpt-4o", ImageTokenRule::Tiles),
    ("gpt-4-turbo", ImageTokenRule::Tiles),
    ("gpt-4.1-mini", ImageTokenRule::Patches),
    ("gpt-4.1-nano", ImageTokenRule::Patches),
    ("gpt-4.1", ImageTokenRule::Tiles),
    ("gpt-4.5", ImageTokenRule::Tiles),
    ("o1", ImageTokenRule::Tiles),
    ("o3", ImageTokenRule::Tiles),
    ("o4-mini", ImageTokenRule::Patches),
    ("gpt-5-mini", ImageTokenRule::Patches),
    ("gpt-5-nano", ImageTokenRule::Patches),
    ("gpt-5.1-codex-mini", ImageTokenRule::Patches),
    ("gpt-5.1", ImageTokenRule::Tiles),
    ("gpt-5.2", ImageTokenRule::Patches),
    ("gpt-5.3", ImageTokenRule::Patches),
    ("gpt-5", ImageTokenRule::Tiles),
];
/// Anthropic's before its finer sight.
const OLDER_CLAUDE: [&str; 4] = ["claude-3", "claude-haiku-4", "claude-sonnet-4", "claude-opus-4"];
/// Those among them that have it.
const FINER_CLAUDE: [&str; 2] = ["claude-opus-4-7", "claude-opus-4-8"];

impl ImageTokenRule {
    /// The rule of a model, by its provider and its name there.
    pub fn of(model: &ModelConfig) -> Self {
        let ModelProvider::Remote(remote) = &model.provider else { return Self::Unknown };
        let name = remote.model.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        match (remote.dialect, remote.provider_name.as_str()) {
            _ if begins(&["claude"]) => match begins(&OLDER_CLAUDE) && !begins(&FINER_CLAUDE) {
                true => Self::Claude,
                false => Self::FineClaude,
            },
            _ if begins(&["gemini-1", "gemini-2"]) => Self::Crops,
            _ if begins(&["gemini"]) => Self::Fixed,
            // Self-hosted ones are called by their own name.
            _ if name.contains("qwen") => match begins(&["qwen2", "qwen-vl", "qvq"]) {
                true => Self::Qwen28,
                false => Self::Qwen32,
            },
            _ if begins(&["gpt-", "chatgpt-", "o1", "o3", "o4"]) => openai(&name),
            // A deployment has a name of its own.
            (DialectKind::Azure, _) | (_, "openai") if is_openais(remote) => Self::FinePatches,
            _ => Self::Unknown,
        }
    }
}

impl ImageTokens {
    /// What they count for at a model. Most requests have none, and then nobody needs to know its rule.
    pub fn at(&self, model: &ModelConfig) -> u64 {
        if self.is_empty() { 0 } else { self.by(ImageTokenRule::of(model)) }
    }
}

impl ChatRequest {
    /// An estimate of all prompt tokens at a model.
    pub fn prompt_tokens_at(&self, model: &ModelConfig) -> u64 {
        self.read_tokens().saturating_add(self.pictures().at(model))
    }
}

fn is_openais(remote: &gateway_config::RemoteModel) -> bool {
    let its = |url: &str| url.starts_with("https://api.openai.com/");
    remote.dialect == DialectKind::Azure || remote.endpoints.iter().any(|endpoint| its(&endpoint.base_url))
}

fn openai(name: &str) -> ImageTokenRule {
    let known =
        OPENAI.iter().filter(|(start, _)| name.starts_with(start)).max_by_key(|(start, _)| start.len());
    match known {
        Some(("gpt-5", _)) if name.starts_with("gpt-5.") => ImageTokenRule::FinePatches,
        Some((_, sight)) => *sight,
        // Models whose weights are open see nothing, or are not OpenAI's to count.
        None if name.starts_with("gpt-oss") => ImageTokenRule::Unknown,
        None => ImageTokenRule::FinePatches,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_told_apart_by_their_names() {
        let check = |entry: &str, expected: ImageTokenRule| {
            let yaml = format!("exchange: {{USD: 7}}\nmodels: [{{name: m, {entry}}}]");
            let config = gateway_config::from_str(&yaml, None, &|_| Some("k".to_owned()));
            let config = config.unwrap_or_else(|problems| panic!("{entry}: {problems}"));
            assert_eq!(ImageTokenRule::of(&config.models[0]), expected, "{entry}");
        };
        let at = |name: &str| format!("provider: openai, base_url: 'http://127.0.0.1:1', model: {name}");
        for (name, expected) in [
            ("gpt-4o-2024-11-20", ImageTokenRule::Tiles),
            ("gpt-4o-mini", ImageTokenRule::DearTiles),
            ("gpt-4.1-nano", ImageTokenRule::Patches),
            ("openai/gpt-5", ImageTokenRule::Tiles),
            ("gpt-5-mini", ImageTokenRule::Patches),
            ("gpt-5.4", ImageTokenRule::FinePatches),
            ("gpt-oss-20b", ImageTokenRule::Unknown),
            ("Qwen/Qwen2.5-VL-7B-Instruct", ImageTokenRule::Qwen28),
            ("Qwen/Qwen3-VL-8B-Instruct", ImageTokenRule::Qwen32),
            ("anthropic/claude-sonnet-4-5", ImageTokenRule::Claude),
            ("some-model", ImageTokenRule::Unknown),
        ] {
            check(&at(name), expected);
        }
        for (entry, expected) in [
            ("preset: openai", ImageTokenRule::FinePatches),
            ("preset: anthropic", ImageTokenRule::FineClaude),
            ("preset: anthropic, model: claude-haiku-4-5", ImageTokenRule::Claude),
            ("preset: anthropic, model: claude-opus-4-7", ImageTokenRule::FineClaude),
            ("preset: gemini", ImageTokenRule::Fixed),
            ("preset: gemini, model: gemini-2.5-flash", ImageTokenRule::Crops),
            ("preset: dashscope, model: qwen-vl-max", ImageTokenRule::Qwen28),
            ("preset: dashscope", ImageTokenRule::Qwen32),
            ("preset: zhipu", ImageTokenRule::Unknown),
            (
                "provider: azure, base_url: 'https://n.openai.azure.com', model: ours",
                ImageTokenRule::FinePatches,
            ),
        ] {
            check(entry, expected);
        }
    }
}
