//! Where traces go.

use std::path::Path;

use super::endpoints::{headers, is_local, strict};
use super::{ResolveReport, authorities};
use crate::OtlpConfig;
use crate::file::OtlpFile;

const AT: &str = "telemetry.otlp.endpoint";
/// The path for traces (OTLP 1.x, OTLP/HTTP Request).
const PATH: &str = "/v1/traces";

pub(super) fn otlp(file: OtlpFile, source: Option<&Path>, report: &mut ResolveReport) -> OtlpConfig {
    let headers = headers(&file.headers, "telemetry.otlp.headers", &FRAMING, report);
    let endpoint = endpoint(file.endpoint.as_deref(), !headers.is_empty(), report);
    let authority = authorities::authority(file.ca_file.as_deref(), source, "telemetry.otlp.ca_file", report);
    if authority.is_some() && endpoint.starts_with("http:") {
        report.fault("telemetry.otlp.ca_file", "is of no use without TLS: the endpoint begins with `http:`");
    }
    OtlpConfig {
        endpoint,
        headers,
        share: file.share.unwrap_or(1.0),
        service: file.service.unwrap_or_else(|| "xietong".to_owned()),
        attributes: file.attributes,
        authority,
    }
}

/// Headers that belong to the request itself; a key may well be in `authorization`.
const FRAMING: [&str; 7] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding"];

/// The whole URL; the shape check has reported one that is missing.
fn endpoint(text: Option<&str>, secret: bool, report: &mut ResolveReport) -> String {
    let Some(text) = text else { return String::new() };
    let Some(mut url) = strict(text.trim()) else {
        report.fault(AT, "write a URL with scheme and host, such as `http://127.0.0.1:4318`");
        return String::new();
    };
    if !url.username().is_empty() || url.password().is_some() {
        report.fault(AT, "must hold no user or password; a key goes into `headers`");
    } else if url.query().is_some() || url.fragment().is_some() {
        report.fault(AT, "must end with its path, without `?` or `#`");
    } else if url.port() == Some(4317) {
        report
            .warn(AT, "4317 is the port for gRPC; traces are sent over HTTP, for which collectors have 4318");
    }
    if url.scheme() == "http" && secret && !is_local(&url) {
        report.warn(AT, "sends the headers unencrypted; use https unless the network is yours alone");
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&if path.ends_with(PATH) { path } else { path + PATH });
    url.to_string()
}
