//! What was heard of an attempt, and what it comes to in tokens.

use super::*;
use protocol::{CompletionBody, FinishReason};

/// Tokens. No answer is longer unless the request allows it; a higher count from an upstream is a mistake or an attack.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Characters. The longest tokens of common vocabularies are runs of 128 spaces or dashes.
const LONGEST_TOKEN: u64 = 256;

/// What an attempt has said so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenCounter {
    pub(super) reported: Option<ReportedUsage>,
    /// Thousandths of a token.
    pub(super) weight: u64,
    /// Tokens that it has at least.
    least: u64,
    /// Characters.
    text: usize,
    /// Why it ended, once it said so.
    pub(super) finish: Option<FinishReason>,
}

impl TokenCounter {
    /// Takes note of a piece of an answer.
    pub fn saw(&mut self, piece: &ChunkInfo) {
        let ChunkInfo { usage: reported, weight, least, text, finish, .. } = *piece;
        self.add(&Self { reported, weight, least, text, finish });
    }

    /// Takes note of a whole answer.
    pub fn saw_whole(&mut self, whole: &CompletionBody) {
        let (reported, weight) = (whole.reported(), whole.tokens().saturating_mul(1000));
        let (least, text, finish) = (whole.least(), whole.text(), whole.finish());
        self.add(&Self { reported, weight, least, text, finish });
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.weight = self.weight.saturating_add(other.weight);
        self.least = self.least.saturating_add(other.least);
        self.text = self.text.saturating_add(other.text);
        self.reported = other.reported.or(self.reported);
        self.finish = other.finish.or(self.finish);
    }

    /// Whether it is longer than `bound` tokens beyond doubt: by the upstream's own count; by estimate, where it also has
    /// more words than that, or comes in more pieces; or because no tokenizer puts so much text into so few tokens. An
    /// estimate alone, which long runs of one sign can raise far too high, ends no answer.
    pub fn is_beyond(&self, bound: u64) -> bool {
        let counted = self.reported.and_then(|reported| reported.completion);
        let estimated = pricing::is_beyond(self.weight.div_ceil(1000), bound);
        counted.is_some_and(|count| count > bound)
            || (estimated && self.least > bound)
            || self.text as u64 / LONGEST_TOKEN > bound.saturating_add(1)
    }
}

impl RequestAccount {
    /// Takes over what was heard of the attempt while nobody kept its account.
    pub fn add_tokens(&mut self, id: AttemptId, other: &TokenCounter) {
        if let Some(tally) = self.tallies.get_mut(id.0) {
            tally.add(other);
        }
    }

    /// Usage of the attempt's answer so far: as reported, or estimated.
    pub fn usage(&self, id: AttemptId) -> Usage {
        let tally = self.tally(id);
        let estimate = tally.weight.div_ceil(1000);
        let longest = self.bound_of(id).output.max(LONGEST_ANSWER);
        let reported = tally.reported.unwrap_or_default().within(longest);
        // A text that counts for nothing was not counted.
        let counted = reported.completion.is_some_and(|count| count > 0) || estimate == 0;
        if tally.reported.is_some() && counted {
            return reported.usage();
        }
        let attempt = self.record.attempts.get(id.0);
        let input = attempt.map_or(self.bound.prompt, |attempt| self.bound.prompt_for(&attempt.model));
        Usage { input, output: estimate, estimated: true, ..Usage::default() }
    }

    /// What the client is told of tokens and cost, where it gets the attempt's answer; final once the attempt is settled.
    pub fn final_usage(&self, id: AttemptId) -> FinalUsage {
        let now = self.usage(id);
        let usage = self.before.map_or(now, |before| Usage {
            output: before.output.saturating_add(now.output),
            reasoning: before.reasoning.saturating_add(now.reasoning),
            estimated: before.estimated || now.estimated,
            ..before
        });
        FinalUsage { usage, cost: self.cost(), resumed: self.resumed, account: self.told(id) }
    }

    /// What was heard of the attempt.
    pub(super) fn tally(&self, id: AttemptId) -> TokenCounter {
        self.tallies.get(id.0).copied().unwrap_or_default()
    }
}
