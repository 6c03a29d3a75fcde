//! Every way to fail a client → status, code, words, and whose fault it is. `error_response` makes HTTP of it.

pub mod catalogue;

use std::borrow::Cow;
use std::time::Duration;

use crate::record::RequestOutcome;
use protocol::client::ErrorWords;
use protocol::{BadRequest, ProviderError};
use upstreams::attempt_error::shown;

/// An answer that is an error.
#[derive(Debug, Clone)]
pub enum ApiError {
    /// The request does not say what it must, or says it wrongly.
    BadRequest(BadRequest),
    /// Two different credentials in one request.
    AmbiguousCredentials,
    /// The data port asks for a key and none came.
    MissingCredentials,
    /// A key that belongs to no client.
    InvalidCredentials,
    /// The client may not use this name, or it does not exist: told apart only in the log.
    NoSuchModel(String),
    /// No such path.
    NoSuchPath,
    /// The path exists, the method does not; holds what is allowed.
    WrongMethod(&'static str),
    /// More bytes than allowed; holds the limit.
    TooLarge(usize),
    /// The head of the request cannot be read, or breaks a rule of HTTP; its status, and why.
    MalformedHead(u16, &'static str),
    /// The header `Expect` wants what nobody here does.
    UnknownExpectation,
    /// The body is not JSON by its own account.
    NotJson,
    /// The body is compressed.
    UnsupportedEncoding,
    /// The body did not arrive in time, or broke off.
    BodyTimeout(Duration),
    /// A connection that breaks the protocol within a request.
    IncompleteBody,
    /// No model of the route can serve this request; says why, and of a model that was named which field it does not take.
    NoCapableModel(String, Option<Cow<'static, str>>),
    /// The request must stay on local models and no local one can serve it.
    NoLocalModel(String),
    /// A client's own limit; holds its words and how long to wait.
    RateLimited(String, Duration),
    /// The client's budget does not cover the request; holds its words.
    BudgetSpent(String),
    /// What is spent cannot be written down, so that nothing may be.
    LedgerUnavailable,
    /// The provider refuses the request; its own words and status are passed on.
    ProviderRejected(u16, Box<ProviderError>),
    /// The prompt is longer than any model's context.
    ContextLength(Option<Box<ProviderError>>),
    /// All models that may answer ask us to slow down; holds for how long.
    UpstreamBusy(Option<Duration>),
    /// All models that may answer are embedded and have more work ahead than a request may wait for; holds for how long.
    EngineBusy(Option<Duration>),
    /// The model that the request began with does not answer, and the client has gone on to larger ones as often as the
    /// route allows.
    EscalationLimit,
    /// Models were too slow.
    UpstreamTimeout,
    /// Models could not be reached, or failed; holds for how long to wait where that helps: where none was asked, because all
    /// are ejected or not there yet, or each has named a time.
    UpstreamUnavailable(Option<Duration>),
    /// An upstream's answer is none, or says that the gateway's own credentials are at fault.
    UpstreamBadResponse,
    /// An answer broke off after its first byte.
    Truncated,
    /// A provider's filter stopped an answer after its first byte; its own words are passed on.
    Filtered(Box<ProviderError>),
    /// The process is stopping.
    Stopping,
    /// A fault of our own.
    Internal,
}

/// What a failure looks like from outside.
struct ErrorTemplate {
    status: u16,
    kind: &'static str,
    code: &'static str,
    message: String,
}

impl ApiError {
    /// The error's code, from a fixed set but for what a client's own request or a provider is quoted with.
    pub fn code(&self) -> &'static str {
        self.template().code
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.template().status
    }

    /// Whose fault it is.
    pub fn outcome(&self) -> RequestOutcome {
        match self {
            Self::Truncated | Self::Filtered(_) => RequestOutcome::Cut,
            Self::UpstreamBusy(_) | Self::EngineBusy(_) => RequestOutcome::Failed,
            _ if self.status() < 500 => RequestOutcome::Refused,
            _ => RequestOutcome::Failed,
        }
    }

    /// Whether our own tries are spent: another one by the SDK would multiply with them. Where nothing was tried, or a time is
    /// known after which it helps to ask again, they are not.
    pub fn is_final(&self) -> bool {
        let waiting_helps = matches!(
            self,
            Self::Stopping
                | Self::EngineBusy(_)
                | Self::EscalationLimit
                | Self::LedgerUnavailable
                | Self::UpstreamBusy(Some(_))
                | Self::UpstreamUnavailable(Some(_))
        );
        self.outcome() == RequestOutcome::Failed && !waiting_helps
    }

    /// How long the client is to wait before it asks again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(_, wait) => Some(*wait),
            Self::UpstreamBusy(wait) => Some(wait.unwrap_or(Duration::from_secs(1))),
            Self::EngineBusy(wait) => Some(wait.unwrap_or_default().max(Duration::from_secs(1))),
            Self::EscalationLimit => Some(Duration::from_secs(5)),
            Self::UpstreamUnavailable(wait) => Some(wait.unwrap_or_default().max(Duration::from_secs(1))),
            Self::LedgerUnavailable | Self::Stopping => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    fn template(&self) -> ErrorTemplate {
        let face = |status, kind, code, message: &str| ErrorTemplate {
            status,
            kind,
            code,
            message: message.to_owned(),
        };
        const INVALID: &str = "invalid_request_error";
        match self {
            Self::BadRequest(bad) => {
                let code = bad.code.unwrap_or("invalid_request");
                face(400, INVALID, code, &bad.message)
            }
            Self::AmbiguousCredentials => face(
                400,
                INVALID,
                "ambiguous_credentials",
                "The request carries two different keys. Send one, as `Authorization: Bearer KEY`.",
            ),
            Self::MissingCredentials => face(
                401,
                INVALID,
                "invalid_api_key",
                "This endpoint asks for a key and the request has none. Send `Authorization: Bearer KEY` with a key that \
                 the gateway's operator gave you.",
            ),
            Self::InvalidCredentials => face(
                401,
                INVALID,
                "invalid_api_key",
                "The key is not one that this gateway knows. Check it for missing characters, or ask the gateway's operator.",
            ),
            Self::NoSuchModel(name) => ErrorTemplate {
                status: 404,
                kind: INVALID,
                code: "model_not_found",
                message: format!(
                    "The model `{}` does not exist here or is not open to you. `GET /v1/models` lists what is.",
                    shown(name, 64)
                ),
            },
            Self::NoSuchPath => face(
                404,
                INVALID,
                "unknown_url",
                "There is nothing at this path. Clients of OpenAI's API use the base URL `http://HOST:PORT/v1`, those of \
                 Anthropic's `http://HOST:PORT`.",
            ),
            Self::WrongMethod(allowed) => ErrorTemplate {
                status: 405,
                kind: INVALID,
                code: "method_not_allowed",
                message: format!("This path answers {allowed} only."),
            },
            Self::TooLarge(limit) => ErrorTemplate {
                status: 413,
                kind: INVALID,
                code: "request_too_large",
                message: format!("The request body is larger than {limit} bytes, the limit of this gateway."),
            },
            Self::MalformedHead(status, why) => face(*status, INVALID, "malformed_http", why),
            Self::UnknownExpectation => face(
                417,
                INVALID,
                "unknown_expectation",
                "The header `Expect` may be `100-continue` only. Leave it out.",
            ),
            Self::NotJson => face(
                415,
                INVALID,
                "unsupported_media_type",
                "Send the body as JSON, with `Content-Type: application/json`.",
            ),
            Self::UnsupportedEncoding => face(
                415,
                INVALID,
                "unsupported_encoding",
                "Send the body as it is: compressed bodies are not accepted.",
            ),
            Self::BodyTimeout(limit) => ErrorTemplate {
                status: 408,
                kind: INVALID,
                code: "request_timeout",
                message: format!("The request body did not arrive within {} s.", limit.as_secs_f64()),
            },
            Self::IncompleteBody => face(400, INVALID, "incomplete_body", "The request body broke off."),
            Self::NoCapableModel(why, _) => face(400, INVALID, "unsupported_by_models", why),
            Self::NoLocalModel(why) => face(400, INVALID, "no_local_model", why),
            Self::RateLimited(words, _) => face(429, "rate_limit_error", "rate_limit_exceeded", words),
            Self::BudgetSpent(words) => face(402, "insufficient_quota", "budget_exceeded", words),
            Self::LedgerUnavailable => face(
                503,
                "server_error",
                "ledger_unavailable",
                "The gateway cannot write down what requests cost, and asks no paid models until it can.",
            ),
            Self::ProviderRejected(status, complaint) => {
                let code = if complaint.is_content_policy() {
                    "content_policy_violation"
                } else {
                    "upstream_refused"
                };
                face(*status, INVALID, code, &complaint.message)
            }
            Self::ContextLength(complaint) => face(
                400,
                INVALID,
                "context_length_exceeded",
                complaint.as_ref().map_or(
                    "The prompt is longer than the context of any model that may answer it.",
                    |said| said.message.as_str(),
                ),
            ),
            Self::UpstreamBusy(_) => face(
                429,
                "rate_limit_error",
                "rate_limit_exceeded",
                "Every model that may answer is at its provider's rate limit. Try again later.",
            ),
            Self::EngineBusy(_) => face(
                429,
                "rate_limit_error",
                "rate_limit_exceeded",
                "The embedded model has other answers to write first, and this request would wait for longer than it may. \
                 Try again after the time in `Retry-After`.",
            ),
            Self::EscalationLimit => face(
                503,
                "server_error",
                "escalation_limit_exceeded",
                "The model that this request would begin with does not answer, and as many requests of this client as its \
                 route allows have gone on to a larger one. Try again later.",
            ),
            Self::UpstreamTimeout => face(
                504,
                "server_error",
                "upstream_timeout",
                "No model answered in time, on any rung that may answer.",
            ),
            Self::UpstreamUnavailable(_) => face(
                503,
                "server_error",
                "upstream_unavailable",
                "No model that may answer can be reached, or all failed.",
            ),
            Self::UpstreamBadResponse => face(
                502,
                "server_error",
                "upstream_error",
                "The models that may answer gave no usable answer. The gateway's log names the cause for its operator.",
            ),
            Self::Truncated => face(
                502,
                "server_error",
                "upstream_truncated",
                "The model's answer broke off and could not be finished; what was sent is incomplete.",
            ),
            Self::Filtered(complaint) => face(400, INVALID, "content_policy_violation", &complaint.message),
            Self::Stopping => face(
                503,
                "server_error",
                "shutting_down",
                "This gateway is stopping; send the request to another, or again.",
            ),
            Self::Internal => {
                face(500, "server_error", "internal_error", "The gateway failed on this request.")
            }
        }
    }

    /// What is said of it.
    pub fn error_body(&self) -> ErrorWords {
        let face = self.template();
        let param = match self {
            Self::BadRequest(bad) => bad.param.as_deref(),
            Self::NoCapableModel(_, param) => param.as_deref(),
            Self::NoSuchModel(_) => Some("model"),
            Self::ProviderRejected(_, complaint) => complaint.param.as_deref(),
            _ => None,
        };
        // A provider's own words for a refused request keep its own code, so that SDKs and people recognise it: where it is a
        // word, and not the status or a number once more. What the gateway has sorted has the word that programs look for.
        let own = match self {
            Self::ProviderRejected(_, complaint) if !is_sorted(complaint) => Some(complaint),
            Self::ContextLength(Some(complaint)) => Some(complaint),
            _ => None,
        };
        let says_less = |own: &String| matches!(self, Self::ContextLength(_)) && is_general(own);
        let word = |own: &Option<String>| own.clone().filter(|own| is_word(own) && !says_less(own));
        let kind = own.and_then(|own| word(&own.kind)).unwrap_or_else(|| face.kind.to_owned());
        let code = own.and_then(|own| word(&own.code)).unwrap_or_else(|| face.code.to_owned());
        let param = param.map(str::to_owned);
        let too_long = matches!(self, Self::ContextLength(_));
        ErrorWords { status: face.status, message: face.message, kind, code, param, too_long }
    }
}

/// Whether a code is a word, and no number or sentence.
fn is_word(code: &str) -> bool {
    code.chars().any(char::is_alphabetic) && !code.contains(char::is_whitespace)
}

/// Whether a code says no more than that the request is at fault.
fn is_general(code: &str) -> bool {
    const GENERAL: [&str; 5] =
        ["invalidparameter", "invalidrequest", "invalidargument", "badrequest", "validation"];
    let plain: String = code.chars().filter(|sign| *sign != '_').collect::<String>().to_ascii_lowercase();
    GENERAL.iter().any(|general| plain.starts_with(general))
}

/// Whether a complaint has a code of ours in place of its own: a filter's, but for the word of OpenAI's and Azure's that
/// programs look for.
fn is_sorted(complaint: &ProviderError) -> bool {
    complaint.is_content_policy() && complaint.code.as_deref() != Some("content_filter")
}

impl From<BadRequest> for ApiError {
    fn from(bad: BadRequest) -> Self {
        Self::BadRequest(bad)
    }
}
