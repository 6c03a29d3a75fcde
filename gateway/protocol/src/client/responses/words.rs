//! What answers say alike, whole or streamed.

use super::super::super::finish_reason::FinishReason;
use super::super::json_builder::JsonBuilder;
use super::super::parsed_response::UsageCounts;

/// Token counts as responses tell them.
pub(super) fn usage(used: &UsageCounts) -> String {
    let tokens = &used.tokens;
    let cached = JsonBuilder::new().number("cached_tokens", tokens.cached_input).end();
    let reasoning = JsonBuilder::new().number("reasoning_tokens", tokens.reasoning).end();
    let mut usage = JsonBuilder::new()
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
pub(super) fn incomplete(finish: Option<FinishReason>) -> Option<&'static str> {
    match finish {
        // Of what nobody knows nobody may take it for complete.
        Some(FinishReason::Length | FinishReason::Other) => Some("max_output_tokens"),
        Some(FinishReason::ContentFilter) => Some("content_filter"),
        _ => None,
    }
}
