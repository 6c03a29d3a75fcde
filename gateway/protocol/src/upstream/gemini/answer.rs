//! An answer in Google's words, whole or the part of one that an event brings.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::super::completion::{CompletionBody, NotAnAnswer};
use super::super::super::finish_reason::FinishReason;
use super::super::super::json::RawObject;
use super::super::super::provider_error::ProviderError;
use super::super::chunk_encoder::{ChunkEncoder, EncodedMessage, EncodedUsage, ToolCallState, shallow};

/// No answer has more tokens than this; a higher count is a mistake or an attack.
const MOST: u64 = 1 << 32;

/// All of it, or a part.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiResponse<'a> {
    #[serde(borrow)]
    pub(super) candidates: Vec<GeminiCandidate<'a>>,
    prompt_feedback: Option<PromptFeedback>,
    pub(super) usage_metadata: Option<GeminiUsage>,
    pub(super) model_version: String,
    pub(super) response_id: String,
}

/// One of several answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiCandidate<'a> {
    #[serde(borrow)]
    pub(super) content: GeminiContent<'a>,
    pub(super) finish_reason: Option<String>,
    pub(super) index: u64,
}

/// What it says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GeminiContent<'a> {
    #[serde(borrow)]
    pub(super) parts: Vec<GeminiPart<'a>>,
}

/// A piece of that.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiPart<'a> {
    pub(super) text: String,
    /// It is the model's thought, not its answer.
    pub(super) thought: bool,
    #[serde(borrow)]
    pub(super) function_call: Option<GeminiFunctionCall<'a>>,
    pub(super) thought_signature: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GeminiFunctionCall<'a> {
    id: Option<String>,
    name: String,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

/// What Google makes of the prompt.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

/// Token counts; what a model thought is not part of the candidates'.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GeminiUsage {
    prompt_token_count: u64,
    tool_use_prompt_token_count: u64,
    cached_content_token_count: u64,
    candidates_token_count: u64,
    thoughts_token_count: u64,
    #[serde(deserialize_with = "sound")]
    prompt_tokens_details: u64,
    #[serde(deserialize_with = "sound")]
    candidates_tokens_details: u64,
}

/// Of counts by what they are of, those of sound.
fn sound<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    let kinds = value.as_array().into_iter().flatten().filter(|it| it["modality"] == "AUDIO");
    Ok(kinds.filter_map(|it| it["tokenCount"].as_u64()).fold(0, u64::saturating_add))
}

impl GeminiUsage {
    /// In our words.
    pub(super) fn counts(self) -> EncodedUsage {
        let thoughts = self.thoughts_token_count.min(MOST);
        let prompt = self.prompt_token_count.min(MOST) + self.tool_use_prompt_token_count.min(MOST);
        EncodedUsage {
            prompt,
            cached: self.cached_content_token_count.min(prompt),
            completion: self.candidates_token_count.min(MOST) + thoughts,
            thoughts,
            audio: (self.prompt_tokens_details.min(prompt), self.candidates_tokens_details.min(MOST)),
            ..EncodedUsage::default()
        }
    }
}

impl GeminiResponse<'_> {
    /// The error that it is in place of an answer: a prompt that was blocked is the client's to change, and no other
    /// model is to see it.
    pub(super) fn complaint(&self) -> Option<ProviderError> {
        let reason = self.prompt_feedback.as_ref()?.block_reason.as_deref()?;
        self.candidates.is_empty().then(|| ProviderError {
            status: Some(400),
            code: Some("content_policy_violation".to_owned()),
            kind: Some("invalid_request_error".to_owned()),
            message: format!("The provider blocked the prompt ({}).", super::fault::word(reason)),
            usage: self.usage_metadata.and_then(|usage| usage.counts().told()),
            ..ProviderError::default()
        })
    }
}

impl GeminiPart<'_> {
    /// The call that it is, if it is one. `number`: how many of this answer came before it.
    pub(super) fn call(&self, answer: &str, number: u64) -> Option<ToolCallState> {
        let call = self.function_call.as_ref()?;
        let id = call.id.clone().filter(|id| !id.is_empty());
        Some(ToolCallState {
            id: id.unwrap_or_else(|| format!("call_{answer}_{number}")),
            name: call.name.clone(),
            arguments: call.args.and_then(shallow).unwrap_or("{}").to_owned(),
            signature: self.thought_signature.clone(),
        })
    }
}

/// Why an answer ended. Google has the same word for an answer that is done and for one that calls tools.
pub(super) fn finish(reason: &str, calls: bool) -> FinishReason {
    match FinishReason::of(reason) {
        FinishReason::Stop if calls => FinishReason::ToolCalls,
        finish => finish,
    }
}

/// Reads the body of a 200.
///
/// # Errors
/// It is no answer.
pub(in super::super) fn whole(body: &Bytes, created: u64) -> Result<CompletionBody, NotAnAnswer> {
    let object = RawObject::skim(body.clone()).map_err(NotAnAnswer::NotJson)?;
    let answer = serde_json::from_slice::<GeminiResponse<'_>>(body).unwrap_or_default();
    if let Some(complaint) = answer.complaint() {
        return Err(NotAnAnswer::Complaint(complaint));
    }
    if answer.candidates.is_empty() {
        let complaint = object.get("error").and_then(|_| ProviderError::found(body));
        return Err(complaint.map_or(NotAnAnswer::NoChoices, NotAnAnswer::Complaint));
    }
    let counts = answer.usage_metadata.map(GeminiUsage::counts);
    let mut choices = Vec::new();
    for candidate in &answer.candidates {
        let message = message(candidate, &answer.response_id);
        let reason = candidate.finish_reason.as_deref().unwrap_or("STOP");
        let finish = finish(reason, !message.calls.is_empty());
        if finish == FinishReason::Failed || (finish == FinishReason::Other && message.is_empty()) {
            let usage = counts.and_then(|counts| counts.told());
            return Err(NotAnAnswer::Complaint(ProviderError { usage, ..ProviderError::of_reason(reason) }));
        }
        choices.push((message, finish));
    }
    let voice = ChunkEncoder { id: answer.response_id, created, model: answer.model_version };
    CompletionBody::parse(voice.whole(&choices, counts.as_ref()))
}

fn message(candidate: &GeminiCandidate<'_>, answer: &str) -> EncodedMessage {
    let mut message = EncodedMessage::default();
    for part in &candidate.content.parts {
        let number = message.calls.len() as u64;
        match part.call(answer, number) {
            Some(call) => message.calls.push(call),
            None if part.thought => message.reasoning.push_str(&part.text),
            None => message.content.push_str(&part.text),
        }
    }
    message
}
