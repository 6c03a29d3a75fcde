//! Answers in the shape of OpenAI's responses, whole and streamed.

use serde_json::{Value, json};

use crate::anthropic::event;
use crate::scripted::{Billed, Choose, Request, Script, Step};

/// One answer of a model, to be given whole or as a stream, as the request asks.
#[derive(Debug, Clone)]
pub struct Response {
    thinking: Option<String>,
    /// Each piece is one token and one event of a stream.
    pieces: Vec<String>,
    call: Option<(String, String)>,
    searches: bool,
    /// Why it is not complete.
    cut: Option<String>,
}

impl Response {
    /// A text in these pieces.
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        Self { thinking: None, pieces, call: None, searches: false, cut: None }
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

    /// Looks something up by the provider's own tool before it speaks.
    pub fn searching(mut self) -> Self {
        self.searches = true;
        self
    }

    /// Ends before it is complete.
    pub fn cut(mut self, reason: &str) -> Self {
        self.cut = Some(reason.to_owned());
        self
    }

    /// What this answer costs.
    pub fn billed(&self) -> Billed {
        Billed { input: 100, cached: 40, output: self.output() }
    }

    fn output(&self) -> u64 {
        (self.pieces.len() + usize::from(self.thinking.is_some()) + usize::from(self.call.is_some())) as u64
    }

    fn items(&self) -> Vec<Value> {
        let mut items = Vec::new();
        if let Some(thinking) = &self.thinking {
            let summary = json!([{"type": "summary_text", "text": thinking}]);
            items.push(
                json!({"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}),
            );
        }
        if self.searches {
            let action = json!({"type": "search", "query": "q"});
            items.push(
                json!({"id": "ws_1", "type": "web_search_call", "status": "completed", "action": action}),
            );
        }
        let part =
            json!({"type": "output_text", "text": self.pieces.concat(), "annotations": [], "logprobs": []});
        items.push(json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}));
        if let Some((name, arguments)) = &self.call {
            items.push(json!({"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": name, "arguments": arguments}));
        }
        items
    }

    /// The answer as one object.
    pub fn object(&self) -> Value {
        let status = if self.cut.is_some() { "incomplete" } else { "completed" };
        let usage = json!({
            "input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": self.output(),
            "output_tokens_details": {"reasoning_tokens": u64::from(self.thinking.is_some())}, "total_tokens": 100 + self.output(),
        });
        json!({
            "id": "resp_scripted", "object": "response", "created_at": 1_750_000_000, "status": status, "error": null,
            "incomplete_details": self.cut.as_ref().map(|reason| json!({"reason": reason})), "model": "gpt-scripted",
            "output": self.items(), "store": true, "usage": usage, "unheard_of": {"usage": 7},
        })
    }

    /// The events of the answer, in order.
    pub fn events(&self) -> Vec<Value> {
        let whole = self.object();
        let mut head = whole.clone();
        (head["output"], head["usage"], head["status"]) = (json!([]), Value::Null, json!("in_progress"));
        let mut events = vec![
            json!({"type": "response.created", "response": head}),
            json!({"type": "response.in_progress", "response": head}),
        ];
        for (at, item) in self.items().into_iter().enumerate() {
            let place = |kind: &str, name: &str, value: Value| {
                let mut event =
                    json!({"type": kind, "item_id": item["id"], "output_index": at, "content_index": 0});
                event[name] = value;
                event
            };
            let mut begun = item.clone();
            begun["status"] = json!("in_progress");
            match begun["type"].as_str() {
                Some("function_call") => begun["arguments"] = json!(""),
                Some("message") => begun["content"] = json!([]),
                _ => {}
            }
            events.push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
            match item["type"].as_str() {
                Some("reasoning") => {
                    let text = json!(self.thinking);
                    events.push(place("response.reasoning_summary_text.delta", "delta", text));
                }
                Some("message") => {
                    let delta = |text: &String| place("response.output_text.delta", "delta", json!(text));
                    events.extend(self.pieces.iter().map(delta));
                    events.push(place("response.output_text.done", "text", json!(self.pieces.concat())));
                }
                Some("function_call") => {
                    events.push(place(
                        "response.function_call_arguments.delta",
                        "delta",
                        item["arguments"].clone(),
                    ));
                }
                _ => events.push(place("response.web_search_call.searching", "query", json!("q"))),
            }
            events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
        }
        events.push(json!({"type": format!("response.{}", whole["status"].as_str().unwrap_or_default()), "response": whole}));
        for (number, event) in events.iter_mut().enumerate() {
            event["sequence_number"] = json!(number);
        }
        events
    }

    /// The whole answer.
    pub fn whole(&self) -> Script {
        Script::default().step(Step::Bill(self.billed())).then(Script::json(200, &self.object()))
    }

    /// The answer as a stream, one event a chunk.
    pub fn stream(&self) -> Script {
        let script = Script::default().step(Step::Bill(self.billed())).then(Script::events());
        self.events().iter().fold(script, |script, data| script.chunk(event(data))).end()
    }
}

/// Whole or streamed, as the request asks.
impl Choose for Response {
    fn choose(&self, request: &Request) -> Script {
        if request.asks_stream() { self.stream() } else { self.whole() }
    }
}
