//! What the file says of traces.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalars::SecretText;

/// What is told to whom of requests, beside metrics and the log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TelemetryFile {
    /// Traces, in the protocol of OpenTelemetry. Default: none.
    pub(crate) otlp: Option<OtlpFile>,
}

/// Where traces go: a collector, or whatever else takes OTLP over HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["endpoint"]))]
pub(crate) struct OtlpFile {
    /// Its address, such as `http://127.0.0.1:4318`; `/v1/traces` is added unless it ends so.
    pub(crate) endpoint: Option<String>,
    /// Request headers, such as one with a key.
    pub(crate) headers: BTreeMap<String, SecretText>,
    /// The share of requests that are traced, of those that come without the trace of a caller. Default 1.
    #[schemars(range(min = 0, max = 1))]
    pub(crate) share: Option<f64>,
    /// The name of this gateway among other services: `service.name`. Default `xietong`.
    pub(crate) service: Option<String>,
    /// What else is said of this gateway in each trace, such as `{deployment.environment.name: production}`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Certificates, in PEM, of authorities that its own may be from, beside those that the system trusts.
    pub(crate) ca_file: Option<String>,
}
