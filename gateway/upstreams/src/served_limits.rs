//! What a model's servers have said of it: in their lists, and in what they refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use protocol::ServedFacts;
use tokio::time::Instant;

/// How long a refusal is believed: a server can be started again with a larger context, and says so only when it is asked.
const REFUSAL_HOLDS: Duration = Duration::from_secs(10 * 60);
/// No context is known.
const UNKNOWN: u64 = u64::MAX;

/// The limits of a model as its servers told them, which its configuration may not know. Reading them takes no lock.
#[derive(Debug)]
pub struct ServedLimits {
    began: Instant,
    /// What each endpoint said last, by its place.
    said: Mutex<Vec<ServedFacts>>,
    /// The smallest context that an endpoint said it has.
    listed: AtomicU64,
    /// The smallest context of a refusal, and until when it holds, in milliseconds from the beginning.
    refused: AtomicU64,
    refused_until: AtomicU64,
    /// What some endpoint said that it takes none of.
    lacking: [AtomicU64; 2],
}

/// What a server may say that it does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServedMedium {
    /// Images.
    Image,
    /// Sound.
    Audio,
}

impl Default for ServedLimits {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            said: Mutex::default(),
            listed: AtomicU64::new(UNKNOWN),
            refused: AtomicU64::new(UNKNOWN),
            refused_until: AtomicU64::new(0),
            lacking: Default::default(),
        }
    }
}

impl ServedLimits {
    /// Tokens that prompt and answer may have together, at every endpoint; `None` where none has said.
    #[inline]
    pub fn context(&self) -> Option<u64> {
        let listed = self.listed.load(Ordering::Relaxed);
        let refused = match self.refused.load(Ordering::Relaxed) {
            UNKNOWN => UNKNOWN,
            refused if self.now() < self.refused_until.load(Ordering::Relaxed) => refused,
            _ => UNKNOWN,
        };
        let context = listed.min(refused);
        (context != UNKNOWN).then_some(context)
    }

    /// Whether an endpoint said that it takes none of this.
    #[inline]
    pub fn lacks(&self, medium: ServedMedium) -> bool {
        self.lacking[medium as usize].load(Ordering::Relaxed) > 0
    }

    /// Takes note of the context that a refusal named; whether that is news.
    pub fn refused(&self, context: u64) -> bool {
        let before = self.context();
        let until = self.now() + REFUSAL_HOLDS.as_millis() as u64;
        let holds = self.now() < self.refused_until.load(Ordering::Relaxed);
        let least = if holds { self.refused.load(Ordering::Relaxed).min(context) } else { context };
        self.refused.store(least, Ordering::Relaxed);
        self.refused_until.store(until, Ordering::Relaxed);
        self.context() != before
    }

    /// Takes note of what an endpoint says of the model, in place of what it said before, and of what was refused before: it
    /// may have been started anew. Whether that is news.
    pub fn said(&self, endpoint: usize, served: ServedFacts) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() <= endpoint {
            said.resize(endpoint + 1, ServedFacts::default());
        }
        let before = (self.context(), said[endpoint]);
        said[endpoint] = served;
        let least = said.iter().filter_map(|served| served.context).min();
        self.listed.store(least.unwrap_or(UNKNOWN), Ordering::Relaxed);
        if served.context.is_some() {
            self.refused.store(UNKNOWN, Ordering::Relaxed);
        }
        for (lacking, medium) in self.lacking.iter().zip([ServedMedium::Image, ServedMedium::Audio]) {
            let takes = |served: &&ServedFacts| match medium {
                ServedMedium::Image => served.image == Some(false),
                ServedMedium::Audio => served.audio == Some(false),
            };
            lacking.store(said.iter().filter(takes).count() as u64, Ordering::Relaxed);
        }
        before != (self.context(), served)
    }

    /// Milliseconds from the beginning.
    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn served(context: Option<u64>, image: Option<bool>) -> ServedFacts {
        ServedFacts { context, image, audio: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_believed_for_a_while() {
        let limits = ServedLimits::default();
        assert_eq!(limits.context(), None);
        assert!(limits.refused(1024) && !limits.refused(2048), "the smaller of two endpoints counts");
        advance(Duration::from_secs(599)).await;
        assert_eq!(limits.context(), Some(1024));
        advance(Duration::from_secs(2)).await;
        assert_eq!(limits.context(), None, "the server may have another by now");
        assert!(limits.refused(4096));
        assert_eq!(limits.context(), Some(4096), "what is over does not come back");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_server_says_of_itself_replaces_what_it_said_and_refused() {
        let limits = ServedLimits::default();
        limits.refused(1024);
        assert!(limits.said(1, served(Some(8192), Some(false))));
        assert_eq!(limits.context(), Some(8192));
        assert!(!limits.said(1, served(Some(8192), Some(false))), "that is no news");
        assert!(limits.said(0, served(Some(4096), Some(true))), "of two endpoints the smaller counts");
        assert_eq!(limits.context(), Some(4096));
        assert!(limits.lacks(ServedMedium::Image) && !limits.lacks(ServedMedium::Audio));
        // A refusal after it is believed all the same: a slot may have less than the list says.
        assert!(limits.refused(2048));
        assert_eq!(limits.context(), Some(2048));
        assert!(limits.said(0, served(Some(16384), None)) && limits.said(1, served(None, Some(true))));
        assert_eq!(limits.context(), Some(16384));
        assert!(!limits.lacks(ServedMedium::Image));
        // One that says nothing forgets nothing that was refused.
        limits.said(0, ServedFacts::default());
        limits.refused(512);
        limits.said(0, ServedFacts::default());
        assert_eq!(limits.context(), Some(512));
    }
}
