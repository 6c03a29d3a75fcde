//! What a person wrote → what the gateway uses, or the list of everything that is wrong with it.
//!
//! ```text
//! text ─yaml→ tree ─interpolate→ tree ─shape→ JSON ─file→ File ─resolve→ Config
//! ```
//!
//! - `yaml`: the text as a tree with line numbers, within bounds.
//! - `interpolate`: `${NAME}` in scalars.
//! - `file`: what may be written, as serde types; `schema` is made from them, and `shape` checks the tree by it.
//! - `resolve`: file → [`GatewayConfig`]: names, durations, prices, secrets.
//! - `presets`: providers with address, key variable and prices.
//! - `takes`, `takes_table`: what of a request which model takes.
//!
//! Every stage adds to one list of problems and goes on, so that all are found at once. After this crate nothing is
//! validated again.

mod authority;
mod better_names;
mod builtin;
mod calendar;
mod capabilities;
mod class;
mod dialect;
mod file;
mod interpolate;
mod known_weights;
mod load;
mod presets;
mod price;
mod problems;
mod provenance;
mod redact;
mod redact_price;
mod resolve;
mod scalar_error;
mod scalars;
mod schema;
mod schema_check;
mod secret;
mod source_map;
mod starter;
mod state;
mod suggest;
mod takes;
mod takes_table;
mod telemetry;
mod thinking;
mod timeouts;
mod types;
mod variables;
mod yaml;

pub use authority::CertificateAuthority;
pub use builtin::{BuiltinChoice, ServedModel, builtin, keyed_provider};
pub use capabilities::ModelCapabilities;
pub use class::billions_of_parameters;
pub use known_weights::languages as languages_of_weights;
pub use load::{DEFAULT_FILE, from_str, load, load_without_keys};
pub use presets::{KnownProvider, ListPrice, known_providers, list_price};
pub use problems::{ConfigProblem, Problems};
pub use provenance::{NamedTopic, Provenance};
pub use redact::redacted;
pub use schema::{schema, schema_with_defaults};
pub use secret::Secret;
pub use starter::{LargeChoice, SmallChoice, StarterFile};
pub use state::{EmbeddedStateConfig, SharedState, StateConfig};
pub use suggest::nearest;
pub use takes::{FeatureSet, ModelTakes, PictureType, RequestFeature, TakesShown, ToolIdForm, Treatment};
pub use takes_table::{KnownTakes, known_takes};
pub use telemetry::OtlpConfig;
pub use thinking::{EffortLevel, ThinkingConfig, ThinkingHistory, ThinkingSwitch};
pub use timeouts::AttemptTimeouts;
pub use types::*;
pub use variables::EnvLookup;
