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

/// Breaks in a way, and is well again when told to be. Counts what clients ask of it while it is broken, and what the
/// gateway asks by itself.
struct Patient {
    well: Arc<AtomicBool>,
    chats: Arc<AtomicUsize>,
    words: Arc<AtomicUsize>,
    upstream: Scripted,
}

impl Patient {
    /// `checks`: what it says to `GET` while it is broken.
    async fn start(broken: Script, checks: Script) -> Self {
        let (well, chats) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let words = Arc::new(AtomicUsize::new(0));
        let upstream = Scripted::start({
            let (well, chats, words) = (Arc::clone(&well), Arc::clone(&chats), Arc::clone(&words));
            move |request: &Request| {
                let chat = request.head.line.starts_with("POST");
                let count = if is_a_word(request) { &words } else { &chats };
                count.fetch_add(usize::from(chat), Ordering::Relaxed);
                match (well.load(Ordering::Relaxed), chat) {
                    (false, true) => broken.clone(),
                    (false, false) => checks.clone(),
                    (true, true) => Reply::text("small").stream(true),
                    (true, false) => openai::error(404, "no_such_path"),
                }
            }
        });
        Self { well, chats, words, upstream: upstream.await }
    }
}

/// Whether the gateway asks by itself: no test here sets a limit.
fn is_a_word(request: &Request) -> bool {
    request.head.line.starts_with("POST") && request.json()["max_tokens"] == 1
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

/// One that answers what is asked in the background, and never a request, is believed less and less; it is asked for a word
/// meanwhile, and in use again soon after it is well.
#[tokio::test(start_paused = true)]
async fn one_that_leads_us_on_is_left_alone() {
    for broken in [Script::default().stall(), Script::events().stall(), Script::default().close()] {
        let patient = Patient::start(broken, openai::error(404, "x")).await;
        let large = Scripted::start(Reply::text("large")).await;
        let gateway = gateway(&patient.upstream.base_url(), &large).await;
        assert_eq!(ask_for(&gateway, Duration::from_secs(600)).await, 0);
        let chats = patient.chats.load(Ordering::Relaxed);
        assert!(chats <= 5 + 12, "{chats} requests waited for it");
        let words = patient.words.load(Ordering::Relaxed);
        assert!((40..=90).contains(&words), "it was asked for {words} words");
        patient.well.store(true, Ordering::Relaxed);
        let seconds = seconds_until_small(&gateway).await;
        assert!(seconds <= 10.0, "{seconds} s");
        // Each word is in the books, at its bound where nothing was said, and on nobody's budget.
        let metrics = gateway.settled().await;
        let words = patient.words.load(Ordering::Relaxed) as f64;
        let checks = metrics.sum("xietong_requests_total", &[("endpoint", "check"), ("model", "small")]);
        assert_eq!((checks, metrics.sum("xietong_requests_total", &[("endpoint", "check")])), (words, words));
        assert!(metrics.sum("xietong_cost_total", &[("route", "-"), ("model", "small")]) > 0.0);
    }
}

/// One that says a word when it is asked for one, and is mute to clients, is left alone all the same.
#[tokio::test(start_paused = true)]
async fn one_that_says_a_word_and_no_more_is_left_alone() {
    let chats = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&chats);
    let small = Scripted::start(move |request: &Request| {
        if is_a_word(request) {
            return Reply::text("one").stream(true);
        }
        let chat = request.head.line.starts_with("POST");
        counted.fetch_add(usize::from(chat), Ordering::Relaxed);
        if chat { Script::default().stall() } else { openai::error(404, "x") }
    })
    .await;
    let large = Scripted::start(Reply::text("large")).await;
    let gateway = gateway(&small.base_url(), &large).await;
    assert_eq!(ask_for(&gateway, Duration::from_secs(600)).await, 0);
    let chats = chats.load(Ordering::Relaxed);
    assert!(chats <= 5 + 14, "{chats} requests waited for it");
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
