//! Asks a model to go on with an answer that was begun.

use gateway_config::{ModelConfig, ModelProvider};

use super::chat::ChatRequest;
use super::estimate::tokens;
use super::json::string;
use super::scan::{Cursor, text_of};

/// How a provider is told that the last message is the beginning of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefillStyle {
    /// By the message alone.
    Plain,
    /// By a field of the message that is true: `prefix` (DeepSeek, Mistral), `partial` (Moonshot, Alibaba).
    Marked(&'static str),
    /// By fields of the request: vLLM and SGLang.
    Continued,
}

impl PrefillStyle {
    /// The way of a model's provider.
    pub fn of(model: &ModelConfig) -> Self {
        let ModelProvider::Remote(remote) = &model.provider else { return Self::Plain };
        match remote.provider_name.as_str() {
            "deepseek" | "mistral_ai" => Self::Marked("prefix"),
            "moonshot_ai" | "alibaba_cloud" => Self::Marked("partial"),
            "vllm" | "sglang" => Self::Continued,
            _ => Self::Plain,
        }
    }
}

impl ChatRequest {
    /// The same request with an answer that was begun with `said`, which counts towards the longest that the client
    /// allows. `None` if that cannot be said.
    pub fn going_on_after(&self, said: &str, prefix: PrefillStyle) -> Option<Self> {
        if !self.says_all() {
            return None;
        }
        let messages = self.object.get("messages")?.trim_ascii_end().strip_suffix(b"]")?;
        let mark = match prefix {
            PrefillStyle::Marked(field) => format!(",{}:true", string(field)),
            PrefillStyle::Plain | PrefillStyle::Continued => String::new(),
        };
        let message = format!(r#",{{"role":"assistant","content":{}{mark}}}]"#, string(said));
        let messages = [messages, message.as_bytes()].concat();
        let left = self.max_tokens().map(|most| most.saturating_sub(tokens(said)).max(1).to_string());
        let left = left.as_deref().map(str::as_bytes);
        let mut edits: Vec<(&str, Option<&[u8]>)> = vec![("messages", Some(&messages))];
        edits.extend(
            ["max_completion_tokens", "max_tokens"]
                .into_iter()
                .filter(|name| self.object.get(name).is_some_and(|value| value != b"null"))
                .map(|name| (name, left)),
        );
        if prefix == PrefillStyle::Continued {
            edits.push(("add_generation_prompt", Some(b"false")));
            edits.push(("continue_final_message", Some(b"true")));
        }
        Self::parse(self.object.edited(&edits)).ok()
    }
}

/// What the inside of a JSON string says; `None` if it is none.
pub fn unescaped(raw: &[u8]) -> Option<String> {
    let quoted = [b"\"", raw, b"\""].concat();
    let mut cursor = Cursor::over(text_of(&quoted).ok()?);
    let text = cursor.string().ok()?.cow().into_owned();
    cursor.end().ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_answer_that_was_begun_is_the_last_message() {
        let check = |given: &str, prefix: PrefillStyle, expected: &str| {
            let chat = ChatRequest::parse(Bytes::copy_from_slice(given.as_bytes())).unwrap();
            let on = chat.going_on_after("So \"it\"\n", prefix).unwrap();
            assert_eq!(std::str::from_utf8(on.object.bytes()).unwrap(), expected);
            assert!(on.needs().prefill);
        };
        let hi = r#"{"role":"user","content":"hi"}"#;
        check(
            &format!(r#"{{"model":"m","messages":[ {hi} ] ,"x":1}}"#),
            PrefillStyle::Plain,
            &format!(
                r#"{{"model":"m","messages":[ {hi} ,{{"role":"assistant","content":"So \"it\"\n"}}] ,"x":1}}"#
            ),
        );
        check(
            &format!(r#"{{"model":"m","max_tokens":3,"messages":[{hi}]}}"#),
            PrefillStyle::Marked("partial"),
            &format!(
                r#"{{"model":"m","max_tokens":1,"messages":[{hi},{{"role":"assistant","content":"So \"it\"\n","partial":true}}]}}"#
            ),
        );
        check(
            &format!(r#"{{"model":"m","messages":[{hi}]}}"#),
            PrefillStyle::Continued,
            &format!(
                r#"{{"model":"m","messages":[{hi},{{"role":"assistant","content":"So \"it\"\n"}}],"add_generation_prompt":false,"continue_final_message":true}}"#
            ),
        );
    }

    #[test]
    fn the_inside_of_a_string_is_read() {
        assert_eq!(unescaped(br"a\n\u4f60").as_deref(), Some("a\n你"));
        assert_eq!(unescaped("你好".as_bytes()).as_deref(), Some("你好"));
        assert_eq!(unescaped(b"").as_deref(), Some(""));
        assert_eq!(unescaped(br#"a"b"#), None);
        assert_eq!(unescaped(b"\\"), None);
    }
}
