//! Money that may be spent without asking anyone. The only state that requests of one client share on their way, and
//! so nothing but one number.

use super::atomic::{AtomicI64, Ordering};

/// Money at hand, in nano-units. Below zero when more was spent than was reserved.
#[derive(Debug)]
pub struct LocalBalance(AtomicI64);

impl LocalBalance {
    /// With so much in it.
    pub fn new(amount: i64) -> Self {
        Self(AtomicI64::new(amount))
    }

    /// What is in it.
    pub fn holds(&self) -> i64 {
        self.0.load(Ordering::Acquire)
    }

    /// Takes this much out, or nothing where less is there.
    pub fn take(&self, amount: i64) -> bool {
        self.change(|holds| if holds >= amount { holds.checked_sub(amount) } else { None }).is_some()
    }

    /// Puts this much in; a negative amount is a debt that is taken out, whatever is there.
    pub fn put(&self, amount: i64) {
        self.change(|holds| Some(holds.saturating_add(amount)));
    }

    /// Takes out what is more than `keep`; gives how much that was.
    pub fn take_above(&self, keep: i64) -> i64 {
        let excess = |holds: i64| (holds > keep).then_some(keep);
        self.change(excess).map_or(0, |before| before - keep)
    }

    /// Takes away what it lacks; gives how much that was.
    pub fn take_debt(&self) -> i64 {
        let lack = |holds: i64| (holds < 0).then_some(0);
        self.change(lack).map_or(0, i64::saturating_neg)
    }

    /// Changes what it holds in one step; gives what it held before, or `None` where nothing is to be changed.
    fn change(&self, next: impl Fn(i64) -> Option<i64>) -> Option<i64> {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok()
    }
}
