//! Ids of calls in the form that a model takes, and of their results with them.

use std::borrow::Cow;

use bytes::Bytes;
use gateway_config::ToolIdForm;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::call_ids::{CallIdForm, CallIds};
use super::super::chat::ChatRequest;
use super::super::json::{RawObject, string};
use super::RequestFit;

#[derive(Deserialize)]
struct CallingMessage<'a> {
    #[serde(borrow, default)]
    tool_calls: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    tool_call_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct IdOfCall<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
}

/// Gives each call of a chat an id of this form.
pub(super) fn fit(chat: &ChatRequest, form: ToolIdForm, fit: &mut RequestFit) {
    let form = match form {
        ToolIdForm::Any => return,
        ToolIdForm::Plain => CallIdForm::Plain,
        ToolIdForm::Short => CallIdForm::Short,
        ToolIdForm::Nine => CallIdForm::Nine,
    };
    let messages = fit.get(&chat.object, "messages").unwrap_or_default();
    let messages: Vec<&RawValue> = serde_json::from_slice(messages).unwrap_or_default();
    let mut ids = CallIds::new(form);
    let told: Vec<Cow<'_, str>> = messages.iter().map(|raw| message(raw.get(), &mut ids)).collect();
    if told.iter().any(|told| matches!(told, Cow::Owned(_))) {
        fit.set("messages", Some(format!("[{}]", told.join(",")).into()));
    }
}

fn message<'a>(raw: &'a str, ids: &mut CallIds) -> Cow<'a, str> {
    let Ok(said) = serde_json::from_str::<CallingMessage<'_>>(raw) else { return raw.into() };
    if let Some(id) = said.tool_call_id.as_deref() {
        let told = ids.answered(id);
        return edited(raw, "tool_call_id", (id != told).then(|| string(&told)));
    }
    let Some(calls) = said.tool_calls.filter(|calls| !calls.is_empty()) else { return raw.into() };
    ids.turn();
    let calls: Vec<Cow<'_, str>> = calls.iter().map(|call| call_of(call.get(), ids)).collect();
    let changed = calls.iter().any(|call| matches!(call, Cow::Owned(_)));
    edited(raw, "tool_calls", changed.then(|| format!("[{}]", calls.join(","))))
}

fn call_of<'a>(raw: &'a str, ids: &mut CallIds) -> Cow<'a, str> {
    let Ok(call) = serde_json::from_str::<IdOfCall<'_>>(raw) else { return raw.into() };
    let told = ids.called(&call.id);
    edited(raw, "id", (call.id != told).then(|| string(&told)))
}

/// An object with another value for one of its members; as it is without one.
fn edited<'a>(raw: &'a str, member: &str, value: Option<String>) -> Cow<'a, str> {
    let Some(value) = value else { return raw.into() };
    let object = RawObject::skim(Bytes::copy_from_slice(raw.as_bytes())).ok();
    let edited =
        object.and_then(|it| String::from_utf8(it.edited(&[(member, Some(value.as_bytes()))]).into()).ok());
    edited.map_or(Cow::Borrowed(raw), Cow::Owned)
}
