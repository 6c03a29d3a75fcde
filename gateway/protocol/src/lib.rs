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
//! - `conversation_key`: where a request stands in its conversation.
//! - `prefill`: a request to go on with an answer that was begun.
//! - `request_fit`: a request as a model takes it.
//! - `speech`: what hosts of OpenAI's dialect want otherwise than OpenAI has it.
//! - `vectors`: embeddings in the form that was asked for.
//! - `sse`: event-stream framing, byte exact.
//! - `chunk`, `whole`, `usage`, `usage_chunk`, `native_usage`, `complaint`: what the gateway must know of an answer.
//! - `answer_texts`, `call_pieces`: where the texts of an answer stand, and which call a piece of one belongs to.
//! - `past_calls`: what earlier turns called, for hosts that are strict about it.
//! - `call_ids`: the ids of tools' calls in the forms that providers take.
//! - `write`, `gather`, `unfold`: answers of our own, a stream folded into a whole answer, and the reverse.
//! - `estimate`: tokens of a text without a tokenizer; `text_profile`, `tokenizer_family`, `counted_tokens`: the same by a model's own, for where it
//!   matters; `pictures`, `size`: of pictures without decoding them; `sight`: by
//!   which rule a model counts them.
//! - `upstream`: the dialects that upstreams speak.
//! - `client`: what clients speak beside chats, converted to them and back.
//! - `retry_after`: when an upstream wants to be asked again; `said_context`: the context that its refusal names.
//! - `served_facts`: what a model server says of its models.

mod aggregate;
mod answer_texts;
mod attachments;
mod bad_request;
mod call_ids;
mod call_pieces;
mod chat;
mod choice_marks;
mod chosen_terms;
mod chunk;
mod chunk_reader;
pub mod client;
mod completion;
mod conversation_key;
mod conversions;
mod counted_tokens;
mod endpoint;
mod engine_format;
mod engine_request;
mod engine_tools;
mod estimate;
mod expected_format;
mod fields;
mod finish_reason;
mod image_size;
mod image_token_rules;
mod image_tokens;
mod into_chunks;
mod json;
mod json_error;
mod json_str;
mod logprobs;
mod messages;
mod native_usage;
mod original_request;
mod past_calls;
mod prefill;
mod provider_error;
mod provider_quirks;
mod request_fit;
mod requested_thought;
mod retry_after;
mod said_context;
mod scan;
mod served_facts;
mod sse;
mod text_profile;
mod tokenizer_family;
mod tool_schema;
mod upstream;
mod usage;
mod usage_chunk;
mod value;
mod vectors;
mod write;

pub use aggregate::{AggregateError, ResponseAggregator};
pub use bad_request::BadRequest;
pub use chat::{ChatRequest, RequiredCapabilities};
pub use choice_marks::{ChoiceMark, choice_marks};
pub use chosen_terms::{ChosenTerms, NativeTerms};
pub use chunk::{ChunkInfo, ChunkKind, ResponseChunk, read_chunk};
pub use completion::{CompletionBody, NotAnAnswer};
pub use conversation_key::ConversationKey;
pub use endpoint::{ApiEndpoint, ClientVendor};
pub use engine_format::EngineFormat;
pub use engine_request::{EngineRequest, SimpleTurn};
pub use engine_tools::{CalledFunction, EngineTool, EngineToolChoice, TurnCall, TurnFields};
pub use estimate::{in_tokens, tokens, weight};
pub use expected_format::{ExpectedFormat, ShapedMessage as AnswerMessage};
pub use finish_reason::FinishReason;
pub use image_tokens::{ImageTokenRule, ImageTokens};
pub use json::RawObject;
pub use json_error::{JsonError, JsonErrorKind, quoted};
pub use logprobs::{TokenLogprobs, odds};
pub use native_usage::native_end;
pub use original_request::OriginalRequest;
pub use prefill::{PrefillStyle, unescaped};
pub use provider_error::{ProviderError, read_error};
pub use provider_quirks::ProviderQuirks;
pub use retry_after::retry_after;
pub use served_facts::ServedFacts;
pub use sse::{LineTooLong, SseEvent, SseParser};
pub use text_profile::TextProfile;
pub use tokenizer_family::TokenizerFamily;
pub use upstream::{EffortStyle, EncodeOptions, EncodedRequest, ResponseDecoder, UpstreamApi};
pub use usage::{FinalUsage, ReportedExtras, ReportedUsage};
pub use usage_chunk::usage_chunk;
pub use vectors::VectorEncoding;
pub use write::{
    ChunkMeta, DONE, DeltaField, LogprobAlternative, TokenLogprob, WrittenChoice, error_body, error_event,
    write_chunk, write_whole,
};
