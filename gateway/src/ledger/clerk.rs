//! Keeps the book in a thread of its own: lends parts of budgets to funds and writes down requests that are over, many
//! in one sync. Requests wait for it only where what was lent is used up.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use gateway_config::{EmbeddedState, LogFormat};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::balance::{Balance, Balances, Key};
use super::book::{Book, Keep};
use super::fund::{Fund, Refusal, Reservation};
use super::line::Entry;
use super::slip::Slip;
use crate::log::Log;

/// Orders that are carried out in one sync.
const BATCH: usize = 4096;
/// How often unused money goes back, and a failed disk is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often the file is looked at for old requests.
const TIDY: Duration = Duration::from_secs(3600);
/// Requests that wait for a failed disk; more are lost, and said to be.
const UNSAVED: usize = 200_000;

/// What the clerk is asked to do.
#[derive(Debug)]
pub enum Order {
    /// Lend to this fund: what a request needs, or, where no one waits, something in advance.
    Lend(Arc<Fund>, Option<Ask>),
    /// Write down a request.
    Request(Box<Slip>),
    /// Say when everything before is durable, or that it is not.
    Flush(SyncSender<bool>),
    /// Take everything back, and end.
    Stop(SyncSender<()>),
}

/// A request that waits for money.
#[derive(Debug)]
pub struct Ask {
    /// In nano-units.
    pub need: i64,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reservation, Refusal>>,
}

/// What the clerk tells the rest of the gateway.
#[derive(Clone)]
pub struct Bulletin {
    /// Whether records can be made durable.
    pub up: Arc<AtomicBool>,
    /// Where notes to the operator go.
    pub log: Log,
    /// Their form.
    pub format: LogFormat,
}

/// The clerk and its book.
pub struct Clerk {
    book: Book,
    balances: Balances,
    keep: Duration,
    at_most: u64,
    orders: Receiver<Order>,
    bulletin: Bulletin,
    /// As they came through the channel, where a slip would make every order large.
    #[allow(clippy::vec_box, reason = "moving the boxes is cheaper than copying the slips")]
    unsaved: Vec<Box<Slip>>,
    funds: Vec<Weak<Fund>>,
    known: HashSet<Key>,
    lost: u64,
}

impl Clerk {
    /// A clerk that is ready to work.
    pub fn new(
        book: Book,
        balances: Balances,
        state: &EmbeddedState,
        orders: Receiver<Order>,
        bulletin: Bulletin,
    ) -> Self {
        Self {
            book,
            balances,
            keep: state.keep,
            at_most: state.at_most,
            orders,
            bulletin,
            unsaved: Vec::new(),
            funds: Vec::new(),
            known: HashSet::new(),
            lost: 0,
        }
    }

