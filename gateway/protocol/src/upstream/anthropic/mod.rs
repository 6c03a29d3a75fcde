//! Anthropic's messages API.

mod answer;
mod history;
mod native_fit;
mod request;
mod stream;

pub(super) use answer::whole;
pub(super) use native_fit::native_fit;
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

/// Whether a request was refused for thoughts of other models in it, or for want of thoughts: without any it may be taken.
pub(super) fn is_about_thoughts(complaint: &ProviderError) -> bool {
    let says = |words: &[&str]| words.iter().all(|word| complaint.message.contains(word));
    complaint.status == Some(400)
        && (says(&["signature", "thinking"]) || says(&["Expected", "thinking", "found"]))
}

#[cfg(test)]
mod tests;
