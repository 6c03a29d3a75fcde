//! What surrounds the gateway does not lead its requests elsewhere, and clients that try again do not multiply them.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use end_to_end::openai::{self, Reply};
use end_to_end::scripted::{Script, Scripted};
use end_to_end::setup::Setup;
use tokio::time::{sleep, timeout};

/// Says to this test's own program that it is the one that was started with a proxy in its environment.
const INSIDE: &str = "XIETONG_TEST_PROXY";
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// U-24. The environment of a process is read once, so the test starts itself anew with one that names a proxy. That the
/// proxy would be asked otherwise, and that the test would see it, is shown by two that do ask it: a client that takes it
/// from the environment, and a gateway whose configuration names it.
#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    match std::env::var(INSIDE).as_deref() {
        Err(_) => {
            assert!(!asks_a_proxy("gateway").await, "the gateway asked a proxy that nobody configured");
            assert!(asks_a_proxy("unprotected").await, "the environment's proxy would be used by others");
            assert!(asks_a_proxy("configured").await, "a proxy that is configured is used");
        }
        Ok("unprotected") => {
            let upstream = Scripted::start(Reply::text("directly").whole()).await;
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client =
                reqwest::Client::builder().timeout(Duration::from_secs(1)).build().expect("a client");
            assert!(client.get(upstream.base_url()).send().await.is_err());
            assert!(upstream.seen().is_empty());
        }
        Ok(how) => within(how).await,
    }
}

/// A gateway that is asked something, in an environment with a proxy.
async fn within(how: &str) {
    let upstream = Scripted::start(Reply::text("directly").whole()).await;
    let mut setup =
        Setup::ladder(&upstream.base_url(), &upstream.base_url()).every_model("timeouts: {total: 1s}");
    if how == "configured" {
        setup = setup.top(&format!("proxy: {}", std::env::var("HTTP_PROXY").expect("it is set")));
    }
    let gateway = setup.start().await;
    let answer = gateway.ask(&openai::ask("auto", "Hi")).await;
    match how {
        "configured" => assert!(upstream.seen().is_empty(), "{}", answer.text()),
        _ => {
            assert_eq!(answer.content(), "directly", "{}", answer.text());
            assert_eq!(upstream.seen().len(), 1);
        }
    }
}

/// Whether a proxy of the environment is asked by a process that does this.
async fn asks_a_proxy(how: &str) -> bool {
    let trap = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    trap.set_nonblocking(true).expect("a listener can be asked without waiting");
    let proxy = format!("http://{}", trap.local_addr().expect("it has an address"));
    let mut inside = Command::new(std::env::current_exe().expect("the test's program"));
    inside.args(["--exact", "surroundings::proxies_of_the_environment_are_not_used"]).env(INSIDE, how);
    for name in PROXIES {
        inside.env(name, &proxy);
    }
    inside.env_remove("NO_PROXY").env_remove("no_proxy");
    let run = tokio::task::spawn_blocking(move || inside.output().expect("it runs")).await.expect("no panic");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    trap.accept().is_ok()
}

/// C-10. Each of three requests is given up before its upstream has said a word.
#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_and_asks_again_costs_an_attempt_each_time() {
    let (small, large) = (
        Scripted::start(Script::default().stall()).await,
        Scripted::start(Reply::text("large").whole()).await,
    );
    let gateway = Setup::ladder(&small.base_url(), &large.base_url()).every_model("retries: 3").start().await;
    for asked in 1..=3 {
        let patience = Duration::from_secs(5);
        assert!(timeout(patience, gateway.ask(&openai::ask_stream("auto", "Hi"))).await.is_err());
        while small.seen().len() < asked {
            sleep(Duration::from_millis(1)).await;
        }
    }
    gateway.settled().await;
    // Not even the next rung was asked on behalf of a client that was gone.
    assert_eq!((small.seen().len(), large.seen().len()), (3, 0));
}

/// What is local, or says so, is asked directly: no byte of its requests reaches the proxy, by whichever client it is asked.
#[tokio::test]
async fn a_local_model_is_not_asked_by_way_of_the_proxy() {
    for (line, direct) in [
        ("local: true", true),
        ("proxy: none", true),
        ("preset: vllm", true),
        ("preset: ollama", true),
        ("local: false", false),
        ("retries: 1", false),
    ] {
        for (client, stream) in [("builtin", false), ("builtin", true), ("reqwest", false), ("reqwest", true)]
        {
            let near = Scripted::start(Reply::text("near")).await;
            let proxy = Scripted::start(Reply::text("proxy")).await;
            let address = proxy.base_url().replace("/v1", "").replace("http://", "http://user:p%40ss@");
            let gateway = Setup::ladder(&near.base_url(), &near.base_url())
                .model("small", line)
                .top(&format!("proxy: \"{address}\""))
                .top(&format!("upstream_client: {client}"))
                .start()
                .await;
            let mut body = openai::ask("small", "A secret of this house.");
            body["stream"] = stream.into();
            let answer = gateway.ask(&body).await;
            let expected = if direct { ("near", 1, 0) } else { ("proxy", 0, 1) };
            let seen = (near.asked().len(), proxy.seen().len());
            assert_eq!((answer.content().as_str(), seen.0, seen.1), expected, "{line}, {client}, {stream}");
        }
    }
}

/// The checks in the background of a local endpoint that was ejected go to it too.
#[tokio::test]
async fn checks_of_a_local_model_are_made_directly() {
    let near = Scripted::start(Script::default().reset()).await;
    let proxy = Scripted::start(Reply::text("proxy")).await;
    let gateway = Setup::ladder(&near.base_url(), &near.base_url())
        .model("small", "local: true")
        .model("small", "retries: 0")
        .top(&format!("proxy: \"{}\"", proxy.base_url().replace("/v1", "")))
        .start()
        .await;
    for _ in 0..5 {
        gateway.ask(&openai::ask("small", "A secret of this house.")).await;
    }
    let checked = async {
        while !near.seen().iter().any(|seen| seen.request.method() == "GET") {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(20), checked).await.expect("it is asked whether it is well");
    assert!(proxy.seen().is_empty());
}
