//! The account of one request: opened once, closed once, whatever happens. It moves from stage to stage and, for a
//! stream, into the response body; dropping it unclosed says that the client left.

use std::sync::Arc;

use gateway_config::{LogFormat, Model};
use prometheus::IntGauge;
use router_policies::{Currency, Money, Price, Usage};
use tokio::time::Instant;

use crate::curfew::Curfew;
use crate::error::Failure;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::pace::Paces;
use crate::protocol::{FinalUsage, Piece, Reported};
use crate::record::{Asked, Attempt, Call, Outcome, Record, Waste};
use crate::request_id::RequestId;
use crate::setback::Setback;

/// Tokens. No answer is longer unless the request allows it; a higher count from an upstream is a mistake or an attack.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Where closed accounts go.
#[derive(Clone)]
pub struct Books {
    /// Counters and histograms.
    pub metrics: Arc<Metrics>,
    /// The log.
    pub log: Log,
    /// What a token of a model paid by the hour takes.
    pub paces: Arc<Paces>,
    /// When what is under way is broken off.
    pub curfew: Curfew,
}

/// The account of one request under way.
pub struct Account {
    /// What will be recorded; stages fill in what they learn.
    pub record: Record,
    books: Books,
    format: LogFormat,
    currency: Currency,
    times: Times,
    /// What a prompt and the longest possible answer take, in tokens: the bound of an attempt whose end is unknown.
    bound: Usage,
    tally: Tally,
    /// What the client got of an answer that another model went on with; `None` where there is no such answer.
    before: Option<Usage>,
    resumed: bool,
    under_way: Option<Instant>,
    closed: bool,
    _in_flight: InFlight,
}

struct Times {
    arrived: Instant,
    first_asked: Option<Instant>,
    committed: Option<Instant>,
    head: Option<Instant>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
}

/// What the answering attempt has said so far.
#[derive(Default)]
struct Tally {
    reported: Option<Reported>,
    /// Thousandths of a token.
    weight: u64,
}

impl Account {
    /// Opens the account of a request that arrived at `arrived`.
    pub fn open(
        books: &Books,
        format: LogFormat,
        currency: Currency,
        id: RequestId,
        call: Call,
        arrived: Instant,
    ) -> Self {
        let record = Record {
            id,
            call,
            client: None,
            asked: Asked::Nothing,
            stream: false,
            decided: None,
            attempts: Vec::new(),
            answered_by: None,
            outcome: Outcome::Abandoned,
            status: 0,
            error: None,
            first_token: None,
            writing: None,
            total: Default::default(),
            overhead: Default::default(),
            scoring: None,
            baseline: None,
        };
        let times = Times {
            arrived,
            first_asked: None,
            committed: None,
            head: None,
            first_token: None,
            last_token: None,
        };
        Self {
            record,
            _in_flight: InFlight::enter(&books.metrics.in_flight),
            books: books.clone(),
            format,
            currency,
            times,
            bound: Usage::default(),
            tally: Tally::default(),
            before: None,
            resumed: false,
            under_way: None,
            closed: false,
        }
    }

    /// Says what the request can use at most: estimated prompt tokens and the longest answer.
    pub fn bound(&mut self, prompt: u64, answer: u64) {
        self.bound = Usage { input: prompt, output: answer, estimated: true, ..Usage::default() };
    }

    /// An attempt begins. Until it ends it stands as abandoned.
    pub fn begin(&mut self, model: &Arc<Model>, endpoint: &Arc<str>) {
        let now = Instant::now();
        self.times.first_asked.get_or_insert(now);
        self.under_way = Some(now);
        self.tally = Tally::default();
        self.record.attempts.push(Attempt {
            model: Arc::clone(model),
            endpoint: Arc::clone(endpoint),
            result: "abandoned",
            usage: Usage::default(),
            cost: Some(Money::ZERO),
            busy: Default::default(),
            wasted: Some(Waste::Abandoned),
            detail: None,
        });
    }

