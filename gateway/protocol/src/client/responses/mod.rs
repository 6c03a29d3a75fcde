//! OpenAI's responses.
//!
//! - `request`, `input`, `tools`: a request → a chat.
//! - `gist`: what a request comes to that no chat says.
//! - `echo`: what an answer repeats of its request.
//! - `items`, `whole`, `stream`: a chat's answer → theirs; `words`: what both say alike.
//!
//! Nothing is stored: every answer says `store: false`, and a request that builds on a stored one goes to upstreams alone
//! that have this API themselves.

mod echo;
mod input;
mod items;
mod lossy_chat;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod whole;
mod words;

pub(super) use request::read;
