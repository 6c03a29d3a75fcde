//! The model in this process, as an upstream like any other: its tokens become the chunks that an upstream of the
//! OpenAI dialect would send.

mod generation_request;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::unfold;
use gateway_config::{EmbeddedModel, ModelConfig};
use router_policies::Usage;
use small_model::{
    CallFragment, Engine, EngineOptions, EngineRefusal, GeneratedToken, Generation, GenerationError,
    GenerationRequest, GpuShare,
};
use tokio::time::{Instant, timeout_at};
use tower::util::BoxCloneSyncService;

use super::embedded_limits::{EmbeddedClock, EmbeddedLimits, EngineForecast};
use super::pool_error::PoolError;
use super::queue_patience::queued;
use super::upstream::EngineUpstream;
use super::{AnswerBody, Chunks, UpstreamRequest, UpstreamResponse};
use crate::attempt_error::{AttemptError, AttemptErrorKind};
use crate::request_id::RequestId;
use generation_request::{format, left_out, request, tool};
use protocol::{
    self, BadRequest, ChunkInfo, ChunkKind, ChunkMeta, DONE, DeltaField, FinalUsage, FinishReason,
    LogprobAlternative, ProviderError, ReportedUsage, ResponseChunk, SseEvent, TokenLogprob,
};

/// Loads the weights and gives the engine as an upstream, and what it foresees.
///
/// # Errors
/// In words for the operator.
pub(super) fn upstream(
    model: &Arc<ModelConfig>,
    embedded: &EmbeddedModel,
) -> Result<EngineUpstream, PoolError> {
    let mut options = EngineOptions::new(&embedded.weights);
    options.threads = embedded.threads.unwrap_or(options.threads);
    options.queue = embedded.queue;
    options.slots = embedded.slots.unwrap_or(options.slots);
    options.prefix_cache = embedded.prefix_cache;
    options.deterministic = embedded.deterministic;
    options.gpu_layers = embedded.gpu_layers;
    options.context =
        model.context.map_or(options.context, |context| u32::try_from(context).unwrap_or(u32::MAX));
    let engine =
        Engine::load(options).map_err(|source| PoolError::Weights { model: model.name.clone(), source })?;
    let limits = EmbeddedLimits::of(model, embedded);
    let part = |gpu: &GpuShare| format!("{} of {} layers on {}", gpu.layers, gpu.of, gpu.device);
    let gpu = engine.facts().gpu.as_ref().map(part);
    let (model, forecast) = (Arc::clone(model), Arc::new(EngineForecast { engine: engine.clone(), limits }));
    let service = tower::service_fn(move |ask: UpstreamRequest| {
        answer(engine.clone(), Arc::clone(&model), limits, ask)
    });
    Ok(EngineUpstream { upstream: BoxCloneSyncService::new(service), forecast, gpu })
}

async fn answer(
    engine: Engine,
    model: Arc<ModelConfig>,
    limits: EmbeddedLimits,
    ask: UpstreamRequest,
) -> Result<UpstreamResponse, AttemptError> {
    let ahead = limits.ahead(&engine, &ask.on_behalf, &ask.patience)?;
    let mut simple = ask.chat.simple().map_err(refused_field)?;
    let format = simple.format.take().map(format).transpose()?;
    let tools = std::mem::take(&mut simple.tools).into_iter().map(tool).collect::<Result<_, _>>()?;
    let wants_logprobs = simple.logprobs.is_some() || ask.logprobs;
    let headers = left_out(&engine, &simple);
    let began = Instant::now();
    let generation = GenerationRequest { format, tools, ..request(simple, &ask, model.max_output) };
    // A large prompt or schema ahead of it is a wait too.
    let generation = timeout_at(limits.turn_by(began, &ask.patience), engine.generate(generation))
        .await
        .map_err(|_| queued(AttemptErrorKind::QueueTimeout, ahead))?
        .map_err(|refusal| attempt_error(&refusal, ahead))?;
    let voice = EmbeddedEncoder::new(&model.name, &ask.id, wants_logprobs);
    let clock = limits.wait(began, ask.patience);
    let state = EmbeddedAnswer { generation, voice, engine, limits, clock, pending: Vec::new(), over: false };
    Ok(UpstreamResponse { body: AnswerBody::Stream(chunks(state)), headers })
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
    let param = param(&message).map(str::to_owned);
    // Whoever is unable has refused nothing: it has no status.
    let status = (what != AttemptErrorKind::Incapable).then_some(400);
    let complaint = ProviderError { status, code, kind, param, message, ..ProviderError::default() };
    AttemptError { complaint: Some(Box::new(complaint)), ..AttemptError::new(what) }
}

/// The field that a sentence of the engine begins with, if it names one: `tools: …`.
fn param(message: &str) -> Option<&str> {
    let (field, _) = message.split_once(": ")?;
    let is_field = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_field.then_some(field)
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
                Err(_) => match self.clock.expired(&self.engine, &self.generation) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
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
            &FinalUsage { usage: counts, cost: None, resumed: false, summed: false, account: None },
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
