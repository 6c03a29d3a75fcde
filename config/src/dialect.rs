//! The APIs that models are reached by.

use schemars::JsonSchema;
use serde::Deserialize;

/// How a model is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProviderWord {
    /// In this process.
    Embedded,
    /// Over the network, by OpenAI's chat completions.
    #[default]
    Openai,
    /// By Anthropic's messages.
    Anthropic,
    /// By OpenAI's chat completions as Azure has them.
    Azure,
    /// By Google's generateContent.
    Gemini,
}

/// An API beside those that every upstream of OpenAI's dialect is taken to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SpeaksWord {
    /// OpenAI's responses.
    Responses,
}

/// A name for the longest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitWord {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// An API dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialectKind {
    /// OpenAI's chat completions.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions at Azure's addresses and with its header.
    Azure,
    /// Google's `generateContent`.
    Gemini,
}

impl DialectKind {
    /// What `provider:` says.
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Azure => "azure",
            Self::Gemini => "gemini",
        }
    }

    /// `gen_ai.provider.name` of whoever made the API.
    pub(crate) fn provider_name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Azure => "azure.ai.openai",
            Self::Gemini => "gcp.gemini",
        }
    }

    /// What a file's word means; OpenAI's where there is none.
    pub(crate) fn of(provider: Option<ProviderWord>) -> Self {
        match provider {
            Some(ProviderWord::Anthropic) => Self::Anthropic,
            Some(ProviderWord::Azure) => Self::Azure,
            Some(ProviderWord::Gemini) => Self::Gemini,
            Some(ProviderWord::Openai | ProviderWord::Embedded) | None => Self::OpenAi,
        }
    }
}
