//! How an engine is set up, what is known of its model then, and why it cannot be.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::{SamplingError, SamplingOptions, catalogue};

/// Tokens of prompts that a step reads while no answer is under way. 512 would be 4 % faster.
pub(crate) const PIECE: usize = 64;

/// How many tokens a batch may hold with this many slots.
pub(crate) fn batch_size(slots: usize) -> usize {
    PIECE.max(slots)
}

/// How an engine is set up. [`EngineOptions::new`] fills in everything but the file.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineOptions {
    /// The GGUF file.
    pub weights: PathBuf,
    /// Threads that compute. Default: the machine's cores less one, which is left to the relay.
    pub threads: usize,
    /// Tokens of a conversation, prompt and answer together, for each slot; less when the model was
    /// trained on less. Default 4096: memory grows with it.
    pub context: u32,
    /// Answers generated at a time. Default: half of the machine's cores, from 2 to 3, and 2 for weights of more than 1 GB,
    /// as memory grows with it.
    pub slots: usize,
    /// Requests that may wait for a slot. Default 32.
    pub queue: usize,
    /// Bytes for conversations that lost their slot to others, so that their next turn reads only what is new. Default
    /// 64 MiB; taken as it is needed.
    pub prefix_cache: usize,
    /// The same request with temperature 0 or a seed gets the same answer, whatever else is under way or cached, as long
    /// as the number of threads is the same. Default false: it costs speed where several answers are written at a time,
    /// and of a cached prefix up to 63 tokens and the last answer are read again.
    pub deterministic: bool,
    /// Layers of the model that a graphics processor computes, where the engine was built for one; more than the model has
    /// are all of them. Default: as many as its free memory has room for.
    pub gpu_layers: Option<u32>,
    /// The system message of a conversation that has none; `None` leaves it to the model's template.
    /// Default: the catalogue's, by the file's name.
    pub system: Option<String>,
    /// Sampling where a request leaves it open. Default: the catalogue's, by the file's name.
    pub sampling: SamplingOptions,
}

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// The name that the file gives itself, else the file's name.
    pub name: String,
    /// Weights, counted.
    pub parameters: u64,
    /// Size of the weights in bytes.
    pub bytes: u64,
    /// Tokens of a conversation, prompt and answer together.
    pub context: u32,
    /// Tokens of context that the model was trained on.
    pub trained_context: u32,
    /// Whether the file brings a chat template; else ChatML is used, which its vocabulary allows.
    pub own_template: bool,
    /// Whether [`ThinkingOptions::enabled`](crate::ThinkingOptions) changes what the template writes.
    pub takes_thinking_switch: bool,
    /// Whether [`ThinkingOptions::effort`](crate::ThinkingOptions) does.
    pub takes_reasoning_effort: bool,
    /// What part of it a graphics processor computes; `None`: nothing.
    pub gpu: Option<GpuShare>,
}

/// What part of a model a graphics processor computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuShare {
    /// As the engine calls it, and as its maker does.
    pub device: String,
    /// So many layers, the one that writes tokens among them.
    pub layers: u32,
    /// Of so many.
    pub of: u32,
    /// The device's number in the engine.
    pub(crate) index: usize,
}

/// Why a model cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No such file.
    #[error("{}: no such file; `xietong fetch` gets the weights of the catalogue", .0.display())]
    Missing(PathBuf),
    /// The file is there and cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file is something else.
    #[error("{}: not a GGUF file", .0.display())]
    NotGguf(PathBuf),
    /// A part of the file is missing.
    #[error("{}: the file is incomplete: {}; get it anew, with `xietong fetch` if the catalogue has it", path.display(), missing(*has, *needs))]
    Cut {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        has: u64,
        /// The size in bytes that it should have at least; `None` where it ends before that is said.
        needs: Option<u64>,
    },
    /// The engine does not know the architecture of this model.
    #[error("{}: the engine does not know the architecture `{name}`; take another model's file", path.display())]
    Architecture {
        /// The file.
        path: PathBuf,
        /// As the file names it.
        name: String,
    },
    /// There is not enough memory for it.
    #[error(
        "{}: needs {} of memory, {} of that for conversations, and {} are free; take smaller weights, or lower `context` \
         or `slots` of the model",
        path.display(), size(*needs), size(*conversations), size(*available)
    )]
    Memory {
        /// The file.
        path: PathBuf,
        /// Bytes in all, by estimate.
        needs: u64,
        /// Bytes of these for the conversations in its slots.
        conversations: u64,
        /// Bytes that the machine, or the process's control group, has left.
        available: u64,
    },
    /// llama.cpp does not take it; with its reason.
    #[error("{}: cannot be loaded: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// llama.cpp's reason, or ours.
        reason: String,
    },
    /// Its chat template is no template, or does what cannot be done here, whatever it is asked.
    #[error("{}: its chat template cannot be used: {reason}", path.display())]
    Template {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// It is no chat model: it has no template, and its vocabulary has no marks for turns.
    #[error("{}: has no chat template, and no ChatML tokens to do without one", .0.display())]
    NoTemplate(PathBuf),
    /// The processor lacks instructions that llama.cpp was built for, or that were asked for; with the reason.
    #[error("the embedded engine cannot compute here: {0}")]
    Processor(String),
    /// An option is out of range.
    #[error("{0}")]
    Option(String),
    /// A default for how tokens are chosen is out of range.
    #[error(transparent)]
    Sampling(#[from] SamplingError),
}

impl EngineOptions {
    /// The defaults for this file.
    pub fn new(weights: impl Into<PathBuf>) -> Self {
        let weights = weights.into();
        let known = catalogue::by_path(&weights);
        Self {
            threads: threads_by_default(),
            context: 4096,
            slots: slots_by_default(&weights),
            queue: 32,
            prefix_cache: 64 << 20,
            deterministic: false,
            gpu_layers: None,
            system: known.and_then(|entry| entry.system).map(Into::into),
            sampling: known.map(|entry| entry.sampling()).unwrap_or_default(),
            weights,
        }
    }

    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let ranges =
            [("threads", self.threads, 512), ("slots", self.slots, 64), ("queue", self.queue, 100_000)];
        for (name, value, most) in ranges {
            if value == 0 || value > most {
                return Err(LoadError::Option(format!("{name}: must be from 1 up to {most}")));
            }
        }
        if self.context < 64 {
            return Err(LoadError::Option("context: must be 64 tokens or more".into()));
        }
        Ok(self.sampling.check()?)
    }
}

fn missing(has: u64, needs: Option<u64>) -> String {
    needs.map_or_else(
        || format!("it ends after {}, within its header", size(has)),
        |needs| format!("it has {} of {}", size(has), size(needs)),
    )
}

/// A size in bytes, for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn threads_by_default() -> usize {
    cores().saturating_sub(1).max(1)
}

/// Two answers at a time are slow on one core, and still better than that one waits for the other.
fn slots_by_default(weights: &Path) -> usize {
    let large = fs::metadata(weights).is_ok_and(|file| file.len() > 1_000_000_000);
    (cores() / 2).clamp(2, if large { 2 } else { 3 })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}
