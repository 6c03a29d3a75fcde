//! What a person may write. One source for reading, for the check of every key and type, and for the JSON Schema.
//!
//! Nearly every field is optional here even where the schema demands it: the shape check reports what is missing,
//! and resolving goes on with the rest, so that all problems are found at once.

mod state;
mod telemetry;
mod timeouts;

use std::collections::BTreeMap;

use router_policies::{ModelClass, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::state::{StateFile, StateKind};
pub(crate) use self::telemetry::{OtlpFile, TelemetryFile};
pub(crate) use self::timeouts::TimeoutsFile;
use crate::calendar::ZoneName;
use crate::capabilities::AcceptsWord;
pub(crate) use crate::dialect::{LimitWord, ProviderWord, SpeaksWord};
pub(crate) use crate::price::PriceFile;
use crate::scalars::{ByteSize, CurrencyCode, HumanDuration, SecretText, SocketAddress};
use crate::takes::TakesFile;
use crate::thinking::ThinkingFile;

/// The configuration of Xietong.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Xietong", extend("required" = ["models"]))]
pub(crate) struct ConfigFile {
    /// The data port: where clients ask. Default `127.0.0.1:8080`.
    pub(crate) listen: Option<SocketAddress>,
    /// The admin port: metrics, health, the configuration in use, reload. Default `127.0.0.1:9464`.
    pub(crate) admin: Option<SocketAddress>,
    /// Lets a data port without clients listen on more than loopback. Default false.
    pub(crate) open: Option<bool>,
    /// The currency of accounts. Default `CNY`.
    pub(crate) currency: Option<CurrencyCode>,
    /// Where the hours, days and months of budgets begin, such as `Asia/Shanghai`. Default `UTC`.
    pub(crate) time_zone: Option<ZoneName>,
    /// What one unit of another currency is worth in the currency of accounts, such as `{USD: 7.1}`.
    pub(crate) exchange: BTreeMap<String, f64>,
    /// The models, from small to large.
    #[schemars(length(min = 1))]
    pub(crate) models: Vec<ModelFile>,
    /// Names that clients use, behind which Xietong chooses.
    pub(crate) routes: Vec<RouteFile>,
    /// Fields that rules can tell prompts by, each with examples.
    pub(crate) topics: Vec<TopicFile>,
    /// Who may use the data port; none listed: whoever reaches it.
    pub(crate) clients: Vec<ClientFile>,
    /// How requests are logged. Default `text`.
    pub(crate) log: Option<LogWord>,
    /// Bounds on what any client may send.
    pub(crate) limits: LimitsFile,
    /// An HTTP or SOCKS proxy for upstreams, as a URL. Default: none, whatever the environment says.
    pub(crate) proxy: Option<SecretText>,
    /// Who speaks HTTP with `http:` endpoints that are reached without a proxy. Default `builtin`.
    pub(crate) upstream_client: Option<UpstreamClientWord>,
    /// What outlives a restart. Default `none`.
    pub(crate) state: Option<StateFile>,
    /// What is told to whom of requests, beside metrics and the log. Default: nothing.
    pub(crate) telemetry: TelemetryFile,
    /// How long streams may go on after the first signal to stop. Default `25s`.
    pub(crate) grace: Option<HumanDuration>,
}

/// A model that can be asked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct ModelFile {
    /// The name in this configuration.
    pub(crate) name: Option<String>,
    /// `embedded`: in this process; otherwise the API dialect. May be left out with a preset.
    pub(crate) provider: Option<ProviderWord>,
    /// A known provider: fills base_url, model, price, context, accepts and class; each may be overridden.
    pub(crate) preset: Option<String>,
    /// Embedded models: a GGUF file.
    pub(crate) weights: Option<String>,
    /// Embedded models: threads. Default: all cores but one.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) threads: Option<usize>,
    /// Embedded models: requests that may wait before the engine refuses. Default 64.
    #[schemars(range(max = 100_000))]
    pub(crate) queue: Option<usize>,
    /// Embedded models: requests answered side by side. Default: half of the cores, 2 or 3; 2 for weights above 1 GB.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) slots: Option<usize>,
    /// Embedded models: memory for conversations that lost their slot to others, so that their next turn is not read from
    /// the beginning. Default `64MiB`.
    pub(crate) prefix_cache: Option<ByteSize>,
    /// Embedded models: the same request with temperature 0 or a seed gets the same answer, whatever is cached or written
    /// beside it. Default false.
    pub(crate) deterministic: Option<bool>,
    /// Embedded models: layers that a GPU computes, where the program was built for one; more than the model has are all of
    /// them. Default: as many as the GPU's free memory has room for.
    #[schemars(range(max = 1000))]
    pub(crate) gpu_layers: Option<u32>,
    /// Never leaves this machine or cluster. Default: true for embedded models and presets of local servers.
    pub(crate) local: Option<bool>,
    /// The address, when there is one endpoint only.
    pub(crate) base_url: Option<String>,
    /// The key, when there is one endpoint only.
    pub(crate) api_key: Option<SecretText>,
    /// The addresses; requests are spread over them.
    pub(crate) endpoints: Vec<EndpointFile>,
    /// The upstream's own name for the model; with `provider: azure` that of its deployment.
    pub(crate) model: Option<String>,
    /// Azure: the `api-version` to ask for, such as `2024-10-21`. Default: none, by the `v1` address that needs none.
    #[schemars(regex(pattern = "^[A-Za-z0-9.-]+$"))]
    pub(crate) api_version: Option<String>,
    /// Tokens that prompt and answer may have together. Default: 4096 for embedded models, else unknown.
    #[schemars(range(min = 1))]
    pub(crate) context: Option<u64>,
    /// Tokens reserved for an answer when a request gives no limit; the embedded engine ends there. Default 4096.
    #[schemars(range(min = 1))]
    pub(crate) max_output: Option<u64>,
    /// The languages that it answers sensibly in, as ISO 639-1 codes such as `en` or `zh`. Default: the catalogue's for its
    /// weights, else any.
    #[schemars(inner(regex(pattern = "^[a-z]{2}$")), length(min = 1))]
    pub(crate) languages: Option<Vec<String>>,
    /// What it can serve.
    pub(crate) accepts: Option<Vec<AcceptsWord>>,
    /// What it costs.
    pub(crate) price: Option<PriceFile>,
    /// Which models it resembles, for the scorer. Default: by the size in its name, such as `7b`, or its place in the list.
    pub(crate) class: Option<ModelClass>,
    /// Where it comes from.
    pub(crate) provenance: ProvenanceFile,
    /// When an attempt has taken too long.
    pub(crate) timeouts: TimeoutsFile,
    /// How a whole (not streamed) answer is asked for. Default `pass`.
    #[schemars(extend("x-better-name" = "non_streaming_as"))]
    pub(crate) whole_as: Option<WholeAsWord>,
    /// Further tries on this model after a failure that allows them. Default 1.
    #[schemars(range(max = 10))]
    pub(crate) retries: Option<u32>,
    /// Certificates, in PEM, of authorities that its endpoints may have theirs from, beside those that the system trusts.
    pub(crate) ca_file: Option<String>,
    /// The largest event of a stream that is taken, such as a picture or a whole call in one piece. Default `16MiB`, from
    /// `64KiB` to `1GiB`.
    pub(crate) max_event: Option<ByteSize>,
    /// `none`: its endpoints are asked directly, whatever `proxy` of the gateway says. Local models always are.
    pub(crate) proxy: Option<ModelProxyWord>,
    /// APIs that its upstream has beside chats, completions and embeddings, and is asked by as they are.
    #[schemars(extend("x-better-name" = "apis"))]
    pub(crate) speaks: Option<Vec<SpeaksWord>>,
    /// What its upstream calls the longest answer. Default: as the client wrote it.
    pub(crate) limit: Option<LimitWord>,
    /// How it is told how hard to think. Default: by `reasoning_effort`, as the client wrote it.
    pub(crate) thinking: Option<ThinkingFile>,
    /// What becomes of what the model does not take of a request. Default: what is known of its provider and family.
    pub(crate) takes: TakesFile,
}

