//! Computes: one thread that owns the context and moves all answers under way forward together.
//!
//! Each step reads the next piece of one prompt that is not read yet, and the last token of every answer. Pieces are
//! small, so that a cancelled prompt is dropped soon and answers under way do not stand still while another prompt is read.
//! The last tokens of all answers are read in one batch; with [`EngineOptions::deterministic`](crate::EngineOptions) each is
//! read by itself, and prompts in pieces that begin at multiples of [`PIECE`], so that each number is computed by the same
//! operations in the same order whatever else is under way or cached.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::{LlamaStateSeqFlags, SeqState};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use crate::logprobs::SampledLogprobs;
use crate::model::LoadedModel;
use crate::options::{PIECE, batch_size};
use crate::pace::EnginePace;
use crate::prefix_cache::{CachedPrefix, PrefixCache};
use crate::scheduler::{EngineScheduler, GenerationJob, NextJob};
use crate::slot::{ActiveAnswer, PrefixCut, Slot, choose};
use crate::stop_buffer::EmittedText;
use crate::{
    GeneratedToken, GenerationError, GenerationFinish, GenerationPiece, GenerationUsage, TokenAlternative,
};

/// Tokens of prompts that a step reads while answers are under way, whose next tokens wait for it.
const PIECE_BESIDE_ANSWERS: usize = 32;
/// Panics in a row after which the engine gives up.
const MOST_PANICS: u32 = 3;
/// Tokens of a conversation below which it is sooner read again than kept aside.
const LEAST_KEPT: usize = 64;

/// The thread that computes.
pub(crate) struct EngineWorker<'a> {
    model: &'a LoadedModel,
    desk: &'a EngineScheduler,
    context: LlamaContext<'a>,
    batch: LlamaBatch<'static>,
    slots: Vec<Slot>,
    takings: u64,
    steps: u64,
    deterministic: bool,
    /// Conversations that lost their slot.
    aside: PrefixCache<SeqState>,
}

/// How a worker is set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerOptions {
    /// Answers at a time.
    pub(crate) slots: usize,
    /// Whether what is computed does not depend on what else is under way or cached.
    pub(crate) deterministic: bool,
    /// Bytes for conversations that lost their slot.
    pub(crate) prefix_cache: usize,
}

/// Whether the worker goes on after a step.
#[derive(PartialEq)]
enum WorkerTurn {
    On,
    Home,
}

