//! What a client may still ask and spend. Every request of a client passes its quota; no two clients share one.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use gateway_config::{BudgetPeriodLength, ClientBudget, ClientConfig, ClientLimits};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use router_policies::Money;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::budget_lease::{BudgetLease, BudgetRefusal, Reservation};
use super::budget_period::BudgetPeriod;
use super::lease_broker::LeaseBroker;
use super::rate_limiter::{LimitExceeded, RateLimitStatus, RateLimiter, RequestPermit};
use super::writer::{PendingLease, WriterCommand};

/// How long a request waits for the store to lease, whatever holds that up.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// A client's quota.
#[derive(Debug)]
pub struct ClientQuota {
    client: Arc<str>,
    quota_limits: ArcSwap<QuotaLimits>,
    lease: ArcSwapOption<BudgetLease>,
    rate_limiter: Arc<RateLimiter>,
}

/// What the configuration says of the client.
#[derive(Debug, Clone)]
struct QuotaLimits {
    budget: Option<ClientBudget>,
    limits: ClientLimits,
    zone: TimeZone,
}

impl ClientQuota {
    /// Without limits, until [`ClientQuota::apply`].
    pub(super) fn new(client: &str) -> Self {
        let quota_limits = QuotaLimits { budget: None, limits: ClientLimits::default(), zone: TimeZone::UTC };
        Self {
            client: client.into(),
            quota_limits: ArcSwap::from_pointee(quota_limits),
            lease: ArcSwapOption::empty(),
            rate_limiter: Arc::default(),
        }
    }

    /// From now on these limits hold.
    pub(super) fn apply(&self, client: &ClientConfig, zone: &TimeZone) {
        let quota_limits = QuotaLimits { budget: client.budget, limits: client.limits, zone: zone.clone() };
        self.quota_limits.store(Arc::new(quota_limits));
    }

    /// The client's name.
    #[inline]
    pub fn client(&self) -> &Arc<str> {
        &self.client
    }

    /// Its budget.
    #[inline]
    pub fn budget(&self) -> Option<ClientBudget> {
        self.quota_limits.load().budget
    }

    /// What it may still spend in the period that now is.
    #[inline]
    pub fn remaining(&self, leases: &LeaseBroker) -> Option<Money> {
        Some(self.lease(leases, Timestamp::now())?.remaining().max(Money::ZERO))
    }

    /// When its budget starts anew, where days begin for it.
    #[inline]
    pub fn ends(&self, leases: &LeaseBroker) -> String {
        let zone = self.quota_limits.load().zone.clone();
        let ends = self.lease(leases, Timestamp::now()).map(|lease| lease.period().ends);
        ends.map_or_else(String::new, |ends| {
            ends.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
        })
    }

    /// Lets a request in that may take so many tokens, or says which of its limits is against it, how long to wait, and what
    /// is left.
    ///
    /// # Errors
    /// The limit that is reached.
    #[inline]
    pub fn admit(
        &self,
        tokens: u64,
        now: Instant,
    ) -> Result<RequestPermit, (LimitExceeded, Duration, RateLimitStatus)> {
        self.rate_limiter.admit(&self.quota_limits.load().limits, tokens, now)
    }

    /// Sets this much of what may be spent now aside; `None` for a client without a budget.
    ///
    /// # Errors
    /// When the budget does not cover it, or nothing may be spent because it could not be written down.
    pub async fn reserve(
        &self,
        leases: &LeaseBroker,
        amount: Money,
        now: Timestamp,
    ) -> Result<Option<Reservation>, BudgetRefusal> {
        match self.lease(leases, now) {
            Some(lease) => reserve_of(&lease, leases, amount).await.map(Some),
            None => Ok(None),
        }
    }

    /// The money of the period that now is; `None` without a budget.
    pub(super) fn lease(&self, leases: &LeaseBroker, now: Timestamp) -> Option<Arc<BudgetLease>> {
        let quota_limits = self.quota_limits.load();
        let budget = quota_limits.budget?;
        match self.current(&budget, now) {
            Some(lease) => Some(lease),
            None => Some(self.turn_over(leases, &quota_limits.zone, &budget, now)),
        }
    }

