//! How an account ends: what its attempts are charged, and where the record goes.

use router_policies::money::BilledExtras;

use super::*;
use crate::machine_time::MachineTimeMeter;
use crate::record::ClosedRecord;

impl RequestAccount {
    pub(super) fn words_for_spent(&self, quota: &ClientQuota, amount: Money) -> String {
        let (client, currency) = (quota.client(), self.currency);
        let Some(budget) = quota.budget() else {
            return format!("The budget of client `{client}` is spent.");
        };
        let per = match budget.per {
            BudgetPeriodLength::Hour => "hour",
            BudgetPeriodLength::Day => "day",
            BudgetPeriodLength::Month => "month",
        };
        let left = quota.remaining(self.telemetry.ledger.leases()).unwrap_or_default();
        let until = quota.ends(self.telemetry.ledger.leases());
        format!(
            "The budget of client `{client}`, {} {currency} per {per}, does not cover this request: it may cost up to \
             {amount} {currency} and {left} {currency} are left. It starts anew at {until}.",
            budget.amount
        )
    }

    /// The most that all attempts under way cost; `None` where one has no price.
    pub(super) fn bounds_under_way(&self, now: Timestamp) -> Option<Money> {
        let model = |under_way: &InFlightAttempt| Some(&self.record.attempts.get(under_way.attempt.0)?.model);
        self.under_way.iter().map(|it| self.bound.most(model(it)?, now, &self.telemetry.machine_time)).sum()
    }

    /// What a client that asks for it is told beside tokens and cost, as JSON, once the attempt is settled.
    pub(super) fn told(&self, id: AttemptId) -> Option<Box<str>> {
        let record = &self.record;
        let answer = record.attempts.get(id.0).filter(|_| self.tells && record.shows_decision())?;
        let baseline = baseline(record, answer, &self.bound, Timestamp::now(), &self.telemetry.machine_time);
        let told = serde_json::json!({
            "model": answer.model.name,
            "attempts": record.attempts.len(),
            "baseline_model": record.top().map(|top| &top.name),
            "baseline_cost": baseline.map(Money::units),
            "currency": self.currency.code(),
        });
        Some(told.to_string().into())
    }

    pub(super) fn close(&mut self, outcome: RequestOutcome) {
        self.closed = true;
        let now = Timestamp::now();
        let since = |end: Option<Instant>, start: Instant| end.map(|end| end.duration_since(start));
        let (times, bound) = (&self.times, self.bound);
        let record = &mut self.record;
        record.outcome = outcome;
        record.total = times.arrived.elapsed();
        record.first_token = since(times.first_token, times.arrived);
        record.writing = times.first_token.and_then(|first| since(times.last_token, first));
        let before = since(times.first_asked, times.arrived).unwrap_or(record.total);
        let after = times.committed.and_then(|committed| since(times.head, committed)).unwrap_or_default();
        record.overhead = before + after;
        record.baseline = record
            .answer()
            .and_then(|answer| baseline(record, answer, &bound, now, &self.telemetry.machine_time));
        let paid = self.pay();
        let record = &self.record;
        if let Some(learner) = self.on_close.take() {
            learner.closed(record);
        }
        let context = self.traced.as_ref().map(|traced| traced.context());
        self.telemetry.metrics.observe(record, self.currency, context);
        let trace = context.map(|context| context.trace);
        self.telemetry.log.request(record, trace, now, self.format, self.currency);
        if self.telemetry.ledger.keeps_records() && record.call.is_asked_of_models() {
            let closed = ClosedRecord { record, time: now, currency: &self.currency, paid };
            self.telemetry.ledger.record(closed.into());
        }
        self.trace();
    }

    /// Settles with the client's budget, once, and gives back what is left of its limits.
    pub(super) fn pay(&mut self) -> Option<BudgetDebit> {
        let tokens = self.record.attempts.iter().map(|attempt| attempt.usage.total()).sum();
        if let Some(mut place) = self.place.take() {
            place.used(tokens);
        }
        let reservation = self.reservation.take()?;
        // Without a price nothing is asked for a client with a budget; if one ran out meanwhile, all that was set aside
        // is spent.
        let spent = self.record.cost().unwrap_or_else(|| reservation.amount());
        let lease = Arc::clone(reservation.lease());
        let paid = reservation.settle(spent);
        let labels = [&*paid.key.client, self.currency.code()];
        self.telemetry.metrics.budget_remaining.with_label_values(&labels).set(lease.remaining().units());
        Some(paid)
    }
}

impl RequestAccount {
    /// Closes the account of an answer that the client got whole.
    pub fn close_complete(mut self: Box<Self>) {
        self.close(RequestOutcome::Complete);
    }

    /// Closes the account of a request that ended in an error.
    pub fn close_failed(mut self: Box<Self>, failure: &ApiError) {
        self.record.error = Some(failure.code());
        if self.times.head.is_none() {
            self.record.status = failure.status();
        }
        self.close(failure.outcome());
    }

    /// Closes the account of a request that a panic has ended.
    pub fn close_faulty(mut self: Box<Self>) {
        self.close_unfinished(Some(&ApiError::Internal));
    }

    /// Closes it in the midst of its work: its client has left, or `failure` has ended it.
    fn close_unfinished(&mut self, failure: Option<&ApiError>) {
        while let Some(under_way) = self.under_way.last() {
            self.abandon(under_way.attempt);
        }
        let outcome = match (failure, self.record.answered_by) {
            (None, _) => RequestOutcome::Abandoned,
            (Some(_), None) => RequestOutcome::Failed,
            (Some(_), Some(_)) => RequestOutcome::Cut,
        };
        if let Some(failure) = failure {
            self.record.error = Some(failure.code());
            // The head of a stream may be out already.
            if !self.record.stream && self.times.head.is_none() {
                self.record.status = failure.status();
            }
        }
        self.close(outcome);
    }
}

impl Drop for RequestAccount {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        // Whoever is still here at the shutdown deadline did not leave: it is we who do.
        let failure = match (std::thread::panicking(), self.telemetry.shutdown_deadline.has_expired()) {
            (true, _) => Some(ApiError::Internal),
            (false, true) => Some(ApiError::Stopping),
            (false, false) => None,
        };
        self.close_unfinished(failure.as_ref());
    }
}

/// The same answer from the top of the ladder; `None` where its price is not known, or nothing was answered.
fn baseline(
    record: &RequestRecord,
    answer: &Attempt,
    bound: &UsageBound,
    now: Timestamp,
    machine_time: &MachineTimeMeter,
) -> Option<Money> {
    if record.call.is_ours() {
        return None;
    }
    let top = record.top()?;
    if top.name == answer.model.name {
        return answer.cost;
    }
    let price = top.price.as_ref()?.at(now)?;
    let busy = match price {
        Price::Tokens(_) => Default::default(),
        Price::Hour(_) => machine_time.expected(&top.name, answer.usage.total())?,
    };
    let extras = BilledExtras { terms: bound.chosen_of(top).extras.terms, ..BilledExtras::default() };
    Some(top.surcharges.cost(price, &pricing::charge_complete(&answer.usage), &extras, busy))
}

/// Counts a request as under way for as long as it lives.
pub(super) struct InFlightGauge(IntGauge);

impl InFlightGauge {
    pub(super) fn enter(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlightGauge {
    fn drop(&mut self) {
        self.0.dec();
    }
}
