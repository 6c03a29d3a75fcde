//! Ledgers that fail on purpose, for the tests of what stands on them.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::Dispatch;

use super::Ledger;
use super::balance::{BalanceKey, Balances};
use super::record_batch::RecordBatch;
use super::store::{BudgetStore, GrantedLease, LeaseRequest, ReturnOutcome};
use super::store_error::StoreError;

/// One whose writer dies of its first order; in a Redis or in a file.
pub fn mortal(shared: bool) -> Arc<Ledger> {
    let ledger =
        Ledger::with_writer(Box::new(FaultyStore), Balances::default(), &Dispatch::none()).expect("a thread");
    Arc::new(Ledger { spends_what_is_at_hand: shared, ..ledger })
}

/// A store with a fault that no one thought of.
struct FaultyStore;

impl BudgetStore for FaultyStore {
    fn commit(&mut self, _: &RecordBatch, _: &[LeaseRequest]) -> Result<Vec<GrantedLease>, StoreError> {
        panic!("a fault of the test")
    }

    fn take_back(&mut self, _: &[(BalanceKey, i64, i64)]) -> ReturnOutcome {
        panic!("a fault of the test")
    }

    fn probe(&mut self, _: Timestamp) -> Result<(), StoreError> {
        panic!("a fault of the test")
    }

    fn tidy(&mut self, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> String {
        "faulty".to_owned()
    }
}
