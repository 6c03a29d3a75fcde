//! The scorers: features to prospects. One file a scorer; this file is the list.

pub mod memory;
pub mod packed;
pub mod prior;
pub mod shipped;

use std::sync::OnceLock;

pub use shipped::Shipped;

use crate::scoring::features::Features;
use crate::scoring::prospects::Prospects;

/// Foresees, for each class of model, the chance that its answer suffices, and how familiar such prompts are.
pub trait Scorer: Send + Sync {
    /// Never blocks, fails or allocates more than a few kilobytes.
    fn foresee(&self, features: &Features) -> Prospects;
}

/// The scorer that ships with the product; its weights are read once.
pub fn shipped() -> &'static Shipped {
    static SHIPPED: OnceLock<Shipped> = OnceLock::new();
    SHIPPED.get_or_init(|| match Shipped::read(include_bytes!("shipped.bin")) {
        Ok(shipped) => shipped,
        // A test reads these very bytes.
        Err(bad) => unreachable!("{bad}"),
    })
}

#[cfg(test)]
mod tests;
