//! One program of all the tests in this folder, which is linked once: `cargo test -p end-to-end --test all cancellation::`
//! runs those of one file.

mod accounts;
mod admin;
mod aside;
mod bad_input;
mod budgets;
mod calibration;
mod cancellation;
mod cascade;
mod completions;
mod diagnostics;
mod dialects;
#[cfg(feature = "engine")]
mod embedded;
mod embeddings;
mod explore;
mod failover;
mod h2_clients;
mod h2_upstreams;
mod harness;
mod headers;
mod messages;
mod metrics;
mod odd_answers;
mod overlong;
mod private;
mod recovery;
mod reference;
mod reliability;
mod reloads;
mod replicas;
mod responses;
mod resume;
mod rules;
mod series;
mod share;
mod speaks;
mod stopping;
mod streamed;
mod surroundings;
mod tidy;
mod timeouts;
mod traces;
mod usage;
mod utility;
mod whole;
