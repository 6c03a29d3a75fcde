//! Which of an upstream's paths a request takes.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;

use super::address::EndpointUrls;
use crate::attempt_error::{AttemptError, AttemptErrorKind};
use protocol::client::{ApiEndpoint, OriginalRequest};
use protocol::{ChatRequest, ProviderError};

/// A path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpstreamPath {
    /// All that can be said as a chat, in the upstream's dialect.
    Chat,
    /// `completions`, for who asked so.
    Completions,
    /// `embeddings`, for who asked so.
    Embeddings,
    /// `responses`, for who asked so.
    Responses,
}

/// The ways to an endpoint.
pub(super) struct SupportedPaths {
    places: EndpointUrls,
    /// It has shown that it has no completions: many have chats only.
    only_chats: AtomicBool,
}

impl SupportedPaths {
    /// To these places.
    pub(super) fn to(places: EndpointUrls) -> Self {
        Self { places, only_chats: AtomicBool::new(false) }
    }

    /// The way for a request: in the client's own words where this endpoint knows them.
    ///
    /// # Errors
    /// A request that only other words can say.
    pub(super) fn of(&self, chat: &ChatRequest) -> Result<UpstreamPath, AttemptError> {
        let Some(native) = chat.native() else { return Ok(UpstreamPath::Chat) };
        let has_completions = self.places.completions.is_some() && !self.only_chats.load(Ordering::Relaxed);
        match (native.endpoint(), native.cannot_be_a_chat()) {
            (ApiEndpoint::Embeddings, _) if self.places.embeddings.is_some() => Ok(UpstreamPath::Embeddings),
            (ApiEndpoint::Embeddings, _) => Err(no_embeddings()),
            (ApiEndpoint::Completions, _) if has_completions => Ok(UpstreamPath::Completions),
            (ApiEndpoint::Completions, Some(why)) => Err(refused(&why.message)),
            (ApiEndpoint::Responses, _) if self.places.responses.is_some() => Ok(UpstreamPath::Responses),
            // Who cannot be told what the client wrote is not asked.
            _ => Ok(UpstreamPath::Chat),
        }
    }

    /// The endpoint has no such path; there may be another way.
    ///
    /// # Errors
    /// Where there is none; then it is the client who asks for what this model does not do.
    pub(super) fn is_missing(&self, way: UpstreamPath) -> Result<(), AttemptError> {
        match way {
            UpstreamPath::Embeddings => Err(no_embeddings()),
            UpstreamPath::Completions => {
                self.only_chats.store(true, Ordering::Relaxed);
                Ok(())
            }
            UpstreamPath::Chat | UpstreamPath::Responses => Ok(()),
        }
    }

    /// Where it leads, for a stream or for a whole answer.
    pub(super) fn url(&self, way: UpstreamPath, stream: bool) -> &Url {
        let places = &self.places;
        let chat = if stream { &places.streamed } else { &places.whole };
        match way {
            UpstreamPath::Chat => chat,
            UpstreamPath::Completions => places.completions.as_ref().unwrap_or(chat),
            UpstreamPath::Embeddings => places.embeddings.as_ref().unwrap_or(chat),
            UpstreamPath::Responses => places.responses.as_ref().unwrap_or(chat),
        }
    }

    /// Where a question costs nothing.
    pub(super) fn harmless(&self) -> &Url {
        &self.places.harmless
    }
}

impl UpstreamPath {
    /// The client's own words, where they go on it as they are and have no dialect of upstreams.
    pub(super) fn words(self, chat: &ChatRequest) -> Option<&OriginalRequest> {
        chat.native().filter(|_| self.has_no_dialect())
    }

    /// Whether what is asked and answered on it is no dialect of upstreams.
    pub(super) fn has_no_dialect(self) -> bool {
        matches!(self, Self::Completions | Self::Embeddings)
    }
}

fn no_embeddings() -> AttemptError {
    refused("The model makes no embeddings: its upstream has no such path.")
}

/// A refusal that no other endpoint would take back, and that says nothing against this one.
fn refused(message: &str) -> AttemptError {
    let complaint = ProviderError {
        status: Some(400),
        code: Some("unsupported_by_models".into()),
        message: message.into(),
        ..ProviderError::default()
    };
    AttemptError {
        complaint: Some(Box::new(complaint)),
        ..AttemptError::new(AttemptErrorKind::Rejected(400))
    }
}
