//! How an attempt at a model can end badly, and what follows from it.

mod cause;
mod shown;

use std::time::Duration;

use router_policies::guard::RejectReason;

pub use cause::{FailureCause, TransportPhase};
use protocol::{ProviderError, ReportedUsage};
pub use shown::shown;

/// The longest `Retry-After` that is waited for on the same model; beyond it the next rung is asked.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The end of an attempt that gave no answer, or only part of one.
#[derive(Debug, Clone)]
pub struct AttemptError {
    /// What happened.
    pub what: AttemptErrorKind,
    /// What the provider said, if it did; shown to clients only where [`RetryDecision::Client`] follows.
    pub complaint: Option<Box<ProviderError>>,
    /// How long the provider asks us to stay away, or how much work is ahead in the embedded engine.
    pub retry_after: Option<Duration>,
    /// Why the connection failed, if it did and that is known; for the operator.
    pub cause: Option<Box<FailureCause>>,
}

router_policies::vocabulary! {
    /// What happened to an attempt.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AttemptErrorKind {
        /// The gateway could not connect to the endpoint: no address, no connection, or no TLS. Nothing was sent.
        ConnectFailed = "unreachable",
        /// The endpoint turned the request away over HTTP/2 before it looked at it (`REFUSED_STREAM` or `GOAWAY`). Nothing
        /// was processed.
        RefusedStream = "turned_away",
        /// Every endpoint of the model is ejected after failures in a row, or the embedded engine has ended. Nothing was
        /// sent.
        CircuitOpen = "ejected",
        /// What is left of the client's budget does not cover the attempt. Nothing was sent.
        BudgetExceeded = "unaffordable",
        /// A guard rejected the answer. Never a word of its own: that is the doubt's.
        GuardRejected(RejectReason = RejectReason::Empty) = "doubted",
        /// As many requests of the client as `escalations` allows have gone on to a larger model. Nothing was sent.
        EscalationLimit = "bounded",
        /// The queue of the embedded engine is full. Nothing was sent.
        QueueFull = "full",
        /// The embedded engine would not begin on the request, or had not begun on it, within `timeouts.queue`, or another
        /// model was free meanwhile and better. Nothing was computed.
        QueueTimeout = "queued",
        /// The endpoint answered 429.
        RateLimited = "rate_limited",
        /// The endpoint answered 500, 502, 503, 504 or 529, and does not say that the request is at fault.
        ServerError(u16 = 500) = "server_error",
        /// The first token did not arrive within `timeouts.first_token`.
        FirstTokenTimeout = "silent",
        /// The stream fell silent after its first token for longer than `timeouts.idle`.
        IdleTimeout = "stalled",
        /// The attempt took longer than `timeouts.total`.
        TotalTimeout = "overran",
        /// The connection broke after the request was sent, the answer ended early, or the endpoint answered 408.
        ConnectionLost = "cut",
        /// The prompt is longer than the model's context, or the endpoint answered 413.
        ContextLength = "too_long",
        /// The provider refused the request with 400 or 422, or its filter did, whatever the status. No other model is asked.
        Rejected(u16 = 400) = "refused",
        /// The model cannot serve the request, and another model may: the embedded engine cannot hold an answer to the schema, its
        /// chat template fails, or the provider says, if only with a 500, that the model does not take it. Nothing was generated.
        Incapable = "incapable",
        /// The endpoint is at fault: it answered 401, 403, 404 or a redirect, a 400 that only its owner can mend (an unknown
        /// model), an error within a 200, an end that is a failure, or something that is no answer.
        BadResponse(u16 = 200) = "faulty",
    }
}

/// What an attempt's end means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// The same model may be asked again, within the retry budget.
    SameModel,
    /// The next rung; never the same model.
    OtherRung,
    /// A rung with more context, else back to the client.
    LargerContext,
    /// Back to the client; no other model sees the request.
    Client,
}

impl AttemptError {
    /// Without a word from the provider.
    #[inline]
    pub fn new(what: AttemptErrorKind) -> Self {
        Self { what, complaint: None, retry_after: None, cause: None }
    }

    /// A connection that failed.
    #[inline]
    pub fn caused(what: AttemptErrorKind, cause: FailureCause) -> Self {
        Self { cause: Some(Box::new(cause)), ..Self::new(what) }
    }

