//! Why a connection to an upstream failed is told to the operator, in the log and in the span of the attempt, and to nobody
//! else; whichever HTTP client the gateway is told to use.

use std::io::Write;
use std::sync::{Arc, Mutex};

use end_to_end::collector::Collector;
use end_to_end::gateway::Gateway;
use end_to_end::h2_upstream::H2Upstream;
use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Refusing, Scripted};
use end_to_end::setup::{Setup, UPSTREAM_KEY};
use serde_json::Value;

/// In every prompt here.
const CANARY: &str = "canary-in-the-prompt";

/// A log that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is expected of the first attempt.
struct Expected {
    result: &'static str,
    phase: &'static str,
    /// What the system's words have in them.
    words: &'static str,
}

/// Asks a route whose small model is at this address, with this client.
async fn check(client: &str, small: &str, expected: Expected) {
    let case = format!("{client} {small}");
    let large = Scripted::start(Reply::text("large to the rescue")).await;
    let collector = Collector::start().await;
    let setup = Setup::ladder(small, &large.base_url())
        .every_model("retries: 0")
        .top("log: json")
        .top(&format!("upstream_client: {client}"))
        .top(&collector.line(""));
    let log = Kept::default();
    let gateway = Gateway::start_with_log(&setup.yaml(), log.clone().into()).await;
    let answer = gateway.ask(&openai::ask_stream("auto", CANARY)).await;
    gateway.settled().await;
    let metrics = gateway.get_admin("/metrics").await;
    let shown = gateway.get_admin("/config").await;
    assert_eq!(shown.json()["upstream_client"], client, "{case}: {}", shown.text());
    let spans = collector.wait(2).await;
    gateway.stop().await;

    let text = String::from_utf8(log.0.lock().expect("nobody panicked").clone()).expect("UTF-8");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.into_iter().find(|line| line["attempts"].is_array());
    let attempt = line.unwrap_or_else(|| panic!("{case}: {text}"))["attempts"][0].clone();
    assert_eq!(
        (&attempt["result"], &attempt["phase"]),
        (&expected.result.into(), &expected.phase.into()),
        "{case}: {attempt}"
    );
    let cause = attempt["cause"].as_str().unwrap_or_default().to_owned();
    assert!(cause.to_lowercase().contains(expected.words), "{case}: {attempt}");

    let span = spans.iter().find(|span| span.get("xietong.attempt") == 1).expect("the attempt's span");
    assert_eq!(
        (span.get("xietong.phase"), span.get("xietong.cause")),
        (expected.phase.into(), cause.clone().into())
    );

    for said in [answer.text(), metrics.text(), format!("{:?}", answer.head)] {
        assert!(!said.contains(&cause), "{case}: {said}");
    }
    for hidden in [CANARY, UPSTREAM_KEY] {
        assert!(!text.contains(hidden) && !cause.contains(hidden), "{case}: {text}");
    }
}

#[tokio::test]
async fn the_operator_hears_what_a_connection_failed_at() {
    for client in ["builtin", "reqwest"] {
        let refusing = Refusing::start();
        let at = format!("http://{}/v1", refusing.address);
        check(client, &at, Expected { result: "unreachable", phase: "connect", words: "connection refused" })
            .await;

        let nowhere = "http://no-such-host.invalid/v1";
        check(client, nowhere, Expected { result: "unreachable", phase: "dns", words: "name" }).await;

        // Its authority is nobody that is trusted.
        let untrusted = H2Upstream::start(|_| Vec::new()).await;
        let expected = Expected { result: "unreachable", phase: "tls", words: "certificate" };
        check(client, &untrusted.base_url(), expected).await;

        let stream = Reply::pieces(["one ", "two ", "three "]).stream(true);
        let broken = Scripted::start(stream.until_chunk(2).reset()).await;
        let expected = Expected { result: "cut", phase: "read", words: "connection reset" };
        check(client, &broken.base_url(), expected).await;
    }
}

/// Both clients carry requests and answers alike. Which one sent a request is seen by the order of its headers: the gateway's
/// own begins with the host.
#[tokio::test]
async fn the_own_client_can_be_switched_off() {
    for (top, begins_with_host) in
        [("", true), ("upstream_client: builtin", true), ("upstream_client: reqwest", false)]
    {
        let upstream = Scripted::start(Reply::text("an answer")).await;
        let setup = Setup::ladder(&upstream.base_url(), &upstream.base_url());
        let gateway = if top.is_empty() { setup } else { setup.top(top) }.start().await;
        for body in [openai::ask("small", "Hi"), openai::ask_stream("small", "Hi")] {
            let answer = gateway.ask(&body).await;
            assert_eq!((answer.status(), &*answer.content()), (200, "an answer"), "{top}");
        }
        let seen = upstream.seen();
        let first: Vec<bool> =
            seen.iter().map(|seen| seen.request.head.headers[0].0.eq_ignore_ascii_case("host")).collect();
        assert_eq!(first, [begins_with_host; 2], "{top}");
    }
}
