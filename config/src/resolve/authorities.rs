//! Reads the certificates of authorities that models and the state name.

use std::path::Path;
use std::sync::Arc;

use super::ResolveReport;
use crate::CertificateAuthority;

/// Bytes that a file may have: those of whole systems have a quarter of it.
const LARGEST: u64 = 1 << 20;
/// How a certificate begins in PEM (RFC 7468, section 5).
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The certificates in this file; what is wrong with it is reported at `path`.
pub(super) fn authority(
    file: Option<&str>,
    source: Option<&Path>,
    path: &str,
    report: &mut ResolveReport,
) -> Option<Arc<CertificateAuthority>> {
    let file = super::found(Path::new(file?), source);
    let pem = match super::read(&file, LARGEST) {
        Ok(pem) => pem,
        Err(why) => {
            report.fault(path, format!("{}: {why}", file.display()));
            return None;
        }
    };
    if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
        report.fault(path, format!("{}: holds no certificate in PEM", file.display()));
        return None;
    }
    Some(Arc::new(CertificateAuthority { file, pem }))
}
