//! A chat request as the embedded engine takes it.

use router_policies::Role;

/// One message, its parts joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleTurn {
    /// Who speaks.
    pub role: Role,
    /// What.
    pub text: String,
}

/// A chat request as the embedded engine takes it: every value in range, `None` where the client said nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Simple {
    /// The conversation, oldest first.
    pub turns: Vec<SimpleTurn>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// How many of the likeliest tokens are considered; 0 for all. A field that llama.cpp and vLLM have.
    pub top_k: Option<u32>,
    /// 0 to 1. A field that llama.cpp and vLLM have.
    pub min_p: Option<f64>,
    /// Makes sampling repeatable.
    pub seed: Option<u64>,
    /// Texts that end the answer and do not appear in it; none is empty; at most 16.
    pub stop: Vec<String>,
    /// −2 to 2.
    pub presence_penalty: f64,
    /// −2 to 2.
    pub frequency_penalty: f64,
    /// Token and what is added to its logit, −100 to 100.
    pub logit_bias: Vec<(u32, f64)>,
    /// How many alternatives a token is to come with; `None`: no log-probabilities at all.
    pub logprobs: Option<u8>,
    /// Whether the answer must be a JSON object (`response_format` of type `json_object`).
    pub json_object: bool,
    /// Whether the last turn is the beginning of the answer.
    pub prefill: bool,
}
