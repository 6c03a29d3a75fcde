//! What exploring may cost.

use std::sync::{Arc, Mutex, PoisonError};

use gateway_config::BudgetPeriodLength;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use router_policies::Money;
use router_policies::policies::{SpendPeriod, SpendTarget};

use ledger::budget_period::BudgetPeriod;

/// An amount for each hour or day, of which the worst case is taken before anything is asked.
pub(super) struct SpendLimiter {
    amount: Money,
    per: BudgetPeriodLength,
    zone: TimeZone,
    /// The period under way, and what was taken in it.
    spent: Mutex<(Arc<str>, Money)>,
}

impl SpendLimiter {
    pub(super) fn new(spend: SpendTarget, zone: &TimeZone) -> Self {
        let per = match spend.per {
            SpendPeriod::Hour => BudgetPeriodLength::Hour,
            SpendPeriod::Day => BudgetPeriodLength::Day,
        };
        let amount = Money::from_units(spend.amount).unwrap_or_default();
        Self { amount, per, zone: zone.clone(), spent: Mutex::new(("".into(), Money::ZERO)) }
    }

    /// Takes an amount, if there is that much.
    pub(super) fn take(&self, amount: Money) -> bool {
        let window = BudgetPeriod::around(Timestamp::now(), self.per, &self.zone);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.0 != window.id {
            *spent = (window.id, Money::ZERO);
        }
        let next = spent.1.saturating_add(amount);
        let enough = next <= self.amount;
        if enough {
            spent.1 = next;
        }
        enough
    }

    /// Gives back what was not used.
    pub(super) fn give_back(&self, amount: Money) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.1 = spent.1.saturating_sub(amount).max(Money::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let spend_limiter =
            SpendLimiter::new(SpendTarget { amount: 1.0, per: SpendPeriod::Day }, &TimeZone::UTC);
        let tenths = |count: i64| Money(count * 100_000_000);
        assert!(
            spend_limiter.take(tenths(6)) && !spend_limiter.take(tenths(5)) && spend_limiter.take(tenths(4))
        );
        assert!(!spend_limiter.take(Money(1)));
        spend_limiter.give_back(tenths(3));
        assert!(!spend_limiter.take(tenths(4)) && spend_limiter.take(tenths(3)));
    }
}
