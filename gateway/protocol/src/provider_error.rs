//! An upstream's error, in whichever of the usual shapes.

mod sorting;
mod unquoted;

use std::num::NonZeroU32;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::finish_reason::FinishReason;
use super::said_context;
use super::scan::text_of;
use super::usage::ReportedUsage;

/// Bytes of a body that are read at all.
const BODY: usize = 64 << 10;
/// Bytes of a message, and of the words beside it.
const MESSAGE: usize = 2 << 10;
const WORD: usize = 128;

/// What an upstream says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderError {
    /// The HTTP status; `None` for an error inside a 200 or a stream.
    pub status: Option<u16>,
    /// The provider's word or number for it; at most 128 bytes.
    pub code: Option<String>,
    /// The provider's class of errors; at most 128 bytes.
    pub kind: Option<String>,
    /// The field at fault; at most 128 bytes.
    pub param: Option<String>,
    /// The provider's sentence; at most 2 KiB, one line, no control characters. Never empty.
    pub message: String,
    /// The context that it names, in tokens: what the model takes, where it says that the prompt is too long.
    pub context: Option<NonZeroU32>,
    /// Tokens that it counts all the same.
    pub usage: Option<Box<ReportedUsage>>,
}

/// The code of a complaint about an event that could not be read.
pub(super) const MALFORMED_EVENT: &str = "malformed_event";
/// Codes of those that say with a code that all is well.
const FINE: [&str; 4] = ["0", "200", "success", "ok"];

/// Reads the body of an answer that is an error: OpenAI's shape, `{"error": "text"}`, `{"code", "message"}` (Alibaba),
/// `{"detail": …}` and `{"errors": …}` (FastAPI), `base_resp` (MiniMax). A body of any other kind (a proxy's HTML page) gives
/// a general sentence.
pub fn read_error(status: u16, body: &[u8]) -> ProviderError {
    ProviderError::read(Some(status), body)
}

impl ProviderError {
    /// Reads an error; a general sentence where there is none to be found.
    pub(super) fn read(status: Option<u16>, body: &[u8]) -> Self {
        let complaint = Self::found(body).unwrap_or_else(|| Self {
            message: match status {
                Some(status) => format!("The upstream answered {status} without an explanation."),
                None => "The upstream reported an error without an explanation.".into(),
            },
            ..Self::default()
        });
        Self { status, ..complaint }
    }

    /// An answer that ended for a reason that is a failure, or for one that nobody knows before it said a word. `data`: the
    /// object with the reason.
    pub fn of_end(data: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Ended {
            #[serde(default)]
            choices: Vec<EndedChoice>,
        }
        #[derive(Deserialize)]
        struct EndedChoice {
            #[serde(default)]
            finish_reason: Option<String>,
        }
        if let Some(told) = serde_json::from_slice(data).ok().as_ref().and_then(Self::of_choice) {
            return told.tidied();
        }
        let ended: Option<Ended> = serde_json::from_slice(data).ok();
        let choices = ended.map_or_else(Vec::new, |ended| ended.choices);
        let reasons: Vec<String> = choices.into_iter().filter_map(|choice| choice.finish_reason).collect();
        let failed = reasons.iter().find(|reason| FinishReason::of(reason) == FinishReason::Failed);
        Self::of_reason(failed.or(reasons.last()).map_or("", |reason| reason))
    }

    /// The same by the reason itself.
    pub fn of_reason(reason: &str) -> Self {
        let plain = |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-' | ' ' | ':' | '.');
        let reason = shortened(&reason.chars().filter(plain).collect::<String>(), WORD);
        Self {
            message: format!("The model failed ({reason})."),
            code: Some(reason.to_ascii_lowercase()).filter(|reason| !reason.is_empty()),
            ..Self::default()
        }
    }

    /// An event of a stream that is none: what it said is lost.
    pub fn of_malformed_event() -> Self {
        Self {
            code: Some(MALFORMED_EVENT.to_owned()),
            message: "An event of the answer could not be read.".to_owned(),
            ..Self::default()
        }
    }

