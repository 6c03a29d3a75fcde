//! The configuration as the gateway uses it: every name resolved, every value in range.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use router_policies::calibrate::Calibration;
use router_policies::cards::ModelCard;
use router_policies::money::PriceSurcharges;
use router_policies::topics::PromptTopic;
use router_policies::{Currency, ModelClass, Money, Policy, Tariff};

use crate::capabilities::ModelCapabilities;
pub use crate::dialect::DialectKind;
use crate::timeouts::AttemptTimeouts;
use crate::{
    CertificateAuthority, ModelTakes, NamedTopic, OtlpConfig, Provenance, Secret, StateConfig, ThinkingConfig,
};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The data port.
    pub listen: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
    /// The currency of accounts; all prices and amounts here are in it.
    pub currency: Currency,
    /// Where the hours, days and months of budgets begin.
    pub time_zone: TimeZone,
    /// Unique names; at least one.
    pub models: Vec<Arc<ModelConfig>>,
    /// Unique names, disjoint from the models' names.
    pub routes: Vec<Arc<Route>>,
    /// Unique names.
    pub topics: Vec<NamedTopic>,
    /// Empty: the data port is open to whoever reaches it.
    pub clients: Vec<Arc<ClientConfig>>,
    /// How requests are logged.
    pub log: LogFormat,
    /// Bounds on what a client may send.
    pub limits: RequestLimits,
    /// `HTTP(S)` proxy for upstreams, as a URL; none unless configured. It may hold a password.
    pub proxy: Option<Secret>,
    /// Who speaks HTTP with endpoints that have no TLS and no proxy.
    pub upstream_client: UpstreamClient,
    /// What outlives a restart.
    pub state: StateConfig,
    /// Where traces of requests go; `None`: nowhere.
    pub otlp: Option<OtlpConfig>,
    /// How long streams may go on after the first signal to stop.
    pub grace: Duration,
    /// The file it was read from; `None` for the built-in default.
    pub source: Option<PathBuf>,
    /// What deserves attention but is no error, each with its path in the file.
    pub warnings: Vec<String>,
}

impl GatewayConfig {
    /// A model by its configured name.
    pub fn model(&self, name: &str) -> Option<&Arc<ModelConfig>> {
        self.models.iter().find(|model| model.name == name)
    }

    /// A route by its name.
    pub fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.name == name)
    }
}

/// Who speaks HTTP with endpoints that have no TLS and no proxy; reqwest does with all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UpstreamClient {
    /// The gateway's own HTTP/1.1 client.
    #[default]
    Builtin,
    /// reqwest.
    Reqwest,
}

/// A model that can be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The name in this configuration.
    pub name: String,
    /// How it is reached.
    pub provider: ModelProvider,
    /// Never leaves this machine or cluster.
    pub local: bool,
    /// Tokens that prompt and answer may have together; `None` when unknown.
    pub context: Option<u64>,
    /// The longest answer, in tokens: what is reserved when a request gives no limit.
    pub max_output: u64,
    /// The languages that it answers sensibly in, as ISO 639-1 codes; `None`: any, as far as is known.
    pub languages: Option<Vec<String>>,
    /// What it can serve.
    pub accepts: ModelCapabilities,
    /// In the account currency; `None`: the cost is unknown, which is not 0.
    pub price: Option<Tariff>,
    /// What its provider charges beside that for what a client chooses.
    pub surcharges: PriceSurcharges,
    /// Which models it resembles, for the scorer.
    pub class: ModelClass,
    /// What is known of its own answers, for the scorer; goes before its class.
    pub card: Option<&'static ModelCard>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// When an attempt has taken too long.
    pub timeouts: AttemptTimeouts,
    /// How a whole answer is asked for.
    pub whole_as: WholeAs,
    /// Further tries on this model after a failure that allows them.
    pub retries: u32,
}

impl ModelConfig {
    /// What the upstream calls it.
    pub fn sent(&self) -> &str {
        match &self.provider {
            ModelProvider::Embedded(_) => &self.name,
            ModelProvider::Remote(remote) => &remote.model,
        }
    }
}

/// How a model is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelProvider {
    /// In this process.
    Embedded(EmbeddedModel),
    /// Over the network.
    Remote(RemoteModel),
}

impl ModelProvider {
    /// `gen_ai.provider.name` of the OpenTelemetry conventions.
    pub fn name(&self) -> &str {
        match self {
            Self::Embedded(_) => "xietong",
            Self::Remote(remote) => &remote.provider_name,
        }
    }
}

/// Weights for the engine in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedModel {
    /// A GGUF file.
    pub weights: PathBuf,
    /// Threads for the engine; `None`: all cores but one, at least one.
    pub threads: Option<usize>,
    /// Requests that may wait for the engine before it refuses.
    pub queue: usize,
    /// Requests that it answers side by side; `None`: by the number of cores.
    pub slots: Option<usize>,
    /// Bytes for conversations that lost their slot to others.
    pub prefix_cache: usize,
    /// Whether the same request with temperature 0 or a seed gets the same answer, whatever is cached or written beside it.
    pub deterministic: bool,
    /// Layers that a GPU computes, where the program was built for one; `None`: as many as its memory has room for.
    pub gpu_layers: Option<u32>,
    /// How long a request may wait for its turn. Default 30 s.
    pub queue_time: Duration,
    /// From its turn to the first token; `None`: by the size of the model and the length of the prompt.
    pub first_token: Option<Duration>,
}

