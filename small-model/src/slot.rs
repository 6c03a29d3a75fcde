//! One place for an answer: what its part of the cache holds, and the answer under way.

use llama_cpp_2::token::LlamaToken;

use crate::pace::WorkLeft;
use crate::scheduler::GenerationJob;

/// A place for one conversation in the context.
pub(crate) struct Slot {
    /// llama.cpp's name for it.
    pub(crate) sequence: i32,
    /// The tokens whose keys and values are in the cache, in order.
    pub(crate) cached: Vec<LlamaToken>,
    /// How many of them, from the start, were read in whole chunks.
    pub(crate) whole: usize,
    /// Whose tokens they are.
    pub(crate) owner: String,
    /// When it was last taken, counted in takings.
    pub(crate) taken: u64,
    /// The answer under way.
    pub(crate) active: Option<ActiveAnswer>,
}

/// An answer under way.
pub(crate) struct ActiveAnswer {
    /// What was asked for.
    pub(crate) job: GenerationJob,
    /// Tokens of the prompt that needed no reading.
    pub(crate) reused: usize,
    /// Tokens given so far.
    pub(crate) given: u32,
    /// The last token given, which the next step reads; none while the prompt is read.
    pub(crate) last: Option<LlamaToken>,
    /// Where in the batch under way the logits for the next token will stand.
    pub(crate) output: Option<i32>,
}

impl Slot {
    /// An empty place.
    pub(crate) fn new(sequence: i32) -> Self {
        Self { sequence, cached: Vec::new(), whole: 0, owner: String::new(), taken: 0, active: None }
    }

    /// How many tokens at the start of this prompt need no reading here. The last one always does: the
    /// answer begins with its logits. What another asker left in the cache is never used, as the time
    /// it saves would tell what was asked.
    pub(crate) fn reusable(&self, prompt: &[LlamaToken], owner: &str, cut: PrefixCut) -> usize {
        if self.owner == owner { cut.reusable(&self.cached, self.whole, prompt) } else { 0 }
    }

    /// Forgets what the cache has from this token on.
    pub(crate) fn truncate(&mut self, kept: usize) {
        self.cached.truncate(kept);
        self.whole = self.whole.min(kept);
    }

    /// Whether the prompt of its answer is still being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.last.is_none())
    }

    /// Whether its answer is being written.
    pub(crate) fn is_writing(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.last.is_some())
    }

    /// What is left to do for its answer.
    pub(crate) fn work_left(&self) -> Option<WorkLeft> {
        let active = self.active.as_ref()?;
        let read = if active.last.is_some() { active.job.prompt.len() } else { self.cached.len() };
        let prompt = active.job.prompt.len().saturating_sub(read);
        Some(WorkLeft { prompt, given: active.given, budget: active.job.budget })
    }

    /// The tokens that the next step reads for this slot: of the prompt at most `most`, else the last
    /// token; and whether their logits are wanted.
    pub(crate) fn reading(&self, most: usize) -> (Vec<LlamaToken>, bool) {
        let Some(active) = &self.active else { return (Vec::new(), false) };
        if let Some(last) = active.last {
            return (vec![last], true);
        }
        let rest = active.job.prompt.get(self.cached.len()..).unwrap_or_default();
        let now = rest.get(..most.min(rest.len())).unwrap_or_default();
        (now.to_vec(), !now.is_empty() && now.len() == rest.len())
    }
}

/// Where the part of a prompt that is taken from a cache may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrefixCut {
    /// Anywhere.
    Anywhere,
    /// After a whole chunk of so many tokens that was read as one: the rest is then read in the same chunks as it would be
    /// without a cache, and so with the same rounding errors.
    AtChunks(usize),
}

impl PrefixCut {
    /// How many tokens at the start of a prompt need no reading where these are cached, of which so many were read in whole
    /// chunks.
    pub(crate) fn reusable(self, cached: &[LlamaToken], whole: usize, prompt: &[LlamaToken]) -> usize {
        let common = cached.iter().zip(prompt).take_while(|(cached, token)| cached == token).count();
        let common = common.min(prompt.len().saturating_sub(1));
        match self {
            Self::Anywhere => common,
            Self::AtChunks(size) => common.min(whole) / size * size,
        }
    }
}

/// The free slot that suits a prompt best: the one with most of it in its cache, else the one that was
/// taken longest ago.
pub(crate) fn choose(slots: &[Slot], prompt: &[LlamaToken], owner: &str, cut: PrefixCut) -> Option<usize> {
    let free = slots.iter().enumerate().filter(|(_, slot)| slot.active.is_none());
    free.max_by_key(|(_, slot)| (slot.reusable(prompt, owner, cut), u64::MAX - slot.taken))
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<LlamaToken> {
        text.bytes().map(|byte| LlamaToken(byte.into())).collect()
    }

    /// Slots given as `owner:cache`, the first taken first.
    #[track_caller]
    fn check(slots: &[&str], owner: &str, prompt: &str, expected: (usize, usize)) {
        let slots: Vec<_> = (0_i32..)
            .zip(slots)
            .map(|(sequence, text)| {
                let (owner, cached) = text.split_once(':').unwrap();
                let taken = u64::try_from(sequence).unwrap();
                Slot { cached: tokens(cached), owner: owner.into(), taken, ..Slot::new(sequence) }
            })
            .collect();
        let prompt = tokens(prompt);
        let cut = PrefixCut::Anywhere;
        let chosen = choose(&slots, &prompt, owner, cut).unwrap();
        assert_eq!((chosen, slots[chosen].reusable(&prompt, owner, cut)), expected);
    }

    #[test]
    fn chooses_the_slot_that_knows_the_prompt() {
        check(&["a:", "a:"], "a", "hello", (0, 0));
        check(&["a:other", "a:hello, you"], "a", "hello, me", (1, 7));
        check(&["a:other", "a:hel"], "a", "hello", (1, 3));
        check(&["a:xyz", "a:uvw"], "a", "hello", (0, 0));
        check(&["a:hello", "a:"], "a", "hello", (0, 4));
    }

    #[test]
    fn never_uses_what_another_asked() {
        check(&["b:zzz", "a:hello"], "b", "hello", (0, 0));
        check(&["a:hello", "b:hel"], "b", "hello", (1, 3));
    }

    #[test]
    fn ends_a_prefix_after_a_whole_chunk() {
        let check = |cached: &str, whole: usize, prompt: &str, expected: usize| {
            let cut = PrefixCut::AtChunks(4);
            assert_eq!(cut.reusable(&tokens(cached), whole, &tokens(prompt)), expected, "{prompt}");
        };
        check("abcdefghij", 8, "abcdefghijkl", 8);
        check("abcdefghij", 8, "abcdefgh", 4);
        check("abcdefghij", 8, "abcdefghi", 8);
        check("abcdefghij", 4, "abcdefghijkl", 4);
        check("abcdefghij", 8, "abcdef-hijkl", 4);
        check("abcdefghij", 8, "xbcdefghijkl", 0);
        check("abcdefghij", 0, "abcdefghijkl", 0);
    }
}
