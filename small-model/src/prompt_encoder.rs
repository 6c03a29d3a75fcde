//! Reads prompts: runs templates and tokenises, in a thread of its own, because a long prompt takes
//! longer than an async runtime can spare.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::{mpsc, oneshot};

use crate::answer_plan::{AnswerPlan, PlannedGrammar};
use crate::grammar_compiler::{CompileJob, GrammarCompiler};
use crate::model::LoadedModel;
use crate::prompt::{self, PromptParts};
use crate::sampler::TokenSampler;
use crate::scheduler::{EngineScheduler, GenerationJob};
use crate::stop_buffer::StopBuffer;
use crate::{ChatMessage, EngineRefusal, Generation, GenerationRequest, SamplingOptions, ToolChoice};

/// Something to do for the clerk.
pub(crate) enum EncodeJob {
    /// Count the tokens of these messages.
    Count(Vec<ChatMessage>, oneshot::Sender<Result<u32, EngineRefusal>>),
    /// Queue this request.
    Queue(Box<GenerationRequest>, oneshot::Sender<Result<Generation, EngineRefusal>>),
}

/// A request with its prompt read: what its answer is held to, the request for the worker, and the answer.
type EncodedRequest = (Option<PlannedGrammar>, GenerationJob, Generation);

/// Who reads prompts.
pub(crate) struct PromptEncoder {
    /// The model.
    pub(crate) model: Arc<LoadedModel>,
    /// Where requests go.
    pub(crate) desk: Arc<EngineScheduler>,
    /// Where requests go first that have a grammar.
    pub(crate) compiler: Arc<GrammarCompiler>,
    /// The system message of conversations without one.
    pub(crate) system: Option<String>,
    /// Sampling where requests leave it open.
    pub(crate) sampling: SamplingOptions,
}

impl PromptEncoder {
    /// Works until all senders of errands are gone.
    pub(crate) fn work(&self, errands: &Receiver<EncodeJob>) {
        for errand in errands {
            // Who no longer waits for the reply has dropped it, and the request with it.
            match errand {
                EncodeJob::Count(_, reply) if reply.is_closed() => {}
                EncodeJob::Queue(_, reply) if reply.is_closed() => {}
                EncodeJob::Count(messages, reply) => drop(reply.send(catch_panic(|| self.count(messages)))),
                EncodeJob::Queue(request, reply) => match catch_panic(|| self.encode(*request)) {
                    Ok((None, job, generation)) => {
                        drop(reply.send(self.desk.put(job).map(|()| generation)));
                    }
                    Ok((Some(grammar), job, generation)) => {
                        self.compiler.put(CompileJob { grammar, job, generation, reply });
                    }
                    Err(refusal) => drop(reply.send(Err(refusal))),
                },
            }
        }
    }

    fn count(&self, messages: Vec<ChatMessage>) -> Result<u32, EngineRefusal> {
        let system = self.system.as_deref();
        let prompt = prompt::tokens(&self.model, PromptParts { messages, system, ..PromptParts::default() })?;
        Ok(u32::try_from(prompt.tokens.len()).unwrap_or(u32::MAX))
    }

    fn encode(&self, mut request: GenerationRequest) -> Result<EncodedRequest, EngineRefusal> {
        let parts = PromptParts {
            messages: std::mem::take(&mut request.messages),
            system: self.system.as_deref(),
            prefill: request.prefill.as_deref(),
            tools: if request.tool_choice == ToolChoice::None { Vec::new() } else { request.tools.clone() },
            thinking: Some(&request.thinking),
        };
        let prompt = prompt::tokens(&self.model, parts)?;
        prompt::check_length(&self.model, prompt.tokens.len())?;
        // What cannot be held is refused before the request takes a place.
        let plan = AnswerPlan::of(&self.model, &request, prompt.opens_thought)?;
        let prompt = prompt.tokens;
        let room = self.model.facts.context - u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let (pieces, receiver) = mpsc::unbounded_channel();
        let ticket = self.desk.ticket();
        let job = GenerationJob {
            ticket,
            prompt,
            budget: request.max_tokens.unwrap_or(room).min(room),
            sampler: TokenSampler::new(&request.sampling.or(&self.sampling)),
            tail: StopBuffer::new(request.stop),
            alternatives: request.top_logprobs.into(),
            owner: request.fairness,
            pieces,
        };
        Ok((plan.grammar, job, Generation::new(ticket, receiver, plan.reader)))
    }
}

/// A prompt that makes the template engine or the tokeniser panic ends this errand and no other.
fn catch_panic<T>(read: impl FnOnce() -> Result<T, EngineRefusal>) -> Result<T, EngineRefusal> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(EngineRefusal::Invalid("messages: the prompt cannot be read".into())))
}
