//! What is written down is what the upstreams would bill.

use end_to_end::accounts::measure;

/// The same over ten thousand requests: `make accounts`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_agrees_with_the_upstreams() {
    let figures = measure(600).await;
    assert_eq!((figures.error, figures.below, figures.missing), (0, 0, 0), "{figures}");
    // Clients that leave before their request is there have not asked.
    assert!(figures.written > figures.sent * 9 / 10, "{figures}");
    assert!(figures.escalated > 20 && figures.left > 20 && figures.reported > 200, "{figures}");
}
