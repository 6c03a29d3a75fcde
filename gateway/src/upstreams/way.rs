//! Which of an OpenAI upstream's paths a request takes.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use reqwest::Url;

use crate::protocol::client::Dialect;
use crate::protocol::{Chat, Complaint, Extras};
use crate::setback::{Happened, Setback};

/// A path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `chat/completions`: all that can be said as a chat.
    Chat,
    /// `completions`, for who asked so.
    Completions,
    /// `embeddings`, for who asked so.
    Embeddings,
}

/// The paths of an endpoint.
pub(super) struct Ways {
    chat: Url,
    completions: Url,
    embeddings: Url,
    /// It has shown that it has no completions: many have chats only.
    only_chats: AtomicBool,
}

impl Ways {
    /// Below the address that `url` puts before each.
    ///
    /// # Errors
    /// Those of `url`.
    pub(super) fn below(url: impl Fn(&str) -> Result<Url, String>) -> Result<Self, String> {
        Ok(Self {
            chat: url("chat/completions")?,
            completions: url("completions")?,
            embeddings: url("embeddings")?,
            only_chats: AtomicBool::new(false),
        })
    }

    /// The way for a request: in the client's own words where this endpoint knows them.
    ///
    /// # Errors
    /// A request that only other words can say.
    pub(super) fn of(&self, chat: &Chat) -> Result<Way, Setback> {
        let Some(native) = chat.native() else { return Ok(Way::Chat) };
        match (native.dialect(), native.cannot_be_a_chat()) {
            (Dialect::Embeddings, _) => Ok(Way::Embeddings),
            (Dialect::Completions, _) if !self.only_chats.load(Ordering::Relaxed) => Ok(Way::Completions),
            (_, Some(why)) => Err(refused(&why.message)),
            (_, None) => Ok(Way::Chat),
        }
    }

    /// The endpoint has no such path; there may be another way.
    ///
    /// # Errors
    /// Where there is none; then it is the client who asks for what this model does not do.
    pub(super) fn is_missing(&self, way: Way) -> Result<(), Setback> {
        match way {
            Way::Embeddings => Err(refused("The model makes no embeddings: its upstream has no such path.")),
            Way::Completions => {
                self.only_chats.store(true, Ordering::Relaxed);
                Ok(())
            }
            Way::Chat => Ok(()),
        }
    }

    /// Where it leads.
    pub(super) fn url(&self, way: Way) -> Url {
        match way {
            Way::Chat => &self.chat,
            Way::Completions => &self.completions,
            Way::Embeddings => &self.embeddings,
        }
        .clone()
    }
}

impl Way {
    /// What is sent on it.
    pub(super) fn body(self, chat: &Chat, model: &str, stream: bool, extras: &Extras<'_>) -> Bytes {
        match (self, chat.native()) {
            (Self::Completions | Self::Embeddings, Some(native)) => native.encode(model, stream, extras),
            _ => chat.encode(model, stream, extras),
        }
    }
}

/// A refusal that no other endpoint would take back, and that says nothing against this one.
fn refused(message: &str) -> Setback {
    let complaint = Complaint {
        status: Some(400),
        code: Some("unsupported_by_models".into()),
        message: message.into(),
        ..Complaint::default()
    };
    Setback { complaint: Some(Box::new(complaint)), ..Setback::new(Happened::Refused(400)) }
}
