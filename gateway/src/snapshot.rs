//! A configuration made ready for use: what requests of one generation share.

use std::collections::HashMap;
use std::sync::Arc;

use gateway_config::{ClientConfig, GatewayConfig, ModelConfig};
use tracing::{info, warn};

use crate::dispatch::CompletionProbe;
use crate::pool_observer::PoolObserver;
use crate::route_state::RouteState;
use crate::telemetry::Telemetry;
use crate::traces::{ExporterError, RequestTracer};
use ledger::client_quota::ClientQuota;
use upstreams::{EndpointPool, PoolError, PoolHooks};

/// All of a configuration that cannot be made ready, a sentence each.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentences().join("\n"))]
pub struct SnapshotError {
    /// At least one.
    pub faults: Vec<SnapshotFault>,
}

impl SnapshotError {
    /// For the operator, one for each fault.
    pub fn sentences(&self) -> Vec<String> {
        self.faults.iter().map(ToString::to_string).collect()
    }
}

/// One part of a configuration that cannot be made ready.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFault {
    /// A model.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The sending of traces.
    #[error(transparent)]
    Exporter(#[from] ExporterError),
}

/// Everything that changes with a reload.
pub struct Snapshot {
    /// The configuration.
    pub config: GatewayConfig,
    /// Chooses what is traced; `None`: nothing is.
    pub tracer: Option<Arc<RequestTracer>>,
    pools: HashMap<String, Arc<EndpointPool>>,
    routes: HashMap<String, RouteState>,
    clients: HashMap<[u8; 32], Arc<ClientConfig>>,
    quotas: HashMap<String, Arc<ClientQuota>>,
}

impl Snapshot {
    /// Makes every model ready to be asked. Pools of `before` are kept where the model did not change, so that
    /// weights are loaded once and breakers keep what they know; so is what a route knows of its traffic. It starts tasks.
    ///
    /// # Errors
    /// All that cannot be made ready.
    pub fn build(
        config: GatewayConfig,
        telemetry: &Telemetry,
        before: Option<&Self>,
    ) -> Result<Self, SnapshotError> {
        let (pools, mut faults) = pools(&config, telemetry, before);
        let kept = before.filter(|before| before.config.otlp == config.otlp);
        let tracer = match (kept, &config.otlp) {
            (Some(before), _) => before.tracer.clone(),
            (None, Some(otlp)) => RequestTracer::start(otlp, telemetry)
                .map_err(|fault| faults.push(SnapshotFault::Exporter(fault)))
                .ok(),
            (None, None) => None,
        };
        if !faults.is_empty() {
            return Err(SnapshotError { faults });
        }
        let routes = config.routes.iter().map(|route| {
            let before = before.and_then(|before| before.routes.get(&route.name));
            let of_model = |model: &Arc<ModelConfig>| pools.get(&model.name).map(Arc::clone);
            let pools: Arc<[Arc<EndpointPool>]> = route.ladder.iter().filter_map(of_model).collect();
            (route.name.clone(), RouteState::new(route, pools, &config, telemetry, before))
        });
        let routes: HashMap<String, RouteState> = routes.collect();
        let routes =
            routes.iter().map(|(name, routed)| (name.clone(), routed.clone().beside(&routes))).collect();
        let clients = config.clients.iter().map(|client| (client.key.0, Arc::clone(client))).collect();
        let quota = |client: &Arc<ClientConfig>| {
            (client.name.clone(), telemetry.ledger.quota(client, &config.time_zone))
        };
        let quotas = config.clients.iter().map(quota).collect();
        Ok(Self { config, tracer, pools, routes, clients, quotas })
    }

    /// One with nothing but pools, whose endpoints are asked by upstreams of a test's own, by the model's name.
    #[cfg(test)]
    pub fn of_upstreams(
        config: GatewayConfig,
        telemetry: &Telemetry,
        upstreams: &HashMap<String, TestUpstream>,
    ) -> Self {
        let built = Self::build(config.clone(), telemetry, None).expect("a configuration that works");
        let (tracer, routes) = (None, HashMap::new());
        drop(built.routes);
        let pools = built.pools.into_iter().map(|(name, pool)| {
            let mut pool = Arc::into_inner(pool).expect("nobody else has it");
            let (upstream, forecast) = upstreams.get(&name).expect("a script for each model");
            pool.replace_upstreams(upstream);
            if let Some(forecast) = forecast {
                pool.replace_forecast(Arc::clone(forecast));
            }
            (name, Arc::new(pool))
        });
        Self {
            config,
            tracer,
            pools: pools.collect(),
            routes,
            clients: HashMap::new(),
            quotas: HashMap::new(),
        }
    }

