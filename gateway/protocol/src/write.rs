//! Answers and errors of our own, in OpenAI's exact shapes.

use bytes::Bytes;
use serde::Serialize;

use super::finish_reason::FinishReason;
use super::json::string;
use super::usage::FinalUsage;

/// The marker that ends a successful stream.
pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// What every piece of one answer has in common.
#[derive(Debug, Clone, Copy)]
pub struct ChunkMeta<'a> {
    /// Such as `chatcmpl-…`.
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// The model's name.
    pub model: &'a str,
    /// `system_fingerprint`; left out when `None`.
    pub fingerprint: Option<&'a str>,
}

/// What a chunk adds to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeltaField<'a> {
    /// The first: says that the assistant speaks.
    Role,
    /// Text.
    Content(&'a str),
    /// Text of reasoning.
    Reasoning(&'a str),
    /// A piece of a call of a tool.
    ToolCall {
        /// Which call of the choice, from 0.
        index: u32,
        /// Its id and the tool's name; with the first piece of a call only.
        begins: Option<(&'a str, &'a str)>,
        /// More of its arguments.
        arguments: &'a str,
    },
    /// The last: says why it ended.
    End(FinishReason),
}

/// A token and how probable it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenLogprob {
    /// Its text; bytes that are no UTF-8 alone show as U+FFFD.
    pub token: String,
    /// Natural logarithm of its probability; −9999 where that is no number of JSON's.
    #[serde(serialize_with = "finite")]
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The likeliest tokens at this place.
    #[serde(rename = "top_logprobs")]
    pub top: Vec<LogprobAlternative>,
}

/// A token that might have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogprobAlternative {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability; −9999 where that is no number of JSON's.
    #[serde(serialize_with = "finite")]
    pub logprob: f64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What OpenAI says of a token that is not among the likeliest.
const UNLIKELY: f64 = -9999.0;

fn finite<S: serde::Serializer>(logprob: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(if logprob.is_finite() { *logprob } else { UNLIKELY })
}

/// One finished choice.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenChoice {
    /// The text.
    pub content: String,
    /// The text of reasoning, if any.
    pub reasoning: Option<String>,
    /// Why it ended.
    pub finish: FinishReason,
    /// Its tokens, when asked for.
    pub logprobs: Option<Vec<TokenLogprob>>,
}

