use super::PolicyKind;
use crate::routing::decision::{Decision, Reason};
use crate::routing::query::Query;
use crate::rung::Rung;

/// Always the same model of the ladder.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedPolicy {
    /// The model's name; it must stand in the route's ladder.
    pub model: String,
}

impl PolicyKind for FixedPolicy {
    fn decide(&self, query: &Query<'_>) -> Option<Decision> {
        let wanted = query.rung_of(&self.model).unwrap_or(Rung(0));
        super::ask(query, (wanted, Reason::FIXED))
    }

    fn faults(&self, ladder: &[&str]) -> Vec<(String, String)> {
        if ladder.contains(&self.model.as_str()) {
            return Vec::new();
        }
        vec![(
            "model".to_owned(),
            format!("`{}` is not a model of this route's ladder ({})", self.model, ladder.join(", ")),
        )]
    }
}
