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
    expired: AtomicBool,
    notify: Arc<Notify>,
}

impl ShutdownDeadline {
    /// Whether it has expired.
    pub fn has_expired(&self) -> bool {
        self.0.expired.load(Ordering::Acquire)
    }

    /// From now on everything under way is broken off.
    pub fn expire(&self) {
        self.0.expired.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }

    /// A listener that is woken when it expires.
    pub fn listener(&self) -> DeadlineListener {
        DeadlineListener {
            shutdown_deadline: self.clone(),
            notify: Box::pin(Arc::clone(&self.0.notify).notified_owned()),
        }
    }

    /// Waits until it has expired.
    pub async fn expired(&self) {
        let mut waiter = self.listener();
        poll_fn(|cx| waiter.poll(cx)).await;
    }
}

/// Waits for the shutdown deadline.
#[derive(Debug)]
pub struct DeadlineListener {
    shutdown_deadline: ShutdownDeadline,
    notify: Pin<Box<OwnedNotified>>,
}

impl DeadlineListener {
    /// Ready once it has expired. All waiters share one lock, so whoever is polled with every piece of a stream asks
    /// [`DeadlineListener::is_over`] instead, and this only now and then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The notification first: one that comes between the two is not missed.
        let notified = self.notify.as_mut().poll(cx).is_ready();
        if notified || self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether it has expired.
    pub fn is_over(&self) -> bool {
        self.shutdown_deadline.has_expired()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_are_woken_and_late_ones_do_not_wait() {
        let shutdown_deadline = ShutdownDeadline::default();
        let waiting = tokio::spawn({
            let shutdown_deadline = shutdown_deadline.clone();
            async move { shutdown_deadline.expired().await }
        });
        tokio::task::yield_now().await;
        assert!(!shutdown_deadline.has_expired() && !waiting.is_finished());
        shutdown_deadline.expire();
        waiting.await.unwrap();
        shutdown_deadline.expired().await;
        assert!(shutdown_deadline.listener().is_over());
    }
}
