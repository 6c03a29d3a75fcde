//! Renders chat templates as the engine does: one JSON object a line on standard input, one on standard output.
//!
//! `render_templates.py` beside it runs this over a folder of templates and compares with Python's jinja2.
#![allow(clippy::print_stdout)] // It is a program for programs.

use std::error::Error;
use std::io::{self, BufRead, Write};

use serde_json::{Value, json};
use small_model::{ChatMessage, ChatTemplate, TemplateInput, ThinkingOptions, ToolCall, ToolDefinition};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let job: Value = serde_json::from_str(&line?)?;
        let answer = match render(&job) {
            Ok(prompt) => json!({"prompt": prompt}),
            Err(reason) => json!({"error": reason}),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn render(job: &Value) -> Result<String, String> {
    let source = text(job, "template").ok_or("no template")?;
    let template =
        ChatTemplate::new(&source, "<s>".into(), "</s>".into()).map_err(|error| error.to_string())?;
    let messages: Vec<ChatMessage> = list(job, "messages").map(message).collect();
    let tools: Vec<ToolDefinition> = list(job, "tools")
        .map(|tool| ToolDefinition { description: tool.clone(), ..ToolDefinition::named("f") })
        .collect();
    let thinking = ThinkingOptions {
        enabled: job.get("enable_thinking").and_then(Value::as_bool),
        effort: text(job, "reasoning_effort"),
    };
    let input = TemplateInput { messages: &messages, tools: &tools, thinking: Some(&thinking) };
    template.render(input).map_err(|error| format!("{error:?}"))
}

fn message(message: &Value) -> ChatMessage {
    let call = |call: &Value| ToolCall {
        id: text(call, "id").unwrap_or_default(),
        name: text(&call["function"], "name").unwrap_or_default(),
        arguments: call["function"]["arguments"].to_string(),
    };
    ChatMessage {
        thought: text(message, "reasoning_content"),
        tool_calls: list(message, "tool_calls").map(call).collect(),
        tool_call_id: text(message, "tool_call_id"),
        name: text(message, "name"),
        ..ChatMessage::new(
            text(message, "role").unwrap_or_default(),
            text(message, "content").unwrap_or_default(),
        )
    }
}

fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(Into::into)
}

fn list<'a>(object: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    object.get(name).and_then(Value::as_array).into_iter().flatten()
}
