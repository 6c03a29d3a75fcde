//! One place for an answer: what its part of the cache holds, and the answer under way.

use llama_cpp_2::token::LlamaToken;

use crate::scheduler::GenerationJob;

/// A place for one conversation in the context.
pub(crate) struct Slot {
    /// llama.cpp's name for it.
    pub(crate) sequence: i32,
    /// The tokens whose keys and values are in the cache, in order.
    pub(crate) cached: Vec<LlamaToken>,
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
        Self { sequence, cached: Vec::new(), owner: String::new(), taken: 0, active: None }
    }

    /// How many tokens at the start of this prompt need no reading here. The last one always does: the
    /// answer begins with its logits. What another asker left in the cache is never used, as the time
    /// it saves would tell what was asked.
    pub(crate) fn reusable(&self, prompt: &[LlamaToken], owner: &str) -> usize {
        if self.owner != owner {
            return 0;
        }
        let common = self.cached.iter().zip(prompt).take_while(|(cached, token)| cached == token).count();
        common.min(prompt.len().saturating_sub(1))
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

/// The free slot that suits a prompt best: the one with most of it in its cache, else the one that was
/// taken longest ago.
pub(crate) fn choose(slots: &[Slot], prompt: &[LlamaToken], owner: &str) -> Option<usize> {
    let free = slots.iter().enumerate().filter(|(_, slot)| slot.active.is_none());
    free.max_by_key(|(_, slot)| (slot.reusable(prompt, owner), u64::MAX - slot.taken)).map(|(index, _)| index)
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
        let chosen = choose(&slots, &prompt, owner).unwrap();
        assert_eq!((chosen, slots[chosen].reusable(&prompt, owner)), expected);
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
}
