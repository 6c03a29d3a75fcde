//! What a client may still ask and spend. Every request of a client passes its till; no two clients share one.

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

/// How long a request waits for the store to lend, whatever holds that up.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// A client's till.
#[derive(Debug)]
pub struct ClientQuota {
    client: Arc<str>,
    terms: ArcSwap<QuotaLimits>,
    fund: ArcSwapOption<BudgetLease>,
    gate: Arc<RateLimiter>,
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
        let terms = QuotaLimits { budget: None, limits: ClientLimits::default(), zone: TimeZone::UTC };
        Self {
            client: client.into(),
            terms: ArcSwap::from_pointee(terms),
            fund: ArcSwapOption::empty(),
            gate: Arc::default(),
        }
    }

    /// From now on these limits hold.
    pub(super) fn apply(&self, client: &ClientConfig, zone: &TimeZone) {
        let terms = QuotaLimits { budget: client.budget, limits: client.limits, zone: zone.clone() };
        self.terms.store(Arc::new(terms));
    }

    /// The client's name.
    pub fn client(&self) -> &Arc<str> {
        &self.client
    }

    /// Its budget.
    pub fn budget(&self) -> Option<ClientBudget> {
        self.terms.load().budget
    }

    /// What it may still spend in the window that now is.
    pub fn remaining(&self, leases: &LeaseBroker) -> Option<Money> {
        Some(self.fund(leases, Timestamp::now())?.remaining().max(Money::ZERO))
    }

    /// When its budget starts anew, where days begin for it.
    pub fn ends(&self, leases: &LeaseBroker) -> String {
        let zone = self.terms.load().zone.clone();
        let ends = self.fund(leases, Timestamp::now()).map(|fund| fund.window().ends);
        ends.map_or_else(String::new, |ends| {
            ends.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
        })
    }

    /// Lets a request in that may take so many tokens, or says which of its limits is against it, how long to wait, and what
    /// is left.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(
        &self,
        tokens: u64,
        now: Instant,
    ) -> Result<RequestPermit, (LimitExceeded, Duration, RateLimitStatus)> {
        self.gate.admit(&self.terms.load().limits, tokens, now)
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
        match self.fund(leases, now) {
            Some(fund) => reserve_of(&fund, leases, amount).await.map(Some),
            None => Ok(None),
        }
    }

    /// The money of the window that now is; `None` without a budget.
    pub(super) fn fund(&self, leases: &LeaseBroker, now: Timestamp) -> Option<Arc<BudgetLease>> {
        let terms = self.terms.load();
        let budget = terms.budget?;
        match self.current(&budget, now) {
            Some(fund) => Some(fund),
            None => Some(self.turn_over(leases, &terms.zone, &budget, now)),
        }
    }

    fn current(&self, budget: &ClientBudget, now: Timestamp) -> Option<Arc<BudgetLease>> {
        let fund = self.fund.load_full()?;
        let fits = is_of_kind(&fund.window().id, budget.per) && fund.limit() == budget.amount.0;
        (fits && !fund.has_ended(now)).then_some(fund)
    }

    /// Begins the next window, or takes over another budget.
    fn turn_over(
        &self,
        leases: &LeaseBroker,
        zone: &TimeZone,
        budget: &ClientBudget,
        now: Timestamp,
    ) -> Arc<BudgetLease> {
        // One at a time, a few times a day: requests that find the current window never come here.
        let _alone = leases.rolling();
        if let Some(fund) = self.current(budget, now) {
            return fund;
        }
        let window = self.next_window(leases, zone, budget, now);
        let kept = leases.keeps_records();
        if let Some(fund) = self.fund.load_full().filter(|fund| fund.window().id == window.id) {
            let before = fund.set_limit(budget.amount.0);
            if !kept {
                fund.purse().put(budget.amount.0.saturating_sub(before));
            }
            return fund;
        }
        let at_hand = if kept { Money::ZERO } else { budget.amount };
        let fund = Arc::new(BudgetLease::new(&self.client, window, budget.amount, at_hand));
        // What an upstream took beyond the last window's end is paid out of this one.
        let debt = self.fund.load_full().map_or(0, |before| before.purse().take_debt());
        fund.purse().put(debt.saturating_neg());
        if kept {
            fund.set_unleased(leases.before().of(fund.key()).unleased(budget.amount.0));
        }
        self.fund.store(Some(Arc::clone(&fund)));
        fund
    }

    /// The window around now, but never one before a window that money was spent in: a clock that is put back does not
    /// give a budget twice.
    fn next_window(
        &self,
        leases: &LeaseBroker,
        zone: &TimeZone,
        budget: &ClientBudget,
        now: Timestamp,
    ) -> BudgetPeriod {
        let window = BudgetPeriod::around(now, budget.per, zone);
        let known = self.fund.load_full().map(|fund| Arc::clone(&fund.window().id));
        let known = known.filter(|id| is_of_kind(id, budget.per));
        let stored = leases.before().latest_like(&self.client, &window.id);
        let latest = known.into_iter().chain(stored).max().filter(|latest| *latest > window.id);
        latest.and_then(|latest| BudgetPeriod::named(&latest, budget.per, zone)).unwrap_or(window)
    }
}

/// Sets aside an amount of this fund.
///
/// # Errors
/// As for [`ClientQuota::reserve`].
pub async fn reserve_of(
    fund: &Arc<BudgetLease>,
    leases: &LeaseBroker,
    amount: Money,
) -> Result<Reservation, BudgetRefusal> {
    if fund.purse().take(amount.0) {
        leases.ask_in_advance(fund);
        return Ok(Reservation::new(Arc::clone(fund), amount.0));
    }
    if !leases.keeps_records() {
        return Err(BudgetRefusal::Spent);
    }
    let (reply, answer) = oneshot::channel();
    leases.order(WriterCommand::Lend(Arc::clone(fund), Some(PendingLease { need: amount.0, reply })));
    // A clerk that is gone answers nobody, and one that is held up may answer too late: then the money goes back.
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
