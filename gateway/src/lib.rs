//! Xietong (协同): an OpenAI-compatible gateway where a small and a large language model work together.
//!
//! The path of a request, each stage a module:
//!
//! ```text
//! server    a connection, a request
//! admit     key, size, time                → Caller
//! protocol  bytes                          → Chat
//! assess    Chat, the state of the models  → Query, and the policy's Decision
//! dispatch  Plan, Chat                     → an answer, committed
//! relay     the answer, its Account        → a body
//! account   the body's end, error or drop  → metrics, one log line, spans
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_types,
        clippy::disallowed_methods,
        reason = "a test may wait, and sees what it starts fail"
    )
)]

pub mod commands;
pub mod reference;

mod account;
mod admin;
mod admit;
mod api;
mod arrivals;
mod assess;
mod assessment;
mod body;
mod build_info;
mod dispatch;
mod endpoint;
mod error;
mod error_response;
mod explore;
mod facts;
mod gateway;
mod local_servers;
mod log;
mod machine_time;
mod metrics;
mod models;
mod pipeline;
mod pool_observer;
mod pricing;
mod rate_limit_headers;
mod record;
mod relay;
mod reload;
mod report;
mod route_state;
mod routing_overrides;
#[cfg(test)]
mod scripted;
mod server;
mod session_affinity;
mod shutdown_deadline;
mod snapshot;
mod steering;
mod telemetry;
mod terminal;
mod trace_context;
mod traces;
#[cfg(feature = "engine")]
mod weights;

use std::future::Future;
use std::sync::Arc;

use gateway_config::{GatewayConfig, StateConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::warn;

use crate::arrivals::Arrivals;

pub use crate::build_info::{COMMIT, VERSION};
pub use crate::log::{FilterError, Log, LogFilter, LogOutput};
pub use crate::reload::{ReloadError, Source};
pub use crate::server::{bind, bind_shared};
pub use crate::snapshot::{SnapshotError, SnapshotFault};
pub use crate::traces::ExporterError;
pub use ledger::LedgerFileError;
pub use upstreams::{EndpointError, PoolError};

/// How long a client that does not read holds an answer, as with Envoy's idle streams.
const STALL: std::time::Duration = std::time::Duration::from_secs(5 * 60);

/// The two ports, bound by the caller.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub data: TcpListener,
    /// For operators and scrapers.
    pub admin: TcpListener,
}

