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
    /// What was reported for answers that ended before the last of several: some servers count each alone.
    earlier: Option<ReportedUsage>,
    /// Whether what was reported last came by itself, behind an end.
    apart: bool,
    /// How many answers have ended.
    finished: u32,
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
        let ChunkInfo { usage: reported, weight, least, text, finish, finished, choices_empty, .. } = *piece;
        let apart = choices_empty && reported.is_some();
        self.add(&Self { reported, earlier: None, apart, finished, weight, least, text, finish });
    }

    /// Takes note of a whole answer.
    pub fn saw_whole(&mut self, whole: &CompletionBody) {
        let (reported, weight) = (whole.reported(), whole.tokens().saturating_mul(1000));
        let (least, text, finish) = (whole.least(), whole.text(), whole.finish());
        self.add(&Self { reported, weight, least, text, finish, ..Self::default() });
    }

    pub(super) fn add(&mut self, other: &Self) {
        if other.finished > 0 && self.apart && self.finished > 0 {
            // An answer ends behind a count that came by itself: that was the count of those before it.
            self.earlier = beside(self.earlier, self.reported.take());
            self.apart = false;
        }
        if other.earlier.is_some() {
            self.earlier = beside(self.earlier, other.earlier);
        }
        self.apart = if other.reported.is_some() { other.apart } else { self.apart };
        self.finished = self.finished.saturating_add(other.finished);
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
        let counted = beside(self.earlier, self.reported).and_then(|reported| reported.completion);
        let estimated = pricing::is_beyond(self.weight.div_ceil(1000), bound);
        counted.is_some_and(|count| count > bound)
            || (estimated && self.least > bound)
            || self.text as u64 / LONGEST_TOKEN > bound.saturating_add(1)
    }
}

/// Two counts as one, where there are two.
fn beside(one: Option<ReportedUsage>, other: Option<ReportedUsage>) -> Option<ReportedUsage> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.beside(other)),
        (one, other) => other.or(one),
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
        let reported = self.reported(&tally).map(|reported| reported.within(longest));
        let count = reported.and_then(|reported| reported.completion).unwrap_or(0);
        // A text that counts for nothing was not counted, and of several answers with fewer tokens than they have words one was.
        let counted = count > 0 || estimate == 0;
        let all_counted = !self.has_several() || count >= tally.least;
        match reported {
            Some(reported) if counted && all_counted => reported.usage(),
            Some(reported) if counted => {
                let told = reported.usage();
                let output = estimate.max(tally.least).saturating_sub(told.reasoning).max(told.output);
                Usage { output, estimated: true, ..told }
            }
            _ => {
                let attempt = self.record.attempts.get(id.0);
                let input =
                    attempt.map_or(self.bound.prompt, |attempt| self.bound.prompt_for(&attempt.model));
                Usage { input, output: estimate, estimated: true, ..Usage::default() }
            }
        }
    }

    /// Whether the client asks for several answers.
    pub(super) fn has_several(&self) -> bool {
        self.bound.choices > 1
    }

    /// What was reported: in sum, where each of several answers was counted by itself.
    pub(super) fn reported(&self, tally: &TokenCounter) -> Option<ReportedUsage> {
        match self.has_several() {
            true => beside(tally.earlier, tally.reported),
            false => tally.reported.or(tally.earlier),
        }
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
        let summed = self.has_several() && self.tally(id).earlier.is_some();
        FinalUsage { usage, cost: self.cost(), resumed: self.resumed, summed, account: self.told(id) }
    }

    /// What was heard of the attempt.
    pub(super) fn tally(&self, id: AttemptId) -> TokenCounter {
        self.tallies.get(id.0).copied().unwrap_or_default()
    }
}
