//! The attempts of a request: how each is begun, heard and ended, and what it is charged.

use std::time::Duration;

use router_policies::guard::GuardScore;
use router_policies::money::BilledExtras;

use super::*;
use crate::record::AttemptResult;
use protocol::ResponseChunk;

/// An attempt that has no end yet.
pub(super) struct InFlightAttempt {
    pub(super) attempt: AttemptId,
    began: Instant,
    at: Timestamp,
    /// On a machine of our own.
    turn: Option<BusyGuard>,
}

impl RequestAccount {
    /// An attempt begins. Until it ends it stands as abandoned.
    #[must_use]
    pub fn begin(&mut self, model: &Arc<ModelConfig>, endpoint: &Arc<str>) -> AttemptId {
        let began = Instant::now();
        self.times.first_asked.get_or_insert(began);
        let by_hour = model.price.as_ref().is_some_and(Tariff::is_by_hour);
        let turn = by_hour.then(|| self.telemetry.machine_time.begin(&model.name));
        let id = AttemptId(self.record.attempts.len());
        self.under_way.push(InFlightAttempt { attempt: id, began, at: Timestamp::now(), turn });
        self.tallies.push(TokenCounter::default());
        self.record.attempts.push(Attempt {
            model: Arc::clone(model),
            endpoint: Arc::clone(endpoint),
            result: AttemptResult::Abandoned.word(),
            usage: Usage::default(),
            cost: Some(Money::ZERO),
            busy: Default::default(),
            began: began.duration_since(self.times.arrived),
            ended: Default::default(),
            finish: None,
            wasted: Some(Waste::Abandoned),
            found: None,
            beside: false,
            detail: None,
            cause: None,
        });
        id
    }

