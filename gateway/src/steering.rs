//! What a route has measured of its models, and the weights that keep it to its targets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_config::{BudgetPeriodLength, Route};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use router_policies::policies::SpendPeriod;
use router_policies::query::ConversationState;
use router_policies::weight_controller::{self, TargetStatus, WeightController};
use router_policies::{
    CostEstimate, Money, Probability, RequestDraw, Rung, RungState, Usage, UtilityWeights, weights,
};
use tokio::time::Instant;

use crate::machine_time::MachineTimeMeter;
use crate::record::{Attempt, AttemptResult, RequestRecord};
use ledger::budget_period::BudgetPeriod;
use protocol::ChatRequest;
use upstreams::EndpointPool;

/// How much of an average the next observation is.
const SHARE: f64 = 0.1;
/// Tokens that an answer is taken to have before any was seen: between a short fact and a page.
const ANSWER: f64 = 256.0;
/// Seconds between two looks at the weights.
const STEP: f64 = 1.0;

/// A route's measurements; shared by all its requests.
#[derive(Debug)]
pub struct TargetController {
    rungs: Vec<RungStats>,
    machine_time: Arc<MachineTimeMeter>,
    steered: Option<RungSnapshot>,
}

/// Weights that are moved by what is measured.
#[derive(Debug)]
struct RungSnapshot {
    /// A lock of the route's own, held for microseconds, once a second for a fraction of a millisecond.
    steer: Mutex<(WeightController, f64)>,
    per: Option<SpendPeriod>,
    zone: TimeZone,
    guarded: bool,
    /// A moment by both clocks: from here on time never jumps.
    began: (Timestamp, Instant),
}

/// What a rung offered a request.
#[derive(Debug, Clone, Copy)]
pub struct OfferedRung {
    /// Whether it could serve it.
    pub eligible: bool,
    /// The chance that its answer would do.
    pub suffices: Probability,
    /// What it had under way.
    pub load: u32,
}

/// Moving averages of a rung; 0 before anything was seen.
#[derive(Debug, Default)]
struct RungStats {
    /// Seconds to the first token.
    first_token: LatencyEwma,
    /// Seconds for each further token.
    per_token: LatencyEwma,
    /// Tokens of an answer.
    answer: LatencyEwma,
    /// Seconds that an attempt takes.
    busy: LatencyEwma,
}

/// A moving average without a lock: of two observations at the same moment one may be lost.
#[derive(Debug, Default)]
struct LatencyEwma(AtomicU64);

impl LatencyEwma {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn saw(&self, value: f64) {
        let old = self.get();
        let next = if old == 0.0 { value } else { old + (value - old) * SHARE };
        self.0.store(next.to_bits(), Ordering::Relaxed);
    }
}

impl TargetController {
    /// For a route that has measured nothing.
    pub fn new(route: &Route, zone: &TimeZone, machine_time: &Arc<MachineTimeMeter>) -> Self {
        let rungs = route.ladder.len();
        let steered = route.policy.utility().map(|(utility, guarded)| RungSnapshot {
            steer: Mutex::new((WeightController::new(utility, rungs), 0.0)),
            per: utility.targets.spend.map(|spend| spend.per),
            zone: zone.clone(),
            guarded,
            began: (Timestamp::now(), Instant::now()),
        });
        Self {
            rungs: (0..rungs).map(|_| RungStats::default()).collect(),
            machine_time: Arc::clone(machine_time),
            steered,
        }
    }

    /// Whether anything is weighed, so that tolls matter.
    pub fn weighs(&self) -> bool {
        self.steered.is_some()
    }

    /// What asking each model takes, by what is known of prices, of the models so far, and of the conversation.
    pub fn cost_estimates(
        &self,
        pools: &[Arc<EndpointPool>],
        chat: &ChatRequest,
        conversation: Option<ConversationState>,
    ) -> Vec<CostEstimate> {
        let now = Timestamp::now();
        let known = self.steered.as_ref().map(|steered| (steered, seconds(steered.now())));
        let warm = |at: usize| {
            conversation.filter(|state| state.rung == Rung(at)).map_or(0, |state| state.warm_tokens)
        };
        let estimate = |(at, (pool, measured)): (usize, (&Arc<EndpointPool>, &RungStats))| {
            let seen = measured.answer.get();
            let answer = (if seen > 0.0 { seen } else { ANSWER }) as u64;
            let answer = answer
                .min(chat.max_tokens().unwrap_or(pool.model.max_output))
                .saturating_mul(chat.written_answers());
            let prompt = chat.prompt_tokens_at(&pool.model);
            let warm = warm(at).min(prompt);
            let usage =
                Usage { input: prompt - warm, cached_input: warm, output: answer, ..Usage::default() };
            let load = pool.in_flight();
            let expect =
                |(steered, now): &(&RungSnapshot, f64)| steered.state().0.first_token(at, load, *now);
            let first = known.as_ref().and_then(expect);
            let wait = measured.wait(pool, first, chat.stream(), answer);
            CostEstimate { cost: self.cost(pool, &usage, now), wait, load, work: None }
        };
        pools.iter().zip(&self.rungs).enumerate().map(estimate).collect()
    }

