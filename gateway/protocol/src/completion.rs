//! A whole answer of the OpenAI dialect.

use bytes::Bytes;

use super::chunk::ChunkInfo;
use super::estimate::in_tokens;
use super::finish_reason::FinishReason;
use super::json::RawObject;
use super::json_error::JsonError;
use super::native_usage::native_whole;
use super::provider_error::ProviderError;
use super::usage::{FinalUsage, ReportedUsage};
use super::vectors::VectorEncoding;

/// A whole answer with the bytes that it came as.
#[derive(Debug, Clone)]
pub struct CompletionBody {
    object: RawObject,
    piece: ChunkInfo,
    native: Option<Bytes>,
}

/// Why a 200 is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// It holds an error.
    #[error("an error in place of an answer: {}", .0.message)]
    Complaint(ProviderError),
    /// It is not JSON, or no object.
    #[error("not a JSON object: {0}")]
    NotJson(JsonError),
    /// It has no choices.
    #[error("an answer without choices")]
    NoChoices,
}

impl CompletionBody {
    /// Reads the body of a 200. Blank lines before it, which some send to keep the connection alive, do not matter.
    pub fn parse(body: Bytes) -> Result<Self, NotAnAnswer> {
        let (object, piece) = read(body)?;
        if let Some(complaint) = piece.complaint(object.bytes()) {
            return Err(NotAnAnswer::Complaint(complaint));
        }
        if !piece.begins && piece.is_unknown_end() {
            let complaint = ProviderError::of_end(object.bytes());
            return Err(NotAnAnswer::Complaint(ProviderError {
                usage: piece.usage.map(Box::new),
                ..complaint
            }));
        }
        if piece.choices_empty {
            let complaint = ProviderError::found(object.bytes());
            return Err(complaint.map_or(NotAnAnswer::NoChoices, NotAnAnswer::Complaint));
        }
        Ok(Self { object, piece, native: None })
    }

    /// Reads an answer that has vectors; they are told in the form that was asked for, if one was.
    pub fn of_vectors(body: Bytes, form: Option<VectorEncoding>) -> Result<Self, NotAnAnswer> {
        let (object, piece) = read(body)?;
        if piece.failed || object.get("data").is_none_or(|data| !data.starts_with(b"[")) {
            let complaint = ProviderError::found(object.bytes());
            return Err(complaint.map_or(NotAnAnswer::NoChoices, NotAnAnswer::Complaint));
        }
        Ok(Self { object: form.map_or(object.clone(), |form| form.of(object)), piece, native: None })
    }

    /// The bytes that it came as, in OpenAI's dialect.
    #[inline]
    pub fn bytes(&self) -> &Bytes {
        self.object.bytes()
    }

    /// The bytes that it came as, for a client that speaks the upstream's dialect, where that is not OpenAI's.
    #[inline]
    pub fn native(&self) -> Option<&Bytes> {
        self.native.as_ref()
    }

    /// The same with what it came as.
    pub(super) fn carrying(self, native: Bytes) -> Self {
        Self { native: Some(native), ..self }
    }

    /// The upstream's token counts.
    #[inline]
    pub fn reported(&self) -> Option<ReportedUsage> {
        self.piece.usage
    }

    /// Characters of content, reasoning, refusal and tool call arguments, over all choices.
    #[inline]
    pub fn text(&self) -> usize {
        self.piece.text
    }

    /// The same text in tokens, estimated; 0 only if there is none.
    #[inline]
    pub fn tokens(&self) -> u64 {
        in_tokens(self.piece.weight)
    }

    /// Tokens that the same text has at least.
    #[inline]
    pub fn least(&self) -> u64 {
        self.piece.least
    }

    /// Why the answer ended; of several choices the gravest, or the last.
    #[inline]
    pub fn finish(&self) -> Option<FinishReason> {
        self.piece.finish
    }

    /// The answer with its `usage` replaced: the upstream's own usage object is kept with the cost added, unless tokens
    /// are estimated. Every other byte stays; for a client that speaks the upstream's dialect, of what came.
    pub fn with_usage(&self, usage: &FinalUsage) -> Bytes {
        if let Some(native) = &self.native {
            return native_whole(native, usage);
        }
        let usage = usage.object(self.object.get("usage"));
        self.object.edited(&[("usage", Some(&usage))])
    }
}

fn read(body: Bytes) -> Result<(RawObject, ChunkInfo), NotAnAnswer> {
    let (piece, places) = ChunkInfo::read_placed(&body).map_err(NotAnAnswer::NotJson)?;
    Ok((RawObject::placed(body, places), piece))
}

#[cfg(test)]
mod tests {
    use router_policies::{Money, Usage};

    use super::*;

    fn parse(text: &'static str) -> Result<CompletionBody, NotAnAnswer> {
        CompletionBody::parse(Bytes::from_static(text.as_bytes()))
    }

    const ANSWER: &str = "\n\n{\"id\":\"1\", \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"你好, you\"},\
                          \"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":3, \"completion_tokens\":4},\"x\":1e400}\n";

    #[test]
    fn an_answer_is_read() {
        let whole = parse(ANSWER).unwrap();
        assert_eq!((whole.text(), whole.finish()), (7, Some(FinishReason::Length)));
        assert_eq!(whole.tokens(), 3);
        assert_eq!(whole.reported().unwrap().completion, Some(4));
        assert_eq!(whole.bytes(), ANSWER);
        let called = parse(
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#,
        );
        assert_eq!(called.unwrap().text(), 3);
    }

    #[test]
    fn only_usage_is_changed() {
        let usage = Usage { input: 3, output: 4, ..Usage::default() };
        let check = |usage: Usage, cost, old: &str, new: &str| {
            let usage = FinalUsage { usage, cost, resumed: false, summed: false, account: None };
            assert_eq!(parse(ANSWER).unwrap().with_usage(&usage), ANSWER.replace(old, new));
        };
        check(
            usage,
            Some(Money(1)),
            "\"completion_tokens\":4",
            "\"completion_tokens\":4,\"cost\":0.000000001",
        );
        check(usage, None, "", "");
        check(
            Usage { estimated: true, ..usage },
            None,
            "{\"prompt_tokens\":3, \"completion_tokens\":4}",
            "{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7,\"estimated\":true}",
        );
        let bare = parse(r#"{"choices":[{}]}"#).unwrap();
        let added = bare.with_usage(&FinalUsage { usage, ..FinalUsage::default() });
        assert_eq!(
            added,
            r#"{"choices":[{}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#
        );
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let complaint = |text: &'static str| match parse(text).unwrap_err() {
            NotAnAnswer::Complaint(complaint) => complaint,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(complaint(r#"{"error":{"message":"busy","code":"1305"}}"#).code.as_deref(), Some("1305"));
        assert_eq!(
            complaint(r#"{"choices":null,"base_resp":{"status_code":1008,"status_msg":"x"}}"#)
                .code
                .as_deref(),
            Some("1008")
        );
        assert!(complaint(r#"{"code":"Arrearage","message":"Access denied"}"#).is_balance());
        for text in ["", "<html>", "[]", "{\"choices\":[", "data: {}"] {
            assert!(matches!(parse(text), Err(NotAnAnswer::NotJson(_))), "{text}");
        }
        for text in ["{}", r#"{"choices":[]}"#, r#"{"id":"1","choices":null}"#] {
            assert_eq!(parse(text).unwrap_err(), NotAnAnswer::NoChoices, "{text}");
        }
    }
}
