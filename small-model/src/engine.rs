//! The engine's handle: what everyone else holds.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::grammar_compiler::GrammarCompiler;
use crate::model::LoadedModel;
use crate::options::{EngineOptions, LoadError, ModelFacts, batch_size};
use crate::pace::EnginePace;
use crate::prompt_encoder::{EncodeJob, PromptEncoder};
use crate::scheduler::{EngineLoad, EngineScheduler};
use crate::worker::{EngineWorker, WorkerOptions};
use crate::{ChatMessage, EngineRefusal, Generation, GenerationRequest};

/// Stack of the threads that tokenise and that compile grammars, in bytes: only what is used takes memory.
const ENCODER_STACK: usize = 64 << 20;

/// A loaded model and its threads. Cheap to clone. Dropping the last handle ends the threads and frees
/// the memory; it waits for the step in hand, which is one token or a piece of a prompt.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<EngineShared>,
}

struct EngineShared {
    model: Arc<LoadedModel>,
    desk: Arc<EngineScheduler>,
    compiler: Arc<GrammarCompiler>,
    /// `None` only while it is dropped.
    errands: Option<SyncSender<EncodeJob>>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Loads the weights and starts the threads. Blocks for as long as reading the file takes.
    ///
    /// # Errors
    /// See [`LoadError`]; each says what is wrong with which file.
    pub fn load(options: EngineOptions) -> Result<Self, LoadError> {
        options.check()?;
        let model = Arc::new(LoadedModel::load(&options)?);
        let pace = EnginePace::of(model.facts.parameters);
        let desk = Arc::new(EngineScheduler::new(options.queue, options.slots, pace));
        let worker = start_worker(&model, &desk, &options)?;
        let compiler = Arc::new(GrammarCompiler::new(&model, &desk, options.queue));
        let clerk = PromptEncoder {
            model: Arc::clone(&model),
            desk: Arc::clone(&desk),
            compiler: Arc::clone(&compiler),
            system: options.system.clone(),
            sampling: options.sampling.clone(),
        };
        let (errands, received) = sync_channel(options.queue + options.slots);
        let mut shared =
            EngineShared { model, desk, compiler, errands: Some(errands), threads: vec![worker] };
        let work = move || clerk.work(&received);
        shared.threads.push(start_thread("model-clerk", work, &options)?);
        let compiler = Arc::clone(&shared.compiler);
        shared.threads.push(start_thread("model-grammar", move || compiler.work(), &options)?);
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Queues a request. Returns once its prompt is counted and it has its place; the pieces follow.
    ///
    /// # Errors
    /// See [`EngineRefusal`].
    pub async fn generate(&self, request: GenerationRequest) -> Result<Generation, EngineRefusal> {
        request.check()?;
        self.send(|reply| EncodeJob::Queue(Box::new(request), reply)).await
    }

    /// How many tokens the prompt of these messages has, the model's own marks included.
    ///
    /// # Errors
    /// [`EngineRefusal::Invalid`] when the model's template does not take them, [`EngineRefusal::PromptTooLong`]
    /// when they are so long that counting is no use, [`EngineRefusal::Busy`], [`EngineRefusal::Dead`].
    pub async fn count_tokens(&self, messages: &[ChatMessage]) -> Result<u32, EngineRefusal> {
        GenerationRequest::of(messages.to_vec()).check()?;
        self.send(|reply| EncodeJob::Count(messages.to_vec(), reply)).await
    }

    /// What is known of the model.
    pub fn facts(&self) -> &ModelFacts {
        &self.shared.model.facts
    }

    /// How busy the engine is now.
    pub fn load_now(&self) -> EngineLoad {
        self.shared.desk.load()
    }

    /// How long a request in this asker's name ([`GenerationRequest::fairness`]) would wait for a slot if it came now, by
    /// what is ahead of it and by how fast the engine has been; zero where a slot is free.
    pub fn expected_wait(&self, asker: &str) -> Duration {
        Duration::try_from_secs_f64(self.shared.desk.expected_wait(asker)).unwrap_or(Duration::MAX)
    }

    /// How long this request still waits for a slot, by what is ahead of it now; zero once it has one.
    pub fn wait_left(&self, waiting: &Generation) -> Duration {
        Duration::try_from_secs_f64(self.shared.desk.wait_left(waiting.ticket)).unwrap_or(Duration::MAX)
    }

    /// How long writing so many tokens of an answer takes, by how fast the engine has been; by the number of the model's
    /// parameters before it has written anything.
    pub fn expected_writing(&self, tokens: u32) -> Duration {
        Duration::try_from_secs_f64(self.shared.desk.expected_writing(tokens)).unwrap_or(Duration::MAX)
    }

    /// How long reading so many tokens of a prompt takes, beside what else is under way, by how fast the engine has been;
    /// by the number of the model's parameters before it has read anything.
    pub fn expected_reading(&self, tokens: u32) -> Duration {
        let seconds = self.shared.desk.expected_reading(tokens as usize);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// Whether the threads run and take requests.
    pub fn alive(&self) -> bool {
        self.shared.desk.alive()
    }

    async fn send<T>(
        &self,
        errand: impl FnOnce(oneshot::Sender<Result<T, EngineRefusal>>) -> EncodeJob,
    ) -> Result<T, EngineRefusal> {
        if !self.alive() {
            return Err(EngineRefusal::Dead);
        }
        let (reply, answer) = oneshot::channel();
        let errands = self.shared.errands.as_ref().ok_or(EngineRefusal::Dead)?;
        errands.try_send(errand(reply)).map_err(|error| match error {
            TrySendError::Full(_) => EngineRefusal::Busy,
            TrySendError::Disconnected(_) => EngineRefusal::Dead,
        })?;
        answer.await.unwrap_or(Err(EngineRefusal::Dead))
    }
}

impl Drop for EngineShared {
    fn drop(&mut self) {
        self.errands = None;
        self.compiler.close();
        self.desk.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Starts the worker and waits until its context is there.
fn start_worker(
    model: &Arc<LoadedModel>,
    desk: &Arc<EngineScheduler>,
    options: &EngineOptions,
) -> Result<JoinHandle<()>, LoadError> {
    let refused = |reason: String| LoadError::Refused { path: options.weights.clone(), reason };
    let (model, desk) = (Arc::clone(model), Arc::clone(desk));
    let (slots, threads) = (options.slots, options.threads);
    let setup =
        WorkerOptions { slots, deterministic: options.deterministic, prefix_cache: options.prefix_cache };
    let (ready, begun) = sync_channel(1);
    let work = move || {
        let _farewell = ExitGuard(&desk);
        match model.context(slots, batch_size(slots), threads) {
            Err(reason) => drop(ready.send(Err(reason))),
            Ok(context) => {
                let _ = ready.send(Ok(()));
                EngineWorker::new(&model, &desk, context, setup).work();
            }
        }
    };
    let thread = thread::Builder::new()
        .name("model".into())
        .spawn(work)
        .map_err(|error| refused(error.to_string()))?;
    match begun.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(reason)) => Err(refused(format!("no memory for its context: {reason}"))),
        Err(_) => Err(refused("its thread ended at once".into())),
    }
}

fn start_thread(
    name: &str,
    work: impl FnOnce() + Send + 'static,
    options: &EngineOptions,
) -> Result<JoinHandle<()>, LoadError> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(ENCODER_STACK)
        .spawn(work)
        .map_err(|error| LoadError::Refused { path: options.weights.clone(), reason: error.to_string() })
}

/// Says that the worker is gone, however it went.
struct ExitGuard<'a>(&'a EngineScheduler);

