//! Which model of a ladder a request goes to.
//!
//! ```text
//! rung_state, draw, recent, weights ─→ Query ─policies→ Decision { Plan, Reason }
//! ```
//!
//! - [`query`]: everything a policy may know; of each rung, its [`rung_state`]. [`draw`]: the request's random number.
//! - [`decision`]: everything a policy may say.
//! - [`policies`]: one file a policy. A policy is its configuration.
//! - [`sensitive_data`]: what a text contains that must not leave the house, for rules.
//! - [`weights`]: what quality, money and time weigh against each other. [`weight_controller`]: weights
//!   that keep a route to its targets.
//! - [`recent`]: which score parts a share of recent traffic from the rest.
//! - [`policy_replay`]: recorded requests and another policy to what it would have cost.

pub mod decision;
pub mod draw;
pub mod policies;
pub mod policy_replay;
pub mod query;
pub mod recent;
pub mod rung_state;
pub mod sensitive_data;
pub mod weight_controller;
pub mod weights;
