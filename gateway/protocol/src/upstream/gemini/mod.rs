//! Google's `generateContent`.

mod answer;
mod fault;
mod request;
mod stream;

pub(super) use answer::whole;
pub(super) use fault::{meant, wait};
pub(super) use request::{convert, encode};
pub use stream::GeminiDecoder;

#[cfg(test)]
mod tests;
