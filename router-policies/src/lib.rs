//! Thinks for the gateway: how hard a request is, which model should answer it, what it costs.
//!
//! Nothing in this crate has a clock, randomness, a socket, a file, a log or `async`: the same input gives
//! the same output on any machine, so a decision can be replayed from its record.
//!
//! ```text
//! Prompt ─scoring→ the chance that each model suffices ─┐
//!                  loads, prices, the request's draw ───┴→ Query ─routing→ Decision { Plan, Reason }
//! an answer ─judging→ whether it will do                          a Usage, a Tariff ─money→ Money
//! ```
//!
//! - [`scoring`]: how hard a request is.
//! - [`judging`]: what an answer is worth.
//! - [`routing`]: which model of a ladder a request goes to. Knows the others; they do not know it.
//! - [`money`]: prices, token counts and money in whole nano-units.
//! - [`rung`]: a place in a ladder. [`human_duration`]: a length of time as people write it. [`form_error`]: why a text is no such
//!   value.
//! - [`mod@vocabulary`]: closed sets of words for metrics, logs and headers.

pub mod form_error;
pub mod human_duration;
pub mod judging;
pub mod money;
pub mod routing;
pub mod rung;
pub mod scoring;
pub mod vocabulary;

pub use judging::{answers, guard, outcomes};
pub use money::{Currency, Money, Price, Tariff, Usage};
pub use routing::decision::{Decision, Plan, PlanKind, Reason};
pub use routing::draw::{DrawPurpose, RequestDraw};
pub use routing::policies::Policy;
pub use routing::query::{Query, RequestFacts};
pub use routing::recent::RecentGains;
pub use routing::rung_state::{CostEstimate, RungState};
pub use routing::weights::UtilityWeights;
pub use routing::{policies, policy_replay, query, sensitive_data, weight_controller, weights};
pub use rung::Rung;
pub use scoring::class_predictions::{ClassPredictions, ModelClass, Probability};
pub use scoring::features::{Features, Prompt, PromptRole, PromptTurn};
pub use scoring::score_reasons::ScoreReasons;
pub use scoring::{
    calibrate, cards, certify, evaluate, features, kinds, ladder_prediction, numbers, ridge, score_reasons,
    scorers, squares, stem, topics, writing_system,
};
