//! What is known of a request when it is over: the source of its metrics and its log line.

pub mod content;
mod usage_record;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gateway_config::{ClientConfig, ModelConfig, Route};
use router_policies::guard::GuardScore;
use router_policies::{Decision, Features, Money, Probability, RequestDraw, ScoreReasons, Usage};

use content::RecordedContent;
use protocol::FinishReason;
use protocol::{ApiEndpoint, ClientVendor};
use upstreams::attempt_error::FailureCause;
use upstreams::request_id::RequestId;
pub use usage_record::ClosedRecord;

/// The label for what a request did not have: a route, a model, a client.
pub const NONE: &str = "-";

/// A share, 0..=1, to two places. `{:.2}` finds all digits of a number first, which every request would pay for twice.
pub struct Hundredths(pub f64);

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0.clamp(0.0, 1.0) * 100.0).round() as u8;
        let digit = |value: u8| b'0' + value % 10;
        let digits = [digit(hundredths / 100), b'.', digit(hundredths / 10), digit(hundredths)];
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

/// One request from beginning to end.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The request's name.
    pub id: RequestId,
    /// Which call of the API.
    pub call: RecordedCall,
    /// Who asked; `None` on an open port or before a caller is known.
    pub client: Option<Arc<ClientConfig>>,
    /// What was asked for by name.
    pub asked: RequestSummary,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What the policy decided.
    pub decided: Option<RecordedDecision>,
    /// The features of the prompt, where it was scored.
    pub features: Option<Box<Features>>,
    /// Every attempt at a model, in order.
    pub attempts: Vec<Attempt>,
    /// The attempt whose answer the client got.
    pub answered_by: Option<usize>,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// The status that the client saw.
    pub status: u16,
    /// The code of the error that the client saw.
    pub error: Option<&'static str>,
    /// From the request's arrival to the first token handed on.
    pub first_token: Option<Duration>,
    /// From the first token to the last.
    pub writing: Option<Duration>,
    /// From arrival to end.
    pub total: Duration,
    /// Of that, in Xietong itself, until the answer's head: reading, scoring, deciding.
    pub overhead: Duration,
    /// Of that, scoring.
    pub scoring: Option<Duration>,
    /// What the same answer would have cost from the top of the ladder.
    pub baseline: Option<Money>,
    /// What was asked and answered, where the route says that it is recorded, or another model answers too.
    pub content: Option<Box<RecordedContent>>,
}

/// What the client named in `model`.
#[derive(Debug, Clone)]
pub enum RequestSummary {
    /// Nothing that the configuration knows, or not read yet.
    Nothing,
    /// A route.
    Route(Arc<Route>),
    /// A model.
    Model(Arc<ModelConfig>),
}

router_policies::vocabulary! {
    /// A call of the API.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum RecordedCall {
        /// A client called `POST /v1/chat/completions`.
        Chat = "chat",
        /// A client called `POST /v1/completions`.
        Completions = "completions",
        /// A client called `POST /v1/responses`.
        Responses = "responses",
        /// A client called `POST /v1/messages`.
        Messages = "messages",
        /// A client called `POST /v1/messages/count_tokens`. No model is asked.
        CountTokens = "count_tokens",
        /// A client called `POST /v1/embeddings`.
        Embeddings = "embeddings",
        /// A client called `GET /v1/models` or `GET /v1/models/{id}`. No model is asked.
        Models = "models",
        /// The gateway itself asked an ejected endpoint for one word, to see whether it is well again.
        Check = "check",
        /// The gateway itself asked another model what a client had asked, to learn from the pair (`kind: explore`).
        Shadow = "shadow",
        /// The gateway itself asked a model which of two answers is better (`kind: explore` with a `judge`).
        Judge = "judge",
        /// A client called a path that does not exist.
        Unknown = NONE,
    }
}

impl RecordedCall {
    /// The endpoint that it asks for an answer of a model, if it does and a client makes it.
    pub fn endpoint(self) -> Option<ApiEndpoint> {
        match self {
            Self::Chat => Some(ApiEndpoint::Chat),
            Self::Completions => Some(ApiEndpoint::Completions),
            Self::Responses => Some(ApiEndpoint::Responses),
            Self::Messages => Some(ApiEndpoint::Messages),
            Self::Embeddings => Some(ApiEndpoint::Embeddings),
            Self::CountTokens | Self::Models | Self::Check | Self::Shadow | Self::Judge | Self::Unknown => {
                None
            }
        }
    }

    /// Whose clients make it. Both have lists of models: there it depends on the request.
    pub fn vendor(self) -> ClientVendor {
        match self {
            Self::CountTokens => ClientVendor::Anthropic,
            call => call.endpoint().map_or(ClientVendor::OpenAi, ApiEndpoint::vendor),
        }
    }

