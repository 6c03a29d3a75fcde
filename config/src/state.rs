//! What outlives a restart, and where it is kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Secret;
use crate::authority::CertificateAuthority;

/// What outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateConfig {
    /// Nothing.
    None,
    /// A file of this process.
    Embedded(EmbeddedStateConfig),
    /// A Redis that several gateways share.
    Redis(SharedState),
}

impl StateConfig {
    /// Whether a gateway goes on without it where it cannot be used.
    pub fn is_optional(&self) -> bool {
        matches!(self, Self::Embedded(state) if !state.required)
    }
}

/// A Redis that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedState {
    /// Its URL, with user and password where it has them.
    pub url: Secret,
    /// With TLS: whom its certificate is from; `None`: an authority that the system trusts.
    pub authority: Option<Arc<CertificateAuthority>>,
}

/// A file that keeps budgets and records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedStateConfig {
    /// The file.
    pub path: PathBuf,
    /// How long records of requests are kept. Default 90 days.
    pub keep: Duration,
    /// Bytes that the file may grow to before the oldest records go. Default 1 GiB.
    pub at_most: u64,
    /// Whether a gateway that cannot use the file must not start. Not so in the default without a configuration, whose
    /// file nobody asked for: its folder is made, and without it nothing is kept.
    pub required: bool,
}

impl EmbeddedStateConfig {
    /// The defaults, with this file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), keep: Duration::from_secs(90 * 86_400), at_most: 1 << 30, required: true }
    }
}
