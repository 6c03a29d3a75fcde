//! The embedded engine: any GGUF chat model, run inside this process behind one narrow type.
//!
//! Owns: loading weights, the chat template, its own threads, a bounded fair queue, sampling, and
//! the text that comes out. Will not: fetch weights (it has no network), know of HTTP or of money,
//! or run on the threads of an async runtime.
//!
//! ```no_run
//! # async fn answer() -> Result<(), Box<dyn std::error::Error>> {
//! use small_model::{ChatMessage, Engine, EngineOptions, GenerationPiece, GenerationRequest};
//!
//! let engine = Engine::load(EngineOptions::new("models/SmolLM2-135M-Instruct.Q4_1.gguf"))?;
//! let mut answer = engine
//!     .generate(GenerationRequest::of(vec![ChatMessage::new("user", "What is the capital of France?")]))
//!     .await?;
//! while let Some(piece) = answer.next().await {
//!     if let GenerationPiece::Token(token) = piece? {
//!         print!("{}", token.text);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod answer_format;
mod answer_grammar;
mod answer_marks;
mod answer_plan;
mod answer_reader;
mod constraint;
mod conversation;
mod engine;
mod generation;
mod gguf_header;
mod gpu;
mod grammar_compiler;
mod load_log;
mod logprobs;
mod memory;
mod model;
mod options;
mod pace;
mod prefix_cache;
mod processor;
mod prompt;
mod prompt_encoder;
mod queue;
mod repetition;
mod request;
mod sampler;
mod scheduler;
mod slot;
mod special_tokens;
mod stop_buffer;
mod template;
mod template_facts;
mod template_language;
mod tool_syntax;
mod worker;

pub mod catalogue;

pub use answer_format::{AnswerFormat, SchemaError, ToolCall, ToolChoice, ToolDefinition};
pub use answer_reader::CallFragment;
pub use engine::Engine;
pub use generation::{
    EngineRefusal, GeneratedToken, Generation, GenerationError, GenerationFinish, GenerationPiece,
    GenerationUsage, TokenAlternative,
};
pub use gpu::{GpuDevice, gpus};
pub use options::{EngineOptions, GpuShare, LoadError, ModelFacts};
pub use processor::instructions;
pub use request::{ChatMessage, GenerationRequest, SamplingError, SamplingOptions, ThinkingOptions};
pub use scheduler::EngineLoad;
pub use template::{ChatTemplate, TemplateError, TemplateInput};
