//! The configuration in effect, for people: in the form of the file, every default filled in, every secret hidden.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use router_policies::Money;
use url::Url;

use crate::redact_price;
use crate::scalars::{HumanDuration, write_size};
use crate::{
    BudgetPeriodLength, ClientBudget, ClientConfig, EmbeddedModel, EndpointConfig, Fallback, GatewayConfig,
    LogFormat, ModelCapabilities, ModelConfig, ModelProvider, ModelTakes, NamedTopic, OtlpConfig,
    OutputLimitField, Provenance, RemoteModel, ResumeMode, Route, Secret, StateConfig, ThinkingConfig,
    UpstreamClient, WholeAs,
};

/// What stands in place of a secret.
const HIDDEN: &str = "[redacted]";

/// The configuration as it is in effect, in the form of the file and without secrets. Prices and amounts are in the
/// currency of accounts. Read as a file again, with keys in place of `[redacted]`, it means the same.
pub fn redacted(config: &GatewayConfig) -> Value {
    let limits = &config.limits;
    object([
        ("listen", json!(config.listen.to_string())),
        ("admin", json!(config.admin.to_string())),
        ("open", json!(config.clients.is_empty() && !config.listen.ip().is_loopback())),
        ("currency", json!(config.currency.code())),
        ("time_zone", json!(config.time_zone.iana_name().unwrap_or("UTC"))),
        ("models", config.models.iter().map(|one| model(one)).collect()),
        ("routes", config.routes.iter().map(|one| route(one)).collect()),
        (
            "topics",
            json!((!config.topics.is_empty()).then(|| config.topics.iter().map(topic).collect::<Vec<_>>())),
        ),
        ("clients", config.clients.iter().map(|one| client(one)).collect()),
        ("log", json!(if config.log == LogFormat::Json { "json" } else { "text" })),
        (
            "limits",
            json!({
                "body": write_size(limits.body as u64),
                "head": HumanDuration(limits.head),
                "body_time": HumanDuration(limits.body_time),
                "heartbeat": HumanDuration(limits.heartbeat),
                "connections": limits.connections,
            }),
        ),
        ("proxy", json!(config.proxy.as_ref().and_then(|proxy| without_password(proxy.reveal())))),
        (
            "upstream_client",
            json!(match config.upstream_client {
                UpstreamClient::Builtin => "builtin",
                UpstreamClient::Reqwest => "reqwest",
            }),
        ),
        ("state", state(&config.state)),
        ("telemetry", json!(config.otlp.as_ref().map(|otlp| json!({ "otlp": self::otlp(otlp) })))),
        ("grace", json!(HumanDuration(config.grace))),
    ])
}

/// A mapping without the keys that have no value.
fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let given = entries.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn without_password(proxy: &str) -> Option<String> {
    let mut url = Url::parse(proxy).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    // A token may hide in the rest, too.
    url.set_query(None);
    url.set_fragment(None);
    url.set_path("");
    Some(url.to_string())
}

fn state(state: &StateConfig) -> Value {
    match state {
        StateConfig::None => json!("none"),
        StateConfig::Redis(shared) => object([
            ("kind", json!("redis")),
            ("url", json!(HIDDEN)),
            ("ca_file", json!(shared.authority.as_ref().map(|authority| &authority.file))),
        ]),
        StateConfig::Embedded(state) => json!({
            "kind": "embedded",
            "path": state.path,
            "keep": HumanDuration(state.keep),
            "at_most": write_size(state.at_most),
        }),
    }
}

fn otlp(otlp: &OtlpConfig) -> Value {
    object([
        ("endpoint", json!(otlp.endpoint)),
        ("headers", hidden(&otlp.headers)),
        ("share", json!(otlp.share)),
        ("service", json!(otlp.service)),
        ("attributes", json!((!otlp.attributes.is_empty()).then_some(&otlp.attributes))),
        ("ca_file", json!(otlp.authority.as_ref().map(|authority| &authority.file))),
    ])
}

/// The names of headers.
fn hidden(headers: &BTreeMap<String, Secret>) -> Value {
    let names: Map<_, _> = headers.keys().map(|name| (name.clone(), json!(HIDDEN))).collect();
    json!((!names.is_empty()).then_some(names))
}

fn model(model: &ModelConfig) -> Value {
    let (timeouts, provenance) = (&model.timeouts, &model.provenance);
    let mut shown = object([
        ("name", json!(model.name)),
        ("local", json!(model.local)),
        ("context", json!(model.context)),
        ("max_output", json!(model.max_output)),
        ("languages", json!(model.languages)),
        ("accepts", accepts(model.accepts)),
        ("price", json!(model.price.as_ref().map(|price| redact_price::with(price, &model.surcharges)))),
        ("class", json!(model.class)),
        ("provenance", self::provenance(provenance)),
        (
            "timeouts",
            json!({
                "connect": HumanDuration(timeouts.connect),
                "first_token": HumanDuration(timeouts.first_token),
                "thinking": HumanDuration(timeouts.thinking),
                "idle": HumanDuration(timeouts.idle),
                "total": HumanDuration(timeouts.total),
            }),
        ),
        ("whole_as", json!(if model.whole_as == WholeAs::Pass { "pass" } else { "stream" })),
        ("retries", json!(model.retries)),
    ]);
    let reached = match &model.provider {
        ModelProvider::Embedded(embedded) => self::embedded(embedded),
        ModelProvider::Remote(remote) => self::remote(remote),
    };
    if let (Some(shown), Value::Object(reached)) = (shown.as_object_mut(), reached) {
        shown.extend(reached);
    }
    if let (ModelProvider::Embedded(embedded), Some(timeouts)) =
        (&model.provider, shown.get_mut("timeouts").and_then(Value::as_object_mut))
    {
        timeouts.insert("queue".to_owned(), json!(HumanDuration(embedded.queue_time)));
        // Without one of the operator's it depends on the prompt.
        if embedded.first_token.is_none() {
            timeouts.remove("first_token");
        }
        // Its prompt's length says how long it may be silent, whatever it is asked.
        timeouts.remove("thinking");
    }
    shown
}

