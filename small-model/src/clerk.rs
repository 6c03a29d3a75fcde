//! Reads prompts: runs templates and tokenises, in a thread of its own, because a long prompt takes
//! longer than an async runtime can spare.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::{mpsc, oneshot};

use crate::desk::{Desk, Job};
use crate::model::Model;
use crate::prompt;
use crate::sampler::Sampler;
use crate::tail::Tail;
use crate::{Generation, Message, Refusal, Request, Sampling};

/// Something to do for the clerk.
pub(crate) enum Errand {
    /// Count the tokens of these messages.
    Count(Vec<Message>, oneshot::Sender<Result<u32, Refusal>>),
    /// Queue this request.
    Queue(Box<Request>, oneshot::Sender<Result<Generation, Refusal>>),
}

/// Who reads prompts.
pub(crate) struct Clerk {
    /// The model.
    pub(crate) model: Arc<Model>,
    /// Where requests go.
    pub(crate) desk: Arc<Desk>,
    /// The system message of conversations without one.
    pub(crate) system: Option<String>,
    /// Sampling where requests leave it open.
    pub(crate) sampling: Sampling,
}

impl Clerk {
    /// Works until all senders of errands are gone.
    pub(crate) fn work(&self, errands: &Receiver<Errand>) {
        for errand in errands {
            // Who no longer waits for the reply has dropped it, and the request with it.
            match errand {
                Errand::Count(messages, reply) => drop(reply.send(guarded(|| self.count(messages)))),
                Errand::Queue(request, reply) => drop(reply.send(guarded(|| self.queue(*request)))),
            }
        }
    }

    fn count(&self, messages: Vec<Message>) -> Result<u32, Refusal> {
        let tokens = prompt::tokens(&self.model, messages, self.system.as_deref(), None)?;
        Ok(u32::try_from(tokens.len()).unwrap_or(u32::MAX))
    }

    fn queue(&self, request: Request) -> Result<Generation, Refusal> {
        let prefill = request.prefill.as_deref();
        let prompt = prompt::tokens(&self.model, request.messages, self.system.as_deref(), prefill)?;
        prompt::check_length(&self.model, prompt.len())?;
        let room = self.model.facts.context - u32::try_from(prompt.len()).unwrap_or(u32::MAX);
        let (pieces, receiver) = mpsc::unbounded_channel();
        let job = Job {
            prompt,
            budget: request.max_tokens.unwrap_or(room).min(room),
            sampler: Sampler::new(&request.sampling.or(&self.sampling)),
            tail: Tail::new(request.stop),
            alternatives: request.top_logprobs.into(),
            owner: request.fairness,
            pieces,
        };
        self.desk.put(job)?;
        Ok(Generation::new(receiver))
    }
}

/// A prompt that makes the template engine or the tokeniser panic ends this errand and no other.
fn guarded<T>(read: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Refusal::Invalid("messages: the prompt cannot be read".into())))
}
