//! What budgets ask of the ledger: whether anything is kept, what was spent before, and leases of the writer's thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::balance::Balances;
use super::budget_lease::BudgetLease;
use super::writer::WriterCommand;

/// Where clients' budgets come from.
#[derive(Debug)]
pub struct LeaseBroker {
    /// `None`: nothing is kept, and every budget is at hand as a whole.
    writer: Option<Sender<WriterCommand>>,
    up: Arc<AtomicBool>,
    /// Whether there still is a writer; one that a panic has ended is not replaced.
    alive: Arc<AtomicBool>,
    /// The periods that clients were in when the last process ended.
    before: Balances,
    rolling: Mutex<()>,
}

impl LeaseBroker {
    /// One that forgets everything with the process.
    pub(super) fn without_memory() -> Self {
        Self {
            writer: None,
            up: Arc::new(AtomicBool::new(true)),
            alive: Arc::new(AtomicBool::new(true)),
            before: Balances::default(),
            rolling: Mutex::default(),
        }
    }

    /// One whose leases the writer gives. `up` and `alive` are what the writer says of the store and of itself.
    pub(super) fn new(
        writer: Sender<WriterCommand>,
        up: Arc<AtomicBool>,
        alive: Arc<AtomicBool>,
        before: Balances,
    ) -> Self {
        Self { writer: Some(writer), up, alive, before, rolling: Mutex::default() }
    }

    /// Whether the store works.
    #[inline]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Whether there is someone to write down; where not, by a fault of this build, only a restart helps.
    #[inline]
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Whether requests are written down at all.
    #[inline]
    pub fn keeps_records(&self) -> bool {
        self.writer.is_some()
    }

    /// Gives the writer a command; `false` where nobody takes it.
    pub(super) fn send(&self, command: WriterCommand) -> bool {
        match &self.writer {
            Some(writer) if writer.send(command).is_ok() => true,
            Some(_) => {
                // The writer is gone, and with it every promise.
                self.up.store(false, Ordering::Release);
                self.alive.store(false, Ordering::Release);
                false
            }
            None => false,
        }
    }

    /// Asks for the next part of a budget before it is needed.
    pub(super) fn ask_in_advance(&self, lease: &Arc<BudgetLease>) {
        if self.keeps_records() && lease.wants_more() {
            self.send(WriterCommand::Lease(Arc::clone(lease), None));
        }
    }

    /// What was spent before this process began.
    pub(super) fn before(&self) -> &Balances {
        &self.before
    }

    /// Held while a client's budget goes on to the next period.
    pub(super) fn rolling(&self) -> MutexGuard<'_, ()> {
        self.rolling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
