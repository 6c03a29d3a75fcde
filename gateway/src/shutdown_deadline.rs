//! The moment at which a stopping process breaks off what is still under way.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// Falls once, at the end of the grace period.
#[derive(Debug, Clone, Default)]
pub struct ShutdownDeadline(Arc<DeadlineState>);

#[derive(Debug, Default)]
struct DeadlineState {
    fallen: AtomicBool,
    bell: Arc<Notify>,
}

impl ShutdownDeadline {
    /// Whether it has fallen.
    pub fn has_expired(&self) -> bool {
        self.0.fallen.load(Ordering::Acquire)
    }

    /// From now on everything under way is broken off.
    pub fn expire(&self) {
        self.0.fallen.store(true, Ordering::Release);
        self.0.bell.notify_waiters();
    }

    /// Someone who wants to be woken when it falls.
    pub fn listener(&self) -> DeadlineListener {
        DeadlineListener { curfew: self.clone(), bell: Box::pin(Arc::clone(&self.0.bell).notified_owned()) }
    }

    /// Waits until it has fallen.
    pub async fn expired(&self) {
        let mut waiter = self.listener();
        poll_fn(|cx| waiter.poll(cx)).await;
    }
}

/// Waits for the curfew.
#[derive(Debug)]
pub struct DeadlineListener {
    curfew: ShutdownDeadline,
    bell: Pin<Box<OwnedNotified>>,
}

impl DeadlineListener {
    /// Ready once it has fallen. All waiters share one lock, so whoever is polled with every piece of a stream asks
    /// [`DeadlineListener::is_over`] instead, and this only now and then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The bell first: one that rings between the two is heard.
        let rung = self.bell.as_mut().poll(cx).is_ready();
        if rung || self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether it has fallen.
    pub fn is_over(&self) -> bool {
        self.curfew.has_expired()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_are_woken_and_late_ones_do_not_wait() {
        let curfew = ShutdownDeadline::default();
        let waiting = tokio::spawn({
            let curfew = curfew.clone();
            async move { curfew.expired().await }
        });
        tokio::task::yield_now().await;
        assert!(!curfew.has_expired() && !waiting.is_finished());
        curfew.expire();
        waiting.await.unwrap();
        curfew.expired().await;
        assert!(curfew.listener().is_over());
    }
}