impl<'a> EngineWorker<'a> {
    /// A worker in a context that was made for so many slots.
    pub(crate) fn new(
        model: &'a LoadedModel,
        desk: &'a EngineScheduler,
        context: LlamaContext<'a>,
        options: WorkerOptions,
    ) -> Self {
        let WorkerOptions { slots, deterministic, prefix_cache } = options;
        let sequences = 0..i32::try_from(slots).unwrap_or(i32::MAX);
        Self {
            model,
            desk,
            context,
            batch: LlamaBatch::new(batch_size(slots), 1),
            slots: sequences.map(Slot::new).collect(),
            takings: 0,
            steps: 0,
            deterministic,
            aside: PrefixCache::new(prefix_cache),
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
        self.steps += 1;
        if let Err(reason) = self.read_prompt().and_then(|()| self.write_answers()) {
            self.break_off_all(&reason);
        }
        WorkerTurn::On
    }

    /// Reads the next piece of a prompt: in turn of the one that is nearest to its end, so that a short question need not
    /// wait for a long text, and of the one that came first.
    fn read_prompt(&mut self) -> Result<(), String> {
        let reading = (0..self.slots.len()).filter(|index| self.slots[*index].is_reading());
        let next = if self.steps.is_multiple_of(2) {
            reading.min_by_key(|index| self.slots[*index].work_left().map(|work| work.prompt))
        } else {
            reading.min_by_key(|index| self.slots[*index].taken)
        };
        let Some(index) = next else { return Ok(()) };
        let beside = !self.deterministic && self.slots.iter().any(Slot::is_writing);
        let piece = if beside { PIECE_BESIDE_ANSWERS } else { PIECE };
        let began = Instant::now();
        let read = self.compute(&[index], piece)?;
        self.note(|pace| pace.read(read, began.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Gives each answer that is being written its next token.
    fn write_answers(&mut self) -> Result<(), String> {
        let writing: Vec<usize> =
            (0..self.slots.len()).filter(|index| self.slots[*index].is_writing()).collect();
        if writing.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        for together in writing.chunks(if self.deterministic { 1 } else { writing.len() }) {
            self.compute(together, 1)?;
        }
        self.note(|pace| pace.wrote(began.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Reads the next tokens of these slots, of a prompt at most `most`, in one batch, and gives their answers what comes of
    /// it; how many tokens that were.
    fn compute(&mut self, together: &[usize], most: usize) -> Result<usize, String> {
        self.fill_batch(together, most).map_err(|()| "the batch is too small".to_owned())?;
        let tokens = self.batch.n_tokens();
        if tokens > 0 {
            #[cfg(test)]
            self.desk.before_step(tokens);
            self.context.decode(&mut self.batch).map_err(|error| error.to_string())?;
            together.iter().for_each(|index| self.give(*index));
        }
        Ok(usize::try_from(tokens).unwrap_or_default())
    }

    fn note(&self, seen: impl FnOnce(&mut EnginePace)) {
        self.desk.note(seen, self.slots.iter().filter_map(Slot::work_left));
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
        let cut = self.cut();
        let Some(index) = choose(&self.slots, &job.prompt, &job.owner, cut) else { return };
        let index = self.restore(&job).unwrap_or(index);
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

    /// Where a reused prefix may end.
    fn cut(&self) -> PrefixCut {
        if self.deterministic { PrefixCut::AtChunks(PIECE) } else { PrefixCut::Anywhere }
    }

    /// Brings a conversation that was kept aside back into a slot, where it has more of a prompt than any free slot has.
    fn restore(&mut self, job: &GenerationJob) -> Option<usize> {
        let cut = self.cut();
        let free = || self.slots.iter().filter(|slot| slot.active.is_none());
        let at_hand = free().map(|slot| slot.reusable(&job.prompt, &job.owner, cut)).max()?;
        let reusable = |kept: &CachedPrefix<SeqState>| cut.reusable(&kept.tokens, kept.whole, &job.prompt);
        let best = self.aside.best(&job.owner, at_hand, reusable)?;
        let (index, _) = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.active.is_none())
            .min_by_key(|(_, slot)| slot.taken)?;
        let kept = self.aside.take(best)?;
        self.keep_aside(index, 0);
        let slot = self.slots.get_mut(index)?;
        if self.context.state_seq_set(&kept.state, slot.sequence).is_ok() {
            (slot.cached, slot.whole, slot.owner) = (kept.tokens, kept.whole, kept.owner);
        } else {
            cut_sequence(&mut self.context, slot.sequence, 0);
            slot.truncate(0);
        }
        Some(index)
    }

    /// Keeps what a free slot has in its cache, before all but so many tokens of it are lost.
    fn keep_aside(&mut self, index: usize, stays: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let lost = slot.cached.len() - stays.min(slot.cached.len());
        // A conversation that goes on loses the end of its last answer at most.
        if lost < LEAST_KEPT {
            return;
        }
        let flags = LlamaStateSeqFlags::empty();
        let bytes = self.context.state_seq_get_size_ext(slot.sequence, flags);
        if !self.aside.takes(bytes) {
            return;
        }
        let Ok(state) = self.context.state_seq_get(slot.sequence, flags) else { return };
        let (owner, tokens, whole) = (slot.owner.clone(), slot.cached.clone(), slot.whole);
        self.aside.put(CachedPrefix { owner, tokens, whole, state, bytes });
    }

    /// Cuts a slot's cache back to what the prompt begins with; how much that is.
    fn prepare(&mut self, index: usize, job: &GenerationJob) -> usize {
        let cut = self.cut();
        let Some(reused) = self.slots.get(index).map(|slot| slot.reusable(&job.prompt, &job.owner, cut))
        else {
            return 0;
        };
        self.keep_aside(index, reused);
        let Some(slot) = self.slots.get_mut(index) else { return 0 };
        if cut_sequence(&mut self.context, slot.sequence, reused) {
            slot.truncate(reused);
            return reused;
        }
        // Recurrent models cannot go back: they begin anew.
        cut_sequence(&mut self.context, slot.sequence, 0);
        slot.truncate(0);
        0
    }

    fn fill_batch(&mut self, together: &[usize], most: usize) -> Result<(), ()> {
        self.batch.clear();
        for index in together {
            let Some(slot) = self.slots.get_mut(*index) else { continue };
            let (tokens, wanted) = slot.reading(most);
            if tokens.len() == PIECE && slot.whole == slot.cached.len() && slot.is_reading() {
                slot.whole += PIECE;
            }
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
            return self.break_with(index, GenerationError::Format);
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
        self.desk.note_end(active.given);
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
        self.break_with(index, GenerationError::Broken(reason.into()));
    }

    fn break_with(&mut self, index: usize, error: GenerationError) {
        if let Some(active) = self.release(index) {
            let _ = active.job.pieces.send(Err(error));
        }
        if let Some(slot) = self.slots.get_mut(index) {
            cut_sequence(&mut self.context, slot.sequence, 0);
            slot.truncate(0);
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
fn cut_sequence(context: &mut LlamaContext<'_>, sequence: i32, from: usize) -> bool {
    let sequence = u32::try_from(sequence).ok();
    context.clear_kv_cache_seq(sequence, u32::try_from(from).ok(), None).unwrap_or(false)
}

fn count(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
