//! What is asked and answered: every byte of it is known to both ends.

use std::sync::LazyLock;

/// Models of the upstream, each with an answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole answer of some 60 tokens.
    Whole,
    /// The same to a prompt of 16 KB.
    Long,
    /// A stream of 100 chunks without a pause.
    Hundred,
    /// A stream of a chunk each [`crate::speed::upstream::PAUSE`], without an end.
    Slow,
}

impl Kind {
    /// The name of the upstream's model.
    pub fn model(self) -> &'static str {
        match self {
            Self::Whole | Self::Long => "whole",
            Self::Hundred => "hundred",
            Self::Slow => "slow",
        }
    }

    /// Whether the answer is a stream.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Hundred | Self::Slow)
    }

    /// The answer's body, where it has an end.
    pub fn answer(self) -> String {
        match self {
            Self::Whole | Self::Long => WHOLE.to_owned(),
            Self::Hundred | Self::Slow => (0..CHUNKS).map(event).collect::<String>() + END,
        }
    }

    /// The same from Xietong, which says what it cost at prices of 1 and 2 for a million tokens, and changes nothing else.
    pub fn answer_with_cost(self) -> String {
        let (total, cost) = if self.is_stream() { (142, "0.000242") } else { (106, "0.00017") };
        let usage = format!("\"total_tokens\":{total}");
        self.answer().replace(&usage, &format!("{usage},\"cost\":{cost}"))
    }

    /// A request of an SDK's for it, head and body, that names `model`.
    pub fn request(self, model: &str) -> Vec<u8> {
        self.request_about(model, if self == Self::Long { &LONG } else { PROMPT })
    }

    /// The same with a prompt of another's.
    pub fn request_about(self, model: &str, prompt: &str) -> Vec<u8> {
        let content = serde_json::Value::from(prompt);
        let stream =
            if self.is_stream() { r#","stream":true,"stream_options":{"include_usage":true}"# } else { "" };
        let body = format!(
            r#"{{"model":"{model}","messages":[{{"role":"system","content":"You are a helpful assistant."}},{{"role":"user","content":{content}}}],"temperature":0.2,"max_tokens":256{stream}}}"#
        );
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\n\
             content-type: application/json\r\nauthorization: Bearer {KEY}\r\n\
             user-agent: OpenAI/Python 2.8.0\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        (head + &body).into_bytes()
    }
}

/// The key that clients have.
pub const KEY: &str = "sk-speed-client-0123456789abcdef";

const PROMPT: &str =
    "Explain in two sentences why the sky is blue at noon and red in the evening, for a child of ten.";

/// Prose of some 16 KB.
static LONG: LazyLock<String> = LazyLock::new(|| {
    let line = |at: usize| {
        format!(
            "Paragraph {at}: the committee looked at the proposal, asked for {} further figures, and put its decision off. ",
            at * 7 % 23
        )
    };
    (0..150).map(line).collect()
});

/// As providers write it.
pub const WHOLE: &str = concat!(
    r#"{"id":"chatcmpl-9xKq2LmWvT7d","object":"chat.completion","created":1764000000,"model":"whole","#,
    r#""choices":[{"index":0,"message":{"role":"assistant","content":"Sunlight is made of all colours, and the air "#,
    r#"scatters blue light much more than red, so at noon blue comes at us from all over the sky. In the evening "#,
    r#"the light has to cross far more air, nearly all the blue is scattered away on its path, and red is left.""#,
    r#","refusal":null},"logprobs":null,"finish_reason":"stop"}],"#,
    r#""usage":{"prompt_tokens":42,"completion_tokens":64,"total_tokens":106},"system_fingerprint":"fp_44709d6fcb"}"#
);

/// Chunks of a stream, one event each.
pub const CHUNKS: usize = 100;

/// An event with a token.
pub fn event(at: usize) -> String {
    format!(
        concat!(
            r#"data: {{"id":"chatcmpl-9xKq2LmWvT7d","object":"chat.completion.chunk","created":1764000000,"#,
            r#""model":"hundred","system_fingerprint":"fp_44709d6fcb","choices":[{{"index":0,"#,
            r#""delta":{{{}"content":" word{}"}},"logprobs":null,"finish_reason":null}}]}}"#,
            "\n\n"
        ),
        if at == 0 { r#""role":"assistant","# } else { "" },
        at
    )
}

/// How a stream ends.
pub const END: &str = concat!(
    r#"data: {"id":"chatcmpl-9xKq2LmWvT7d","object":"chat.completion.chunk","created":1764000000,"#,
    r#""model":"hundred","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"chatcmpl-9xKq2LmWvT7d","object":"chat.completion.chunk","created":1764000000,"#,
    r#""model":"hundred","choices":[],"usage":{"prompt_tokens":42,"completion_tokens":100,"total_tokens":142}}"#,
    "\n\ndata: [DONE]\n\n"
);
