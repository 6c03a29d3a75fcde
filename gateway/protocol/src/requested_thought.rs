//! Whether a request asks the model to think before it answers, in whichever words of a provider.

use super::chat::ChatRequest;
use super::fields::THOUGHT_FIELDS;
use super::json::RawObject;

/// Efforts that a model hardly thinks at.
const HARDLY: [&str; 2] = ["none", "minimal"];

/// The field of a request, or within one, that says how hard to think.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum ThoughtField<'a> {
    Switch(bool),
    Effort(#[serde(borrow)] std::borrow::Cow<'a, str>),
    Options(ThoughtOptions),
    Other(serde::de::IgnoredAny),
}

/// The same as an object: Anthropic's and others' `thinking`, OpenRouter's and the responses' `reasoning`, and what templates
/// of chats are told.
#[derive(serde::Deserialize)]
struct ThoughtOptions {
    #[serde(rename = "type")]
    kind: Option<String>,
    effort: Option<String>,
    enabled: Option<bool>,
    max_tokens: Option<u64>,
    enable_thinking: Option<bool>,
    thinking: Option<bool>,
}

impl ChatRequest {
    /// Whether it asks for thought: by an effort from `low` on, by a budget or by a switch. Models that think unasked are not
    /// known by it.
    pub fn asks_for_thought(&self) -> bool {
        let asks = |object: &RawObject| {
            THOUGHT_FIELDS.iter().filter_map(|name| object.get(name)).any(|value| {
                serde_json::from_slice::<ThoughtField<'_>>(value).is_ok_and(|field| field.asks())
            })
        };
        (self.fields.may_ask_for_thought && asks(&self.object))
            || self.native().is_some_and(|native| asks(native.body()))
    }
}

impl ThoughtField<'_> {
    fn asks(&self) -> bool {
        match self {
            Self::Switch(on) => *on,
            Self::Effort(word) => is_effort(word),
            Self::Options(options) => options.ask(),
            Self::Other(_) => false,
        }
    }
}

impl ThoughtOptions {
    fn ask(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| matches!(kind, "enabled" | "adaptive" | "auto"))
            || self.effort.as_deref().is_some_and(is_effort)
            || self.max_tokens.is_some_and(|budget| budget > 0)
            || [self.enabled, self.enable_thinking, self.thinking].contains(&Some(true))
    }
}

fn is_effort(word: &str) -> bool {
    !word.is_empty() && !HARDLY.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::super::endpoint::ApiEndpoint;
    use super::*;

    #[test]
    fn a_request_that_asks_for_thought_is_known() {
        let check = |fields: &str, expected: bool| {
            let text = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}]{fields}}}"#);
            assert_eq!(ChatRequest::parse(text.into()).unwrap().asks_for_thought(), expected, "{fields}");
        };
        check("", false);
        for word in ["low", "medium", "high", "xhigh", "max"] {
            check(&format!(r#","reasoning_effort":"{word}""#), true);
            check(&format!(r#","reasoning":{{"effort":"{word}"}}"#), true);
        }
        for word in [r#""none""#, r#""minimal""#, r#""""#, "null"] {
            check(&format!(r#","reasoning_effort":{word}"#), false);
            check(&format!(r#","reasoning":{{"effort":{word}}}"#), false);
        }
        check(r#","reasoning":{"max_tokens":2000}"#, true);
        check(r#","reasoning":{"max_tokens":0}"#, false);
        check(r#","reasoning":{"enabled":true}"#, true);
        check(r#","thinking":{"type":"enabled"}"#, true);
        check(r#","thinking":{"type":"disabled"}"#, false);
        check(r#","enable_thinking":true"#, true);
        check(r#","enable_thinking":false"#, false);
        check(r#","chat_template_kwargs":{"enable_thinking":true}"#, true);
        check(r#","chat_template_kwargs":{"thinking":true}"#, true);
        check(r#","chat_template_kwargs":{"enable_thinking":false}"#, false);
        check(r#","thinking":7"#, false);
    }

    #[test]
    fn the_other_apis_words_are_known() {
        let check = |endpoint: ApiEndpoint, fields: &str, expected: bool| {
            let prompt = match endpoint {
                ApiEndpoint::Messages => r#""max_tokens":9000,"messages":[{"role":"user","content":"x"}]"#,
                _ => r#""input":"x""#,
            };
            let text = format!(r#"{{"model":"m",{prompt}{fields}}}"#);
            let asked = endpoint.read(text.into(), "id").unwrap().chat;
            assert_eq!(asked.asks_for_thought(), expected, "{fields}");
        };
        check(ApiEndpoint::Messages, "", false);
        check(ApiEndpoint::Messages, r#","thinking":{"type":"adaptive"}"#, true);
        check(ApiEndpoint::Messages, r#","thinking":{"type":"enabled","budget_tokens":2000}"#, true);
        check(ApiEndpoint::Messages, r#","thinking":{"type":"disabled"}"#, false);
        check(ApiEndpoint::Messages, r#","output_config":{"effort":"high"}"#, true);
        check(ApiEndpoint::Responses, "", false);
        check(ApiEndpoint::Responses, r#","reasoning":{"effort":"high"}"#, true);
        check(ApiEndpoint::Responses, r#","reasoning":{"effort":"none","summary":"auto"}"#, false);
    }
}
