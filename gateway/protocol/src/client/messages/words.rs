//! What answers and errors say alike, whole or streamed.

use super::super::super::finish_reason::FinishReason;
use super::super::ErrorWords;
use super::super::json_builder::JsonBuilder;
use super::super::parsed_response::UsageCounts;

/// An error as Anthropic's bodies and events have it.
pub(in super::super) fn error(error: &ErrorWords, id: &str) -> String {
    let message = if error.too_long { too_long(&error.message) } else { error.message.clone() };
    let said = JsonBuilder::of_type(kind(error.status)).text("message", &message).end();
    JsonBuilder::of_type("error").raw("error", &said).text("request_id", id).end()
}

/// How Anthropic's sentence for it begins, and how it goes on: `: N tokens > M maximum`. Programs look for it.
const TOO_LONG_BEGINS: &str = "prompt is too long";
/// Smaller numbers in a sentence about it count no tokens.
const FEWEST: u64 = 100;

/// What is said of a prompt that is too long, as Anthropic begins it; with both counts where the sentence has just two.
fn too_long(message: &str) -> String {
    if message.starts_with(TOO_LONG_BEGINS) {
        return message.to_owned();
    }
    let words = message.replace(',', "");
    let numbers = words.split(|sign: char| !sign.is_ascii_digit()).filter_map(|it| it.parse::<u64>().ok());
    let mut counts: Vec<u64> = numbers.filter(|count| *count >= FEWEST).collect();
    counts.sort_unstable();
    counts.dedup();
    match counts[..] {
        [most, tokens] => format!("{TOO_LONG_BEGINS}: {tokens} tokens > {most} maximum ({message})"),
        _ => format!("{TOO_LONG_BEGINS}: {message}"),
    }
}

/// Anthropic's class of errors for a status, as its documentation pairs them.
fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// Why an answer ended, in Anthropic's words; `called`: it called tools, `stop`: the stop text that it met.
pub(super) fn stop_reason(finish: Option<FinishReason>, called: bool, stop: Option<&str>) -> &'static str {
    match finish {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContentFilter) => "refusal",
        _ if called => "tool_use",
        // Nobody may take it for complete.
        Some(FinishReason::Other) => "max_tokens",
        _ if stop.is_some() => "stop_sequence",
        _ => "end_turn",
    }
}

/// Token counts as Anthropic tells them: what was read from a cache or written to one is not among the input.
pub(super) fn usage(used: &UsageCounts) -> String {
    let tokens = &used.tokens;
    let mut usage = JsonBuilder::new()
        .number("input_tokens", tokens.input)
        .number("cache_creation_input_tokens", tokens.cache_write.saturating_add(tokens.cache_write_hour))
        .number("cache_read_input_tokens", tokens.cached_input)
        .number("output_tokens", tokens.completion());
    for (name, value) in &used.marks {
        usage = usage.raw(name, value);
    }
    usage.end()
}

/// An id in Anthropic's manner, made of the request's name.
pub(super) fn id_of(request: &str) -> String {
    format!("msg_{request}")
}
