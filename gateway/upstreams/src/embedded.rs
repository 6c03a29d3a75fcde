//! The model in this process, as an upstream like any other: its tokens become the chunks that an upstream of the
//! OpenAI dialect would send.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::unfold;
use gateway_config::{EmbeddedModel, ModelConfig};
use http::HeaderMap;
use router_policies::{PromptRole, Usage};
use small_model::{
    AnswerFormat, CallFragment, ChatMessage, Engine, EngineOptions, EngineRefusal, GeneratedToken,
    Generation, GenerationError, GenerationRequest, SamplingOptions, ThinkingOptions, ToolCall, ToolChoice,
    ToolDefinition,
};
use tokio::time::{Instant, timeout_at};
use tower::util::BoxCloneSyncService;

use super::embedded_limits::{EmbeddedClock, EmbeddedLimits, queued};
use super::pool_error::PoolError;
use super::upstream::QueueWait;
use super::{AnswerBody, Chunks, Upstream, UpstreamRequest, UpstreamResponse};
use crate::attempt_error::{AttemptError, AttemptErrorKind};
use crate::request_id::RequestId;
use protocol::{
    self, BadRequest, ChunkInfo, ChunkKind, ChunkMeta, DONE, DeltaField, EngineFormat, EngineRequest,
    EngineTool, EngineToolChoice, FinalUsage, FinishReason, LogprobAlternative, ProviderError, ReportedUsage,
    ResponseChunk, SimpleTurn, SseEvent, TokenLogprob, TurnCall,
};

/// Loads the weights and gives the engine as an upstream, and how long a request would wait for it.
///
/// # Errors
/// In words for the operator.
pub(super) fn upstream(
    model: &Arc<ModelConfig>,
    embedded: &EmbeddedModel,
) -> Result<(Upstream, QueueWait), PoolError> {
    let mut options = EngineOptions::new(&embedded.weights);
    options.threads = embedded.threads.unwrap_or(options.threads);
    options.queue = embedded.queue;
    options.slots = embedded.slots.unwrap_or(options.slots);
    options.prefix_cache = embedded.prefix_cache;
    options.deterministic = embedded.deterministic;
    options.context =
        model.context.map_or(options.context, |context| u32::try_from(context).unwrap_or(u32::MAX));
    let engine =
        Engine::load(options).map_err(|source| PoolError::Weights { model: model.name.clone(), source })?;
    let limits = EmbeddedLimits::of(model, embedded);
    let (model, waiting) = (Arc::clone(model), engine.clone());
    let service = tower::service_fn(move |ask: UpstreamRequest| {
        answer(engine.clone(), Arc::clone(&model), limits, ask)
    });
    let queue_wait: QueueWait = Arc::new(move |asker: &str| waiting.expected_wait(asker));
    Ok((BoxCloneSyncService::new(service), queue_wait))
}

async fn answer(
    engine: Engine,
    model: Arc<ModelConfig>,
    limits: EmbeddedLimits,
    ask: UpstreamRequest,
) -> Result<UpstreamResponse, AttemptError> {
    let ahead = limits.ahead(&engine, &ask.on_behalf)?;
    let mut simple = ask.chat.simple().map_err(refused_field)?;
    let format = simple.format.take().map(format).transpose()?;
    let tools = std::mem::take(&mut simple.tools).into_iter().map(tool).collect::<Result<_, _>>()?;
    let wants_logprobs = simple.logprobs.is_some() || ask.logprobs;
    let began = Instant::now();
    let generation = engine
        .generate(GenerationRequest { format, tools, ..request(simple, &ask, model.max_output) })
        .await
        .map_err(|refusal| attempt_error(&refusal, ahead))?;
    let voice = EmbeddedEncoder::new(&model.name, &ask.id, wants_logprobs);
    let clock = limits.wait(began, &ask.on_behalf);
    let state = EmbeddedAnswer { generation, voice, engine, limits, clock, pending: Vec::new(), over: false };
    Ok(UpstreamResponse { body: AnswerBody::Stream(chunks(state)), headers: HeaderMap::new() })
}

