//! Strict readers of the requests that providers take: one for each, written from what the provider documents or is reported to
//! answer, and apart from the gateway. Each says what is the first thing that the provider would refuse a request for.
//!
//! They judge conversations: roles and their order, calls of tools with their ids and results, texts, pictures and thoughts. Where
//! a provider is only reported to refuse something, the report is named.

mod anthropic;
mod chat;
mod gemini;
mod hosts;
mod responses;

pub(crate) use anthropic::SIGNED as ANTHROPIC_SIGNED;
pub(crate) use gemini::SIGNED as GEMINI_SIGNED;
use serde_json::Value;

/// A provider, or an API of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Google's `generateContent`.
    Gemini,
    /// DeepSeek's chat completions.
    DeepSeek,
    /// Alibaba's, of Qwen.
    Qwen,
    /// Zhipu's, of GLM.
    Glm,
    /// Moonshot's, of Kimi.
    Kimi,
    /// MiniMax's.
    MiniMax,
    /// vLLM's, with a template of Qwen's.
    Vllm,
    /// llama.cpp's, with a template that checks.
    LlamaCpp,
}

impl Host {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::OpenAi,
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::DeepSeek,
        Self::Qwen,
        Self::Glm,
        Self::Kimi,
        Self::MiniMax,
        Self::Vllm,
        Self::LlamaCpp,
    ];

    /// A word for it, for addresses.
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::DeepSeek => "deepseek",
            Self::Qwen => "qwen",
            Self::Glm => "glm",
            Self::Kimi => "kimi",
            Self::MiniMax => "minimax",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama_cpp",
        }
    }

    /// Whether it is shown pictures here.
    pub fn sees(self) -> bool {
        !matches!(self, Self::DeepSeek | Self::Glm | Self::MiniMax | Self::LlamaCpp)
    }

    /// Takes a request, or says what is wrong with it.
    ///
    /// # Errors
    /// The first thing that the provider would refuse it for.
    pub fn judge(self, body: &Value) -> Result<(), String> {
        let verdict = match self {
            Self::Responses => responses::judge(body),
            Self::Anthropic => anthropic::judge(body),
            Self::Gemini => gemini::judge(body),
            _ => chat::judge(body, &hosts::rules(self)),
        };
        verdict.map_err(|why| format!("{}: {why}", self.word()))
    }
}

/// A place in a request.
fn at(name: &str, place: usize) -> String {
    format!("{name}[{place}]")
}

/// The elements of an array that must be there.
fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], String> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| format!("{name} is no array: {value}"))
}

/// A text that must be there.
fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{name} is no string: {value}"))
}

fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Whether it is of letters, digits, `_` and `-`, and at most so long.
fn is_plain(word: &str, longest: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=longest).contains(&word.len()) && word.bytes().all(plain)
}

/// What a table of requests holds: each is taken, or refused for a reason with this word in it.
#[cfg(test)]
fn hold(host: Host, cases: &[(Value, Option<&str>)]) {
    for (body, word) in cases {
        match (host.judge(body), word) {
            (Ok(()), None) => {}
            (Err(why), Some(word)) => assert!(why.contains(word), "{why}, not for {word}: {body}"),
            (verdict, _) => panic!("{verdict:?}, expected {word:?}: {body}"),
        }
    }
}