/// An address that speaks a known dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteModel {
    /// The API dialect.
    pub dialect: DialectKind,
    /// The upstream's own name for the model.
    pub model: String,
    /// `gen_ai.provider.name` of the OpenTelemetry conventions: the preset's, else the dialect's.
    pub provider_name: String,
    /// It answers OpenAI's responses as they are.
    pub speaks_responses: bool,
    /// Bytes of the largest event of a stream that is taken. Default 16 MiB.
    pub largest_event: usize,
    /// It is never asked by way of the proxy: it is local, or its entry says so.
    pub is_direct: bool,
    /// What the longest answer is called.
    pub limit: OutputLimitField,
    /// How a model of OpenAI's dialect is told how hard to think.
    pub thinking: ThinkingConfig,
    /// Azure: the `api-version` to ask for.
    pub api_version: Option<String>,
    /// What it takes of a request, and what becomes of the rest.
    pub takes: Arc<ModelTakes>,
    /// One or more.
    pub endpoints: Vec<EndpointConfig>,
    /// Authorities that endpoints' certificates may be from, beside those that the system trusts.
    pub authority: Option<Arc<CertificateAuthority>>,
}

/// What a model of OpenAI's dialect calls the longest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLimitField {
    /// As the client wrote it; a limit of the gateway's own is `max_tokens`.
    AsWritten,
    /// `max_tokens`, whatever the client wrote.
    Tokens,
    /// `max_completion_tokens`, whatever the client wrote.
    CompletionTokens,
}

/// One address of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointConfig {
    /// Stable and safe to show: `MODEL-N`, N from 0, or the configured `id`.
    pub id: String,
    /// Without a trailing slash; the path of the API is appended.
    pub base_url: String,
    /// Sent in the header that the API wants it in.
    pub api_key: Option<Secret>,
    /// Further request headers, such as a provider's `appid`.
    pub headers: BTreeMap<String, Secret>,
}

/// How a whole (not streamed) answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WholeAs {
    /// As such; `connect` and `total` guard it.
    Pass,
    /// Gathered from a stream, so that `first_token` and `idle` guard it too.
    Stream,
}

/// A name that clients use, behind which Xietong chooses.
#[derive(Debug, Clone)]
pub struct Route {
    /// The name.
    pub name: String,
    /// From small to large; two or more.
    pub ladder: Vec<Arc<ModelConfig>>,
    /// Who chooses.
    pub policy: Policy,
    /// The scorer adapted to this route; `None`: the shipped one.
    pub calibration: Option<Arc<RouteCalibration>>,
    /// Where to go when a rung fails.
    pub fallback: Fallback,
    /// Whether an answer cut after its first byte may be finished by another rung.
    pub resume: ResumeMode,
    /// Whether clients see the `x-xietong-*` headers.
    pub expose_decisions: bool,
    /// Prompts and answers may be logged.
    pub record_content: bool,
    /// The topics that its rules tell prompts by; none where they ask for none.
    pub topics: Arc<[Arc<PromptTopic>]>,
}

/// An adapted scorer, read from its file.
#[derive(Debug, PartialEq)]
pub struct RouteCalibration {
    /// Where it was read from.
    pub file: PathBuf,
    /// The scorer.
    pub scorer: Calibration,
}

/// Where to go when a rung fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Larger rungs, in order.
    Up,
    /// Smaller rungs, in order.
    Down,
    /// Larger rungs in order, then smaller ones.
    UpThenDown,
    /// Nowhere.
    None,
}

/// Whether an answer cut after its first byte may be finished by another rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeMode {
    /// Where the joint is sound.
    Auto,
    /// Never.
    Never,
}

/// Who may use the data port.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The name, as metrics and logs show it.
    pub name: String,
    /// SHA-256 of the key.
    pub key: KeyHash,
    /// Routes and models it may name; `None`: all.
    pub routes: Option<Vec<String>>,
    /// This client's requests never leave local models.
    pub local_only: bool,
    /// Whether its `x-xietong-*` request headers are honoured.
    pub hints: bool,
    /// What it may spend; `None`: no bound.
    pub budget: Option<ClientBudget>,
    /// How much it may ask.
    pub limits: ClientLimits,
}

/// SHA-256 of a client's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// An amount for a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientBudget {
    /// In the account currency.
    pub amount: Money,
    /// How often it starts anew.
    pub per: BudgetPeriodLength,
}

/// How often a budget starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetPeriodLength {
    /// Each clock hour.
    Hour,
    /// Each calendar day.
    Day,
    /// Each calendar month.
    Month,
}

/// A client's rate limits; `None`: no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientLimits {
    /// Requests in any minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens, prompt and answer, in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests under way at once.
    pub concurrent: Option<u64>,
}

/// Bounds on what a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a request body. Default 32 MiB.
    pub body: usize,
    /// Until the head of a request is there, from the connection's first moment. Default 10 s.
    pub head: Duration,
    /// Until the body of a request is there. Default 30 s.
    pub body_time: Duration,
    /// Between two comment lines that keep a waiting stream alive. Default 5 s.
    pub heartbeat: Duration,
    /// Connections at once. Default 10,000.
    pub connections: usize,
}

/// How requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON line a request.
    Json,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body: 32 << 20,
            head: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            connections: 10_000,
        }
    }
}
