//! What a model can serve: the words for it, and what they come to.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a model can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AcceptsWord {
    /// Chats. Only a list with `embeddings` and without `text` says that there are none.
    Text,
    /// Images in prompts.
    Image,
    /// Sound in prompts.
    Audio,
    /// Films in prompts.
    Video,
    /// Tools.
    Tools,
    /// `response_format` with a JSON schema.
    JsonSchema,
    /// An answer that the client began.
    Prefill,
    /// `logprobs`: it says how probable its tokens were, which the guard of a cascade goes by.
    Logprobs,
    /// `/v1/embeddings`: texts as vectors.
    Embeddings,
}

/// What a model can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelCapabilities {
    /// Chats at all; not so for one that only makes embeddings.
    pub text: bool,
    /// Images in prompts.
    pub image: bool,
    /// Sound in prompts.
    pub audio: bool,
    /// Films in prompts.
    pub video: bool,
    /// Tools.
    pub tools: bool,
    /// `response_format` with a JSON schema.
    pub json_schema: bool,
    /// An answer that the client began; `None` where its entry does not say.
    pub prefill: Option<bool>,
    /// Saying how probable its tokens were.
    pub logprobs: bool,
    /// Texts as vectors; `None` where its entry does not say.
    pub embeddings: Option<bool>,
}

impl Default for ModelCapabilities {
    /// Texts and nothing else.
    fn default() -> Self {
        Self {
            text: true,
            image: false,
            audio: false,
            video: false,
            tools: false,
            json_schema: false,
            prefill: None,
            logprobs: false,
            embeddings: None,
        }
    }
}

impl ModelCapabilities {
    /// An entry that says nothing of it gets everything but `prefill` and `logprobs`: the upstream is the one to say no. The
    /// engine in this process accepts texts, calls tools, holds answers to JSON schemas, and makes no vectors.
    pub(crate) fn of(words: Option<&[AcceptsWord]>, embedded: bool) -> Self {
        let Some(words) = words else {
            let any = !embedded;
            let embeddings = embedded.then_some(false);
            return Self {
                image: any,
                audio: any,
                video: any,
                tools: true,
                json_schema: true,
                embeddings,
                ..Self::default()
            };
        };
        let has = |word| words.contains(&word);
        Self {
            text: has(AcceptsWord::Text) || !has(AcceptsWord::Embeddings),
            image: has(AcceptsWord::Image),
            audio: has(AcceptsWord::Audio),
            video: has(AcceptsWord::Video),
            tools: has(AcceptsWord::Tools),
            json_schema: has(AcceptsWord::JsonSchema),
            prefill: Some(has(AcceptsWord::Prefill)),
            logprobs: false,
            embeddings: Some(has(AcceptsWord::Embeddings)),
        }
    }
}
