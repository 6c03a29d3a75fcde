//! What the targets of `kind: utility` come to on a real gateway, in hours of traffic that pass in seconds.

pub mod figures;
pub mod models;
pub mod prompts;
pub mod scenarios;
pub mod traffic;
