//! What an upstream is asked, and what comes back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use http::HeaderMap;
use protocol::{ChatRequest, CompletionBody, ResponseChunk, ServedFacts};
use tower::util::BoxCloneSyncService;

use crate::attempt_error::AttemptError;
use crate::queue_patience::{QueueForecast, QueuePatience};
use crate::request_id::RequestId;

/// What an upstream is asked.
#[derive(Clone)]
pub struct UpstreamRequest {
    /// The client's request.
    pub chat: Arc<ChatRequest>,
    /// Whether the upstream is asked for a stream, whatever the client asked for.
    pub stream: bool,
    /// Whether it is asked how probable its tokens are, though the client does not want to know.
    pub logprobs: bool,
    /// Tokens: the longest answer that may be given, where the client itself sets no limit.
    pub longest: Option<u64>,
    /// Whose request this is: the embedded engine's queue is fair between these.
    pub on_behalf: Arc<str>,
    /// How patiently it waits for its turn in that queue.
    pub patience: QueuePatience,
    /// The request's name, sent along.
    pub id: RequestId,
    /// Trace context to send along (`traceparent`, `tracestate`, `baggage`), and `anthropic-beta` for upstreams that get what
    /// their client wrote.
    pub trace: HeaderMap,
}

/// What comes back.
pub struct UpstreamResponse {
    /// The answer, whole or in pieces.
    pub body: AnswerBody,
    /// Headers of the upstream that clients may see.
    pub headers: HeaderMap,
}

/// An answer, whole or in pieces. Dropping it stops the upstream's work.
pub enum AnswerBody {
    /// All of it.
    Whole(Box<CompletionBody>),
    /// Pieces as they are written.
    Stream(Chunks),
}

/// Pieces of an answer; ends after `Done`, at the upstream's end of stream, or with the first error.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<ResponseChunk, AttemptError>> + Send>>;

/// One endpoint that can be asked.
pub type Upstream = BoxCloneSyncService<UpstreamRequest, UpstreamResponse, AttemptError>;

/// An engine in this process, ready to be asked.
pub(crate) struct EngineUpstream {
    /// Asks it.
    pub(crate) upstream: Upstream,
    /// What it foresees.
    pub(crate) forecast: Arc<dyn QueueForecast>,
    /// What part of the model a GPU computes, in words for the operator; `None`: nothing.
    pub(crate) gpu: Option<String>,
}

/// Asks an endpoint whether it answers at all, at no cost.
pub type Check = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Asks an endpoint what it says of its model, at no cost.
#[derive(Clone)]
pub struct Inquiry {
    /// What it says; `None` where it does not answer.
    pub ask: Arc<dyn Fn() -> Asking + Send + Sync>,
    /// Whether it is asked at the start and whenever it comes back, and not only once it has refused a prompt as too long.
    pub eager: bool,
}

/// A question of an inquiry, under way.
pub type Asking = Pin<Box<dyn Future<Output = Option<ServedFacts>> + Send>>;

/// An endpoint before it is in use.
pub(super) struct NamedUpstream {
    /// Stable and safe to show.
    pub(super) id: String,
    /// Who asks it.
    pub(super) upstream: Upstream,
    /// How it is asked whether it answers; `None` for an engine in this process.
    pub(super) check: Option<Check>,
    /// How it is asked what it says of its model; `None` where nobody asks.
    pub(super) inquiry: Option<Inquiry>,
}
