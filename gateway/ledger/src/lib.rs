//! Reservations, budgets and records of requests; README.md says how they hold in a crash.
//!
//! - `client_quota`: a client's limits and money, found by each of its requests without asking anyone.
//! - `rate_limiter`: requests and tokens of a client in any minute.
//! - `budget_lease`, `local_balance`: the part of a budget that this process may spend; one atomic number.
//! - `lease_broker`: what a budget asks of the ledger.
//! - `budget_period`: hours, days and months.
//! - `writer`: the thread that leases and writes down, many in one sync.
//! - `store`: what it keeps them in; `file_store`, a file of this process, or `redis_store`, a Redis.
//! - `ledger_file`, `line`, `balance`, `usage_record`: the file, its lines, what they add up to, and what a request leaves.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "a test may wait, and sees what it starts fail"
    )
)]

pub mod balance;
pub mod budget_lease;
pub mod budget_period;
pub mod client_quota;
pub mod lease_broker;
pub mod ledger_file;
pub mod line;
pub mod rate_limiter;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod usage_record;

mod file_store;
mod local_balance;
mod record_batch;
mod redis_store;
mod store;
mod store_error;
mod writer;

/// The atomics that [`local_balance`] is made of; its test under every order of steps has others.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicI64, Ordering};
}

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{channel, sync_channel};
use std::time::Duration;

use dashmap::DashMap;
use gateway_config::{ClientConfig, EmbeddedStateConfig, GatewayConfig, StateConfig};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{Dispatch, dispatcher, warn};

pub use ledger_file::LedgerFileError;
pub use line::LedgerEntry;
pub use redis_store::{read as read_shared, scripts};
pub use store_error::StoreError;

use balance::Balances;
use client_quota::ClientQuota;
use file_store::FileStore;
use lease_broker::LeaseBroker;
use ledger_file::{LedgerFile, LoadedLedger};
use redis_store::RedisStore;
use store::BudgetStore;
use usage_record::UsageRecord;
use writer::{LedgerWriter, PendingRecords, WriterCommand, WriterStatus};

/// How long the end of a process waits for the last sync.
const LAST_SYNC: Duration = Duration::from_secs(10);

/// Where money is leased and requests are written down.
pub struct Ledger {
    leases: LeaseBroker,
    pending: Arc<PendingRecords>,
    /// Whether a store that fails stops only what would have to be leased: others see to it that nothing is overrun.
    spends_what_is_at_hand: bool,
    quotas: DashMap<String, Arc<ClientQuota>>,
}

impl Ledger {
    /// Opens what the configuration says. What the operator should know goes to `notes`, then and later.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub fn open(config: &GatewayConfig, notes: &Dispatch) -> Result<Arc<Self>, LedgerFileError> {
        match &config.state {
            StateConfig::None => Ok(Arc::new(Self::without_memory())),
            StateConfig::Embedded(state) => {
                let opened = LedgerFile::open(&state.path, Timestamp::now())?;
                Self::in_file(opened, state, notes).map_err(LedgerFileError::from)
            }
            StateConfig::Redis(state) => {
                let store = RedisStore::new(state).map_err(LedgerFileError::Shared)?;
                let ledger = Self::with_writer(Box::new(store), Balances::default(), notes)?;
                Ok(Arc::new(Self { spends_what_is_at_hand: true, ..ledger }))
            }
        }
    }

    fn in_file(
        opened: LoadedLedger,
        state: &EmbeddedStateConfig,
        notes: &Dispatch,
    ) -> std::io::Result<Arc<Self>> {
        dispatcher::with_default(notes, || {
            opened.notes.iter().for_each(|note| warn!(target: "xietong::ledger", "{note}"));
        });
        let before = opened.balances.clone();
        Self::with_writer(Box::new(FileStore::new(opened, state)), before, notes).map(Arc::new)
    }

    fn with_writer(store: Box<dyn BudgetStore>, before: Balances, notes: &Dispatch) -> std::io::Result<Self> {
        let up = Arc::new(AtomicBool::new(true));
        let (writer, commands) = channel();
        let alive = Arc::new(AtomicBool::new(true));
        let status = WriterStatus { up: Arc::clone(&up), alive: Arc::clone(&alive) };
        let pending = Arc::new(PendingRecords::default());
        let notes = notes.clone();
        let worker = LedgerWriter::new(store, commands, Arc::clone(&pending), status);
        std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || dispatcher::with_default(&notes, || worker.work()))?;
        let leases = LeaseBroker::new(writer, up, alive, before);
        Ok(Self { leases, pending, ..Self::without_memory() })
    }

    /// One that forgets everything with the process.
    pub fn without_memory() -> Self {
        Self {
            leases: LeaseBroker::without_memory(),
            pending: Arc::default(),
            spends_what_is_at_hand: false,
            quotas: DashMap::new(),
        }
    }

    /// The client's quota, the same one for as long as the process lives, with the limits of this configuration.
    pub fn quota(self: &Arc<Self>, client: &ClientConfig, zone: &TimeZone) -> Arc<ClientQuota> {
        let quota = self
            .quotas
            .entry(client.name.clone())
            .or_insert_with(|| Arc::new(ClientQuota::new(&client.name)));
        let quota = Arc::clone(&quota);
        quota.apply(client, zone);
        quota
    }

    /// Where clients' budgets come from.
    pub fn leases(&self) -> &LeaseBroker {
        &self.leases
    }

    /// Whether the store works.
    pub fn is_up(&self) -> bool {
        self.leases.is_up()
    }

    /// Whether there is someone to write down; where not, by a fault of this build, only a restart helps.
    pub fn is_alive(&self) -> bool {
        self.leases.is_alive()
    }

    /// Whether paid models may be asked: what is spent can be written down, or is leased already.
    pub fn may_spend(&self) -> bool {
        self.is_alive() && (self.spends_what_is_at_hand || self.is_up())
    }

    /// Whether requests are written down at all.
    pub fn keeps_records(&self) -> bool {
        self.leases.keeps_records()
    }

    /// Writes down a request, soon.
    pub fn record(&self, record: UsageRecord<'_>) {
        if self.keeps_records() && self.is_alive() && self.pending.put(record) {
            self.leases.send(WriterCommand::Look);
        }
    }

    /// Waits until everything so far is durable; `false` where it could not be made so.
    pub fn flush(&self) -> bool {
        let (done, wait) = sync_channel(1);
        !self.keeps_records()
            || (self.leases.send(WriterCommand::Flush(done)) && wait.recv_timeout(LAST_SYNC).unwrap_or(false))
    }

    /// Gives back what is at hand and ends the writer.
    pub fn stop(&self) {
        let (done, wait) = sync_channel(1);
        if self.leases.send(WriterCommand::Stop(done)) {
            let _ = wait.recv_timeout(LAST_SYNC);
        }
    }

    /// What each client may still spend in its period.
    pub fn remaining(&self) -> Vec<(String, router_policies::Money)> {
        let now = Timestamp::now();
        let quotas: Vec<Arc<ClientQuota>> = self.quotas.iter().map(|quota| Arc::clone(&quota)).collect();
        let of = |quota: &Arc<ClientQuota>| {
            Some((quota.client().to_string(), quota.lease(&self.leases, now)?.remaining()))
        };
        quotas.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests;
