//! A budget's part that this process may spend without asking, and what requests hold of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::Timestamp;
use router_policies::Money;

use super::balance::BalanceKey;
use super::budget_period::BudgetPeriod;
use super::local_balance::LocalBalance;
use super::usage_record::BudgetDebit;

/// A client's money for one hour, day or month.
#[derive(Debug)]
pub struct BudgetLease {
    key: BalanceKey,
    period: BudgetPeriod,
    balance: LocalBalance,
    limit: AtomicI64,
    unleased: AtomicI64,
    asking: AtomicBool,
    known: AtomicBool,
}

/// Why nothing could be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetRefusal {
    /// The budget does not cover it.
    Spent,
    /// The ledger cannot be written, so that nothing may be spent.
    Unavailable,
}

impl BudgetLease {
    /// For a client's period, with so much at hand of `limit`.
    pub fn new(client: &Arc<str>, period: BudgetPeriod, limit: Money, at_hand: Money) -> Self {
        Self {
            key: BalanceKey { client: Arc::clone(client), period: Arc::clone(&period.id) },
            period,
            balance: LocalBalance::new(at_hand.0),
            limit: AtomicI64::new(limit.0),
            unleased: AtomicI64::new(0),
            asking: AtomicBool::new(false),
            known: AtomicBool::new(false),
        }
    }

    /// Whose, and of when.
    #[inline]
    pub fn key(&self) -> &BalanceKey {
        &self.key
    }

    /// Its time.
    #[inline]
    pub fn period(&self) -> &BudgetPeriod {
        &self.period
    }

    /// What is at hand.
    #[inline]
    pub fn balance(&self) -> &LocalBalance {
        &self.balance
    }

    /// The whole budget, in nano-units.
    #[inline]
    pub fn limit(&self) -> i64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets the whole budget; gives what it was.
    #[inline]
    pub fn set_limit(&self, limit: i64) -> i64 {
        self.limit.swap(limit, Ordering::Relaxed)
    }

    /// What is leased at a time: a 64th of the budget, so that hardly anything is lost with a process that crashes.
    #[inline]
    pub fn portion(&self) -> i64 {
        (self.limit() / 64).max(1)
    }

    /// Above this, money lies idle that another process could use.
    #[inline]
    pub fn idle_above(&self) -> i64 {
        self.portion().saturating_mul(4)
    }

    /// Whether its time is over.
    #[inline]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        now >= self.period.ends
    }

    /// What the store said is left beside what was leased.
    #[inline]
    pub fn set_unleased(&self, amount: i64) {
        self.unleased.store(amount, Ordering::Relaxed);
    }

    /// What requests to come may spend: what is at hand here and what nobody has leased.
    #[inline]
    pub fn remaining(&self) -> Money {
        Money(self.unleased.load(Ordering::Relaxed).saturating_add(self.balance.holds()))
    }

    /// Whether more should be asked for in advance; says so once until [`BudgetLease::answered`].
    #[inline]
    pub fn wants_more(&self) -> bool {
        self.balance.holds() < self.portion() / 2 && !self.asking.swap(true, Ordering::Relaxed)
    }

    /// Whether the writer hears of it for the first time.
    #[inline]
    pub fn becomes_known(&self) -> bool {
        !self.known.swap(true, Ordering::Relaxed)
    }

    /// What was asked for in advance is here, or not to be had.
    #[inline]
    pub fn answered(&self) {
        self.asking.store(false, Ordering::Relaxed);
    }
}

/// Money set aside for one request. Dropped unused it goes back; once something was sent on its account it does not,
/// until it is settled.
#[derive(Debug)]
pub struct Reservation {
    lease: Arc<BudgetLease>,
    amount: i64,
    in_use: bool,
}

impl Reservation {
    /// Over money that was taken out of the lease.
    #[inline]
    pub fn new(lease: Arc<BudgetLease>, amount: i64) -> Self {
        Self { lease, amount, in_use: false }
    }

    /// How much.
    #[inline]
    pub fn amount(&self) -> Money {
        Money(self.amount)
    }

    /// Whose.
    #[inline]
    pub fn lease(&self) -> &Arc<BudgetLease> {
        &self.lease
    }

    /// From now on it may be spent by others: it comes back by [`Reservation::settle`] alone.
    #[inline]
    pub fn put_to_use(&mut self) {
        self.in_use = true;
    }

    /// Takes over another's money, of the same lease.
    #[inline]
    pub fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.lease, &other.lease));
        self.amount = self.amount.saturating_add(std::mem::take(&mut other.amount));
    }

    /// Ends it: this much was spent, and the rest goes back. More than was reserved is taken from what is at hand.
    #[inline]
    pub fn settle(mut self, spent: Money) -> BudgetDebit {
        let amount = std::mem::take(&mut self.amount);
        self.lease.balance.put(amount.saturating_sub(spent.0));
        BudgetDebit { key: self.lease.key.clone(), amount: spent.0 }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.in_use && self.amount != 0 {
            self.lease.balance.put(self.amount);
        }
    }
}
