//! For tests: ledgers that fail on purpose, and the readers of a file, given its bytes.

use std::sync::Arc;

use jiff::Timestamp;
use tracing::Dispatch;

use super::Ledger;
use super::balance::{Balance, BalanceKey, Balances};
use super::ledger_file::{LedgerReader, copy_sound_lines, read_entries};
use super::line::LedgerEntry;
use super::record_batch::RecordBatch;
use super::store::{BudgetStore, GrantedLease, LeaseRequest, ReturnOutcome};
use super::store_error::StoreError;

/// One whose writer dies of its first order; in a Redis or in a file.
pub fn mortal(shared: bool) -> Arc<Ledger> {
    let ledger =
        Ledger::with_writer(Box::new(FaultyStore), Balances::default(), &Dispatch::none()).expect("a thread");
    Arc::new(Ledger { spends_what_is_at_hand: shared, ..ledger })
}

/// What a gateway finds in a file that it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedFile {
    /// Every budget's state, in the order of keys.
    pub balances: Vec<(BalanceKey, Balance)>,
    /// Bytes up to the end of the last sound line.
    pub sound: u64,
    /// The number of the next line.
    pub next: u64,
}

/// What a gateway finds in a file of these bytes; `None` where it is damaged before its end.
pub fn replay(file: &[u8]) -> Option<ReplayedFile> {
    let mut reader = LedgerReader::default();
    let damage = reader.read(file).expect("memory can be read");
    let mut balances: Vec<_> = reader.balances.iter().map(|(key, balance)| (key.clone(), *balance)).collect();
    balances.sort_by(|(one, _), (other, _)| one.cmp(other));
    damage.is_none().then_some(ReplayedFile { balances, sound: reader.sound, next: reader.next })
}

/// The entries of a file of these bytes, as a report reads them, and how many damaged lines it has.
pub fn entries(file: &[u8]) -> (Vec<LedgerEntry>, u64) {
    let mut entries = Vec::new();
    let damaged = read_entries(file, |entry| entries.push(entry)).expect("memory can be read");
    (entries, damaged)
}

/// What `xietong salvage` keeps of a file of these bytes.
pub fn salvaged(file: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    copy_sound_lines(file, &mut kept).expect("memory can be read and written");
    kept
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
