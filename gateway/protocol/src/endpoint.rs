//! The endpoints that clients write requests for, and whose API each belongs to.

/// An endpoint of the API: what a request is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiEndpoint {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's completions, from before there were chats.
    Completions,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// OpenAI's embeddings, which are no chat at all.
    Embeddings,
}

/// Whose API a client uses: the shape of errors and lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientVendor {
    /// OpenAI's.
    OpenAi,
    /// Anthropic's.
    Anthropic,
}

impl ApiEndpoint {
    /// Whose API it belongs to.
    pub fn vendor(self) -> ClientVendor {
        match self {
            Self::Chat | Self::Completions | Self::Responses | Self::Embeddings => ClientVendor::OpenAi,
            Self::Messages => ClientVendor::Anthropic,
        }
    }
}