    fn current(&self, budget: &ClientBudget, now: Timestamp) -> Option<Arc<BudgetLease>> {
        let lease = self.lease.load_full()?;
        let fits = is_of_kind(&lease.period().id, budget.per) && lease.limit() == budget.amount.0;
        (fits && !lease.has_ended(now)).then_some(lease)
    }

    /// Begins the next period, or takes over another budget.
    fn turn_over(
        &self,
        leases: &LeaseBroker,
        zone: &TimeZone,
        budget: &ClientBudget,
        now: Timestamp,
    ) -> Arc<BudgetLease> {
        // One at a time, a few times a day: requests that find the current period never come here.
        let _alone = leases.rolling();
        if let Some(lease) = self.current(budget, now) {
            return lease;
        }
        let period = self.next_period(leases, zone, budget, now);
        let kept = leases.keeps_records();
        if let Some(lease) = self.lease.load_full().filter(|lease| lease.period().id == period.id) {
            let before = lease.set_limit(budget.amount.0);
            if !kept {
                lease.balance().put(budget.amount.0.saturating_sub(before));
            }
            return lease;
        }
        let at_hand = if kept { Money::ZERO } else { budget.amount };
        let lease = Arc::new(BudgetLease::new(&self.client, period, budget.amount, at_hand));
        // What an upstream took beyond the last period's end is paid out of this one.
        let debt = self.lease.load_full().map_or(0, |before| before.balance().take_debt());
        lease.balance().put(debt.saturating_neg());
        if kept {
            lease.set_unleased(leases.before().of(lease.key()).unleased(budget.amount.0));
        }
        self.lease.store(Some(Arc::clone(&lease)));
        lease
    }

    /// The period around now, but never one before a period that money was spent in: a clock that is put back does not
    /// give a budget twice.
    fn next_period(
        &self,
        leases: &LeaseBroker,
        zone: &TimeZone,
        budget: &ClientBudget,
        now: Timestamp,
    ) -> BudgetPeriod {
        let period = BudgetPeriod::around(now, budget.per, zone);
        let known = self.lease.load_full().map(|lease| Arc::clone(&lease.period().id));
        let known = known.filter(|id| is_of_kind(id, budget.per));
        let stored = leases.before().latest_like(&self.client, &period.id);
        let latest = known.into_iter().chain(stored).max().filter(|latest| *latest > period.id);
        latest.and_then(|latest| BudgetPeriod::named(&latest, budget.per, zone)).unwrap_or(period)
    }
}

/// Sets aside an amount of this lease.
///
/// # Errors
/// As for [`ClientQuota::reserve`].
pub async fn reserve_of(
    lease: &Arc<BudgetLease>,
    leases: &LeaseBroker,
    amount: Money,
) -> Result<Reservation, BudgetRefusal> {
    if lease.balance().take(amount.0) {
        leases.ask_in_advance(lease);
        return Ok(Reservation::new(Arc::clone(lease), amount.0));
    }
    if !leases.keeps_records() {
        return Err(BudgetRefusal::Spent);
    }
    let (reply, answer) = oneshot::channel();
    leases.send(WriterCommand::Lease(Arc::clone(lease), Some(PendingLease { need: amount.0, reply })));
    // A writer that is gone answers nobody, and one that is held up may answer too late: then the money goes back.
    match timeout(LONGEST_WAIT, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(BudgetRefusal::Unavailable),
    }
}

fn is_of_kind(id: &str, per: BudgetPeriodLength) -> bool {
    let length = match per {
        BudgetPeriodLength::Hour => "2026-11-24T01Z".len(),
        BudgetPeriodLength::Day => "2026-11-24".len(),
        BudgetPeriodLength::Month => "2026-11".len(),
    };
    id.len() == length
}
