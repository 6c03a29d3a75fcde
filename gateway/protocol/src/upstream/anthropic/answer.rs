//! A whole answer in Anthropic's words, and what its parts mean.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::super::completion::{CompletionBody, NotAnAnswer};
use super::super::super::finish_reason::FinishReason;
use super::super::super::json::RawObject;
use super::super::super::provider_error::ProviderError;
use super::super::chunk_encoder::{
    ChunkEncoder, EncodedMessage, EncodedUsage, TermWord, ToolCallState, shallow,
};
use super::super::object_writer::{object, written};

/// No answer has more tokens than this; a higher count is a mistake or an attack.
const MOST: u64 = 1 << 32;

/// The parts of an answer, or of the event that begins one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnthropicMessage<'a> {
    pub(super) id: String,
    pub(super) model: String,
    #[serde(borrow)]
    pub(super) content: Option<Vec<AnthropicBlock<'a>>>,
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<AnthropicUsage>,
}

/// A block of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnthropicBlock<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) thinking: String,
    pub(super) signature: String,
    pub(super) data: String,
    pub(super) id: String,
    pub(super) name: String,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
}

/// Token counts. The prompt's are disjoint.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct AnthropicUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<CacheWrites>,
    output_tokens_details: Option<AnthropicOutputDetails>,
    server_tool_use: Option<ServerToolUse>,
    #[serde(deserialize_with = "term")]
    service_tier: Option<TermWord>,
    #[serde(deserialize_with = "term")]
    speed: Option<TermWord>,
    #[serde(deserialize_with = "term")]
    inference_geo: Option<TermWord>,
    #[serde(deserialize_with = "compactions")]
    iterations: Option<CompactionUsage>,
}

/// What the provider's own tools did.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: u64,
}

/// What it took to make a conversation shorter, which the other counts leave out
/// (platform.claude.com, build-with-claude/compaction).
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct CompactionUsage {
    input_tokens: u64,
    output_tokens: u64,
}

/// A word of the provider's for its terms; anything else is none.
fn term<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TermWord>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_str().map(TermWord::of))
}

/// All that was used to make the conversation shorter.
fn compactions<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CompactionUsage>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let made = value.as_array().into_iter().flatten().filter(|it| it["type"] == "compaction");
    let each = made.filter_map(|it| CompactionUsage::deserialize(it).ok());
    Ok(each.reduce(|sum, it| CompactionUsage {
        input_tokens: sum.input_tokens.saturating_add(it.input_tokens),
        output_tokens: sum.output_tokens.saturating_add(it.output_tokens),
    }))
}

/// What was written to caches, by how long they keep it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct CacheWrites {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

/// What the answer is made of.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct AnthropicOutputDetails {
    thinking_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// The counts so far, with later ones in their place.
    pub(super) fn then(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            cache_creation: later.cache_creation.or(self.cache_creation),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
            server_tool_use: later.server_tool_use.or(self.server_tool_use),
            service_tier: later.service_tier.or(self.service_tier),
            speed: later.speed.or(self.speed),
            inference_geo: later.inference_geo.or(self.inference_geo),
            iterations: later.iterations.or(self.iterations),
        }
    }

    /// In our words; `None` where there are none.
    pub(super) fn counts(self) -> Option<EncodedUsage> {
        let completion = self.output_tokens?.min(MOST);
        let bounded = |count: Option<u64>| count.unwrap_or(0).min(MOST);
        let kinds = self.cache_creation.unwrap_or_default();
        let hour = kinds.ephemeral_1h_input_tokens.min(MOST);
        let all = bounded(self.cache_creation_input_tokens);
        let written = all.saturating_sub(hour).max(kinds.ephemeral_5m_input_tokens.min(MOST));
        let cached = bounded(self.cache_read_input_tokens);
        let details = self.output_tokens_details.unwrap_or_default();
        let thoughts = details.thinking_tokens.or(details.reasoning_tokens).unwrap_or(0);
        let compacted = self.iterations.unwrap_or_default();
        Some(EncodedUsage {
            prompt: bounded(self.input_tokens) + cached + written + hour + compacted.input_tokens.min(MOST),
            cached,
            written,
            written_hour: hour,
            completion: completion + compacted.output_tokens.min(MOST),
            thoughts: thoughts.min(completion),
            audio: (0, 0),
            searches: self.server_tool_use.unwrap_or_default().web_search_requests.min(MOST),
            terms: [self.service_tier, self.speed, self.inference_geo],
        })
    }
}

/// What a model thought, as it wants to have it back.
pub(super) fn thought(thinking: &str, signature: &str) -> String {
    written(|out| {
        object(out, |it| {
            it.text("type", "thinking");
            it.text("thinking", thinking);
            it.text("signature", signature);
        });
    })
}

/// The same where only Anthropic can read it.
pub(super) fn hidden(data: &str) -> String {
    written(|out| {
        object(out, |it| {
            it.text("type", "redacted_thinking");
            it.text("data", data);
        });
    })
}

/// Reads the body of a 200.
///
/// # Errors
/// It is no answer.
pub(in super::super) fn whole(body: &Bytes, created: u64) -> Result<CompletionBody, NotAnAnswer> {
    let object = RawObject::skim(body.clone()).map_err(NotAnAnswer::NotJson)?;
    let answer = serde_json::from_slice::<AnthropicMessage<'_>>(body).ok();
    let Some(AnthropicMessage { id, model, content: Some(blocks), stop_reason, usage }) = answer else {
        let complaint = object.get("error").and_then(|_| ProviderError::found(body));
        return Err(complaint.map_or(NotAnAnswer::NoChoices, NotAnAnswer::Complaint));
    };
    let mut message = EncodedMessage::default();
    for block in blocks {
        add(&mut message, block);
    }
    let reason = stop_reason.unwrap_or_default();
    let finish = FinishReason::of(&reason);
    let counts = usage.and_then(AnthropicUsage::counts);
    if finish == FinishReason::Failed || (finish == FinishReason::Other && message.is_empty()) {
        let usage = counts.and_then(|counts| counts.told());
        return Err(NotAnAnswer::Complaint(ProviderError { usage, ..ProviderError::of_reason(&reason) }));
    }
    CompletionBody::parse(ChunkEncoder { id, created, model }.whole(&[(message, finish)], counts.as_ref()))
}

fn add(message: &mut EncodedMessage, block: AnthropicBlock<'_>) {
    match block.kind.as_str() {
        "text" => message.content.push_str(&block.text),
        "thinking" => {
            message.reasoning.push_str(&block.thinking);
            message.thoughts.push(thought(&block.thinking, &block.signature));
        }
        "redacted_thinking" => message.thoughts.push(hidden(&block.data)),
        "tool_use" => message.calls.push(ToolCallState {
            id: block.id,
            name: block.name,
            arguments: block.input.and_then(shallow).unwrap_or("{}").to_owned(),
            signature: None,
        }),
        // What the provider's own tools did is none of ours: such tools cannot be asked for in our words.
        _ => {}
    }
}