/// A `chat.completion.chunk` as an event, `data: {…}\n\n`.
pub fn write_chunk(
    stamp: &ChunkMeta<'_>,
    index: u32,
    delta: DeltaField<'_>,
    logprobs: Option<&[TokenLogprob]>,
) -> Bytes {
    let (delta, finish) = match delta {
        DeltaField::Role => (r#"{"role":"assistant","content":""}"#.to_owned(), None),
        DeltaField::Content(text) => (format!(r#"{{"content":{}}}"#, string(text)), None),
        DeltaField::Reasoning(text) => (format!(r#"{{"reasoning_content":{}}}"#, string(text)), None),
        DeltaField::ToolCall { index, begins, arguments } => (call_json(index, begins, arguments), None),
        DeltaField::End(finish) => ("{}".to_owned(), Some(finish)),
    };
    let head = open_head(stamp, "chat.completion.chunk");
    let (logprobs, finish) = (logprobs_json(logprobs), finish_json(finish));
    format!(
        "data: {head},\"choices\":[{{\"index\":{index},\"delta\":{delta},\"logprobs\":{logprobs},\
         \"finish_reason\":{finish}}}]}}\n\n"
    )
    .into()
}

fn call_json(index: u32, begins: Option<(&str, &str)>, arguments: &str) -> String {
    let (head, name) = begins.map_or_else(Default::default, |(id, name)| {
        (format!(r#""id":{},"type":"function","#, string(id)), format!(r#""name":{},"#, string(name)))
    });
    let arguments = string(arguments);
    format!(r#"{{"tool_calls":[{{"index":{index},{head}"function":{{{name}"arguments":{arguments}}}}}]}}"#)
}

/// A `chat.completion`.
pub fn write_whole(stamp: &ChunkMeta<'_>, choices: &[WrittenChoice], usage: &FinalUsage) -> Bytes {
    let choices: Vec<_> = choices.iter().enumerate().map(|(index, choice)| choice.json(index)).collect();
    let usage = usage.object(None);
    let usage = std::str::from_utf8(&usage).unwrap_or("null");
    let head = open_head(stamp, "chat.completion");
    format!("{head},\"choices\":[{}],\"usage\":{usage}}}", choices.join(",")).into()
}

/// An error in OpenAI's shape: all four keys, `null` where there is nothing to say.
pub fn error_body(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    let or_null = |text: Option<&str>| text.map_or_else(|| "null".to_owned(), string);
    format!(
        r#"{{"error":{{"message":{},"type":{},"param":{},"code":{}}}}}"#,
        string(message),
        string(kind),
        or_null(param),
        or_null(code)
    )
    .into()
}

/// An error body as an event of a stream that has begun. The success marker must not follow.
pub fn error_event(body: &[u8]) -> Bytes {
    [b"data: ", body, b"\n\n"].concat().into()
}

/// An object with what every piece of the answer has, and nothing else.
pub(super) fn head(stamp: &ChunkMeta<'_>, object: &str) -> String {
    open_head(stamp, object) + "}"
}

fn open_head(stamp: &ChunkMeta<'_>, object: &str) -> String {
    let ChunkMeta { id, created, model, fingerprint } = stamp;
    let (id, model) = (string(id), string(model));
    let fingerprint = fingerprint.map(|mark| format!(r#","system_fingerprint":{}"#, string(mark)));
    let fingerprint = fingerprint.unwrap_or_default();
    format!(r#"{{"id":{id},"object":"{object}","created":{created},"model":{model}{fingerprint}"#)
}

fn finish_json(finish: Option<FinishReason>) -> String {
    finish.map_or_else(|| "null".to_owned(), |finish| string(finish.word()))
}

fn logprobs_json(logprobs: Option<&[TokenLogprob]>) -> String {
    let tokens = logprobs.and_then(|tokens| serde_json::to_string(tokens).ok());
    tokens.map_or_else(|| "null".to_owned(), |tokens| format!(r#"{{"content":{tokens},"refusal":null}}"#))
}

impl WrittenChoice {
    fn json(&self, index: usize) -> String {
        let content = string(&self.content);
        let reasoning = self.reasoning.as_deref();
        let reasoning = reasoning.map(|text| format!(r#","reasoning_content":{}"#, string(text)));
        let reasoning = reasoning.unwrap_or_default();
        let logprobs = logprobs_json(self.logprobs.as_deref());
        let finish = finish_json(Some(self.finish));
        format!(
            r#"{{"index":{index},"message":{{"role":"assistant","content":{content}{reasoning},"refusal":null}},"logprobs":{logprobs},"finish_reason":{finish}}}"#
        )
    }
}

#[cfg(test)]
mod tests {
    use router_policies::Usage;
    use serde_json::{Value, json};

    use super::super::chunk::{ChunkKind, read_chunk};
    use super::super::sse::SseParser;
    use super::*;

    const STAMP: ChunkMeta<'_> =
        ChunkMeta { id: "chatcmpl-1", created: 7, model: "小\"", fingerprint: Some("fp") };

    fn token(text: &str, logprob: f64) -> TokenLogprob {
        let top =
            vec![LogprobAlternative { token: text.into(), logprob: f64::NEG_INFINITY, bytes: text.into() }];
        TokenLogprob { token: text.into(), logprob, bytes: text.into(), top }
    }

    #[test]
    fn chunks_have_openais_shape() {
        let check = |delta: DeltaField<'_>, logprobs: Option<&[TokenLogprob]>, choice: Value| {
            let bytes = write_chunk(&STAMP, 2, delta, logprobs);
            let text = std::str::from_utf8(&bytes).unwrap();
            let data = text.strip_prefix("data: ").and_then(|data| data.strip_suffix("\n\n")).unwrap();
            let expected = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "小\"",
                "system_fingerprint": "fp", "choices": [choice],
            });
            assert_eq!(serde_json::from_str::<Value>(data).unwrap(), expected);
            let mut splitter = SseParser::new();
            splitter.feed(bytes);
            assert!(matches!(read_chunk(splitter.next().unwrap().unwrap()).what, ChunkKind::Piece(_)));
        };
        let choice = |delta: Value, logprobs: Value, finish: Value| json!({"index": 2, "delta": delta, "logprobs": logprobs, "finish_reason": finish});
        check(
            DeltaField::Role,
            None,
            choice(json!({"role": "assistant", "content": ""}), Value::Null, Value::Null),
        );
        let tokens = [token("好", -0.5)];
        let logprobs = json!({"refusal": null, "content": [{
            "token": "好", "logprob": -0.5, "bytes": [229, 165, 189],
            "top_logprobs": [{"token": "好", "logprob": -9999.0, "bytes": [229, 165, 189]}],
        }]});
        check(
            DeltaField::Content("好\n\""),
            Some(&tokens),
            choice(json!({"content": "好\n\""}), logprobs, Value::Null),
        );
        check(
            DeltaField::Reasoning("hm"),
            None,
            choice(json!({"reasoning_content": "hm"}), Value::Null, Value::Null),
        );
        let begins = Some(("call_1", "f"));
        check(
            DeltaField::ToolCall { index: 1, begins, arguments: "{\"" },
            None,
            choice(
                json!({"tool_calls": [{
                    "index": 1, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\""},
                }]}),
                Value::Null,
                Value::Null,
            ),
        );
        check(
            DeltaField::ToolCall { index: 0, begins: None, arguments: "}" },
            None,
            choice(
                json!({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}),
                Value::Null,
                Value::Null,
            ),
        );
        check(DeltaField::End(FinishReason::Length), None, choice(json!({}), Value::Null, json!("length")));
    }

    #[test]
    fn whole_answers_have_openais_shape() {
        let choice = WrittenChoice {
            content: "Hi\u{0}".into(),
            reasoning: Some("hm".into()),
            finish: FinishReason::Stop,
            logprobs: Some(vec![token("Hi", -1.0)]),
        };
        let plain = WrittenChoice {
            content: "好".into(),
            reasoning: None,
            finish: FinishReason::Stop,
            logprobs: None,
        };
        let usage = Usage { input: 1, output: 2, ..Usage::default() };
        let usage = FinalUsage { usage, ..FinalUsage::default() };
        let whole = write_whole(&STAMP, &[choice, plain], &usage);
        let value: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(value["object"], "chat.completion");
        assert_eq!(value["usage"], json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}));
        let message =
            json!({"role": "assistant", "content": "Hi\u{0}", "reasoning_content": "hm", "refusal": null});
        assert_eq!(value["choices"][0]["message"], message);
        assert_eq!(value["choices"][0]["logprobs"]["content"][0]["token"], "Hi");
        let plain = json!({
            "index": 1, "message": {"role": "assistant", "content": "好", "refusal": null},
            "logprobs": null, "finish_reason": "stop",
        });
        assert_eq!(value["choices"][1], plain);
    }

    #[test]
    fn errors_have_all_four_keys() {
        let body = error_body("no \"x\"", "invalid_request_error", None, Some("model_not_found"));
        let expected = r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#;
        assert_eq!(body, expected);
        assert_eq!(error_event(&body), format!("data: {expected}\n\n"));
    }
}
