//! Where requests wait for the worker: shared between the handle, the clerk and the worker.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use llama_cpp_2::token::LlamaToken;
use tokio::sync::mpsc::UnboundedSender;

use crate::pace::{EnginePace, WorkLeft};
use crate::queue::FairQueue;
use crate::sampler::TokenSampler;
use crate::stop_buffer::StopBuffer;
use crate::{EngineRefusal, GenerationError, GenerationPiece};

/// How busy an engine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineLoad {
    /// Requests that wait for a slot.
    pub queued: usize,
    /// Answers under way.
    pub running: usize,
    /// Answers that can be under way at a time.
    pub slots: usize,
}

/// A request whose prompt is read, on its way to a slot.
pub(crate) struct GenerationJob {
    /// Tells it from all others; see [`EngineScheduler::ticket`].
    pub(crate) ticket: u64,
    /// The prompt, at least one token.
    pub(crate) prompt: Vec<LlamaToken>,
    /// The most tokens of the answer, at least 1; prompt and answer fit the context.
    pub(crate) budget: u32,
    /// Chooses its tokens.
    pub(crate) sampler: TokenSampler,
    /// Makes text of them.
    pub(crate) tail: StopBuffer,
    /// How many alternatives each token lists.
    pub(crate) alternatives: usize,
    /// Whose request it is.
    pub(crate) owner: String,
    /// Where the pieces go; closed when no one wants them any more.
    pub(crate) pieces: UnboundedSender<Result<GenerationPiece, GenerationError>>,
}

impl GenerationJob {
    /// All of it.
    fn work_left(&self) -> WorkLeft {
        WorkLeft { prompt: self.prompt.len(), given: 0, budget: self.budget }
    }
}

/// The queue, and what the engine's parts must know of each other.
pub(crate) struct EngineScheduler {
    queue: Mutex<FairQueue<GenerationJob>>,
    arrival: Condvar,
    tickets: AtomicU64,
    running: AtomicUsize,
    progress: Mutex<EngineProgress>,
    slots: usize,
    closed: AtomicBool,
    alive: AtomicBool,
    /// How many of the next steps panic.
    #[cfg(test)]
    pub(crate) failures: AtomicUsize,
    /// Tokens that the worker has computed or is about to.
    #[cfg(test)]
    pub(crate) computed: AtomicUsize,
}

/// How far the worker is, as it last said.
struct EngineProgress {
    pace: EnginePace,
    running: Vec<WorkLeft>,
}

/// What the worker gets when it asks for work.
pub(crate) enum NextJob {
    /// A job.
    Job(Box<GenerationJob>),
    /// Nothing waits.
    Nothing,
    /// The engine was dropped.
    Closed,
}

impl EngineScheduler {
    /// A desk with this many places to wait, for a worker with this many slots that is taken to be as fast as `pace` says.
    pub(crate) fn new(places: usize, slots: usize, pace: EnginePace) -> Self {
        Self {
            queue: Mutex::new(FairQueue::new(places)),
            arrival: Condvar::new(),
            tickets: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            progress: Mutex::new(EngineProgress { pace, running: Vec::new() }),
            slots,
            closed: AtomicBool::new(false),
            alive: AtomicBool::new(true),
            #[cfg(test)]
            failures: AtomicUsize::new(0),
            #[cfg(test)]
            computed: AtomicUsize::new(0),
        }
    }

    /// A number for a job, that no other has.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Puts a job into the queue. Once it is there, someone says how it ends.
    ///
    /// # Errors
    /// Where there is no place, or no worker.
    pub(crate) fn put(&self, job: GenerationJob) -> Result<(), EngineRefusal> {
        let mut queue = self.queue();
        // Under the lock: a worker that dies empties the queue only once.
        if !self.alive() {
            return Err(EngineRefusal::Dead);
        }
        queue.retain(|waiting| !waiting.pieces.is_closed());
        let owner = job.owner.clone();
        let taken = queue.push(&owner, job);
        drop(queue);
        self.arrival.notify_one();
        taken.map_err(|_| EngineRefusal::Busy)
    }

    /// The next job that someone still waits for. `patient` waits until there is one.
    pub(crate) fn next(&self, patient: bool) -> NextJob {
        let mut queue = self.queue();
        loop {
            if self.closed() {
                return NextJob::Closed;
            }
            match queue.pop() {
                Some(job) if job.pieces.is_closed() => {}
                Some(job) => {
                    // Still under the lock, so that `load` never sees it nowhere.
                    self.running.fetch_add(1, Ordering::AcqRel);
                    return NextJob::Job(Box::new(job));
                }
                None if patient => queue = self.arrival.wait(queue).unwrap_or_else(PoisonError::into_inner),
                None => return NextJob::Nothing,
            }
        }
    }

