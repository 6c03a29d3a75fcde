//! The account of one request: opened once, closed once, whatever happens. It moves from stage to stage and, for a
//! stream, into the response body; dropping it unclosed says that the client left.

mod attempts;
mod ending;
mod stages;
mod timings;
mod token_counter;
mod traced;

use std::sync::Arc;

use gateway_config::{BudgetPeriodLength, ClientConfig, LogFormat, ModelConfig};
use jiff::Timestamp;
use prometheus::IntGauge;
use router_policies::{Currency, Money, Price, Tariff, Usage};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::machine_time::BusyGuard;
use crate::pricing::{self, UsageBound};
use crate::record::{Attempt, RecordedCall, RequestOutcome, RequestRecord, RequestSummary, Waste};
use crate::telemetry::Telemetry;
use crate::traces::TraceGuard;
use attempts::InFlightAttempt;
use ending::InFlightGauge;
use ledger::budget_lease::{BudgetRefusal, Reservation};
use ledger::client_quota::{ClientQuota, reserve_of};
use ledger::rate_limiter::{RateLimitStatus, RequestPermit};
use ledger::usage_record::BudgetDebit;
use protocol::{ChatRequest, ChunkInfo, FinalUsage, ReportedUsage};
use timings::AttemptTimings;
pub use token_counter::TokenCounter;
use upstreams::attempt_error::{AttemptError, AttemptErrorKind};
use upstreams::request_id::RequestId;

/// Learns from how a request ends.
pub trait OnClose: Send {
    /// The request is over; called once.
    fn closed(self: Box<Self>, record: &RequestRecord);
}

/// One attempt of one account. [`RequestAccount::begin`] gives it; whatever is booked names its attempt by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptId(usize);

/// The account of one request under way. It is large and goes through many hands, so it has a place of its own.
pub struct RequestAccount {
    /// What will be recorded.
    record: RequestRecord,
    /// Who learns from how it ends.
    on_close: Option<Box<dyn OnClose>>,
    /// Its place in a trace, where it is traced.
    traced: Option<Box<TraceGuard>>,
    telemetry: Telemetry,
    format: LogFormat,
    currency: Currency,
    times: AttemptTimings,
    /// What the request can use at most: the charge for an attempt whose end is unknown.
    bound: UsageBound,
    /// Its place among the client's requests.
    place: Option<RequestPermit>,
    rate_limits: RateLimitStatus,
    /// What is set aside of the client's budget.
    reservation: Option<Reservation>,
    /// What each attempt has said so far.
    tallies: Vec<TokenCounter>,
    /// What the client got of an answer that another model went on with; `None` where there is no such answer.
    before: Option<Usage>,
    resumed: bool,
    /// Whether the client is told who answered and what that saved.
    tells: bool,
    /// Attempts without an end; several where models are asked at the same time.
    under_way: Vec<InFlightAttempt>,
    closed: bool,
    _in_flight: InFlightGauge,
}

impl RequestAccount {
    /// Opens the account of a request that arrived at `arrived`.
    pub fn open(
        telemetry: &Telemetry,
        format: LogFormat,
        currency: Currency,
        id: RequestId,
        call: RecordedCall,
        arrived: Instant,
    ) -> Box<Self> {
        Box::new(Self {
            record: stages::nothing_known(id, call),
            on_close: None,
            traced: None,
            _in_flight: InFlightGauge::enter(&telemetry.metrics.in_flight),
            telemetry: telemetry.clone(),
            format,
            currency,
            times: AttemptTimings::of(arrived),
            bound: UsageBound::default(),
            place: None,
            rate_limits: RateLimitStatus::default(),
            reservation: None,
            tallies: Vec::new(),
            before: None,
            resumed: false,
            tells: false,
            under_way: Vec::new(),
            closed: false,
        })
    }

    /// What is known of the request so far.
    pub fn record(&self) -> &RequestRecord {
        &self.record
    }

    /// The request's name.
    pub fn id(&self) -> &RequestId {
        &self.record.id
    }

    /// Says what the request can use at most.
    pub fn bound(&mut self, bound: UsageBound) {
        self.bound = bound;
    }

    /// Counts the prompt of a client with a budget by the tokenizers of the models that may be asked: closer than the general
    /// estimate, and dearer.
    pub fn bound_prompt(
        &mut self,
        client: Option<&ClientConfig>,
        chat: &ChatRequest,
        models: &[Arc<ModelConfig>],
    ) {
        if client.is_some_and(|client| client.budget.is_some()) && !chat.is_for_embeddings() {
            self.bound.prompt = chat.most_text_tokens(models.iter().map(|model| &**model));
        }
    }