fn embedded(embedded: &EmbeddedModel) -> Value {
    object([
        ("provider", json!("embedded")),
        ("weights", json!(embedded.weights)),
        ("threads", json!(embedded.threads)),
        ("queue", json!(embedded.queue)),
        ("slots", json!(embedded.slots)),
        ("prefix_cache", json!(write_size(embedded.prefix_cache as u64))),
        ("deterministic", json!(embedded.deterministic)),
        ("gpu_layers", json!(embedded.gpu_layers)),
    ])
}

fn remote(remote: &RemoteModel) -> Value {
    object([
        ("provider", json!(remote.dialect.word())),
        ("model", json!(remote.model)),
        ("api_version", json!(remote.api_version)),
        ("max_event", json!(write_size(remote.largest_event as u64))),
        ("proxy", json!(remote.is_direct.then_some("none"))),
        ("speaks", json!(remote.speaks_responses.then_some(["responses"]))),
        (
            "limit",
            json!(match remote.limit {
                OutputLimitField::AsWritten => None,
                OutputLimitField::Tokens => Some("max_tokens"),
                OutputLimitField::CompletionTokens => Some("max_completion_tokens"),
            }),
        ),
        ("thinking", json!((remote.thinking != ThinkingConfig::default()).then_some(&remote.thinking))),
        ("takes", takes(&remote.takes)),
        ("endpoints", remote.endpoints.iter().map(endpoint).collect()),
        ("ca_file", json!(remote.authority.as_ref().map(|authority| &authority.file))),
    ])
}

fn takes(takes: &ModelTakes) -> Value {
    takes.shown().into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>().into()
}

fn endpoint(endpoint: &EndpointConfig) -> Value {
    object([
        ("id", json!(endpoint.id)),
        ("base_url", json!(endpoint.base_url)),
        ("api_key", json!(endpoint.api_key.as_ref().map(|_| HIDDEN))),
        ("headers", hidden(&endpoint.headers)),
    ])
}

fn accepts(accepts: ModelCapabilities) -> Value {
    let ModelCapabilities { text, image, audio, video, tools, json_schema, prefill, logprobs, embeddings } =
        accepts;
    let words = [
        ("text", text),
        ("image", image),
        ("audio", audio),
        ("video", video),
        ("tools", tools),
        ("json_schema", json_schema),
        ("prefill", prefill == Some(true)),
        ("logprobs", logprobs),
        ("embeddings", embeddings == Some(true)),
    ];
    words.iter().filter(|(_, has)| *has).map(|(word, _)| json!(word)).collect()
}

fn money(money: &Money) -> f64 {
    money.units()
}

fn provenance(provenance: &Provenance) -> Value {
    object([
        ("developer", json!(provenance.developer)),
        ("path", json!(provenance.path)),
        ("licence", json!(provenance.licence)),
        ("terms", json!(provenance.terms)),
        ("origin", json!(provenance.origin)),
    ])
}

fn route(route: &Route) -> Value {
    let fallback = match route.fallback {
        Fallback::Up => "up",
        Fallback::Down => "down",
        Fallback::UpThenDown => "up_then_down",
        Fallback::None => "none",
    };
    object([
        ("name", json!(route.name)),
        ("ladder", route.ladder.iter().map(|model| json!(model.name)).collect()),
        ("policy", json!(route.policy)),
        ("calibration", json!(route.calibration.as_ref().map(|calibrated| &calibrated.file))),
        ("fallback", json!(fallback)),
        ("resume", json!(if route.resume == ResumeMode::Auto { "auto" } else { "never" })),
        ("expose_decisions", json!(route.expose_decisions)),
        ("record", json!(route.record_content.then_some("content"))),
    ])
}

fn topic(named: &NamedTopic) -> Value {
    let examples = named.file.as_ref().map_or_else(|| json!(named.listed), |file| json!(file));
    json!({ "name": named.topic.name, "examples": examples, "at": named.topic.at })
}

fn client(client: &ClientConfig) -> Value {
    object([
        ("name", json!(client.name)),
        ("key_sha256", json!(HIDDEN)),
        ("budget", json!(client.budget.as_ref().map(budget))),
        (
            "limits",
            object([
                ("requests_per_minute", json!(client.limits.requests_per_minute)),
                ("tokens_per_minute", json!(client.limits.tokens_per_minute)),
                ("concurrent", json!(client.limits.concurrent)),
            ]),
        ),
        ("routes", json!(client.routes)),
        ("locality", json!(client.local_only.then_some("local"))),
        ("hints", json!(client.hints)),
    ])
}

fn budget(budget: &ClientBudget) -> Value {
    let per = match budget.per {
        BudgetPeriodLength::Hour => "hour",
        BudgetPeriodLength::Day => "day",
        BudgetPeriodLength::Month => "month",
    };
    json!({ "amount": money(&budget.amount), "per": per })
}