    /// Says that a job is over.
    pub(crate) fn done(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }

    /// How busy the engine is. Requests that no one waits for any more are not counted.
    pub(crate) fn load(&self) -> EngineLoad {
        let mut queue = self.queue();
        queue.retain(|waiting| !waiting.pieces.is_closed());
        EngineLoad { queued: queue.len(), running: self.running.load(Ordering::Acquire), slots: self.slots }
    }

    /// Seconds that a request of this asker would wait for a slot if it came now.
    pub(crate) fn expected_wait(&self, asker: &str) -> f64 {
        let mut queue = self.queue();
        queue.retain(|waiting| !waiting.pieces.is_closed());
        let ahead: Vec<WorkLeft> = queue.ahead_of(asker).map(GenerationJob::work_left).collect();
        self.wait_behind(&ahead, queue)
    }

    /// Seconds that the job with this ticket still waits for a slot; 0 if it has one.
    pub(crate) fn wait_left(&self, ticket: u64) -> f64 {
        let mut queue = self.queue();
        queue.retain(|waiting| !waiting.pieces.is_closed());
        let ahead = queue.ahead_of_item(|job| job.ticket == ticket);
        let ahead: Option<Vec<WorkLeft>> = ahead.map(|ahead| ahead.map(GenerationJob::work_left).collect());
        ahead.map_or(0.0, |ahead| self.wait_behind(&ahead, queue))
    }

    fn wait_behind(&self, ahead: &[WorkLeft], queue: MutexGuard<'_, FairQueue<GenerationJob>>) -> f64 {
        let taken = self.running.load(Ordering::Acquire);
        drop(queue);
        let progress = self.progress();
        let mut running = progress.running.clone();
        // What was taken within the step in hand has not been told of yet.
        running.truncate(taken);
        running.resize(taken, WorkLeft { prompt: 0, given: 0, budget: u32::MAX });
        progress.pace.wait(self.slots, &running, ahead)
    }

    /// Seconds for writing so many tokens of an answer.
    pub(crate) fn expected_writing(&self, tokens: u32) -> f64 {
        self.progress().pace.writing * f64::from(tokens)
    }

    /// Seconds for reading so many tokens of a prompt, beside what else runs.
    pub(crate) fn expected_reading(&self, tokens: usize) -> f64 {
        let beside = self.running.load(Ordering::Acquire).max(1);
        self.progress().pace.reading * (tokens * beside) as f64
    }

    /// Takes note of how far the worker is: `seen` tells of what it just did, `running` of what is left.
    pub(crate) fn note(&self, seen: impl FnOnce(&mut EnginePace), running: impl Iterator<Item = WorkLeft>) {
        let mut progress = self.progress();
        seen(&mut progress.pace);
        progress.running.clear();
        progress.running.extend(running);
    }

    /// Takes note of the length of an answer that came to its end.
    pub(crate) fn note_end(&self, tokens: u32) {
        self.progress().pace.ended(tokens);
    }

    /// Sends the worker home after the step in hand.
    pub(crate) fn close(&self) {
        let queue = self.queue();
        self.closed.store(true, Ordering::Release);
        drop(queue);
        self.arrival.notify_all();
    }

    /// Whether the worker was sent home.
    pub(crate) fn closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Counts the tokens of a step, and panics as often as a test has asked for.
    #[cfg(test)]
    pub(crate) fn before_step(&self, tokens: i32) {
        self.computed.fetch_add(usize::try_from(tokens).unwrap_or_default(), Ordering::AcqRel);
        let less = |left: usize| left.checked_sub(1);
        let asked = self.failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        assert!(asked.is_err(), "a test asked for this panic");
    }

    /// Says that the worker is gone, to all who wait.
    pub(crate) fn die(&self) {
        let mut queue = self.queue();
        self.alive.store(false, Ordering::Release);
        while let Some(job) = queue.pop() {
            let _ = job.pieces.send(Err(GenerationError::Dead));
        }
    }

    /// Whether the worker is there.
    pub(crate) fn alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    fn progress(&self) -> MutexGuard<'_, EngineProgress> {
        // A pace and a list are whole at every point.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, FairQueue<GenerationJob>> {
        // Nothing panics while it holds the lock; and a queue is whole after each of its calls.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
