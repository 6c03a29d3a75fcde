//! Answers in the shape of Google's `generateContent`, whole and streamed.

use serde_json::{Value, json};

use crate::scripted::{Billed, Choose, Request, Script, Step};

/// One answer of a model, to be given whole or as a stream, as the request's path asks.
#[derive(Debug, Clone)]
pub struct Content {
    thought: Option<String>,
    /// Each piece is one token and one event of a stream.
    pieces: Vec<String>,
    call: Option<(String, Value)>,
    /// Tokens of the prompt, and how many of them were cached.
    prompt: (u64, u64),
}

impl Content {
    /// A text in these pieces.
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        Self { thought: None, pieces, call: None, prompt: (11, 0) }
    }

    /// Thinks before it speaks.
    pub fn thinking(mut self, text: &str) -> Self {
        self.thought = Some(text.to_owned());
        self
    }

    /// Calls a function in the end.
    pub fn calling(mut self, function: &str, args: Value) -> Self {
        self.call = Some((function.to_owned(), args));
        self
    }

    /// Tokens of the prompt, and how many of them were cached.
    pub fn prompt(mut self, tokens: u64, cached: u64) -> Self {
        self.prompt = (tokens, cached);
        self
    }

    /// What this answer costs.
    pub fn billed(&self) -> Billed {
        let output = self.said() + u64::from(self.thought.is_some());
        Billed { input: self.prompt.0, cached: self.prompt.1, output }
    }

    fn said(&self) -> u64 {
        self.pieces.len() as u64 + u64::from(self.call.is_some())
    }

    fn parts(&self) -> Vec<Value> {
        let thought = self.thought.iter().map(|text| json!({"text": text, "thought": true}));
        let texts = self.pieces.iter().map(|text| json!({"text": text}));
        let call = self.call.iter().map(|(name, args)| {
            json!({"functionCall": {"name": name, "args": args}, "thoughtSignature": SIGNATURE})
        });
        thought.chain(texts).chain(call).collect()
    }

    fn part(&self, parts: &[Value], said: u64, finish: Option<&str>) -> Value {
        let thoughts = u64::from(self.thought.is_some());
        let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        json!({
            "candidates": [candidate], "modelVersion": "gemini-scripted", "responseId": "scripted",
            "usageMetadata": {
                "promptTokenCount": self.prompt.0, "cachedContentTokenCount": self.prompt.1,
                "candidatesTokenCount": said, "thoughtsTokenCount": thoughts,
                "totalTokenCount": self.prompt.0 + said + thoughts,
            },
        })
    }

    /// The answer as one object.
    pub fn object(&self) -> Value {
        self.part(&self.parts(), self.said(), Some("STOP"))
    }

    /// The whole answer.
    pub fn whole(&self) -> Script {
        Script::default().step(Step::Bill(self.billed())).then(Script::json(200, &self.object()))
    }

    /// The answer as a stream, one part an event. There is no marker at its end.
    pub fn stream(&self) -> Script {
        let mut script = Script::default().step(Step::Bill(self.billed())).then(Script::events());
        let mut said = 0;
        for part in self.parts() {
            said += u64::from(part["thought"].is_null());
            script = script.event(self.part(&[part], said, None));
        }
        script.event(self.part(&[json!({"text": ""})], said, Some("STOP"))).end()
    }
}

/// Whole or streamed, as the request asks.
impl Choose for Content {
    fn choose(&self, request: &Request) -> Script {
        if request.path().contains(":streamGenerateContent?alt=sse") { self.stream() } else { self.whole() }
    }
}

/// What a call must be sent back with.
pub const SIGNATURE: &str = "CiQB0f8jWw==";

/// An error in Google's shape.
pub fn error(status: u16, word: &str, message: &str, details: &Value) -> Script {
    Script::json(
        status,
        &json!({"error": {"code": status, "message": message, "status": word, "details": details}}),
    )
}
