//! A place in a ladder.

/// A position in a route's ladder; 0 is the smallest model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rung(pub usize);
