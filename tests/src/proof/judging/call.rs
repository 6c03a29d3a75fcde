//! Calls of functions.

use serde_json::Value;

use super::{Judgement, json};
use crate::proof::answers::Call;

/// Judges the one call of an answer: by the API, or, where the functions were told in words, as JSON between
/// `<tool_call>` and `</tool_call>`; with `in_text` as JSON anywhere in the text.
pub(super) fn judge(check: &Value, text: &str, calls: &[Call]) -> Judgement {
    let said = if check["in_text"] == true {
        json::first(text, '{').and_then(|said| of_text(&said))
    } else {
        match calls {
            [] => in_marks(text),
            [one] => serde_json::from_str(&one.arguments).ok().map(|arguments| (one.name.clone(), arguments)),
            _ => None,
        }
    };
    let Some((name, arguments)) = said else { return Judgement::WRONG };
    if check["gold"]["name"] != name {
        return Judgement::WRONG;
    }
    by_arguments(&check["gold"]["arguments"], &arguments)
}

/// The only call between marks.
fn in_marks(text: &str) -> Option<(String, Value)> {
    let mut marked = text.split("<tool_call>").skip(1);
    let (Some(one), None) = (marked.next(), marked.next()) else { return None };
    of_text(&json::first(one, '{')?)
}

fn of_text(said: &Value) -> Option<(String, Value)> {
    let name = said["name"].as_str()?.to_owned();
    let arguments = match &said["arguments"] {
        Value::String(text) => serde_json::from_str(text).ok()?,
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other.clone(),
    };
    Some((name, arguments))
}

fn by_arguments(gold: &Value, said: &Value) -> Judgement {
    let (Some(gold), Some(said)) = (gold.as_object(), said.as_object()) else { return Judgement::WRONG };
    let right = |(name, allowed): (&String, &Value)| {
        let allowed = allowed.as_array().map_or(&[][..], Vec::as_slice);
        match said.get(name) {
            Some(value) => allowed.iter().any(|it| json::agrees(it, Some(value), false)),
            None => allowed.iter().any(|it| it == ""),
        }
    };
    let beside = said.keys().filter(|name| !gold.contains_key(*name)).count();
    Judgement::of_parts(gold.iter().filter(|field| right(*field)).count(), gold.len() + beside)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_call_with_allowed_arguments() {
        let gold = json!({"name": "f", "arguments": {"city": ["南京", "南京市"], "days": [6, ""]}});
        let check = |in_text: bool, text: &str, calls: &[(&str, &str)], right: bool, part: f64| {
            let calls: Vec<Call> = calls
                .iter()
                .map(|(name, arguments)| Call {
                    name: (*name).to_owned(),
                    arguments: (*arguments).to_owned(),
                })
                .collect();
            let check = json!({"gold": gold, "in_text": in_text});
            assert_eq!(judge(&check, text, &calls), Judgement { right, part }, "{text} {calls:?}");
        };
        let right = r#"{"city": "南京市"}"#;
        check(false, "", &[("f", right)], true, 1.0);
        check(false, "", &[("f", right), ("f", right)], false, 0.0);
        check(false, "", &[("g", right)], false, 0.0);
        check(false, "", &[("f", "{")], false, 0.0);
        check(false, "", &[("f", r#"{"city": "南京", "days": 7}"#)], false, 0.5);
        check(false, "", &[("f", r#"{"city": "南京", "days": 6, "unit": "C"}"#)], false, 2.0 / 3.0);
        check(
            false,
            r#"<tool_call>{"name": "f", "arguments": {"city": "南京"}}</tool_call>"#,
            &[],
            true,
            1.0,
        );
        check(false, r#"{"name": "f", "arguments": {"city": "南京"}}"#, &[], false, 0.0);
        check(true, r#"Sure: {"name": "f", "arguments": {"city": "南京"}}"#, &[], true, 1.0);
        check(true, "no", &[], false, 0.0);
    }
}
