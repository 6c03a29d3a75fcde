//! How a model of OpenAI's dialect is spoken to: which APIs it has, what its fields are called, how it is told to think.

use super::ResolveReport;
use crate::dialect::{LimitWord, SpeaksWord};
use crate::file::ModelFile;
use crate::presets::Preset;
use crate::problems::key_path;
use crate::takes_table::{TakesSubject, takes};
use crate::thinking::ThinkingFile;
use crate::{DialectKind, EndpointConfig, ModelTakes, OutputLimitField, ThinkingConfig};

/// What the file, or else the preset, says of it.
pub(super) struct RequestFormat {
    /// OpenAI's responses are among its APIs.
    pub(super) responses: bool,
    /// What its upstream calls the longest answer.
    limit: Option<LimitWord>,
    /// How it is told how hard to think.
    pub(super) thinking: ThinkingConfig,
    is_openais: bool,
    is_azure: bool,
}

impl RequestFormat {
    /// Of an entry whose upstream has this name for the model.
    pub(super) fn of(
        file: &ModelFile,
        dialect: DialectKind,
        (preset, upstream): (Option<&Preset>, Option<&str>),
        path: &str,
        report: &mut ResolveReport,
    ) -> Self {
        let is_openais = matches!(dialect, DialectKind::OpenAi | DialectKind::Azure);
        let foreign = [
            ("speaks", file.speaks.as_ref().is_some_and(|words| !words.is_empty())),
            ("limit", file.limit.is_some()),
            ("thinking", file.thinking.is_some()),
        ];
        for (key, _) in foreign.iter().filter(|(_, given)| *given && !is_openais) {
            report.fault(&key_path(path, key), "belongs to `provider: openai` and `azure` only");
        }
        // What is known of a provider holds for the API that is known of it.
        let preset = preset.filter(|preset| DialectKind::of(Some(preset.provider)) == dialect);
        let known =
            preset.and_then(|preset| preset.models.iter().find(|it| Some(it.name.as_str()) == upstream));
        let thinking: Option<&ThinkingFile> =
            file.thinking.as_ref().or_else(|| known?.thinking.as_ref()).or_else(|| preset?.thinking.as_ref());
        let speaks = file.speaks.as_deref().or_else(|| Some(&*preset?.speaks)).unwrap_or_default();
        Self {
            responses: is_openais && speaks.contains(&SpeaksWord::Responses),
            limit: file.limit.or_else(|| preset?.limit).filter(|_| is_openais),
            thinking: thinking.filter(|_| is_openais).map(ThinkingConfig::from).unwrap_or_default(),
            is_openais,
            is_azure: dialect == DialectKind::Azure,
        }
    }

    /// What the longest answer is called at these endpoints: OpenAI's own are known by their address.
    pub(super) fn limit(&self, endpoints: &[EndpointConfig]) -> OutputLimitField {
        match self.limit {
            Some(LimitWord::MaxTokens) => OutputLimitField::Tokens,
            Some(LimitWord::MaxCompletionTokens) => OutputLimitField::CompletionTokens,
            None if self.is_azure => OutputLimitField::CompletionTokens,
            None if self.is_openais && endpoints.iter().any(|it| is_of_openai(&it.base_url)) => {
                OutputLimitField::CompletionTokens
            }
            None => OutputLimitField::AsWritten,
        }
    }
}

/// What a model takes of a request, by the table and its entry.
pub(super) fn takes_of(
    file: &ModelFile,
    dialect: DialectKind,
    upstream: Option<&str>,
    endpoints: &[EndpointConfig],
) -> ModelTakes {
    let urls: Vec<&str> = endpoints.iter().map(|it| it.base_url.as_str()).collect();
    let (preset, model) = (file.preset.as_deref(), upstream.unwrap_or_default());
    takes(&TakesSubject { dialect, preset, base_urls: &urls, model }, Some(&file.takes))
}

/// Whether an address is OpenAI's own.
fn is_of_openai(base_url: &str) -> bool {
    base_url.strip_prefix("https://").is_some_and(|rest| rest.split('/').next() == Some("api.openai.com"))
}
