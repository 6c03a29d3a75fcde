//! Anthropic's messages.
//!
//! - `request`, `blocks`, `tools`: a request → a chat.
//! - `gist`: what a request comes to that no chat says.
//! - `whole`, `stream`: a chat's answer → theirs; `words`: what both say alike.
//!
//! What carries no meaning for other providers is left out: where to cache, signatures and encrypted thinking (bound to the
//! provider that made them), the tier of service.

mod blocks;
mod lossy_chat;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod whole;
mod words;

pub(super) use request::{read, read_for_counting};
pub(super) use words::error;
