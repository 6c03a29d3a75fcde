//! Keeps the store in a thread of its own: lends parts of budgets to funds and writes down requests that are over, many
//! in one sync. Requests wait for it only where what was lent is used up.

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

/// What the clerk is asked to do.
#[derive(Debug)]
pub enum WriterCommand {
    /// Lend to this fund: what a request needs, or, where no one waits, something in advance.
    Lend(Arc<BudgetLease>, Option<PendingLease>),
    /// Look into the tray, soon.
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

/// Requests that are over, until the clerk writes them down. Apart from the orders, since each of those wakes the clerk.
#[derive(Default)]
pub struct PendingRecords(Mutex<RecordBatch>);

impl PendingRecords {
    /// Puts a request in; `true` where it lay empty, so that the clerk must be told.
    pub fn put(&self, slip: UsageRecord<'_>) -> bool {
        thread_local! {
            static DRAFT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // All requests share the tray, and have it for no longer than a copy takes.
        DRAFT.with_borrow_mut(|draft| {
            draft.clear();
            slip.write(draft);
            let mut sheaf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            sheaf.push(draft, slip.time, slip.paid);
            sheaf.len() == 1
        })
    }

    fn empty_into(&self, unsaved: &mut RecordBatch) {
        unsaved.append(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What the clerk tells the rest of the gateway.
#[derive(Clone)]
pub struct WriterStatus {
    /// Whether records can be made durable.
    pub up: Arc<AtomicBool>,
    /// Whether the clerk works.
    pub alive: Arc<AtomicBool>,
}

/// The clerk and its store.
pub struct LedgerWriter {
    store: Box<dyn BudgetStore>,
    orders: Receiver<WriterCommand>,
    tray: Arc<PendingRecords>,
    bulletin: WriterStatus,
    unsaved: RecordBatch,
    funds: Vec<Weak<BudgetLease>>,
    lost: u64,
}

impl LedgerWriter {
    /// A clerk that is ready to work.
    pub fn new(
        store: Box<dyn BudgetStore>,
        orders: Receiver<WriterCommand>,
        tray: Arc<PendingRecords>,
        bulletin: WriterStatus,
    ) -> Self {
        Self { store, orders, tray, bulletin, unsaved: RecordBatch::default(), funds: Vec::new(), lost: 0 }
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
        let mut first = self.orders.recv_timeout(TICK)?;
        if let WriterCommand::Look = first {
            // Nobody waits for it; whoever does wait for something ends this.
            match self.orders.recv_timeout(GATHER) {
                Ok(order) => first = order,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
        let rest = self.orders.try_iter().take(BATCH - 1);
        Ok(std::iter::once(first).chain(rest).collect())
    }

    /// Carries out orders under one sync; gives whom to tell that the clerk stopped.
    fn carry_out(&mut self, batch: Vec<WriterCommand>) -> Option<SyncSender<()>> {
        // Whoever asks for a flush, or for an end, has put in before what is to be written down.
        self.tray.empty_into(&mut self.unsaved);
        let (mut asks, mut flushes, mut stop) = (Vec::new(), Vec::new(), None);
        for order in batch {
            match order {
                WriterCommand::Lend(fund, ask) => asks.push((fund, ask)),
                WriterCommand::Look => {}
                WriterCommand::Flush(done) => flushes.push(done),
                WriterCommand::Stop(done) => stop = Some(done),
            }
        }
        let durable = self.commit(asks);
        for done in flushes {
            let _ = done.send(durable);
        }
        stop
    }

    /// Writes down, and hands out what was lent. Nothing is handed out that is not durable.
    fn commit(&mut self, asks: Vec<(Arc<BudgetLease>, Option<PendingLease>)>) -> bool {
        let asks: Vec<_> = asks.into_iter().filter_map(|(fund, ask)| serve_at_hand(fund, ask)).collect();
        let mut served: Vec<*const BudgetLease> = Vec::new();
        let mut wishes = Vec::with_capacity(asks.len());
        for (fund, ask) in &asks {
            // One portion is enough for all who wait for the same fund.
            let first = !served.contains(&Arc::as_ptr(fund));
            served.push(Arc::as_ptr(fund));
            wishes.push(self.wish(fund, ask.as_ref(), first));
        }
        let result = self.store.commit(&self.unsaved, &wishes);
        let (lent, durable) = match result {
            Ok(lent) => {
                self.unsaved.clear();
                self.works(Ok(()));
                (lent, true)
            }
            Err(why) => {
                self.works(Err(why));
                self.forget_surplus();
                (vec![GrantedLease::default(); asks.len()], false)
            }
        };
        for ((fund, ask), lent) in asks.into_iter().zip(lent) {
            if durable {
                fund.set_unleased(lent.unleased);
            }
            hand_out(&fund, ask, lent.amount, durable);
        }
        durable
    }

    /// How much a fund asks for.
    fn wish(&mut self, fund: &Arc<BudgetLease>, ask: Option<&PendingLease>, first: bool) -> LeaseRequest {
        if fund.becomes_known() {
            self.funds.push(Arc::downgrade(fund));
        }
        // What was spent beyond what was set aside is paid first.
        let debt = fund.purse().holds().min(0).saturating_neg();
        let need = ask.map_or(0, |ask| ask.need).saturating_add(debt);
        LeaseRequest {
            key: fund.key().clone(),
            limit: fund.limit(),
            amount: need.max(if first { fund.portion() } else { 0 }),
        }
    }

    /// Takes note of whether the store works, and tells the operator when that changes.
    fn works(&mut self, result: Result<(), StoreError>) {
        let was_up = self.bulletin.up.swap(result.is_ok(), Ordering::AcqRel);
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
        if !self.bulletin.up.load(Ordering::Acquire) {
            let result = self.store.probe(Timestamp::now());
            let works = result.is_ok();
            self.works(result);
            if works {
                self.commit(Vec::new());
            }
            return;
        }
        self.take_back(|fund, now| if fund.has_ended(now) { 0 } else { fund.idle_above() });
    }

    fn take_back(&mut self, keep: impl Fn(&BudgetLease, Timestamp) -> i64) {
        let now = Timestamp::now();
        self.funds.retain(|fund| fund.strong_count() > 0);
        let taken = self.funds.iter().filter_map(Weak::upgrade).filter_map(|fund| {
            let amount = fund.purse().take_above(keep(&fund, now));
            (amount > 0).then_some((fund, amount))
        });
        let taken: Vec<(Arc<BudgetLease>, i64)> = taken.collect();
        if taken.is_empty() {
            return;
        }
        let amounts: Vec<_> =
            taken.iter().map(|(fund, amount)| (fund.key().clone(), fund.limit(), *amount)).collect();
        match self.store.take_back(&amounts) {
            ReturnOutcome::Back(unleased) => {
                taken.iter().zip(unleased).for_each(|((fund, _), unleased)| fund.set_unleased(unleased));
            }
            ReturnOutcome::Kept => taken.iter().for_each(|(fund, amount)| fund.purse().put(*amount)),
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
        self.tray.empty_into(&mut self.unsaved);
        if !self.unsaved.is_empty() {
            self.commit(Vec::new());
        }
        self.take_back(|_, _| 0);
    }
}

/// However it ends: whoever asks knows from then on.
impl Drop for LedgerWriter {
    fn drop(&mut self) {
        self.bulletin.alive.store(false, Ordering::Release);
        self.bulletin.up.store(false, Ordering::Release);
        if std::thread::panicking() {
            error!(
                target: "xietong::ledger",
                "the ledger's writer has ended by a fault of this build: nothing is spent and no request is written down until \
                 a restart",
            );
        }
    }
}

/// Gives what a request needs from what came into the purse since it asked; what is not served is given back.
fn serve_at_hand(
    fund: Arc<BudgetLease>,
    ask: Option<PendingLease>,
) -> Option<(Arc<BudgetLease>, Option<PendingLease>)> {
    let Some(PendingLease { need, reply }) = ask else { return Some((fund, None)) };
    if !fund.purse().take(need) {
        return Some((fund, Some(PendingLease { need, reply })));
    }
    let _ = reply.send(Ok(Reservation::new(fund, need)));
    None
}

/// What was lent goes to the one who asked, and the rest into the purse.
fn hand_out(fund: &Arc<BudgetLease>, ask: Option<PendingLease>, lent: i64, durable: bool) {
    fund.answered();
    let Some(PendingLease { need, reply }) = ask else { return fund.purse().put(lent) };
    let rest = lent.saturating_sub(need);
    let at_once = rest >= 0 && fund.purse().holds().saturating_add(rest) >= 0;
    fund.purse().put(if at_once { rest } else { lent });
    if !at_once && !fund.purse().take(need) {
        let _ = reply.send(Err(if durable { BudgetRefusal::Spent } else { BudgetRefusal::Unavailable }));
        return;
    }
    // A reservation that no one takes puts its money back by itself.
    let _ = reply.send(Ok(Reservation::new(Arc::clone(fund), need)));
}
