//! Computes: one thread that owns the context and moves all answers under way forward together.
//!
//! Each step reads one batch: the last token of every answer, and the next piece of the prompts that
//! are not read yet. Pieces are small, so that a cancelled prompt is dropped soon and answers under
//! way do not stand still while another prompt is read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use crate::logprobs::SampledLogprobs;
use crate::model::LoadedModel;
use crate::scheduler::{EngineScheduler, GenerationJob, NextJob};
use crate::slot::{ActiveAnswer, Slot, choose};
use crate::stop_buffer::EmittedText;
use crate::{
    GeneratedToken, GenerationError, GenerationFinish, GenerationPiece, GenerationUsage, TokenAlternative,
};

/// Tokens of prompts that a step reads while no answer is under way. 512 would be 4 % faster.
const PIECE: usize = 64;
/// The same while answers are under way, whose next tokens wait for it.
const PIECE_BESIDE_ANSWERS: usize = 32;
/// Panics in a row after which the engine gives up.
const MOST_PANICS: u32 = 3;

/// How many tokens a batch may hold with this many slots.
pub(crate) fn batch_size(slots: usize) -> usize {
    PIECE + slots
}

/// The thread that computes.
pub(crate) struct EngineWorker<'a> {
    model: &'a LoadedModel,
    desk: &'a EngineScheduler,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    slots: Vec<Slot>,
    takings: u64,
}

/// Whether the worker goes on after a step.
#[derive(PartialEq)]
enum WorkerTurn {
    On,
    Home,
}

impl<'a> EngineWorker<'a> {
    /// A worker with this many slots in a context that was made for them.
    pub(crate) fn new(
        model: &'a LoadedModel,
        desk: &'a EngineScheduler,
        context: LlamaContext<'a>,
        slots: usize,
    ) -> Self {
        let sequences = 0..i32::try_from(slots).unwrap_or(i32::MAX);
        Self {
            model,
            desk,
            context,
            batch: LlamaBatch::new(batch_size(slots), 1),
            slots: sequences.map(Slot::new).collect(),
            takings: 0,
        }
    }

