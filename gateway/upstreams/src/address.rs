//! The addresses and headers that each API wants.

use gateway_config::{DialectKind, EndpointConfig, RemoteModel};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;

use super::pool_error::EndpointError;
use super::transport::USER_AGENT;
use crate::header_names;

/// The version of Anthropic's API that this is written for (platform.claude.com/docs/en/api/versioning).
const ANTHROPIC_VERSION: &str = "2023-06-01";
/// The version of Google's.
const GEMINI_VERSION: &str = "v1beta";

/// Where an endpoint is asked.
pub(super) struct EndpointUrls {
    /// For a whole answer.
    pub(super) whole: Url,
    /// For a stream.
    pub(super) streamed: Url,
    /// For completions and for embeddings, where the API has them.
    pub(super) completions: Option<Url>,
    pub(super) embeddings: Option<Url>,
    /// For responses, where the API is said to have them.
    pub(super) responses: Option<Url>,
    /// A question that costs nothing.
    pub(super) harmless: Url,
}

impl EndpointUrls {
    /// Below an endpoint's address.
    ///
    /// # Errors
    /// In words for the operator.
    pub(super) fn of(remote: &RemoteModel, base_url: &str) -> Result<Self, EndpointError> {
        let root = root(remote, base_url);
        let parsed = |url: String| Url::parse(&url).map_err(|source| EndpointError::Url { url, source });
        let models = format!("{root}/models");
        let version = remote.api_version.as_ref().map(|version| format!("?api-version={version}"));
        let version = version.unwrap_or_default();
        let has_more = matches!(remote.dialect, DialectKind::OpenAi | DialectKind::Azure);
        let more = |path: &str| has_more.then(|| parsed(format!("{root}/{path}{version}"))).transpose();
        let (whole, streamed) = match remote.dialect {
            DialectKind::OpenAi | DialectKind::Azure => both(format!("{root}/chat/completions{version}")),
            DialectKind::Anthropic => both(format!("{root}/messages")),
            DialectKind::Gemini => {
                let model = remote.model.strip_prefix("models/").unwrap_or(&remote.model);
                let whole = format!("{models}/{model}:generateContent");
                (whole, format!("{models}/{model}:streamGenerateContent?alt=sse"))
            }
        };
        // At Azure a deployment is named in the request there.
        let above = root.split("/deployments/").next().unwrap_or(&root);
        let responses = || parsed(format!("{above}/responses{version}"));
        Ok(Self {
            responses: remote.speaks_responses.then(responses).transpose()?,
            whole: parsed(whole)?,
            streamed: parsed(streamed)?,
            completions: more("completions")?,
            embeddings: more("embeddings")?,
            harmless: parsed(models)?,
        })
    }
}

fn both(url: String) -> (String, String) {
    (url.clone(), url)
}

/// The address that an API's paths are added to. Its version is added where the address ends without one, as the
/// providers' own libraries do.
fn root(remote: &RemoteModel, base_url: &str) -> String {
    let path = base_url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let path = path.unwrap_or_default();
    let versioned = path.rsplit('/').next().is_some_and(|last| {
        let mut rest = last.chars();
        rest.next() == Some('v') && rest.next().is_some_and(|digit| digit.is_ascii_digit())
    });
    match remote.dialect {
        DialectKind::Anthropic if !versioned => format!("{base_url}/v1"),
        DialectKind::Gemini if !versioned => format!("{base_url}/{GEMINI_VERSION}"),
        // A resource's address alone, as the console shows it.
        DialectKind::Azure if path.is_empty() => match remote.api_version {
            Some(_) => format!("{base_url}/openai/deployments/{}", remote.model),
            None => format!("{base_url}/openai/v1"),
        },
        _ => base_url.to_owned(),
    }
}

/// What every request to an endpoint carries.
///
/// # Errors
/// In words for the operator, without a key.
pub(super) fn headers(dialect: DialectKind, endpoint: &EndpointConfig) -> Result<HeaderMap, EndpointError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    if dialect == DialectKind::Anthropic {
        headers.insert(header_names::ANTHROPIC_VERSION, HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    if let Some(key) = &endpoint.api_key {
        let (name, prefix) = match dialect {
            DialectKind::OpenAi => ("authorization", "Bearer "),
            DialectKind::Anthropic => ("x-api-key", ""),
            DialectKind::Azure => ("api-key", ""),
            DialectKind::Gemini => ("x-goog-api-key", ""),
        };
        headers.insert(name, secret(&format!("{prefix}{}", key.reveal())).ok_or(EndpointError::ApiKey)?);
    }
    for (name, value) in &endpoint.headers {
        let fault = || EndpointError::Header(name.clone());
        let name: HeaderName = name.parse().map_err(|_| fault())?;
        headers.insert(name, secret(value.reveal()).ok_or_else(fault)?);
    }
    Ok(headers)
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway_config::{OutputLimitField, ThinkingConfig};

    use super::*;

    #[test]
    fn each_api_is_asked_at_its_own_address() {
        let check = |dialect, api_version: Option<&str>, base_url: &str, whole: &str, streamed: &str| {
            let remote = RemoteModel {
                dialect,
                model: "m".to_owned(),
                provider_name: String::new(),
                is_direct: false,
                largest_event: 1 << 20,
                speaks_responses: dialect == DialectKind::OpenAi || dialect == DialectKind::Azure,
                limit: OutputLimitField::AsWritten,
                thinking: ThinkingConfig::default(),
                api_version: api_version.map(str::to_owned),
                takes: Arc::default(),
                endpoints: Vec::new(),
                authority: None,
            };
            let places = EndpointUrls::of(&remote, base_url).unwrap();
            assert_eq!((places.whole.as_str(), places.streamed.as_str()), (whole, streamed));
            let responses = places.responses.map(|url| url.path().to_owned());
            let beside = match dialect {
                DialectKind::OpenAi => Some("/v1/responses"),
                DialectKind::Azure if api_version.is_some() => Some("/openai/responses"),
                DialectKind::Azure => Some("/openai/v1/responses"),
                DialectKind::Anthropic | DialectKind::Gemini => None,
            };
            assert_eq!(responses.as_deref(), beside);
        };
        let openai = "https://h/v1/chat/completions";
        check(DialectKind::OpenAi, None, "https://h/v1", openai, openai);
        let messages = "https://h/v1/messages";
        check(DialectKind::Anthropic, None, "https://h", messages, messages);
        check(DialectKind::Anthropic, None, "https://h/v1", messages, messages);
        let below = "https://h/anthropic/v1/messages";
        check(DialectKind::Anthropic, None, "https://h/anthropic", below, below);
        let (whole, streamed) = (
            "https://h/v1beta/models/m:generateContent",
            "https://h/v1beta/models/m:streamGenerateContent?alt=sse",
        );
        check(DialectKind::Gemini, None, "https://h", whole, streamed);
        check(DialectKind::Gemini, None, "https://h/v1beta", whole, streamed);
        let deployed =
            "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-10-21";
        check(DialectKind::Azure, Some("2024-10-21"), "https://r.openai.azure.com", deployed, deployed);
        let own = "https://r.openai.azure.com/openai/deployments/m";
        check(DialectKind::Azure, Some("2024-10-21"), own, deployed, deployed);
        let v1 = "https://r.openai.azure.com/openai/v1/chat/completions";
        check(DialectKind::Azure, None, "https://r.openai.azure.com", v1, v1);
        check(DialectKind::Azure, None, "https://r.openai.azure.com/openai/v1", v1, v1);
    }
}
