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

/// A Redis that several gateways share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedState {
    /// Its URL, which may hold a password.
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
}
