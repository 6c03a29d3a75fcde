//! Answers in the shape of Anthropic's messages, whole and streamed.

use serde_json::{Value, json};

use crate::scripted::{Billed, Choose, Request, Script, Step};

/// One answer of a model, to be given whole or as a stream, as the request asks.
#[derive(Debug, Clone)]
pub struct Message {
    thinking: Option<String>,
    /// Each piece is one token and one event of a stream.
    pieces: Vec<String>,
    call: Option<(String, String)>,
    /// Tokens of the prompt: new, read from a cache, written to one of five minutes and to one of an hour.
    prompt: [u64; 4],
}

impl Message {
    /// A text in these pieces.
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        Self { thinking: None, pieces, call: None, prompt: [11, 0, 0, 0] }
    }

    /// Thinks before it speaks.
    pub fn thinking(mut self, text: &str) -> Self {
        self.thinking = Some(text.to_owned());
        self
    }

    /// Calls a tool in the end, with arguments in JSON.
    pub fn calling(mut self, tool: &str, arguments: &str) -> Self {
        self.call = Some((tool.to_owned(), arguments.to_owned()));
        self
    }

    /// Tokens of the prompt: new, read from a cache, written to one of five minutes and to one of an hour.
    pub fn prompt(mut self, counts: [u64; 4]) -> Self {
        self.prompt = counts;
        self
    }

    /// What this answer costs.
    pub fn billed(&self) -> Billed {
        Billed { input: self.prompt.iter().sum(), cached: self.prompt[1], output: self.output() }
    }

    fn output(&self) -> u64 {
        (self.pieces.len() + usize::from(self.thinking.is_some()) + usize::from(self.call.is_some())) as u64
    }

    fn usage(&self, output: u64) -> Value {
        let [new, read, short, long] = self.prompt;
        json!({
            "input_tokens": new, "output_tokens": output, "cache_read_input_tokens": read,
            "cache_creation_input_tokens": short + long,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        })
    }

    fn reason(&self) -> &'static str {
        if self.call.is_some() { "tool_use" } else { "end_turn" }
    }

    /// The answer as one object.
    pub fn object(&self) -> Value {
        let mut content = Vec::new();
        if let Some(thinking) = &self.thinking {
            content.push(json!({"type": "thinking", "thinking": thinking, "signature": SIGNATURE}));
        }
        content.push(json!({"type": "text", "text": self.pieces.concat()}));
        if let Some((name, arguments)) = &self.call {
            let input: Value = serde_json::from_str(arguments).expect("arguments in JSON");
            content.push(json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": input}));
        }
        json!({
            "id": "msg_scripted", "type": "message", "role": "assistant", "model": "claude-scripted", "content": content,
            "stop_reason": self.reason(), "stop_sequence": null, "usage": self.usage(self.output()),
        })
    }

    /// The events of the answer, in order.
    pub fn events(&self) -> Vec<Value> {
        let mut head = self.object();
        head["content"] = json!([]);
        head["stop_reason"] = Value::Null;
        head["usage"] = self.usage(1);
        let mut events = vec![json!({"type": "message_start", "message": head}), json!({"type": "ping"})];
        let mut index = 0;
        let mut block = |start: Value, deltas: Vec<Value>| {
            events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
            let delta = |delta| json!({"type": "content_block_delta", "index": index, "delta": delta});
            events.extend(deltas.into_iter().map(delta));
            events.push(json!({"type": "content_block_stop", "index": index}));
            index += 1;
        };
        if let Some(thinking) = &self.thinking {
            let deltas = vec![
                json!({"type": "thinking_delta", "thinking": thinking}),
                json!({"type": "signature_delta", "signature": SIGNATURE}),
            ];
            block(json!({"type": "thinking", "thinking": "", "signature": ""}), deltas);
        }
        let texts = self.pieces.iter().map(|text| json!({"type": "text_delta", "text": text}));
        block(json!({"type": "text", "text": ""}), texts.collect());
        if let Some((name, arguments)) = &self.call {
            let deltas =
                ["", arguments].map(|json| json!({"type": "input_json_delta", "partial_json": json}));
            block(json!({"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}), deltas.to_vec());
        }
        let delta = json!({"stop_reason": self.reason(), "stop_sequence": null});
        events.push(
            json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": self.output()}}),
        );
        events.push(json!({"type": "message_stop"}));
        events
    }

    /// The whole answer.
    pub fn whole(&self) -> Script {
        Script::default().step(Step::Bill(self.billed())).then(Script::json(200, &self.object()))
    }

    /// The answer as a stream, one event a chunk.
    pub fn stream(&self) -> Script {
        let script = Script::default().step(Step::Bill(self.billed())).then(Script::events());
        self.events().iter().fold(script, |script, event| script.chunk(self::event(event))).end()
    }
}

/// Whole or streamed, as the request asks.
impl Choose for Message {
    fn choose(&self, request: &Request) -> Script {
        if request.asks_stream() { self.stream() } else { self.whole() }
    }
}

/// What the model thought, signed.
pub const SIGNATURE: &str = "EqQBCgIYAhIM";

/// An event with its name, as the API sends it.
pub fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// An error in Anthropic's shape.
pub fn error_object(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}

/// An answer that is an error.
pub fn error(status: u16, kind: &str, message: &str) -> Script {
    Script::json(status, &error_object(kind, message))
}
