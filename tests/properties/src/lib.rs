//! What holds for any input: each function takes bytes that anyone may have sent, and panics where something does not hold.
//!
//! A function here is the body of a fuzz target in `tests/fuzz`; the seeds there are also run by an ordinary test, so that
//! a property that breaks on a known input is found without a fuzzer.

mod cut;
mod http1;
mod json;
mod ledger_file;
mod requests;
mod sse;
mod upstreams;
mod yaml;

pub use http1::http1_response;
pub use json::json_scanning;
pub use ledger_file::ledger_lines;
pub use requests::{
    chat_request, completion_request, embeddings_request, messages_request, responses_request,
};
pub use sse::event_stream;
pub use upstreams::{anthropic_answer, gemini_answer, openai_answer, responses_answer};
pub use yaml::configuration;

/// A property: it panics where the input breaks it.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target and of the folder with its seeds.
pub const ALL: [(&str, Property); 14] = [
    ("json_scanning", json_scanning),
    ("event_stream", event_stream),
    ("chat_request", chat_request),
    ("completion_request", completion_request),
    ("responses_request", responses_request),
    ("messages_request", messages_request),
    ("embeddings_request", embeddings_request),
    ("openai_answer", openai_answer),
    ("anthropic_answer", anthropic_answer),
    ("gemini_answer", gemini_answer),
    ("responses_answer", responses_answer),
    ("configuration", configuration),
    ("http1_response", http1_response),
    ("ledger_lines", ledger_lines),
];
