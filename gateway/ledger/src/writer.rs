//! Keeps the store in a thread of its own: leases parts of budgets and writes down requests that are over, many
//! in one sync. Requests wait for it only where what was leased is used up.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a thread of its own, which no test's clock holds"
)]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::budget_lease::{BudgetLease, BudgetRefusal, Reservation};
use super::record_batch::RecordBatch;
use super::store::{BudgetStore, GrantedLease, LeaseRequest, ReturnOutcome};
use super::store_error::StoreError;
use super::usage_record::UsageRecord;

/// Orders that are carried out in one sync.
const BATCH: usize = 4096;
/// How long what is written down waits for more, so that a busy gateway does not sync for every request.
const GATHER: Duration = Duration::from_millis(10);
/// How often unused money goes back, and a store that failed is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often the store is looked at for old requests.
const TIDY: Duration = Duration::from_secs(3600);
/// Requests that wait for a store that failed; more are lost, and said to be.
const UNSAVED: usize = 200_000;

/// What the writer is asked to do.
#[derive(Debug)]
pub enum WriterCommand {
    /// Lease to this budget: what a request needs, or, where no one waits, something in advance.
    Lease(Arc<BudgetLease>, Option<PendingLease>),
    /// Look into the queue, soon.
    Look,
    /// Say when everything before is durable, or that it is not.
    Flush(SyncSender<bool>),
    /// Take everything back, and end.
    Stop(SyncSender<()>),
}

/// A request that waits for money.
#[derive(Debug)]
pub struct PendingLease {
    /// In nano-units.
    pub need: i64,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reservation, BudgetRefusal>>,
}

/// Requests that are over, until the writer writes them down. Apart from the orders, since each of those wakes the writer.
#[derive(Default)]
pub struct PendingRecords(Mutex<RecordBatch>);