    /// Takes a place among its client's requests.
    ///
    /// # Errors
    /// A limit of the client's that is reached.
    pub fn admit(&mut self, quota: &Arc<ClientQuota>, models: &[Arc<ModelConfig>]) -> Result<(), ApiError> {
        let tokens = models.iter().map(|model| self.bound.tokens(model)).max().unwrap_or_default();
        match quota.admit(tokens, Instant::now()) {
            Ok(place) => {
                self.rate_limits = place.rate_limits;
                self.place = Some(place);
                Ok(())
            }
            Err((exceeded, wait, rate_limits)) => {
                self.rate_limits = rate_limits;
                Err(ApiError::RateLimited(exceeded.words(quota.client(), wait), wait))
            }
        }
    }

    /// Whether what is spent can be written down; otherwise only local models may be asked.
    pub fn may_spend(&self) -> bool {
        self.telemetry.ledger.may_spend()
    }

    /// What is left of the client's limits.
    pub fn rate_limits(&self) -> &RateLimitStatus {
        &self.rate_limits
    }

    /// Sets aside what the most expensive of these models costs at most, before any of them is asked.
    ///
    /// # Errors
    /// A budget that does not cover it, or one that cannot be written down.
    pub async fn reserve(
        &mut self,
        quota: &ClientQuota,
        models: &[Arc<ModelConfig>],
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let each =
            models.iter().filter_map(|model| self.bound.most(model, now, &self.telemetry.machine_time));
        let amount = each.max().unwrap_or_default();
        match quota.reserve(self.telemetry.ledger.leases(), amount, now).await {
            Ok(reservation) => self.reservation = reservation,
            Err(BudgetRefusal::Spent) => {
                return Err(ApiError::BudgetSpent(self.words_for_spent(quota, amount)));
            }
            Err(BudgetRefusal::Unavailable) => return Err(ApiError::LedgerUnavailable),
        }
        Ok(())
    }

    /// Makes sure that what is set aside covers an attempt at this model beside what was spent so far.
    ///
    /// # Errors
    /// When the budget does not cover it; then the model must not be asked.
    pub async fn cover(&mut self, model: &ModelConfig) -> Result<(), AttemptError> {
        if self.reservation.is_none() {
            return Ok(());
        }
        let unaffordable = || AttemptError::new(AttemptErrorKind::BudgetExceeded);
        // What was answered so far may be sent along by whoever goes on with it.
        let said: u64 = self.record.attempts.iter().map(|attempt| attempt.usage.completion()).sum();
        let bound = UsageBound { prompt: self.bound.prompt.saturating_add(said), ..self.bound };
        let bound = if self.record.answered_by.is_some() { bound } else { self.bound };
        let now = Timestamp::now();
        let most = bound.most(model, now, &self.telemetry.machine_time).ok_or_else(unaffordable)?;
        let beside = self.bounds_under_way(now).ok_or_else(unaffordable)?;
        let needed = self.record.cost().unwrap_or_default().saturating_add(beside).saturating_add(most);
        let Some(reservation) = &mut self.reservation else { return Ok(()) };
        let more = needed.saturating_sub(reservation.amount());
        if more > Money::ZERO {
            let lease = Arc::clone(reservation.lease());
            let more =
                reserve_of(&lease, self.telemetry.ledger.leases(), more).await.map_err(|_| unaffordable())?;
            reservation.join(more);
        }
        reservation.put_to_use();
        Ok(())
    }

    /// The longest answer, in tokens, that was set aside for where the client sets no limit; `None` without a budget.
    pub fn longest(&self, model: &ModelConfig) -> Option<u64> {
        (self.reservation.is_some() && self.bound.answer.is_none()).then_some(model.max_output)
    }

    /// The longest answer, in tokens of all choices, that is set aside for; `None` without a budget.
    pub fn most(&self, model: &ModelConfig) -> Option<u64> {
        self.reservation.is_some().then(|| self.bound.of(model).output)
    }

    /// The answer's head is on its way to the client.
    pub fn head_sent(&mut self, status: u16) {
        self.times.head = Some(Instant::now());
        self.record.status = status;
    }

    /// The cost of all attempts so far; `None` when one has no known price.
    pub fn cost(&self) -> Option<Money> {
        self.record.cost()
    }
}

#[cfg(test)]
mod tests;
