//! The gateway under test: the real one, on free ports of the loopback interface.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use ::gateway::reference;

use crate::metrics::Metrics;
use crate::wire::{self, Answer, Live};

/// A running gateway. It stops when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    /// The data port.
    pub data: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Gateway {
    /// Starts it with a configuration in YAML.
    pub async fn start(yaml: &str) -> Self {
        Self::run(config(yaml)).await
    }

    /// The same without a log: standard output is somebody else's.
    pub async fn start_silent(yaml: &str) -> Self {
        Self::launch(listener().await, config(yaml), None, std::io::sink()).await
    }

    /// Starts it with a configuration in YAML and this log.
    pub async fn start_with_log(yaml: &str, log: ::gateway::LogOutput) -> Self {
        Self::launch(listener().await, config(yaml), None, log).await
    }

    /// Starts it with a configuration in YAML and this listener for clients.
    pub async fn start_on(data: TcpListener, yaml: &str) -> Self {
        Self::run_on(data, config(yaml)).await
    }

    /// Starts it with a configuration; the ports are free ones, whatever it says.
    pub async fn run(config: gateway_config::GatewayConfig) -> Self {
        Self::run_on(listener().await, config).await
    }

    /// Starts it with the configuration in this file, which it watches: a change is put to use within some seconds.
    pub async fn start_watched(file: &Path) -> Self {
        let (config, source) = from_file(file);
        Self::launch(listener().await, config, Some(source), std::io::stdout()).await
    }

    /// Starts it with the configuration in this file, which it reads again when it is asked to and never by itself: a
    /// test that asks for a reload would otherwise race with the look that the gateway takes every two seconds.
    pub async fn start_reloadable(file: &Path) -> Self {
        let (mut config, source) = from_file(file);
        // Where the configuration has no file, there is nothing to watch.
        config.source = None;
        Self::launch(listener().await, config, Some(source), std::io::stdout()).await
    }

    async fn run_on(data: TcpListener, config: gateway_config::GatewayConfig) -> Self {
        Self::launch(data, config, None, std::io::stdout()).await
    }

    async fn launch(
        data: TcpListener,
        config: gateway_config::GatewayConfig,
        source: Option<::gateway::Source>,
        log: impl Into<::gateway::LogOutput> + Send + 'static,
    ) -> Self {
        let listeners = ::gateway::Listeners { data, admin: listener().await };
        let address = |listener: &TcpListener| listener.local_addr().expect("a listener has an address");
        let (data, admin) = (address(&listeners.data), address(&listeners.admin));
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let running = tokio::spawn(async move {
            let end = ::gateway::run_with(config, source, listeners, log, |_| {}, shutdown).await;
            end.unwrap_or_else(|why| panic!("the gateway ended: {why}"));
        });
        Self { data, admin, stop: Some(stop), running }
    }

    /// Asks for a chat completion and reads the answer to its end.
    pub async fn ask(&self, body: &Value) -> Answer {
        self.ask_with(&[], body).await
    }

    /// The same with headers.
    pub async fn ask_with(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.say(&chat(headers, body)).await
    }

    /// Posts JSON to a path of the data port and reads the answer to its end.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.say(&wire::request("POST", path, headers, body.to_string().as_bytes())).await
    }

    /// Asks for a chat completion and reads the head of the answer.
    pub async fn open(&self, body: &Value) -> Live {
        wire::open(self.data, &chat(&[], body)).await
    }

    /// Sends any bytes to the data port and reads one answer.
    pub async fn say(&self, bytes: &[u8]) -> Answer {
        let answer = wire::exchange(self.data, bytes).await;
        hold_to_reference(&answer);
        answer
    }

    /// Gets a path of the data port.
    pub async fn get(&self, path: &str) -> Answer {
        self.say(&wire::request("GET", path, &[], b"")).await
    }

    /// Gets a path of the admin port.
    pub async fn get_admin(&self, path: &str) -> Answer {
        wire::exchange(self.admin, &wire::request("GET", path, &[], b"")).await
    }

    /// Posts JSON to a path of the admin port.
    pub async fn post_admin(&self, path: &str, body: &Value) -> Answer {
        wire::exchange(self.admin, &wire::request("POST", path, &[], body.to_string().as_bytes())).await
    }

    /// What `/metrics` says now.
    pub async fn metrics(&self) -> Metrics {
        let answer = self.get_admin("/metrics").await;
        assert_eq!(answer.status(), 200);
        let metrics = Metrics::parse(&answer.text());
        metrics.hold_to_reference();
        metrics
    }

    /// What `/metrics` says once no request is under way: then every account is closed.
    pub async fn settled(&self) -> Metrics {
        loop {
            let metrics = self.metrics().await;
            if metrics.sum("xietong_in_flight", &[]) == 0.0 {
                return metrics;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Tells it to stop, as SIGTERM does; what is under way goes on.
    pub fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops it and waits for its end.
    pub async fn stop(mut self) {
        self.begin_stop();
        (&mut self.running).await.expect("the gateway ends without a panic");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What the file says now, and a way to read it anew.
fn from_file(file: &Path) -> (gateway_config::GatewayConfig, ::gateway::Source) {
    let file = file.to_owned();
    let load = move || gateway_config::load(Some(&file), &|name| std::env::var(name).ok());
    let config = load().unwrap_or_else(|problems| panic!("{problems}"));
    (config, Box::new(load))
}

/// Fails where an answer has a header that the gateway's reference does not describe.
fn hold_to_reference(answer: &Answer) {
    // What every HTTP server says.
    const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "date"];
    let described = reference::to_clients();
    let known =
        |name: &str| FRAMING.contains(&name) || described.iter().any(|(known, _)| known.as_str() == name);
    let odd: Vec<_> = answer.head.headers.iter().map(|(name, _)| name).filter(|name| !known(name)).collect();
    assert!(
        odd.is_empty(),
        "headers in no table of gateway::reference: {odd:?}: add them to its `to_clients`"
    );
}

fn config(yaml: &str) -> gateway_config::GatewayConfig {
    let config = gateway_config::from_str(yaml, None, &|name| std::env::var(name).ok());
    config.unwrap_or_else(|problems| panic!("{problems}\nin\n{yaml}"))
}

/// The bytes of a request for a chat completion.
pub fn chat(headers: &[(&str, &str)], body: &Value) -> Vec<u8> {
    wire::request("POST", "/v1/chat/completions", headers, body.to_string().as_bytes())
}

async fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free")
}