/// `most` tokens are the longest answer where nobody sets a limit: it is what was reserved for it.
fn request(simple: EngineRequest, ask: &UpstreamRequest, most: u64) -> GenerationRequest {
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

fn format(format: EngineFormat) -> Result<AnswerFormat, AttemptError> {
    Ok(match format {
        EngineFormat::JsonObject => AnswerFormat::JsonObject,
        EngineFormat::JsonSchema { schema, strict } => {
            AnswerFormat::JsonSchema { schema: json("response_format", &schema)?, strict }
        }
    })
}

fn tool(tool: EngineTool) -> Result<ToolDefinition, AttemptError> {
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

fn attempt_error(refusal: &EngineRefusal, ahead: Duration) -> AttemptError {
    match refusal {
        EngineRefusal::Busy => queued(AttemptErrorKind::QueueFull, ahead),
        EngineRefusal::Dead => AttemptError::new(AttemptErrorKind::CircuitOpen),
        EngineRefusal::PromptTooLong { .. } => said(AttemptErrorKind::ContextLength, format!("{refusal}.")),
        EngineRefusal::Invalid(sentence) => refused(sentence.clone()),
        EngineRefusal::Unable(sentence) => said(AttemptErrorKind::Incapable, sentence.clone()),
    }
}

fn refused_field(bad: BadRequest) -> AttemptError {
    let mut error = refused(bad.message);
    if let Some(complaint) = &mut error.complaint {
        complaint.param = bad.param.map(Into::into);
        complaint.code = bad.code.map(Into::into);
    }
    error
}

fn refused(sentence: String) -> AttemptError {
    said(AttemptErrorKind::Rejected(400), sentence)
}

fn said(what: AttemptErrorKind, message: String) -> AttemptError {
    let code = (what == AttemptErrorKind::ContextLength).then(|| "context_length_exceeded".to_owned());
    let kind = Some("invalid_request_error".to_owned());
    let complaint = ProviderError { status: Some(400), code, kind, param: None, message };
    AttemptError { complaint: Some(Box::new(complaint)), ..AttemptError::new(what) }
}

/// An answer under way, and how it is put into words.
struct EmbeddedAnswer {
    generation: Generation,
    voice: EmbeddedEncoder,
    engine: Engine,
    limits: EmbeddedLimits,
    clock: EmbeddedClock,
    /// Chunks that are ready, the next one last.
    pending: Vec<ResponseChunk>,
    over: bool,
}

fn chunks(state: EmbeddedAnswer) -> Chunks {
    Box::pin(unfold(state, |mut state| async move {
        let next = state.next().await?;
        Some((next, state))
    }))
}

impl EmbeddedAnswer {
    async fn next(&mut self) -> Option<Result<ResponseChunk, AttemptError>> {
        loop {
            if let Some(chunk) = self.pending.pop() {
                return Some(Ok(chunk));
            }
            if self.over {
                return None;
            }
            let error = match timeout_at(self.clock.limit(), self.generation.next()).await {
                Ok(Some(Ok(piece))) => {
                    self.take(piece);
                    continue;
                }
                Ok(Some(Err(error @ GenerationError::Format))) => {
                    said(AttemptErrorKind::Incapable, format!("{error}."))
                }
                Ok(Some(Err(_)) | None) => AttemptError::new(AttemptErrorKind::ConnectionLost),
                Err(_) => self.clock.expired(&self.engine),
            };
            self.over = true;
            return Some(Err(error));
        }
    }

    fn take(&mut self, piece: small_model::GenerationPiece) {
        match piece {
            small_model::GenerationPiece::Started { prompt_tokens, cached_tokens } => {
                let unread = prompt_tokens.saturating_sub(cached_tokens);
                self.clock = self.limits.begin(&self.engine, unread);
                self.pending = vec![self.voice.role()];
            }
            small_model::GenerationPiece::Token(token) => {
                self.clock.heard();
                self.pending = self.voice.token(&token);
                self.pending.reverse();
            }
            small_model::GenerationPiece::End { text, thought, calls, finish, usage } => {
                self.over = true;
                let mut pending = self.voice.parts(&thought, &text, &calls);
                pending.extend(self.voice.end(finish, usage));
                self.pending = pending;
                self.pending.reverse();
            }
        }
    }
}

/// Writes chunks of one answer.
struct EmbeddedEncoder {
    id: String,
    created: u64,
    model: String,
    /// Tokens whose text is still held back, if their probabilities are wanted.
    logprobs: Option<Vec<TokenLogprob>>,
}

impl EmbeddedEncoder {
    /// The answer's id has the request's in it, by which the operator finds it in the log.
    fn new(model: &str, id: &RequestId, wants_logprobs: bool) -> Self {
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            id: format!("chatcmpl-{}", id.as_str()),
            created,
            model: model.to_owned(),
            logprobs: wants_logprobs.then(Vec::new),
        }
    }

    fn role(&self) -> ResponseChunk {
        piece(protocol::write_chunk(&self.stamp(), 0, DeltaField::Role, None), |_| {})
    }

    fn token(&mut self, token: &GeneratedToken) -> Vec<ResponseChunk> {
        if let Some(held) = &mut self.logprobs {
            held.push(odds(token));
        }
        self.parts(&token.thought, &token.text, &token.calls)
    }

    /// A thought's tokens are no tokens of the answer, so its probabilities are left out.
    fn parts(&mut self, thought: &str, text: &str, calls: &[CallFragment]) -> Vec<ResponseChunk> {
        let mut chunks = Vec::new();
        if !thought.is_empty() {
            self.logprobs = self.logprobs.as_ref().map(|_| Vec::new());
            chunks.push(self.chunk(DeltaField::Reasoning(thought)));
        }
        if !text.is_empty() {
            chunks.push(self.chunk(DeltaField::Content(text)));
        }
        for call in calls {
            let id = format!("call_{}", RequestId::new().as_str());
            let begins = call.name.as_deref().map(|name| (id.as_str(), name));
            let (index, arguments) = (call.index, call.arguments.as_str());
            chunks.push(self.chunk(DeltaField::ToolCall { index, begins, arguments }));
        }
        chunks
    }

    fn chunk(&mut self, delta: DeltaField<'_>) -> ResponseChunk {
        let reasons = matches!(delta, DeltaField::Reasoning(_));
        let logprobs = self.logprobs.as_mut().filter(|_| !reasons).map(std::mem::take);
        let raw = protocol::write_chunk(&self.stamp(), 0, delta, logprobs.as_deref());
        let data = data(&raw);
        protocol::read_chunk(SseEvent { raw, data, event: None, comment: false })
    }

    fn end(
        &self,
        finish: small_model::GenerationFinish,
        usage: small_model::GenerationUsage,
    ) -> Vec<ResponseChunk> {
        let finish = match finish {
            small_model::GenerationFinish::Stop => FinishReason::Stop,
            small_model::GenerationFinish::ToolCalls => FinishReason::ToolCalls,
            small_model::GenerationFinish::Length => FinishReason::Length,
        };
        let last = protocol::write_chunk(&self.stamp(), 0, DeltaField::End(finish), None);
        let last = piece(last, |piece| {
            piece.finish = Some(finish);
            piece.finished = 1;
        });
        let (raw, data) = (Bytes::from_static(DONE), Bytes::from_static(b"[DONE]"));
        vec![last, self.usage(usage), ResponseChunk { raw, data, what: ChunkKind::Done, native: None }]
    }

    fn usage(&self, usage: small_model::GenerationUsage) -> ResponseChunk {
        let cached = u64::from(usage.cached_tokens);
        let counts = Usage {
            input: u64::from(usage.prompt_tokens).saturating_sub(cached),
            cached_input: cached,
            output: u64::from(usage.completion_tokens),
            ..Usage::default()
        };
        let raw = protocol::usage_chunk(
            None,
            &self.stamp(),
            &FinalUsage { usage: counts, cost: None, resumed: false, account: None },
        );
        let reported = ReportedUsage {
            prompt: Some(u64::from(usage.prompt_tokens)),
            completion: Some(u64::from(usage.completion_tokens)),
            cached: Some(cached),
            ..ReportedUsage::default()
        };
        piece(raw, |piece| {
            piece.usage = Some(reported);
            piece.choices_empty = true;
        })
    }

    fn stamp(&self) -> ChunkMeta<'_> {
        ChunkMeta { id: &self.id, created: self.created, model: &self.model, fingerprint: None }
    }
}

/// A chunk from an event that we wrote: what it says is known, and need not be read back.
fn piece(raw: Bytes, fill: impl FnOnce(&mut ChunkInfo)) -> ResponseChunk {
    let mut piece = ChunkInfo::default();
    fill(&mut piece);
    let data = data(&raw);
    ResponseChunk { raw, data, what: ChunkKind::Piece(piece), native: None }
}

fn data(event: &Bytes) -> Bytes {
    event.slice(b"data: ".len()..event.len() - b"\n\n".len())
}

fn odds(token: &GeneratedToken) -> TokenLogprob {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let alternative = |it: &small_model::TokenAlternative| LogprobAlternative {
        token: text(&it.bytes),
        bytes: it.bytes.clone(),
        logprob: f64::from(it.logprob),
    };
    TokenLogprob {
        token: text(&token.bytes),
        bytes: token.bytes.clone(),
        logprob: f64::from(token.logprob),
        top: token.top.iter().map(alternative).collect(),
    }
}
