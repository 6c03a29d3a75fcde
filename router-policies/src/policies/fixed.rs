use super::Pick;
use crate::{Query, Reason, Rung};

/// Always the same model of the ladder.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// The model's name; it must stand in the route's ladder.
    pub model: String,
}

impl Fixed {
    pub(super) fn pick(&self, query: &Query<'_>) -> Pick {
        let at = query.ladder.iter().position(|rung| rung.model == self.model);
        (Rung(at.unwrap_or(0)), Reason::FIXED)
    }

    pub(super) fn faults(&self, ladder: &[&str]) -> Vec<(&'static str, String)> {
        if ladder.contains(&self.model.as_str()) {
            return Vec::new();
        }
        vec![(
            "model",
            format!("`{}` is not a model of this route's ladder ({})", self.model, ladder.join(", ")),
        )]
    }
}
