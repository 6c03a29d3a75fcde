//! How an engine is set up, what is known of its model then, and why it cannot be.

use std::path::PathBuf;
use std::thread;

use crate::{SamplingError, SamplingOptions, catalogue};

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
    /// Answers generated at a time, batched together. Default 2.
    pub slots: usize,
    /// Requests that may wait for a slot. Default 32.
    pub queue: usize,
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
            slots: 2,
            queue: 32,
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

fn threads_by_default() -> usize {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    cores.saturating_sub(1).max(1)
}