    /// Works until the engine is dropped, or until it panicked [`MOST_PANICS`] times in a row.
    pub(crate) fn work(&mut self) {
        let mut panics = 0;
        while panics < MOST_PANICS {
            match catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(WorkerTurn::On) => panics = 0,
                Ok(WorkerTurn::Home) => break,
                Err(_) => {
                    panics += 1;
                    self.break_off_all("the engine's step panicked");
                }
            }
        }
        self.break_off_all("the engine ended");
    }

    fn step(&mut self) -> WorkerTurn {
        self.drop_cancelled();
        if self.desk.closed() || self.admit() == WorkerTurn::Home {
            return WorkerTurn::Home;
        }
        if self.fill_batch().is_err() {
            self.break_off_all("the batch is too small");
            return WorkerTurn::On;
        }
        if self.batch.n_tokens() == 0 {
            return WorkerTurn::On;
        }
        #[cfg(test)]
        self.desk.before_step(self.batch.n_tokens());
        match self.context.decode(&mut self.batch) {
            Ok(()) => (0..self.slots.len()).for_each(|index| self.give(index)),
            Err(error) => self.break_off_all(&error.to_string()),
        }
        WorkerTurn::On
    }

    /// Fills free slots from the queue; waits when there is nothing else to do.
    fn admit(&mut self) -> WorkerTurn {
        while self.slots.iter().any(|slot| slot.active.is_none()) {
            let idle = self.slots.iter().all(|slot| slot.active.is_none());
            match self.desk.next(idle) {
                NextJob::Job(job) => self.take(*job),
                NextJob::Nothing => break,
                NextJob::Closed => return WorkerTurn::Home,
            }
        }
        WorkerTurn::On
    }

    fn take(&mut self, job: GenerationJob) {
        let Some(index) = choose(&self.slots, &job.prompt, &job.owner) else { return };
        let reused = self.prepare(index, &job);
        let started =
            GenerationPiece::Started { prompt_tokens: count(job.prompt.len()), cached_tokens: count(reused) };
        let _ = job.pieces.send(Ok(started));
        self.takings += 1;
        if let Some(slot) = self.slots.get_mut(index) {
            slot.owner.clone_from(&job.owner);
            slot.taken = self.takings;
            slot.active = Some(ActiveAnswer { job, reused, given: 0, last: None, output: None });
        }
    }

    /// Cuts a slot's cache back to what the prompt begins with; how much that is.
    fn prepare(&mut self, index: usize, job: &GenerationJob) -> usize {
        let Some(slot) = self.slots.get_mut(index) else { return 0 };
        let reused = slot.reusable(&job.prompt, &job.owner);
        if cut(&mut self.context, slot.sequence, reused) {
            slot.cached.truncate(reused);
            return reused;
        }
        // Recurrent models cannot go back: they begin anew.
        cut(&mut self.context, slot.sequence, 0);
        slot.cached.clear();
        0
    }

    fn fill_batch(&mut self) -> Result<(), ()> {
        self.batch.clear();
        let answering =
            self.slots.iter().any(|slot| slot.active.as_ref().is_some_and(|active| active.last.is_some()));
        let mut left = if answering { PIECE_BESIDE_ANSWERS } else { PIECE };
        for slot in &mut self.slots {
            let (tokens, wanted) = slot.reading(left);
            let reading_prompt = slot.active.as_ref().is_some_and(|active| active.last.is_none());
            left -= if reading_prompt { tokens.len() } else { 0 };
            for (index, token) in tokens.iter().enumerate() {
                let position = i32::try_from(slot.cached.len()).map_err(drop)?;
                let output = wanted && index + 1 == tokens.len();
                self.batch.add(*token, position, &[slot.sequence], output).map_err(drop)?;
                slot.cached.push(*token);
            }
            if let Some(active) = &mut slot.active {
                active.output = wanted.then(|| self.batch.n_tokens() - 1);
            }
        }
        Ok(())
    }

    /// Gives a slot's answer its next token, if the step computed one.
    fn give(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(active) = &mut slot.active else { return };
        let Some(output) = active.output.take() else { return };
        let logits = self.context.get_logits_ith(output);
        let Some(odds) = SampledLogprobs::of(logits) else {
            return self.break_off(index, "the model computed no numbers");
        };
        let Some(token) = active.job.sampler.choose(logits) else {
            return self.break_off(index, "the answer cannot be held to its format");
        };
        let chosen = LlamaToken(i32::try_from(token).unwrap_or_default());
        if self.model.ends(chosen) {
            return self.end(index, None, GenerationFinish::Stop);
        }
        let logprob = logits.get(token as usize).map_or(0.0, |logit| odds.logprob(*logit));
        let top = odds.top(logits, active.job.alternatives);
        let bytes = self.model.bytes_of(chosen);
        let (text, stopped) = match active.job.tail.push(&bytes) {
            EmittedText::More(text) => (text, false),
            EmittedText::Last(text) => (text, true),
        };
        let top = top.into_iter().map(|(token, logprob)| self.alternative(token, logprob)).collect();
        let (margin, entropy) = (odds.margin, odds.entropy);
        let (thought, calls) = (String::new(), Vec::new());
        let token = GeneratedToken { text, thought, calls, bytes, logprob, margin, entropy, top };
        let Some(active) = self.slots.get_mut(index).and_then(|slot| slot.active.as_mut()) else { return };
        let _ = active.job.pieces.send(Ok(GenerationPiece::Token(token)));
        active.given += 1;
        active.last = Some(chosen);
        if stopped {
            self.end(index, Some(String::new()), GenerationFinish::Stop);
        } else if active.given >= active.job.budget {
            self.end(index, None, GenerationFinish::Length);
        }
    }

    fn alternative(&self, token: u32, logprob: f32) -> TokenAlternative {
        let token = LlamaToken(i32::try_from(token).unwrap_or_default());
        TokenAlternative { bytes: self.model.bytes_of(token), logprob }
    }

    /// Ends a slot's answer. `text` replaces what was held back, where that is part of a stop sequence.
    fn end(&mut self, index: usize, text: Option<String>, finish: GenerationFinish) {
        let Some(active) = self.release(index) else { return };
        let usage = GenerationUsage {
            prompt_tokens: count(active.job.prompt.len()),
            cached_tokens: count(active.reused),
            completion_tokens: active.given,
        };
        let text = text.unwrap_or_else(|| active.job.tail.finish());
        let _ = active.job.pieces.send(Ok(GenerationPiece::End {
            text,
            thought: String::new(),
            calls: Vec::new(),
            finish,
            usage,
        }));
    }

    fn drop_cancelled(&mut self) {
        for index in 0..self.slots.len() {
            let slot = self.slots.get(index).and_then(|slot| slot.active.as_ref());
            if slot.is_some_and(|active| active.job.pieces.is_closed()) {
                self.release(index);
            }
        }
    }

    /// Ends a slot's answer with an error, and forgets its cache, which may be half written.
    fn break_off(&mut self, index: usize, reason: &str) {
        if let Some(active) = self.release(index) {
            let _ = active.job.pieces.send(Err(GenerationError::Broken(reason.into())));
        }
        if let Some(slot) = self.slots.get_mut(index) {
            cut(&mut self.context, slot.sequence, 0);
            slot.cached.clear();
        }
    }

    fn break_off_all(&mut self, reason: &str) {
        (0..self.slots.len()).for_each(|index| self.break_off(index, reason));
    }

    fn release(&mut self, index: usize) -> Option<ActiveAnswer> {
        let active = self.slots.get_mut(index)?.active.take()?;
        self.desk.done();
        Some(active)
    }
}

/// Removes what a sequence holds from this position on; whether the model can do that.
fn cut(context: &mut LlamaContext<'_>, sequence: i32, from: usize) -> bool {
    let sequence = u32::try_from(sequence).ok();
    context.clear_kv_cache_seq(sequence, u32::try_from(from).ok(), None).unwrap_or(false)
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
