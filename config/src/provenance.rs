//! What the operator states of models and topics, as it is used.

use std::path::PathBuf;
use std::sync::Arc;

use router_policies::topics::PromptTopic;

/// Where a model comes from; each field as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// Who trained it.
    pub developer: Option<String>,
    /// `self-developed`, `open architecture`, `open code` or `open weights`.
    pub path: Option<String>,
    /// The licence of the weights or the service.
    pub licence: Option<String>,
    /// What the licence asks for, such as a bound on users.
    pub terms: Option<String>,
    /// ISO 3166 country code.
    pub origin: Option<String>,
}

impl Provenance {
    /// What rules can require: developer, path, licence, origin.
    pub fn stated(&self) -> [Option<&str>; 4] {
        [&self.developer, &self.path, &self.licence, &self.origin].map(Option::as_deref)
    }
}

/// A topic, and where its examples were read.
#[derive(Debug, Clone)]
pub struct NamedTopic {
    /// The topic.
    pub topic: Arc<PromptTopic>,
    /// The file of its examples; `None`: they stand in the configuration.
    pub file: Option<PathBuf>,
    /// The examples that stand in the configuration.
    pub listed: Vec<String>,
}