    /// The attempt under way ended without an answer. What may have been billed is charged at the bound; what the
    /// provider refused costs nothing.
    pub fn failed(&mut self, setback: &Setback) {
        let usage = match (setback.may_be_billed(), &self.tally.reported) {
            (false, _) => Usage::default(),
            (true, Some(reported)) => reported.usage(),
            (true, None) => self.bound,
        };
        self.end_attempt(setback.word(), usage, Some(Waste::Retried));
        self.note_detail(setback);
    }

    /// The attempt under way is the one whose answer the client gets.
    pub fn commit(&mut self) {
        self.times.committed = Some(Instant::now());
        self.record.answered_by = self.record.attempts.len().checked_sub(1);
    }

    /// The answer's head is on its way to the client.
    pub fn head_sent(&mut self, status: u16) {
        self.times.head = Some(Instant::now());
        self.record.status = status;
    }

    /// A piece of the answer came; what it says of tokens is counted.
    pub fn saw(&mut self, piece: &Piece) {
        self.estimated(piece.weight);
        if let Some(reported) = piece.usage {
            self.reported(reported);
        }
    }

    /// A piece of the answer goes to the client.
    pub fn hand_on(&mut self, piece: &Piece) {
        self.saw(piece);
        if piece.begins {
            let now = Instant::now();
            self.times.first_token.get_or_insert(now);
            self.times.last_token = Some(now);
        }
    }

    /// So much text was answered, in thousandths of a token by estimate.
    pub fn estimated(&mut self, weight: u64) {
        self.tally.weight = self.tally.weight.saturating_add(weight);
    }

    /// The upstream reported usage; the last report counts.
    pub fn reported(&mut self, reported: Reported) {
        self.tally.reported = Some(reported);
    }

    /// An event of the upstream could not be read and was left out.
    pub fn skipped_event(&self) {
        if let Some(attempt) = self.record.attempts.last() {
            self.books.metrics.malformed_events.with_label_values(&[&attempt.model.name]).inc();
        }
    }

    /// Usage of the answer so far: as reported, or estimated.
    pub fn usage(&self) -> Usage {
        let estimate = self.tally.weight.div_ceil(1000);
        let longest = self.bound.output.max(LONGEST_ANSWER);
        let reported = self.tally.reported.unwrap_or_default().within(longest);
        // A text that counts for nothing was not counted.
        let counted = reported.completion.is_some_and(|count| count > 0) || estimate == 0;
        if self.tally.reported.is_some() && counted {
            return reported.usage();
        }
        Usage { input: self.bound.input, output: estimate, estimated: true, ..Usage::default() }
    }

    /// The answer is whole; its attempt's usage and cost are settled, so that [`Account::cost`] is final.
    pub fn settle(&mut self) {
        self.end_attempt("ok", self.usage(), None);
    }

    /// The answer broke off after its first byte. Its own attempt brought the client something, so it is not waste.
    pub fn broke_off(&mut self, setback: &Setback) {
        self.end_attempt(setback.word(), self.usage(), None);
        self.note_detail(setback);
    }

    /// The attempt under way goes on with an answer that broke off: with the rest of it alone, or, if `whole`, by giving
    /// all of it again, of which the client gets what it has not seen.
    pub fn resume(&mut self, whole: bool) {
        let broken = self.record.answer().map(|attempt| attempt.usage);
        self.before = broken.filter(|_| !whole);
        self.resumed = true;
        self.record.answered_by = self.record.attempts.len().checked_sub(1);
    }

    /// The attempt under way is given up for what it says, not for how it does; what it said so far may be billed.
    pub fn set_aside(&mut self, word: &'static str) {
        self.end_attempt(word, self.usage(), Some(Waste::Retried));
    }

    /// The cost of all attempts so far; `None` when one has no known price.
    pub fn cost(&self) -> Option<Money> {
        self.record.cost()
    }