impl Drop for ExitGuard<'_> {
    fn drop(&mut self) {
        self.0.die();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::{GenerationError, GenerationPiece, SamplingOptions, catalogue};

    /// The last piece of one short answer.
    async fn last_piece(engine: &Engine) -> Result<GenerationPiece, GenerationError> {
        let question = GenerationRequest {
            max_tokens: Some(4),
            ..GenerationRequest::of(vec![ChatMessage::new("user", "Hi")])
        };
        let mut answer = engine.generate(question).await.unwrap();
        let mut last = None;
        while let Some(piece) = answer.next().await {
            last = Some(piece);
        }
        last.unwrap()
    }

    /// An engine with one slot; `None` where whoever runs the tests said to do without weights.
    fn engine(context: u32) -> Option<Engine> {
        if std::env::var("XIETONG_NO_WEIGHTS").is_ok_and(|value| value == "1") {
            return None;
        }
        let entry = catalogue::by_name("smollm2-135m").unwrap();
        let weights = format!("{}/../models/{}", env!("CARGO_MANIFEST_DIR"), entry.file);
        let options = EngineOptions { threads: 1, slots: 1, context, ..EngineOptions::new(weights) };
        Some(Engine::load(options).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn who_leaves_costs_one_step_at_most() {
        let Some(engine) = engine(4096) else { return };
        // The tokens that end an answer are banned: this one goes on to the end of the context.
        let sampling =
            SamplingOptions { logit_bias: vec![(0, -100.0), (2, -100.0)], ..SamplingOptions::default() };
        let asking = |words: usize| {
            let messages = vec![ChatMessage::new("user", "word ".repeat(words))];
            GenerationRequest { sampling: sampling.clone(), ..GenerationRequest::of(messages) }
        };
        let computed = || engine.shared.desk.computed.load(Ordering::Acquire);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // While the answer is written, and while the prompt is read.
            for (words, pieces, at_most) in [(1, 9, 1), (2000, 1, batch_size(1))] {
                let mut answer = engine.generate(asking(words)).await.unwrap();
                for _ in 0..pieces {
                    assert!(!matches!(
                        answer.next().await,
                        Some(Ok(GenerationPiece::End { .. }) | Err(_)) | None
                    ));
                }
                drop(answer);
                let before = computed();
                while engine.load_now().running > 0 {
                    tokio::task::yield_now().await;
                }
                let after = computed() - before;
                assert!(after <= at_most, "{after} tokens for nobody, of a prompt of {words} words");
            }
        });
    }

    #[test]
    fn a_panic_ends_one_answer_and_many_end_the_engine() {
        let Some(engine) = engine(256) else { return };
        let fail = |times| engine.shared.desk.failures.store(times, Ordering::Release);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            fail(1);
            assert!(matches!(last_piece(&engine).await, Err(GenerationError::Broken(_))));
            assert!(matches!(last_piece(&engine).await, Ok(GenerationPiece::End { .. })));
            fail(3);
            for _ in 0..3 {
                assert!(engine.alive());
                assert!(matches!(last_piece(&engine).await, Err(GenerationError::Broken(_))));
            }
            // The last answer is told before the engine is: wait for the thread to be gone.
            while engine.alive() {
                tokio::task::yield_now().await;
            }
            let hi = GenerationRequest::of(vec![ChatMessage::new("user", "Hi")]);
            assert_eq!(engine.generate(hi).await.unwrap_err(), EngineRefusal::Dead);
            assert_eq!(engine.load_now().running, 0);
        });
    }
}
