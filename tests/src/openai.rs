//! Answers in OpenAI's shape, whole and streamed, right or wrong in known ways.

use serde_json::{Value, json};

use crate::scripted::{Billed, Choose, Request, Script, Step};

/// One answer of a model, to be given whole or as a stream, as the request asks.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What comes before the text.
    reasoning: Vec<String>,
    /// The text; each piece is one token and one chunk of a stream.
    pieces: Vec<String>,
    tool_calls: Vec<(String, String)>,
    model: String,
    input: u64,
    cached: u64,
    usage: UsageShape,
    /// The probability of each token, for who asks.
    probability: f64,
    /// Whether it is told.
    tells: bool,
    finish: Option<&'static str>,
}

/// How a provider tells what a stream used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageShape {
    /// As OpenAI does: when asked, in a last chunk whose `choices` is empty.
    LastChunk,
    /// In a last chunk that has a choice with an empty delta.
    EmptyDelta,
    /// Beside the finish reason.
    WithFinish,
    /// In every chunk, cumulative.
    EveryChunk,
    /// In two last chunks, the first of which is too low.
    Twice,
    /// Not at all.
    Never,
}

impl UsageShape {
    /// All shapes.
    pub const ALL: [Self; 6] =
        [Self::LastChunk, Self::EmptyDelta, Self::WithFinish, Self::EveryChunk, Self::Twice, Self::Never];
}

impl Reply {
    /// A text, one token a word or Chinese character.
    pub fn text(text: &str) -> Self {
        Self::pieces(tokens(text))
    }

    /// A text in these pieces.
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self {
            reasoning: Vec::new(),
            pieces: pieces.into_iter().map(Into::into).collect(),
            tool_calls: Vec::new(),
            model: "scripted-1".to_owned(),
            input: 11,
            cached: 0,
            usage: UsageShape::LastChunk,
            probability: 0.9,
            tells: false,
            finish: None,
        }
    }

    /// How probable each of its tokens is; 0.9 unless said otherwise. Only told to who asks.
    pub fn probable(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Ends for another reason than its kind has.
    pub fn ending(mut self, finish: &'static str) -> Self {
        self.finish = Some(finish);
        self
    }

    /// Calls a tool, with arguments in JSON.
    pub fn calling(mut self, tool: &str, arguments: &str) -> Self {
        self.tool_calls.push((tool.to_owned(), arguments.to_owned()));
        self
    }

    /// Thinks before it speaks.
    pub fn thinking(mut self, text: &str) -> Self {
        self.reasoning = tokens(text);
        self
    }

    /// The name that the upstream gives itself.
    pub fn model(mut self, model: &str) -> Self {
        self.model = model.to_owned();
        self
    }

    /// Tokens of the prompt, and how many of them were cached.
    pub fn input(mut self, input: u64, cached: u64) -> Self {
        (self.input, self.cached) = (input, cached);
        self
    }

    /// How usage is told.
    pub fn usage(mut self, shape: UsageShape) -> Self {
        self.usage = shape;
        self
    }

    /// The whole text.
    pub fn whole_text(&self) -> String {
        self.pieces.concat()
    }

    /// What this answer costs.
    pub fn billed(&self) -> Billed {
        let output = (self.reasoning.len() + self.pieces.len() + self.tool_calls.len()) as u64;
        Billed { input: self.input, cached: self.cached, output }
    }

    /// The answer as one object.
    pub fn object(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.whole_text()});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.concat().into();
        }
        if !self.tool_calls.is_empty() {
            message["tool_calls"] = self.calls().collect();
            message["content"] = Value::Null;
        }
        let choice = json!({"index": 0, "message": message, "logprobs": self.odds(&self.pieces), "finish_reason": self.finish()});
        let mut object = json!({
            "id": ID, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": [choice], "system_fingerprint": "fp_scripted"
        });
        if self.usage != UsageShape::Never {
            object["usage"] = usage(self.billed());
        }
        object
    }

    /// The whole answer.
    pub fn whole(&self) -> Script {
        Script::default().step(Step::Bill(self.billed())).then(Script::json(200, &self.object()))
    }

    /// The answer as a stream; `include_usage` as in the request.
    pub fn stream(&self, include_usage: bool) -> Script {
        let mut script = Script::default()
            .step(Step::Bill(Billed { output: 0, ..self.billed() }))
            .then(Script::events())
            .event(self.chunk(json!({"role": "assistant", "content": ""}), None, include_usage));
        let mut so_far = Billed { output: 0, ..self.billed() };
        for delta in self.deltas() {
            so_far.output += 1;
            let said: Vec<String> = delta["content"].as_str().map(str::to_owned).into_iter().collect();
            let mut chunk = self.chunk(delta, None, include_usage);
            chunk["choices"][0]["logprobs"] = self.odds(&said);
            if self.usage == UsageShape::EveryChunk {
                chunk["usage"] = usage(so_far);
            }
            script = script.bill_output(1).event(chunk);
        }
        for chunk in self.last_chunks(include_usage) {
            script = script.event(chunk);
        }
        script.event("[DONE]").end()
    }

    fn deltas(&self) -> impl Iterator<Item = Value> + '_ {
        let thoughts = self.reasoning.iter().map(|piece| json!({"reasoning_content": piece}));
        let texts = self.pieces.iter().map(|piece| json!({"content": piece}));
        let calls = self.calls().enumerate().map(|(index, mut call)| {
            call["index"] = index.into();
            json!({"tool_calls": [call]})
        });
        thoughts.chain(texts).chain(calls)
    }

    fn calls(&self) -> impl Iterator<Item = Value> + '_ {
        self.tool_calls.iter().enumerate().map(|(index, (name, arguments))| {
            let function = json!({"name": name, "arguments": arguments});
            json!({"id": format!("call_{index}"), "type": "function", "function": function})
        })
    }

    /// The chunk with the finish reason and whatever follows it.
    fn last_chunks(&self, include_usage: bool) -> Vec<Value> {
        let mut finish = self.chunk(json!({}), Some(self.finish()), include_usage);
        let full = usage(self.billed());
        let mut last = self.chunk(json!({}), None, false);
        last["usage"] = full.clone();
        match self.usage {
            UsageShape::LastChunk if include_usage => {
                last["choices"] = json!([]);
                vec![finish, last]
            }
            UsageShape::LastChunk | UsageShape::Never => vec![finish],
            UsageShape::EmptyDelta => vec![finish, last],
            UsageShape::WithFinish | UsageShape::EveryChunk => {
                finish["usage"] = full;
                vec![finish]
            }
            UsageShape::Twice => {
                let mut low = last.clone();
                low["choices"] = json!([]);
                last["choices"] = json!([]);
                low["usage"] = usage(Billed { output: 1, ..self.billed() });
                vec![finish, low, last]
            }
        }
    }

    fn chunk(&self, delta: Value, finish: Option<&str>, include_usage: bool) -> Value {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
        let mut chunk = json!({
            "id": ID, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
            "choices": [choice], "system_fingerprint": "fp_scripted"
        });
        if include_usage && self.usage == UsageShape::LastChunk {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    fn odds(&self, tokens: &[String]) -> Value {
        if !self.tells || tokens.is_empty() {
            return Value::Null;
        }
        let logprob = self.probability.ln();
        let odds = |token: &String| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes(), "top_logprobs": []});
        json!({"content": tokens.iter().map(odds).collect::<Vec<_>>(), "refusal": null})
    }

    fn finish(&self) -> &'static str {
        if let Some(finish) = self.finish {
            return finish;
        }
        if self.tool_calls.is_empty() { "stop" } else { "tool_calls" }
    }
}