/// Why the gateway could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Models, or the sending of traces, that cannot be made ready.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A fault of this build, of which its own line on standard error says more.
    #[error("loading the models panicked")]
    Panicked,
    /// A ledger that cannot be used.
    #[error("state: {0}")]
    State(#[from] LedgerFileError),
    /// The metrics registry refused a metric: a fault of this build.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Runs the gateway on these listeners until `shutdown`, then finishes what is under way within the configured grace
/// period. The log goes to standard output.
///
/// # Errors
/// When a model cannot be made ready; nothing has been answered then.
pub async fn run(
    config: GatewayConfig,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    run_with(config, None, listeners, std::io::stdout(), |_| {}, shutdown).await
}

/// As [`run`]; `source` reads the configuration anew for reloads, the log goes to `out`, and `ready` is called once
/// requests are answered.
///
/// # Errors
/// As for [`run`].
pub async fn run_with(
    config: GatewayConfig,
    source: Option<Source>,
    listeners: Listeners,
    out: impl Into<LogOutput> + Send + 'static,
    ready: impl FnOnce(&GatewayConfig),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    run_while_files_come(config, source, Arrivals::none(), listeners, out, ready, shutdown).await
}

/// As [`run_with`]; whenever one of the `arrivals` comes, the configuration is loaded again, so that what needed it is used.
///
/// # Errors
/// As for [`run`].
pub(crate) async fn run_while_files_come(
    mut config: GatewayConfig,
    source: Option<Source>,
    arrivals: Arrivals,
    listeners: Listeners,
    out: impl Into<LogOutput> + Send + 'static,
    ready: impl FnOnce(&GatewayConfig),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    // Whoever called may have installed one already; any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = Arc::new(metrics::Metrics::new()?);
    let log = Log::to(out, metrics.log_dropped.with_label_values::<&str>(&[]));
    log.set_note_format(config.log);
    let ledger = open_ledger(&mut config, &log)?;
    let telemetry = telemetry::Telemetry {
        metrics,
        log: log.clone(),
        machine_time: Arc::default(),
        ledger: Arc::clone(&ledger),
        shutdown_deadline: shutdown_deadline::ShutdownDeadline::default(),
    };
    // Loading weights takes seconds of a thread.
    let built = tokio::task::spawn_blocking(move || gateway::Gateway::new(config, telemetry)).await;
    let gateway = Arc::new(built.map_err(|_| RunError::Panicked)??);
    let reloader = Arc::new(reload::Reloader::new(Arc::clone(&gateway), source, arrivals));
    #[expect(clippy::disallowed_methods, reason = "its handle is kept, and it is ended below")]
    let watch = tokio::spawn(Arc::clone(&reloader).watch());
    ready(&gateway.snapshot().config);
    serve(&gateway, &reloader, listeners, shutdown).await;
    watch.abort();
    gateway.flush_traces().await;
    let _ = tokio::task::spawn_blocking(move || ledger.stop()).await;
    log.flush();
    Ok(())
}

/// The ledger of the configuration. One that nobody asked for is done without where it cannot be used.
fn open_ledger(config: &mut GatewayConfig, log: &Log) -> Result<Arc<ledger::Ledger>, LedgerFileError> {
    if let StateConfig::Embedded(state) = &config.state
        && !state.required
    {
        // Where the folder cannot be made, opening the file says why.
        let _ = state.path.parent().map(std::fs::create_dir_all);
    }
    match ledger::Ledger::open(config, log.notes()) {
        Err(why) if config.state.is_optional() => {
            log.in_scope(|| {
                warn!(target: "xietong::ledger", "no usage records are kept, so that `xietong report` has nothing to show: {why}");
            });
            config.state = StateConfig::None;
            Ok(Arc::new(ledger::Ledger::without_memory()))
        }
        opened => opened,
    }
}

async fn serve(
    gateway: &Arc<gateway::Gateway>,
    reloader: &Arc<reload::Reloader>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let config = &gateway.snapshot().config;
    let limits = server::PortLimits {
        head: config.limits.head,
        connections: config.limits.connections,
        grace: config.grace,
        stall: STALL,
    };
    let (stop, stopped) = watch::channel(false);
    let on = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let data = {
        let gateway = Arc::clone(gateway);
        let shutdown_deadline = gateway.telemetry.shutdown_deadline.clone();
        let refuser = Arc::clone(&gateway);
        let refuse: server::RefuseHead = Arc::new(move |head| api::refuse_head(&refuser, head));
        let answer = move |request, id| api::answer(Arc::clone(&gateway), request, id);
        server::serve(listeners.data, limits, on(stopped.clone()), shutdown_deadline, (answer, refuse))
    };
    // The admin port answers, and says that we are not ready, until the data port is done.
    let (end, ended) = watch::channel(false);
    let admin = {
        let admin = admin::AdminPort { gateway: Arc::clone(gateway), reloader: Arc::clone(reloader) };
        let limits =
            server::PortLimits { connections: 256, grace: std::time::Duration::from_secs(1), ..limits };
        server::serve(
            listeners.admin,
            limits,
            on(ended),
            shutdown_deadline::ShutdownDeadline::default(),
            (move |request, id| admin::answer(admin.clone(), request, id), Arc::new(admin::refuse_head)),
        )
    };
    let stopping = async {
        shutdown.await;
        gateway.stop();
        let _ = stop.send(true);
    };
    let data = async {
        data.await;
        let _ = end.send(true);
    };
    tokio::join!(data, admin, stopping);
}