    /// Works until it is told to stop, or nobody is left who could.
    pub fn work(mut self) {
        let mut ticked = Instant::now();
        let mut tidied = None;
        loop {
            let stopped = match self.orders.recv_timeout(TICK) {
                Ok(first) => {
                    let rest = self.orders.try_iter().take(BATCH - 1);
                    let batch = std::iter::once(first).chain(rest).collect();
                    self.carry_out(batch)
                }
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

    /// Carries out orders under one sync; gives whom to tell that the clerk stopped.
    fn carry_out(&mut self, batch: Vec<Order>) -> Option<SyncSender<()>> {
        let (mut asks, mut flushes, mut stop) = (Vec::new(), Vec::new(), None);
        for order in batch {
            match order {
                Order::Lend(fund, ask) => asks.push((fund, ask)),
                Order::Request(slip) => self.unsaved.push(slip),
                Order::Flush(done) => flushes.push(done),
                Order::Stop(done) => stop = Some(done),
            }
        }
        let durable = self.commit(asks);
        for done in flushes {
            let _ = done.send(durable);
        }
        stop
    }

    /// Writes, syncs, and hands out what was lent. Nothing is handed out that is not durable.
    fn commit(&mut self, asks: Vec<(Arc<Fund>, Option<Ask>)>) -> bool {
        let mut undo: Vec<(Key, Balance)> = Vec::new();
        for slip in &self.unsaved {
            if let Some(paid) = &slip.paid {
                undo.push((paid.key.clone(), self.balances.of(&paid.key)));
                self.balances.spend(&paid.key, paid.amount);
            }
        }
        self.unsaved.iter().for_each(|slip| self.book.write_request(slip));
        let lent: Vec<i64> =
            asks.iter().map(|(fund, ask)| self.lend(fund, ask.as_ref(), &mut undo)).collect();
        let durable = self.sync();
        if durable {
            self.unsaved.clear();
        } else {
            for (key, balance) in undo.into_iter().rev() {
                self.balances.set(&key, balance);
            }
            self.forget_surplus();
        }
        for ((fund, ask), lent) in asks.into_iter().zip(lent) {
            self.hand_out(&fund, ask, if durable { lent } else { 0 }, durable);
        }
        durable
    }

    /// How much is lent to a fund.
    fn lend(&mut self, fund: &Arc<Fund>, ask: Option<&Ask>, undo: &mut Vec<(Key, Balance)>) -> i64 {
        if self.known.insert(fund.key().clone()) {
            self.funds.push(Arc::downgrade(fund));
        }
        let need = ask.map_or(0, |ask| ask.need);
        let before = self.balances.of(fund.key());
        let amount = before.unleased(fund.limit()).min(need.max(fund.portion()));
        if amount > 0 {
            undo.push((fund.key().clone(), before));
            self.balances.lend(fund.key(), amount);
            self.book.write(&Entry::Lease { key: fund.key().clone(), amount });
        }
        amount
    }

    /// What was lent goes to the one who asked, and the rest into the purse.
    fn hand_out(&self, fund: &Arc<Fund>, ask: Option<Ask>, lent: i64, durable: bool) {
        fund.set_unleased(self.balances.of(fund.key()).unleased(fund.limit()));
        fund.answered();
        let Some(Ask { need, reply }) = ask else { return fund.purse().put(lent) };
        let covered = lent >= need || fund.purse().take(need - lent);
        if !covered {
            fund.purse().put(lent);
            let _ = reply.send(Err(if durable { Refusal::Spent } else { Refusal::Unavailable }));
            return;
        }
        if lent > need {
            fund.purse().put(lent - need);
        }
        // A reservation that no one takes puts its money back by itself.
        let _ = reply.send(Ok(Reservation::new(Arc::clone(fund), need)));
    }

    fn sync(&mut self) -> bool {
        let was_up = self.bulletin.up.load(Ordering::Acquire);
        match self.book.sync() {
            Ok(()) => {
                if !was_up {
                    self.bulletin.up.store(true, Ordering::Release);
                    self.say("the ledger can be written again");
                }
                true
            }
            Err(why) => {
                self.book.drop_pending();
                self.bulletin.up.store(false, Ordering::Release);
                if was_up {
                    self.say(&format!(
                        "the ledger {} cannot be written ({why}): only local models are asked until it can",
                        self.book.path().display()
                    ));
                }
                false
            }
        }
    }

    fn say(&self, text: &str) {
        self.bulletin.log.note(self.bulletin.format, text);
    }

    fn forget_surplus(&mut self) {
        let surplus = self.unsaved.len().saturating_sub(UNSAVED);
        if surplus > 0 {
            self.unsaved.drain(..surplus);
            self.lost += surplus as u64;
            self.say(&format!("the ledger has lost {} records of requests", self.lost));
        }
    }

    /// Takes back what lies idle, and tries a failed disk again.
    fn tick(&mut self) {
        if !self.bulletin.up.load(Ordering::Acquire) {
            self.book.write_open(Timestamp::now());
            self.commit(Vec::new());
            return;
        }
        self.take_back(|fund, now| if fund.has_ended(now) { 0 } else { fund.idle_above() });
    }

    fn take_back(&mut self, keep: impl Fn(&Fund, Timestamp) -> i64) {
        let now = Timestamp::now();
        let mut back = Vec::new();
        for fund in self.funds.iter().filter_map(Weak::upgrade) {
            let amount = fund.purse().take_above(keep(&fund, now));
            if amount > 0 {
                self.book.write(&Entry::Back { key: fund.key().clone(), amount });
                back.push((fund, amount));
            }
        }
        self.funds.retain(|fund| fund.strong_count() > 0);
        if back.is_empty() {
            return;
        }
        let durable = self.sync();
        for (fund, amount) in back {
            if durable {
                self.balances.lend(fund.key(), -amount);
                fund.set_unleased(self.balances.of(fund.key()).unleased(fund.limit()));
            } else {
                fund.purse().put(amount);
            }
        }
    }

    /// Drops what is older or more than may be kept, once there is enough of it to be worth a new file.
    fn tidy(&mut self) {
        let now = Timestamp::now();
        let keep = SignedDuration::try_from(self.keep).ok();
        let since = keep.and_then(|keep| now.checked_sub(keep).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
        let stale =
            || self.book.oldest().is_some_and(|oldest| oldest < since - SignedDuration::from_hours(24));
        if self.book.size() <= self.at_most && !stale() {
            return;
        }
        let keep = Keep { since, bytes: self.at_most / 4 * 3 };
        if let Err(why) = self.book.compact(&self.balances, now, &keep) {
            self.say(&format!("the ledger could not be made smaller: {why}"));
        }
    }

    /// Gives back what is at hand, so that nothing is swept at the next start.
    fn close(&mut self) {
        self.take_back(|_, _| 0);
    }
}
