//! Which dialect a configured model is asked in.

use gateway_config::{DialectKind, RemoteModel, RequestFeature, Treatment};

use super::super::chat::ChatRequest;
use super::{EffortStyle, UpstreamApi};

impl UpstreamApi {
    /// What a model's upstream is asked in: what its client wrote in, if it has that, else its own.
    pub fn asked(remote: &RemoteModel, chat: &ChatRequest) -> Self {
        match remote.speaks_responses && Self::Responses.original(chat).is_some() {
            true => Self::Responses,
            false => Self::of(remote).0,
        }
    }

    /// What a model's upstream speaks, and how it is told how hard to think.
    pub fn of(remote: &RemoteModel) -> (Self, EffortStyle) {
        let dialect = match remote.dialect {
            DialectKind::OpenAi | DialectKind::Azure => Self::OpenAi,
            DialectKind::Anthropic => Self::Anthropic,
            DialectKind::Gemini => Self::Gemini,
        };
        let by_tokens = remote.takes.of(RequestFeature::EffortWords) == Treatment::Altered;
        (dialect, if by_tokens { EffortStyle::Tokens } else { EffortStyle::Word })
    }
}
