//! A request for a response, as its client wrote it.

use bytes::Bytes;
use gateway_config::{FeatureSet, ModelTakes, RequestFeature};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::bad_request::BadRequest;
use super::super::super::json::{RawObject, string};
use super::super::super::request_fit::{RequestFit, TakesView, fit_fields, fit_together};
use super::super::EncodedRequest;

/// The body with what the upstream is told of the model. Every other byte is the client's.
pub(in super::super) fn as_it_came(
    original: &RawObject,
    told: &EncodedRequest<'_>,
    fit: &RequestFit,
) -> Bytes {
    let model = string(told.model);
    let most = told.longest.map(|most| most.to_string());
    let stream: &[u8] = if told.stream { b"true" } else { b"false" };
    let streams = original.get("stream").is_some_and(|it| it == b"true");
    let mut edits = vec![("model", Some(model.as_bytes()))];
    if streams != told.stream {
        edits.push(("stream", Some(stream)));
    }
    if let Some(most) = &most
        && original.get("max_output_tokens").is_none_or(|it| it == b"null")
    {
        edits.push(("max_output_tokens", Some(most.as_bytes())));
    }
    let input = original.get("input").and_then(known_only);
    if let Some(input) = &input {
        edits.push(("input", Some(input.as_bytes())));
    }
    edits.extend(fit.edits.iter().map(|(name, value)| (*name, value.as_deref())));
    original.edited(&edits)
}

/// What is done to a request for a response, for a model that does not take all of it.
///
/// # Errors
/// What is refused.
pub(in super::super) fn native_fit(
    original: &RawObject,
    takes: &ModelTakes,
) -> Result<RequestFit, BadRequest> {
    #[derive(Deserialize)]
    struct ReasoningField {
        #[serde(default)]
        effort: Option<String>,
    }
    let mut fit = RequestFit::default();
    let heeded = takes.heeded();
    if heeded.is_empty() {
        return Ok(fit);
    }
    let view = TakesView { takes, heeded: heeded.both(FIELDS) };
    fit_fields(original, view, &mut fit)?;
    let effort = original.get("reasoning").and_then(|raw| serde_json::from_slice::<ReasoningField>(raw).ok());
    let thinks = effort.and_then(|it| it.effort).is_some_and(|effort| effort != "none");
    fit_together(original, view, thinks, &mut fit)?;
    Ok(fit)
}

/// What a request for a response has of what some models do not take, under the same names as a chat.
const FIELDS: FeatureSet = FeatureSet::only(RequestFeature::Temperature)
    .with(RequestFeature::TopP)
    .with(RequestFeature::TemperatureWithTopP)
    .with(RequestFeature::SamplingWithThinking);

/// Items without the thoughts that the gateway told for models of other dialects: an upstream looks them up by their id, and
/// refuses what it has not said. `None`: there are none.
fn known_only(input: &[u8]) -> Option<String> {
    memmem::find(input, br#""reasoning_text""#)?;
    let items: Vec<&RawValue> = serde_json::from_slice(input).ok()?;
    let known: Vec<&str> = items.iter().map(|item| item.get()).filter(|item| !is_ours(item)).collect();
    (known.len() < items.len()).then(|| format!("[{}]", known.join(",")))
}

/// Whether an item is a thought that the gateway told: its id is `rs_`, the name of a request, and a number.
fn is_ours(item: &str) -> bool {
    #[derive(Deserialize)]
    struct ReasoningItem {
        #[serde(rename = "type")]
        kind: String,
        id: String,
        #[serde(default)]
        encrypted_content: Option<String>,
    }
    let Ok(thought) = serde_json::from_str::<ReasoningItem>(item) else { return false };
    let place = thought.id.strip_prefix("rs_").and_then(|rest| rest.rsplit_once('_')).map(|(_, place)| place);
    let numbered =
        place.is_some_and(|place| !place.is_empty() && place.bytes().all(|it| it.is_ascii_digit()));
    thought.kind == "reasoning" && thought.encrypted_content.is_none() && numbered
}
