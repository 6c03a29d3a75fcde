//! What clients and upstreams say, as bytes and as values. Never touches a socket, a clock or a log.
//!
//! ```text
//! client's bytes ─json→ Object ─chat→ Chat ─encode→ upstream's bytes
//! upstream's bytes ─sse→ Event ─chunk→ Chunk ─┬→ relayed as they came
//!                                             └gather→ a whole answer
//! ```
//!
//! - `scan`, `text`: a pull parser over JSON text that copies nothing; what is malformed is a `fault`.
//! - `json`: an object as its members' places, so that one can be replaced and the rest left as it came.
//! - `chat`, `messages`, `attachments`, `fields`, `value`, `simple`: a chat request, or a `refusal`.
//! - `endpoint`: which request of which API it is; `native`: the client's own words, where they are no chat.
//! - `conversions`: a chat in other providers' words, kept.
//! - `odds`: how probable an upstream found its tokens.
//! - `shape`: what a client asks an answer to be like.
//! - `talk`: where a request stands in its conversation.
//! - `prefill`: a request to go on with an answer that was begun.
//! - `speech`: what hosts of OpenAI's dialect want otherwise than OpenAI has it.
//! - `vectors`: embeddings in the form that was asked for.
//! - `sse`: event-stream framing, byte exact.
//! - `chunk`, `whole`, `usage`, `usage_chunk`, `native_usage`, `complaint`: what the gateway must know of an answer.
//! - `write`, `gather`, `unfold`: answers of our own, a stream folded into a whole answer, and the reverse.
//! - `estimate`: tokens of a text without a tokenizer; `pictures`, `size`: of pictures without decoding them; `sight`: by
//!   which rule a model counts them.
//! - `upstream`: the dialects that upstreams speak.
//! - `client`: what clients speak beside chats, converted to them and back.
//! - `retry_after`: when an upstream wants to be asked again.

mod attachments;
mod chat;
mod chunk;
pub mod client;
mod complaint;
mod conversions;
mod endpoint;
mod estimate;
mod fault;
mod fields;
mod gather;
mod json;
mod messages;
mod native;
mod native_usage;
mod odds;
mod pictures;
mod prefill;
mod refusal;
mod retry_after;
mod scan;
mod shape;
mod sight;
mod simple;
mod size;
mod speech;
mod sse;
mod talk;
mod text;
mod unfold;
mod upstream;
mod usage;
mod usage_chunk;
mod value;
mod vectors;
mod whole;
mod write;

pub use chat::{ChatRequest, RequiredCapabilities};
pub use chunk::{ResponseChunk, FinishReason, ChunkInfo, ChunkKind, read_chunk};
pub use complaint::{ProviderError, read_error};
pub use endpoint::{ApiEndpoint, ClientVendor};
pub use estimate::{in_tokens, tokens, weight};
pub use fault::{JsonError, JsonErrorKind, quoted};
pub use gather::{ResponseAggregator, AggregateError};
pub use json::RawObject;
pub use native::OriginalRequest;
pub use native_usage::native_end;
pub use odds::{TokenLogprobs, odds};
pub use pictures::{ImageTokens, ImageTokenRule};
pub use prefill::{PrefillStyle, unescaped};
pub use refusal::BadRequest;
pub use retry_after::retry_after;
pub use shape::{ShapedMessage as AnswerMessage, ExpectedFormat};
pub use simple::{EngineRequest, SimpleTurn};
pub use speech::ProviderQuirks;
pub use sse::{SseEvent, LineTooLong, SseParser};
pub use talk::ConversationKey;
pub use upstream::{ResponseDecoder, UpstreamApi, EffortStyle, EncodeOptions, EncodedRequest};
pub use usage::{FinalUsage, ReportedUsage};
pub use usage_chunk::usage_chunk;
pub use vectors::VectorEncoding;
pub use whole::{NotAnAnswer, CompletionBody};
pub use write::{
    LogprobAlternative, WrittenChoice, DONE, DeltaField, ChunkMeta, TokenLogprob, error_body, error_event, write_chunk, write_whole,
};
