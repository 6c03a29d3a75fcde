//! A chat request → what the engine is asked.

use http::HeaderMap;
use router_policies::PromptRole;
use small_model::{
    AnswerFormat, ChatMessage, Engine, GenerationRequest, SamplingOptions, ThinkingOptions, ToolCall,
    ToolChoice, ToolDefinition,
};

use super::refused;
use crate::UpstreamRequest;
use crate::attempt_error::AttemptError;
use crate::header_names;
use protocol::{EngineFormat, EngineRequest, EngineTool, EngineToolChoice, SimpleTurn, TurnCall};

/// `most` tokens are the longest answer where nobody sets a limit: it is what was reserved for it.
pub(super) fn request(simple: EngineRequest, ask: &UpstreamRequest, most: u64) -> GenerationRequest {
    let mut messages: Vec<ChatMessage> = simple.turns.into_iter().map(message).collect();
    let prefill = if simple.prefill { messages.pop().map(|message| message.content) } else { None };
    GenerationRequest {
        messages,
        prefill,
        max_tokens: Some(
            u32::try_from(simple.max_tokens.or(ask.longest).unwrap_or(most)).unwrap_or(u32::MAX),
        ),
        sampling: SamplingOptions {
            temperature: simple.temperature.map(|it| it as f32),
            // The API allows 0, which means the likeliest token alone, as the least positive share does.
            top_p: simple.top_p.map(|it| (it as f32).max(f32::MIN_POSITIVE)),
            top_k: simple.top_k,
            min_p: simple.min_p.map(|it| it as f32),
            seed: simple.seed,
            presence_penalty: Some(simple.presence_penalty as f32),
            frequency_penalty: Some(simple.frequency_penalty as f32),
            repetition_penalty: None,
            logit_bias: simple.logit_bias.into_iter().map(|(token, bias)| (token, bias as f32)).collect(),
        },
        stop: simple.stop,
        tool_choice: choice(simple.tool_choice),
        single_call: simple.single_call,
        thinking: ThinkingOptions { enabled: simple.enable_thinking, effort: simple.reasoning_effort },
        // Whoever judges the answer wants to know the runner-up.
        top_logprobs: simple.logprobs.unwrap_or(if ask.logprobs { 2 } else { 0 }),
        fairness: ask.on_behalf.to_string(),
        ..GenerationRequest::default()
    }
}

pub(super) fn format(format: EngineFormat) -> Result<AnswerFormat, AttemptError> {
    Ok(match format {
        EngineFormat::JsonObject => AnswerFormat::JsonObject,
        EngineFormat::JsonSchema { schema, strict } => {
            AnswerFormat::JsonSchema { schema: json("response_format", &schema)?, strict }
        }
    })
}

pub(super) fn tool(tool: EngineTool) -> Result<ToolDefinition, AttemptError> {
    let parameters = tool.parameters.map(|schema| json("tools", &schema)).transpose()?;
    let description = json("tools", &tool.text)?;
    Ok(ToolDefinition { name: tool.name, parameters, strict: tool.strict, description })
}

fn json(field: &str, text: &str) -> Result<serde_json::Value, AttemptError> {
    serde_json::from_str(text).map_err(|error| refused(format!("{field}: {error}")))
}

fn message(turn: SimpleTurn) -> ChatMessage {
    let call = |call: TurnCall| ToolCall {
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments,
    };
    ChatMessage {
        thought: turn.fields.reasoning_content,
        tool_calls: turn.fields.tool_calls.into_iter().map(call).collect(),
        tool_call_id: turn.fields.tool_call_id,
        name: turn.fields.name,
        ..ChatMessage::new(role(turn.role), turn.text)
    }
}

fn choice(choice: EngineToolChoice) -> ToolChoice {
    match choice {
        EngineToolChoice::Auto => ToolChoice::Auto,
        EngineToolChoice::None => ToolChoice::None,
        EngineToolChoice::Required => ToolChoice::Required,
        EngineToolChoice::Named(name) => ToolChoice::Named(name),
    }
}

fn role(role: PromptRole) -> &'static str {
    match role {
        PromptRole::System => "system",
        PromptRole::User => "user",
        PromptRole::Assistant => "assistant",
        PromptRole::Tool => "tool",
    }
}

/// Names what the request says of thinking and the model's template knows nothing of. A model that does not think does as it is
/// told where it is told not to.
pub(super) fn left_out(engine: &Engine, simple: &EngineRequest) -> HeaderMap {
    let facts = engine.facts();
    let fields = [
        (simple.enable_thinking == Some(true) && !facts.takes_thinking_switch, "enable_thinking"),
        (simple.reasoning_effort.is_some() && !facts.takes_reasoning_effort, "reasoning_effort"),
    ];
    let names: Vec<&str> = fields.into_iter().filter_map(|(left, name)| left.then_some(name)).collect();
    let mut headers = HeaderMap::new();
    header_names::prepend(&mut headers, header_names::LEFT_OUT, &names);
    headers
}