    /// An error in a stream that has a code and a sentence, and no member that says that it is one (Alibaba, FastChat).
    pub(super) fn nameless(data: &[u8]) -> Option<Self> {
        let found = Self::found(data)?;
        let code = found.code.as_deref().unwrap_or(FINE[0]);
        let fine = FINE.iter().any(|fine| code.eq_ignore_ascii_case(fine));
        let told =
            found.kind.as_deref() == Some("error") || memchr::memmem::find(data, b"\"message\"").is_some();
        (!fine && told).then_some(found)
    }

    /// An error, if the body is one.
    pub(super) fn found(body: &[u8]) -> Option<Self> {
        if body.len() > BODY {
            return None;
        }
        let value: Value = serde_json::from_str(text_of(body).ok()?).ok()?;
        let object = match &value {
            Value::Object(object) => object,
            // Gemini wraps it into an array.
            Value::Array(list) => list.first()?.as_object()?,
            _ => return None,
        };
        let found = match object.get("error") {
            Some(Value::Object(error)) => Self::of(error),
            Some(Value::String(text)) => Self { message: text.clone(), ..Self::of(object) },
            _ => match object.get("base_resp") {
                Some(Value::Object(base)) => {
                    let message = base.get("status_msg").and_then(Value::as_str).unwrap_or_default().into();
                    Self { code: word(base.get("status_code")), message, ..Self::default() }
                }
                _ => Self::of_choice(object).unwrap_or_else(|| Self::of(object)),
            },
        };
        let nameless = found.message.is_empty() && found.code.is_none() && found.kind.is_none();
        let usage = object.get("usage").and_then(|usage| ReportedUsage::of(&usage.to_string()));
        (!nameless).then(|| Self { usage: usage.map(Box::new), ..found.tidied() })
    }

    /// OpenRouter says of each choice why it failed.
    fn of_choice(object: &Map<String, Value>) -> Option<Self> {
        let errors = object.get("choices")?.as_array()?.iter().filter_map(|choice| choice.get("error"));
        errors.filter_map(Value::as_object).map(Self::of).find(|error| !error.message.is_empty())
    }

    /// From an object that has the parts of an error itself.
    fn of(object: &Map<String, Value>) -> Self {
        let texts = ["message", "msg", "error_msg", "detail", "errors"].map(|key| object.get(key));
        Self {
            status: None,
            code: ["code", "error_code"].iter().find_map(|key| word(object.get(*key))),
            kind: ["type", "status"].iter().find_map(|key| word(object.get(*key))),
            param: word(object.get("param")),
            message: texts.into_iter().flatten().find_map(sentence).unwrap_or_default(),
            context: said_context::in_members(object),
            usage: None,
        }
    }

    fn tidied(mut self) -> Self {
        if self.message.trim().is_empty() {
            let what = self.code.as_ref().or(self.kind.as_ref());
            self.message = format!("The upstream reported the error {}.", what.map_or("", |word| word));
        }
        self.context = self.context.or_else(|| said_context::in_words(&self.message));
        let line: String = self.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.message = shortened(line.trim(), MESSAGE);
        self
    }

    /// The same with every appearance of a secret, and of what looks like a key, blotted out.
    pub fn without(mut self, secret: &str) -> Self {
        let words = [&mut self.code, &mut self.kind, &mut self.param].into_iter().flatten();
        for text in words.chain([&mut self.message]) {
            *text = blotted(text, secret);
        }
        self
    }
}

/// A word or a number.
fn word(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => {
            Some(shortened(&text.replace(char::is_control, " "), WORD))
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A sentence: a text, the first of several, or FastAPI's `{"loc", "msg"}`.
fn sentence(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.first().and_then(sentence),
        Value::Object(object) => {
            ["message", "msg", "detail"].iter().find_map(|key| sentence(object.get(*key)?))
        }
        _ => None,
    }
}

fn shortened(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text[..end].to_owned()
}

/// A key begins like this, with all providers that mark theirs.
const KEY_STARTS: [&str; 4] = ["sk-", "AIza", "gsk_", "Bearer "];
/// Characters of a key, the stars of one that a provider has shortened included.
fn of_a_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.')
}