impl PendingRecords {
    /// Puts a request in; `true` where it lay empty, so that the writer must be told.
    pub fn put(&self, record: UsageRecord<'_>) -> bool {
        thread_local! {
            static DRAFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // All requests share the queue, and have it for no longer than a copy takes.
        DRAFT.with_borrow_mut(|draft| {
            draft.clear();
            record.write(draft);
            let mut batch = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            batch.push(draft, record.time, record.paid);
            batch.len() == 1
        })
    }

    fn empty_into(&self, unsaved: &mut RecordBatch) {
        unsaved.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the writer tells the rest of the gateway.
#[derive(Clone)]
pub struct WriterStatus {
    /// Whether records can be made durable.
    pub up: Arc<AtomicBool>,
    /// Whether the writer works.
    pub alive: Arc<AtomicBool>,
}

/// The writer and its store.
pub struct LedgerWriter {
    store: Box<dyn BudgetStore>,
    commands: Receiver<WriterCommand>,
    pending: Arc<PendingRecords>,
    status: WriterStatus,
    unsaved: RecordBatch,
    leases: Vec<Weak<BudgetLease>>,
    lost: u64,
}

impl LedgerWriter {
    /// A writer that is ready to work.
    pub fn new(
        store: Box<dyn BudgetStore>,
        commands: Receiver<WriterCommand>,
        pending: Arc<PendingRecords>,
        status: WriterStatus,
    ) -> Self {
        Self {
            store,
            commands,
            pending,
            status,
            unsaved: RecordBatch::default(),
            leases: Vec::new(),
            lost: 0,
        }
    }

    /// Works until it is told to stop, or nobody is left who could.
    pub fn work(mut self) {
        let mut ticked = Instant::now();
        let mut tidied = None;
        loop {
            let stopped = match self.next_orders() {
                Ok(batch) => self.carry_out(batch),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            };
            if let Some(done) = stopped {
                self.close();
                // Whoever waits may open the file.
                drop(self);
                let _ = done.send(());
                return;
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick();
            }
            if tidied.is_none_or(|tidied: Instant| tidied.elapsed() >= TIDY) {
                tidied = Some(Instant::now());
                self.tidy();
            }
        }
    }

    /// Waits for what there is to do.
    fn next_orders(&self) -> Result<Vec<WriterCommand>, RecvTimeoutError> {
        let mut first = self.commands.recv_timeout(TICK)?;
        if let WriterCommand::Look = first {
            // Nobody waits for it; whoever does wait for something ends this.
            match self.commands.recv_timeout(GATHER) {
                Ok(command) => first = command,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        let rest = self.commands.try_iter().take(BATCH - 1);
        Ok(std::iter::once(first).chain(rest).collect())
    }

    /// Carries out orders under one sync; gives whom to tell that the writer stopped.
    fn carry_out(&mut self, batch: Vec<WriterCommand>) -> Option<SyncSender<()>> {
        // Whoever asks for a flush, or for an end, has put in before what is to be written down.
        self.pending.empty_into(&mut self.unsaved);
        let (mut requested, mut flushes, mut stop) = (Vec::new(), Vec::new(), None);
        for command in batch {
            match command {
                WriterCommand::Lease(lease, waiting) => requested.push((lease, waiting)),
                WriterCommand::Look => {}
                WriterCommand::Flush(done) => flushes.push(done),
                WriterCommand::Stop(done) => stop = Some(done),
            }
        }
        let durable = self.commit(requested);
        for done in flushes {
            let _ = done.send(durable);
        }
        stop
    }

    /// Writes down, and hands out what was leased. Nothing is handed out that is not durable.
    fn commit(&mut self, requested: Vec<(Arc<BudgetLease>, Option<PendingLease>)>) -> bool {
        let requested: Vec<_> =
            requested.into_iter().filter_map(|(lease, waiting)| serve_at_hand(lease, waiting)).collect();
        let mut served: Vec<*const BudgetLease> = Vec::new();
        let mut lease_requests = Vec::with_capacity(requested.len());
        for (lease, waiting) in &requested {
            // One portion is enough for all who wait for the same lease.
            let first = !served.contains(&Arc::as_ptr(lease));
            served.push(Arc::as_ptr(lease));
            lease_requests.push(self.lease_request(lease, waiting.as_ref(), first));
        }
        let result = self.store.commit(&self.unsaved, &lease_requests);
        let (granted, durable) = match result {
            Ok(granted) => {
                self.unsaved.clear();
                self.works(Ok(()));
                (granted, true)
            }
            Err(why) => {
                self.works(Err(why));
                self.forget_surplus();
                (vec![GrantedLease::default(); requested.len()], false)
            }
        };
        for ((lease, waiting), granted) in requested.into_iter().zip(granted) {
            if durable {
                lease.set_unleased(granted.unleased);
            }
            hand_out(&lease, waiting, granted.amount, durable);
        }
        durable
    }

    /// How much a lease asks for.
    fn lease_request(
        &mut self,
        lease: &Arc<BudgetLease>,
        waiting: Option<&PendingLease>,
        first: bool,
    ) -> LeaseRequest {
        if lease.becomes_known() {
            self.leases.push(Arc::downgrade(lease));
        }
        // What was spent beyond what was set aside is paid first.
        let debt = lease.balance().holds().min(0).saturating_neg();
        let need = waiting.map_or(0, |waiting| waiting.need).saturating_add(debt);
        LeaseRequest {
            key: lease.key().clone(),
            limit: lease.limit(),
            amount: need.max(if first { lease.portion() } else { 0 }),
        }
    }

    /// Takes note of whether the store works, and tells the operator when that changes.
    fn works(&mut self, result: Result<(), StoreError>) {
        let was_up = self.status.up.swap(result.is_ok(), Ordering::AcqRel);
        match result {
            Ok(()) if !was_up => {
                info!(target: "xietong::ledger", "the ledger {} can be written again", self.store.name());
            }
            Err(why) if was_up => error!(
                target: "xietong::ledger",
                "the ledger {} cannot be written ({why}): what is not at hand is not spent until it can",
                self.store.name()
            ),
            _ => {}
        }
    }

    fn forget_surplus(&mut self) {
        let surplus = self.unsaved.len().saturating_sub(UNSAVED);
        if surplus > 0 {
            self.unsaved.forget_first(surplus);
            self.lost += surplus as u64;
            error!(target: "xietong::ledger", "the ledger has lost {} records of requests", self.lost);
        }
    }

    /// Takes back what lies idle, and tries a store that failed again.
    fn tick(&mut self) {
        if !self.status.up.load(Ordering::Acquire) {
            let result = self.store.probe(Timestamp::now());
            let works = result.is_ok();
            self.works(result);
            if works {
                self.commit(Vec::new());
            }
            return;
        }
        self.take_back(|lease, now| if lease.has_ended(now) { 0 } else { lease.idle_above() });
    }

    fn take_back(&mut self, keep: impl Fn(&BudgetLease, Timestamp) -> i64) {
        let now = Timestamp::now();
        self.leases.retain(|lease| lease.strong_count() > 0);
        let taken = self.leases.iter().filter_map(Weak::upgrade).filter_map(|lease| {
            let amount = lease.balance().take_above(keep(&lease, now));
            (amount > 0).then_some((lease, amount))
        });
        let taken: Vec<(Arc<BudgetLease>, i64)> = taken.collect();
        if taken.is_empty() {
            return;
        }
        let amounts: Vec<_> =
            taken.iter().map(|(lease, amount)| (lease.key().clone(), lease.limit(), *amount)).collect();
        match self.store.take_back(&amounts) {
            ReturnOutcome::Back(unleased) => {
                taken.iter().zip(unleased).for_each(|((lease, _), unleased)| lease.set_unleased(unleased));
            }
            ReturnOutcome::Kept => taken.iter().for_each(|(lease, amount)| lease.balance().put(*amount)),
            ReturnOutcome::Lost => {}
        }
    }

    fn tidy(&mut self) {
        if let Err(why) = self.store.tidy(Timestamp::now()) {
            warn!(target: "xietong::ledger", "the ledger {} could not be made smaller: {why}", self.store.name());
        }
    }

    /// Gives back what is at hand, so that nothing is lost for the budgets.
    fn close(&mut self) {
        self.pending.empty_into(&mut self.unsaved);
        if !self.unsaved.is_empty() {
            self.commit(Vec::new());
        }
        self.take_back(|_, _| 0);
    }
}

/// However it ends: whoever asks knows from then on.
impl Drop for LedgerWriter {
    fn drop(&mut self) {
        self.status.alive.store(false, Ordering::Release);
        self.status.up.store(false, Ordering::Release);
        if std::thread::panicking() {
            error!(
                target: "xietong::ledger",
                "the ledger's writer has ended by a fault of this build: nothing is spent and no request is written down until \
                 a restart",
            );
        }
    }
}

/// Gives what a request needs from what came into the balance since it asked; what is not served is given back.
fn serve_at_hand(
    lease: Arc<BudgetLease>,
    waiting: Option<PendingLease>,
) -> Option<(Arc<BudgetLease>, Option<PendingLease>)> {
    let Some(PendingLease { need, reply }) = waiting else { return Some((lease, None)) };
    if !lease.balance().take(need) {
        return Some((lease, Some(PendingLease { need, reply })));
    }
    let _ = reply.send(Ok(Reservation::new(lease, need)));
    None
}

/// What was leased goes to the one who asked, and the rest into the balance.
fn hand_out(lease: &Arc<BudgetLease>, waiting: Option<PendingLease>, granted: i64, durable: bool) {
    lease.answered();
    let Some(PendingLease { need, reply }) = waiting else { return lease.balance().put(granted) };
    let rest = granted.saturating_sub(need);
    let at_once = rest >= 0 && lease.balance().holds().saturating_add(rest) >= 0;
    lease.balance().put(if at_once { rest } else { granted });
    if !at_once && !lease.balance().take(need) {
        let _ = reply.send(Err(if durable { BudgetRefusal::Spent } else { BudgetRefusal::Unavailable }));
        return;
    }
    // A reservation that no one takes puts its money back by itself.
    let _ = reply.send(Ok(Reservation::new(Arc::clone(lease), need)));
}
