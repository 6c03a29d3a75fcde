//! How the models of each provider answer: the same sayings in each one's words, with the ids, thoughts and oddities that are
//! known of it.

use serde_json::{Value, json};

use crate::judges::Host;
use crate::scripted::{Request, Script};

/// What a model is to say.
#[derive(Debug, Clone, Default)]
pub struct Saying {
    /// Tells apart what it says from all else in the conversation.
    pub number: usize,
    /// Whether it thinks first.
    pub thinks: bool,
    /// May be empty, or white space.
    pub text: &'static str,
    /// The tools that it calls: `look` has no arguments, `read` has one.
    pub calls: Vec<&'static str>,
}

impl Saying {
    /// As a host says it, whole or streamed, as the request asks.
    pub fn told(&self, host: Host, request: &Request) -> Script {
        let stream = request.asks_stream();
        match host {
            Host::Anthropic => self.message(stream, &request.json()),
            Host::Gemini => self.content(request.path().contains(":streamGenerateContent")),
            Host::Responses => self.response(stream),
            _ => self.chat(host, stream),
        }
    }

    fn thought(&self) -> String {
        format!("I think of {}.", self.number)
    }

    fn arguments(&self, tool: &str) -> Value {
        if tool == "look" { json!({}) } else { json!({"path": format!("a{}.txt", self.number)}) }
    }

    /// The id of a call in a host's own form.
    fn id(&self, host: Host, at: usize, tool: &str) -> String {
        let number = self.number * 8 + at;
        match host {
            Host::DeepSeek => format!("call_0{at}_{number:020}"),
            Host::Glm => format!("call_-{number:019}"),
            // Kimi counts within an answer on some hosts.
            Host::Kimi => format!("functions.{tool}:{at}"),
            Host::MiniMax => format!("call_function_{number:012x}_1"),
            Host::Vllm => format!("chatcmpl-tool-{number:032x}"),
            Host::LlamaCpp => format!("{number:032}"),
            Host::Anthropic => format!("toolu_{number:024}"),
            _ => format!("call_{number:024x}"),
        }
    }

