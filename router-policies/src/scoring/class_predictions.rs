//! Chances: how likely each class of model is to give an answer that will do.

/// A probability. In 0..=1 by construction; never NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Probability(f64);

impl Probability {
    /// Clamps into 0..=1; NaN becomes 0.
    pub fn new(value: f64) -> Self {
        Self(if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) })
    }

    /// The number, in 0..=1.
    pub fn value(self) -> f64 {
        self.0
    }
}

/// A class of models that fail on much the same requests, by size in parameters.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ModelClass {
    /// Up to 3B.
    Tiny,
    /// Around 8B.
    Small,
    /// Around 30B to 70B.
    Medium,
    /// The strongest models of their day.
    Frontier,
}

impl ModelClass {
    /// All classes, from small to large.
    pub const ALL: [Self; 4] = [Self::Tiny, Self::Small, Self::Medium, Self::Frontier];
}

/// What a scorer foresees for one prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassPredictions {
    /// By class, in the order of [`ModelClass::ALL`]. Mostly rising; on some prompts a larger model does worse.
    pub suffices: [Probability; 4],
    /// How close the prompt is to what the scorer was fitted on, 0..=1.
    pub familiarity: f64,
}

impl ClassPredictions {
    /// The chance that a model of this class suffices.
    pub fn of(&self, class: ModelClass) -> Probability {
        self.suffices[class as usize]
    }
}