    /// The attempt is made beside another.
    pub fn beside(&mut self, id: AttemptId) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.beside = true;
        }
    }

    /// Whether an attempt at this endpoint has failed.
    pub fn has_failed_at(&self, endpoint: &str) -> bool {
        let failed =
            |attempt: &Attempt| attempt.wasted == Some(Waste::Retried) && *attempt.endpoint == *endpoint;
        self.record.attempts.iter().any(failed)
    }

    /// Whether this model was asked, however that ended.
    pub fn has_asked(&self, model: &ModelConfig) -> bool {
        self.record.attempts.iter().any(|attempt| attempt.model.name == model.name)
    }

    /// Whether this model was asked once, and had too much work ahead.
    pub fn has_left_once(&self, model: &ModelConfig) -> bool {
        let mut asked = self.record.attempts.iter().filter(|attempt| attempt.model.name == model.name);
        let busy = [AttemptErrorKind::QueueTimeout.word(), AttemptErrorKind::QueueFull.word()];
        asked.next().is_some_and(|attempt| busy.contains(&attempt.result)) && asked.next().is_none()
    }

    /// How long the request has waited for a turn at this model that did not come.
    pub fn waited_for(&self, model: &ModelConfig) -> Duration {
        let in_vain = |attempt: &&Attempt| {
            attempt.model.name == model.name && attempt.result == AttemptErrorKind::QueueTimeout.word()
        };
        let waits = self.record.attempts.iter().filter(in_vain);
        waits.map(|attempt| attempt.ended.saturating_sub(attempt.began)).sum()
    }

    /// The attempt ended without an answer. What may have been billed is charged at the bound, what broke at an event that could
    /// not be read by what there is of it, and a failure that tells of tokens by those; what the provider refused costs nothing.
    pub fn failed(&mut self, id: AttemptId, error: &AttemptError) {
        if let AttemptErrorKind::GuardRejected(_) = error.what {
            return self.discard(id, error.word(), Waste::Escalated);
        }
        self.note_error(id, error);
        let bill = if error.may_be_billed() {
            AttemptBill::of(self.unknown(id))
        } else if error.usage().is_some() {
            AttemptBill::of(self.usage(id))
        } else if error.is_malformed_event() && self.tally(id).weight > 0 {
            // Its provider knows of no failure.
            self.so_far(id)
        } else {
            AttemptBill::of(Usage::default())
        };
        self.end_attempt(id, error.word(), bill, Some(Waste::Retried));
    }

    /// The attempt is the one whose answer the client gets.
    pub fn commit(&mut self, id: AttemptId) {
        self.times.committed = Some(Instant::now());
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.beside = false;
        }
        self.record.answered_by = Some(id.0);
    }

    /// A piece of the attempt's answer came; what it says of tokens is counted.
    pub fn saw(&mut self, id: AttemptId, piece: &ChunkInfo) {
        let mut tally = TokenCounter::default();
        tally.saw(piece);
        self.add_tokens(id, &tally);
    }

    /// A piece of the attempt's answer goes to the client, in this chunk.
    pub fn forward(&mut self, id: AttemptId, piece: &ChunkInfo, chunk: &ResponseChunk) {
        self.saw(id, piece);
        if let Some(content) = &mut self.record.content {
            content.add_chunk(chunk);
        }
        if piece.begins {
            let now = Instant::now();
            self.times.first_token.get_or_insert(now);
            self.times.last_token = Some(now);
        }
    }

    /// An event of the attempt's upstream could not be read.
    pub fn malformed_event(&self, id: AttemptId) {
        if let Some(attempt) = self.record.attempts.get(id.0) {
            self.telemetry.metrics.malformed_events.with_label_values(&[&attempt.model.name]).inc();
        }
    }

    /// The attempt's answer is whole; its usage and cost are settled, so that [`RequestAccount::cost`] is final.
    pub fn settle(&mut self, id: AttemptId) {
        self.end_attempt(id, AttemptResult::Ok.word(), self.bill_of_whole(id), None);
    }

    /// The attempt's answer is ended here because it is longer than allowed; what its upstream wrote meanwhile may be
    /// billed.
    pub fn cut_short(&mut self, id: AttemptId) {
        self.end_attempt(id, AttemptResult::Overlong.word(), self.so_far(id), None);
    }

    /// The attempt's answer broke off after its first byte. It brought the client something, so it is not waste.
    pub fn truncated(&mut self, id: AttemptId, error: &AttemptError) {
        self.note_error(id, error);
        // What was seen of it is less than what is charged for it, unless its failure tells of tokens.
        let bill = if error.usage().is_some() { AttemptBill::of(self.usage(id)) } else { self.so_far(id) };
        self.before = Some(bill.shown);
        self.end_attempt(id, error.word(), bill, None);
    }

    /// The attempt goes on with an answer that broke off: with the rest of it alone, or, if `whole`, by giving all of it
    /// again, of which the client gets what it has not seen.
    pub fn resume(&mut self, id: AttemptId, whole: bool) {
        self.before = self.before.filter(|_| !whole);
        self.resumed = true;
        self.record.answered_by = Some(id.0);
    }

    /// The attempt is given up for what it says, or for another that was faster, not for how it does; what it said so far
    /// may be billed.
    pub fn discard(&mut self, id: AttemptId, word: &'static str, cause: Waste) {
        let tally = self.tally(id);
        // It may have worked without a word.
        let silent = tally.weight == 0 && tally.reported.is_none();
        let bill = if silent { AttemptBill::of(self.unknown(id)) } else { self.so_far(id) };
        self.end_attempt(id, word, bill, Some(cause));
    }

    /// The attempt's answer is whole, and is not the one that the client gets: it was there to be compared, or will not
    /// do.
    pub fn discard_complete(&mut self, id: AttemptId, word: &'static str, cause: Option<Waste>) {
        self.end_attempt(id, word, self.bill_of_whole(id), cause);
    }

    /// Whether the attempt's answer is longer than what was set aside for it, which its upstream was told, beyond doubt.
    /// Never so without a budget.
    pub fn is_overlong(&self, id: AttemptId) -> bool {
        if self.reservation.is_none() {
            return false;
        }
        self.tally(id).is_beyond(self.bound_of(id).output)
    }

    /// A guard judged the attempt's answer.
    pub fn judged(&mut self, id: AttemptId, found: Option<GuardScore>) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.found = found;
        }
    }

    /// The client has left, or a fault of ours has ended the request, in the midst of the attempt.
    pub(super) fn abandon(&mut self, id: AttemptId) {
        // What was said before the client left is what the provider bills, as far as we can know.
        let bill = match self.record.answered_by == Some(id.0) {
            true => self.so_far(id),
            false => AttemptBill::of(self.unknown(id)),
        };
        self.end_attempt(id, AttemptResult::Abandoned.word(), bill, Some(Waste::Abandoned));
    }

    /// The most that the attempt uses.
    pub(super) fn bound_of(&self, id: AttemptId) -> Usage {
        self.record.attempts.get(id.0).map(|attempt| self.bound.of(&attempt.model)).unwrap_or_default()
    }

    fn attempt_mut(&mut self, id: AttemptId) -> Option<&mut Attempt> {
        self.record.attempts.get_mut(id.0)
    }

    fn note_error(&mut self, id: AttemptId, error: &AttemptError) {
        if let Some(attempt) = self.attempt_mut(id) {
            attempt.detail = error.detail();
            attempt.cause.clone_from(&error.cause);
        }
        if let (Some(usage), Some(tally)) = (error.usage(), self.tallies.get_mut(id.0)) {
            tally.reported = Some(*usage);
        }
        if error.is_malformed_event() {
            self.malformed_event(id);
        }
    }

    /// What the attempt is charged if its end is not known.
    fn unknown(&self, id: AttemptId) -> Usage {
        let reported = self.tally(id).reported.map(|reported| reported.usage());
        pricing::charge_unknown(reported, &self.bound_of(id))
    }

    /// What the attempt is shown and charged with if it ends here.
    fn so_far(&self, id: AttemptId) -> AttemptBill {
        let seen = self.usage(id);
        let estimate = self.tally(id).weight.div_ceil(1000);
        // Reports on the way may lag behind what was said.
        let output = seen.output.max(estimate.saturating_sub(seen.reasoning));
        AttemptBill {
            shown: seen,
            charged: pricing::charge_partial(&Usage { output, ..seen }, &self.bound_of(id)),
        }
    }

    /// What the attempt's whole answer comes to.
    fn bill_of_whole(&self, id: AttemptId) -> AttemptBill {
        let shown = self.usage(id);
        // Of several answers with one count, the texts say what the others come to: the prompt needs no margin.
        let counted = self.reported(&self.tally(id)).and_then(|it| it.completion).is_some_and(|it| it > 0);
        if self.has_several() && counted { AttemptBill::of(shown) } else { AttemptBill::whole(shown) }
    }

    /// What the attempt is billed beside tokens of text: what was served, or what it was asked for.
    fn extras(&self, id: AttemptId) -> BilledExtras {
        let model = self.record.attempts.get(id.0).map(|attempt| &attempt.model);
        let asked = model.map(|model| self.bound.chosen_of(model).extras.terms).unwrap_or_default();
        self.reported(&self.tally(id)).unwrap_or_default().extras.billed(asked)
    }

    fn end_attempt(&mut self, id: AttemptId, result: &'static str, bill: AttemptBill, wasted: Option<Waste>) {
        let Some(place) = self.under_way.iter().position(|it| it.attempt == id) else { return };
        let InFlightAttempt { began, at, turn, .. } = self.under_way.swap_remove(place);
        let AttemptBill { shown, charged } = bill;
        let whole = (result == AttemptResult::Ok.word()).then_some(shown.total());
        let (now, finish) = (Instant::now(), self.tally(id).finish);
        let extras = self.extras(id);
        let busy = turn.map_or_else(|| now.duration_since(began), |turn| turn.end(whole));
        let Some(attempt) = self.record.attempts.get_mut(id.0) else { return };
        attempt.result = result;
        // Paid for by estimate is known by estimate, even where part of it was reported.
        attempt.usage = Usage { estimated: shown.estimated || charged.estimated, ..shown };
        attempt.busy = busy;
        attempt.ended = now.duration_since(self.times.arrived);
        attempt.finish = finish;
        attempt.wasted = wasted;
        attempt.cost = pricing::cost(&attempt.model, &charged, &extras, busy, at);
    }
}

/// What an attempt comes to.
struct AttemptBill {
    /// What is shown of tokens.
    shown: Usage,
    /// What is paid for.
    charged: Usage,
}

impl AttemptBill {
    /// What is shown is what is paid for.
    fn of(usage: Usage) -> Self {
        Self { shown: usage, charged: usage }
    }

    /// Of a whole answer.
    fn whole(shown: Usage) -> Self {
        Self { shown, charged: pricing::charge_complete(&shown) }
    }
}
