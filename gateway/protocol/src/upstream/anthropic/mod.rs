//! Anthropic's messages API.

mod answer;
mod request;
mod stream;

pub(super) use answer::whole;
pub(super) use request::{as_it_came, convert, encode};
pub use stream::AnthropicDecoder;

use super::super::provider_error::ProviderError;

/// An account without money is told as a request that is at fault.
pub(super) fn meant(complaint: ProviderError) -> ProviderError {
    match complaint.status {
        Some(400) if complaint.is_balance() => ProviderError { status: Some(402), ..complaint },
        _ => complaint,
    }
}

#[cfg(test)]
mod tests;