    /// Whether the gateway makes it for its own sake.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Check | Self::Shadow | Self::Judge)
    }

    /// Whether models are asked by it, so that there is something to account for.
    pub fn is_asked_of_models(self) -> bool {
        self.is_ours() || self.endpoint().is_some()
    }

    /// The label `gen_ai_operation_name`: OpenTelemetry's word where it has one.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Completions => "text_completion",
            Self::Check => Self::Chat.word(),
            call => call.word(),
        }
    }
}

/// A decision and the scores behind it.
#[derive(Debug, Clone, Copy)]
pub struct RecordedDecision {
    /// What was decided, and why.
    pub decision: Decision,
    /// `None` when a model was asked for by name.
    pub scores: Option<DecisionScores>,
    /// The random number that the policy decided with; `None` where no policy was asked.
    pub draw: Option<RequestDraw>,
}

/// What the scorer said.
#[derive(Debug, Clone, Copy)]
pub struct DecisionScores {
    /// 0..=1.
    pub difficulty: f64,
    /// -1..=1.
    pub gain: f64,
    /// The gain for its time, -2..=2.
    pub gain_for_time: f64,
    /// 0..=1.
    pub familiarity: f64,
    /// The chance that an answer of each class of model will do, in the order of `ModelClass::ALL`.
    pub suffices: [Probability; 4],
    /// What moved the difficulty most.
    pub reasons: ScoreReasons,
}

/// One attempt at one model.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The model.
    pub model: Arc<ModelConfig>,
    /// The endpoint's id.
    pub endpoint: Arc<str>,
    /// How it ended: `ok`, `abandoned`, or an error's word.
    pub result: &'static str,
    /// What it used, or may have used.
    pub usage: Usage,
    /// What it cost; `None` where the model has no price.
    pub cost: Option<Money>,
    /// How long the model worked on it.
    pub busy: Duration,
    /// From the request's arrival to its beginning.
    pub began: Duration,
    /// From the request's arrival to its end.
    pub ended: Duration,
    /// Why its answer ended, where it said so.
    pub finish: Option<FinishReason>,
    /// Why its cost brought the client nothing, if so.
    pub wasted: Option<Waste>,
    /// The chance that its answer would do, where a guard judged that.
    pub found: Option<GuardScore>,
    /// Whether it was made beside another, to be compared with it or in case that one kept silent.
    pub beside: bool,
    /// The status and code that the provider gave, for the operator. Not its words: those may quote the prompt.
    pub detail: Option<String>,
    /// Why the connection failed, for the operator.
    pub cause: Option<Box<FailureCause>>,
}

impl Attempt {
    /// Whether the model failed. An answer that would not do, or was let go for another, is no failure.
    pub fn is_error(&self) -> bool {
        match self.wasted {
            Some(Waste::Retried) => true,
            Some(Waste::Abandoned | Waste::Escalated | Waste::Hedged) => false,
            None => {
                let fine = [AttemptResult::Ok, AttemptResult::Overlong, AttemptResult::Sampled];
                !fine.iter().any(|it| it.word() == self.result)
            }
        }
    }
}

router_policies::vocabulary! {
    /// How an attempt ended that no failure ended; those that one did have the words of
    /// [`upstreams::attempt_error::AttemptErrorKind`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AttemptResult {
        /// The model answered.
        Ok = "ok",
        /// The client left, or the gateway stopped, before the attempt had an end.
        Abandoned = "abandoned",
        /// The answer went beyond what was set aside of the client's budget. The gateway ended it there.
        Overlong = "overlong",
        /// The answer was asked for to be compared with another one (`agree`). The client did not get it.
        Sampled = "sampled",
        /// Another model that was asked as well (`kind: hedge`) was the first to speak. The gateway closed this attempt.
        Hedged = "hedged",
        /// The model was to go on with an answer that had broken off. What it said did not fit what the client had, so that
        /// the gateway did not use it.
        Mismatch = "mismatch",
    }
}

router_policies::vocabulary! {
    /// Why an attempt's cost brought the client nothing.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Waste {
        /// The attempt failed, and the gateway went on to another one or gave up.
        Retried = "retried",
        /// The client left, or the gateway stopped, before the attempt had an end.
        Abandoned = "abandoned",
        /// A guard rejected the answer, and a larger model answered in its place.
        Escalated = "escalated",
        /// Another model that was asked as well was the first to speak.
        Hedged = "hedged",
    }
}

