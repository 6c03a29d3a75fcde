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

/// A book, and what its lines add up to.
pub struct FileStore {
    book: LedgerFile,
    balances: Balances,
    keep: Duration,
    at_most: u64,
}

impl FileStore {
    /// Over an open book.
    pub fn new(opened: LoadedLedger, state: &EmbeddedStateConfig) -> Self {
        Self { book: opened.book, balances: opened.balances, keep: state.keep, at_most: state.at_most }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.book.sync().map_err(|why| {
            self.book.drop_pending();
            why.into()
        })
    }
}

impl BudgetStore for FileStore {
    fn commit(
        &mut self,
        requests: &RecordBatch,
        wishes: &[LeaseRequest],
    ) -> Result<Vec<GrantedLease>, StoreError> {
        let mut undo: Vec<(BalanceKey, Balance)> = Vec::new();
        for request in requests.iter_from(0) {
            if let Some(paid) = request.paid {
                undo.push((paid.key.clone(), self.balances.of(&paid.key)));
                self.balances.spend(&paid.key, paid.amount);
            }
            self.book.write_request(request.time, request.json);
        }
        let mut lent = Vec::with_capacity(wishes.len());
        for LeaseRequest { key, limit, amount } in wishes {
            let before = self.balances.of(key);
            let amount = before.unleased(*limit).min(*amount);
            if amount > 0 {
                undo.push((key.clone(), before));
                self.balances.lend(key, amount);
                self.book.write(&LedgerEntry::Lease { key: key.clone(), amount });
            }
            lent.push(GrantedLease { amount, unleased: self.balances.of(key).unleased(*limit) });
        }
        self.sync().inspect_err(|_| {
            undo.into_iter().rev().for_each(|(key, before)| self.balances.set(&key, before))
        })?;
        Ok(lent)
    }

    fn take_back(&mut self, amounts: &[(BalanceKey, i64, i64)]) -> ReturnOutcome {
        for (key, _, amount) in amounts {
            self.book.write(&LedgerEntry::Back { key: key.clone(), amount: *amount });
        }
        if self.sync().is_err() {
            return ReturnOutcome::Kept;
        }
        amounts.iter().for_each(|(key, _, amount)| self.balances.lend(key, -amount));
        ReturnOutcome::Back(
            amounts.iter().map(|(key, limit, _)| self.balances.of(key).unleased(*limit)).collect(),
        )
    }

    fn probe(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.book.write_open(now);
        self.sync()
    }

    fn tidy(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let keep = SignedDuration::try_from(self.keep).ok();
        let since = keep.and_then(|keep| now.checked_sub(keep).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        // A day's worth at least, so that not every look makes a new file.
        let stale = self.book.oldest().is_some_and(|oldest| oldest < since - SignedDuration::from_hours(24));
        if self.book.size() <= self.at_most && !stale {
            return Ok(());
        }
        let keep = RetentionPolicy { since, bytes: self.at_most / 4 * 3 };
        Ok(self.book.compact(&self.balances, now, &keep)?)
    }

    fn name(&self) -> String {
        self.book.path().display().to_string()
    }
}
