//! A first rung that was broken for long is in use again within 10 s of its recovery, and is not troubled before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::gateway::Gateway;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Refusing, Request, Script, Scripted};
use end_to_end::setup::Setup;
use tokio::time::{Instant, sleep};

async fn content(gateway: &Gateway) -> String {
    gateway.ask(&openai::ask_stream("auto", "Hello")).await.content()
}

/// Asks every half second for so long; how often the small rung answered.
async fn ask_for(gateway: &Gateway, time: Duration) -> usize {
    let (started, mut small) = (Instant::now(), 0);
    while started.elapsed() < time {
        small += usize::from(content(gateway).await == "small");
        sleep(Duration::from_millis(500)).await;
    }
    small
}

async fn seconds_until_small(gateway: &Gateway) -> f64 {
    let recovered = Instant::now();
    while content(gateway).await != "small" {
        sleep(Duration::from_millis(100)).await;
    }
    recovered.elapsed().as_secs_f64()
}

/// Breaks in a way, and is well again when told to be. Counts what it is asked while it is broken.
struct Patient {
    well: Arc<AtomicBool>,
    chats: Arc<AtomicUsize>,
    upstream: Scripted,
}

impl Patient {
    /// `checks`: what it says to `GET` while it is broken.
    async fn start(broken: Script, checks: Script) -> Self {
        let (well, chats) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let upstream = Scripted::start({
            let (well, chats) = (Arc::clone(&well), Arc::clone(&chats));
            move |request: &Request| {
                let chat = request.head.line.starts_with("POST");
                chats.fetch_add(usize::from(chat), Ordering::Relaxed);
                match (well.load(Ordering::Relaxed), chat) {
                    (false, true) => broken.clone(),
                    (false, false) => checks.clone(),
                    (true, true) => Reply::text("small").stream(true),
                    (true, false) => openai::error(404, "no_such_path"),
                }
            }
        });
        Self { well, chats, upstream: upstream.await }
    }
}

async fn gateway(small: &str, large: &Scripted) -> Gateway {
    Setup::ladder(small, &large.base_url())
        .every_model("retries: 0")
        .every_model("timeouts: {connect: 1s, first_token: 2s, idle: 2s}")
        .start()
        .await
}

/// Down for so long that terms are minutes.
#[tokio::test(start_paused = true)]
async fn after_ten_minutes_without_a_listener() {
    let (down, large) = (Refusing::start(), Scripted::start(Reply::text("large")).await);
    let gateway = gateway(&down.base_url(), &large).await;
    assert_eq!(ask_for(&gateway, Duration::from_secs(600)).await, 0);
    let attempts = gateway.settled().await.sum("xietong_attempts_total", &[("model", "small")]);
    assert!(attempts <= 5.0 + 10.0, "{attempts} requests were spent on it");
    let _small = down.recover(Reply::text("small"));
    let seconds = seconds_until_small(&gateway).await;
    assert!(seconds <= 10.0, "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn after_ten_minutes_of_errors() {
    for status in [500, 503, 401] {
        let patient = Patient::start(openai::error(status, "x"), openai::error(status, "x")).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = gateway(&patient.upstream.base_url(), &large).await;
        assert_eq!(ask_for(&gateway, Duration::from_secs(600)).await, 0);
        // One request each 7 s, and that costs it a round trip.
        let chats = patient.chats.load(Ordering::Relaxed);
        assert!((60..=130).contains(&chats), "{chats} requests were spent on it");
        patient.well.store(true, Ordering::Relaxed);
        let seconds = seconds_until_small(&gateway).await;
        assert!(seconds <= 10.0, "{status}: {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn after_ten_minutes_of_silence() {
    let patient = Patient::start(Script::default().stall(), Script::default().stall()).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = gateway(&patient.upstream.base_url(), &large).await;
    assert_eq!(ask_for(&gateway, Duration::from_secs(600)).await, 0);
    let chats = patient.chats.load(Ordering::Relaxed);
    assert!(chats <= 5 + 10, "{chats} requests waited for it");
    patient.well.store(true, Ordering::Relaxed);
    let seconds = seconds_until_small(&gateway).await;
    assert!(seconds <= 10.0, "{seconds} s");
}

/// One that answers what is asked in the background, and never a request, is believed less and less.
#[tokio::test(start_paused = true)]
async fn one_that_leads_us_on_is_left_alone() {
    let patient = Patient::start(Script::default().stall(), openai::error(404, "x")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = gateway(&patient.upstream.base_url(), &large).await;
    assert_eq!(ask_for(&gateway, Duration::from_secs(600)).await, 0);
    let chats = patient.chats.load(Ordering::Relaxed);
    assert!(chats <= 5 + 12, "{chats} requests waited for it");
    patient.well.store(true, Ordering::Relaxed);
    assert!(seconds_until_small(&gateway).await <= 400.0);
}

/// However many ask at once, a single one tries.
#[tokio::test(start_paused = true)]
async fn a_crowd_sends_one() {
    let patient = Patient::start(openai::error(500, "x"), openai::error(500, "x")).await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = Arc::new(gateway(&patient.upstream.base_url(), &large).await);
    ask_for(&gateway, Duration::from_secs(4)).await;
    let before = patient.chats.load(Ordering::Relaxed);
    sleep(Duration::from_secs(20)).await;
    let crowd: Vec<_> = (0..200)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { content(&gateway).await })
        })
        .collect();
    for one in crowd {
        assert_eq!(one.await.expect("no panic"), "large");
    }
    // Virtual time runs on while sockets are waited for: a next term may have passed, hardly two.
    let sent = patient.chats.load(Ordering::Relaxed) - before;
    assert!((1..=3).contains(&sent), "{sent} of 200");
}