router_policies::vocabulary! {
    /// How a request ended for the client.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum RequestOutcome {
        /// The client got the whole answer.
        Complete = "complete",
        /// The answer broke off after its first byte. The client was told so by an error event.
        Cut = "cut",
        /// The client left before the answer was complete.
        Abandoned = "abandoned",
        /// The gateway or the provider refused the request: it is at fault, or not allowed.
        Refused = "refused",
        /// No model answered.
        Failed = "failed",
    }
}

impl RequestRecord {
    /// The route's name, or `-`.
    pub fn route_name(&self) -> &str {
        match &self.asked {
            RequestSummary::Route(route) => &route.name,
            _ => NONE,
        }
    }

    /// The name that the client asked for, if the configuration knows it, or `-`.
    pub fn asked_name(&self) -> &str {
        match &self.asked {
            RequestSummary::Route(route) => &route.name,
            RequestSummary::Model(model) => &model.name,
            RequestSummary::Nothing => NONE,
        }
    }

    /// Whether the client may see what was decided.
    pub fn shows_decision(&self) -> bool {
        match &self.asked {
            RequestSummary::Route(route) => route.expose_decisions,
            _ => true,
        }
    }

    /// What was asked and answered, if that is recorded.
    pub fn recorded(&self) -> Option<&RecordedContent> {
        self.content.as_deref().filter(|_| self.is_recorded())
    }

    /// Whether what is asked and answered is recorded.
    pub fn is_recorded(&self) -> bool {
        matches!(&self.asked, RequestSummary::Route(route) if route.record_content)
    }

    /// The largest model of the route: what savings are measured against.
    pub fn top(&self) -> Option<&Arc<ModelConfig>> {
        match &self.asked {
            RequestSummary::Route(route) => route.ladder.last(),
            _ => None,
        }
    }

    /// Whether a smaller model of the ladder answered than was to: the larger one was asked in vain, or out of reach.
    pub fn is_degraded(&self) -> bool {
        let (RequestSummary::Route(route), Some(decided), Some(answer)) =
            (&self.asked, &self.decided, self.answer())
        else {
            return false;
        };
        let rung = |model: &ModelConfig| route.ladder.iter().position(|one| one.name == model.name);
        // The client was to have the answer of the first, or of one that the request went on to.
        let asked = self.attempts.iter().filter(|attempt| !attempt.beside).filter_map(|it| rung(&it.model));
        // Where an answer would not do, a larger one was wanted, be it out of reach.
        let doubted = |attempt: &&Attempt| !attempt.beside && attempt.wasted == Some(Waste::Escalated);
        let beyond = self.attempts.iter().filter(doubted).filter_map(|it| Some(rung(&it.model)? + 1));
        let wanted = asked.chain(beyond).chain([decided.decision.plan.first().0]).max();
        rung(&answer.model) < wanted
    }

    /// The client's name, or `-`.
    pub fn client_name(&self) -> &str {
        self.client.as_ref().map_or(NONE, |client| &client.name)
    }

    /// The attempt that answered.
    pub fn answer(&self) -> Option<&Attempt> {
        self.answered_by.and_then(|at| self.attempts.get(at))
    }

    /// Each move from one model to another: the attempt that was left, and the one that followed.
    pub fn moves(&self) -> impl Iterator<Item = (&Attempt, &Attempt)> {
        let line = || self.attempts.iter().filter(|attempt| !attempt.beside);
        line().zip(line().skip(1)).filter(|(from, to)| from.model.name != to.model.name)
    }

    /// The model that answered, else the last that was asked.
    pub fn model(&self) -> Option<&Arc<ModelConfig>> {
        self.answer().or(self.attempts.last()).map(|attempt| &attempt.model)
    }

    /// The cost of all attempts; `None` when one of them has no known price.
    pub fn cost(&self) -> Option<Money> {
        self.attempts.iter().map(|attempt| attempt.cost).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_share_has_two_places() {
        for (share, text) in [(0.0, "0.00"), (0.004, "0.00"), (0.13, "0.13"), (0.999, "1.00"), (1.0, "1.00")]
        {
            assert_eq!(Hundredths(share).to_string(), text);
        }
        // What is no share does no harm.
        assert_eq!([f64::NAN, -1.0, 7.0].map(|it| Hundredths(it).to_string()), ["0.00", "0.00", "1.00"]);
    }

    proptest! {
        #[test]
        fn a_share_is_rounded(share in 0.0..=1.0f64) {
            let text = Hundredths(share).to_string();
            prop_assert_eq!(text.len(), 4);
            prop_assert!((text.parse::<f64>().unwrap() - share).abs() <= 0.005 + 1e-9, "{} of {}", text, share);
        }
    }
}
