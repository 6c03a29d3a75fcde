//! Calls of tools that earlier turns of a chat made, for a host of OpenAI's dialect that is strict about them: arguments that are
//! an object's text, ids of its form, and no fields of other providers.

use memchr::memmem;
use serde_json::{Map, Value};

use super::call_ids::{CallIdForm, CallIds};
use super::json::{RawObject, string};

/// Google's place for what its models want back with a call.
const EXTRA: &str = "extra_content";

/// The calls of a chat, in the order of its messages.
#[derive(Debug)]
pub(super) struct PastCalls {
    ids: CallIds,
    /// Whether fields of other providers are to go.
    plain: bool,
}

impl PastCalls {
    /// Of a chat with these messages, as they are written; `None`: there is nothing to change. `plain`: whether the host
    /// refuses fields that it does not know.
    pub(super) fn of(messages: &[u8], form: CallIdForm, plain: bool) -> Option<Self> {
        let odd_ids = || values(messages, br#""tool_call_id""#).any(|rest| !has_form(rest, form));
        let odd_arguments = || {
            values(messages, br#""arguments""#)
                .any(|rest| rest.starts_with(b"\"\"") || !rest.starts_with(b"\""))
        };
        let extra = || plain && memmem::find(messages, br#""extra_content""#).is_some();
        (odd_ids() || odd_arguments() || extra()).then(|| Self { ids: CallIds::new(form), plain })
    }

    /// The `tool_calls` of an assistant's message, where they are to be told otherwise.
    pub(super) fn calls(&mut self, message: &RawObject) -> Option<String> {
        self.ids.turn();
        let mut calls: Vec<Value> = serde_json::from_slice(message.get("tool_calls")?).ok()?;
        let mut changed = false;
        for call in calls.iter_mut().filter_map(Value::as_object_mut) {
            changed |= self.call(call);
        }
        changed.then(|| Value::from(calls).to_string())
    }

    /// The `tool_call_id` of a tool's message, where it is to be told otherwise.
    pub(super) fn answered(&mut self, message: &RawObject) -> Option<String> {
        let id: String = serde_json::from_slice(message.get("tool_call_id")?).ok()?;
        let told = self.ids.answered(&id);
        (told != id).then(|| string(&told))
    }

    fn call(&mut self, call: &mut Map<String, Value>) -> bool {
        let id = call.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let told = self.ids.called(&id);
        let mut changed = told != id;
        if changed {
            call.insert("id".into(), told.into());
        }
        changed |= self.plain && call.remove(EXTRA).is_some();
        if let Some(arguments) = call.get_mut("function").and_then(|function| function.get_mut("arguments")) {
            let object = match arguments {
                Value::String(text) if !text.trim().is_empty() => return changed,
                Value::Object(object) => Value::from(object.clone()).to_string(),
                _ => "{}".to_owned(),
            };
            *arguments = object.into();
            changed = true;
        }
        changed
    }
}

/// What stands behind each of these names, which are written with their quotes.
fn values<'a>(messages: &'a [u8], name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    memmem::find_iter(messages, name).filter_map(move |at| {
        let rest = messages[at + name.len()..].trim_ascii_start();
        rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
    })
}

fn has_form(quoted: &[u8], form: CallIdForm) -> bool {
    let id = quoted.strip_prefix(b"\"").and_then(|id| Some(&id[..memchr::memchr(b'"', id)?]));
    id.is_some_and(|id| std::str::from_utf8(id).is_ok_and(|id| form.fits(id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_are_told_as_the_host_takes_them() {
        let long = "x".repeat(41);
        let call = |id: &str, arguments: Value| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}});
        let told = |call: &Value, form: CallIdForm, plain: bool| {
            let messages = json!([{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"]}]);
            let mut past = PastCalls::of(messages.to_string().as_bytes(), form, plain)?;
            let object = |at: usize| RawObject::skim(messages[at].to_string().into()).unwrap();
            let calls: Value = serde_json::from_str(&past.calls(&object(0))?).unwrap();
            let id =
                past.answered(&object(1)).map_or(call["id"].clone(), |id| serde_json::from_str(&id).unwrap());
            assert_eq!(id, calls[0]["id"]);
            Some(calls[0].clone())
        };
        let (any, short) = (CallIdForm::Any, CallIdForm::Short);
        let good = call("a", "{}".into());
        assert_eq!(told(&good, short, true), None);
        for empty in ["".into(), json!({}), Value::Null] {
            assert_eq!(told(&call("a", empty), any, false), Some(good.clone()));
        }
        assert_eq!(told(&call(&long, "{}".into()), any, false), None);
        let shortened = told(&call(&long, "{}".into()), short, false).unwrap();
        assert!(shortened["id"].as_str().unwrap().len() <= 40);
        let mut extra = good.clone();
        extra["extra_content"] = json!({"google": {"thought_signature": "s"}});
        assert_eq!((told(&extra, any, false), told(&extra, any, true)), (None, Some(good)));
    }
}