    /// From an answer's status, the provider's words and its `Retry-After`.
    pub fn from_status(status: u16, mut complaint: ProviderError, retry_after: Option<Duration>) -> Self {
        let what = match status {
            // Wherever a filter speaks: no other model is to see what it refused.
            _ if complaint.is_content_policy() => {
                AttemptErrorKind::Rejected(if status == 422 { 422 } else { 400 })
            }
            429 => AttemptErrorKind::RateLimited,
            500 if complaint.is_context_length() => AttemptErrorKind::ContextLength,
            500 if complaint.is_requests_500() => AttemptErrorKind::Incapable,
            500 | 502 | 503 | 504 | 529 => AttemptErrorKind::ServerError(status),
            408 => AttemptErrorKind::ConnectionLost,
            413 if complaint.is_rate_limit() => AttemptErrorKind::RateLimited,
            413 => AttemptErrorKind::ContextLength,
            400 | 422 => Self::of_bad_request(status, &complaint),
            _ => AttemptErrorKind::BadResponse(status),
        };
        if status == 500 && matches!(what, AttemptErrorKind::ContextLength | AttemptErrorKind::Incapable) {
            // Its class is the server's errors, which is not what the client hears.
            complaint.kind = None;
        }
        Self { what, complaint: Some(Box::new(complaint)), retry_after, cause: None }
    }

    /// What a status means that says that the request is at fault: it may be too long for this model, beyond what the model
    /// can, or as good as any, where the endpoint is not set up as its owner believes.
    fn of_bad_request(status: u16, complaint: &ProviderError) -> AttemptErrorKind {
        if complaint.is_context_length() {
            AttemptErrorKind::ContextLength
        } else if complaint.is_owners_fault() {
            AttemptErrorKind::BadResponse(status)
        } else if complaint.is_models_limit() {
            AttemptErrorKind::Incapable
        } else {
            AttemptErrorKind::Rejected(status)
        }
    }

    /// From an error in a 200: the endpoint's fault, unless it says that the prompt is too long, that the model cannot
    /// serve it, that the provider's filter refused it, or has a status of its own.
    pub fn in_band(complaint: &ProviderError) -> Self {
        if let Some(status) = complaint.status {
            return Self::from_status(status, complaint.clone(), None);
        }
        let what = if complaint.is_content_policy() {
            AttemptErrorKind::Rejected(400)
        } else if complaint.is_context_length() {
            AttemptErrorKind::ContextLength
        } else if complaint.is_requests_500() {
            AttemptErrorKind::Incapable
        } else {
            AttemptErrorKind::BadResponse(200)
        };
        Self { complaint: Some(Box::new(complaint.clone())), ..Self::new(what) }
    }

    /// The context in tokens that the provider named when it said that the prompt is too long.
    pub fn said_context(&self) -> Option<u64> {
        let too_long = self.what == AttemptErrorKind::ContextLength;
        self.complaint.as_deref().filter(|_| too_long)?.context.map(|context| context.get().into())
    }

    /// An event of a stream could not be read, so that the answer is not whole.
    pub fn malformed_event() -> Self {
        Self::in_band(&ProviderError::of_malformed_event())
    }

    /// Whether that is what happened.
    pub fn is_malformed_event(&self) -> bool {
        self.complaint.as_deref().is_some_and(ProviderError::is_malformed_event)
    }

    /// Tokens that the provider counts though it failed.
    pub fn usage(&self) -> Option<&ReportedUsage> {
        self.complaint.as_deref()?.usage.as_deref()
    }

    /// Whether the provider's filter refused what was said.
    pub fn is_filtered(&self) -> bool {
        matches!(self.what, AttemptErrorKind::Rejected(_))
            && self.complaint.as_deref().is_some_and(ProviderError::is_content_policy)
    }

    /// What follows.
    pub fn next(&self) -> RetryDecision {
        match self.what {
            // An empty balance comes as a 429 from some providers, and so does a request that is larger than its limit; asking
            // again cannot help.
            AttemptErrorKind::RateLimited
                if self
                    .complaint
                    .as_deref()
                    .is_some_and(|it| it.is_balance() || it.is_beyond_rate_limit()) =>
            {
                RetryDecision::OtherRung
            }
            AttemptErrorKind::ConnectFailed
            | AttemptErrorKind::RefusedStream
            | AttemptErrorKind::RateLimited
            | AttemptErrorKind::ServerError(_) => RetryDecision::SameModel,
            AttemptErrorKind::CircuitOpen
            | AttemptErrorKind::BudgetExceeded
            | AttemptErrorKind::GuardRejected(_)
            | AttemptErrorKind::EscalationLimit
            | AttemptErrorKind::QueueFull
            | AttemptErrorKind::QueueTimeout
            | AttemptErrorKind::FirstTokenTimeout
            | AttemptErrorKind::IdleTimeout
            | AttemptErrorKind::TotalTimeout
            | AttemptErrorKind::ConnectionLost
            | AttemptErrorKind::Incapable
            | AttemptErrorKind::BadResponse(_) => RetryDecision::OtherRung,
            AttemptErrorKind::ContextLength => RetryDecision::LargerContext,
            AttemptErrorKind::Rejected(_) => RetryDecision::Client,
        }
    }

