//! What may be asked of the engine, and what may not.

use crate::{AnswerFormat, EngineRefusal, ToolCall, ToolChoice, ToolDefinition};

/// The longest list of stop sequences; OpenAI's limit.
const MOST_STOPS: usize = 4;
/// The most tools of a request; OpenAI's limit.
const MOST_TOOLS: usize = 128;
/// The most alternatives a token can be reported with; OpenAI's limit.
const MOST_ALTERNATIVES: u8 = 20;

/// One request for an answer. [`GenerationRequest::of`] fills in everything but the messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationRequest {
    /// The conversation so far, oldest first; at least one message.
    pub messages: Vec<ChatMessage>,
    /// How the answer begins: the model goes on from here, and what comes back does not repeat it.
    pub prefill: Option<String>,
    /// The most tokens the answer may have, from 1; `None`: as many as the context has room for. An
    /// answer never outgrows the context, so a larger number is no error.
    pub max_tokens: Option<u32>,
    /// How tokens are chosen.
    pub sampling: SamplingOptions,
    /// Texts that end the answer and are no part of it; at most 4, none empty.
    pub stop: Vec<String>,
    /// The shape that the answer must have; `None`: any text.
    pub format: Option<AnswerFormat>,
    /// The tools that the answer may call.
    pub tools: Vec<ToolDefinition>,
    /// Whether it calls them.
    pub tool_choice: ToolChoice,
    /// Whether it may call one only.
    pub single_call: bool,
    /// What the chat template is told of thinking; a template that knows nothing of it ignores it.
    pub thinking: ThinkingOptions,
    /// How many of the likeliest tokens each [`GeneratedToken`](crate::GeneratedToken) lists, up to 20.
    pub top_logprobs: u8,
    /// Whose request it is. The queue takes turns between these, and what one has in the cache is
    /// never reused for another.
    pub fairness: String,
}

/// What a chat template may be told of thinking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThinkingOptions {
    /// Whether to think before the answer; the template's `enable_thinking`. `None`: as the template does by itself.
    pub enabled: Option<bool>,
    /// How much, such as `low`; the template's `reasoning_effort`.
    pub effort: Option<String>,
}

/// One message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatMessage {
    /// `system` (also said `developer`), `user`, `assistant`, or what else the model's template knows.
    pub role: String,
    /// The text.
    pub content: String,
    /// What an assistant thought before it; templates mostly leave it out.
    pub thought: Option<String>,
    /// The tools that an assistant called.
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool's message answers.
    pub tool_call_id: Option<String>,
    /// The name of a tool, or of who speaks.
    pub name: Option<String>,
}

/// How tokens are chosen. A field that is `None` has the value that [`EngineOptions`](crate::EngineOptions) sets
/// for the model, else the one named here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamplingOptions {
    /// 0 to 2; 0 takes the likeliest token. Default 0.8, llama.cpp's.
    pub temperature: Option<f32>,
    /// The smallest set of tokens with this much probability is kept, above 0 up to 1. Default 0.95,
    /// llama.cpp's.
    pub top_p: Option<f32>,
    /// This many tokens are kept; 0 keeps all. Default 40, llama.cpp's.
    pub top_k: Option<u32>,
    /// Tokens less likely than this share of the likeliest are left out, 0 to 1. Default 0.05,
    /// llama.cpp's.
    pub min_p: Option<f32>,
    /// The same seed gives the same answer to the same prompt, if the engine answers nothing else meanwhile, has nothing
    /// of the prompt in its cache, and has the same number of threads. Default: drawn anew.
    pub seed: Option<u64>,
    /// Taken once from the logit of each token already in the answer, −2 to 2. Default 0.
    pub presence_penalty: Option<f32>,
    /// Taken from a token's logit as often as it is in the answer, −2 to 2. Default 0.
    pub frequency_penalty: Option<f32>,
    /// Divides the positive logits of tokens already in the answer and multiplies the negative ones
    /// (Keskar et al. 2019, CTRL), above 0 up to 2. Default 1: nothing.
    pub repetition_penalty: Option<f32>,
    /// Token ids and what is added to their logits, −100 to 100. −100 bans a token.
    pub logit_bias: Vec<(u32, f32)>,
}

