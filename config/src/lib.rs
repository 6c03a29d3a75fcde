//! What a person wrote → what the gateway uses, or the list of everything that is wrong with it.
//!
//! - `file`: what may be written, as serde types; unknown fields are refused.
//! - `resolve`: file → [`Config`]: names, durations, prices, secrets; every problem is gathered.
//! - `presets`: providers with address, dialect, quirks and prices.
//!
//! After this crate nothing is validated again.

mod builtin;
mod load;
mod problems;
mod secret;
mod types;

pub use builtin::builtin;
pub use load::{DEFAULT_FILE, Env, from_str, load};
pub use problems::{Problem, Problems};
pub use secret::Secret;
pub use types::*;
