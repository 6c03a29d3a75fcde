//! What rules say of a request before models are compared: where it may go, and who takes over.

use crate::routing::sensitive_data::SensitiveKinds;

/// What holds for a request, whoever chooses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleConstraints<'a> {
    /// It goes to local models only.
    pub local_only: bool,
    /// What must be stated of a model, all of it.
    pub require: Vec<&'a RequiredProvenance>,
    /// The route that takes over.
    pub route: Option<&'a str>,
}

impl<'a> RuleConstraints<'a> {
    /// Both these and those; a route that is named stays.
    pub fn join(&mut self, others: Self) {
        self.local_only |= others.local_only;
        self.require.extend(others.require);
        self.route = self.route.or(others.route);
    }
}

/// What must be stated in a model's provenance: one of the words of each key. What is not stated does not do.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequiredProvenance {
    /// Who trained it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer: Option<OneOrMany>,
    /// `self-developed`, `open architecture`, `open code` or `open weights`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-better-name" = "development"))]
    pub path: Option<OneOrMany>,
    /// The licence of the weights or the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<OneOrMany>,
    /// ISO 3166 country code, such as `CN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OneOrMany>,
}

/// A word or several.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// This.
    One(String),
    /// One of these.
    Any(Vec<String>),
}

impl OneOrMany {
    /// Whether this is one of them, whatever its case.
    fn have(&self, word: &str) -> bool {
        let same = |one: &String| one.to_lowercase() == word.to_lowercase();
        match self {
            Self::One(one) => same(one),
            Self::Any(words) => words.iter().any(same),
        }
    }
}

impl RequiredProvenance {
    /// Whether what is stated will do: developer, path, licence, origin.
    pub fn met_by(&self, stated: [Option<&str>; 4]) -> bool {
        let wanted = [&self.developer, &self.path, &self.licence, &self.origin];
        let met = |(wanted, stated): (&Option<OneOrMany>, Option<&str>)| {
            wanted.as_ref().is_none_or(|words| stated.is_some_and(|word| words.have(word)))
        };
        wanted.into_iter().zip(stated).all(met)
    }
}

/// What must be found out of a request before a policy can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequiredInputs {
    /// Which private contents stand in it.
    pub contents: SensitiveKinds,
    /// Its topic.
    pub topic: bool,
}
