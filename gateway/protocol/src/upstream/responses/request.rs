//! A request for a response, as its client wrote it.

use std::borrow::Cow;

use bytes::Bytes;
use gateway_config::{FeatureSet, ModelTakes, RequestFeature};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::super::bad_request::BadRequest;
use super::super::super::call_ids::{CallIdForm, CallIds};
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
    let input = original.get("input").and_then(made_known);
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

/// Items as OpenAI takes them: without the thoughts that the gateway told for models of other dialects, which an upstream looks
/// up by their id, and with calls of other providers' models told in its form. `None`: there is nothing to change.
fn made_known(input: &[u8]) -> Option<String> {
    let called = memmem::find(input, br#""function_call""#).is_some();
    if !called && memmem::find(input, br#""reasoning_text""#).is_none() {
        return None;
    }
    let items: Vec<&RawValue> = serde_json::from_slice(input).ok()?;
    let mut ids = CallIds::new(CallIdForm::Plain);
    let (mut told, mut changed, mut called) = (Vec::with_capacity(items.len()), false, true);
    for item in items {
        let item = item.get();
        if is_ours(item) {
            changed = true;
            continue;
        }
        let calls = item.contains(r#""arguments""#);
        if calls && !called {
            ids.turn();
        }
        called = calls;
        let edited = as_called(item, &mut ids);
        changed |= edited.is_some();
        told.push(edited.map_or(Cow::Borrowed(item), Cow::Owned));
    }
    changed.then(|| format!("[{}]", told.join(",")))
}

/// A call or what a tool gave back, where its id or its arguments are to be told otherwise.
fn as_called(item: &str, ids: &mut CallIds) -> Option<String> {
    #[derive(Deserialize)]
    struct CallItem<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        call_id: Cow<'a, str>,
        #[serde(borrow, default)]
        arguments: Option<Cow<'a, str>>,
    }
    let call: CallItem<'_> = serde_json::from_str(item).ok()?;
    let told = match &*call.kind {
        "function_call" => ids.called(&call.call_id),
        "function_call_output" => ids.answered(&call.call_id),
        _ => return None,
    };
    let bare = call.arguments.is_some_and(|arguments| arguments.trim().is_empty());
    if told == call.call_id && !bare {
        return None;
    }
    let id = string(&told);
    let mut edits = vec![("call_id", Some(id.as_bytes()))];
    if bare {
        edits.push(("arguments", Some(br#""{}""#.as_slice())));
    }
    let object = RawObject::skim(item.to_owned().into()).ok()?;
    String::from_utf8(object.edited(&edits).into()).ok()
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
