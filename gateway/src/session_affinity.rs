//! Which model a conversation was answered by last, in bounded memory.
//!
//! A client that goes on with a conversation sends all of it again, so a request is recognised by what it begins with;
//! or the client names the conversation.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use router_policies::Rung;
use router_policies::query::ConversationState;
use tokio::time::Instant;

use protocol::ChatRequest;

/// Conversations that a part remembers at least; it has two generations of them.
const GENERATION: usize = 1024;
/// Parts, each with a lock of its own.
const PARTS: usize = 16;
/// How long a provider keeps a prompt at the lower price at least: five minutes, as Anthropic and OpenAI say of theirs.
const CACHE_LIFE: Duration = Duration::from_secs(300);

/// Who answered last, and how much its cache holds.
#[derive(Debug, Clone, Copy)]
struct LastAnswer {
    rung: Rung,
    tokens: u64,
    at: Instant,
}

/// A part of them. When the young are many they become the old, and the old are forgotten.
#[derive(Debug, Default)]
struct AffinityShard {
    young: HashMap<u64, LastAnswer>,
    old: HashMap<u64, LastAnswer>,
}

/// The conversations of a route.
#[derive(Debug)]
pub struct SessionAffinity {
    parts: [Mutex<AffinityShard>; PARTS],
    hasher: RandomState,
}

impl Default for SessionAffinity {
    fn default() -> Self {
        Self { parts: Default::default(), hasher: RandomState::new() }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy)]
pub struct ConversationSlot {
    /// What the next request of the conversation will be known by.
    here: u64,
    /// What is known of it; `None` for its first request.
    pub known: Option<ConversationState>,
}

impl SessionAffinity {
    /// Where a request stands. `session` is the client's own name for its conversation.
    pub fn place(&self, chat: &ChatRequest, client: &str, session: Option<&str>) -> ConversationSlot {
        let conversation = chat.conversation_key(&self.hasher, client);
        let (here, before) = match session {
            Some(session) => {
                let name = self.hasher.hash_one((client, session));
                (name, Some(name))
            }
            None => (conversation.here, conversation.before),
        };
        let turn = before.and_then(|key| self.part(key).find(key));
        let warm = |turn: &LastAnswer| match turn.at.elapsed() < CACHE_LIFE {
            true => turn.tokens.min(chat.prompt_tokens()),
            false => 0,
        };
        let known = turn.map(|turn| ConversationState {
            rung: turn.rung,
            warm_tokens: warm(&turn),
            in_tool_loop: conversation.in_tool_loop,
        });
        ConversationSlot { here, known }
    }

    /// A request was answered by this rung; its cache holds so many tokens now.
    pub fn answered(&self, place: &ConversationSlot, rung: Rung, tokens: u64) {
        let turn = LastAnswer { rung, tokens, at: Instant::now() };
        self.part(place.here).keep(place.here, turn);
    }

    fn part(&self, key: u64) -> MutexGuard<'_, AffinityShard> {
        let part = &self.parts[(key % PARTS as u64) as usize];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AffinityShard {
    fn find(&self, key: u64) -> Option<LastAnswer> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn keep(&mut self, key: u64, turn: LastAnswer) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, turn);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn chat(messages: &[&str]) -> ChatRequest {
        let roles = ["user", "assistant"];
        let message =
            |(at, text): (usize, &&str)| format!(r#"{{"role":"{}","content":"{text}"}}"#, roles[at % 2]);
        let messages: Vec<String> = messages.iter().enumerate().map(message).collect();
        let body = format!(r#"{{"model":"auto","messages":[{}]}}"#, messages.join(","));
        ChatRequest::parse(Bytes::from(body)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_answer_is_known_and_its_cache_fades() {
        let conversations = SessionAffinity::default();
        let place = |messages: &[&str], client: &str| conversations.place(&chat(messages), client, None);
        let first = place(&["one"], "a");
        assert!(first.known.is_none());
        conversations.answered(&first, Rung(1), 5);
        let known = place(&["one", "answer", "two"], "a").known.unwrap();
        assert_eq!((known.rung, known.warm_tokens, known.in_tool_loop), (Rung(1), 5, false));
        assert!(place(&["one", "answer", "two"], "b").known.is_none());
        assert!(place(&["uno", "answer", "two"], "a").known.is_none());
        tokio::time::advance(CACHE_LIFE).await;
        let known = place(&["one", "another", "two"], "a").known.unwrap();
        assert_eq!((known.rung, known.warm_tokens), (Rung(1), 0));
    }

    #[tokio::test]
    async fn a_session_is_known_by_its_name() {
        let conversations = SessionAffinity::default();
        let place = |client: &str, session| conversations.place(&chat(&["x"]), client, Some(session));
        conversations.answered(&place("a", "s"), Rung(1), 5);
        assert_eq!(place("a", "s").known.map(|known| known.rung), Some(Rung(1)));
        assert!(place("a", "t").known.is_none() && place("b", "s").known.is_none());
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let conversations = SessionAffinity::default();
        for number in 0..100_000 {
            let place = conversations.place(&chat(&[&number.to_string()]), "a", None);
            conversations.answered(&place, Rung(0), 1);
        }
        let count = |part: &Mutex<AffinityShard>| {
            let part = part.lock().unwrap();
            part.young.len() + part.old.len()
        };
        let kept: usize = conversations.parts.iter().map(count).sum();
        assert!((PARTS * GENERATION..=2 * PARTS * GENERATION).contains(&kept), "{kept}");
    }
}
