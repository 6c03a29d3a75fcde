//! A gateway of a command's own, on free ports of the loopback interface, for as long as the command runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use gateway_config::{ClientConfig, ClientLimits, GatewayConfig, KeyHash, Secret};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::CommandError;
use crate::{Listeners, LogOutput, RunError, bind, run_with};
use upstreams::request_id::RequestId;

/// A gateway that runs in this process and lets in nobody but the command.
pub(super) struct OwnGateway {
    /// Where it answers.
    pub(super) data: SocketAddr,
    /// Where its metrics are.
    pub(super) admin: SocketAddr,
    /// The key that it asks for: other users of the machine reach the loopback interface, too.
    pub(super) key: Secret,
    stop: oneshot::Sender<()>,
    end: JoinHandle<Result<(), RunError>>,
}

impl OwnGateway {
    /// Starts it, and returns when it answers. `client` is the name that its requests are booked under.
    ///
    /// # Errors
    /// 69 for weights or a ledger that cannot be used.
    pub(super) async fn start(
        mut config: GatewayConfig,
        client: &str,
        out: impl Into<LogOutput> + Send + 'static,
    ) -> Result<Self, CommandError> {
        let key = format!("{}{}", RequestId::new().as_str(), RequestId::new().as_str());
        config.clients = vec![Arc::new(ClientConfig {
            name: client.to_owned(),
            key: KeyHash(Sha256::digest(&key).into()),
            routes: None,
            local_only: false,
            hints: false,
            budget: None,
            limits: ClientLimits::default(),
        })];
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (data, admin) = (bind(free).await, bind(free).await);
        let (data, admin) =
            (data.map_err(CommandError::unavailable)?, admin.map_err(CommandError::unavailable)?);
        let address = |listener: &tokio::net::TcpListener| listener.local_addr().map_err(CommandError::other);
        let (data_at, admin_at) = (address(&data)?, address(&admin)?);
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let running = run_with(
            config,
            None,
            Listeners { data, admin },
            out,
            move |_| {
                let _ = ready.send(());
            },
            async { drop(stopped.await) },
        );
        #[expect(clippy::disallowed_methods, reason = "its handle is kept, and awaited by `stop`")]
        let end = tokio::spawn(running);
        let own = Self { data: data_at, admin: admin_at, key: Secret::new(key), stop, end };
        match is_ready.await {
            Ok(()) => Ok(own),
            Err(_) => Err(own.ended().await.err().unwrap_or_else(|| CommandError::other("it did not start"))),
        }
    }

    /// Stops it when its requests are done and its ledger is written.
    ///
    /// # Errors
    /// Why it had ended before.
    pub(super) async fn stop(self) -> Result<(), CommandError> {
        let Self { stop, end, .. } = self;
        let _ = stop.send(());
        result(end.await)
    }

    async fn ended(self) -> Result<(), CommandError> {
        result(self.end.await)
    }
}

fn result(end: Result<Result<(), RunError>, tokio::task::JoinError>) -> Result<(), CommandError> {
    match end {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CommandError::unavailable(error)),
        Err(_) => Err(CommandError::unavailable(RunError::Panicked)),
    }
}
