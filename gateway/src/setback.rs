//! How an attempt at a model can end badly, and what follows from it.

use std::time::Duration;

use router_policies::guard::Doubt;

use crate::protocol::Complaint;

/// The longest `Retry-After` that is waited for on the same model; beyond it the next rung is asked.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The end of an attempt that gave no answer, or only part of one.
#[derive(Debug, Clone)]
pub struct Setback {
    /// What happened.
    pub what: Happened,
    /// What the provider said, if it did; shown to clients only where [`Next::Client`] follows.
    pub complaint: Option<Box<Complaint>>,
    /// How long the provider asks us to stay away.
    pub retry_after: Option<Duration>,
}

/// What happened to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Nothing was sent: no connection, name, or TLS.
    Unreachable,
    /// Over HTTP/2: the peer has not looked at it, and says so.
    TurnedAway,
    /// Every endpoint is ejected, or the engine is gone; nothing was sent.
    Ejected,
    /// The client's budget does not cover it; nothing was sent.
    Unaffordable,
    /// The answer would not do.
    Doubted(Doubt),
    /// The client has escalated as much as it may; nothing was sent.
    Bounded,
    /// The embedded engine's queue is full; nothing was sent.
    #[cfg_attr(not(any(feature = "engine", test)), expect(dead_code, reason = "only the engine has a queue"))]
    Full,
    /// 429.
    RateLimited,
    /// 500, 502, 503, 504, 529.
    ServerError(u16),
    /// No first token in time.
    Silent,
    /// A stream fell silent after its first token.
    Stalled,
    /// The whole attempt took too long.
    Overran,
    /// The connection broke after the request was sent, or the provider said 408.
    Cut,
    /// The prompt is longer than the model's context, or 413.
    TooLong,
    /// 400 or 422: the provider refuses this request.
    Refused(u16),
    /// The endpoint's fault: 401, 403, 404, a redirect, an error in a 200, an answer that is none.
    Faulty(u16),
}

/// What an attempt's end means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same model may be asked again, within the retry budget.
    SameModel,
    /// The next rung; never the same model.
    OtherRung,
    /// A rung with more context, else back to the client.
    LargerContext,
    /// Back to the client; no other model sees the request.
    Client,
}

impl Setback {
    /// Without a word from the provider.
    pub fn new(what: Happened) -> Self {
        Self { what, complaint: None, retry_after: None }
    }

    /// From an answer's status, the provider's words and its `Retry-After`.
    pub fn from_status(status: u16, complaint: Complaint, retry_after: Option<Duration>) -> Self {
        let what = match status {
            429 => Happened::RateLimited,
            500 | 502 | 503 | 504 | 529 => Happened::ServerError(status),
            408 => Happened::Cut,
            413 => Happened::TooLong,
            400 | 422 if complaint.is_context_length() => Happened::TooLong,
            400 | 422 => Happened::Refused(status),
            _ => Happened::Faulty(status),
        };
        Self { what, complaint: Some(Box::new(complaint)), retry_after }
    }

    /// From an error in a 200: the endpoint's fault, unless it says that the prompt is too long, or has a status of its own,
    /// as where a provider's filter blocked the prompt.
    pub fn in_band(complaint: &Complaint) -> Self {
        if let Some(status) = complaint.status {
            return Self::from_status(status, complaint.clone(), None);
        }
        let what = if complaint.is_context_length() { Happened::TooLong } else { Happened::Faulty(200) };
        Self { complaint: Some(Box::new(complaint.clone())), ..Self::new(what) }
    }

    /// What follows.
    pub fn next(&self) -> Next {
        match self.what {
            // An empty balance comes as a 429 from some providers; asking again cannot help.
            Happened::RateLimited if self.complaint.as_deref().is_some_and(Complaint::is_balance) => {
                Next::OtherRung
            }
            Happened::Unreachable
            | Happened::TurnedAway
            | Happened::RateLimited
            | Happened::ServerError(_) => Next::SameModel,
            Happened::Ejected
            | Happened::Unaffordable
            | Happened::Doubted(_)
            | Happened::Bounded
            | Happened::Full
            | Happened::Silent
            | Happened::Stalled
            | Happened::Overran
            | Happened::Cut
            | Happened::Faulty(_) => Next::OtherRung,
            Happened::TooLong => Next::LargerContext,
            Happened::Refused(_) => Next::Client,
        }
    }

    /// Whether nothing is wrong with it after an answer is whole but for its marker: the connection ended, or fell silent.
    pub fn is_a_mere_end(&self) -> bool {
        matches!(self.what, Happened::Cut | Happened::Stalled | Happened::Overran)
    }

    /// Whether the provider may have worked on the request, and so may bill it.
    pub fn may_be_billed(&self) -> bool {
        matches!(self.what, Happened::Silent | Happened::Stalled | Happened::Overran | Happened::Cut)
    }

    /// Whether the endpoint itself is to blame, for its breaker. A request that the provider refuses, a rate
    /// limit, or a server that has enough or is about to end says nothing against the endpoint's health.
    pub fn blames_endpoint(&self) -> bool {
        !matches!(
            self.what,
            Happened::Refused(_)
                | Happened::TooLong
                | Happened::RateLimited
                | Happened::TurnedAway
                | Happened::Full
                | Happened::Ejected
                | Happened::Unaffordable
                | Happened::Doubted(_)
                | Happened::Bounded
        )
    }

    /// Whether the provider answered, if only with an error.
    pub fn is_answered(&self) -> bool {
        self.complaint.is_some() || matches!(self.what, Happened::Faulty(_) | Happened::ServerError(_))
    }

    /// The provider's status and code, for the operator, in at most 64 characters. Not its words: those may quote
    /// the prompt.
    pub fn detail(&self) -> Option<String> {
        let said = self.complaint.as_ref()?;
        let parts =
            [said.status.map(|status| status.to_string()), said.code.as_deref().map(crate::error::shown)];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }

    /// The word for metrics and logs.
    pub fn word(&self) -> &'static str {
        match self.what {
            Happened::Unreachable => "unreachable",
            Happened::TurnedAway => "turned_away",
            Happened::Ejected => "ejected",
            Happened::Unaffordable => "unaffordable",
            Happened::Doubted(doubt) => doubt.word(),
            Happened::Bounded => "bounded",
            Happened::Full => "full",
            Happened::RateLimited => "rate_limited",
            Happened::ServerError(_) => "server_error",
            Happened::Silent => "silent",
            Happened::Stalled => "stalled",
            Happened::Overran => "overran",
            Happened::Cut => "cut",
            Happened::TooLong => "too_long",
            Happened::Refused(_) => "refused",
            Happened::Faulty(_) => "faulty",
        }
    }
}
