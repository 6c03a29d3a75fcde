//! What the ledger keeps of a request that is over.

use std::borrow::Cow;

use jiff::Timestamp;
use ledger::usage_record::{AttemptRecord, BudgetDebit, RecordedScores, UsageRecord, Word};
use router_policies::{Currency, RequestDraw};

use super::{Attempt, NONE, RequestRecord};

/// A record that is closed, with what the ledger must know beside it.
pub struct ClosedRecord<'a> {
    /// The record.
    pub record: &'a RequestRecord,
    /// When it was closed.
    pub time: Timestamp,
    /// The currency of accounts.
    pub currency: &'a Currency,
    /// Which budget paid, and how much.
    pub paid: Option<BudgetDebit>,
}

impl<'a> From<ClosedRecord<'a>> for UsageRecord<'a> {
    fn from(closed: ClosedRecord<'a>) -> Self {
        let ClosedRecord { record, time, currency, paid } = closed;
        let decided = record.decided.as_ref();
        let scores = decided.and_then(|decided| decided.scores);
        Self {
            time,
            id: record.id.as_str().into(),
            client: record.client_name().into(),
            route: record.route_name().into(),
            model: record.model().map_or(NONE, |model| &model.name).into(),
            top: record.top().map(|model| model.name.as_str().into()),
            call: record.call.word().into(),
            plan: decided.map(|decided| decided.decision.plan.word().into()),
            reason: decided.map(|decided| decided.decision.reason.word().into()),
            scores: scores.map(|it| RecordedScores {
                difficulty: rounded(it.difficulty),
                gain: rounded(it.gain),
                familiarity: rounded(it.familiarity),
                suffices: it.suffices.map(|chance| rounded(chance.value())),
                chars: record.features.as_ref().map_or(0, |features| features.chars),
                features: record
                    .features
                    .as_ref()
                    .map_or(Cow::Borrowed(&[]), |features| features.readable[..].into()),
            }),
            draw: decided.and_then(|decided| decided.draw).map(RequestDraw::recorded),
            stream: record.stream,
            attempts: record.attempts.iter().map(try_of).collect(),
            answered_by: record.answered_by,
            baseline: record.baseline.map(|money| money.0),
            currency: currency.code().into(),
            first_token: record.first_token.map(|time| time.as_secs_f64()),
            total: record.total.as_secs_f64(),
            status: record.status,
            error: record.error.map(Word::Borrowed),
            outcome: record.outcome.word().into(),
            paid,
        }
    }
}

fn try_of(attempt: &Attempt) -> AttemptRecord<'_> {
    let usage = &attempt.usage;
    AttemptRecord {
        model: attempt.model.name.as_str().into(),
        result: attempt.result.into(),
        input: usage.input,
        cached: usage.cached_input,
        written: usage.cache_write,
        written_hour: usage.cache_write_hour,
        output: usage.output,
        reasoning: usage.reasoning,
        estimated: usage.estimated,
        cost: attempt.cost.map(|money| money.0),
        wasted: attempt.wasted.map(|waste| waste.word().into()),
        chance: attempt.found.map(|found| rounded(found.chance.value())),
        beside: attempt.beside,
    }
}

/// To six places: more is noise, and room in the file.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use ledger::usage_record::OURS;

    use super::super::RecordedCall;

    /// Reports leave out what the gateway asks for its own sake, by the words that the ledger has for it.
    #[test]
    fn the_ledger_knows_which_calls_are_the_gateways_own() {
        for call in RecordedCall::ALL {
            assert_eq!(OURS.contains(&call.word()), call.is_ours(), "{call:?}");
        }
    }
}
