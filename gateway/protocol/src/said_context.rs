//! The context that a refusal names: how many tokens a model takes, in the words of who serves it.
//!
//! Sentences were taken from the servers' own sources and documentation (December 2026): OpenAI, Anthropic, Gemini, xAI,
//! Moonshot, Alibaba, DeepSeek, Mistral; vLLM, SGLang, llama.cpp, llama-cpp-python, LM Studio, TGI, mistral.rs.

use std::num::NonZeroU32;

use serde_json::{Map, Value};

/// No model that answers chats takes fewer tokens, and none takes more: a number outside is another one.
const PLAUSIBLE: std::ops::RangeInclusive<u64> = 128..=1 << 28;
/// Members of an error that hold the number. llama.cpp has `n_ctx`.
const MEMBERS: [&str; 4] = ["n_ctx", "max_model_len", "context_length", "max_context_length"];
/// How far a number stands from the words that it belongs to, in bytes.
const NEAR: usize = 40;
/// So much of a sentence is read, in bytes: what stands further behind may quote the prompt.
const READ: usize = 400;

/// Where the number stands.
#[derive(Clone, Copy)]
enum NumberPlace {
    /// Behind the words.
    After,
    /// In front of the words.
    Before,
    /// The second behind the words: the upper end of a range.
    Second,
}

/// Words of refusals, in small letters, and where the number stands. The first that is found with a number near it holds.
const SAYINGS: [(&str, NumberPlace); 20] = [
    ("available context size", NumberPlace::After),
    ("maximum context length is", NumberPlace::After),
    ("maximum context length of", NumberPlace::After),
    ("maximum prompt length is", NumberPlace::After),
    ("maximum model length of", NumberPlace::After),
    ("context length of", NumberPlace::After),
    ("model's context length", NumberPlace::After),
    ("context window of", NumberPlace::After),
    ("model token limit", NumberPlace::After),
    ("maximum number of tokens allowed", NumberPlace::After),
    ("maximum number of input tokens", NumberPlace::After),
    ("configured limit of", NumberPlace::After),
    ("exceeds the limit of", NumberPlace::After),
    ("prompt sequence length is greater than", NumberPlace::After),
    ("`max_new_tokens` must be <=", NumberPlace::After),
    ("range of input length", NumberPlace::Second),
    ("上下文长度", NumberPlace::After),
    ("maximum context length", NumberPlace::Before),
    ("tokens context window", NumberPlace::Before),
    (" maximum", NumberPlace::Before),
];

/// The context that a member of the error names.
pub(super) fn in_members(error: &Map<String, Value>) -> Option<NonZeroU32> {
    MEMBERS.iter().find_map(|name| plausible(error.get(*name)?.as_u64()?))
}

/// The context that a sentence names.
pub(super) fn in_words(sentence: &str) -> Option<NonZeroU32> {
    let end = (0..=READ.min(sentence.len())).rev().find(|end| sentence.is_char_boundary(*end))?;
    let text = sentence[..end].to_lowercase();
    SAYINGS.iter().find_map(|(words, place)| {
        let (before, behind) = text.split_once(words)?;
        let number = match place {
            NumberPlace::After => numbers(near(behind)).next(),
            NumberPlace::Second => numbers(near(behind)).nth(1),
            NumberPlace::Before => numbers(before).last().filter(|_| ends_in_number(before)),
        };
        number.and_then(plausible)
    })
}

fn plausible(number: u64) -> Option<NonZeroU32> {
    let number = Some(number).filter(|number| PLAUSIBLE.contains(number))?;
    NonZeroU32::new(u32::try_from(number).ok()?)
}

/// What stands near behind some words.
fn near(text: &str) -> &str {
    let end = (0..=NEAR.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

fn ends_in_number(text: &str) -> bool {
    text.trim_end().ends_with(|last: char| last.is_ascii_digit())
}

/// The whole numbers of a text, some of which are written with commas.
fn numbers(text: &str) -> impl DoubleEndedIterator<Item = u64> + '_ {
    // A comma that no digit follows ends a number like any other sign.
    let runs = text.split(|sign: char| !(sign.is_ascii_digit() || sign == ','));
    runs.filter_map(|run| {
        let digits: String = run.trim_matches(',').chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_name_their_context_in_many_words() {
        let check = |sentence: &str, expected: Option<u32>| {
            assert_eq!(in_words(sentence).map(NonZeroU32::get), expected, "{sentence}");
        };
        for (sentence, expected) in [
            // llama.cpp; llama-cpp-python; LM Studio.
            (
                "request (3031 tokens) exceeds the available context size (1024 tokens), try increasing it",
                1024,
            ),
            ("Requested tokens (600) exceed context window of 512", 512),
            (
                "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with \
                 context length of only 4096 tokens, which is not enough.",
                4096,
            ),
            // OpenAI and vLLM, and all who took their sentence.
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9031 tokens. \
                 Please reduce the length of the messages.",
                8192,
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 100000. This model's maximum context length is \
                 32768 tokens and your request has 12 input tokens (100000 > 32768 - 12).",
                32768,
            ),
            ("This model's maximum context length is 131,072 tokens.", 131_072),
            (
                "The decoder prompt (length 9031) is longer than the maximum model length of 4096. Make sure that \
                 `max_model_len` is no smaller than the number of text tokens.",
                4096,
            ),
            (
                "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300001 tokens.",
                272_000,
            ),
            // SGLang; TGI; mistral.rs; Mistral.
            ("The input (9031 tokens) is longer than the model's context length (8192 tokens).", 8192),
            (
                "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9031 `inputs` tokens and 20 `max_new_tokens`",
                4096,
            ),
            ("Prompt sequence length is greater than 8192, perhaps consider using another model", 8192),
            (
                "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
                32768,
            ),
            // Anthropic; Gemini; xAI; Moonshot; Alibaba.
            ("prompt is too long: 205000 tokens > 200000 maximum", 200_000),
            (
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                1_048_576,
            ),
            ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", 131_072),
            ("Invalid request: Your request exceeded model token limit: 8192", 8192),
            ("Range of input length should be [1, 30720]", 30720),
            ("输入超过模型的最大上下文长度 65536", 65536),
        ] {
            check(sentence, Some(expected));
        }
        for sentence in [
            "",
            "Prompt exceeds max length",
            "The context window is full.",
            // Not a context: how much a picture may have; how many tokens were asked for.
            "max_tokens is too large: 99999",
            "maximum context length is 12 tokens",
            "maximum context length is 99999999999999999999999 tokens",
            "the maximum is 4096",
        ] {
            check(sentence, None);
        }
        // What stands far behind may be the prompt.
        check(&format!("bad input: {} maximum context length is 512 tokens", "x".repeat(500)), None);
        check(&format!("上{}maximum context length is", "下".repeat(130)), None);
    }

    #[test]
    fn a_member_names_it_too() {
        let check = |json: &str, expected: Option<u32>| {
            assert_eq!(
                in_members(serde_json::from_str::<Value>(json).unwrap().as_object().unwrap())
                    .map(NonZeroU32::get),
                expected
            );
        };
        check(
            r#"{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":3031,"n_ctx":1024}"#,
            Some(1024),
        );
        check(r#"{"n_ctx":0}"#, None);
        check(r#"{"n_ctx":"1024"}"#, None);
        check("{}", None);
    }
}