    fn chat(&self, host: Host, stream: bool) -> Script {
        let mut message = json!({"role": "assistant", "content": self.text});
        if self.thinks {
            match host {
                Host::OpenAi => {}
                Host::MiniMax => {
                    message["reasoning_details"] = json!([{"type": "reasoning.text", "id": "reasoning-text-1", "index": 0, "text": self.thought()}]);
                }
                Host::Vllm => message["reasoning"] = self.thought().into(),
                _ => message["reasoning_content"] = self.thought().into(),
            }
        }
        let calls = self.calls.iter().enumerate().map(|(at, tool)| {
            // No arguments are written as nothing by some.
            let arguments = if *tool == "look" && host == Host::Qwen { String::new() } else { self.arguments(tool).to_string() };
            json!({"index": if host == Host::MiniMax { 0 } else { at }, "id": self.id(host, at, tool), "type": "function",
                "function": {"name": tool, "arguments": arguments}})
        });
        let calls: Vec<Value> = calls.collect();
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        let finish = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
        if !stream {
            let choice = json!({"index": 0, "message": message, "finish_reason": finish});
            return Script::json(
                200,
                &json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}),
            );
        }
        let chunk = |delta: Value, finish: Value| {
            json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        };
        let mut script = Script::events();
        for delta in deltas(&message) {
            script = script.event(chunk(delta, Value::Null));
        }
        let mut last = chunk(json!({}), finish.into());
        last["usage"] = usage;
        script.event(last).event("[DONE]").end()
    }

    fn message(&self, stream: bool, asked: &Value) -> Script {
        let mut blocks = Vec::new();
        if self.thinks && matches!(asked["thinking"]["type"].as_str(), Some("enabled" | "adaptive")) {
            let signature = format!("{}{:08}", crate::judges::ANTHROPIC_SIGNED, self.number);
            blocks.push(json!({"type": "thinking", "thinking": self.thought(), "signature": signature}));
        }
        if !self.text.trim().is_empty() {
            blocks.push(json!({"type": "text", "text": self.text}));
        }
        blocks.extend(self.calls.iter().enumerate().map(|(at, tool)| {
            json!({"type": "tool_use", "id": self.id(Host::Anthropic, at, tool), "name": tool, "input": self.arguments(tool)})
        }));
        let reason = if self.calls.is_empty() { "end_turn" } else { "tool_use" };
        let mut whole = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": blocks,
            "stop_reason": reason, "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 5}});
        if !stream {
            return Script::json(200, &whole);
        }
        whole["content"] = json!([]);
        whole["stop_reason"] = Value::Null;
        let mut script = Script::events()
            .chunk(crate::anthropic::event(&json!({"type": "message_start", "message": whole})));
        for (index, block) in blocks.iter().enumerate() {
            for event in block_events(index, block) {
                script = script.chunk(crate::anthropic::event(&event));
            }
        }
        let delta =
            json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 5}});
        let stop = json!({"type": "message_stop"});
        script.chunk(crate::anthropic::event(&delta)).chunk(crate::anthropic::event(&stop)).end()
    }

    fn content(&self, stream: bool) -> Script {
        let mut parts = Vec::new();
        if self.thinks {
            parts.push(json!({"text": self.thought(), "thought": true}));
        }
        if !self.text.is_empty() {
            parts.push(json!({"text": self.text}));
        }
        for (at, tool) in self.calls.iter().enumerate() {
            let mut part = json!({"functionCall": {"name": tool, "args": self.arguments(tool)}});
            // Of calls side by side only the first is signed.
            if at == 0 {
                part["thoughtSignature"] =
                    format!("{}{:08}", crate::judges::GEMINI_SIGNED, self.number).into();
            }
            parts.push(part);
        }
        let answer = |parts: &[Value], finish: Option<&str>| {
            let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
            candidate["finishReason"] = finish.into();
            json!({"candidates": [candidate], "modelVersion": "gemini", "responseId": format!("r{}", self.number),
                "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}})
        };
        if !stream {
            return Script::json(200, &answer(&parts, Some("STOP")));
        }
        let script =
            parts.into_iter().fold(Script::events(), |script, part| script.event(answer(&[part], None)));
        script.event(answer(&[json!({"text": ""})], Some("STOP"))).end()
    }

    fn response(&self, stream: bool) -> Script {
        let number = self.number;
        let mut output = Vec::new();
        if self.thinks {
            output.push(json!({"type": "reasoning", "id": format!("rs_{number}"), "summary": [], "content": [], "encrypted_content": "gAAA"}));
        }
        if !self.text.trim().is_empty() {
            let text = json!({"type": "output_text", "text": self.text, "annotations": []});
            output.push(json!({"type": "message", "id": format!("msg_{number}"), "role": "assistant", "status": "completed", "content": [text]}));
        }
        output.extend(self.calls.iter().enumerate().map(|(at, tool)| {
            json!({"type": "function_call", "id": format!("fc_{number}_{at}"), "call_id": self.id(Host::Responses, at, tool),
                "name": tool, "arguments": self.arguments(tool).to_string(), "status": "completed"})
        }));
        let whole = json!({"id": format!("resp_{number}"), "object": "response", "created_at": 1, "model": "m", "status": "completed",
            "output": output, "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}});
        if !stream {
            return Script::json(200, &whole);
        }
        let mut begun = whole.clone();
        (begun["status"], begun["output"]) = ("in_progress".into(), json!([]));
        let mut events = vec![json!({"type": "response.created", "sequence_number": 0, "response": begun})];
        for (index, item) in output.iter().enumerate() {
            events.push(json!({"type": "response.output_item.added", "output_index": index, "item": item}));
            if let Some(text) = item["content"][0]["text"].as_str() {
                events.push(json!({"type": "response.output_text.delta", "output_index": index, "content_index": 0, "item_id": item["id"], "delta": text}));
            }
            events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        }
        events.push(json!({"type": "response.completed", "response": whole}));
        events
            .iter()
            .fold(Script::events(), |script, event| script.chunk(crate::anthropic::event(event)))
            .end()
    }
}

/// A whole message as the pieces of a stream: calls in two pieces each, a line end between them.
fn deltas(message: &Value) -> Vec<Value> {
    let mut deltas = vec![json!({"role": "assistant", "content": ""})];
    for name in ["reasoning_content", "reasoning", "reasoning_details", "content"] {
        if !message[name].is_null() && message[name] != "" {
            deltas.push(json!({ name: message[name] }));
        }
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let (first, second) = arguments.split_at(arguments.len() / 2);
        let mut begun = call.clone();
        begun["function"]["arguments"] = first.into();
        deltas.push(json!({"tool_calls": [begun]}));
        deltas.push(json!({"content": "\n"}));
        deltas.push(json!({"tool_calls": [{"index": call["index"], "function": {"arguments": second}}]}));
    }
    deltas
}

fn block_events(index: usize, block: &Value) -> Vec<Value> {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let (mut begun, deltas) = (
        block.clone(),
        match block["type"].as_str() {
            Some("thinking") => vec![
                delta(json!({"type": "thinking_delta", "thinking": block["thinking"]})),
                delta(json!({"type": "signature_delta", "signature": block["signature"]})),
            ],
            Some("text") => vec![delta(json!({"type": "text_delta", "text": block["text"]}))],
            _ => vec![delta(json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))],
        },
    );
    for name in ["thinking", "signature", "text"] {
        if !block[name].is_null() {
            begun[name] = "".into();
        }
    }
    if !block["input"].is_null() {
        begun["input"] = json!({});
    }
    let start = json!({"type": "content_block_start", "index": index, "content_block": begun});
    let stop = json!({"type": "content_block_stop", "index": index});
    std::iter::once(start).chain(deltas).chain([stop]).collect()
}
