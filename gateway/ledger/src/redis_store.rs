//! A store that several gateways share: Redis.
//!
//! Each budget is one counter of what is leased out. A gateway spends only what it has leased, so that the sum over all of
//! them never exceeds the budget, whoever can reach Redis and whoever cannot. What a gateway that is lost had at hand stays
//! leased for the budget's time.
//!
//! A replica that takes over may have been left behind: it does not know of the last leases. So each gateway says with
//! every call what it has leased in all, and what is missing is leased once more, to it, before anything else is. Until each
//! gateway has called, what is missing of the others' leases could be leased twice; whoever notices borrows nothing by that call.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a thread of its own, which no test's clock holds"
)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gateway_config::SharedState;
use jiff::Timestamp;
use redis::{Client, Connection, RedisResult, Script, TlsCertificates};

use super::balance::BalanceKey;
use super::record_batch::RecordBatch;
use super::store::{BudgetStore, GrantedLease, LeaseRequest, ReturnOutcome};
use super::store_error::StoreError;
use super::usage_record::UsageRecord;

/// For each of connecting, sending and receiving.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a failure Redis is left alone for so long: requests that wait for it are told at once.
const REST: Duration = Duration::from_millis(500);
/// Budgets are forgotten after this: longer than any lasts.
const MEMORY: Duration = Duration::from_secs(40 * 86_400);
/// Requests that are kept, at least.
const REQUESTS: usize = 1_000_000;
/// The stream of requests.
const STREAM: &str = "xietong:requests";
/// Lua counts in doubles: beyond this, nano-units are not whole any more.
const MOST: i64 = 1 << 53;

/// What both scripts begin with: `KEYS[1]` is the budget, `ARGV[1]` its limit, `ARGV[2]` the amount,
/// `ARGV[3]` for how long it is remembered, `ARGV[4]` this gateway, `ARGV[5]` what it has leased in all,
/// `ARGV[6]` the last count that it saw.
const CATCH_UP: &str = "
local mine = 'of:' .. ARGV[4]
local missing = tonumber(ARGV[5]) - tonumber(redis.call('HGET', KEYS[1], mine) or '0')
if missing > 0 then
  redis.call('HINCRBY', KEYS[1], 'leased', string.format('%.0f', missing))
  redis.call('HSET', KEYS[1], mine, ARGV[5])
end
local behind = tonumber(redis.call('HGET', KEYS[1], 'count') or '0') < tonumber(ARGV[6])
if behind then redis.call('HSET', KEYS[1], 'count', ARGV[6]) end
local count = tostring(redis.call('HINCRBY', KEYS[1], 'count', 1))
redis.call('EXPIRE', KEYS[1], ARGV[3])
local leased = tonumber(redis.call('HGET', KEYS[1], 'leased') or '0')
local unleased = math.max(0, tonumber(ARGV[1]) - leased)
if behind then return {'0', string.format('%.0f', unleased), count, '1'} end
";

/// Leases up to the amount.
const LEASE: &str = "
local amount = math.min(unleased, tonumber(ARGV[2]))
if amount > 0 then
  redis.call('HINCRBY', KEYS[1], 'leased', string.format('%.0f', amount))
  redis.call('HINCRBY', KEYS[1], mine, string.format('%.0f', amount))
end
return {string.format('%.0f', amount), string.format('%.0f', unleased - amount), count, '0'}";

/// Takes the amount back.
const TAKE_BACK: &str = "
leased = redis.call('HINCRBY', KEYS[1], 'leased', '-' .. ARGV[2])
redis.call('HINCRBY', KEYS[1], mine, '-' .. ARGV[2])
return {'0', string.format('%.0f', math.max(0, tonumber(ARGV[1]) - leased)), count, '0'}";

/// Writes requests down, `ARGV[2]` and what follows, unless this batch was written before.
const WRITE: &str = "
if redis.call('SET', KEYS[2], '1', 'NX', 'EX', '3600') then
  for at = 2, #ARGV do redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'request', ARGV[at]) end
end
return 1";

