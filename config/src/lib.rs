//! What a person wrote → what the gateway uses, or the list of everything that is wrong with it.
//!
//! ```text
//! text ─yaml→ tree ─interpolate→ tree ─shape→ JSON ─file→ File ─resolve→ Config
//! ```
//!
//! - `yaml`: the text as a tree with line numbers, within bounds.
//! - `interpolate`: `${NAME}` in scalars.
//! - `file`: what may be written, as serde types; `schema` is made from them, and `shape` checks the tree by it.
//! - `resolve`: file → [`Config`]: names, durations, prices, secrets.
//! - `presets`: providers with address, key variable and prices.
//!
//! Every stage adds to one list of problems and goes on, so that all are found at once. After this crate nothing is
//! validated again.

mod accepts;
mod authority;
mod builtin;
mod calendar;
mod class;
mod dialect;
mod file;
mod interpolate;
mod load;
mod nearest;
mod places;
mod presets;
mod price;
mod problems;
mod resolve;
mod scalar_error;
mod schema;
mod secret;
mod shape;
mod show;
mod show_price;
mod starter;
mod state;
mod stated;
mod telemetry;
mod thinking;
mod types;
mod variables;
mod written;
mod yaml;

pub use accepts::Accepts;
pub use authority::Authority;
pub use builtin::builtin;
pub use load::{DEFAULT_FILE, from_str, load};
pub use presets::{KnownProvider, known_providers};
pub use problems::{Problem, Problems};
pub use schema::{schema, schema_with_defaults};
pub use secret::Secret;
pub use show::redacted;
pub use starter::{Large, Starter};
pub use state::{EmbeddedState, SharedState, State};
pub use stated::{NamedTopic, Provenance};
pub use telemetry::Otlp;
pub use thinking::{Effort, History, Switch, Thinking};
pub use types::*;
pub use variables::Env;