    /// The pool of a model of this configuration.
    pub fn pool(&self, model: &ModelConfig) -> Option<&Arc<EndpointPool>> {
        self.pools.get(&model.name)
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<EndpointPool>> {
        self.pools.values()
    }

    /// All routes.
    pub fn routes(&self) -> impl Iterator<Item = &RouteState> {
        self.routes.values()
    }

    /// The client whose key has this SHA-256.
    pub fn client(&self, hash: &[u8; 32]) -> Option<&Arc<ClientConfig>> {
        self.clients.get(hash)
    }

    /// What a client may still ask and spend.
    pub fn quota(&self, client: &ClientConfig) -> Option<&Arc<ClientQuota>> {
        self.quotas.get(&client.name)
    }

    /// The route or model of this name, if this client may use it.
    pub fn target(&self, name: &str, client: Option<&ClientConfig>) -> Option<RequestTarget> {
        let allowed = |name: &str| {
            client
                .and_then(|client| client.routes.as_ref())
                .is_none_or(|routes| routes.iter().any(|it| it == name))
        };
        if !allowed(name) {
            return None;
        }
        let route = self.routes.get(name).map(|route| RequestTarget::Route(route.clone()));
        route.or_else(|| self.config.model(name).map(|model| RequestTarget::Model(Arc::clone(model))))
    }

    /// Whether the model of this name could not be loaded.
    fn lacks(&self, model: &ModelConfig) -> bool {
        self.pools.get(&model.name).is_some_and(|pool| pool.absence().is_some())
    }

    fn kept(&self, model: &Arc<ModelConfig>, config: &GatewayConfig) -> Option<Arc<EndpointPool>> {
        let pool = self.pools.get(&model.name)?;
        let same = pool.absence().is_none()
            && pool.model == *model
            && self.config.proxy == config.proxy
            && self.config.upstream_client == config.upstream_client;
        same.then(|| Arc::clone(pool))
    }
}

/// A pool for each model. Those of `before` are kept where the model did not change. An embedded model that cannot be loaded
/// is absent where nothing was loaded before it, as long as another model can answer; in place of one that works it is a fault.
fn pools(
    config: &GatewayConfig,
    telemetry: &Telemetry,
    before: Option<&Snapshot>,
) -> (HashMap<String, Arc<EndpointPool>>, Vec<SnapshotFault>) {
    let (mut pools, mut faults, mut absences) = (HashMap::new(), Vec::new(), Vec::new());
    let hooks = hooks(config, telemetry);
    for model in &config.models {
        let kept = before.and_then(|before| before.kept(model, config));
        let built = || EndpointPool::build(model, config.proxy.as_ref(), config.upstream_client, &hooks);
        let pool = match kept.map_or_else(|| built().map(Arc::new), Ok) {
            Ok(pool) => pool,
            Err(fault) if fault.is_of_engine() && before.is_none_or(|before| before.lacks(model)) => {
                let pool = Arc::new(EndpointPool::absent(model, &fault, &hooks));
                absences.push(fault);
                pool
            }
            Err(fault) => {
                faults.push(SnapshotFault::Pool(fault));
                continue;
            }
        };
        if let Some(gpu) = pool.gpu() {
            telemetry.log.in_scope(|| info!(target: "xietong::models", "model `{}`: {gpu}", model.name));
        }
        pools.insert(model.name.clone(), pool);
    }
    if pools.values().all(|pool| pool.absence().is_some()) {
        faults.extend(absences.into_iter().map(SnapshotFault::Pool));
    } else {
        telemetry.log.in_scope(|| {
            absences
                .iter()
                .for_each(|absence| warn!(target: "xietong::models", "{absence}; other models answer"));
        });
    }
    (pools, faults)
}

/// Who hears of the pools' endpoints, and who asks those that are mute.
fn hooks(config: &GatewayConfig, telemetry: &Telemetry) -> PoolHooks {
    let (format, currency) = (config.log, config.currency);
    let Telemetry { metrics, log, .. } = telemetry.clone();
    PoolHooks {
        observer: Arc::new(PoolObserver { metrics, log }),
        probe: Arc::new(CompletionProbe { telemetry: telemetry.clone(), format, currency }),
    }
}

/// An upstream of a test's own, and what it foresees where it is an engine.
#[cfg(test)]
pub type TestUpstream = (upstreams::Upstream, Option<Arc<dyn upstreams::queue_patience::QueueForecast>>);

/// What a client's `model` names.
#[derive(Clone)]
pub enum RequestTarget {
    /// Xietong chooses.
    Route(RouteState),
    /// The client chose.
    Model(Arc<ModelConfig>),
}
