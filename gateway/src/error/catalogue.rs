//! Every error that clients can get from the gateway, as a list: for the reference page and for label values.

use std::time::Duration;

use super::ApiError;
use protocol::{BadRequest, ProviderError};

/// An error that clients can get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorEntry {
    /// `error.code` of the answer.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// `error.type` of the answer.
    pub kind: &'static str,
    /// How such a request ends, in the word of `xietong_requests_total{outcome}`.
    pub outcome: &'static str,
    /// When a client gets it.
    pub when: &'static str,
    /// What the client can do.
    pub remedy: &'static str,
    /// Whether the answer has `Retry-After`.
    pub retry_after: bool,
    /// Whether the answer has `x-should-retry: false`.
    pub final_try: bool,
}

/// A row for each way to fail a client, with examples of it: the match is exhaustive, so that none is without a row.
macro_rules! failures {
    ($( $pattern:pat => [$( $example:expr, $when:literal, $remedy:literal; )*] )+) => {
        /// An example of each, when a client gets it, and what the client can do.
        fn examples() -> Vec<(ApiError, &'static str, &'static str)> {
            vec![$( $( ($example, $when, $remedy), )* )+]
        }

        /// Nothing: that it compiles says that there is a row for each.
        const fn has_row(failure: &ApiError) {
            match failure { $( $pattern => {} )+ }
        }
    };
}

use ApiError as F;

failures! {
    // Each of its codes stands in [`BadRequest::CODES`].
    F::BadRequest(_) => []
    F::AmbiguousCredentials => [F::AmbiguousCredentials,
        "The request carries two different keys.",
        "Send one key, as `Authorization: Bearer KEY`.";]
    F::MissingCredentials => [F::MissingCredentials,
        "The data port asks for a key and the request has none.",
        "Send a key that the operator gave you.";]
    F::InvalidCredentials => [F::InvalidCredentials,
        "The key belongs to no client of this gateway.",
        "Check the key, or ask the operator for one.";]
    F::NoSuchModel(_) => [F::NoSuchModel(String::new()),
        "`model` names no route and no model, or one that is not open to this client.",
        "Send a name that `GET /v1/models` lists.";]
    F::NoSuchPath => [F::NoSuchPath,
        "The gateway has nothing at this path.",
        "Check the base URL: `http://HOST:PORT/v1` for OpenAI's API, `http://HOST:PORT` for Anthropic's.";]
    F::WrongMethod(_) => [F::WrongMethod("GET"),
        "The path exists and does not answer this method.",
        "Use the method that the header `Allow` names.";]
    F::TooLarge(_) => [F::TooLarge(0),
        "The body is larger than `limits.body`.",
        "Send a smaller body, or ask the operator to raise the limit.";]
    F::MalformedHead(..) => [F::MalformedHead(400, ""),
        "The head of the request breaks a rule of HTTP; the message says which. 414: its target is too long; 431: it has too much.",
        "Send the request by a library for HTTP, and look at what stands between it and the gateway.";]
    F::UnknownExpectation => [F::UnknownExpectation,
        "The header `Expect` is not `100-continue`.",
        "Leave the header out.";]
    F::NotJson => [F::NotJson,
        "The body is not JSON by its `Content-Type`.",
        "Send JSON with `Content-Type: application/json`.";]
    F::UnsupportedEncoding => [F::UnsupportedEncoding,
        "The body is compressed, by `Content-Encoding` or `Transfer-Encoding`.",
        "Send the body as it is.";]
    F::BodyTimeout(_) => [F::BodyTimeout(Duration::ZERO),
        "The body did not arrive within `limits.body_timeout`.",
        "Send the request again, over a better connection.";]
    F::IncompleteBody => [F::IncompleteBody,
        "The connection broke the protocol before the body was complete.",
        "Send the request again.";]
    F::NoCapableModel(..) => [F::NoCapableModel(String::new(), None),
        "No model that may answer can serve the request; the message says why.",
        "Leave out what the message names, or ask for another model.";]
    F::NoLocalModel(_) => [F::NoLocalModel(String::new()),
        "The request must stay on local models and no local model can serve it.",
        "Leave out what the local models cannot serve, or allow others by the locality.";]
    F::RateLimited(..) => [F::RateLimited(String::new(), Duration::ZERO),
        "The client has reached a limit of its own: requests, tokens, or requests at once.",
        "Wait for as long as `Retry-After` says.";]
    F::BudgetSpent(_) => [F::BudgetSpent(String::new()),
        "What is left of the client's budget does not cover the most that the request may cost.",
        "Ask for a shorter answer (`max_tokens`) or a smaller model, wait for the next period, or ask the operator.";]
    F::LedgerUnavailable => [F::LedgerUnavailable,
        "The gateway cannot write down what requests cost, so that it asks no paid models.",
        "Try again later, or ask for a local model.";]
    F::ProviderRejected(..) => [
        F::ProviderRejected(400, filtered()),
        "The provider's filter refused the prompt, wherever it said so. The status is 400, or 422 if that is the provider's.",
        "Change the prompt.";
        F::ProviderRejected(400, Box::default()),
        "The provider refused the request. The status and the message are the provider's, and so is the code if the provider's code is text and not a number.",
        "Change what the message names.";]
    F::ContextLength(_) => [F::ContextLength(None),
        "The prompt is longer than the context of every model that may answer.",
        "Send a shorter prompt, or ask for a model with more context.";]
    F::UpstreamBusy(_) => [F::UpstreamBusy(None),
        "Every model that may answer is at its provider's rate limit.",
        "Wait for as long as `Retry-After` says.";
        F::UpstreamBusy(Some(Duration::from_secs(1))),
        "The same where providers said when to come back.",
        "Wait for as long as `Retry-After` says.";]
    F::EngineBusy(_) => [F::EngineBusy(None),
        "Every model that may answer is embedded, and has more work ahead than the request may wait for (`timeouts.queue`), or its queue is full.",
        "Wait for as long as `Retry-After` says: it is computed from what is ahead.";]
    F::EscalationLimit => [F::EscalationLimit,
        "The first model does not answer, and as many requests of the client as `escalations` allows have gone on to a larger one.",
        "Wait for as long as `Retry-After` says.";]
    F::UpstreamTimeout => [F::UpstreamTimeout,
        "No model that may answer did so in time.",
        "Try again later.";]
    F::UpstreamUnavailable(_) => [F::UpstreamUnavailable(None),
        "No model that may answer can be reached, or all failed.",
        "Try again later.";
        F::UpstreamUnavailable(Some(Duration::from_secs(1))),
        "No model was asked, because all that may answer are ejected after failures or not loaded yet; or each has named a time.",
        "Wait for as long as `Retry-After` says.";]
    F::UpstreamBadResponse => [F::UpstreamBadResponse,
        "The models that may answer gave no usable answer, or did not accept the gateway's own credentials.",
        "Tell the operator: the gateway's log names the cause.";]
    F::Truncated => [F::Truncated,
        "The answer broke off after its first byte and could not be finished. A stream has this as an error event.",
        "Discard the answer, or use it as incomplete, and ask again.";]
    F::Filtered(_) => [F::Filtered(Box::default()),
        "The provider's filter stopped an answer after its first byte. A stream has this as an error event.",
        "Discard the answer, and change the prompt.";]
    F::Stopping => [F::Stopping,
        "The gateway is stopping.",
        "Send the request again; another gateway, or the next one, answers.";]
    F::Internal => [F::Internal,
        "The gateway failed on this request: a fault of its own.",
        "Tell the operator the request's `x-request-id`.";]
}