fn blotted(text: &str, secret: &str) -> String {
    let text = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "[key]") };
    let mut out = String::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(c) = rest.chars().next() {
        let start = KEY_STARTS.iter().find(|start| rest.starts_with(**start));
        let length = start.map_or(0, |start| {
            let tail = &rest[start.len()..];
            start.len() + tail.find(|c| !of_a_key(c)).unwrap_or(tail.len())
        });
        let inside = out.chars().next_back().is_some_and(|last| last.is_ascii_alphanumeric());
        if length >= 12 && !inside {
            out.push_str("[key]");
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_shape_is_read() {
        let check = |body: &str, code: Option<&str>, message: &str| {
            let complaint = read_error(400, body.as_bytes());
            assert_eq!((complaint.code.as_deref(), &*complaint.message), (code, message), "{body}");
        };
        check(r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#, Some("c"), "m");
        check(
            r#"{"error":{"code":"1261","message":"Prompt exceeds max length"}}"#,
            Some("1261"),
            "Prompt exceeds max length",
        );
        check(r#"{"error":{"code":429,"message":"m"}}"#, Some("429"), "m");
        check(r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#, Some("400"), "m");
        check(r#"{"error":"model is loading"}"#, None, "model is loading");
        check(r#"{"code":"InvalidParameter","message":"m","request_id":"r"}"#, Some("InvalidParameter"), "m");
        check(r#"{"detail":"Not Found"}"#, None, "Not Found");
        check(
            r#"{"detail":[{"loc":["body","n"],"msg":"not an integer","type":"x"}]}"#,
            None,
            "not an integer",
        );
        check(r#"{"errors":["first","second"]}"#, None, "first");
        check(r#"{"errors":[{"message":"first"}]}"#, None, "first");
        check(
            r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            Some("1008"),
            "insufficient balance",
        );
        check(r#"{"error_code":17,"error_msg":"daily limit"}"#, Some("17"), "daily limit");
        check(
            r#"{"error":{"code":"slow_down"}}"#,
            Some("slow_down"),
            "The upstream reported the error slow_down.",
        );
        check("{\"error\":\"a\\nb\\u0000c\"}", None, "a b c");
        let general = "The upstream answered 400 without an explanation.";
        for body in ["", "<html>502 Bad Gateway</html>", "{}", "[]", "null", "{\"error\":{}}", "\u{feff}{}"] {
            check(body, None, general);
        }
        check(&"[".repeat(1000), None, general);
        check(&format!("{{\"error\":\"{}\"}}", "x".repeat(100_000)), None, general);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "好".repeat(5_000);
        let complaint =
            read_error(500, format!(r#"{{"error":{{"message":"{long}","code":"{long}"}}}}"#).as_bytes());
        assert!(complaint.message.len() <= MESSAGE && complaint.message.len() > MESSAGE - 4);
        assert!(complaint.code.unwrap().len() <= WORD);
    }

    #[test]
    fn keys_are_blotted_out() {
        let check = |message: &str, expected: &str| {
            let complaint = ProviderError { message: message.into(), ..ProviderError::default() };
            assert_eq!(complaint.without("hunter2-secret").message, expected);
        };
        check("bad key hunter2-secret, hunter2-secret!", "bad key [key], [key]!");
        check(
            "Incorrect API key provided: sk-abc123***********wxyz. See",
            "Incorrect API key provided: [key] See",
        );
        check("header 'Bearer abcdef123456'", "header '[key]'");
        check("AIzaSyA1234567890 and gsk_1234567890abc", "[key] and [key]");
        check("task-oriented risk-based sk-8", "task-oriented risk-based sk-8");
        check("余额不足", "余额不足");
        let coded = ProviderError {
            code: Some("hunter2-secret".into()),
            message: "x".into(),
            ..ProviderError::default()
        };
        assert_eq!(coded.without("hunter2-secret").code.as_deref(), Some("[key]"));
    }
}
