//! A store in a file of this process.

use std::time::Duration;

use gateway_config::EmbeddedStateConfig;
use jiff::{SignedDuration, Timestamp};

use super::balance::{Balance, BalanceKey, Balances};
use super::ledger_file::{LedgerFile, LoadedLedger, RetentionPolicy};
use super::line::LedgerEntry;
use super::record_batch::RecordBatch;
use super::store::{BudgetStore, GrantedLease, LeaseRequest, ReturnOutcome};
use super::store_error::StoreError;

/// A ledger file, and what its lines add up to.
pub struct FileStore {
    file: LedgerFile,
    balances: Balances,
    keep: Duration,
    at_most: u64,
}

impl FileStore {
    /// Over an open ledger file.
    pub fn new(opened: LoadedLedger, state: &EmbeddedStateConfig) -> Self {
        Self { file: opened.file, balances: opened.balances, keep: state.keep, at_most: state.at_most }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file.sync().map_err(|why| {
            self.file.drop_pending();
            why.into()
        })
    }
}

impl BudgetStore for FileStore {
    fn commit(
        &mut self,
        requests: &RecordBatch,
        lease_requests: &[LeaseRequest],
    ) -> Result<Vec<GrantedLease>, StoreError> {
        let mut undo: Vec<(BalanceKey, Balance)> = Vec::new();
        for request in requests.iter_from(0) {
            if let Some(paid) = request.paid {
                undo.push((paid.key.clone(), self.balances.of(&paid.key)));
                self.balances.spend(&paid.key, paid.amount);
            }
            self.file.write_request(request.time, request.json);
        }
        let mut granted = Vec::with_capacity(lease_requests.len());
        for LeaseRequest { key, limit, amount } in lease_requests {
            let before = self.balances.of(key);
            let amount = before.unleased(*limit).min(*amount);
            if amount > 0 {
                undo.push((key.clone(), before));
                self.balances.lease(key, amount);
                self.file.write(&LedgerEntry::Lease { key: key.clone(), amount });
            }
            granted.push(GrantedLease { amount, unleased: self.balances.of(key).unleased(*limit) });
        }
        self.sync().inspect_err(|_| {
            undo.into_iter().rev().for_each(|(key, before)| self.balances.set(&key, before))
        })?;
        Ok(granted)
    }

    fn take_back(&mut self, amounts: &[(BalanceKey, i64, i64)]) -> ReturnOutcome {
        for (key, _, amount) in amounts {
            self.file.write(&LedgerEntry::Back { key: key.clone(), amount: *amount });
        }
        if self.sync().is_err() {
            return ReturnOutcome::Kept;
        }
        amounts.iter().for_each(|(key, _, amount)| self.balances.lease(key, -amount));
        ReturnOutcome::Back(
            amounts.iter().map(|(key, limit, _)| self.balances.of(key).unleased(*limit)).collect(),
        )
    }

    fn probe(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.file.write_open(now);
        self.sync()
    }

    fn tidy(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let keep = SignedDuration::try_from(self.keep).ok();
        let since = keep.and_then(|keep| now.checked_sub(keep).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        // A day's worth at least, so that not every look makes a new file.
        let stale = self.file.oldest().is_some_and(|oldest| oldest < since - SignedDuration::from_hours(24));
        if self.file.size() <= self.at_most && !stale {
            return Ok(());
        }
        let keep = RetentionPolicy { since, bytes: self.at_most / 4 * 3 };
        Ok(self.file.compact(&self.balances, now, &keep)?)
    }

    fn name(&self) -> String {
        self.file.path().display().to_string()
    }
}
