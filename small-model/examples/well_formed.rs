//! How many answers are well formed, free and held to their format: JSON, and calls of tools.
//!
//! `zcat exam.jsonl.gz | cargo run --release -p small-model --example well_formed -- models/FILE.gguf [OF_A_KIND]`
//!
//! A line is `{"kind", "messages", "max_tokens", "response_format"?, "tools"?}`, as OpenAI's API has them. A question with tools is asked with
//! `tool_choice` of `auto` and of `required`; any other without a format, and with its own or a JSON object. Temperature 0.
#![allow(clippy::print_stdout)] // It is a program for people.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead};
use std::time::{Duration, Instant};

use serde_json::Value;
use small_model::{
    AnswerFormat, ChatMessage, Engine, EngineOptions, GenerationFinish, GenerationPiece, GenerationRequest,
    SamplingOptions, ToolChoice, ToolDefinition,
};

const KINDS: [&str; 7] = ["triage", "call", "call_text", "extract", "zh_call", "zh_json", "slots"];

/// What came of one way to ask.
#[derive(Default)]
struct FormedShare {
    asked: u32,
    formed: u32,
    cut: u32,
    tokens: u32,
    spent: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let weights = arguments.next().ok_or("usage: well_formed FILE.gguf [OF_A_KIND]")?;
    let most: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let engine = Engine::load(EngineOptions { threads: 1, slots: 1, ..EngineOptions::new(weights) })?;
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let mut shares: BTreeMap<(String, bool), FormedShare> = BTreeMap::new();
    for line in io::stdin().lock().lines() {
        let question: Value = serde_json::from_str(&line?)?;
        let kind = question["kind"].as_str().unwrap_or_default().to_owned();
        let count = asked.entry(kind.clone()).or_default();
        if !KINDS.contains(&kind.as_str()) || *count >= most {
            continue;
        }
        *count += 1;
        for held in [false, true] {
            ask(&engine, &question, held, shares.entry((kind.clone(), held)).or_default()).await?;
        }
    }
    for ((kind, held), share) in shares {
        println!(
            "{kind}, {}: {} of {} well formed ({} cut), {:.1} tokens/s",
            if held { "held" } else { "free" },
            share.formed,
            share.asked,
            share.cut,
            f64::from(share.tokens) / share.spent.as_secs_f64(),
        );
    }
    Ok(())
}

async fn ask(
    engine: &Engine,
    question: &Value,
    held: bool,
    share: &mut FormedShare,
) -> Result<(), Box<dyn Error>> {
    let request = request(question, held);
    let tools = !request.tools.is_empty();
    let mut answer = engine.generate(request).await?;
    let (mut text, mut arguments, mut last) = (String::new(), String::new(), GenerationFinish::Stop);
    let mut begun = None;
    while let Some(piece) = answer.next().await {
        let calls = match piece? {
            GenerationPiece::Started { .. } => continue,
            GenerationPiece::Token(token) => {
                begun.get_or_insert_with(Instant::now);
                share.tokens += 1;
                text += &token.text;
                token.calls
            }
            GenerationPiece::End { text: rest, calls, finish, .. } => {
                text += &rest;
                last = finish;
                calls
            }
        };
        arguments.extend(calls.into_iter().filter(|call| call.index == 0).map(|call| call.arguments));
    }
    share.spent += begun.map_or(Duration::ZERO, |begun| begun.elapsed());
    share.asked += 1;
    let json = if tools { &arguments } else { &text };
    if last == GenerationFinish::Length {
        share.cut += 1;
    } else if serde_json::from_str::<serde_json::Map<String, Value>>(json).is_ok() {
        share.formed += 1;
    }
    Ok(())
}

fn request(question: &Value, held: bool) -> GenerationRequest {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| question[name].as_array().cloned().unwrap_or_default();
    let messages =
        list("messages").into_iter().map(|it| ChatMessage::new(text(&it["role"]), text(&it["content"])));
    let tool = |tool: &Value| ToolDefinition {
        parameters: tool["function"].get("parameters").cloned(),
        description: tool.clone(),
        ..ToolDefinition::named(text(&tool["function"]["name"]))
    };
    let tools: Vec<ToolDefinition> = list("tools").iter().map(tool).collect();
    let schema = question["response_format"]["json_schema"].get("schema").cloned();
    let format = match schema {
        Some(schema) => AnswerFormat::JsonSchema { schema, strict: true },
        None => AnswerFormat::JsonObject,
    };
    GenerationRequest {
        format: Some(format).filter(|_| held && tools.is_empty()),
        tool_choice: if held && !tools.is_empty() { ToolChoice::Required } else { ToolChoice::Auto },
        single_call: true,
        tools,
        max_tokens: question["max_tokens"].as_u64().and_then(|most| u32::try_from(most).ok()),
        sampling: SamplingOptions { temperature: Some(0.0), ..SamplingOptions::default() },
        ..GenerationRequest::of(messages.collect())
    }
}