/// By which proxy a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelProxyWord {
    /// By none.
    None,
}

/// One address of a model.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EndpointFile {
    /// The name in metrics and logs. Default: the model's name and the endpoint's number.
    pub(crate) id: Option<String>,
    /// `http` or `https` URL, to which the path of the API is added.
    pub(crate) base_url: Option<String>,
    /// Sent as the API wants it: `authorization: Bearer …`, `x-api-key`, `api-key` or `x-goog-api-key`.
    pub(crate) api_key: Option<SecretText>,
    /// Further request headers.
    pub(crate) headers: BTreeMap<String, SecretText>,
}

/// Where a model comes from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProvenanceFile {
    /// Who trained it.
    pub(crate) developer: Option<String>,
    /// `self-developed`, `open architecture`, `open code` or `open weights`.
    #[schemars(extend("x-better-name" = "development"))]
    pub(crate) path: Option<String>,
    /// The licence of the weights or the service.
    pub(crate) licence: Option<String>,
    /// What the licence asks for beside naming its authors, such as `up to 100 million monthly users`.
    pub(crate) terms: Option<String>,
    /// ISO 3166 country code, such as `CN`.
    #[schemars(regex(pattern = "^[A-Z]{2}$"))]
    pub(crate) origin: Option<String>,
}

/// How a whole answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WholeAsWord {
    /// As such; `connect` and `total` guard it.
    Pass,
    /// Gathered from a stream, so that `first_token` and `idle` guard it too.
    Stream,
}