/// Every script that runs in Redis, by what it does. Gateways of several versions share a Redis while one takes over from the
/// other, so that these cannot change at will.
pub fn scripts() -> [(&'static str, String); 3] {
    [
        ("lend", format!("{CATCH_UP}{LEASE}")),
        ("take_back", format!("{CATCH_UP}{TAKE_BACK}")),
        ("write", WRITE.to_owned()),
    ]
}

/// Redis, as one gateway sees it.
pub struct RedisStore {
    client: Client,
    connection: Option<Connection>,
    rests_until: Option<Instant>,
    /// This gateway, for the names of its batches.
    name: String,
    batch: u64,
    /// Requests of the batch under way: a try that failed is made again with the same ones.
    batched: usize,
    /// Of the requests that are given, how many an earlier try wrote down before it failed.
    written: usize,
    known: HashMap<BalanceKey, KnownBudget>,
}

/// What this gateway knows of a budget.
#[derive(Debug, Clone, Copy, Default)]
struct KnownBudget {
    /// The last count that it saw; each call makes it one more.
    count: i64,
    /// What it was leased and has not given back, what it spent of that included.
    mine: i64,
}

impl RedisStore {
    /// For a Redis. Nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::Address`].
    pub fn new(state: &SharedState) -> Result<Self, StoreError> {
        let client = client(state).map_err(|_| StoreError::Address)?;
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        Ok(Self {
            client,
            connection: None,
            rests_until: None,
            name: format!("{random:016x}"),
            batch: 0,
            batched: 0,
            written: 0,
            known: HashMap::new(),
        })
    }

    /// Does something with a connection; after a failure there is none for a while.
    fn with<T>(&mut self, act: impl FnOnce(&mut Connection) -> RedisResult<T>) -> Result<T, StoreError> {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return Err(StoreError::Resting);
        }
        let result = connected(&self.client, &mut self.connection).and_then(act);
        result.map_err(|why| {
            self.connection = None;
            self.rests_until = Some(Instant::now() + REST);
            StoreError::from(why)
        })
    }

    /// Calls a script on a budget's counter.
    fn count(
        &mut self,
        script: &str,
        key: &BalanceKey,
        limit: i64,
        amount: i64,
    ) -> Result<GrantedLease, StoreError> {
        let name = format!("xietong:budget:{}:{}", key.period, key.client);
        let known = self.known.get(key).copied().unwrap_or_default();
        let this = self.name.clone();
        let [amount, unleased, count, behind]: [i64; 4] = self.with(|connection| {
            let answer: Vec<String> = Script::new(&format!("{CATCH_UP}{script}"))
                .key(name)
                .arg(limit.min(MOST))
                .arg(amount.min(MOST))
                .arg(MEMORY.as_secs())
                .arg(this)
                .arg(known.mine)
                .arg(known.count)
                .invoke(connection)?;
            let numbers: Vec<i64> = answer.iter().filter_map(|text| text.parse().ok()).collect();
            numbers
                .try_into()
                .map_err(|_| redis::RedisError::from((redis::ErrorKind::Client, "an odd answer")))
        })?;
        let known = self.known.entry(key.clone()).or_default();
        known.count = count;
        known.mine += amount;
        match behind {
            0 => Ok(GrantedLease { amount, unleased }),
            _ => Err(StoreError::Behind),
        }
    }

    /// Writes the first requests down: those of a batch that failed before under its name, so that they count once.
    fn write(&mut self, requests: &RecordBatch) -> Result<(), StoreError> {
        while self.written < requests.len() {
            if self.batched == 0 {
                self.batched = (requests.len() - self.written).min(256);
                self.batch += 1;
            }
            let guard = format!("xietong:batch:{}:{}", self.name, self.batch);
            let (first, count) = (self.written, self.batched.min(requests.len() - self.written));
            self.with(|connection| {
                let script = Script::new(WRITE);
                let mut call = script.key(STREAM);
                call.key(guard).arg(REQUESTS);
                for request in requests.iter_from(first).take(count) {
                    call.arg(request.json);
                }
                call.invoke::<i64>(connection)
            })?;
            self.batched = 0;
            self.written += count;
        }
        self.written = 0;
        Ok(())
    }
}

/// Reads every request in a Redis, oldest first.
///
/// # Errors
/// Where the server cannot be reached, or says no.
pub fn read(state: &SharedState, mut see: impl FnMut(UsageRecord<'static>)) -> Result<(), StoreError> {
    const PAGE: usize = 1000;
    let client = client(state)?;
    let mut connection = client.get_connection_with_timeout(PATIENCE)?;
    let mut from = "-".to_owned();
    loop {
        let page: Vec<(String, Vec<(String, String)>)> = redis::cmd("XRANGE")
            .arg(STREAM)
            .arg(&from)
            .arg("+")
            .arg("COUNT")
            .arg(PAGE)
            .query(&mut connection)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        // After the last one; `(` leaves it out.
        from = format!("({last}");
        for (_, json) in page.iter().flat_map(|(_, fields)| fields) {
            // What a newer version wrote is passed over.
            if let Ok(record) = serde_json::from_str(json) {
                see(record);
            }
        }
    }
}

fn client(state: &SharedState) -> RedisResult<Client> {
    // Whoever called may have installed one already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = state.url.reveal();
    match &state.authority {
        Some(authority) => {
            let certificates = TlsCertificates { client_tls: None, root_cert: Some(authority.pem.clone()) };
            Client::build_with_tls(url, certificates)
        }
        None => Client::open(url),
    }
}

fn connected<'a>(client: &Client, connection: &'a mut Option<Connection>) -> RedisResult<&'a mut Connection> {
    if connection.is_none() {
        let fresh = client.get_connection_with_timeout(PATIENCE)?;
        fresh.set_read_timeout(Some(PATIENCE))?;
        fresh.set_write_timeout(Some(PATIENCE))?;
        *connection = Some(fresh);
    }
    connection.as_mut().ok_or_else(|| redis::RedisError::from((redis::ErrorKind::Client, "no connection")))
}

impl BudgetStore for RedisStore {
    fn commit(
        &mut self,
        requests: &RecordBatch,
        lease_requests: &[LeaseRequest],
    ) -> Result<Vec<GrantedLease>, StoreError> {
        // Money first: requests wait for it. If the rest fails, what was leased is not handed out and stays leased.
        let granted = lease_requests.iter().map(|lease_request| {
            self.count(LEASE, &lease_request.key, lease_request.limit, lease_request.amount)
        });
        let granted = granted.collect::<Result<Vec<_>, _>>()?;
        self.write(requests)?;
        Ok(granted)
    }

    fn take_back(&mut self, amounts: &[(BalanceKey, i64, i64)]) -> ReturnOutcome {
        let mut left = Vec::with_capacity(amounts.len());
        for (key, limit, amount) in amounts {
            // Before it is sent: whether it arrives or not, it is not at hand any more.
            self.known.entry(key.clone()).or_default().mine -= amount;
            match self.count(TAKE_BACK, key, *limit, *amount) {
                Ok(granted) => left.push(granted.unleased),
                Err(_) => return ReturnOutcome::Lost,
            }
        }
        ReturnOutcome::Back(left)
    }

    fn probe(&mut self, _: Timestamp) -> Result<(), StoreError> {
        self.with(|connection| redis::cmd("PING").query::<String>(connection).map(drop))
    }

    fn tidy(&mut self, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    fn name(&self) -> String {
        "in Redis".to_owned()
    }
}