    /// What the client is told of tokens and cost; final once the attempt is settled.
    pub fn final_usage(&self) -> FinalUsage {
        let now = self.usage();
        let usage = self.before.map_or(now, |before| Usage {
            output: before.output.saturating_add(now.output),
            reasoning: before.reasoning.saturating_add(now.reasoning),
            estimated: before.estimated || now.estimated,
            ..before
        });
        FinalUsage { usage, cost: self.cost(), resumed: self.resumed }
    }

    /// Closes the account of an answer that the client got whole.
    pub fn close_complete(mut self) {
        self.close(Outcome::Complete);
    }

    /// Closes the account of a request that ended in an error.
    pub fn close_failed(mut self, failure: &Failure) {
        self.record.error = Some(failure.code());
        if self.times.head.is_none() {
            self.record.status = failure.status();
        }
        self.close(failure.outcome());
    }

    fn note_detail(&mut self, setback: &Setback) {
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.detail = setback.detail();
        }
    }

    fn end_attempt(&mut self, result: &'static str, usage: Usage, wasted: Option<Waste>) {
        let Some(began) = self.under_way.take() else { return };
        let busy = began.elapsed();
        let Some(attempt) = self.record.attempts.last_mut() else { return };
        attempt.result = result;
        attempt.usage = usage;
        attempt.busy = busy;
        attempt.wasted = wasted;
        let price = attempt.model.price.as_ref().and_then(|tariff| tariff.at(jiff::Timestamp::now()));
        attempt.cost = price.map(|price| price.cost(&usage, busy));
        if result == "ok" {
            self.books.paces.saw(&attempt.model.name, usage.total(), busy);
        }
    }

    fn close(&mut self, outcome: Outcome) {
        self.closed = true;
        let since = |end: Option<Instant>, start: Instant| end.map(|end| end.duration_since(start));
        let times = &self.times;
        let record = &mut self.record;
        record.outcome = outcome;
        record.total = times.arrived.elapsed();
        record.first_token = since(times.first_token, times.arrived);
        record.writing = times.first_token.and_then(|first| since(times.last_token, first));
        let before = since(times.first_asked, times.arrived).unwrap_or(record.total);
        let after = times.committed.and_then(|committed| since(times.head, committed)).unwrap_or_default();
        record.overhead = before + after;
        record.baseline = baseline(record, &self.books.paces);
        self.books.metrics.observe(record, self.currency);
        self.books.log.request(record, self.format, self.currency);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.closed {
            // What was said before the client left is what the provider bills, as far as we can know.
            let usage = if self.record.answered_by.is_some() { self.usage() } else { self.bound_of_prompt() };
            self.end_attempt("abandoned", usage, Some(Waste::Abandoned));
            // Whoever is still here at the curfew did not leave: it is we who do.
            let outcome = match (self.books.curfew.has_fallen(), self.record.answered_by) {
                (false, _) => Outcome::Abandoned,
                (true, None) => Outcome::Failed,
                (true, Some(_)) => Outcome::Cut,
            };
            if outcome != Outcome::Abandoned {
                self.record.error = Some(Failure::Stopping.code());
            }
            self.close(outcome);
        }
    }
}

impl Account {
    /// The prompt alone: what an attempt cancelled before its first token is taken to have cost.
    fn bound_of_prompt(&self) -> Usage {
        Usage { input: self.bound.input, estimated: true, ..Usage::default() }
    }
}

/// The same answer from the top of the ladder; `None` where its price is not known, or nothing was answered.
fn baseline(record: &Record, paces: &Paces) -> Option<Money> {
    let answer = record.answer()?;
    let Asked::Route(route) = &record.asked else { return None };
    let top = route.ladder.last()?;
    if top.name == answer.model.name {
        return answer.cost;
    }
    let price = top.price.as_ref()?.at(jiff::Timestamp::now())?;
    let busy = match price {
        Price::Tokens(_) => Default::default(),
        Price::Hour(_) => paces.expected(&top.name, answer.usage.total())?,
    };
    Some(price.cost(&answer.usage, busy))
}

/// Counts a request as under way for as long as it lives.
struct InFlight(IntGauge);

impl InFlight {
    fn enter(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
