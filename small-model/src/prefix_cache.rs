//! What the engine keeps of conversations that lost their slot: the model's state, copied out of its context, so that the
//! next turn reads only what is new. Never used for another client, as the time it saves would tell what was asked.

use llama_cpp_2::token::LlamaToken;

/// Conversations that are kept aside, in so many bytes. Where there is no more room, the client that takes the most of it
/// loses what it has not used for the longest time.
#[derive(Debug)]
pub(crate) struct PrefixCache<S> {
    /// The oldest first.
    kept: Vec<CachedPrefix<S>>,
    /// Bytes.
    room: usize,
}

/// A conversation that is kept aside.
#[derive(Debug)]
pub(crate) struct CachedPrefix<S> {
    /// Whose it is.
    pub(crate) owner: String,
    /// Its tokens, in order.
    pub(crate) tokens: Vec<LlamaToken>,
    /// How many of them were read in whole chunks.
    pub(crate) whole: usize,
    /// What the model remembers of them.
    pub(crate) state: S,
    /// The size of the state.
    pub(crate) bytes: usize,
}

impl<S> PrefixCache<S> {
    /// An empty cache of so many bytes; 0 keeps nothing.
    pub(crate) fn new(room: usize) -> Self {
        Self { kept: Vec::new(), room }
    }

    /// The conversation of this client that has the most of a prompt, by `reusable`, and how much; `None` where none has
    /// more than `least`.
    pub(crate) fn best(
        &self,
        owner: &str,
        least: usize,
        reusable: impl Fn(&CachedPrefix<S>) -> usize,
    ) -> Option<usize> {
        let own = self.kept.iter().enumerate().filter(|(_, kept)| kept.owner == owner);
        let best = own.map(|(index, kept)| (reusable(kept), index)).max()?;
        (best.0 > least).then_some(best.1)
    }

    /// Takes a conversation out.
    pub(crate) fn take(&mut self, index: usize) -> Option<CachedPrefix<S>> {
        (index < self.kept.len()).then(|| self.kept.remove(index))
    }

    /// Whether a state of so many bytes may be kept at all.
    pub(crate) fn takes(&self, bytes: usize) -> bool {
        bytes <= self.room
    }

    /// Keeps a conversation, and lets go of others where there is no room.
    pub(crate) fn put(&mut self, prefix: CachedPrefix<S>) {
        if !self.takes(prefix.bytes) {
            return;
        }
        // What goes on from another makes that superfluous.
        self.kept.retain(|kept| kept.owner != prefix.owner || !prefix.tokens.starts_with(&kept.tokens));
        self.kept.push(prefix);
        while self.bytes() > self.room {
            let Some(oldest) = self.oldest_of_the_largest() else { break };
            self.kept.remove(oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.bytes).sum()
    }

    fn oldest_of_the_largest(&self) -> Option<usize> {
        let of = |owner: &str| -> usize {
            self.kept.iter().filter(|kept| kept.owner == owner).map(|kept| kept.bytes).sum()
        };
        let largest = self.kept.iter().map(|kept| (of(&kept.owner), &kept.owner)).max()?.1;
        self.kept.iter().position(|kept| kept.owner == *largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<LlamaToken> {
        text.bytes().map(|byte| LlamaToken(byte.into())).collect()
    }

    /// Conversations given as `owner:text`, each of as many bytes as it has letters.
    fn cache(room: usize, put: &[&str]) -> PrefixCache<()> {
        let mut cache = PrefixCache::new(room);
        for text in put {
            let (owner, text) = text.split_once(':').unwrap();
            let (owner, tokens, bytes) = (owner.to_owned(), tokens(text), text.len());
            cache.put(CachedPrefix { owner, tokens, whole: 0, state: (), bytes });
        }
        cache
    }

    fn kept(cache: &PrefixCache<()>) -> String {
        let text = |kept: &CachedPrefix<()>| -> String {
            kept.tokens.iter().map(|token| char::from(u8::try_from(token.0).unwrap())).collect()
        };
        let each = cache.kept.iter().map(|kept| format!("{}:{}", kept.owner, text(kept)));
        each.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_client_that_takes_most_loses_what_it_used_longest_ago() {
        let check = |room, put: &[&str], expected: &str| assert_eq!(kept(&cache(room, put)), expected);
        check(9, &["a:xxx", "a:yyy", "a:zzz"], "a:xxx a:yyy a:zzz");
        check(8, &["a:xxx", "a:yyy", "a:zzz"], "a:yyy a:zzz");
        check(8, &["b:xxx", "a:yyy", "a:zzz"], "b:xxx a:zzz");
        check(8, &["b:xxx", "a:yyy", "a:zzz", "a:www"], "b:xxx a:www");
        // What is too large for it, and a cache of nothing.
        check(8, &["a:xxx", "a:123456789"], "a:xxx");
        check(0, &["a:x"], "");
        // A conversation that went on takes the place of its beginning, and of nobody else's.
        check(20, &["a:xxx", "b:xxx", "a:xxxyyy"], "b:xxx a:xxxyyy");
    }

    #[test]
    fn what_has_most_of_a_prompt_is_taken() {
        let check = |owner: &str, prompt: &str, least, expected: Option<&str>| {
            let mut cache = cache(99, &["a:hello, you", "a:help", "b:hello, me"]);
            let prompt = tokens(prompt);
            let common = |kept: &CachedPrefix<()>| {
                kept.tokens.iter().zip(&prompt).take_while(|(kept, token)| kept == token).count()
            };
            let best = cache.best(owner, least, common);
            let taken = best.and_then(|index| cache.take(index)).map(|prefix| prefix.tokens);
            assert_eq!(taken, expected.map(tokens), "{owner}: {prompt:?}");
        };
        check("a", "hello, all", 0, Some("hello, you"));
        check("a", "help me", 0, Some("help"));
        check("b", "hello, you", 0, Some("hello, me"));
        check("c", "hello, you", 0, None);
        // As much as is at hand anyway.
        check("a", "help me", 4, None);
        check("a", "other", 0, None);
    }
}
