//! A whole response, and what its parts mean.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::completion::{CompletionBody, NotAnAnswer};
use super::super::super::finish_reason::FinishReason;
use super::super::super::json::RawObject;
use super::super::super::provider_error::ProviderError;
use super::super::chunk_encoder::{ChunkEncoder, EncodedMessage, EncodedUsage, TermWord, ToolCallState};

/// No answer has more tokens than this; a higher count is a mistake or an attack.
const MOST: u64 = 1 << 32;

/// The parts of a response.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponsesAnswer<'a> {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) created_at: f64,
    pub(super) status: Option<String>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    pub(super) incomplete_details: Option<IncompleteDetails>,
    #[serde(borrow)]
    pub(super) output: Option<Vec<&'a RawValue>>,
    pub(super) usage: Option<ResponsesUsage>,
    pub(super) service_tier: Option<String>,
}

/// Why a response is not complete.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IncompleteDetails {
    reason: Option<String>,
}

/// An item of a response, as far as it is text or a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponsesItem {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) content: Option<Vec<ResponsesPart>>,
    pub(super) summary: Option<Vec<ResponsesPart>>,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
    /// What a tool of the client's own form is given.
    pub(super) input: Option<String>,
}

/// A piece of an item.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponsesPart {
    text: Option<String>,
    refusal: Option<String>,
}

/// Token counts.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponsesUsage {
    input_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<ResponsesOutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct ResponsesOutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

impl ResponsesUsage {
    /// In our words; `None` where there are none.
    fn counts(self) -> Option<EncodedUsage> {
        let bounded = |count: Option<u64>| count.unwrap_or(0).min(MOST);
        let (prompt, completion) = (bounded(self.input_tokens), self.output_tokens?.min(MOST));
        let input = self.input_tokens_details.unwrap_or_default();
        let cached = bounded(input.cached_tokens).min(prompt);
        Some(EncodedUsage {
            prompt,
            cached,
            written: bounded(input.cache_write_tokens).min(prompt - cached),
            written_hour: 0,
            completion,
            thoughts: bounded(self.output_tokens_details.unwrap_or_default().reasoning_tokens)
                .min(completion),
            audio: (
                bounded(input.audio_tokens).min(prompt),
                bounded(self.output_tokens_details.unwrap_or_default().audio_tokens).min(completion),
            ),
            ..EncodedUsage::default()
        })
    }
}

impl ResponsesAnswer<'_> {
    /// What it used, in our words; `None` where it does not say.
    pub(super) fn counts(&self) -> Option<EncodedUsage> {
        let kind =
            |item: &&RawValue| serde_json::from_str::<ResponsesItem>(item.get()).ok().map(|item| item.kind);
        let items = self.output.iter().flatten();
        let searches = items.filter_map(kind).filter(|kind| kind == "web_search_call").count() as u64;
        let tier = self.service_tier.as_deref().map(TermWord::of);
        Some(EncodedUsage { searches, terms: [tier, None, None], ..self.usage?.counts()? })
    }

    /// Why it ended; `called`: it calls tools.
    pub(super) fn finish(&self, called: bool) -> FinishReason {
        match self.status.as_deref() {
            Some("incomplete") => match self.reason().map_or(FinishReason::Length, FinishReason::of) {
                FinishReason::ContentFilter => FinishReason::ContentFilter,
                // A failure has become a complaint; whatever else is told as incomplete is not complete.
                _ => FinishReason::Length,
            },
            _ if called => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        }
    }

    /// Why it is not complete.
    fn reason(&self) -> Option<&str> {
        self.incomplete_details.as_ref()?.reason.as_deref()
    }

    /// What went wrong, if that is what it says.
    pub(super) fn complaint(&self) -> Option<ProviderError> {
        let error = self.error.map(RawValue::get).filter(|error| *error != "null");
        let usage = self.usage.and_then(ResponsesUsage::counts).and_then(|counts| counts.told());
        let complaint = match (self.status.as_deref(), error) {
            (Some("failed" | "cancelled"), error) => {
                let error = error.unwrap_or("{}");
                ProviderError::read(None, format!(r#"{{"error":{error}}}"#).as_bytes())
            }
            (Some("incomplete"), _) => {
                let reason =
                    self.reason().filter(|reason| FinishReason::of(reason) == FinishReason::Failed)?;
                ProviderError::of_reason(reason)
            }
            (None, Some(error)) => ProviderError::found(format!(r#"{{"error":{error}}}"#).as_bytes())?,
            _ => return None,
        };
        Some(ProviderError { usage, ..complaint })
    }
}

/// Reads the body of a 200.
///
/// # Errors
/// It is no answer.
pub(in super::super) fn whole(body: &Bytes) -> Result<CompletionBody, NotAnAnswer> {
    let object = RawObject::skim(body.clone()).map_err(NotAnAnswer::NotJson)?;
    let Ok(response) = serde_json::from_slice::<ResponsesAnswer<'_>>(object.bytes()) else {
        return Err(ProviderError::found(body).map_or(NotAnAnswer::NoChoices, NotAnAnswer::Complaint));
    };
    if let Some(complaint) = response.complaint() {
        return Err(NotAnAnswer::Complaint(complaint));
    }
    let Some(items) = &response.output else { return Err(NotAnAnswer::NoChoices) };
    let mut message = EncodedMessage::default();
    for item in items {
        // Of what provider's tools did there is nothing to tell in our words.
        if let Ok(item) = serde_json::from_str::<ResponsesItem>(item.get()) {
            add(&mut message, item);
        }
    }
    let finish = response.finish(!message.calls.is_empty());
    let counts = response.counts();
    let voice = ChunkEncoder { id: response.id, created: response.created_at as u64, model: response.model };
    CompletionBody::parse(voice.whole(&[(message, finish)], counts.as_ref()))
}

fn add(message: &mut EncodedMessage, item: ResponsesItem) {
    let parts = |parts: Option<Vec<ResponsesPart>>| parts.into_iter().flatten();
    match item.kind.as_str() {
        "message" => parts(item.content).for_each(|part| {
            message.content.extend(part.text);
            message.content.extend(part.refusal);
        }),
        "reasoning" => {
            parts(item.summary)
                .chain(parts(item.content))
                .for_each(|part| message.reasoning.extend(part.text));
        }
        "function_call" | "custom_tool_call" => message.calls.push(ToolCallState {
            id: item.call_id.unwrap_or_default(),
            name: item.name.unwrap_or_default(),
            arguments: item.arguments.or(item.input).unwrap_or_default(),
            signature: None,
        }),
        _ => {}
    }
}
