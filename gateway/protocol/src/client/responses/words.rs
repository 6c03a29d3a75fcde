//! What answers say alike, whole or streamed.

use super::super::super::chunk::Finish;
use super::super::build::Build;
use super::super::heard::Used;

/// Token counts as responses tell them.
pub(super) fn usage(used: &Used) -> String {
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
pub(super) fn incomplete(finish: Option<Finish>) -> Option<&'static str> {
    match finish {
        Some(Finish::Length) => Some("max_output_tokens"),
        Some(Finish::ContentFilter) => Some("content_filter"),
        _ => None,
    }
}
