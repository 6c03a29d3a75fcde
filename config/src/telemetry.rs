//! Where traces go, as the gateway uses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{CertificateAuthority, Secret};

/// Where traces of requests go, in the protocol of OpenTelemetry over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpConfig {
    /// The whole URL that spans are posted to.
    pub endpoint: String,
    /// Request headers, by their names in small letters.
    pub headers: BTreeMap<String, Secret>,
    /// The share of requests that are traced, of those without a trace of their caller's. In 0..=1.
    pub share: f64,
    /// `service.name`.
    pub service: String,
    /// What else is said of this gateway, by the names of OpenTelemetry.
    pub attributes: BTreeMap<String, String>,
    /// Authorities that the collector's certificate may be from, beside those that the system trusts.
    pub authority: Option<Arc<CertificateAuthority>>,
}