/// A field of [`SamplingOptions`] that is out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    /// A number.
    #[error("{field}: must be {range}")]
    OutOfRange {
        /// The name of the field.
        field: &'static str,
        /// In words, such as `from 0 up to 2`.
        range: &'static str,
    },
    /// What is added to the logit of a token.
    #[error("logit_bias: the bias of token {token} must be from -100 up to 100")]
    LogitBias {
        /// The token's id.
        token: u32,
    },
}

impl GenerationRequest {
    /// A request with these messages and nothing else asked for.
    pub fn of(messages: Vec<ChatMessage>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// Whether every field is in its range.
    ///
    /// # Errors
    /// [`EngineRefusal::Invalid`], naming the first field that is not.
    pub fn check(&self) -> Result<(), EngineRefusal> {
        let invalid = |sentence: String| Err(EngineRefusal::Invalid(sentence));
        if self.messages.is_empty() {
            return invalid("messages: at least one is needed".into());
        }
        if self.max_tokens == Some(0) {
            return invalid("max_tokens: must be 1 or more".into());
        }
        if self.stop.len() > MOST_STOPS {
            return invalid(format!("stop: at most {MOST_STOPS} sequences, got {}", self.stop.len()));
        }
        if self.stop.iter().any(String::is_empty) {
            return invalid("stop: a sequence is empty".into());
        }
        if self.tools.len() > MOST_TOOLS {
            return invalid(format!("tools: at most {MOST_TOOLS}, got {}", self.tools.len()));
        }
        if let ToolChoice::Named(name) = &self.tool_choice
            && !self.tools.iter().any(|tool| tool.name == *name)
        {
            return invalid("tool_choice: no tool of this name is offered".into());
        }
        if self.tool_choice == ToolChoice::Required && self.tools.is_empty() {
            return invalid("tool_choice: there are no tools to call".into());
        }
        if self.top_logprobs > MOST_ALTERNATIVES {
            return invalid(format!("top_logprobs: at most {MOST_ALTERNATIVES}, got {}", self.top_logprobs));
        }
        self.sampling.check().map_err(|why| EngineRefusal::Invalid(why.to_string()))
    }
}

impl ChatMessage {
    /// A message of this role with this text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), ..Self::default() }
    }
}

impl SamplingOptions {
    /// Whether every field is in its range, which is OpenAI's where OpenAI has the field.
    ///
    /// # Errors
    /// The first field that is not.
    pub fn check(&self) -> Result<(), SamplingError> {
        let ranges = [
            ("temperature", self.temperature, 0.0, 2.0, "from 0 up to 2"),
            ("top_p", self.top_p, f32::MIN_POSITIVE, 1.0, "above 0 up to 1"),
            ("min_p", self.min_p, 0.0, 1.0, "from 0 up to 1"),
            ("presence_penalty", self.presence_penalty, -2.0, 2.0, "from -2 up to 2"),
            ("frequency_penalty", self.frequency_penalty, -2.0, 2.0, "from -2 up to 2"),
            ("repetition_penalty", self.repetition_penalty, f32::MIN_POSITIVE, 2.0, "above 0 up to 2"),
        ];
        for (field, value, least, most, range) in ranges {
            // Written so that NaN is out of range too.
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                return Err(SamplingError::OutOfRange { field, range });
            }
        }
        match self.logit_bias.iter().find(|(_, bias)| !(-100.0..=100.0).contains(bias)) {
            Some(&(token, _)) => Err(SamplingError::LogitBias { token }),
            None => Ok(()),
        }
    }

    /// These values, and those of `other` where this one has none.
    pub fn or(&self, other: &Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_p: self.top_p.or(other.top_p),
            top_k: self.top_k.or(other.top_k),
            min_p: self.min_p.or(other.min_p),
            seed: self.seed.or(other.seed),
            presence_penalty: self.presence_penalty.or(other.presence_penalty),
            frequency_penalty: self.frequency_penalty.or(other.frequency_penalty),
            repetition_penalty: self.repetition_penalty.or(other.repetition_penalty),
            logit_bias: if self.logit_bias.is_empty() {
                other.logit_bias.clone()
            } else {
                self.logit_bias.clone()
            },
        }
    }
}