    fn cost(&self, pool: &EndpointPool, usage: &Usage, now: Timestamp) -> Option<f64> {
        let price = pool.model.price.as_ref()?.at(now)?;
        let busy =
            self.machine_time.expected(&pool.model.name, usage.total()).unwrap_or(Duration::from_secs(1));
        Some(price.cost(usage, busy).units())
    }

    /// Adds the chance of a second attempt where the policy guards what it chooses.
    pub fn guard(&self, ladder: &mut [RungState<'_>]) {
        if self.steered.as_ref().is_some_and(|steered| steered.guarded) {
            weights::add_escalation_cost(ladder);
        }
    }

    /// The weights of this moment; `None` where nothing is weighed, or nothing was asked yet.
    pub fn weights(&self) -> Option<UtilityWeights> {
        let steered = self.steered.as_ref()?;
        let now = steered.now();
        let mut state = steered.state();
        let (steer, at) = &mut *state;
        if seconds(now) - *at >= STEP {
            *at = seconds(now);
            steer.step(*at, steered.period(now));
        }
        steer.weights()
    }

    /// A request that was decided by this ladder is about to be carried out.
    pub fn asked(&self, ladder: &[RungState<'_>], draw: RequestDraw) {
        if let Some(steered) = &self.steered {
            steered.state().0.record_request(ladder, draw);
        }
    }

    /// Each target, and what came of it so far.
    pub fn kept(&self) -> Vec<TargetStatus> {
        self.steered.as_ref().map(|steered| steered.state().0.target_statuses().collect()).unwrap_or_default()
    }

    /// A request is over; `foreseen` is what it was expected to cost, `offered` what each rung offered it.
    pub fn learn(
        &self,
        route: &Route,
        record: &RequestRecord,
        foreseen: Option<f64>,
        offered: &[OfferedRung],
    ) {
        let rung = |attempt: &Attempt| route.ladder.iter().position(|model| model.name == attempt.model.name);
        // What a model without a price costs is taken to be what was foreseen, as it was weighed.
        let paid = record.cost().map(Money::units).or(foreseen.filter(|_| !record.attempts.is_empty()));
        if let (Some(steered), Some(paid), Some(foreseen)) = (&self.steered, paid, foreseen) {
            steered.state().0.record_cost(paid, foreseen);
        }
        let Some((answer, at)) = record.answer().and_then(|answer| Some((answer, rung(answer)?))) else {
            return;
        };
        let Some(measured) = self.rungs.get(at).filter(|_| answer.result == AttemptResult::Ok.word()) else {
            return;
        };
        measured.saw(record, answer);
        let first = record.first_token.filter(|_| record.stream);
        if let (Some(steered), Some(here)) = (&self.steered, offered.get(at)) {
            let mut state = steered.state();
            let top = offered.iter().rfind(|rung| rung.eligible).unwrap_or(here);
            state.0.record_answer(here.suffices, top.suffices);
            if let Some(first) = first {
                state.0.record_first_token(at, here.load, first.as_secs_f64(), seconds(steered.now()));
            }
        }
    }
}

impl RungStats {
    fn saw(&self, record: &RequestRecord, answer: &Attempt) {
        let tokens = answer.usage.completion();
        self.answer.saw(tokens as f64);
        self.busy.saw(answer.busy.as_secs_f64());
        if let (Some(writing), 2..) = (record.writing, tokens) {
            self.per_token.saw(writing.as_secs_f64() / (tokens - 1) as f64);
        }
        if let Some(first) = record.first_token.filter(|_| record.stream) {
            self.first_token.saw(first.as_secs_f64());
        }
    }

    /// How long a client would wait, in seconds: for the first token of a stream, or for a whole answer. An engine in
    /// this process says how long a request would wait for its turn.
    fn wait(&self, pool: &EndpointPool, first: Option<f64>, stream: bool, answer: u64) -> f64 {
        let queue = pool.queue_wait().map_or(0.0, |wait| wait.as_secs_f64());
        let writing = if stream { 0.0 } else { self.per_token.get() * answer as f64 };
        match first {
            // What is under way is in it.
            Some(first) => first + writing,
            None if self.first_token.get() > 0.0 => queue + self.first_token.get() + writing,
            // A route that has never seen a stream of it knows how long it takes as a whole.
            None => queue + self.busy.get(),
        }
    }
}

impl RungSnapshot {
    fn state(&self) -> MutexGuard<'_, (WeightController, f64)> {
        self.steer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        let (time, moment) = self.began;
        time.checked_add(moment.elapsed()).unwrap_or(time)
    }

    /// The hour or day of the spend target.
    fn period(&self, now: Timestamp) -> Option<weight_controller::SpendWindow> {
        let per = match self.per? {
            SpendPeriod::Hour => BudgetPeriodLength::Hour,
            SpendPeriod::Day => BudgetPeriodLength::Day,
        };
        let window = BudgetPeriod::around(now, per, &self.zone);
        Some(weight_controller::SpendWindow { begins: seconds(window.begins), ends: seconds(window.ends) })
    }
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}
