//! What answers are worth.
//!
//! - [`guard`]: when an answer under way will not do.
//! - [`answers`]: whether two answers come to the same.
//! - [`outcomes`]: what pairs of answers say of what was foreseen.

pub mod answers;
pub mod guard;
pub mod outcomes;
