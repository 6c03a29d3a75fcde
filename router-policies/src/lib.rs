//! Thinks for the gateway: how hard a request is, which model should answer it, what it costs.
//!
//! Nothing in this crate has a clock, randomness, a socket, a file, a log or `async`: the same input gives
//! the same output on any machine, so a decision can be replayed from its log line.
//!
//! ```text
//! Prompt ─features→ Features ─scorers→ Prospects ─┐
//!                         loads, prices, a draw ──┴→ Query ─policies→ Decision { Plan, Reason }
//! ```
//!
//! - [`evaluate`]: how good a ranking is for routing.
//! - [`features`]: a prompt as numbers.
//! - [`numbers`]: elementary functions with the same bits everywhere.
//! - [`prospects`]: how likely each class of model is to suffice, and how familiar the prompt is.
//! - [`ridge`]: the fit that scorers are made by.
//! - [`stem`]: when two questions are the same.
//! - [`calibrate`]: the shipped scorer adapted to labelled rows.
//! - [`foresight`]: what is foreseen for a ladder, shipped or calibrated.
//! - [`certify`]: a threshold whose loss is bounded with known confidence.
//! - [`squares`]: small fits with few numbers.
//! - [`scorers`]: features to prospects; one file a scorer.
//! - [`recent`]: which score parts a share of recent traffic from the rest.
//! - [`draw`]: the random number of a request.
//! - [`query`]: everything a policy may know.
//! - [`guard`]: when an answer under way will not do.
//! - [`answers`]: whether two answers come to the same.
//! - [`decision`]: everything a policy may say.
//! - [`policies`]: one file a policy. A policy is its configuration.
//! - [`simulate`]: recorded requests and another policy to what it would have cost.
//! - [`outcomes`]: what pairs of answers say of what was foreseen.
//! - [`weights`]: what quality, money and time weigh against each other.
//! - [`steer`]: weights that keep a route to its targets.
//! - [`contents`]: what a text contains that must not leave the house.
//! - [`topics`]: which field a prompt belongs to.
//! - [`span`]: a length of time as people write it.
//! - [`cost`]: prices, token counts and money in whole nano-units.

pub mod answers;
pub mod calibrate;
pub mod certify;
pub mod contents;
pub mod cost;
pub mod decision;
pub mod draw;
pub mod evaluate;
pub mod features;
pub mod foresight;
pub mod guard;
pub mod numbers;
pub mod outcomes;
pub mod policies;
pub mod prospects;
pub mod query;
pub mod recent;
pub mod ridge;
pub mod scorers;
pub mod simulate;
pub mod span;
pub mod squares;
pub mod steer;
pub mod stem;
pub mod topics;
pub mod weights;

pub use cost::{Currency, Money, Price, Tariff, Usage};
pub use decision::{Decision, Plan, Reason, Rung};
pub use draw::{DrawPurpose, RequestDraw};
pub use features::{Features, Prompt, Role, Turn};
pub use policies::Policy;
pub use prospects::{Chance, Class, Prospects};
pub use query::{Facts, Query, Standing};
pub use recent::Recent;
pub use weights::{Toll, Weights};
