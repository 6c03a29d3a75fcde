//! What an answer repeats of its request.

use super::super::super::json::RawObject;
use super::super::json_builder::JsonBuilder;

/// Members of a request that its answer repeats, and what stands there when the request has none.
const REPEATED: [(&str, &str); 14] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("service_tier", r#""default""#),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("user", "null"),
];

/// Members of a request as they are written.
pub(super) struct ResponseEcho(Vec<(&'static str, String)>);

/// What an answer is so far.
pub(super) struct EchoState<'a> {
    pub(super) id: &'a str,
    pub(super) created: u64,
    pub(super) model: &'a str,
    pub(super) status: &'a str,
    /// An error, written.
    pub(super) error: Option<&'a str>,
    /// Why it is incomplete.
    pub(super) incomplete: Option<&'a str>,
    /// The items, written.
    pub(super) output: &'a str,
    /// Token counts, written.
    pub(super) usage: Option<&'a str>,
}

impl ResponseEcho {
    /// Of this request.
    pub(super) fn of(body: &RawObject) -> Self {
        let given = |name: &str| {
            let raw = body.get(name).and_then(|raw| std::str::from_utf8(raw).ok());
            // A line end between values is a space as good as any, and would end the line of an event.
            raw.filter(|raw| *raw != "null").map(|raw| raw.replace(['\n', '\r'], " "))
        };
        Self(
            REPEATED
                .iter()
                .map(|(name, none)| (*name, given(name).unwrap_or_else(|| (*none).into())))
                .collect(),
        )
    }

    /// The answer.
    pub(super) fn response(&self, state: &EchoState<'_>) -> String {
        let incomplete = state.incomplete.map(|reason| JsonBuilder::new().text("reason", reason).end());
        let mut response = JsonBuilder::new()
            .text("id", state.id)
            .text("object", "response")
            .number("created_at", state.created)
            .text("status", state.status)
            .raw("background", "false")
            .or_null("error", state.error)
            .or_null("incomplete_details", incomplete.as_deref())
            .text("model", state.model)
            .raw("output", state.output)
            .raw("previous_response_id", "null")
            .raw("store", "false")
            .text("truncation", "disabled");
        for (name, value) in &self.0 {
            response = response.raw(name, value);
        }
        response.or_null("usage", state.usage).end()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    /// A request that is written over several lines is repeated on one, as an event's data must be.
    #[test]
    fn what_is_repeated_stands_on_one_line() {
        let body =
            "{\"metadata\":{\r\n \"a\":\"b\\n\"\n},\"tools\":\n[\n\n],\"reasoning\":{\"effort\":\r\"low\"}}";
        let body = RawObject::skim(Bytes::from_static(body.as_bytes())).unwrap();
        let state = EchoState {
            id: "r",
            created: 7,
            model: "m",
            status: "in_progress",
            error: None,
            incomplete: None,
            output: "[]",
            usage: None,
        };
        let response = ResponseEcho::of(&body).response(&state);
        assert_eq!(response.lines().count(), 1, "{response}");
        let response: Value = serde_json::from_str(&response).unwrap();
        assert_eq!(response["metadata"], json!({"a": "b\n"}));
        assert_eq!((&response["tools"], &response["reasoning"]["effort"]), (&json!([]), &json!("low")));
    }
}
