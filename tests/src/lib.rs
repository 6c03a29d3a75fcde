//! What the end-to-end tests are made of.
//!
//! - [`setup`], [`gateway`]: a configuration, and the gateway that runs with it.
//! - [`scripted`]: an upstream that does what it is told, and knows what it would bill.
//! - [`openai`], [`anthropic`], [`gemini`], [`responses`]: answers and requests in the shapes of four APIs, right or wrong in known ways.
//! - [`h2_upstream`]: the same over HTTP/2 and TLS, at the level of frames; [`certificate`] is what it shows.
//! - [`collector`]: takes traces, and reads them with OpenTelemetry's own messages.
//! - [`clock`]: a paused clock that waits for the kernel.
//! - [`endurance`], [`speed`]: measurements that take their time.
//! - [`repertoire`], [`obedient`]: what the `scripted-upstream` program can do.
//! - [`redis`]: a real Redis, and a wire to it that can be cut.
//! - [`wire`]: a client that says any bytes and shows all that comes back.
//! - [`accounts`], [`ledger`]: what the gateway writes down, against what the upstreams would bill.
//! - [`judges`]: what each provider refuses, in readers of its requests.
//! - [`speakers`], [`talks`]: how each provider's models answer, and a program that keeps a conversation.
//! - [`questions`], [`asking`]: questions whose answers are known, and what a model says to them.
//! - [`cascading`], [`first_token`]: what a cascade is worth, in quality by cost and in waiting.
//! - [`proof`]: an exam that a program judges, sat by real models, and what ways of choosing between them make of it.
//! - [`targets`]: whether the targets of a policy are kept to while traffic changes.
//! - [`mod@reference`]: what others see of the gateway, as files that are held to it, and as pages.
//! - [`sse`], [`metrics`], [`http1`]: readers of our own, apart from the gateway's.
//!
//! Ports are always 0, waiting is always for something, and nothing is judged here: that is the tests' work.

#![allow(clippy::missing_panics_doc, reason = "a test's tools fail by panicking, with the reason")]

pub mod accounts;
pub mod anthropic;
pub mod asking;
pub mod cascading;
pub mod certificate;
pub mod clock;
pub mod collector;
pub mod endurance;
pub mod first_token;
pub mod gateway;
pub mod gemini;
pub mod h2_upstream;
pub mod http1;
pub mod judges;
pub mod ledger;
pub mod metrics;
pub mod obedient;
pub mod openai;
pub mod proof;
pub mod questions;
pub mod redis;
pub mod reference;
pub mod repertoire;
pub mod responses;
pub mod scripted;
pub mod setup;
pub mod speakers;
pub mod speed;
pub mod sse;
pub mod talks;
pub mod targets;
pub mod wire;
