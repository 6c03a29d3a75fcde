//! Files that a configuration names and that are still on their way: what is told of them, and that one has come.

use std::collections::BTreeMap;
#[cfg(any(test, feature = "engine"))]
use std::sync::Arc;

use tokio::sync::watch;

/// What is known of files on their way.
#[derive(Debug, Default)]
struct ArrivalState {
    /// How many have come.
    arrived: u64,
    /// How those do that have not: a sentence each, by the file's name.
    under_way: BTreeMap<&'static str, String>,
}

/// Tells of files on their way. Whoever fetches them has it.
#[cfg(any(test, feature = "engine"))]
#[derive(Debug, Clone)]
pub struct ArrivalSender(Arc<watch::Sender<ArrivalState>>);

#[cfg(any(test, feature = "engine"))]
impl ArrivalSender {
    /// One, and who hears it.
    pub fn new() -> (Self, Arrivals) {
        let (sender, state) = watch::channel(ArrivalState::default());
        (Self(Arc::new(sender)), Arrivals { state, seen: 0 })
    }

    /// How a file on its way does, in words for the operator.
    pub fn tell(&self, file: &'static str, sentence: String) {
        self.0.send_modify(|state| drop(state.under_way.insert(file, sentence)));
    }

    /// A file has come, whole and verified.
    pub fn arrived(&self, file: &'static str) {
        self.0.send_modify(|state| {
            state.under_way.remove(file);
            state.arrived += 1;
        });
    }
}

/// Hears of files on their way.
#[derive(Debug, Clone)]
pub struct Arrivals {
    state: watch::Receiver<ArrivalState>,
    seen: u64,
}

impl Arrivals {
    /// Of no files.
    pub fn none() -> Self {
        Self { state: watch::channel(ArrivalState::default()).1, seen: 0 }
    }

    /// How each file on its way does, in words for the operator.
    pub fn under_way(&self) -> Vec<String> {
        self.state.borrow().under_way.values().cloned().collect()
    }

    /// Waits until another file has come; for ever when none is on its way.
    pub async fn next(&mut self) {
        let seen = self.seen;
        let arrived = self.state.wait_for(|state| state.arrived > seen).await.map(|state| state.arrived);
        match arrived {
            Ok(arrived) => self.seen = arrived,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn tells_how_files_do_and_when_they_have_come() {
        let (sender, mut arrivals) = ArrivalSender::new();
        sender.tell("a", "a: 10 %".to_owned());
        sender.tell("b", "b: 0 %".to_owned());
        sender.tell("a", "a: 20 %".to_owned());
        assert_eq!(arrivals.under_way(), ["a: 20 %", "b: 0 %"]);
        assert_eq!(arrivals.next().now_or_never(), None);
        sender.arrived("a");
        sender.arrived("b");
        // One reload is enough for both.
        assert_eq!(arrivals.next().now_or_never(), Some(()));
        assert_eq!(arrivals.next().now_or_never(), None);
        assert!(arrivals.under_way().is_empty());
        drop(sender);
        assert_eq!(arrivals.next().now_or_never(), None);
        assert_eq!(Arrivals::none().next().now_or_never(), None);
    }
}