    /// Whether nothing is wrong with it after an answer is whole but for its marker: the connection ended, or fell silent.
    #[inline]
    pub fn is_benign_eof(&self) -> bool {
        matches!(
            self.what,
            AttemptErrorKind::ConnectionLost | AttemptErrorKind::IdleTimeout | AttemptErrorKind::TotalTimeout
        )
    }

    /// Whether the provider may have worked on the request, and so may bill it.
    #[inline]
    pub fn may_be_billed(&self) -> bool {
        matches!(
            self.what,
            AttemptErrorKind::FirstTokenTimeout
                | AttemptErrorKind::IdleTimeout
                | AttemptErrorKind::TotalTimeout
                | AttemptErrorKind::ConnectionLost
        )
    }

    /// Whether the endpoint itself is to blame, for its breaker. A request that the provider refuses, a rate
    /// limit, or a server that has enough or is about to end says nothing against the endpoint's health.
    pub fn counts_against_endpoint(&self) -> bool {
        let is_too_large = matches!(self.what, AttemptErrorKind::BadResponse(_)) && self.cause.is_some();
        // An event larger than is taken comes of what was asked, a picture say.
        !is_too_large
            && !matches!(
                self.what,
                AttemptErrorKind::Rejected(_)
                    | AttemptErrorKind::ContextLength
                    | AttemptErrorKind::Incapable
                    | AttemptErrorKind::RateLimited
                    | AttemptErrorKind::RefusedStream
                    | AttemptErrorKind::QueueFull
                    | AttemptErrorKind::QueueTimeout
                    | AttemptErrorKind::CircuitOpen
                    | AttemptErrorKind::BudgetExceeded
                    | AttemptErrorKind::GuardRejected(_)
                    | AttemptErrorKind::EscalationLimit
            )
    }

    /// Whether the provider answered, if only with an error.
    #[inline]
    pub fn is_answered(&self) -> bool {
        self.complaint.is_some()
            || matches!(self.what, AttemptErrorKind::BadResponse(_) | AttemptErrorKind::ServerError(_))
    }

    /// The provider's status and code, for the operator, in at most 64 characters. Not its words: those may quote
    /// the prompt.
    #[inline]
    pub fn detail(&self) -> Option<String> {
        let said = self.complaint.as_ref()?;
        let parts =
            [said.status.map(|status| status.to_string()), said.code.as_deref().map(|code| shown(code, 64))];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    /// The word for metrics and logs.
    #[inline]
    pub fn word(&self) -> &'static str {
        match self.what {
            AttemptErrorKind::GuardRejected(doubt) => doubt.word(),
            what => what.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_speaks_of_the_request_is_not_the_endpoints() {
        let own = |message: &str, expected: AttemptErrorKind, next: RetryDecision| {
            let body =
                serde_json::json!({"error": {"code": 500, "message": message, "type": "server_error"}});
            let complaint = protocol::read_error(500, body.to_string().as_bytes());
            let error = AttemptError::from_status(500, complaint.clone(), None);
            assert_eq!((error.what, error.next()), (expected, next), "{message}");
            let counts = matches!(expected, AttemptErrorKind::ServerError(_));
            assert_eq!(error.counts_against_endpoint(), counts, "{message}");
            let within = AttemptError::in_band(&ProviderError { status: None, ..complaint });
            assert_eq!(within.counts_against_endpoint(), counts, "{message}");
        };
        let larger = (AttemptErrorKind::ContextLength, RetryDecision::LargerContext);
        own("input (5000 tokens) is too large to process. increase the batch size", larger.0, larger.1);
        for message in [
            "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
            "Failed to parse grammar",
            "Failed to decode image",
            "Conversation roles must alternate user/assistant/user/assistant/...",
            "Only user, assistant and tool roles are supported!",
            "max_tokens must be at least 1",
            "Failed to parse tool call arguments as JSON: [json.exception] parse error",
        ] {
            own(message, AttemptErrorKind::Incapable, RetryDecision::OtherRung);
        }
        for message in ["Compute error.", "no worker for this model", "cannot load 'failed to parse grammar'"]
        {
            own(message, AttemptErrorKind::ServerError(500), RetryDecision::SameModel);
        }
    }
}
