//! A program that keeps a conversation in the words of one API, as SDKs and agents do: it appends what it was told as it was
//! told it, and sends all of it with each turn.

use serde_json::{Value, json};

use crate::wire::Answer;

/// The API that it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// OpenAI's responses.
    Responses,
}

/// A picture of one byte.
const PICTURE: &str = "iVBORw0KGgo=";

/// A conversation.
#[derive(Debug, Clone)]
pub struct Talk {
    spoken: Spoken,
    /// Messages or items.
    history: Vec<Value>,
    /// Calls that no tool has answered.
    calls: Vec<String>,
}

impl Talk {
    /// One that nobody has said anything in.
    pub fn new(spoken: Spoken) -> Self {
        Self { spoken, history: Vec::new(), calls: Vec::new() }
    }

    /// Where it is sent.
    pub fn path(&self) -> &'static str {
        match self.spoken {
            Spoken::Chat => "/v1/chat/completions",
            Spoken::Messages => "/v1/messages",
            Spoken::Responses => "/v1/responses",
        }
    }

    /// Whether tools are to answer next.
    pub fn waits_for_tools(&self) -> bool {
        !self.calls.is_empty()
    }

    /// A person says something, perhaps with a picture.
    pub fn say(&mut self, text: &str, picture: bool) {
        let url = format!("data:image/png;base64,{PICTURE}");
        let content = match (self.spoken, picture) {
            (_, false) => text.into(),
            (Spoken::Chat, true) => {
                json!([{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}])
            }
            (Spoken::Messages, true) => json!([{"type": "text", "text": text}, block()]),
            (Spoken::Responses, true) => {
                json!([{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url}])
            }
        };
        self.history.push(json!({"role": "user", "content": content}));
    }

    /// Tools give back a text each, and a picture with it where asked for and where the API has a place for it.
    pub fn give_back(&mut self, text: &str, picture: bool) {
        let calls = std::mem::take(&mut self.calls);
        match self.spoken {
            Spoken::Chat => {
                let result = |id| json!({"role": "tool", "tool_call_id": id, "content": text});
                self.history.extend(calls.into_iter().map(result));
            }
            Spoken::Messages => {
                let shown = if picture { json!([block()]) } else { text.into() };
                let result = |id| json!({"type": "tool_result", "tool_use_id": id, "content": shown});
                let results: Vec<Value> = calls.into_iter().map(result).collect();
                self.history.push(json!({"role": "user", "content": results}));
            }
            Spoken::Responses => {
                let url = format!("data:image/png;base64,{PICTURE}");
                let shown =
                    if picture { json!([{"type": "input_image", "image_url": url}]) } else { text.into() };
                let result = |id| json!({"type": "function_call_output", "call_id": id, "output": shown});
                self.history.extend(calls.into_iter().map(result));
            }
        }
    }

    /// The request for the next turn.
    pub fn body(&self, model: &str, stream: bool, thinks: bool) -> Value {
        let schema = |tool: &str| match tool {
            "look" => json!({"type": "object", "properties": {}}),
            _ => json!({"type": "object", "properties": {"path": {"type": "string"}}}),
        };
        let tool = |tool: &&str| match self.spoken {
            Spoken::Chat => {
                json!({"type": "function", "function": {"name": tool, "parameters": schema(tool)}})
            }
            Spoken::Messages => json!({"name": tool, "input_schema": schema(tool)}),
            Spoken::Responses => json!({"type": "function", "name": tool, "parameters": schema(tool)}),
        };
        let tools: Vec<Value> = ["look", "read"].iter().map(tool).collect();
        let mut body = json!({"model": model, "stream": stream, "tools": tools});
        match self.spoken {
            Spoken::Responses => body["input"] = self.history.clone().into(),
            _ => body["messages"] = self.history.clone().into(),
        }
        match (self.spoken, thinks) {
            (Spoken::Messages, thinks) => {
                body["max_tokens"] = 8000.into();
                if thinks {
                    body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
                    body["context_management"] = json!({"edits": [{"type": "clear_thinking_20251015"}]});
                }
            }
            (Spoken::Chat, true) => body["reasoning_effort"] = "low".into(),
            (Spoken::Responses, true) => body["reasoning"] = json!({"effort": "low"}),
            (_, false) => {}
        }
        body
    }

    /// Keeps what it was told.
    ///
    /// # Panics
    /// Where that cannot be read.
    pub fn hear(&mut self, answer: &Answer, stream: bool) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let ids = |all: &[Value], kind: &str, name: &str| {
            let of_kind = all.iter().filter(|it| it["type"] == kind);
            of_kind.map(|it| it[name].as_str().expect("an id").to_owned()).collect()
        };
        match self.spoken {
            Spoken::Chat => {
                let message = answer.json()["choices"][0]["message"].clone();
                self.calls = ids(&list(&message["tool_calls"]), "function", "id");
                self.history.push(message);
            }
            Spoken::Messages => {
                let blocks = if stream { blocks(answer) } else { list(&answer.json()["content"]) };
                self.calls = ids(&blocks, "tool_use", "id");
                if !blocks.is_empty() {
                    self.history.push(json!({"role": "assistant", "content": blocks}));
                }
            }
            Spoken::Responses => {
                let whole = if stream {
                    let events = answer.events();
                    let last = events.iter().rfind(|event| event.name == "response.completed");
                    last.unwrap_or_else(|| panic!("not complete: {}", answer.text())).json()["response"]
                        .clone()
                } else {
                    answer.json()
                };
                let output = list(&whole["output"]);
                self.calls = ids(&output, "function_call", "call_id");
                self.history.extend(output);
            }
        }
    }
}

fn block() -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}})
}

/// The blocks of a streamed message, put together as Anthropic's SDKs do.
fn blocks(answer: &Answer) -> Vec<Value> {
    let (mut blocks, mut inputs): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    for event in answer.events() {
        let event = event.json();
        let at = event["index"].as_u64().map_or(0, |at| usize::try_from(at).expect("small"));
        match event["type"].as_str().unwrap_or_default() {
            "content_block_start" => {
                blocks.push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                for name in ["text", "thinking", "signature"] {
                    if let Some(more) = event["delta"][name].as_str() {
                        blocks[at][name] =
                            format!("{}{more}", blocks[at][name].as_str().unwrap_or_default()).into();
                    }
                }
                inputs[at].push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }
    for (block, input) in blocks.iter_mut().zip(inputs).filter(|(_, input)| !input.is_empty()) {
        block["input"] = serde_json::from_str(&input).unwrap_or_else(|why| panic!("{why}: {input}"));
    }
    blocks
}