/// Whole or streamed, with usage or without, as the request asks.
impl Choose for Reply {
    fn choose(&self, request: &Request) -> Script {
        let reply = Self { tells: request.json()["logprobs"] == true, ..self.clone() };
        if request.asks_stream() { reply.stream(request.asks_usage()) } else { reply.whole() }
    }
}

const ID: &str = "chatcmpl-scripted";
const CREATED: u64 = 1_750_000_000;

/// Usage in OpenAI's shape.
pub fn usage(billed: Billed) -> Value {
    json!({
        "prompt_tokens": billed.input, "completion_tokens": billed.output,
        "total_tokens": billed.input + billed.output,
        "prompt_tokens_details": {"cached_tokens": billed.cached}
    })
}

/// An error in OpenAI's shape.
pub fn error_object(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// An answer that is an error.
pub fn error(status: u16, code: &str) -> Script {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    Script::json(status, &error_object(kind, code, &format!("scripted {status}")))
}

/// A request for a chat completion with one message.
pub fn ask(model: &str, prompt: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": prompt}]})
}

/// The same, streamed.
pub fn ask_stream(model: &str, prompt: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": prompt}]})
}

/// Words with the space after them; characters beyond ASCII alone.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = vec![String::new()];
    for character in text.chars() {
        let last = tokens.last_mut().expect("never empty");
        if !last.is_empty()
            && (!character.is_ascii() || last.ends_with(|end: char| end == ' ' || !end.is_ascii()))
        {
            tokens.push(character.to_string());
        } else {
            last.push(character);
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}
