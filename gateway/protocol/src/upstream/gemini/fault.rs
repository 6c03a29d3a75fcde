//! What Google's errors mean.

use std::time::Duration;

use serde::Deserialize;

use super::super::super::provider_error::ProviderError;

/// The body of an error, as far as its details go (google.rpc.Status).
#[derive(Default, Deserialize)]
#[serde(default)]
struct GeminiErrorBody {
    error: GeminiError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GeminiError {
    status: String,
    details: Vec<GeminiErrorDetail>,
}

/// An `ErrorInfo` or a `RetryInfo`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct GeminiErrorDetail {
    reason: Option<String>,
    retry_delay: Option<String>,
}

/// A key that is unknown and a country that is not served come as a 400; they are the endpoint's fault, not the
/// client's.
pub(in super::super) fn meant(complaint: ProviderError, body: &[u8]) -> ProviderError {
    let fault = read(body);
    let reason = fault.details.iter().find_map(|detail| detail.reason.as_deref());
    let status = match (complaint.status, reason, fault.status.as_str()) {
        (Some(400), Some("API_KEY_INVALID" | "API_KEY_EXPIRED" | "API_KEY_SERVICE_BLOCKED"), _) => Some(401),
        (Some(400), _, "FAILED_PRECONDITION") => Some(403),
        (status, ..) => status,
    };
    // Its `code` is the status once more.
    let code = reason.map(word).or_else(|| complaint.kind.clone());
    ProviderError { status, code, ..complaint }
}

/// How long a `RetryInfo` asks to wait, such as `34s` or `1.5s`.
pub(in super::super) fn wait(body: &[u8]) -> Option<Duration> {
    let fault = read(body);
    let delay = fault.details.iter().find_map(|detail| detail.retry_delay.as_deref())?;
    let seconds = delay.strip_suffix('s')?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A word of Google's, for a message of ours.
pub(super) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect()
}

/// Some errors come as the only element of a list.
fn read(body: &[u8]) -> GeminiError {
    let list =
        serde_json::from_slice::<Vec<GeminiErrorBody>>(body).ok().and_then(|list| list.into_iter().next());
    list.or_else(|| serde_json::from_slice(body).ok()).unwrap_or_default().error
}
