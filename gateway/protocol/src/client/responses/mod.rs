//! OpenAI's responses.
//!
//! - `request`, `input`, `tools`: a request → a chat.
//! - `gist`: what a request comes to that no chat says.
//! - `echo`: what an answer repeats of its request.
//! - `items`, `whole`, `stream`: a chat's answer → theirs.
//!
//! Nothing is stored: every answer says `store: false`, and a request that builds on a stored one goes to upstreams alone
//! that have this API themselves.

mod echo;
mod gist;
mod input;
mod items;
mod request;
mod stream;
mod tools;
mod whole;

pub(super) use request::read;

use super::super::chunk::Finish;
use super::build::Build;
use super::heard::Used;

/// Token counts as responses tell them.
fn usage(used: &Used) -> String {
    let tokens = &used.tokens;
    let cached = Build::new().number("cached_tokens", tokens.cached_input).end();
    let reasoning = Build::new().number("reasoning_tokens", tokens.reasoning).end();
    let mut usage = Build::new()
        .number("input_tokens", tokens.prompt())
        .raw("input_tokens_details", &cached)
        .number("output_tokens", tokens.completion())
        .raw("output_tokens_details", &reasoning)
        .number("total_tokens", tokens.total());
    for (name, value) in &used.marks {
        usage = usage.raw(name, value);
    }
    usage.end()
}

/// Why an answer is not complete, if it is not.
fn incomplete(finish: Option<Finish>) -> Option<&'static str> {
    match finish {
        Some(Finish::Length) => Some("max_output_tokens"),
        Some(Finish::ContentFilter) => Some("content_filter"),
        _ => None,
    }
}
