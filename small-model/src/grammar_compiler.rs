//! Compiles grammars, in a thread of its own: a large schema takes seconds, for which nobody else waits.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use llguidance::Matcher;
use tokio::sync::oneshot;

use crate::answer_plan::PlannedGrammar;
use crate::model::LoadedModel;
use crate::queue::FairQueue;
use crate::scheduler::{EngineScheduler, GenerationJob};
use crate::{EngineRefusal, Generation, SchemaError};

/// The most grammars that are kept for further requests.
const MOST_KEPT: usize = 32;
/// The most bytes of all their texts; compiled they take several times that.
const MOST_KEPT_BYTES: usize = 1 << 20;

/// A request whose grammar is to be compiled.
pub(crate) struct CompileJob {
    /// What its answer is held to.
    pub(crate) grammar: PlannedGrammar,
    /// The request.
    pub(crate) job: GenerationJob,
    /// Its answer, for whoever asked.
    pub(crate) generation: Generation,
    /// Where that goes; closed when nobody waits for it any more.
    pub(crate) reply: oneshot::Sender<Result<Generation, EngineRefusal>>,
}

/// Where grammars are compiled, and kept. It is fair between askers.
pub(crate) struct GrammarCompiler {
    model: Arc<LoadedModel>,
    desk: Arc<EngineScheduler>,
    /// `None` once it is closed.
    queue: Mutex<Option<FairQueue<CompileJob>>>,
    arrival: Condvar,
    kept: Mutex<KeptGrammars>,
}

impl GrammarCompiler {
    /// One with this many places to wait.
    pub(crate) fn new(model: &Arc<LoadedModel>, desk: &Arc<EngineScheduler>, places: usize) -> Self {
        Self {
            model: Arc::clone(model),
            desk: Arc::clone(desk),
            queue: Mutex::new(Some(FairQueue::new(places))),
            arrival: Condvar::new(),
            kept: Mutex::default(),
        }
    }

    /// Queues the request once its grammar is compiled, and says so; at once where that was compiled before.
    pub(crate) fn put(&self, job: CompileJob) {
        let owner = job.job.owner.clone();
        let known = self.kept().get(&owner, job.grammar.text());
        if let Some(known) = known {
            return self.finish(job, known);
        }
        let mut queue = self.queue();
        let Some(waiting) = queue.as_mut() else { return refuse(job, EngineRefusal::Dead) };
        waiting.retain(|waiting| !waiting.reply.is_closed());
        let taken = waiting.push(&owner, job);
        drop(queue);
        match taken {
            Ok(()) => self.arrival.notify_one(),
            Err(job) => refuse(job, EngineRefusal::Busy),
        }
    }

    /// Works until it is closed.
    pub(crate) fn work(&self) {
        while let Some(job) = self.next() {
            // Another request may have brought the same grammar meanwhile.
            let known = self.kept().get(&job.job.owner, job.grammar.text());
            let compiled = known.unwrap_or_else(|| self.compile(&job));
            self.finish(job, compiled);
        }
    }

    /// Ends the work after the grammar in hand.
    pub(crate) fn close(&self) {
        self.queue().take();
        self.arrival.notify_all();
    }

    /// The next request that somebody still waits for.
    fn next(&self) -> Option<CompileJob> {
        let mut queue = self.queue();
        loop {
            match queue.as_mut()?.pop() {
                Some(job) if job.reply.is_closed() => {}
                Some(job) => return Some(job),
                None => queue = self.arrival.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn compile(&self, job: &CompileJob) -> Result<Matcher, EngineRefusal> {
        let grammars = self.model.grammars().map_err(|reason| EngineRefusal::Unable(reason.into()))?;
        let compile = || grammars.matcher(job.grammar.grammar.clone());
        let compiled = catch_unwind(AssertUnwindSafe(compile)).unwrap_or_else(|_| Err("panicked".into()));
        let compiled = compiled.map_err(|said| SchemaError::of_compiler(job.grammar.field, &said));
        self.kept().put(&job.job.owner, job.grammar.text(), &compiled);
        Ok(compiled?)
    }

    fn finish(&self, job: CompileJob, compiled: Result<Matcher, EngineRefusal>) {
        let CompileJob { grammar, mut job, generation, reply } = job;
        let queued = compiled.and_then(|matcher| {
            let constraint = grammar.constraint(self.model.grammars(), matcher)?;
            job.sampler = job.sampler.constrained(Some(constraint));
            self.desk.put(job)
        });
        let _ = reply.send(queued.map(|()| generation));
    }

    fn queue(&self) -> MutexGuard<'_, Option<FairQueue<CompileJob>>> {
        // A queue is whole after each of its calls.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, KeptGrammars> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(job: CompileJob, why: EngineRefusal) {
    let _ = job.reply.send(Err(why));
}

/// Grammars that were compiled, the one that was used last at the end, each with the asker that brought it: the time that a
/// known one saves would tell another what was asked.
#[derive(Default)]
struct KeptGrammars(VecDeque<KeptGrammar>);

struct KeptGrammar {
    owner: String,
    text: String,
    /// What came of it. A grammar that is refused is refused again.
    compiled: Result<Matcher, SchemaError>,
}

impl KeptGrammars {
    fn get(&mut self, owner: &str, text: &str) -> Option<Result<Matcher, EngineRefusal>> {
        let at = self.0.iter().position(|kept| kept.owner == owner && kept.text == text)?;
        let kept = self.0.remove(at)?;
        // Answers do not share what they find out of a grammar: one that breaks breaks no other.
        let compiled = kept.compiled.as_ref().map(Matcher::deep_clone).map_err(|why| why.clone().into());
        self.0.push_back(kept);
        Some(compiled)
    }

    fn put(&mut self, owner: &str, text: &str, compiled: &Result<Matcher, SchemaError>) {
        if text.len() > MOST_KEPT_BYTES {
            return;
        }
        let compiled = compiled.as_ref().map(Matcher::deep_clone).map_err(Clone::clone);
        self.0.push_back(KeptGrammar { owner: owner.to_owned(), text: text.to_owned(), compiled });
        let bytes = |kept: &VecDeque<KeptGrammar>| kept.iter().map(|kept| kept.text.len()).sum::<usize>();
        while self.0.len() > MOST_KEPT || bytes(&self.0) > MOST_KEPT_BYTES {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_grammars_of_each_asker() {
        let refused = |reason: &str| {
            Err(SchemaError::Invalid { field: "response_format".into(), reason: reason.into() })
        };
        let mut kept = KeptGrammars::default();
        kept.put("a", "x", &refused("1"));
        let known = |kept: &mut KeptGrammars, owner: &str, text: &str| kept.get(owner, text).is_some();
        assert!(known(&mut kept, "a", "x") && !known(&mut kept, "b", "x") && !known(&mut kept, "a", "y"));
        for number in 0..MOST_KEPT - 1 {
            kept.put("a", &number.to_string(), &refused("2"));
        }
        // The one that was used last stays.
        assert!(known(&mut kept, "a", "x"));
        kept.put("a", "z", &refused("3"));
        assert!(known(&mut kept, "a", "x") && !known(&mut kept, "a", "0"));
        kept.put("b", &"long".repeat(MOST_KEPT_BYTES / 4), &refused("4"));
        assert_eq!(kept.0.len(), 1);
        kept.put("b", &"longer".repeat(MOST_KEPT_BYTES / 4), &refused("5"));
        assert_eq!(kept.0.len(), 1);
    }
}