/// A name that clients use, behind which Xietong chooses.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "ladder"]))]
pub(crate) struct RouteFile {
    /// The name.
    pub(crate) name: Option<String>,
    /// Names of models, from small to large.
    #[schemars(length(min = 2))]
    pub(crate) ladder: Option<Vec<String>>,
    /// Who chooses. Default `{kind: threshold, at: 0.5}`.
    #[schemars(with = "Option<Policy>")]
    pub(crate) policy: Option<serde_json::Value>,
    /// A scorer adapted by `xietong calibrate`: its file. Default: the shipped scorer as it is.
    pub(crate) calibration: Option<String>,
    /// Where to go when a rung fails. Default `up_then_down`.
    pub(crate) fallback: Option<FallbackWord>,
    /// Whether an answer cut after its first byte may be finished by another rung. Default `auto`.
    pub(crate) resume: Option<ResumeWord>,
    /// Whether clients see the `x-xietong-*` headers. Default true.
    pub(crate) expose_decisions: Option<bool>,
    /// What the log may hold beside figures. Default: nothing.
    pub(crate) record: Option<RecordWord>,
}

/// A field that rules can tell prompts by.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name", "examples"]))]
pub(crate) struct TopicFile {
    /// What rules call it.
    pub(crate) name: Option<String>,
    /// Prompts of this field, five at least: a list, or a file with one a line, as it stands or as JSON with `prompt` or
    /// `messages`.
    pub(crate) examples: Option<ExamplesFile>,
    /// How alike a prompt must be: 0 as any prompt, 1 as the example in the middle. Default 0.6.
    #[schemars(range(min = 0, max = 2))]
    pub(crate) at: Option<f64>,
}

/// Examples of a topic.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ExamplesFile {
    /// The path of a file.
    File(String),
    /// Themselves.
    List(Vec<String>),
}

/// Where to go when a rung fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FallbackWord {
    /// Larger rungs.
    Up,
    /// Smaller rungs.
    Down,
    /// Larger rungs, then smaller ones.
    UpThenDown,
    /// Nowhere.
    None,
}

/// Whether an answer cut after its first byte may be finished by another rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResumeWord {
    /// Where the joint is sound.
    Auto,
    /// Never.
    Never,
}

/// What the log may hold beside figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RecordWord {
    /// Prompts and answers.
    Content,
}

/// Who may use the data port: a name and exactly one of `key` and `key_sha256`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["name"]))]
pub(crate) struct ClientFile {
    /// The name, as metrics and logs show it.
    pub(crate) name: Option<String>,
    /// The key that the client sends.
    pub(crate) key: Option<SecretText>,
    /// Instead of the key, its SHA-256 in 64 hexadecimal digits.
    pub(crate) key_sha256: Option<SecretText>,
    /// What it may spend.
    pub(crate) budget: Option<BudgetFile>,
    /// How much it may ask.
    pub(crate) limits: ClientLimitsFile,
    /// Routes and models it may name. Default: all.
    pub(crate) routes: Option<Vec<String>>,
    /// `local`: this client's requests never leave local models.
    pub(crate) locality: Option<LocalityWord>,
    /// Whether its `x-xietong-*` request headers are honoured. Default false.
    #[schemars(extend("x-better-name" = "routing_overrides"))]
    pub(crate) hints: Option<bool>,
}

/// Where requests may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LocalityWord {
    /// To local models only.
    Local,
}

/// An amount for a period.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["amount", "per"]))]
pub(crate) struct BudgetFile {
    /// In the currency of accounts.
    #[schemars(range(min = 0))]
    pub(crate) amount: Option<f64>,
    /// How often it starts anew.
    pub(crate) per: Option<PeriodWord>,
}

/// How often a budget starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PeriodWord {
    /// Each clock hour.
    Hour,
    /// Each calendar day.
    Day,
    /// Each calendar month.
    Month,
}

/// A client's rate limits; each is off when left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientLimitsFile {
    /// Requests in any minute.
    #[schemars(range(min = 1))]
    pub(crate) requests_per_minute: Option<u64>,
    /// Tokens, prompt and answer, in any minute.
    #[schemars(range(min = 1))]
    pub(crate) tokens_per_minute: Option<u64>,
    /// Requests under way at once.
    #[schemars(range(min = 1))]
    pub(crate) concurrent: Option<u64>,
}

/// How requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogWord {
    /// For people.
    Text,
    /// One JSON line a request.
    Json,
}

/// Who speaks HTTP with `http:` endpoints that are reached without a proxy.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UpstreamClientWord {
    /// The gateway's own HTTP/1.1 client, which costs the least.
    Builtin,
    /// reqwest, as with all other endpoints.
    Reqwest,
}

/// Bounds on what any client may send.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsFile {
    /// A request body. Default `32MiB`, at most `1GiB`.
    pub(crate) body: Option<ByteSize>,
    /// Until the head of a request is there. Default `10s`.
    #[schemars(extend("x-better-name" = "head_timeout"))]
    pub(crate) head: Option<HumanDuration>,
    /// Until the body of a request is there. Default `30s`.
    #[schemars(extend("x-better-name" = "body_timeout"))]
    pub(crate) body_time: Option<HumanDuration>,
    /// Between two comment lines that keep a waiting stream alive. Default `5s`.
    pub(crate) heartbeat: Option<HumanDuration>,
    /// Connections at once. Default 10000.
    #[schemars(range(min = 1))]
    pub(crate) connections: Option<usize>,
}