/// What a provider's filter says.
fn filtered() -> Box<ProviderError> {
    let code = Some("content_policy_violation".to_owned());
    Box::new(ProviderError { code, ..ProviderError::default() })
}

/// Every error, in the order of their definition; a code may stand several times.
pub fn entries() -> Vec<ErrorEntry> {
    let bad = BadRequest::CODES.into_iter().map(|(code, when, remedy)| {
        let bad = BadRequest { message: String::new(), param: None, code: Some(code) };
        (ApiError::BadRequest(bad), when, remedy)
    });
    bad.chain(examples()).map(|(failure, when, remedy)| entry(&failure, when, remedy)).collect()
}

/// Every code with what the client was told by it first.
pub fn codes() -> Vec<(&'static str, &'static str)> {
    let mut codes: Vec<(&str, &str)> = Vec::new();
    for ErrorEntry { code, when, .. } in entries() {
        if codes.iter().all(|(known, _)| *known != code) {
            codes.push((code, when));
        }
    }
    codes
}

fn entry(failure: &ApiError, when: &'static str, remedy: &'static str) -> ErrorEntry {
    has_row(failure);
    let face = failure.template();
    ErrorEntry {
        code: face.code,
        status: face.status,
        kind: face.kind,
        outcome: failure.outcome().word(),
        when,
        remedy,
        retry_after: failure.retry_after().is_some(),
        final_try: failure.is_final(),
    }
}
