//! Where the writer keeps things: what a store must promise, whatever it is made of.

use jiff::Timestamp;

use super::balance::BalanceKey;
use super::record_batch::RecordBatch;
use super::store_error::StoreError;

/// A part of a budget that is asked for.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// Whose.
    pub key: BalanceKey,
    /// The whole budget, in nano-units.
    pub limit: i64,
    /// How much, in nano-units; less is given where less is left.
    pub amount: i64,
}

/// What a budget gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GrantedLease {
    /// In nano-units.
    pub amount: i64,
    /// What is left to be leased.
    pub unleased: i64,
}

/// What became of money that was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReturnOutcome {
    /// It is back; this is what is left to be leased, of each budget.
    Back(Vec<i64>),
    /// It is not, and stays at hand.
    Kept,
    /// Nobody knows: it must not be spent, and is lost for the budget's time.
    Lost,
}

/// Budgets and records that outlive the process.
pub trait BudgetStore: Send {
    /// Makes requests durable and leases parts of budgets, one for each request. Only what is durable when this returns may be
    /// handed out. What fails may be given again: the same requests are never counted twice.
    ///
    /// # Errors
    /// Then nothing was leased that could be spent.
    fn commit(
        &mut self,
        requests: &RecordBatch,
        lease_requests: &[LeaseRequest],
    ) -> Result<Vec<GrantedLease>, StoreError>;

    /// Takes money back.
    fn take_back(&mut self, amounts: &[(BalanceKey, i64, i64)]) -> ReturnOutcome;

    /// Tries whether it works again.
    ///
    /// # Errors
    /// Then it does not.
    fn probe(&mut self, now: Timestamp) -> Result<(), StoreError>;

    /// Drops what is older or more than may be kept, from time to time.
    ///
    /// # Errors
    /// Then all is kept.
    fn tidy(&mut self, now: Timestamp) -> Result<(), StoreError>;

    /// What it is called in notes.
    fn name(&self) -> String;
}
