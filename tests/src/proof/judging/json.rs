//! JSON by its fields.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::Judgement;
use super::folding::{fold, regex, words};

static AMOUNT: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^[^\d.-]{0,6}(-?\d[\d,]*(?:\.\d+)?|-?\.\d+)\s*[^\d\s]{0,8}$"));

/// Judges the first object, or list where gold is one, by gold's fields.
pub(super) fn judge(check: &Value, text: &str) -> Judgement {
    let gold = &check["gold"];
    let Some(said) = first(text, if gold.is_array() { '[' } else { '{' }) else { return Judgement::WRONG };
    let unordered = check["unordered"] == true;
    match gold {
        Value::Object(fields) => {
            let right = |(key, value): (&String, &Value)| {
                let others = check["accept"][key].as_array().into_iter().flatten();
                [value].into_iter().chain(others).any(|gold| agrees(gold, said.get(key), unordered))
            };
            Judgement::of_parts(fields.iter().filter(|field| right(*field)).count(), fields.len())
        }
        Value::Array(items) => {
            let right = items.iter().enumerate().filter(|(at, item)| agrees(item, said.get(*at), unordered));
            let part = Judgement::of_parts(right.count(), items.len()).part;
            Judgement { right: agrees(gold, Some(&said), unordered), part }
        }
        _ => Judgement::WRONG,
    }
}

/// The JSON that begins at the first such bracket; curly quotes may stand for plain ones.
pub(super) fn first(text: &str, bracket: char) -> Option<Value> {
    let read = |text: &str| {
        let rest = &text[text.find(bracket)?..];
        serde_json::Deserializer::from_str(rest).into_iter::<Value>().next()?.ok()
    };
    read(text).or_else(|| read(&fold(text)))
}

/// Whether a value agrees with that of gold.
pub(super) fn agrees(gold: &Value, said: Option<&Value>, unordered: bool) -> bool {
    let said = said.unwrap_or(&Value::Null);
    match gold {
        Value::Null => is_nothing(said),
        Value::Bool(gold) => {
            said == gold
                || said.as_str().is_some_and(|said| said.trim().eq_ignore_ascii_case(&gold.to_string()))
        }
        Value::Number(_) => number(said).zip(gold.as_f64()).is_some_and(|(said, gold)| close(said, gold)),
        Value::String(gold) => text(said).is_some_and(|said| same_text(gold, &said)),
        Value::Array(gold) => said.as_array().is_some_and(|said| same_list(gold, said, unordered)),
        Value::Object(gold) => {
            said.is_object() && gold.iter().all(|(key, value)| agrees(value, said.get(key), unordered))
        }
    }
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= other.abs().max(1.0) * 1e-6
}

fn is_nothing(said: &Value) -> bool {
    let nothing =
        |text: &str| matches!(fold(text).trim().to_lowercase().as_str(), "" | "none" | "unknown" | "无");
    said.is_null() || said.as_str().is_some_and(nothing)
}

/// A number, also as a text with a unit sign or with commas between thousands.
fn number(said: &Value) -> Option<f64> {
    match said {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let text = fold(text);
            let found = AMOUNT.captures(text.trim())?;
            found[1].replace(',', "").parse().ok()
        }
        _ => None,
    }
}

/// A text, also where a number stands for it.
fn text(said: &Value) -> Option<String> {
    match said {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn same_text(one: &str, other: &str) -> bool {
    let bare = |text: &str| {
        let kept = fold(text).to_lowercase();
        kept.chars()
            .filter(|it| !it.is_whitespace() && !matches!(it, ',' | '.' | '/' | '-' | '_' | '*' | '^' | '\''))
            .collect::<String>()
    };
    words(one) == words(other) || bare(one) == bare(other)
}

fn same_list(gold: &[Value], said: &[Value], unordered: bool) -> bool {
    if gold.len() != said.len() {
        return false;
    }
    if !unordered {
        return gold.iter().zip(said).all(|(gold, said)| agrees(gold, Some(said), false));
    }
    let mut left: Vec<&Value> = said.iter().collect();
    gold.iter().all(|gold| {
        let at = left.iter().position(|said| agrees(gold, Some(said), true));
        at.map(|at| left.remove(at)).is_some()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_that_agree() {
        let check = |gold: Value, said: Value, expected: bool| {
            assert_eq!(agrees(&gold, Some(&said), false), expected, "{gold} {said}");
        };
        check(json!(6430.5), json!("¥6,430.50"), true);
        check(json!(5), json!("5 kg"), true);
        check(json!(5), json!("5 or 6"), false);
        check(json!("6"), json!(6), true);
        check(json!("Windows 11"), json!("windows 11"), true);
        check(json!("2026-02-22"), json!("2026/02/22"), true);
        check(json!("8:15pm"), json!("8:15 pm"), true);
        check(json!("王品牛排(北京亦庄店)"), json!("王品牛排（北京亦庄店）"), true);
        check(json!(true), json!("True"), true);
        check(json!(true), json!(false), false);
        check(json!(null), json!(""), true);
        check(json!(null), json!("无"), true);
        check(json!(null), json!("Bob"), false);
        check(json!([1, 2]), json!([2, 1]), false);
        check(json!({"a": 1}), json!({"a": 1, "b": 2}), true);
        assert!(agrees(&json!([1, 2]), Some(&json!([2, 1])), true));
        assert!(agrees(&json!(null), None, false));
    }

    #[test]
    fn the_first_object_is_judged_by_field() {
        let check = json!({"gold": {"a": "x", "b": null}, "accept": {"a": ["the x"]}});
        let judged = |text: &str| judge(&check, text);
        assert_eq!(judged("```json\n{\"a\": \"The X\"}\n```"), Judgement { right: true, part: 1.0 });
        assert_eq!(judged("{“a”: “x”, “b”: “y”}"), Judgement { right: false, part: 0.5 });
        assert_eq!(judged("{\"a\": \"x\""), Judgement::WRONG);
        assert_eq!(judge(&json!({"gold": [1, 2]}), "[1, 3]"), Judgement { right: false, part: 0.5 });
    }
}
