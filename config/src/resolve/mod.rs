//! From what was written to what is used: names, addresses, prices, secrets. Every problem is gathered.

mod authorities;
mod calibrations;
mod clients;
mod endpoints;
mod largest_event;
mod models;
mod money;
mod ports;
mod prices;
mod provenance;
mod redis_url;
mod report;
mod request_format;
mod routes;
mod rules;
mod surcharges;
mod telemetry;
mod timeouts;
mod topics;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use money::{ExchangeRates, default_currency};
pub(crate) use report::ResolveReport;

use crate::file::{ConfigFile, LimitsFile, LogWord, StateFile, StateKind, UpstreamClientWord};
use crate::scalars::HumanDuration;
use crate::{
    EmbeddedStateConfig, EnvLookup, GatewayConfig, LogFormat, RequestLimits, Secret, SharedState,
    StateConfig, UpstreamClient,
};

/// The configuration that a file describes; what is wrong with it is in `report`, and then the result is of no use.
pub(crate) fn resolve(
    file: ConfigFile,
    env: &EnvLookup<'_>,
    source: Option<&Path>,
    report: &mut ResolveReport,
) -> GatewayConfig {
    let (listen, admin) = ports::ports(&file, report);
    let rates = ExchangeRates::new(file.currency, &file.exchange, report);
    let models = models::ModelResolver { env, rates: &rates, source, listen }.all(file.models, report);
    let routes = routes::routes(file.routes, &models, source, report);
    let topics = topics::topics(file.topics, source, report);
    let routes = rules::rules(routes, &topics, report);
    let clients = clients::clients(file.clients, &models, &routes, report);
    GatewayConfig {
        listen,
        admin,
        currency: rates.currency,
        time_zone: file.time_zone.map_or(jiff::tz::TimeZone::UTC, |zone| zone.0),
        models,
        routes,
        topics,
        clients,
        log: match file.log {
            Some(LogWord::Json) => LogFormat::Json,
            Some(LogWord::Text) | None => LogFormat::Text,
        },
        limits: limits(&file.limits, report),
        proxy: file.proxy.and_then(|proxy| self::proxy(proxy.0, report)),
        upstream_client: match file.upstream_client {
            Some(UpstreamClientWord::Reqwest) => UpstreamClient::Reqwest,
            Some(UpstreamClientWord::Builtin) | None => UpstreamClient::Builtin,
        },
        state: state(file.state, source, report),
        otlp: file.telemetry.otlp.map(|otlp| telemetry::otlp(otlp, source, report)),
        grace: file.grace.map_or(Duration::from_secs(25), |grace| grace.0),
        source: source.map(Path::to_owned),
        warnings: report.warnings(),
    }
}

/// Files that a configuration names are looked for in the working directory, then beside its own file.
fn found(file: &Path, source: Option<&Path>) -> PathBuf {
    let beside = source.and_then(Path::parent).map(|folder| folder.join(file));
    match beside {
        Some(beside) if !file.is_file() && beside.is_file() => beside,
        _ => file.to_owned(),
    }
}

/// What is in a file of at most `largest` bytes.
fn read(file: &Path, largest: u64) -> Result<Vec<u8>, ReadFileError> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(ReadFileError::TooLarge { largest });
    }
    Ok(bytes)
}

/// Why a file that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
enum ReadFileError {
    /// The system does not give it.
    #[error("cannot be read ({0})")]
    Unreadable(#[from] std::io::Error),
    /// It is larger than such a file may be.
    #[error("is larger than {} MiB", largest >> 20)]
    TooLarge {
        /// What it may have, in bytes.
        largest: u64,
    },
}

fn limits(file: &LimitsFile, report: &mut ResolveReport) -> RequestLimits {
    const MOST_BODY: u64 = 1 << 30;
    let default = RequestLimits::default();
    let body = file.body.map_or(default.body as u64, |size| size.0);
    if body == 0 || body > MOST_BODY {
        report.fault("limits.body", "must be from 1B to 1GiB");
    }
    RequestLimits {
        body: body.min(MOST_BODY) as usize,
        head: positive(file.head, default.head, "limits.head", report),
        body_time: positive(file.body_time, default.body_time, "limits.body_time", report),
        heartbeat: positive(file.heartbeat, default.heartbeat, "limits.heartbeat", report),
        connections: file.connections.unwrap_or(default.connections),
    }
}

/// A duration that must not be zero.
fn positive(
    span: Option<HumanDuration>,
    default: Duration,
    path: &str,
    report: &mut ResolveReport,
) -> Duration {
    let time = span.map_or(default, |span| span.0);
    if time.is_zero() {
        report.fault(path, "must be longer than nothing");
    }
    time
}

fn proxy(proxy: Secret, report: &mut ResolveReport) -> Option<Secret> {
    let url = url::Url::parse(proxy.reveal()).ok();
    let known = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h")
            && url.host_str().is_some_and(|host| !host.is_empty())
    });
    if !known {
        report.fault(
            "proxy",
            "write a URL with http, https or socks5 and a host, such as `http://proxy.lan:3128`",
        );
    }
    known.then_some(proxy)
}

fn state(file: Option<StateFile>, source: Option<&Path>, report: &mut ResolveReport) -> StateConfig {
    const LEAST_SIZE: u64 = 1 << 20;
    match file {
        None | Some(StateFile::Word(_) | StateFile::Kind(StateKind::None(_))) => StateConfig::None,
        Some(StateFile::Kind(StateKind::Redis(redis))) => {
            let authority = redis.ca_file.as_deref();
            let authority = authorities::authority(authority, source, "state.ca_file", report);
            let (username, password) = (redis.username.map(|it| it.0), redis.password.map(|it| it.0));
            let url = redis_url::with(redis.url.map(|url| url.0), username, password, report);
            if authority.is_some() && url.reveal().starts_with("redis:") {
                report.fault(
                    "state.ca_file",
                    "is of no use without TLS: the URL begins with `redis:`, not `rediss:`",
                );
            }
            StateConfig::Redis(SharedState { url, authority })
        }
        Some(StateFile::Kind(StateKind::Embedded(state))) => {
            let default = EmbeddedStateConfig::at(state.path.unwrap_or_else(|| "xietong.db".to_owned()));
            let at_most = state.at_most.map_or(default.at_most, |size| size.0);
            if at_most < LEAST_SIZE {
                report.fault("state.at_most", "must be at least 1MiB");
            }
            StateConfig::Embedded(EmbeddedStateConfig {
                keep: positive(state.keep, default.keep, "state.keep", report),
                at_most,
                ..default
            })
        }
    }
}
