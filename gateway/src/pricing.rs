//! What an attempt is charged, and what it can cost at most. Where the provider reports usage, that is the bill; where it
//! does not, the charge is never meant to be below it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateway_config::{DialectKind, ModelConfig, ModelProvider};
use jiff::Timestamp;
use router_policies::money::BilledExtras;
use router_policies::{Money, Price, Usage};
use tracing::warn;

use crate::machine_time::MachineTimeMeter;
use protocol::client::ApiEndpoint;
use protocol::{ChatRequest, ChosenTerms, ImageTokens, NativeTerms};

/// What a request can use at most, in tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct UsageBound {
    /// Of the prompt without its pictures, by estimate.
    pub prompt: u64,
    /// Of its pictures, by each rule that models count by.
    pub pictures: ImageTokens,
    /// Of one answer, where the client sets a limit; otherwise each model has its own.
    pub answer: Option<u64>,
    /// How many answers are asked for.
    pub choices: u64,
    /// What the request chooses that has a price of its own.
    pub chosen: ChosenTerms,
}

/// How far an estimate may lie below the truth: the worst of the tokenizers that the estimate was measured against is
/// half as much again (`protocol::estimate`).
const MARGIN_PERCENT: u64 = 150;
/// Tokens of role markers and the like, which no text shows.
const WRAPPING: u64 = 16;
/// Tokens that may have been written and not read when an answer ends early.
const IN_FLIGHT: u64 = 64;
/// How far an estimate may lie above the truth before an answer is taken to be longer than it may be: texts of nothing
/// but digits come to twice their tokens.
const DOUBT: u64 = 2;
/// A machine's time is taken to be at most this many times what so many tokens took so far.
const SLOWER: u32 = 4;

impl UsageBound {
    /// Of an answer to this.
    pub fn for_chat(chat: &ChatRequest) -> Self {
        // Vectors are no tokens.
        let answer = if chat.is_for_embeddings() { Some(0) } else { chat.max_tokens() };
        Self {
            prompt: chat.read_tokens(),
            pictures: *chat.pictures(),
            answer,
            choices: chat.written_answers(),
            chosen: chat.chosen_terms(),
        }
    }

    /// The most that an attempt at this model uses.
    pub fn of(&self, model: &ModelConfig) -> Usage {
        let answer = self.answer.unwrap_or(model.max_output).saturating_mul(self.choices.max(1));
        Usage { input: cautious(self.prompt_for(model)), output: answer, estimated: true, ..Usage::default() }
    }

    /// Tokens of the prompt for this model.
    pub fn prompt_for(&self, model: &ModelConfig) -> u64 {
        self.prompt.saturating_add(self.pictures.at(model))
    }

    /// All tokens of that.
    pub fn tokens(&self, model: &ModelConfig) -> u64 {
        let answer = self.answer.unwrap_or(model.max_output).saturating_mul(self.choices.max(1));
        self.prompt_for(model).saturating_add(answer)
    }

    /// What an attempt at this model costs at most, if it begins now; `None` without a price.
    pub fn most(
        &self,
        model: &ModelConfig,
        now: Timestamp,
        machine_time: &MachineTimeMeter,
    ) -> Option<Money> {
        let usage = self.of(model);
        let busy = longest(model, &usage, machine_time);
        let end = now.checked_add(model.timeouts.total).unwrap_or(now);
        let NativeTerms { extras, compacts } = self.chosen_of(model);
        let (mut prompt, mut answer) = (usage.prompt(), usage.completion());
        if compacts {
            // The conversation is read once more, and what is made of it is written.
            (prompt, answer) = (prompt.saturating_mul(2), answer.saturating_add(model.max_output));
        }
        max_price(model, now, end, |price| model.surcharges.most(price, (prompt, answer), &extras, busy))
    }

    /// What this model is asked for that has a price of its own.
    pub fn chosen_of(&self, model: &ModelConfig) -> NativeTerms {
        let as_it_came = |endpoint| match &model.provider {
            ModelProvider::Remote(remote) => match endpoint {
                ApiEndpoint::Messages => remote.dialect == DialectKind::Anthropic,
                ApiEndpoint::Responses => remote.speaks_responses,
                _ => false,
            },
            ModelProvider::Embedded(_) => false,
        };
        match self.chosen.native {
            Some((endpoint, native)) if as_it_came(endpoint) => native,
            _ => NativeTerms { extras: self.chosen.chat, compacts: false },
        }
    }
}

/// What of these choices a model's price says nothing of, though it may cost more; `None`: nothing, or a machine of our own
/// answers.
pub fn unpriced(model: &ModelConfig, chat: &ChatRequest) -> Option<&'static str> {
    let by_token = model.price.as_ref().is_some_and(|tariff| !tariff.is_by_hour());
    if !by_token {
        return None;
    }
    let bound = UsageBound { chosen: chat.chosen_terms(), ..UsageBound::default() };
    model.surcharges.unpriced(&bound.chosen_of(model).extras)
}

