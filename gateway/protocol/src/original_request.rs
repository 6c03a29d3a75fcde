//! A request in the words of its client.

use bytes::Bytes;

use super::bad_request::BadRequest;
use super::endpoint::ApiEndpoint;
use super::fields::stream_options;
use super::json::{FieldEdit, RawObject, string};

/// A client's own words, for an upstream that has the same endpoint: what a chat cannot say reaches it unchanged.
#[derive(Debug, Clone)]
pub struct OriginalRequest {
    endpoint: ApiEndpoint,
    body: RawObject,
    cannot: Option<BadRequest>,
}

impl OriginalRequest {
    pub(super) fn new(endpoint: ApiEndpoint, body: RawObject, cannot: Option<BadRequest>) -> Self {
        Self { endpoint, body, cannot }
    }

    /// What it is written in.
    #[inline]
    pub fn endpoint(&self) -> ApiEndpoint {
        self.endpoint
    }

    /// The body as it came.
    #[inline]
    pub fn body(&self) -> &RawObject {
        &self.body
    }

    /// Why it can only be answered by an upstream that speaks the dialect, if so: there is no chat that says the same.
    #[inline]
    pub fn cannot_be_a_chat(&self) -> Option<&BadRequest> {
        self.cannot.as_ref()
    }

    /// The body for an upstream that speaks the dialect, with its name for the model, usage asked for in a stream, and the
    /// longest answer in tokens, where the client sets no limit and the gateway does. `further`: what else is done to it.
    pub(super) fn encode(
        &self,
        model: &str,
        stream: bool,
        longest: Option<u64>,
        further: &[FieldEdit],
    ) -> Bytes {
        let model = string(model);
        let options = stream.then(|| stream_options(&self.body));
        let most = longest.map(|most| most.to_string());
        let mut edits = vec![("model", Some(model.as_bytes()))];
        if self.endpoint == ApiEndpoint::Completions {
            edits.push(("stream_options", options.as_deref()));
            if let Some(most) = most.as_ref().filter(|_| self.body.get("max_tokens").is_none()) {
                edits.push(("max_tokens", Some(most.as_bytes())));
            }
        }
        edits.extend(further.iter().map(|(name, value)| (*name, value.as_deref())));
        self.body.edited(&edits)
    }
}
