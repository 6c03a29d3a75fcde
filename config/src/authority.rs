//! Authorities that a certificate may be from, beside those that the system trusts.

use std::path::PathBuf;

/// Certificates of authorities, read from a file that the configuration names.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateAuthority {
    /// Where they were read from.
    pub file: PathBuf,
    /// One or more certificates, in PEM.
    pub pem: Vec<u8>,
}
