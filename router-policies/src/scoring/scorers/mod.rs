//! The scorers: features to prospects. One file a scorer; this file is the list.

pub mod default_scorer;
pub mod hold_out_index;
pub mod prior;
pub mod stacked_heads;

use std::sync::OnceLock;

pub use default_scorer::DefaultScorer;

use crate::scoring::class_predictions::ClassPredictions;
use crate::scoring::features::Features;

/// Foresees, for each class of model, the chance that its answer suffices, and how familiar such prompts are.
pub trait Scorer: Send + Sync {
    /// Never blocks, fails or allocates more than a few kilobytes.
    fn predict(&self, features: &Features) -> ClassPredictions;
}

/// The scorer that ships with the product; its weights are read once.
pub fn default_scorer() -> &'static DefaultScorer {
    static SHIPPED: OnceLock<DefaultScorer> = OnceLock::new();
    SHIPPED.get_or_init(|| match DefaultScorer::read(include_bytes!("shipped.bin")) {
        Ok(shipped) => shipped,
        // A test reads these very bytes.
        Err(bad) => unreachable!("{bad}"),
    })
}

#[cfg(test)]
mod tests;
