//! How much of each budget is leased out and spent.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Whose budget, and for which hour, day or month.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BalanceKey {
    /// The client's name.
    pub client: Arc<str>,
    /// The window's name.
    pub period: Arc<str>,
}

/// A budget's state, in nano-units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Balance {
    /// Leased to running gateways and not given back; what they have spent of it is in it.
    pub leased: i64,
    /// Spent by requests that are over, or lost with a gateway that ended without giving back.
    pub spent: i64,
}

impl Balance {
    /// What may still be leased out of `limit`.
    pub fn unleased(&self, limit: i64) -> i64 {
        limit.saturating_sub(self.leased.max(self.spent)).max(0)
    }
}

/// Every budget's state.
#[derive(Debug, Clone, Default)]
pub struct Balances(HashMap<BalanceKey, Balance>);

impl Balances {
    /// A budget's state; all zero when nothing was heard of it.
    pub fn of(&self, key: &BalanceKey) -> Balance {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// Sets a budget's state.
    pub fn set(&mut self, key: &BalanceKey, balance: Balance) {
        self.0.insert(key.clone(), balance);
    }

    /// `amount` more is leased; a negative one was given back.
    pub fn lease(&mut self, key: &BalanceKey, amount: i64) {
        let balance = self.0.entry(key.clone()).or_default();
        balance.leased = balance.leased.saturating_add(amount);
    }

    /// `amount` more is spent.
    pub fn spend(&mut self, key: &BalanceKey, amount: i64) {
        let balance = self.0.entry(key.clone()).or_default();
        balance.spent = balance.spent.saturating_add(amount);
    }

    /// Counts as spent whatever is leased out: nobody is left who could give it back. Gives what changed.
    pub fn sweep(&mut self) -> Vec<(BalanceKey, Balance)> {
        let open = self.0.iter_mut().filter(|(_, balance)| balance.leased != balance.spent);
        let swept = open.map(|(key, balance)| {
            let all = balance.leased.max(balance.spent);
            *balance = Balance { leased: all, spent: all };
            (key.clone(), *balance)
        });
        swept.collect()
    }

    /// The latest window of this client whose name looks like `sample`, such as another day.
    pub fn latest_like(&self, client: &str, sample: &str) -> Option<Arc<str>> {
        let same = self.0.keys().filter(|key| &*key.client == client && key.period.len() == sample.len());
        same.map(|key| &key.period).max().cloned()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&BalanceKey, &Balance)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, period: &str) -> BalanceKey {
        BalanceKey { client: client.into(), period: period.into() }
    }

    #[test]
    fn what_nobody_can_give_back_is_spent() {
        let mut balances = Balances::default();
        let (a, b) = (key("a", "2026-11-24"), key("b", "2026-11-24"));
        balances.lease(&a, 100);
        balances.spend(&a, 30);
        balances.lease(&a, -20);
        // More was spent than was reserved.
        balances.lease(&b, 10);
        balances.spend(&b, 15);
        assert_eq!(balances.of(&a).unleased(200), 120);
        assert_eq!(balances.of(&b).unleased(12), 0);
        assert_eq!(balances.sweep().len(), 2);
        assert_eq!(balances.of(&a), Balance { leased: 80, spent: 80 });
        assert_eq!(balances.of(&b), Balance { leased: 15, spent: 15 });
        assert!(balances.sweep().is_empty());
    }

    #[test]
    fn the_latest_window_of_a_kind() {
        let mut balances = Balances::default();
        for period in ["2026-11-23", "2026-11-25", "2026-12", "2026-11-25T01Z"] {
            balances.lease(&key("a", period), 1);
        }
        balances.lease(&key("b", "2026-11-26"), 1);
        assert_eq!(balances.latest_like("a", "2026-11-24").as_deref(), Some("2026-11-25"));
        assert_eq!(balances.latest_like("c", "2026-11-24"), None);
    }
}
