//! The scorers: features to prospects. One file a scorer; this file is the list.

use crate::{Features, Prospects};

/// Foresees, for each class of model, the chance that its answer suffices, and how familiar such prompts are.
pub trait Scorer: Send + Sync {
    /// Never blocks, fails or allocates more than a few kilobytes.
    fn foresee(&self, features: &Features) -> Prospects;
}