/// What an attempt cost, at the dearer of the prices at its beginning and its end: which of them a provider goes by is
/// its secret. `None` without a price.
pub fn cost(
    model: &ModelConfig,
    charged: &Usage,
    extras: &BilledExtras,
    busy: Duration,
    began: Timestamp,
) -> Option<Money> {
    let by_token = model.price.as_ref().is_some_and(|tariff| !tariff.is_by_hour());
    if by_token && let Some(what) = model.surcharges.approximated(extras) {
        warn_once(&model.name, what);
    }
    max_price(model, began, Timestamp::now(), |price| model.surcharges.cost(price, charged, extras, busy))
}

/// Says once of a model what its price leaves out.
fn warn_once(model: &str, what: &'static str) {
    static SAID: Mutex<BTreeSet<(String, &'static str)>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.insert((model.to_owned(), what)) {
        drop(said);
        warn!(
            target: "xietong::pricing",
            model,
            "its `price` says nothing of {what}, which may cost more: it is charged as if it cost the same"
        );
    }
}

/// What is charged for an answer that is whole: what was reported, or what was estimated and the margin of error.
pub fn charge_complete(usage: &Usage) -> Usage {
    match usage.estimated {
        true => Usage { input: cautious(usage.input), output: raised(usage.output), ..*usage },
        false => *usage,
    }
}

/// What is charged for an answer that ended early: what was seen of it and what was on its way, up to the bound. What
/// was reported meanwhile is at least the prompt.
pub fn charge_partial(seen: &Usage, bound: &Usage) -> Usage {
    let charged = charge_complete(seen);
    let output = charged.output.saturating_add(IN_FLIGHT).min(bound.output.max(charged.output));
    Usage { output, estimated: true, ..charged }
}

/// What is charged where the end is unknown: the bound, with the prompt as reported if it was.
pub fn charge_unknown(reported: Option<Usage>, bound: &Usage) -> Usage {
    match reported.filter(|reported| reported.prompt() > 0) {
        Some(reported) => {
            let output = bound.output.max(reported.completion()).saturating_sub(reported.reasoning);
            Usage { output, estimated: true, ..reported }
        }
        None => *bound,
    }
}

/// Whether an answer of so many tokens by estimate is longer than `bound`, beyond doubt.
pub fn is_beyond(estimate: u64, bound: u64) -> bool {
    estimate > bound.saturating_mul(DOUBT).saturating_add(IN_FLIGHT)
}

fn raised(tokens: u64) -> u64 {
    (tokens.saturating_mul(MARGIN_PERCENT)).div_ceil(100)
}

fn cautious(prompt: u64) -> u64 {
    raised(prompt).saturating_add(WRAPPING)
}

/// How long a machine of our own is busy with it at most: as long as it is let, or what is likely by far.
fn longest(model: &ModelConfig, usage: &Usage, machine_time: &MachineTimeMeter) -> Duration {
    let expected = machine_time.expected(&model.name, usage.total());
    let likely = expected.map(|expected| expected.saturating_mul(SLOWER) + Duration::from_secs(1));
    likely.map_or(model.timeouts.total, |likely| likely.min(model.timeouts.total))
}

fn max_price(
    model: &ModelConfig,
    began: Timestamp,
    ended: Timestamp,
    cost: impl Fn(&Price) -> Money,
) -> Option<Money> {
    let tariff = model.price.as_ref()?;
    let first = cost(tariff.at(began)?);
    Some(tariff.at(ended).map_or(first, |price| cost(price).max(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Usage = Usage {
        input: 316,
        cached_input: 0,
        cache_write: 0,
        cache_write_hour: 0,
        output: 100,
        reasoning: 0,
        estimated: true,
    };

    #[test]
    fn reported_usage_is_the_bill() {
        let reported = Usage { input: 10, cached_input: 5, output: 7, ..Usage::default() };
        assert_eq!(charge_complete(&reported), reported);
    }

    #[test]
    fn what_is_not_reported_is_charged_with_its_margin() {
        let estimated = Usage { input: 10, output: 7, estimated: true, ..Usage::default() };
        assert_eq!((charge_complete(&estimated).input, charge_complete(&estimated).output), (31, 11));
        assert_eq!(charge_partial(&estimated, &BOUND).output, 75);
        assert_eq!(charge_partial(&Usage { output: 60, ..estimated }, &BOUND).output, 100);
        assert!(is_beyond(265, 100) && !is_beyond(264, 100) && !is_beyond(u64::MAX, u64::MAX));
        assert_eq!(charge_unknown(None, &BOUND), BOUND);
        let reported = Usage { input: 12, output: 3, ..Usage::default() };
        assert_eq!(
            charge_unknown(Some(reported), &BOUND),
            Usage { output: 100, estimated: true, ..reported }
        );
    }
}
